"""The page of a storage, served while sweeps run; it reads the storage alone."""
