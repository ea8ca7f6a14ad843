"""The tasks that the objective of a search names: which they are, and whether they can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from raycl.errors import InputError, shown
from raycl.evaluation.harness_tasks import load_tasks, task_manager
from raycl.evaluation.local_data import LocalData, local_data
from raycl.evaluation.local_tasks import KINDS, task_name
from raycl.evaluation.schemes import check_harness, schemes, stored_scores
from raycl.evaluation.task_requests import LISTS, TaskRequest, check_words, requests
from raycl.recipe.schema.search import AskedTask, Search
from raycl.storage import Storage, scratch_folder

_DATA = (
    "Run it once with a network, set HF_HOME to where the data is, or give copies of the data sets "
    "in search.tasks.data"
)


@dataclass(frozen=True)
class WantedTasks:
    """The tasks of an objective, by its names for them (`task/hellaswag`)."""

    tasks: Mapping[str, AskedTask]
    corpora: tuple[str, ...]
    """Corpora of which tasks can be made: `cloze_german`, `bits_per_byte_german`."""
    lists: tuple[str, ...]
    """Lists and folders in which tasks are looked for first."""
    data: Path | None
    """Folder with copies of the tasks' data sets."""
    where: str
    """The recipe file, for messages."""

    @classmethod
    def of(cls, search: Search, corpora: Sequence[str], where: str) -> WantedTasks | None:
        """The tasks that a search's objective names or bounds; None where there are none."""
        if not search.asked:
            return None
        told = search.tasks
        data = Path(told.data).expanduser().absolute() if told.data else None
        lists = tuple(w if w in _lists() else str(Path(w).expanduser()) for w in told.lists)
        return cls(search.asked, tuple(corpora), lists, data, where)

    def check(self) -> None:
        """Raise InputError where a task cannot be asked: before anything is trained.

        The harness has to be installed; a task has to be known, and its data has to be there or be
        got, which takes seconds. A task that is made of a corpus needs no look.
        """
        first = next(iter(self.tasks))
        check_harness(self._place(first))
        self._check_folders()
        with scratch_folder("harness") as scratch, self.local(Path(scratch)) as data:
            listed = self._listed(Path(scratch))
            for name, task in self.tasks.items():
                if task.name in listed or self._made_of(task.name) is None:
                    request = listed.get(task.name, TaskRequest(task.name))
                    self._check(name, request, data)

    def requests(self, storage: Storage, scratch: Path) -> dict[AskedTask, TaskRequest]:
        """What the harness is asked for; tasks made of corpora are written into `scratch`."""
        listed = self._listed(scratch)
        found = {}
        for task in self.tasks.values():
            made_of = self._made_of(task.name)
            if task.name in listed or made_of is None:
                found[task] = listed.get(task.name, TaskRequest(task.name))
            else:
                kind, corpus = made_of
                (found[task],) = requests([kind], storage, [corpus], scratch)
        return found

    def local(self, scratch: Path) -> AbstractContextManager[LocalData | None]:
        """The harness reads the copies of data sets inside the block, if there are any."""
        return local_data(self.data, scratch / ".datasets") if self.data else nullcontext()

    def _listed(self, scratch: Path) -> dict[str, TaskRequest]:
        found: dict[str, TaskRequest] = {}
        for word in self.lists:
            for request in requests([word], Storage(str(scratch)), (), scratch):
                found.setdefault(request.name, request)
        return found

    def _made_of(self, name: str) -> tuple[str, str] | None:
        """The kind and the corpus of a task that is made of a corpus."""
        pairs = ((kind, corpus) for kind in KINDS for corpus in self.corpora)
        return next((pair for pair in pairs if task_name(*pair) == name), None)

    def _check_folders(self) -> None:
        if self.data is not None and not self.data.is_dir():
            place = f"{self.where}: search.tasks.data {shown(str(self.data))}"
            raise InputError(place, "no such folder", "Give the folder of your data sets")
        for word in self.lists:
            if word in _lists():
                continue
            if not Path(word).is_dir():
                known = ", ".join(sorted(_lists()))
                place = f"{self.where}: search.tasks.lists {shown(word)}"
                remedy = f"Give a folder of task YAMLs, or one of {known}"
                raise InputError(place, "neither a folder nor a list of tasks", remedy)
            try:
                check_words([word])
            except InputError as error:
                place = f"{self.where}: search.tasks.lists {shown(word)}"
                raise InputError(place, error.problem, error.remedy) from error

    def _check(self, name: str, request: TaskRequest, data: LocalData | None) -> None:
        with self._told_of(name):
            manager = task_manager([request])
        try:
            load_tasks([request], manager, data)
        except InputError as error:
            if data is not None and not error.where.startswith("--tasks"):
                place = f"{self.where}: search.tasks.data {shown(str(self.data))}"
                raise InputError(place, error.problem, error.remedy) from error
            raise InputError(self._place(name), error.problem, _DATA) from error
        except Exception as error:  # the harness and `datasets` raise many kinds
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(self._place(name), f"it cannot be loaded ({line})", _DATA) from error

    @contextmanager
    def _told_of(self, name: str) -> Iterator[None]:
        """Name the objective in an InputError that speaks of `--tasks`."""
        try:
            yield
        except InputError as error:
            raise InputError(self._place(name), error.problem, error.remedy) from error

    def _place(self, name: str) -> str:
        return f"{self.where}: search.objective {shown(name)}"


class StoredTasks:
    """Which states of a storage have scores in the wanted tasks. The corpora are prepared."""

    def __init__(self, wanted: WantedTasks, storage: Storage) -> None:
        self._storage = storage
        release = check_harness(wanted.where)
        with scratch_folder("harness") as scratch, wanted.local(Path(scratch)) as data:
            asked = wanted.requests(storage, Path(scratch))
            digests = {request: request.digest for request in asked.values()}
            if data is not None:  # what tasks read decides whether stored scores are theirs
                every = list(digests)
                _, digests = load_tasks(every, task_manager(every), data)
        self._schemes = [
            schemes({request: digests[request]}, task.limit, release)
            for task, request in asked.items()
        ]

    def lack(self, state: str) -> bool:
        """Whether they lack a score of a state. A request for each task."""
        return any(stored_scores(self._storage, state, scheme)[1] for scheme in self._schemes)


def _lists() -> set[str]:
    return {file.stem for file in LISTS.glob("*.yaml")}
