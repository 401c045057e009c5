"""A sweep on the workers of an executor: this process sends tiles and keeps what comes back; it touches no device."""

import contextlib
import dataclasses
import queue
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from jaxreg.engine import worker
from jaxreg.engine.axes import Axis, Group
from jaxreg.engine.execute import Work
from jaxreg.engine.forecast import Trial
from jaxreg.engine.grid import Box, Region, Tile, Waiting
from jaxreg.engine.places import PAYLOAD, as_store_error
from jaxreg.engine.provenance import describe_function
from jaxreg.engine.sealing import digest
from jaxreg.engine.settings import describe_precision, read_settings
from jaxreg.engine.store import Loan, Store
from jaxreg.engine.tracing import Program, seed_names
from jaxreg.errors import SweepError

INLINE = 2**16  # bytes of a study that every task carries; a larger one is sent to each worker once
LARGE = 2**20  # bytes of a study that is written once into the store instead
LEAST_SENT, SENT_EACH = 16, 4  # tasks under way: at least, and for each worker that is known
AIM = 2.0  # seconds that a task should last


class Team:
    """The workers of an executor; `bench.Bench` is the same for the devices of this process.

    Raises:
        SweepError: `executor` is none, or the run or its data cannot be sent.
    """

    def __init__(
        self,
        executor: Executor,
        run: Callable[..., Any],
        axes: Sequence[Axis],
        args: tuple[Any, ...],
        programs: Sequence[Program | None],
    ) -> None:
        if not callable(getattr(executor, "submit", None)):
            raise SweepError(
                "executor", executor, "must be one of concurrent.futures", "Write executor=client.get_executor()"
            )
        self._executor, self._programs = executor, programs
        named = tuple(None if program is None else (program.label, program.static) for program in programs)
        self._payload = _pickle(worker.Study(run, args, named, seed_names(axes)), run)
        self.order = worker.Order(
            token=secrets.token_hex(16),
            digest=digest(self._payload),
            payload=self._payload if len(self._payload) <= INLINE else None,
            settings=read_settings(),
            precision=describe_precision(),
            versions=worker.read_versions(),
        )
        self.machine, self._first = self._ask(worker.describe_worker, _pickle(run, run))
        self.hosts: dict[str, dict[str, Any]] = {}  # what the workers that computed something say of themselves

    def describe(self) -> dict[str, Any]:
        """What provenance says of the worker that was asked first."""
        return self._first

    def describe_all(self) -> dict[str, Any]:
        """What provenance says of all workers: each kind, and how many were of it."""
        hosts = list(self.hosts.values())
        kinds = [host for i, host in enumerate(hosts) if host not in hosts[:i]]
        return {"workers": [{"count": hosts.count(kind)} | kind for kind in kinds]}

    def weigh(self, program: Program, box: Box) -> int:
        """Bytes that a call needs on each device, as a worker compiles it."""
        return int(self._ask(worker.weigh, self._sample(program, box), box))

    def attempt(self, program: Program, box: Box) -> Trial:
        """A program that a worker compiled and called."""
        trial: Trial = self._ask(worker.attempt, self._sample(program, box), box)
        return trial

    @contextlib.contextmanager
    def start(
        self,
        work: Work,
        store: Store | None = None,
        arrays: Mapping[str, str] | None = None,
    ) -> Iterator["Dispatch"]:
        """What runs tiles there; `arrays` names the arrays of a store, for outputs that have other names.

        A large study lies in the store meanwhile.
        """
        dispatch = Dispatch(work, self, store, dict(arrays or {}))
        if store is None:
            yield dispatch
            return
        name = f"{PAYLOAD}{self.order.digest.hex()}"
        is_large = len(self._payload) > LARGE
        if is_large:
            with as_store_error(store.place):
                store.place.write({name: self._payload})
        self.order = dataclasses.replace(
            self.order,
            store=(worker.Parcel(store.place), store.store_id, store.read_token()),
            name=name if is_large else None,
        )
        try:
            yield dispatch
            if self.hosts:
                store.note(self.describe_all())
        finally:
            if is_large:
                with contextlib.suppress(OSError):  # the next sweep removes it, or has one of the same name
                    store.place.remove(name)

    def submit(self, task: Callable[..., Any], *given: Any, whole: bool = False) -> "Future[Any]":
        """Send a task; the `whole` study with it, where a worker says that it has not got it."""
        order = dataclasses.replace(self.order, payload=self._payload) if whole else self.order
        return self._executor.submit(task, order, *given)

    def _ask(self, task: Callable[..., Any], *given: Any) -> Any:
        told = self.submit(task, *given).result()
        return self.submit(task, *given, whole=True).result() if told is None else told

    def _sample(self, program: Program, box: Box) -> worker.Part:
        """As many positions of a program as a chunk holds, to try it with."""
        number = next(i for i, one in enumerate(self._programs) if one is program)
        groups = [(group, group.positions[:n].tolist()) for group, n in zip(program.groups, box.lengths, strict=True)]
        return cut_part(number, program, [tuple(tuple(positions) for _, positions in groups)])


