"""The paths of all files in a storage. Each is spelled here, and nowhere else.

docs/architecture.md shows the same as a tree. All paths are relative to the storage's root.
"""

from __future__ import annotations

CORPORA = "corpora"
TOKENIZERS = "tokenizers"
STARTS = "starts"
STATES = "states"
LEASES = "leases"
QUEUE = "queue"
TOKENIZER_REQUESTS = f"{TOKENIZERS}/requests"
EXTENSION_REQUESTS = f"{STARTS}/extensions"
EVALUATIONS = "evaluations"
BINDINGS = "bindings"
SWEEPS = "sweeps"
OVERLAPS = "overlaps"
STEERING = "steering"
FAILURES = "failures"
LIVE = "live"
TRACKERS = "trackers"

STATE_MARK = "state.json"
"""The file of a state that is written last: a folder without it is no state."""
STATE_HISTORY = "history.parquet"
STATE_ROWS = "validation_rows.parquet"
"""The losses of single validation rows at a state; older states, and those inside of nodes, have
none."""
STATE_TABLES = (STATE_HISTORY, STATE_ROWS)
"""What stays of a state whatever becomes of its tensors."""
STATE_INDEX = "index.parquet"
"""The file that says where each part of a state's tensors lies; older states have none."""
STATE_WEIGHTS_INDEX = "weights.parquet"
"""The same of a state that is kept without the optimizer: the two may lie side by side for a
moment, while one takes the place of the other."""
STATE_REDUCED = "reduced"
"""A file that says, in a listing, that a state may hold less than all: its mark tells what."""
RECIPE = "recipe.yaml"
"""The recipe of a sweep, and that beside an exported model."""
CORPUS_MANIFEST = "manifest.json"
"""The file of a corpus that is written last: a folder without it is no corpus."""
DOCUMENTS = "documents"
"""The folder of a corpus with the hashes of its documents."""
START_MARK = "start.json"
"""The file of a pretrained model that is written last: a folder without it is none."""
START_EXTENSION = "vocabulary_extension.json"
"""The file of a model, in a folder of a user too, that says which tokens it got and from what."""
START_REPLACEMENT = "tokenizer_replacement.json"
"""The same where it got another tokenizer in place of its own."""
START_TOKENIZER_BEFORE = "tokenizer_before.json"
"""The tokenizer.json that it had then."""
SWEEP_TREE = "tree.json"
TOKENIZER_DEFINITION = "tokenizer.json"
"""The file of a tokenizer that is written last; its name is that of the tokenizers library."""
TOKENIZER_CONFIG = "tokenizer_config.json"
"""What the tokenizer says of itself, under the name that transformers gives it."""

REPRODUCTION_SECONDS = "reproduction/seconds.json"


def corpus(name: str) -> str:
    """The folder of a corpus' shards."""
    return f"{CORPORA}/{name}"


def manifest(folder: str) -> str:
    """The manifest of the corpus whose shards lie in `folder`."""
    return f"{folder}/{CORPUS_MANIFEST}"


def spools(folder: str) -> str:
    """Everything that the preparation of the corpus in `folder` keeps until it is finished."""
    return f"{folder}/.spool"


def spool(folder: str, key: str) -> str:
    """The tokenised documents of a preparation; `key` names its input and settings."""
    return f"{spools(folder)}/{key}"


def preparation_claim(folder: str) -> str:
    """The file that says who prepares the corpus in `folder` now, and from what."""
    return f"{spools(folder)}/claim.json"


def moved_documents(spool_folder: str, key: str) -> str:
    """The spool of documents that other corpora of the recipe decide the split of."""
    return f"{spool_folder}/moved-{key}"


def document_hashes(folder: str, key: str, bucket: int) -> str:
    """The hashes of the documents of a bucket of the corpus in `folder`."""
    return f"{folder}/{DOCUMENTS}/{key}/{bucket:05d}.bin"


def packed_bucket(spool_folder: str, bucket: int) -> str:
    """The result of packing a bucket of a spool."""
    return f"{spool_folder}/packed-{bucket:05d}.json"


def overlaps(recipe: str) -> str:
    """What the corpora of a recipe repeat of each other (`raycl overlap`)."""
    return f"{OVERLAPS}/{recipe}.json"


def binding(corpus_name: str) -> str:
    """The file that records on which data, under this corpus' name, states were trained."""
    return f"{BINDINGS}/{corpus_name}.json"


def tokenizer(fingerprint: str) -> str:
    """A tokenizer by the fingerprint of its content."""
    return f"{tokenizer_folder(fingerprint)}/{TOKENIZER_DEFINITION}"


def tokenizer_folder(fingerprint: str) -> str:
    """The folder of all files of a tokenizer."""
    return f"{TOKENIZERS}/{fingerprint}"


def tokenizer_request(key: str) -> str:
    """The file that names the tokenizer which a request to train one has made."""
    return f"{TOKENIZER_REQUESTS}/{key}.json"


def start(identifier: str) -> str:
    """The folder of a pretrained model that recipes start from."""
    return f"{STARTS}/{identifier}"


def start_mark(identifier: str) -> str:
    """The commit mark of a pretrained model."""
    return f"{start(identifier)}/{START_MARK}"


def start_reference(key: str) -> str:
    """The file that says which pretrained model a folder or a hub name was."""
    return f"{STARTS}/references/{key}.json"


def extension_request(key: str) -> str:
    """The file that names the model which a recipe's words on new tokens have made."""
    return f"{EXTENSION_REQUESTS}/{key}.json"


def state(name: str) -> str:
    """The folder of a state."""
    return f"{STATES}/{name}"


