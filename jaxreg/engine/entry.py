"""The entry points `sweep` and `plan`: check everything, trace, then run or forecast."""

import dataclasses
import functools
import itertools
import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import jax
import xarray as xr

from jaxreg.engine.axes import Axis
from jaxreg.engine.bench import Bench
from jaxreg.engine.chunks import initial_box, read_chunk_size
from jaxreg.engine.devices import describe_idle
from jaxreg.engine.distribute import Team
from jaxreg.engine.execute import Block, Tally, Work
from jaxreg.engine.fingerprint import list_generators
from jaxreg.engine.fitting import fit_box, warn_of_emulation
from jaxreg.engine.forecast import Plan, forecast
from jaxreg.engine.grid import Box, Region
from jaxreg.engine.identity import Identity
from jaxreg.engine.locating import StoreLike, check_place, find_place
from jaxreg.engine.memory import MemorySink
from jaxreg.engine.outputs import Outputs, compiled_axes, read_outputs, read_validity
from jaxreg.engine.pacing import complete
from jaxreg.engine.places import Place
from jaxreg.engine.provenance import describe_run, fingerprint_data
from jaxreg.engine.reading import read_axes
from jaxreg.engine.rehearsal import Call, Rehearsal, find_rehearsal, stand_in
from jaxreg.engine.reporting import Report
from jaxreg.engine.settings import describe_precision, settled
from jaxreg.engine.shared import read_args
from jaxreg.engine.signals import answer_signals
from jaxreg.engine.store import describe_start, open_store, read_finished
from jaxreg.engine.tracing import Program, identify_rows, place_programs, trace_programs
from jaxreg.errors import StoreWarning, SweepError

_LISTED = 5  # failures that an error names with their causes


@dataclasses.dataclass(frozen=True)
class _Study:
    """A checked and traced sweep, ready to run or to forecast."""

    run: Callable[..., Any]
    axes: tuple[Axis, ...]
    args: tuple[Any, ...]
    programs: tuple[Program | None, ...]
    failures: dict[str, Exception]
    outputs: Outputs
    bench: Bench | Team
    box: Box
    is_fixed: bool


def sweep(
    run: Callable[..., Any],
    axes: Mapping[str, Any],
    *,
    args: Sequence[Any] = (),
    dims: Mapping[str, Any] | None = None,
    chunk_size: int | str = "auto",
    devices: Sequence[jax.Device] | None = None,
    store: StoreLike | None = None,
    x64: bool = False,
    progress: bool = True,
    executor: Executor | None = None,
) -> xr.Dataset:
    """Run a pure function at every point of named axes, compiled once, and return a labelled dataset.

    Every run is independent of the others: a run with a non-finite output is marked in `diverged` and nothing else
    changes. The same seed gives the same randomness at every other axis value, so that comparisons are paired.

    Args:
        run: pure function `run(*args, **point)` returning a dict or NamedTuple of arrays, or of pytrees, which are
            flattened to names such as `params/hidden_0/weight`. Swept numbers arrive as traced 0-d arrays, seeds as
            typed PRNG keys, static values as they are.
        axes: from parameter name to a list or array of numbers, `seeds(n)`, `static([...])`, `cases({...})` or
            `zipped(...)`. The names become the leading dimensions, in this order.
        args: shared data, given to every run first: pytrees of arrays; frames and lists of numbers become arrays.
        dims: from output name to the names of its trailing dimensions, or to a dict from name to coordinates;
            `ragged(name)` marks a dimension whose length depends on static values. Those of a dict or NamedTuple with
            an attribute `dims`, such as `nets.train` and `landscape.descend` return, are known.
        chunk_size: runs per program call (rounded up to one per device), or "auto": from what one run keeps alive,
            and the cache (CPU) or memory of the device; where a call may last long, it grows to some seconds.
        devices: JAX devices to split each chunk over; all local ones by default.
        store: of zarr: a folder, a URL such as "s3://bucket/study.zarr", or a zarr store object (docs/distributed.md);
            readable by `xarray.open_zarr` at any moment. Cells that it already holds are not computed again, so that a
            killed sweep goes on and a larger one adds only what is new.
        x64: compute in 64-bit precision, for this sweep only (as all do where `jax_enable_x64` is set).
        progress: show a progress bar and a summary line on standard error.
        executor: of `concurrent.futures`' kind, such as dask's `client.get_executor()`: its workers, on this machine or
            on others, compute the runs; this process touches no device. See docs/distributed.md.

    Returns:
        A dataset with one variable per output, plus `diverged`, and `provenance` among its attributes. With a
        store, values are read from it when they are used.

    Raises:
        SweepError: an argument cannot be used; raised before anything is compiled. Or the run failed for some static
            values or cases: raised at the end, when the others are in the store or in the error's `partial`.
        StoreError: the store holds another sweep, is in use or cannot be written.

    >>> import jax, jax.numpy as jnp, jaxreg as jr
    >>> def descend(*, seed, learning_rate):
    ...     def step(w, key):
    ...         w = w - learning_rate * (w + jax.random.normal(key))
    ...         return w, w
    ...     return {"weight": jax.lax.scan(step, jnp.float32(1), jax.random.split(seed, 20))[1]}
    >>> result = jr.sweep(descend, {"seed": jr.seeds(100), "learning_rate": [0.1, 1.0, 3.0]},
    ...                   dims={"weight": ("step",)}, progress=False)
    >>> dict(result.weight.sizes)
    {'seed': 100, 'learning_rate': 3, 'step': 20}
    """
    place = None if store is None else check_place(find_place(store))
    report = Report(progress)
    with settled(x64):
        with answer_signals(str if place is None else functools.partial(describe_start, place)):
            if (rehearsal := find_rehearsal()) is not None and rehearsal.is_alone:
                chunk_size, devices, executor = 1, jax.local_devices()[:1], None
            study = _prepare(run, axes, args, dims, chunk_size, devices, executor)
            if rehearsal is not None:
                rehearsal.calls.append(Call(run, dict(axes), tuple(args), bool(x64)))
                return _rehearse(study, rehearsal)
            data = fingerprint_data(study.args)
            traced = [program.member.jaxpr.jaxpr for program in study.programs if program is not None]
            generators = set[str]().union(*map(list_generators, traced))
            environment = describe_run(run, generators) | study.bench.describe() | {"data": data}
        tally = Tally()
        if place is None:
            dataset = _sweep_memory(study, environment, tally, report)
        else:
            dataset = _sweep_store(study, place, environment, tally, report)
    is_all = devices is None and isinstance(study.bench, Bench)
    idle = describe_idle(jax.local_devices()) if is_all else ""
    report.say(f"{tally}{idle}")
    return dataset


