"""The states that a storage holds: which there are, who refers to them, which may be removed."""
