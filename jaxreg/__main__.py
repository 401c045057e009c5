"""`python -m jaxreg verify STORE [--repair]`: whether a store is what was written, file by file.

`run`, `check`, `figures` and `new`, of folders of studies, `info` and `data` are in `jaxreg.study`, `explore` in
`jaxreg.explorer`.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from jaxreg.engine.catalog import open_catalog
from jaxreg.engine.integrity import count_missing, examine, repair
from jaxreg.engine.locating import StoreLike, check_rights, find_place
from jaxreg.engine.places import as_store_error, is_new, silent
from jaxreg.engine.signals import answer_signals
from jaxreg.errors import JaxregError, StoreError

WHOLE, DAMAGED, UNKNOWN, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130
STUDY = {
    "new": ("write a study that runs, and its figure", "jaxreg.study.new:new_study"),
    "run": ("run a study of a folder, and judge its claims", "jaxreg.study.command:run_folder"),
    "check": ("check that runs of a study are the same alone as among others", "jaxreg.study.checking:check_folder"),
    "figures": ("draw the figures of a folder's studies, on a page", "jaxreg.study.figures:figures_of_folder"),
    "explore": ("write a population as one page to explore", "jaxreg.explorer.command:explore_command"),
    "info": ("versions, devices, precision, caches and data", "jaxreg.study.info:info_command"),
    "data": ("list, fetch and verify data sets", "jaxreg.study.data:data_command"),
}
"""Commands that have a module of their own: what they do, and where they are."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code.

    0: every file is what was written, or is again, and every run that was asked for is there. 1: files are damaged.
    2: nothing can be said. 3: every file is right, but runs are missing: the same sweep computes them. 128 + n: ended
    by signal n.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments[:1] and arguments[0] in STUDY:
        return _run_study_command(arguments[0], arguments[1:])
    parser = argparse.ArgumentParser(prog="python -m jaxreg", description="Stores and studies of jaxreg.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (about, _) in STUDY.items():
        commands.add_parser(name, help=about)
    command = commands.add_parser("verify", help="look at every file of a store", description=verify.__doc__)
    command.add_argument("store", metavar="STORE", help="the folder or URL of the store")
    command.add_argument("--repair", action="store_true", help="put right what can be, and mark lost runs as not done")
    given = parser.parse_args(arguments)
    try:
        with answer_signals(lambda: f"{given.store}: interrupted; what it holds stays, the same command looks again."):
            code, lines = verify(given.store, given.repair, lambda text: _say([text], sys.stderr))
    except JaxregError as error:
        _say([str(error)], sys.stderr)
        return UNKNOWN
    except KeyboardInterrupt:
        return INTERRUPTED
    _say(lines, sys.stdout)
    return code


def _run_study_command(name: str, arguments: Sequence[str]) -> int:
    module, _, function = STUDY[name][1].partition(":")
    return int(getattr(importlib.import_module(module), function)(arguments))


def verify(store: StoreLike, mend: bool = False, tell: Callable[[str], None] = silent) -> tuple[int, list[str]]:
    """Name every file of a store that is damaged, missing or from elsewhere.

    Metadata, labels and the marks of done runs are repaired from what the store holds twice. Lost results are marked as
    not done, so that the same sweep computes them again, and only them. What lies in the place of a file and may be
    somebody's is moved aside. `tell` says what is waited for. Exit codes: 0 all is there and right, 1 files
    are damaged, 2 nothing can be said, 3 every file is right, but runs that were asked for are missing.
    """
    place = find_place(store)
    if mend:
        check_rights(place)
    with as_store_error(place):
        if is_new(place):
            raise StoreError("store", str(place), "holds nothing", "Give the folder that a sweep wrote")
        with place.hold(tell) as hold:
            catalog = open_catalog(hold.place)
            found = examine(catalog)
            moved = repair(catalog, found) if mend else []
    missing = count_missing(catalog, found.held)
    lines = [f"{place}: {int(found.held.sum()):,} of {found.held.size:,} cells hold a run"]
    lines += [*map(str, found.damage), *moved]
    if not found.damage:
        lines.append("Every file is what was written there.")
    if found.damage and not mend:
        lines.append(f"{int(found.lost.sum()):,} runs are lost. The same sweep again, or --repair, mends the store.")
        return DAMAGED, lines
    if found.damage:
        lines.append(f"{int(found.lost.sum()):,} runs are lost, the rest is mended.")
    if missing:
        lines.append(f"{missing:,} runs that were asked for are not there; the same sweep again computes them.")
    return INCOMPLETE if missing else WHOLE, lines


def _say(lines: Sequence[str], stream: object) -> None:
    """Print what this terminal can show, as long as somebody listens."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        for line in lines:
            print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)  # type: ignore[call-overload]
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains when it ends


if __name__ == "__main__":
    sys.exit(main())
