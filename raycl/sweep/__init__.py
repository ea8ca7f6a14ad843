"""One sweep from recipe to report: nodes of the tree, trained on a Ray cluster.

`raycl.sweep(recipe, storage)` is a function of the public face: `raycl.api.sweep`.
"""

from raycl.callable_room import make_callable

make_callable(__name__)
