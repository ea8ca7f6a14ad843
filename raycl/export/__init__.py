"""A stored state as a folder that transformers loads: written, loaded, compared and pushed."""
