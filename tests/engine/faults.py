"""Faults on real stores: killed, damaged, written by two, changed from outside. `python tests/engine/faults.py KIND N`.

A sweep of 24 runs, extended to 84, with static values, a ragged output and coordinates; every chunk is written at once,
so that there are many moments and many files. Tests run a few faults of each kind; the script as many as asked for.
"""

import dataclasses
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import jax

if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", 2)

import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from jaxreg.engine import store as stores
from jaxreg.engine.catalog import open_catalog
from jaxreg.engine.folder import Folder
from jaxreg.engine.integrity import examine
from jaxreg.engine.places import is_new
from jaxreg.errors import StoreError, StoreWarning

BASE = {"seed": jr.seeds(6), "rate": [0.1, 0.3], "width": jr.static([2, 4])}
LARGER = {"seed": jr.seeds(7), "rate": [0.1, 0.7, 0.3], "width": jr.static([2, 4, 5, 3])}
DIMS = {"weight": (jr.ragged("unit"),), "curve": {"time": [0.0, 0.5, 1.0]}}


def walk(*, seed, rate, width):
    """A few random numbers: outputs of three shapes, one of them ragged."""
    draws = jax.random.normal(seed, (width,))
    return {"weight": rate * draws, "curve": jnp.cumsum(draws[:2].mean() * jnp.ones(3)), "count": jnp.int32(width)}


walk.__module__ = "faults"  # one name, whether this file runs as a script or is imported


def grow(store: Path, *steps: dict) -> xr.Dataset:
    """Sweep the base and then the extension, or the steps given; what is repaired on the way is no error here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        for axes in steps or (BASE, LARGER):
            result = jr.sweep(walk, axes, dims=DIMS, store=store, chunk_size=4, progress=False)
    return result


def contents(store: Path) -> dict:
    """The store's arrays as bytes, as any reader sees them."""
    with xr.open_zarr(store, chunks=None) as dataset:
        return {name: (v.dims, v.dtype, v.values.tobytes()) for name, v in dataset.variables.items()}


@dataclasses.dataclass
class Outcome:
    """What became of the faults of one kind."""

    tried: int = 0
    survived: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)
    counts: dict[str, int] = dataclasses.field(default_factory=dict)

    def add(self, failure: str | None, kind: str) -> None:
        """Count one fault, and why it was not survived."""
        self.tried += 1
        self.survived += failure is None
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if failure:
            self.failures.append(f"{kind}: {failure}")
        if __name__ == "__main__" and self.tried % 10 == 0:
            print(self, file=sys.stderr, flush=True)

    def __str__(self) -> str:
        """Tried and survived, then the failures."""
        return "\n".join([f"{self.survived} of {self.tried} survived; tried: {self.counts}", *self.failures[:20]])


def damage(store: Path, earlier: Path, other: Path, chance: random.Random) -> tuple[str, Path]:
    """Do one thing to one file or folder of a store; return what and to which. The bytes do change."""
    files = sorted(path for path in store.rglob("*") if path.is_file())
    # An older state of one of several copies is what a killed extension leaves, and as good as the newer one.
    outputs = [file for file in files if _is_output(file) and (earlier / file.relative_to(store)).is_file()]
    while True:
        kinds = ["bit"] * 4 + ["truncated"] * 2 + ["missing"] * 2
        kind = chance.choice([*kinds, "zeroed", "moved", "foreign", "older", "a folder there", "a pipe there"])
        file = chance.choice(outputs if kind == "older" else files)
        data = file.read_bytes()
        if kind == "bit":
            place = chance.randrange(len(data))
            new = data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]
        elif kind == "truncated":
            new = data[: chance.randrange(len(data))]
        elif kind == "zeroed":
            new = bytes(len(data))
        elif kind in ("missing", "a folder there", "a pipe there"):
            file.unlink()
            if kind != "missing":
                file.mkdir() if kind == "a folder there" else os.mkfifo(file)
            return kind, file
        else:
            mates = [path for path in file.parent.iterdir() if path != file]
            source = {"moved": chance.choice(mates or files), "foreign": other, "older": earlier}[kind]
            source = source if kind == "moved" else source / file.relative_to(store)
            if not source.is_file():
                continue
            new = source.read_bytes()
        if new != data:
            file.write_bytes(new)
            return kind, file


def _is_output(file: Path) -> bool:
    return file.parent.name in ("weight", "curve", "count", "diverged") and not file.name.startswith(".")


def _cells_of(store: Path, file: Path) -> int:
    """How many runs a file's tiles may hold: what may be computed again when it is hit."""
    if not _is_output(file):
        return 0
    catalog = open_catalog(Folder(store))
    window = catalog.arrays[file.parent.name].window(tuple(map(int, file.name.split("."))))
    cells = np.zeros([catalog.sizes[axis] for axis in catalog.axes], bool)
    cells[window] = True
    return int(cells.sum())


