"""Exported programs handed to processes that compile them, which a compiler may end or keep for ever."""

import concurrent.futures
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from jaxreg.accelerators.child import MARK
from jaxreg.accelerators.report import CompiledProgram
from jaxreg.accelerators.targets import Target

_TOO_LARGE = ("RESOURCE_EXHAUSTED", "Ran out of memory", "exceeds available memory", "exceeds the limit")
_POLL = 0.1
COMMAND: tuple[str, ...] = ("-m", "jaxreg.accelerators.child")
"""What the processes run, given the target and the files."""
Exported = tuple[str, Path]
"""A label, and the file that holds the program."""


def compile_files(
    target: Target,
    programs: Sequence[Exported],
    timeout: float,
    processes: int = 1,
    tell: Callable[[int, CompiledProgram], None] = lambda number, program: None,
) -> list[CompiledProgram]:
    """Compile exported programs, several in one process, which is started anew after one that it did not survive.

    Args:
        target: chip to compile for.
        programs: labels and files.
        timeout: seconds that one program may take.
        processes: how many to have at work at once.
        tell: hears of each result as it comes, with the program's number.
    """
    parts = [list(range(start, len(programs), processes)) for start in range(min(processes, len(programs)))]
    found: dict[int, CompiledProgram] = {}
    stopped = threading.Event()

    def compile_part(numbers: list[int]) -> None:
        while numbers and not stopped.is_set():
            done = 0
            for program in _compile_in_process(target, [programs[k] for k in numbers], timeout, stopped):
                found[numbers[done]] = program
                tell(numbers[done], program)
                done += 1
            numbers = numbers[done:]

    with concurrent.futures.ThreadPoolExecutor(max(1, len(parts))) as pool:  # each waits for a process
        try:
            list(pool.map(compile_part, parts))
        finally:  # an interrupt does not wait for a compiler
            stopped.set()
    return [found[number] for number in range(len(programs))]


def compile_exported(target: Target, label: str, exported: bytes, timeout: float) -> CompiledProgram:
    """Compile one exported program in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "program")
        file.write_bytes(exported)
        return compile_files(target, [(label, file)], timeout)[0]


def _compile_in_process(
    target: Target, programs: Sequence[Exported], timeout: float, stopped: threading.Event
) -> Iterator[CompiledProgram]:
    """The results of one process as they come: of all programs, or of those up to the one that ended it."""
    command = [sys.executable, *COMMAND, target.name, *(str(file) for _, file in programs)]
    found = os.pathsep.join(path for path in (str(Path(__file__).parents[2]), *sys.path) if path)
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    environment |= target.environment() | {"PYTHONPATH": found}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        since, done, is_late, has_ended = time.monotonic(), 0, False, False
        try:
            while not has_ended:
                has_ended = process.poll() is not None
                for line in _read_results(out)[done:]:
                    yield _read(programs[done][0], line, target)
                    since, done = time.monotonic(), done + 1
                if stopped.is_set():
                    return
                if not has_ended and time.monotonic() - since > timeout:
                    is_late = True
                    process.kill()
                    process.wait()
                time.sleep(0 if has_ended else _POLL)
        finally:
            process.kill()
            process.wait()
        err.seek(0)
        words = err.read()
    if done < len(programs):
        if is_late:
            yield CompiledProgram(programs[done][0], "timed out", f"compiling took more than {timeout:g} s")
        else:
            message = f"the compiler ended its process ({process.returncode}): {_last(words)}"
            yield CompiledProgram(programs[done][0], "aborted", message)


def _read_results(out: object) -> list[str]:
    """The results that a process has printed so far."""
    descriptor = out.fileno()  # type: ignore[attr-defined]
    text = os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace").rpartition("\n")[0]
    return [line.removeprefix(MARK) for line in text.splitlines() if line.startswith(MARK)]


def _read(label: str, line: str, target: Target) -> CompiledProgram:
    result = json.loads(line)
    if "message" in result:
        is_too_large = any(words in result["message"] for words in _TOO_LARGE)
        return CompiledProgram(label, "too large" if is_too_large else "refused", result["message"])
    program = CompiledProgram(label, "compiled", **result)
    if program.total_bytes > target.memory:
        needs = f"needs {program.total_bytes / 2**30:.2f} of {target.memory / 2**30:.2f} GiB"
        return dataclasses.replace(program, outcome="too large", message=needs)
    return program


def _last(words: str) -> str:
    """What a compiler that ended said last, or what it calls fatal."""
    lines = words.strip().splitlines()
    fatal = [line for line in lines if "Check failed" in line or line.startswith("F0") or "Error" in line]
    return " ".join((fatal or lines)[-3:])[:1000]
