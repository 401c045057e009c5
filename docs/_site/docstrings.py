"""What griffe reads, made fit for the site: sessions are shown as code, private names for types as these types."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import griffe

_SESSION = re.compile(r"^>>> .*(?:\n.+)*", flags=re.MULTILINE)


class Docstrings(griffe.Extension):
    """Puts every session into a fence, and every type where a private name stands for it."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring before it is parsed."""
        if obj.docstring is not None:
            obj.docstring.value = fence(obj.docstring.value)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Change the annotations of all that is in it."""
        for module in (pkg, *(part for part in _walk(pkg) if part.is_module)):
            types = {
                name: part.value
                for name, part in module.members.items()
                if not part.is_alias and part.is_attribute and re.match("_[A-Z][a-z]", name)
            }
            for part in _walk(module):
                if part.is_attribute:
                    part.annotation = expand(part.annotation, types)
                elif part.is_function:
                    part.returns = expand(part.returns, types)
                    for parameter in part.parameters:
                        parameter.annotation = expand(parameter.annotation, types)


def _walk(parent: Any) -> list[Any]:
    """Everything defined in a module or a class, within classes and modules too."""
    own = [part for part in parent.members.values() if not part.is_alias]
    return own + [inner for part in own if part.is_class or part.is_module for inner in _walk(part)]


def fence(text: str) -> str:
    """The docstring with its sessions in fences; what is in a fence already stays."""
    return text if "```" in text else _SESSION.sub(lambda session: f"```pycon\n{session[0]}\n```", text)


def expand(expression: Any, types: Mapping[str, Any]) -> Any:
    """The expression with types in the place of their names."""
    if isinstance(expression, griffe.ExprName):
        return types.get(expression.name, expression)
    if isinstance(expression, list):
        return [expand(part, types) for part in expression]
    if not isinstance(expression, griffe.Expr):
        return expression
    fields = [field.name for field in dataclasses.fields(expression)]
    return type(expression)(**{name: expand(getattr(expression, name), types) for name in fields})
