"""`python -m jaxreg new FOLDER NAME`: a study that runs, to change into one's own, and its figure."""

import argparse
import keyword
import sys
from collections.abc import Sequence
from pathlib import Path

from jaxreg.errors import ArgumentError, JaxregError

_TEMPLATES = Path(__file__).parent / "templates"


def new_study(arguments: Sequence[str]) -> int:
    """Write the study and its figure that `arguments` name, say the next command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m jaxreg new", description=__doc__)
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="folder of studies; made if there is none")
    parser.add_argument("name", metavar="NAME", help="name of the study, as Python has them")
    given = parser.parse_args(arguments)
    try:
        written = write_study(given.folder, given.name)
    except JaxregError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for path in written:
        print(f"wrote {path}")
    print(f"Run it:  python -m jaxreg run {given.folder} {given.name} --preset quick")
    print(f"Draw it: python -m jaxreg figures {given.folder} {given.name}")
    return 0


def write_study(folder: Path, name: str) -> tuple[Path, Path]:
    """Write FOLDER/NAME.py, the study, and FOLDER/figures/NAME.py, its figure.

    Args:
        folder: the folder of studies; made if there is none.
        name: of the study.

    Returns:
        The two paths.

    Raises:
        ArgumentError: a name that Python cannot import, or a study of that name is there.
    """
    for argument, word in (("FOLDER", folder.resolve().name), ("NAME", name)):
        if not word.isidentifier() or keyword.iskeyword(word):
            constraint = "must have a name that Python can import"
            raise ArgumentError(argument, word, constraint, "Use letters, digits and _, a letter first")
    paths = folder / f"{name}.py", folder / "figures" / f"{name}.py"
    for path in paths:
        if path.exists():
            raise ArgumentError("NAME", name, f"is taken: {path} is there", "Give another one")
    try:
        paths[1].parent.mkdir(parents=True, exist_ok=True)
        for path, template in zip(paths, ("study", "figure"), strict=True):
            path.write_text((_TEMPLATES / f"{template}.py.txt").read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        raise ArgumentError("FOLDER", str(folder), f"cannot be written: {error}", "Give another one") from error
    return paths
