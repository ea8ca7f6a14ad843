"""Looks into a model before it is trained: whether it can be, how large it is, what it keeps."""
