"""What a worker does: the tasks that a sweep sends to other processes, one at a time in each."""

import collections
import dataclasses
import functools
import os
import pickle
import platform
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import jax
import jaxlib.version

import jaxreg
from jaxreg.engine.arrays import Piece, StoredArray
from jaxreg.engine.axes import Group
from jaxreg.engine.bench import Bench
from jaxreg.engine.buffer import FileName, Pieces
from jaxreg.engine.catalog import Catalog, open_catalog
from jaxreg.engine.devices import Machine
from jaxreg.engine.execute import Block, Execution, Tally, Work
from jaxreg.engine.forecast import Trial
from jaxreg.engine.grid import Box, Region, Tile
from jaxreg.engine.member import Statics
from jaxreg.engine.places import Place, Sign, explain, read_token, remedy_for
from jaxreg.engine.reporting import Report
from jaxreg.engine.sealing import DamageError, digest
from jaxreg.engine.settings import describe_precision, settled_as
from jaxreg.engine.tracing import Program, trace_program
from jaxreg.errors import JaxregError, StoreError, SweepError

_MOST_OPEN = 2  # sweeps whose data a worker keeps
_one_at_a_time = threading.Lock()  # of a worker's threads: its devices have one memory
_open: "collections.OrderedDict[str, _OpenStudy]" = collections.OrderedDict()
Given = ParamSpec("Given")
Told = TypeVar("Told")


class Study(NamedTuple):
    """What every worker of a sweep needs, and gets once: the run, its shared data, labels and static keywords."""

    run: Callable[..., Any]
    args: tuple[Any, ...]
    programs: tuple[tuple[str, Statics] | None, ...]
    keys: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Order:
    """Which sweep a task belongs to, and where its pickled `Study` is: here, in the store, or with another task.

    `token` is fresh for each sweep: some executors return what an equal task returned before. `digest` is that of the
    pickled study: nothing else is unpickled. `versions` and `precision` must be the worker's too.
    """

    token: str
    digest: bytes
    payload: bytes | None
    settings: dict[str, Any]
    precision: dict[str, Any]
    versions: dict[str, str]
    store: "tuple[Parcel, str, str] | None" = None  # its id, and the token of who writes it
    name: str | None = None  # of the study's file in the store


@dataclasses.dataclass(frozen=True)
class Parcel:
    """A store's place, which a worker of another process opens within a task: then what is not installed is named."""

    place: Place | None
    data: bytes = b""

    def __reduce__(self) -> tuple[Any, ...]:
        """Its pickle, within another."""
        return Parcel, (None, self.data or pickle.dumps(self.place))

    def open(self) -> Place:
        """The place; StoreError where something that it needs is missing."""
        if self.place is not None:
            return self.place
        try:
            place: Place = pickle.loads(self.data)
        except Exception as error:
            raise StoreError(
                "store",
                name_worker(),
                f"cannot open it ({type(error).__name__}: {error})",
                "Install there what is installed here, such as 'jaxreg[cloud]'",
            ) from error
        return place


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of one program: its number, its fingerprint, and the positions and values that a task needs."""

    number: int
    fingerprint: str
    groups: tuple[Group, ...]


@dataclasses.dataclass(frozen=True)
class Job:
    """Tiles of one program, to be computed in chunks of the shape `box`.

    `owned` names the outputs that the worker writes, and their arrays; `begun` those of their files that hold cells.
    """

    part: Part
    tiles: tuple[Region, ...]
    box: Box
    is_fixed: bool
    owned: dict[str, str]
    begun: frozenset[FileName]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a job gave: outputs that are not written yet, what was done, and chunk shapes that were too large for it."""

    blocks: list[tuple[Region, Block]]
    tally: Tally
    boxes: list[Box]
    failures: dict[str, Exception]
    is_broken: bool
    seconds: float  # of the last call
    worker: str
    host: dict[str, Any]


def name_worker() -> str:
    """This process, among all of a sweep."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def read_versions() -> dict[str, str]:
    """Versions that all processes of a sweep must share: others may trace, compile or unpickle otherwise."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "python": python,
        "jax": jax.__version__,
        "jaxlib": jaxlib.version.__version__,
        "jaxreg": jaxreg.__version__,
    }


