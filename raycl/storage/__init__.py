"""One interface to local folders and object stores: `Storage`."""

from raycl.storage.store import Storage, scratch_folder

__all__ = ["Storage", "scratch_folder"]
