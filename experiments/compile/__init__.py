"""Does everything compile for a TPU and a GPU? `python -m experiments.compile --target v5e h100` says it, in a table.

Everything is every public kernel (`kernels`), in single and in double precision, and every program that the
quick preset of a study runs, in the precision that the study asks for. Programs are exported once, in a process per
study, and compiled in others; results are kept as they come, and the same command goes on where it stopped.
"""

import argparse
import contextlib
import functools
import importlib.metadata
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from platform import python_version
from typing import Any, NamedTuple
from unittest import mock

import jax

import jaxreg as jr
from experiments.compile.kernels import Kernel, list_kernels
from jaxreg.accelerators import CompiledProgram
from jaxreg.accelerators.compiling import export_chunk
from jaxreg.accelerators.processes import compile_files
from jaxreg.accelerators.report import to_json
from jaxreg.accelerators.targets import TARGETS, find_target
from jaxreg.engine import execute, forecast
from jaxreg.engine.execute import make_mesh
from jaxreg.engine.grid import Box, choose_box
from jaxreg.engine.program import compile_chunk, replicate
from jaxreg.engine.provenance import read_setting
from jaxreg.engine.reading import read_axes
from jaxreg.engine.shared import read_args
from jaxreg.engine.tracing import Program, build_programs
from jaxreg.errors import AcceleratorError
from jaxreg.study.catalogue import list_modules, load

