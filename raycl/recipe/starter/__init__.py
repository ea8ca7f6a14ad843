"""A first recipe from a few answers: what `raycl init` writes."""