@dataclasses.dataclass
class Dispatch:
    """Runs tiles on the workers of a team; else as `execute.Execution`.

    Workers write the files of a store that no two tiles share; the rest comes back, and `keep` marks cells as done.
    """

    work: Work
    team: Team
    store: Store | None = None
    arrays: dict[str, str] = dataclasses.field(default_factory=dict)
    heed: Callable[[], None] = lambda: None
    seconds: float = 0.0
    broken: set[int] = dataclasses.field(default_factory=set)

    @property
    def devices(self) -> int:
        """How many devices share a call."""
        return self.team.machine.devices

    def run(
        self,
        tiles: Iterable[Tile],
        box: Box,
        change_box: Callable[[Box], None] = lambda box: None,
        is_fixed: bool = True,
    ) -> Box:
        """Run every tile in chunks of the shape `box`, or smaller where a worker says so; return the last shape."""
        loan = None if self.store is None else self.store.lend(tiles)
        waiting, left = Waiting(tiles), sum(1 for _ in tiles) if loan is None else loan.tiles
        answers: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        sent: dict[Future[Any], worker.Job] = {}
        pace = _Pace()
        began = time.perf_counter()

        def send(job: worker.Job, whole: bool = False) -> None:
            future = self.team.submit(worker.compute, job, whole=whole)
            sent[future] = job
            future.add_done_callback(answers.put)

        try:
            while waiting or sent:
                self.heed()
                while waiting and len(sent) < max(LEAST_SENT, SENT_EACH * len(self.team.hosts)):
                    chosen = self._take(waiting, pace, left)
                    left -= len(chosen)
                    if not self._is_broken(chosen[0].program):
                        send(self._describe_job(chosen, box, is_fixed, loan))
                if not sent:
                    break
                future = answers.get()
                job = sent.pop(future)
                outcome: worker.Outcome | None = future.result()
                if outcome is None:
                    send(job, whole=True)
                    continue
                self._take_in(outcome, job.part.number)
                pace.learn(outcome.tally.running, len(job.tiles))
                for smaller in outcome.boxes:
                    if smaller.members < box.members:
                        box = smaller
                        change_box(box)
        finally:
            for future in sent:
                future.cancel()
            self.work.tally.running += time.perf_counter() - began
        return box

    def _take(self, waiting: Waiting, pace: "_Pace", left: int) -> list[Tile]:
        """The next tiles of one program, of `left` ones, for one task."""
        number = waiting.first.program
        share = max(1, left // (SENT_EACH * max(1, len(self.team.hosts))))
        most = 1 if self.work.programs[number] is None else min(pace.tiles, share)
        chosen = [waiting.pop()]
        while waiting and len(chosen) < most and waiting.first.program == number:
            chosen.append(waiting.pop())
        return chosen

    def _is_broken(self, number: int) -> bool:
        return self.work.programs[number] is None or number in self.broken

    def _describe_job(self, tiles: Sequence[Tile], box: Box, is_fixed: bool, loan: Loan | None) -> worker.Job:
        program = self.work.programs[tiles[0].program]
        assert program is not None
        regions = [tile.positions for tile in tiles]
        part = cut_part(tiles[0].program, program, regions)
        if loan is None:
            return worker.Job(part, tuple(regions), box, is_fixed, {}, frozenset())
        outputs = {array: output for output, array in self.arrays.items()}
        owned = {outputs.get(array.name, array.name): array.name for array in loan.arrays}
        return worker.Job(part, tuple(regions), box, is_fixed, owned, loan.list_begun(tiles))

    def _take_in(self, outcome: worker.Outcome, number: int) -> None:
        """Keep what a task gave, and note what it said."""
        hosts = self.team.hosts
        is_new = outcome.host not in hosts.values()
        hosts[outcome.worker] = outcome.host
        if is_new and self.store is not None:
            self.store.note(self.team.describe_all())
        if outcome.is_broken:
            self.broken.add(number)
        for label, error in outcome.failures.items():
            self.work.failures.setdefault(label, error)
        for positions, block in outcome.blocks:
            self.work.keep(positions, block)
        self.seconds = outcome.seconds
        self.work.tally.merge(outcome.tally)
        self.work.report.advance(outcome.tally.runs, self.work.tally.diverged)


class _Pace:
    """How many tiles a task should have: one, until the first ones tell how long they take."""

    def __init__(self) -> None:
        self.tiles = 1

    def learn(self, seconds: float, tiles: int) -> None:
        """A task of so many tiles ran for so long."""
        wanted = AIM * tiles / max(seconds, 1e-6)
        self.tiles = max(1, int(min(wanted, 2 * max(tiles, self.tiles))))


def cut_part(number: int, program: Program, regions: Sequence[Region]) -> worker.Part:
    """What workers need of a program for these regions; its static keywords they have."""
    wanted = [
        sorted(set().union(*map(set, {id(p): p for p in column}.values()))) for column in zip(*regions, strict=True)
    ]
    groups = []
    for group, positions in zip(program.groups, wanted, strict=True):
        rows = group.positions.searchsorted(positions)
        groups.append(Group(group.positions[rows], (), {name: v[rows] for name, v in group.traced.items()}))
    return worker.Part(number, program.member.fingerprint.digest, tuple(groups))


def _pickle(value: Any, run: Callable[..., Any]) -> bytes:
    try:
        import cloudpickle
    except ImportError:
        raise SweepError(
            "executor", "cloudpickle", "must be installed to send a run to workers", "pip install 'jaxreg[distributed]'"
        ) from None
    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as error:
        raise SweepError(
            "run",
            describe_function(run),
            f"cannot be sent to workers ({type(error).__name__}: {error})",
            "Make what it closes over, such as locks, files or devices, within the run",
        ) from error