def try_damage(count: int, folder: Path, chance: random.Random) -> Outcome:
    """Damage copies of a finished store: what `verify` says, what the sweep computes again, what comes out."""
    whole, earlier, other = (folder / name for name in ("whole.zarr", "earlier.zarr", "other.zarr"))
    grow(whole, BASE)
    shutil.copytree(whole, earlier)
    expected = grow(whole, LARGER).load()
    grow(other)
    as_read, outcome = contents(whole), Outcome()
    computed: list[int] = []
    write = stores.Store.write

    def counted(self: stores.Store, positions: tuple, block: dict) -> None:
        computed.append(int((~self._done[np.ix_(*positions)]).sum()))
        write(self, positions, block)

    stores.Store.write = counted  # type: ignore[method-assign]
    try:
        for number in range(count):
            store = folder / f"damaged-{number}.zarr"
            shutil.copytree(whole, store)
            kind, file = damage(store, earlier, other, chance)
            allowed = _cells_of(whole, whole / file.relative_to(store))
            computed.clear()
            outcome.add(_judge_damage(kind, store, file, expected, as_read, allowed, computed), kind)
            shutil.rmtree(store)
    finally:
        stores.Store.write = write  # type: ignore[method-assign]
    return outcome


def _judge_damage(
    kind: str, store: Path, file: Path, expected: xr.Dataset, as_read: dict, allowed: int, computed: list[int]
) -> str | None:
    name = str(file.relative_to(store))
    try:
        named = [damage.file for damage in examine(open_catalog(Folder(store))).damage]
        if named != [name]:
            return f"{name} was damaged, {named} were named"
        result = grow(store, LARGER).load()
        if not result.equals(expected) or contents(store) != as_read:
            return f"{name}: other numbers"
        if not (0 < sum(computed) <= allowed if kind == "older" else sum(computed) == allowed):
            return f"{name}: {sum(computed)} runs computed again, {allowed} were hit"
        if examine(open_catalog(Folder(store))).damage:
            return f"{name}: not repaired"
    except Exception:
        return f"{name}: {traceback.format_exc(limit=-3)}"
    return None


def _fork(action: Callable[[], object], log: Path) -> int:
    """Run `action` in a forked child, where JAX starts anew; return how it ended."""
    return os.waitstatus_to_exitcode(os.waitpid(_start(action, log), 0)[1])


def _start(action: Callable[[], object], log: Path) -> int:
    """Begin `action` in a forked child; return its number."""
    child = os.fork()
    if child == 0:
        try:
            action()
            os._exit(0)
        except BaseException:
            log.write_text(traceback.format_exc())
            os._exit(1)
    return child


def _counting(folder: Path, kill_at: int, total: Path | None = None) -> None:
    """From here on count what changes files in `folder`, and end this process at number `kill_at`."""
    seen = 0

    def hook(event: str, args: tuple) -> None:
        nonlocal seen
        is_change = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link")
        is_write = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wxa+")
        if (is_change or is_write) and str(args[0]).startswith(str(folder)):
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            if total:
                os.write(counter, b".")

    counter = os.open(total, os.O_CREAT | os.O_WRONLY) if total else 0
    sys.addaudithook(hook)


def try_kills(count: int, folder: Path, chance: random.Random) -> Outcome:
    """Kill sweeps at random file operations, some of them again while they resume; compare bytes with a whole one.

    Must run before JAX does, since the sweeps run in forked children.
    """
    stores.FLUSH_SECONDS = 0.0
    (folder / "whole").mkdir()
    whole, log, total = folder / "whole" / "s.zarr", folder / "log", folder / "total"

    def counted() -> None:
        _counting(folder / "whole", 0, total)
        grow(whole)

    assert _fork(counted, log) == 0, log.read_text()
    operations, expected, outcome = total.stat().st_size, contents(whole), Outcome()
    for number in range(count):
        inside = folder / f"killed-{number}"
        inside.mkdir()
        store, kills, failure = inside / "s.zarr", 0, None
        if number % 4 == 3:
            store.mkdir()  # a folder that is there is filled, and not put in place whole
        while failure is None:
            kill_at = chance.randrange(1, operations + 1) if kills <= chance.randrange(2) else 0

            def attempt(inside: Path = inside, store: Path = store, kill_at: int = kill_at) -> None:
                _counting(inside, kill_at)
                grow(store)

            ended = _fork(attempt, log)
            if ended == -signal.SIGKILL:
                kills += 1
                if store.exists() and not is_new(Folder(store)):
                    contents(store)  # readable whatever happened
                continue
            if ended:
                failure = log.read_text()
            break
        if failure is None and contents(store) != expected:
            failure = f"other bytes after {kills} kills"
        left = [path.name for path in inside.rglob("*") if path.suffix == ".partial" or ".creating" in path.name]
        if failure is None and left:
            failure = f"left over: {left}"
        outcome.add(failure, f"{kills} kills")
        shutil.rmtree(inside)
    return outcome


