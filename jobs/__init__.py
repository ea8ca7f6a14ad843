"""Entry points for `ray job submit`: each runs the `raycl` command of its name on the cluster."""
