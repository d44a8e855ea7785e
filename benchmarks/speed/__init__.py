"""How fast things run, and the bounds they are compared with."""
