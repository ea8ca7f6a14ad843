"""A model over many workers: their groups, layout, shards, gradients and precision."""
