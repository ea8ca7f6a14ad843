"""Sweeps that run are steered through the storage: pause, stop, resume, retry.

`actions` records what somebody asks of a node. A running sweep (`obey`) and the trial that trains
the node (`leaving`) look at these records every few seconds, each for itself.
"""
