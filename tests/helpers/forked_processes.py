"""One server from which the tests fork their processes: it has imported what they need once.

A cold start costs seconds on each rank. A process has one such server, whatever asks for it, and
the server imports what is named before it starts. So what every module needs is named here.
"""

from __future__ import annotations

import multiprocessing

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "tests.helpers.worker_processes",
        "tests.helpers.layout_processes",
        "tests.helpers.state_ranks",
        # These two are imported when the first model is built and the first history is written.
        "transformers.models.gpt_neox.modeling_gpt_neox",
        "pyarrow.pandas_compat",
    ]
)
