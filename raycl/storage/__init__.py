"""Local paths and object stores behind one small face: `Storage`."""

from raycl.storage.store import Storage, scratch_folder

__all__ = ["Storage", "scratch_folder"]
