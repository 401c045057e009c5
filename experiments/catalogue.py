"""The experiments and figures there are, found by listing their packages: no registry to forget."""

import ast
import difflib
import importlib
import pkgutil
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

    >>> "sgd_landscape" in list_modules("experiments", "run")
    True
    """
    found = {}
    for folder in importlib.import_module(package).__path__:
        for module in pkgutil.iter_modules([folder]):
            path = Path(folder, module.name, "__init__.py") if module.ispkg else Path(folder, f"{module.name}.py")
            tree = ast.parse(path.read_text(encoding="utf-8"))
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
