"""Training one node: the loop and what it is made of. Knows no Ray."""
