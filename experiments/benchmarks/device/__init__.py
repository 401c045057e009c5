"""The benchmark of an accelerator: `python -m experiments.benchmarks --device [--out FOLDER] [--minutes 8]`.

Every entry has a box of time and is kept in a file as soon as it is measured. They run in a process of their own, which
is ended when an entry takes too long, and started again for the next one; so a compiler that aborts or a program that
does not end costs one entry. The same command goes on where an earlier one stopped.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from experiments.benchmarks.device.summary import sum_up
from jaxreg.errors import ArgumentError

LOG_NAME, JSON_NAME = "entries.jsonl", "device_benchmark.json"
_POLL = 0.2
_STARTING = 90.0  # seconds in which a process must have begun its first entry


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing, print the table, and return 0 if every entry was measured."""
    options = _parse(arguments)
    if options.worker:
        work(options.out, options.tiny, options.only)
        return 0
    try:
        _check_names(options.only)
    except ArgumentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    supervise(options.out, options.tiny, 60 * options.minutes, options.retry, options.only)
    record = read(options.out)
    print(report(record))
    return int(any(entry.get("error") for entry in record["entries"]) or not record["complete"])


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks --device", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/device_benchmark"), help="where results are written")
    parser.add_argument("--minutes", type=float, default=8.0, help="time for all entries together")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="entries, by the beginning of their names"
    )
    parser.add_argument("--tiny", action="store_true", help="smallest sizes, to see that all entries run")
    parser.add_argument("--retry", action="store_true", help="measure again what failed before")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _check_names(only: Sequence[str]) -> None:
    """Refuse the beginning of a name that no entry has."""
    if only:
        from experiments.benchmarks.device.entries import list_entries
        from experiments.benchmarks.device.sizes import Sizes

        known = [entry.name for entry in list_entries(Sizes())]
        for name in only:
            if not any(entry.startswith(name) for entry in known):
                raise ArgumentError("--only", name, "begins no entry's name", f"Known: {'; '.join(known)}")


# --- The process that measures ----------------------------------------------------------------------------------------


def work(out: Path, tiny: bool, only: Sequence[str] = ()) -> None:
    """Measure, one after the other, the entries that the log does not have; note the beginning and end of each.

    Args:
        out: folder of the log.
        tiny: whether to measure the smallest sizes.
        only: beginnings of the entries' names; all entries, if there are none.
    """
    import jax

    import jaxreg
    from experiments.benchmarks.device.entries import list_entries
    from experiments.benchmarks.device.sizes import TINY, Sizes
    from jaxreg.engine.provenance import describe_environment

    jaxreg.use_all_cores()  # changes nothing on an accelerator
    entries = [entry for entry in list_entries(TINY if tiny else Sizes()) if entry.name.startswith(tuple(only) or "")]
    names = [entry.name for entry in entries]
    environment = describe_environment(work, jax.local_devices(), {"threefry2x32"})
    environment["memory"] = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    _append(out, {"names": names, "only": list(only), "environment": environment})
    done = {line["entry"] for line in _lines(out) if "rows" in line}
    for entry in entries:
        if entry.name in done:
            continue
        _append(out, {"begin": entry.name, "box": entry.box})
        began = time.perf_counter()
        try:
            rows, error = [*entry.measure()], None
        except Exception as failure:  # one entry's failure, an assertion included, is its result
            rows, error = [], f"{type(failure).__name__}: {str(failure)[:1000]}"
        jax.clear_caches()
        taken = time.perf_counter() - began
        _append(out, {"entry": entry.name, "rows": rows, "taken": taken, "error": error})


# --- The process that watches -----------------------------------------------------------------------------------------


def supervise(out: Path, tiny: bool, seconds: float, retry: bool, only: Sequence[str] = ()) -> None:
    """Keep a measuring process at work until all entries are in the log, or the time is over."""
    deadline = time.monotonic() + seconds
    if retry:
        kept = [line for line in _lines(out) if not line.get("error")]
        (out / LOG_NAME).write_text("".join(json.dumps(line) + "\n" for line in kept))
    command = [sys.executable, "-m", "experiments.benchmarks.device", "--worker", "--out", str(out.resolve())]
    command += ["--tiny"] * tiny + ["--only", *only] * bool(only)
    root = str(Path(__file__).parents[3])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}
    failures = 0
    while not _is_complete(out, list(only)) and time.monotonic() < deadline and failures < 3:
        process = subprocess.Popen(command, cwd=root, env=environment)
        failures = 0 if _watch(process, out, deadline) else failures + 1
    _write(out)


