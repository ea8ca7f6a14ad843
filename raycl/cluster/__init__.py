"""A Ray cluster for one command: an embedded one on the loopback address, or a running one."""
