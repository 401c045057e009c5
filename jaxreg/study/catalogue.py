"""The studies and figures there are, found by listing their packages: no registry to forget."""

import ast
import difflib
import importlib
import pkgutil
import sys
from collections.abc import Collection
from pathlib import Path
from types import ModuleType

from jaxreg.errors import ArgumentError


def list_modules(package: str, defining: str) -> dict[str, str]:
    """Name and one-line summary of each module of `package` that defines the function `defining`, by name.

    The modules are read, not imported: listing them costs nothing of what they import.

    Args:
        package: an importable package, as `"experiments"`.
        defining: name of a top-level function, as `"run"`.

    >>> "quantities" in list_modules("jaxreg.study", "gain")
    True
    """
    found = {}
    for folder in importlib.import_module(package).__path__:
        for module in pkgutil.iter_modules([folder]):
            path = Path(folder, module.name, "__init__.py") if module.ispkg else Path(folder, f"{module.name}.py")
            try:
                tree = ast.parse(path.read_text(encoding="utf-8"))
            except (SyntaxError, UnicodeDecodeError) as error:
                raise ArgumentError(
                    "module", str(path), f"is no Python: {error}", "Mend it, or move it away"
                ) from error
            if any(isinstance(node, ast.FunctionDef) and node.name == defining for node in tree.body):
                found[module.name] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return dict(sorted(found.items()))


def load(package: str, name: str, known: Collection[str]) -> ModuleType:
    """Import the module `name` of `package`.

    Raises:
        ArgumentError: `name` is not one of `known`; the remedy lists them, the closest first.
    """
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        guess = f"Did you mean {close[0]}? " if close else ""
        raise ArgumentError("name", name, f"is not one of the {package}", f"{guess}Known: {', '.join(sorted(known))}")
    return importlib.import_module(f"{package}.{name}")


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
