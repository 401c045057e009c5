"""The benchmark of an accelerator: `python -m experiments.benchmarks --device [--out FOLDER] [--minutes 8]`.

Every entry has a box of time and is kept in a file as soon as it is measured. They run in a process of their own, which
is ended when an entry takes too long, and started again for the next one; so a compiler that aborts or a program that
does not end costs one entry. The same command goes on where an earlier one stopped.
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import jax

import jaxreg
from experiments.benchmarks.device.entries import Entry, list_entries
from experiments.benchmarks.device.sizes import TINY, Sizes
from experiments.benchmarks.device.summary import sum_up
from experiments.benchmarks.timing import write_record
from jaxreg.engine.provenance import describe_environment
from jaxreg.errors import ArgumentError

JSON_NAME = "device_benchmark.json"
_STARTING = 90.0  # seconds in which a process must say that it is there


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing, print the table, and return 0 if every entry was measured."""
    options = _parse(arguments)
    try:
        entries = _choose(list_entries(TINY if options.tiny else Sizes()), options.only)
    except ArgumentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    record = supervise(options.out, entries, 60 * options.minutes, tiny=options.tiny, retry=options.retry)
    print(report(record))
    return int(any(entry["error"] for entry in record["entries"]) or not record["complete"])


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks --device", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/device_benchmark"), help="where results are written")
    parser.add_argument("--minutes", type=float, default=8.0, help="time for all entries together")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="entries, by the beginning of their names"
    )
    parser.add_argument("--tiny", action="store_true", help="smallest sizes, to see that all entries run")
    parser.add_argument("--retry", action="store_true", help="measure again what failed before")
    return parser.parse_args(arguments)


def _choose(entries: Sequence[Entry], only: Sequence[str]) -> list[Entry]:
    """Those whose names begin so, all if nothing is said; the beginning of a name that no entry has is refused."""
    for name in only:
        if not any(entry.name.startswith(name) for entry in entries):
            known = "; ".join(entry.name for entry in entries)
            raise ArgumentError("--only", name, "begins no entry's name", f"Known: {known}")
    return [entry for entry in entries if entry.name.startswith(tuple(only) or "")]


# --- The process that measures ----------------------------------------------------------------------------------------


def serve(line: Connection, tiny: bool) -> None:
    """Say which machine this is; then measure, one after the other, the entries that are named."""
    jaxreg.use_all_cores()  # changes nothing on an accelerator
    environment = describe_environment(serve, jax.local_devices(), {"threefry2x32"})
    line.send(environment | {"memory": (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")})
    entries = {entry.name: entry for entry in list_entries(TINY if tiny else Sizes())}
    while True:
        line.send(measure_entry(entries[line.recv()]))


def measure_entry(entry: Entry) -> dict[str, Any]:
    """Its rows and the seconds that they took; one entry's failure, an assertion included, is its result."""
    began = time.perf_counter()
    try:
        rows, error = [*entry.measure()], None
    except Exception as failure:
        rows, error = [], f"{type(failure).__name__}: {str(failure)[:1000]}"
    jax.clear_caches()
    return {"entry": entry.name, "rows": rows, "taken": time.perf_counter() - began, "error": error}


# --- The process that watches -----------------------------------------------------------------------------------------


def supervise(
    out: Path,
    entries: Sequence[Entry],
    seconds: float,
    *,
    tiny: bool,
    retry: bool = False,
    serve: Callable[[Connection, bool], None] = serve,
) -> dict[str, Any]:
    """Have what is missing measured until all of it is in the record, or the time is over; return the record.

    `serve` is what the measuring process does.
    """
    deadline = time.monotonic() + seconds
    record = read(out)
    record["entries"] = [found for found in record["entries"] if not (retry and found["error"])]
    done = {found["entry"] for found in record["entries"]}
    waiting = [entry for entry in entries if entry.name not in done]
    record["complete"], failures = not waiting, 0
    while waiting and time.monotonic() < deadline and failures < 3:
        line, end = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(end, tiny), daemon=True)
        process.start()
        end.close()
        heard = _hear(line, min(_STARTING, deadline - time.monotonic()))
        failures = 0 if heard else failures + 1
        record["environment"] = heard or record["environment"]
        while heard and waiting and time.monotonic() < deadline:
            entry, began = waiting.pop(0), time.monotonic()
            heard = _hear(line, min(entry.box, deadline - began), asking=entry.name)
            if not heard:
                _end(process)
                taken = time.monotonic() - began
                is_late = time.monotonic() > deadline
                reason = "the time was over" if is_late else f"ended after {taken:.0f} s with code {process.exitcode}"
            found = heard or {"entry": entry.name, "rows": [], "taken": taken, "error": reason}
            told = found["error"] or "; ".join(f"{row['value']:,.4g} {row['unit']}" for row in found["rows"])
            print(f"{found['taken']:6.1f} s  {entry.name}: {told}", file=sys.stderr, flush=True)
            record["entries"].append(found)
            record["complete"] = not waiting
            record["summary"] = sum_up(_rows(record))
            write_record(out / JSON_NAME, record)
        _end(process)
    return record


def _hear(line: Connection, seconds: float, asking: str | None = None) -> Any:
    """What the measuring process says within that time, `asking` for an entry; None if nothing, or it has ended."""
    try:
        if asking is not None:
            line.send(asking)
        return line.recv() if line.poll(seconds) else None
    except (EOFError, OSError):  # a line whose other end is gone
        return None


def _end(process: multiprocessing.process.BaseProcess) -> None:
    process.kill()
    process.join()


# --- The record -------------------------------------------------------------------------------------------------------


def read(out: Path) -> dict[str, Any]:
    """Everything measured so far: entries, their rows, rows that compare rows, and the machine."""
    path = out / JSON_NAME
    empty = {"complete": False, "environment": {}, "entries": [], "summary": []}
    return json.loads(path.read_text()) if path.exists() else empty


def report(record: dict[str, Any]) -> str:
    """The table, the entries that failed, and which machine it is of."""
    lines = ["| figure | measured | target | seconds, compiling | |", "| --- | ---: | ---: | ---: | --- |"]
    for entry in [*_rows(record), *record["summary"]]:
        times = ", ".join(f"{entry[key]:.3g}" if key in entry else "" for key in ("seconds", "compile_seconds"))
        target = "" if entry["target"] is None else f"{entry['target']:g}"
        value = f"{entry['value']:,.4g} {entry['unit']}"
        lines.append(f"| {entry['name']} | {value} | {target} | {times} | {entry.get('note', '')} |")
    lines += [f"not measured: {entry['entry']}: {entry['error']}" for entry in record["entries"] if entry["error"]]
    made = record["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in made.get("versions", {}).items())
    return "\n".join([*lines, "", f"{made.get('device')}, {made.get('machine')}, {versions}, {made.get('time')}"])


def _rows(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for entry in record["entries"] for row in entry["rows"]]
