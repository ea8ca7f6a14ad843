"""Training loops that do the same work, raycl's and others', for `benchmarks.side_by_side`."""
