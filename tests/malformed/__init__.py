"""Inputs that raycl must refuse: each is one change of a workspace that works."""