def plan(
    run: Callable[..., Any],
    axes: Mapping[str, Any],
    *,
    args: Sequence[Any] = (),
    dims: Mapping[str, Any] | None = None,
    chunk_size: int | str = "auto",
    devices: Sequence[jax.Device] | None = None,
    store: StoreLike | None = None,
    x64: bool = False,
    progress: bool = True,
    executor: Executor | None = None,
    target: str | None = None,
) -> Plan:
    """What `sweep` with the same arguments would do: programs, runs, chunk shape, memory, result size, time.

    Compiles the programs, which the sweep then need not do again, and runs two chunks of each to measure the time;
    computes and writes nothing else. A `store` is not looked at: the plan is that of the whole sweep. With an
    `executor` one of its workers does all this; the time is that of all calls one after the other.

    With `target`, a name of `accelerators.TARGETS` such as "v5e", Colab's TPU, the plan is that of a sweep on one such
    chip, which need not be there: chunks that fill its memory, as compiled for it, and whether they fit. Nothing runs,
    so that the time stays unknown.

    Args:
        run: as for `sweep`, and so are axes, args, dims, chunk_size, devices and x64.
        axes: names and values.
        args: shared data.
        dims: names of trailing dimensions.
        chunk_size: runs per program call, or "auto".
        devices: JAX devices; all local ones by default.
        store: not looked at.
        x64: compute in 64-bit precision.
        progress: not used: nothing is shown.
        executor: whose workers would compute it; one of them is asked.
        target: a chip to plan for, or None for the devices here.

    Raises:
        SweepError: as `sweep`.
        AcceleratorError: there is no such target, or its compiler is not installed.

    >>> import jaxreg as jr
    >>> plan(lambda *, seed, scale: {"draw": scale * jax.random.normal(seed)},
    ...      {"seed": jr.seeds(1000), "scale": [1.0, 2.0]}).runs
    2000
    """
    if target is not None:
        from jaxreg.accelerators import planning  # it needs the engine

        planning.find_target(target)
    with settled(x64):
        study = _prepare(run, axes, args, dims, chunk_size, devices, executor)
        if target is None:
            return _forecast(study)
        traced = _all_traced(study)
        return planning.forecast_for(target, traced, study.args, study.axes, study.outputs, read_chunk_size(chunk_size))


def _all_traced(study: _Study) -> list[Program]:
    """The programs of a sweep of which none failed to be traced."""
    if study.failures:
        raise next(iter(study.failures.values()))
    return [program for program in study.programs if program is not None]


