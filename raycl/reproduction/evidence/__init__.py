"""What was run, and how one recipe or one number is taken out of it."""

from raycl.reproduction.evidence.evidence import Evidence

__all__ = ["Evidence"]
