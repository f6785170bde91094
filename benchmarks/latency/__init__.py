"""Tables of round-trip times, ways of hiding a part of them, and the peers our model is judged against."""
