"""How good ``edgeplan check`` is: false alarms, delays, and what reading a large store takes."""
