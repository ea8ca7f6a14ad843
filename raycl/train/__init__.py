"""The training of one node: the loop and its parts. Nothing here uses Ray."""
