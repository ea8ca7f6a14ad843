"""Pure arithmetic of rates, rows, hashes, the tree and its cost. Knows no file, Ray or torch.

`raycl.plan(recipe)` is a function of the public face: `raycl.api.plan`.
"""

from raycl.callable_room import make_callable

make_callable(__name__)
