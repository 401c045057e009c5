"""Values: frozen dataclasses that are pytrees."""

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, TypeVar

import jax

Kind = TypeVar("Kind", bound=type)


def register_value(*static: str, constant: tuple[str, ...] = ()) -> Callable[[Kind], Kind]:
    """Make a frozen dataclass a pytree of its fields, those named in `static` being part of its structure.

    Fields named in `constant` are part of it too where they hold a Python float, and leaves where they hold an array.

    Not `jax.tree_util.register_dataclass`: in JAX 0.10 the structures of different such classes compare equal, so that
    `jit` may take one for the other; and it calls the class, and its checks, with the placeholders that JAX puts
    where arrays were.

    >>> from dataclasses import dataclass
    >>> @register_value("power")
    ... @dataclass(frozen=True)
    ... class Monomial:
    ...     factor: float
    ...     power: int
    >>> jax.tree.map(lambda factor: 2 * factor, Monomial(1.5, 4))
    Monomial(factor=3.0, power=4)
    """

    def register(kind: Kind) -> Kind:
        names = [field.name for field in fields(kind)]
        data = [name for name in names if name not in static]

        def flatten(value: Any) -> tuple[list[tuple[Any, Any]], tuple[tuple[str, ...], tuple[Any, ...]]]:
            fixed = (*static, *(name for name in constant if isinstance(getattr(value, name), float)))
            leaves = [(jax.tree_util.GetAttrKey(name), getattr(value, name)) for name in data if name not in fixed]
            return leaves, (fixed, tuple(getattr(value, name) for name in fixed))

        def unflatten(structure: tuple[tuple[str, ...], tuple[Any, ...]], leaves: Iterable[Any]) -> Any:
            value: Any = object.__new__(kind)
            fixed, parts = structure
            free = (name for name in data if name not in fixed)
            for name, part in zip((*free, *fixed), (*leaves, *parts), strict=True):
                object.__setattr__(value, name, part)
            return value

        jax.tree_util.register_pytree_with_keys(kind, flatten, unflatten)
        return kind

    return register
