"""States of a training: read, and written in the background."""