def _watch(process: subprocess.Popen[bytes], out: Path, deadline: float) -> bool:
    """Follow one measuring process; end it when an entry outlasts its box. Whether it began any entry."""
    started = len(_lines(out))
    since, seen, running = time.monotonic(), started, None
    while process.poll() is None:
        time.sleep(_POLL)
        lines = _lines(out)
        if len(lines) != seen:
            for line in lines[seen:]:
                _say(line)
            since, seen = time.monotonic(), len(lines)
            running = lines[-1] if "begin" in lines[-1] else None
            _write(out)
        now = time.monotonic()
        if now > deadline or now - since > (running["box"] if running else _STARTING):
            process.kill()
            process.wait()
    lines = _lines(out)
    if lines and "begin" in lines[-1]:
        late = time.monotonic() > deadline
        taken = time.monotonic() - since
        reason = "the time was over" if late else f"ended after {taken:.0f} s with code {process.returncode}"
        _append(out, {"entry": lines[-1]["begin"], "rows": [], "taken": taken, "error": reason})
        _say(_lines(out)[-1])
    return any("begin" in line for line in lines[started:])


def _say(line: dict[str, Any]) -> None:
    if "entry" in line:
        told = line["error"] or "; ".join(f"{row['value']:,.4g} {row['unit']}" for row in line["rows"])
        print(f"{line['taken']:6.1f} s  {line['entry']}: {told}", file=sys.stderr, flush=True)


# --- The files --------------------------------------------------------------------------------------------------------


def _append(out: Path, line: dict[str, Any]) -> None:
    with (out / LOG_NAME).open("a") as log:
        log.write(json.dumps(line) + "\n")
        log.flush()
        os.fsync(log.fileno())


def _lines(out: Path) -> list[dict[str, Any]]:
    """The log, without a last line that is not whole yet."""
    path = out / LOG_NAME
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    return [json.loads(line) for line in whole.splitlines()]


def _is_complete(out: Path, only: Sequence[str] | None = None) -> bool:
    """Whether all that the latest process was to measure is there, and that was what `only` says, if it is given."""
    lines = _lines(out)
    named = [line["names"] for line in lines if "names" in line and only in (None, line.get("only", []))]
    return bool(named) and {line["entry"] for line in lines if "rows" in line} >= set(named[-1])


def read(out: Path) -> dict[str, Any]:
    """Everything measured so far: entries, their rows, rows that compare rows, and the machine."""
    lines = _lines(out)
    entries = [line for line in lines if "rows" in line]
    rows = [row for entry in entries for row in entry["rows"]]
    environments = [line["environment"] for line in lines if "environment" in line]
    return {
        "complete": _is_complete(out),
        "environment": environments[-1] if environments else {},
        "entries": entries,
        "summary": sum_up(rows),
    }


def _write(out: Path) -> None:
    """The same as one JSON file, replaced whole."""
    draft = out / f".{JSON_NAME}"
    draft.write_text(json.dumps(read(out), indent=1))
    draft.replace(out / JSON_NAME)


def report(record: dict[str, Any]) -> str:
    """The table, the entries that failed, and which machine it is of."""
    lines = ["| figure | measured | target | seconds, compiling | |", "| --- | ---: | ---: | ---: | --- |"]
    for entry in [*_rows(record["entries"]), *record["summary"]]:
        times = ", ".join(f"{entry[key]:.3g}" if key in entry else "" for key in ("seconds", "compile_seconds"))
        target = "" if entry["target"] is None else f"{entry['target']:g}"
        value = f"{entry['value']:,.4g} {entry['unit']}"
        lines.append(f"| {entry['name']} | {value} | {target} | {times} | {entry.get('note', '')} |")
    lines += [f"not measured: {entry['entry']}: {entry['error']}" for entry in record["entries"] if entry.get("error")]
    made = record["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in made.get("versions", {}).items())
    return "\n".join([*lines, "", f"{made.get('device')}, {made.get('machine')}, {versions}, {made.get('time')}"])


def _rows(entries: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    return (row for entry in entries for row in entry["rows"])
