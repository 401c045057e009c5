"""What a training returns: a dict of arrays that knows the names of their dimensions."""

from collections.abc import Mapping
from typing import Any

import jax


@jax.tree_util.register_pytree_with_keys_class
class History(dict[str, Any]):
    """Arrays by name, with the names of their dimensions in `dims`; `jaxreg.sweep` reads these.

    Merging others into it, `history | {...}`, keeps them; a plain dict made of its parts has none.

    >>> history = History({"test_loss": [0.5, 0.25]}, dims={"test_loss": ("epoch",)})
    >>> (history | {"best": 0.25}).dims
    {'test_loss': ('epoch',)}
    """

    def __init__(self, arrays: Any = (), *, dims: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """Hold the arrays."""
        super().__init__(arrays)
        self.dims = dict(dims or {})

    def copy(self) -> "History":
        """Another of the same arrays."""
        return History(self, dims=self.dims)

    def __ror__(self, other: Mapping[str, Any]) -> "History":  # type: ignore[override]
        """Added to a plain dict."""
        return History({**other, **self}, dims={**getattr(other, "dims", {}), **self.dims})

    def __or__(self, other: Mapping[str, Any]) -> "History":  # type: ignore[override]
        """With more arrays."""
        return History({**self, **other}, dims={**self.dims, **getattr(other, "dims", {})})

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], Any]:
        """The arrays in the order of their names, as those of a dict."""
        names = sorted(self)
        return [(jax.tree_util.DictKey(name), self[name]) for name in names], (tuple(names), tuple(self.dims.items()))

    @classmethod
    def tree_unflatten(cls, names_and_dims: Any, arrays: Any) -> "History":
        """Put together again."""
        names, dims = names_and_dims
        return cls(zip(names, arrays, strict=True), dims=dict(dims))
