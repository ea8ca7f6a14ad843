"""raycl: continual pre-training of language models, and the sweeps that find how."""

__version__ = "0.1.0"
