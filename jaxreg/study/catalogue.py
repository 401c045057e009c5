"""The studies and figures there are, found by listing their packages: no registry to forget."""

import ast
import difflib
import importlib
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from jaxreg.errors import ArgumentError


class Listed(NamedTuple):
    """A module that is a study or a figure."""

    path: str
    """What to import."""
    summary: str
    """The first line of what it says about itself."""

    @property
    def subject(self) -> str:
        """The package that it is in."""
        return self.path.rpartition(".")[0]


def list_modules(package: str, defining: str) -> dict[str, Listed]:
    """The modules of `package`, and of the packages in it, that define the function `defining`, by name.

    A package that defines it is a module like any other, and what is in it is its own affair. All are read, not
    imported: listing them costs nothing of what they import.

    Args:
        package: an importable package, as `"experiments"`.
        defining: name of a top-level function, as `"run"`.

    Raises:
        ArgumentError: two modules of one name, or one that is no Python.

    >>> list_modules("jaxreg.study", "gain")["quantities"].path
    'jaxreg.study.quantities'
    """
    found: dict[str, Listed] = {}
    for folder in importlib.import_module(package).__path__:
        for name, listed in _walk(Path(folder), package, defining):
            if name in found:
                constraint = f"is the name of {found[name].path} and of {listed.path}"
                raise ArgumentError("module", name, constraint, "Give one of them another")
            found[name] = listed
    return dict(sorted(found.items()))


def _walk(folder: Path, package: str, defining: str) -> Iterator[tuple[str, Listed]]:
    for module in pkgutil.iter_modules([str(folder)]):
        path = folder / module.name / "__init__.py" if module.ispkg else folder / f"{module.name}.py"
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError) as error:
            raise ArgumentError("module", str(path), f"is no Python: {error}", "Mend it, or move it away") from error
        dotted = f"{package}.{module.name}"
        if any(isinstance(node, ast.FunctionDef) and node.name == defining for node in tree.body):
            yield module.name, Listed(dotted, (ast.get_docstring(tree) or "").partition("\n")[0])
        elif module.ispkg:
            yield from _walk(path.parent, dotted, defining)


def name_subject(listed: Listed, package: str) -> str:
    """What the package that a module is in says of itself in a line; nothing, if that is `package` itself."""
    if listed.subject == package:
        return ""
    about = importlib.import_module(listed.subject).__doc__ or listed.subject.rpartition(".")[2]
    return about.partition("\n")[0].rstrip(".")


def load(package: str, name: str, known: Mapping[str, Listed]) -> ModuleType:
    """Import the module `name` of those `known` in `package`.

    Raises:
        ArgumentError: `name` is not one of `known`; the remedy lists them, the closest first.
    """
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        guess = f"Did you mean {close[0]}? " if close else ""
        raise ArgumentError("name", name, f"is no module of {package}", f"{guess}Known: {', '.join(sorted(known))}")
    return importlib.import_module(known[name].path)


def open_folder(folder: str | Path) -> str:
    """Make the modules of a folder importable, and return the name of the package that they are.

    Raises:
        ArgumentError: no folder, a name that Python cannot import, or one that something else has.
    """
    path = Path(folder).resolve()
    if not path.is_dir():
        raise ArgumentError("FOLDER", str(folder), "is no folder", f"`python -m jaxreg new {folder} NAME` makes one")
    if not path.name.isidentifier():
        constraint = "must have a name that Python can import"
        raise ArgumentError("FOLDER", str(folder), constraint, "Use letters, digits and _ only")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    package = importlib.import_module(path.name)
    places = [str(Path(place).resolve()) for place in getattr(package, "__path__", [package.__file__])]
    if str(path) not in places:
        constraint = f"has the name of a package in {', '.join(places)}"
        raise ArgumentError("FOLDER", str(folder), constraint, "Give it another name")
    return path.name