def _names_of(store: Path, chance: random.Random) -> list[Path]:
    """Two names of a folder that is or will be at `store`: itself, and a link to it, to its parent, or with dots."""
    store.mkdir(exist_ok=True)
    link, parent = store.with_suffix(".link"), store.parent.with_name(store.parent.name + "-link")
    link.symlink_to(store)
    if not parent.exists():
        parent.symlink_to(store.parent)
    others = [link, parent / store.name, store / ".." / store.name, Path(os.path.relpath(store)), parent / link.name]
    return [store, chance.choice(others)]


def _grow_or_be_refused(name: Path) -> None:
    try:
        grow(name)
    except StoreError as error:
        if "is being written by" not in str(error) and "by another process" not in str(error):
            raise


def try_two_writers(count: int, folder: Path, chance: random.Random) -> Outcome:
    """Two processes sweep into one store by two names, files of it are deleted under them; then all is compared."""
    stores.FLUSH_SECONDS, outcome = 0.0, Outcome()
    log, whole = folder / "log", folder / "whole.zarr"
    assert _fork(lambda: grow(whole), log) == 0, log.read_text()
    expected = contents(whole)
    for number in range(count):
        store, failure = folder / f"two-{number}.zarr", None
        children = []
        for name in _names_of(store, chance):

            def write(name: Path = name) -> None:
                for _ in range(3):  # whoever is refused tries again: the two meet at many moments
                    _grow_or_be_refused(name)

            children.append(_start(write, log))
        if number % 2:  # what the lock of another build was
            for _ in range(20):
                time.sleep(0.05)
                for left in [*store.glob("done/.owner"), *folder.glob("*.lock"), *store.glob("*.lock")]:
                    left.unlink(missing_ok=True)
        for child in children:
            if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
                failure = log.read_text()
        if _fork(lambda store=store: grow(store), log):  # type: ignore[misc]
            failure = log.read_text()
        if failure is None and contents(store) != expected:
            failure = "other bytes"
        outcome.add(failure, "two names, files deleted" if number % 2 else "two names")
    return outcome


def try_changes(count: int, folder: Path, chance: random.Random) -> Outcome:
    """Delete, move or replace a store, or a part of it, while it is written: noticed, and a new sweep lacks nothing."""
    stores.FLUSH_SECONDS, outcome = 0.0, Outcome()
    log, whole, said = folder / "log", folder / "whole.zarr", folder / "said"
    assert _fork(lambda: grow(whole), log) == 0, log.read_text()
    expected = contents(whole)
    for number in range(count):
        store = folder / f"changed-{number}.zarr"
        kind = ["deleted", "moved", "an array deleted", "replaced", "a .zarray deleted"][number % 5]
        said.unlink(missing_ok=True)

        def change(store: Path = store, kind: str = kind, after: int = chance.randrange(1, 9)) -> None:
            write, blocks = stores.Store.write, []

            def changing(self: stores.Store, positions: tuple, block: dict) -> None:
                blocks.append(positions)
                if len(blocks) == after:
                    _change(store, whole, kind)
                write(self, positions, block)

            stores.Store.write = changing  # type: ignore[method-assign]
            try:
                grow(store)
            except StoreError as error:
                said.write_text(str(error))

        failure = log.read_text() if _fork(change, log) else None
        if failure is None and not (said.exists() and "while the sweep ran" in said.read_text()):
            failure = f"not noticed: {said.read_text() if said.exists() else 'it ended'}"
        if failure is None and _fork(lambda store=store: grow(store), log):  # type: ignore[misc]
            failure = log.read_text()
        if failure is None and contents(store) != expected:
            failure = "other bytes"
        outcome.add(failure, kind)
    return outcome


def _change(store: Path, whole: Path, kind: str) -> None:
    if kind == "deleted":
        shutil.rmtree(store)
    elif kind == "an array deleted":
        shutil.rmtree(store / "weight")
    elif kind == "a .zarray deleted":
        (store / "curve" / ".zarray").unlink()
    else:
        store.rename(store.with_suffix(".away"))
        if kind == "replaced":
            shutil.copytree(whole, store)


if __name__ == "__main__":
    kinds = {"damage": try_damage, "kills": try_kills, "writers": try_two_writers, "changes": try_changes}
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as programs:
        jax.config.update("jax_compilation_cache_dir", programs)  # the children compile the same few
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        print(kinds[sys.argv[1]](int(sys.argv[2]), Path(made), random.Random(int((sys.argv[3:] or ["0"])[0]))))
