"""The axes of a sweep: numbers, seeds, static values and cases, as a user gives them and as the engine keeps them."""

import dataclasses
import zlib
from collections.abc import Hashable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.errors import SweepError

WORD = 2**32
LABEL_CHARACTERS = 128  # the longest name of a case or static value


@dataclasses.dataclass(frozen=True)
class Seeds:
    """Seed numbers `start … start + count - 1` below one root; made by `seeds`."""

    count: int
    root: int = 0
    start: int = 0

    def key(self, number: int | jax.Array, axis: str = "seed") -> jax.Array:
        """The key that a run with seed `number` receives along `axis`, to repeat one run by hand."""
        return derive_key(jnp.stack([jnp.uint32(self.root), jnp.asarray(number).astype(jnp.uint32)]), axis)


@dataclasses.dataclass(frozen=True)
class Static:
    """Values that are compiled into the program; made by `static`."""

    values: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Cases:
    """Named bundles of keywords; made by `cases`."""

    bundles: tuple[tuple[str, dict[str, Any]], ...]


@dataclasses.dataclass(frozen=True)
class Group:
    """The positions of an axis that share one program: their static keywords and their traced values."""

    positions: np.ndarray
    static: tuple[tuple[str, Hashable], ...]
    traced: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Axis:
    """One dimension of the sweep: labels for its coordinate, what else identifies them, groups of positions."""

    name: str
    kind: str
    labels: np.ndarray
    identity: dict[str, str]
    groups: tuple[Group, ...]

    @property
    def keywords(self) -> set[str]:
        """The parameters of the run function that this axis sets."""
        return {name for group in self.groups for name in (*dict(group.static), *group.traced)}


def seeds(n: int, root: int = 0, start: int = 0) -> Seeds:
    r"""An axis of `n` PRNG keys, $k_i = \mathrm{fold\_in}(\mathrm{fold\_in}(\mathrm{key}(root), axis), i)$.

    Key $i$ depends on `root`, on the axis' name and on $i$ alone: asking for more seeds leaves the earlier
    ones unchanged, and two seed axes of one sweep are independent. The coordinate holds the seed numbers.

    Args:
        n: how many seeds, at least 1.
        root: which family of seeds, from 0 to 2³² - 1.
        start: the first seed's number.

    Raises:
        SweepError: a number is out of range.

    >>> seeds(3, start=5)
    Seeds(count=3, root=0, start=5)
    """
    for argument, value, least in (("n", n, 1), ("root", root, 0), ("start", start, 0)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or not least <= value < WORD:
            raise SweepError(f"seeds({argument})", value, f"must be an integer from {least} to 2**32 - 1", "Change it")
    if start + n > WORD:
        raise SweepError("seeds(start)", start, f"start + n must not exceed 2**32, and n is {n}", "Ask for fewer seeds")
    return Seeds(int(n), int(root), int(start))


def static(values: Any) -> Static:
    """Values compiled into the program, one program each: shapes, names, functions, flags.

    A list, range or array holds several values (an axis); anything else is one value, as `cases` takes it.

    Raises:
        SweepError: a value cannot be hashed.

    >>> static([5, 10]).values, static("relu").values
    ((5, 10), ('relu',))
    """
    several = isinstance(values, list | range | np.ndarray | jax.Array)
    if isinstance(values, jax.Array):
        values = np.asarray(values)
    held = tuple(value.item() if isinstance(value, np.generic) else value for value in values) if several else (values,)
    for value in held:
        try:
            hash(value)
        except TypeError:
            raise SweepError("static", value, "must be hashable", "Use tuples for lists and frozen values") from None
    return Static(held)


def cases(bundles: Mapping[str, Mapping[str, Any]]) -> Cases:
    """An axis of named bundles of keywords, such as `{"baseline": {}, "l2": {"l2": 1e-4}}`.

    Numbers and arrays are traced; strings, None, tuples, functions and whatever `static` wraps are compiled in, and
    a keyword that is compiled in for one case is so for all. A keyword that a case leaves out keeps the run's default.

    Raises:
        SweepError: no case, or a bundle is not a mapping.

    >>> cases({"baseline": {}, "l2": {"l2": 1e-4}}).bundles
    (('baseline', {}), ('l2', {'l2': 0.0001}))
    """
    if not isinstance(bundles, Mapping) or not bundles:
        raise SweepError("cases", bundles, "must map at least one name to keywords", 'Write {"baseline": {}, ...}')
    for name, bundle in bundles.items():
        if not isinstance(name, str) or not isinstance(bundle, Mapping):
            raise SweepError(f"cases[{name!r}]", bundle, "must map a name to a dict of keywords", "Correct this case")
    return Cases(tuple((name, dict(bundle)) for name, bundle in bundles.items()))


def derive_key(pair: jax.Array | np.ndarray, axis: str) -> jax.Array:
    """The key of one seed from its `(root, number)` pair: threefry, the same on every platform."""
    root = jax.random.key(pair[0], impl="threefry2x32")
    return jax.random.fold_in(jax.random.fold_in(root, zlib.crc32(axis.encode())), pair[1])