def describe_worker(order: Order, run: bytes) -> tuple[Machine, dict[str, Any]]:
    """The devices of a worker, and what provenance says of it; modules of the pickled run may choose them."""
    with _alone(order):
        _unpickle(run)
        bench = Bench(())
        return bench.machine, bench.describe()


def _task(
    function: Callable[Concatenate["_OpenStudy", Given], Told],
) -> Callable[Concatenate[Order, Given], Told | None]:
    """A function of an open sweep as a task; its result is None where this worker has not been sent the study yet."""

    @functools.wraps(function)
    def task(order: Order, /, *args: Given.args, **kwargs: Given.kwargs) -> Told | None:
        with _alone(order):
            work = _find(order)
            return None if work is None else function(work, *args, **kwargs)

    return task


@_task
def weigh(work: "_OpenStudy", part: Part, box: Box) -> int:
    """Bytes that a call of a program needs."""
    return work.bench.weigh(work.find(part), box)


@_task
def attempt(work: "_OpenStudy", part: Part, box: Box) -> Trial:
    """A program compiled and called."""
    return work.bench.attempt(work.find(part), box)


@_task
def compute(work: "_OpenStudy", job: Job) -> Outcome:
    """The runs of a job. When this returns, the files that it owns are written, and on disk."""
    return work.compute(job)


class _OpenStudy:
    """A sweep that is open in this process: its study, devices, programs and store."""

    def __init__(self, study: Study, catalog: Catalog | None, token: str) -> None:
        self.study, self.bench = study, Bench(study.args)
        self.catalog, self._token = catalog, token
        self.programs: list[Program | None] = [None] * len(study.programs)
        idle = Work(self.programs, lambda positions, block: None, Tally(), Report(False), {})
        self._execution = Execution(idle, self.bench.args, self.bench.mesh)  # keeps what it compiled

    def find(self, part: Part) -> Program:
        """A program, traced when it is first asked for, with the positions and values of `part`."""
        program = self.programs[part.number]
        if program is None:
            named = self.study.programs[part.number]
            assert named is not None  # the driver sends what it could trace itself
            program = trace_program(self.study.run, self.study.args, *named, part.groups, self.study.keys)
            if program.member.fingerprint.digest != part.fingerprint:
                raise SweepError(
                    "run",
                    program.label,
                    f"is another computation in {name_worker()} than in the process that sweeps",
                    "Give all workers the same code: the same version of its module, or"
                    " cloudpickle.register_pickle_by_value(module) before the sweep",
                )
        program = dataclasses.replace(program, groups=part.groups)
        self.programs[part.number] = program
        return program

    def compute(self, job: Job) -> Outcome:
        """Run the tiles, write the files that are the job's alone, and return the rest."""
        self.find(job.part)
        blocks: list[tuple[Region, Block]] = []
        boxes: list[Box] = []
        seen: dict[str, Sign] = {}
        pieces = None if self.catalog is None else Pieces(self.catalog, functools.partial(self._begin, job.begun, seen))

        def keep(positions: Region, block: Block) -> None:
            if pieces is not None:
                pieces.fill(positions, {array: block[name] for name, array in job.owned.items()})
            blocks.append((positions, {name: block[name] for name in block.keys() - job.owned.keys()}))

        execution = self._execution
        work = execution.work = Work(self.programs, keep, Tally(), Report(False), {})
        tiles = [Tile(job.part.number, positions) for positions in job.tiles]
        execution.run(tiles, job.box, boxes.append, job.is_fixed)
        if pieces is not None:
            self._write(pieces, seen)
        failures = {label: _as_portable(error) for label, error in work.failures.items()}
        is_broken = job.part.number in execution.broken
        host = self.bench.describe()
        return Outcome(blocks, work.tally, boxes, failures, is_broken, execution.seconds, name_worker(), host)

    def _write(self, pieces: Pieces, seen: dict[str, Sign]) -> None:
        """Write the files of a job, as long as its sweep is the one that writes the store.

        That is asked after the files were seen, and they must still be so: a worker that was given up, and goes on,
        writes nothing over what came later. Others may write the same files in this task's place: the same bytes.
        """
        files, place = pieces.take(), pieces.catalog.place
        try:
            if files and read_token(place) != self._token:
                raise FileExistsError("another process writes the store by now, or none")
            place.write_if(files, seen)
        except FileExistsError as error:
            constraint = f"was changed by another process while {name_worker()} wrote to it ({error})"
            raise StoreError(
                "store", str(place), constraint, "Run the sweep again: what is marked done stays"
            ) from error
        except PermissionError as error:
            constraint = f"cannot be written by {name_worker()} ({explain(error)})"
            raise StoreError("store", str(place), constraint, remedy_for(error)) from error

    def _begin(
        self, begun: frozenset[FileName], seen: dict[str, Sign], array: StoredArray, index: tuple[int, ...]
    ) -> Piece | None:
        """A file as it is where it holds cells; whatever else is in its place is begun anew."""
        assert self.catalog is not None
        file = self.catalog.file(array, index)
        seen[file] = self.catalog.place.sign(file)
        return self.catalog.read(array, index) if (array.name, index) in begun else None