def _forecast(study: _Study, see: Callable[[Program, Block], None] = lambda program, block: None) -> Plan:
    traced = _all_traced(study)
    machine, attempt = study.bench.machine, study.bench.attempt
    return forecast(
        traced, study.args, study.axes, study.outputs, study.box, study.is_fixed, machine.devices, attempt, see
    )


def _rehearse(study: _Study, rehearsal: Rehearsal) -> xr.Dataset:
    """Plan the sweep; the dataset that it would return, with what its first chunks returned for all others."""
    sink = MemorySink([len(axis.labels) for axis in study.axes], study.outputs)
    with rehearsal.timing():
        rehearsal.plans.append(_forecast(study, functools.partial(stand_in, sink)))
    described = [{"name": axis.name, "kind": axis.kind, "identity": axis.identity} for axis in study.axes]
    return _dataset(study, sink, json.dumps({"axes": described, "rehearsed": True, "history": [{}]}))


def _prepare(
    run: Callable[..., Any],
    axes: Mapping[str, Any],
    args: Sequence[Any],
    dims: Mapping[str, Any] | None,
    chunk_size: int | str,
    devices: Sequence[jax.Device] | None,
    executor: Executor | None = None,
) -> _Study:
    chunk_size = read_chunk_size(chunk_size)
    is_number = isinstance(chunk_size, int)
    if executor is not None and devices is not None:
        raise SweepError("devices", devices, "must be left out with an executor", "Each worker uses all that it has")
    shared = read_args(args)
    read = read_axes(run, axes, shared)
    programs, failures = trace_programs(run, read, shared)
    shapes = [("the run", None) if p is None else (p.label, p.member.shapes) for p in programs]
    traced = [program for program in programs if program is not None]
    own = {name: named for program in traced for name, named in program.member.dims.items()}
    outputs = read_outputs(shapes, dims, [axis.name for axis in read], own)
    bench = Bench(shared, devices) if executor is None else Team(executor, run, read, shared, programs)
    machine = bench.machine
    box = initial_box(read, traced, chunk_size, machine)
    if machine.platform != "cpu":
        warn_of_emulation(machine.platform)
        box = box if is_number else fit_box(read, traced, box, bench.weigh, machine.memory, machine.devices)
    return _Study(run, read, shared, tuple(programs), failures, outputs, bench, box, is_number)


def _sweep_memory(study: _Study, environment: dict[str, Any], tally: Tally, report: Report) -> xr.Dataset:
    sink = MemorySink([len(axis.labels) for axis in study.axes], study.outputs)
    work = Work(study.programs, sink.write, tally, report, dict(study.failures))
    with report.counting(sink.done.size), study.bench.start(work) as execution, answer_signals(str) as heed:
        execution.heed = heed
        box = complete(execution, sink, study.axes, study.box, study.is_fixed)
    described = [{"name": axis.name, "kind": axis.kind, "identity": axis.identity} for axis in study.axes]
    manifest = {"settings": _settings(study), "axes": described, "chunk": list(box.lengths)}
    dataset = _dataset(study, sink, json.dumps(manifest | {"history": [environment | study.bench.describe_all()]}))
    if work.failures:
        error = _summarize(work.failures, "The other runs are in the error's `partial`")
        error.partial = dataset.assign(done=(tuple(axis.name for axis in study.axes), sink.done))
        raise error from next(iter(work.failures.values()))
    return dataset


def _sweep_store(study: _Study, place: Place, environment: dict[str, Any], tally: Tally, report: Report) -> xr.Dataset:
    callbacks = {name for p in study.programs if p is not None for name in p.member.fingerprint.callbacks}
    if callbacks:
        raise SweepError(
            "store",
            str(place),
            f"cannot tell whether what the run calls on the host stays the same: {sorted(callbacks)}",
            "Sweep in memory, or write it in JAX",
        )
    outputs, names = _without_slashes(study.outputs)
    with answer_signals(functools.partial(describe_start, place)):
        programs = identify_rows(study.run, study.axes, study.programs, study.args)
        identity = Identity(_settings(study) | {"data": environment["data"]}, programs)
        finished = read_finished(place, identity, study.axes)
    if finished is not None:
        tally.found = math.prod(len(axis.labels) for axis in study.axes)
        _tell(place, finished[1], report)
        return _named(study, finished[0], names)
    with open_store(place, identity, environment, study.axes, outputs, study.box, report.say) as store:
        if store.stale:
            report.say(f"{place}: taking over from {store.stale}, which ended without closing it")
        if report.is_on:
            _tell(place, store.damage, report)

        def keep(positions: Region, block: Block) -> None:
            store.write(positions, {names.get(name, name): values for name, values in block.items()})

        placed = place_programs(study.programs, store.axes)
        missing = store.count_missing()
        tally.found = math.prod(len(axis.labels) for axis in study.axes) - missing
        failures = dict(study.failures)
        if missing:
            work = Work(placed, keep, tally, report, failures)
            with report.counting(missing), study.bench.start(work, store, names) as execution:
                complete(execution, store, store.axes, study.box, study.is_fixed)
        dataset = _named(study, store.read(study.axes), names)
    if not report.is_on:  # only now: where warnings are errors, all is stored
        _tell(place, store.damage, report)
    if failures:
        error = _summarize(failures, "The other runs are in the store; sweep again once it is mended")
        raise error from next(iter(failures.values()))
    return dataset