_NOT_STUDIES = {"benchmark"}
KERNELS = "kernels"
PRECISIONS = ("float32", "float64")
_RUNS = 64  # of a kernel
RESULTS, MANIFEST, JSON_NAME = "results.jsonl", "programs.jsonl", "compile.json"
Item = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Export what is missing, compile what is missing, print the table; 0 if everything compiled and fits."""
    options = _parse(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    platforms = sorted({TARGETS[name].platform for name in options.target})
    if options.collect:
        collect(options.collect[0], options.out, platforms, options.x64)
        return 0
    try:
        targets = [find_target(name) for name in options.target]
    except AcceleratorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    names = options.only or [KERNELS, *list_studies()]
    for name in names:
        if not any(item["source"] == name and item["done"] for item in read_lines(options.out / MANIFEST)):
            _collect_in_process(name, options)
        for target in targets:
            compile_missing(name, target.name, options.precision, options.out, options.timeout, options.processes)
    rows = [
        row
        for row in read_lines(options.out / RESULTS)
        if row["source"] in names and row["target"] in options.target and row["precision"] in options.precision
    ]
    failed = [item for item in read_lines(options.out / MANIFEST) if item["source"] in names and item.get("error")]
    (options.out / JSON_NAME).write_text(
        json.dumps({"versions": find_versions(), "programs": rows, "not exported": failed}, indent=1)
    )
    print(report(rows, failed))
    return int(bool(failed) or not all(row["fits"] for row in rows))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.compile", description=__doc__)
    parser.add_argument("--target", nargs="+", default=["v5e", "h100"], choices=list(TARGETS), help="chips")
    parser.add_argument("--only", nargs="+", help=f"names of studies, or {KERNELS!r} for the public kernels")
    parser.add_argument("--precision", nargs="+", default=PRECISIONS, choices=PRECISIONS, help="of the programs")
    parser.add_argument("--out", type=Path, default=Path("results/compile"), help="folder of programs and results")
    parser.add_argument("--processes", type=int, default=1, help="how many to compile at once")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds that one program may take")
    parser.add_argument("--x64", action="store_true", help="all studies in double precision, whatever they ask for")
    parser.add_argument("--collect", nargs=1, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def list_studies() -> list[str]:
    """The names of all studies."""
    return [name for name in list_modules("experiments", "run") if name not in _NOT_STUDIES]


# --- Export -----------------------------------------------------------------------------------------------------------


def collect(
    name: str, out: Path, platforms: Sequence[str], x64: bool, wanted: Callable[[str, str], bool] = lambda *_: True
) -> None:
    """Export the `wanted` programs, by label and precision, of a study or of the public kernels, for every platform."""
    folder = out / "programs"
    folder.mkdir(exist_ok=True)
    for number, found in enumerate(collect_kernels() if name == KERNELS else collect_study(name, x64)):
        if not wanted(found.label, found.precision):
            continue
        about = {"source": name, "done": False, "label": found.label, "precision": found.precision}
        for platform in platforms:
            file = folder / f"{name}-{number}-{platform}"
            item = about | {"platform": platform}
            try:
                file.write_bytes(found.export(platform))
                _append(out / MANIFEST, item | {"file": file.name})
            except Exception as error:  # that it cannot be lowered is a result
                _append(out / MANIFEST, item | {"error": f"{type(error).__name__}: {str(error)[:500]}"})
    _append(out / MANIFEST, {"source": name, "done": True})


class Found(NamedTuple):
    """A program: its label, its precision, and from a platform to the exported program."""

    label: str
    precision: str
    make: Callable[[str], bytes]

    def export(self, platform: str) -> bytes:
        """The program for a platform, in its precision; no rank is promoted unsaid."""
        with jax.enable_x64(self.precision == "float64"), jax.numpy_rank_promotion("raise"):
            return self.make(platform)


def collect_kernels() -> Iterator[Found]:
    """Every public kernel in each precision, as the program of a sweep."""
    for name, kernel in list_kernels().items():
        for precision in PRECISIONS:
            yield Found(name, precision, functools.partial(_export_kernel, kernel))


def _export_kernel(kernel: Kernel, platform: str) -> bytes:
    def run(*args: Any, **axes: Any) -> dict[str, Any]:
        leaves = jax.tree.leaves(kernel.call(*args, **axes))
        return {f"value_{number}": value for number, value in enumerate(leaves)}

    mesh = make_mesh(jax.local_devices()[:1])
    axes = read_axes(run, {"seed": jr.seeds(_RUNS), **kernel.axes}, kernel.args)
    args = replicate(read_args(kernel.args), mesh)
    (program,) = build_programs(run, axes, args)
    return export_chunk(program, args, choose_box(axes, _RUNS, 1), mesh, platform)


class _EnoughError(BaseException):
    """As many programs of a study as were wanted; no `Exception`, which a sweep would keep to itself."""


def collect_study(name: str, x64: bool, most: float = math.inf) -> Iterator[Found]:
    """Run the quick preset of a study, and keep every different program that the engine compiles for it.

    With `most`, no more than the first so many, and the study does not go on.
    """
    seen: dict[str, Found] = {}
    mesh = make_mesh(jax.local_devices()[:1])

    def keep(program: Program, args: Any, box: Box, own_mesh: Any) -> Any:
        precision = PRECISIONS[bool(read_setting("jax_enable_x64"))]
        code = f"{program.member.fingerprint.digest} {precision}"
        if code not in seen:
            seen[code] = Found(program.label, precision, functools.partial(export_chunk, program, args, box, mesh))
            if len(seen) >= most:
                raise _EnoughError
        return compile_chunk(program, args, box, own_mesh)

    module = load("experiments", name, list_modules("experiments", "run"))
    with (
        contextlib.suppress(_EnoughError),
        mock.patch.object(execute, "compile_chunk", keep),
        mock.patch.object(forecast, "compile_chunk", keep),
        jax.enable_x64(x64),
    ):
        module.run(module.PRESETS["quick"])
    yield from seen.values()


def _collect_in_process(name: str, options: argparse.Namespace) -> None:
    command = [sys.executable, "-m", "experiments.compile", "--collect", name, "--out", str(options.out.resolve())]
    command += ["--target", *options.target, *["--x64"] * options.x64]
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    told = subprocess.run(command, env=environment | {"JAX_PLATFORMS": "cpu"}, capture_output=True, text=True)
    if told.returncode:
        words = " ".join(told.stderr.strip().splitlines()[-3:])[:500]
        _append(options.out / MANIFEST, {"source": name, "done": False, "label": name, "error": words})


# --- Compile ----------------------------------------------------------------------------------------------------------


def compile_missing(
    name: str, target: str, precisions: Sequence[str], out: Path, timeout: float, processes: int
) -> None:
    """Compile the exported programs of a study, or the public kernels, that have no result for this chip yet."""
    chip = find_target(target)
    done = {(row["target"], row["file"]) for row in read_lines(out / RESULTS)}
    found = {
        item["file"]: item
        for item in read_lines(out / MANIFEST)
        if item["source"] == name and item.get("platform") == chip.platform and "file" in item
    }
    items = [item for file, item in found.items() if (target, file) not in done and item["precision"] in precisions]

    def keep(number: int, program: CompiledProgram) -> None:
        item = {key: items[number][key] for key in ("source", "precision", "file")}
        _append(out / RESULTS, {"target": target, **item, **to_json(program)})
        print(f"{target} {name} {items[number]['precision']} {program}", file=sys.stderr, flush=True)

    if items:
        files = [(item["label"], out / "programs" / item["file"]) for item in items]
        compile_files(chip, files, timeout, processes, keep)


# --- Results ----------------------------------------------------------------------------------------------------------


def report(rows: Sequence[Item], failed: Sequence[Item]) -> str:
    """A line for each source, precision and chip, and one for each program that does not compile or fit."""
    lines = ["| programs of | precision | chip | compile and fit | largest, MiB | slowest to compile, s |"]
    lines.append("| --- | --- | --- | ---: | ---: | ---: |")
    groups = Counter((row["source"], row["precision"], row["target"]) for row in rows)
    for (source, precision, target), count in groups.items():
        own = [row for row in rows if (row["source"], row["precision"], row["target"]) == (source, precision, target)]
        size = max(row["argument_bytes"] + row["output_bytes"] + row["temporary_bytes"] for row in own) / 2**20
        slowest = max(row["compile_seconds"] for row in own)
        fit = sum(row["fits"] for row in own)
        lines.append(f"| {source} | {precision} | {target} | {fit} of {count} | {size:,.1f} | {slowest:,.1f} |")
    for row in rows:
        if not row["fits"]:
            words = re.sub(r"\s+", " ", row["message"])[:300]
            lines.append(f"{row['target']}: {row['source']}: {row['label']}: {row['outcome']}: {words}")
    lines += [f"not exported: {item['source']}: {item['label']}: {item['error']}" for item in failed]
    total = sum(row["fits"] for row in rows)
    return "\n".join([*lines, "", f"{total} of {len(rows)} programs compile and fit; {len(failed)} were not exported"])


def find_versions() -> dict[str, str]:
    """The versions of JAX and of the compilers that are installed."""
    names = ("jax", "jaxlib", "libtpu", "jax-cuda13-plugin", "jax-cuda13-pjrt", "jax-cuda12-plugin", "jax-cuda12-pjrt")
    found: dict[str, str] = {"python": python_version()}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _append(path: Path, item: Item) -> None:
    with path.open("a") as file:
        file.write(json.dumps(item) + "\n")


def read_lines(path: Path) -> list[Item]:
    """The lines of a file of JSON, none where it is not there."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