@contextmanager
def _alone(order: Order) -> Iterator[None]:
    """One task at a time, with JAX as the driver has it, where versions and precision are the driver's."""
    with _one_at_a_time:
        _check("versions", read_versions(), order.versions)
        with settled_as(order.settings):
            _check("settings of JAX", describe_precision(), order.precision)
            yield


def _check(what: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for name in ours | theirs:
        if ours.get(name) != theirs.get(name):
            raise SweepError(
                "executor",
                name_worker(),
                f"has other {what} than the process that sweeps: {name} is {ours.get(name)!r} there,"
                f" {theirs.get(name)!r} here",
                "Give all processes the same environment",
            )


def _find(order: Order) -> "_OpenStudy | None":
    work = _open.pop(order.token, None)
    if work is None:
        payload = order.payload
        parcel, store_id, token = order.store or (None, "", "")
        place = None if parcel is None else parcel.open()
        if place is not None and order.name is not None:
            payload = _read_payload(place, order.name)
        if payload is None:
            return None
        study = _load(payload, order.digest)
        work = _OpenStudy(study, None if place is None else _open_store(place, store_id), token)
    _open[order.token] = work
    while len(_open) > _MOST_OPEN:
        _open.popitem(last=False)
    return work


def _read_payload(place: Place, name: str) -> bytes:
    try:
        return place.read(name, None)
    except (OSError, DamageError) as error:
        raise StoreError(
            "store",
            str(place),
            f"cannot be read by {name_worker()} ({error})",
            _remedy(error),
        ) from error


def _load(payload: bytes, expected: bytes) -> Study:
    """The study that the driver pickled: bytes of anybody else are not unpickled."""
    if digest(payload) != expected:
        raise SweepError(
            "args", "the data in the store", "is not what the process that sweeps wrote", "Run the sweep again"
        )
    study: Study = _unpickle(payload)
    return study


def _unpickle(payload: bytes) -> Any:
    try:
        return pickle.loads(payload)
    except Exception as error:
        raise SweepError(
            "run",
            name_worker(),
            f"cannot load it ({type(error).__name__}: {error})",
            "Install its module there, or call cloudpickle.register_pickle_by_value(module) before the sweep",
        ) from error


def _open_store(place: Place, store_id: str) -> Catalog:
    """The store that the driver writes, with its labels, which stay what they are while it sweeps."""
    try:
        catalog = open_catalog(place)
    except (OSError, JaxregError) as error:
        raise StoreError("store", str(place), f"cannot be read by {name_worker()} ({error})", _remedy(error)) from error
    if catalog.store_id != store_id:
        raise StoreError("store", str(place), f"is another store in {name_worker()} than here", _remedy())
    return catalog


def _remedy(error: Exception | None = None) -> str:
    if isinstance(error, PermissionError):
        return remedy_for(error)
    return "Put the store where all workers see it under the same path, or URL"


def _as_portable(error: Exception) -> Exception:
    """The error, or one that says the same, where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