def _tell(place: Place, damage: Sequence[str], report: Report) -> None:
    """Say what was wrong with a store, as a warning where no progress is shown."""
    if damage and not report.is_on:
        warnings.warn(f"{place} was damaged: {'; '.join(damage)}", StoreWarning, stacklevel=4)
    for text in damage if report.is_on else ():
        report.say(f"{place}: {text}")


def _named(study: _Study, dataset: xr.Dataset, names: Mapping[str, str]) -> xr.Dataset:
    """A store's dataset under the outputs' own names, with the keywords that go along axes."""
    return dataset.rename({kept: name for name, kept in names.items()}).assign_coords(_beside(study))


def _summarize(failures: Mapping[str, Exception], remedy: str) -> SweepError:
    """One error for the programs that failed, by their labels."""
    first = next(iter(failures.values()))
    if list(failures) == ["the run"] and isinstance(first, SweepError):
        return first
    causes = [f"{label} ({_cause(error)})" for label, error in itertools.islice(failures.items(), _LISTED)]
    more = f" and {len(failures) - _LISTED} more" if len(failures) > _LISTED else ""
    return SweepError("run", ", ".join(failures), f"failed for {', '.join(causes)}{more}", remedy)


def _cause(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    said = lines and (
        lines[-1] if "Traceback" in lines[0] else lines[0]
    )  # of what a call of the host raised, the error
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _without_slashes(outputs: Outputs) -> tuple[Outputs, dict[str, str]]:
    """Outputs under names that files can have, and those names by the outputs' own."""
    names = {name: name.replace("/", ".") for name in outputs.variables if "/" in name}
    clash = set(names.values()) & (set(outputs.variables) | set(outputs.coordinates))
    if clash or len(set(names.values())) < len(names):
        raise SweepError("run", sorted(clash or names), "must differ once '/' has become '.'", "Rename an output")
    variables = {names.get(name, name): output for name, output in outputs.variables.items()}
    return dataclasses.replace(outputs, variables=variables), names


def _settings(study: _Study) -> dict[str, Any]:
    """What a store must share with a sweep to be continued by it, ready for JSON."""
    outputs = {
        name: [
            list(o.dims),
            [None if d in study.outputs.ragged_lengths else n for d, n in zip(o.dims, o.shape, strict=True)],
            str(o.dtype),
        ]
        for name, o in study.outputs.variables.items()
    }
    coordinates = {dim: values.tolist() for dim, values in study.outputs.coordinates.items()}
    return describe_precision() | {"outputs": outputs, "coordinates": coordinates}


def _dataset(study: _Study, sink: MemorySink, provenance: str) -> xr.Dataset:
    names = tuple(axis.name for axis in study.axes)
    trailing = {name: output.dims for name, output in study.outputs.variables.items()} | {"diverged": ()}
    variables: dict[str, Any] = {name: ((*names, *trailing[name]), values) for name, values in sink.arrays.items()}
    static = tuple(axis.name for axis in compiled_axes(study.axes))
    for name, mask in read_validity(study.outputs, study.axes).items():
        variables[name] = ((*static, name.removesuffix("_valid")), mask)
    coordinates = {axis.name: axis.labels for axis in study.axes} | study.outputs.coordinates
    return xr.Dataset(variables, coordinates | _beside(study), {"provenance": provenance})


def _beside(study: _Study) -> dict[str, Any]:
    """Keywords of cases and of zipped axes as coordinates, where no output or dimension has their name."""
    dims = {dim for output in study.outputs.variables.values() for dim in output.dims}
    taken = {*study.outputs.variables, *dims, *(axis.name for axis in study.axes)}
    return {name: (axis.name, v) for axis in study.axes for name, v in axis.beside.items() if name not in taken}
