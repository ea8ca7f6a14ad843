"""Measures raycl's training on one GPU, in ten minutes, without Ray and without a network.

    python -m benchmarks.gpu --json gpu.json      (a CUDA device)
    python -m benchmarks.gpu --smoke              (any machine; tests the script)

A section's error is a row that says so. JSON is written anew after each row, and sections stand in
the order of their value, so that a run that is cut off leaves what it had. All trainings go through
`raycl.train.loop.train`. benchmarks/README.md says what has to travel to a machine.
"""
