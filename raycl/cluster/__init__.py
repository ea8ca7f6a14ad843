"""A Ray cluster for one command: our own on the loopback address, or somebody else's."""