def state_mark(name: str) -> str:
    """The commit mark of a state."""
    return f"{state(name)}/{STATE_MARK}"


def state_history(name: str) -> str:
    """One line for each step since the state before this one."""
    return f"{state(name)}/{STATE_HISTORY}"


def state_rows(name: str) -> str:
    """The losses of single validation rows at a state."""
    return f"{state(name)}/{STATE_ROWS}"


def state_reduced(name: str) -> str:
    """The file that says that a state may hold less than all of a training."""
    return f"{state(name)}/{STATE_REDUCED}"


def node_lease(node: str) -> str:
    """Who trains the node that ends in the state `node`."""
    return f"{LEASES}/nodes/{node}"


def lease_holders() -> str:
    """The folder of the heartbeats of all processes that hold leases."""
    return f"{LEASES}/holders"


def lease_holder(holder: str) -> str:
    """The heartbeat of a process that holds leases."""
    return f"{lease_holders()}/{holder}"


def lease_probe(name: str) -> str:
    """A file that is written to see whether the store honours conditions."""
    return f"{LEASES}/probe-{name}"


def queue_entry(holder: str) -> str:
    """What a living sweep uses and could use of its cluster; named by the holder of its leases."""
    return f"{QUEUE}/{holder}.json"


def queue_order(holder: str) -> str:
    """The priority and share that somebody has given a living sweep."""
    return f"{QUEUE}/orders/{holder}.json"


def queue_quotas() -> str:
    """The most workers of each owner who has a quota."""
    return f"{QUEUE}/quotas.json"


def steering(node: str) -> str:
    """What somebody has asked of a node: to pause, to stop, to go on, to try again."""
    return f"{STEERING}/{node}.json"


def failure(node: str) -> str:
    """Why a sweep has given a node up."""
    return f"{FAILURES}/{node}.json"


def live_node(node: str) -> str:
    """The newest numbers and the log of a node, written while it is trained."""
    return f"{LIVE}/{node}.json"


def evaluations(state_name: str) -> str:
    """The folder of everything that was measured of a state after its training."""
    return f"{EVALUATIONS}/{state_name}"


def evaluated_losses(state_name: str) -> str:
    """Losses of a state that were measured after its training."""
    return f"{evaluations(state_name)}/losses.json"


def evaluated_rows(state_name: str) -> str:
    """Losses of single validation rows of a state that were measured after its training."""
    return f"{evaluations(state_name)}/{STATE_ROWS}"


def evaluated_tasks(state_name: str) -> str:
    """The folder of a state's scores in tasks of lm-evaluation-harness."""
    return f"{evaluations(state_name)}/tasks"


def evaluated_task(state_name: str, task: str) -> str:
    """A state's scores in one task."""
    return f"{evaluated_tasks(state_name)}/{task}.json"


def sweep(name: str) -> str:
    """The folder of a sweep's description and results."""
    return f"{SWEEPS}/{name}"


def sweep_recipe(name: str) -> str:
    """The recipe of a sweep, as it was run."""
    return f"{sweep(name)}/{RECIPE}"


def sweep_tree(name: str) -> str:
    """The nodes of a sweep."""
    return f"{sweep(name)}/{SWEEP_TREE}"


def sweep_resolution(name: str) -> str:
    """What the recipe of a sweep left open, as it was found when the sweep was run."""
    return f"{sweep(name)}/resolution.json"


def sweep_prices(name: str) -> str:
    """The prices that a sweep was last told."""
    return f"{sweep(name)}/prices.json"


def sweep_proposals(name: str) -> str:
    """The folder of the recipes that a search, or somebody by hand, has added to a sweep."""
    return f"{sweep(name)}/proposals"


def sweep_proposal(name: str, number: int) -> str:
    """One recipe that was added to a sweep."""
    return f"{sweep_proposals(name)}/{number:06d}.json"


def sweep_merge_trials(name: str) -> str:
    """The folder of the merges that the merge search of a sweep has measured."""
    return f"{sweep(name)}/merge_trials"


def sweep_merge_trial(name: str, state: str) -> str:
    """One merge that was measured, by the name that its state would have."""
    return f"{sweep_merge_trials(name)}/{state}.json"


def sweep_merge_table(name: str) -> str:
    """The table of all merges that were measured."""
    return f"{sweep(name)}/merge_trials.csv"


def sweep_results(name: str, suffix: str) -> str:
    """The table of a sweep's recipes; `suffix` is `parquet` or `csv`."""
    return f"{sweep(name)}/results.{suffix}"


def sweep_settings(name: str, suffix: str) -> str:
    """The table of a sweep's settings, where it has seeds; `suffix` is `parquet` or `csv`."""
    return f"{sweep(name)}/settings.{suffix}"


def sweep_histories(name: str) -> str:
    """The folder of the histories of a sweep's recipes."""
    return f"{sweep(name)}/history"


def sweep_history(name: str, recipe: str) -> str:
    """The history of one recipe, whose label has become the file name `recipe`."""
    return f"{sweep_histories(name)}/{recipe}.parquet"


def sweep_tensorboard(name: str) -> str:
    """The folder of a sweep's TensorBoard files."""
    return f"{sweep(name)}/tensorboard"


def tracker(name: str) -> str:
    """The folder or file in which a tracker keeps the runs of all sweeps of a local storage."""
    return f"{TRACKERS}/{name}"


def sweep_report(name: str) -> str:
    """The page of a sweep."""
    return f"{sweep(name)}/report.html"


def sweep_figure(name: str, figure: str) -> str:
    """One figure of the page of a sweep, as a picture."""
    return f"{sweep(name)}/figures/{figure}.png"
