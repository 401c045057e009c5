"""The public names of jaxreg, read from its tables of contents; nothing is imported."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def list_modules(module: str = "jaxreg") -> dict[str, str]:
    """The public modules by name, `jaxreg` first, each with the first line of what it says about itself."""
    path = _find(module)
    assert path is not None
    found = {module: (ast.get_docstring(_parse(path)) or "").partition("\n")[0]}
    for name, origin in _names(module):
        if _find(origin):
            found |= list_modules(f"{module}.{name}")
    return found


def list_members(module: str) -> dict[str, str]:
    """The public names of a module that are no modules, and where each is defined, in the order of its contents."""
    return {name: origin for name, origin in _names(module) if not _find(origin)}


def _names(module: str) -> Iterator[tuple[str, str]]:
    """What a package's table of contents lists, or a module defines or lists; each with the place that it is from."""
    path = _find(module)
    assert path is not None
    stub = path.with_suffix(".pyi")
    for node in _parse(stub if stub.exists() else path).body:
        if isinstance(node, ast.ImportFrom):
            source = f"{module}.{node.module or ''}".rstrip(".") if node.level else str(node.module)
            yield from (
                (alias.name, _follow(f"{source}.{alias.name}")) for alias in node.names if alias.asname == alias.name
            )
        elif path.name != "__init__.py":
            yield from ((name, f"{module}.{name}") for name in _defined(node) if not name.startswith("_"))


def _follow(origin: str) -> str:
    """Where a name is defined that a package only hands on."""
    module, _, name = origin.rpartition(".")
    if _find(origin) or not _find(module):
        return origin
    handed = dict(_names(module)).get(name, origin)
    return origin if handed == origin else _follow(handed)


def _find(module: str) -> Path | None:
    """The file of a module; None if it is none."""
    path = ROOT.joinpath(*module.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.exists()), None)


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]
