"""Where measurements are kept: the agents' stores, and the tables that others published [I/O]."""
