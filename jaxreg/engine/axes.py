"""The axes of a sweep, as a user gives them and as the engine keeps them."""

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
class Zipped:
    """Keywords that change together; made by `zipped`."""

    columns: tuple[tuple[str, Any], ...]


@dataclasses.dataclass(frozen=True)
class Group:
    """The positions of an axis that share one program: their static keywords and their traced values.

    `defaults` names, for each position, the keywords whose values are the run's defaults; `described` says what is
    compiled in, where several keywords change together.
    """

    positions: np.ndarray
    static: tuple[tuple[str, Hashable], ...]
    traced: dict[str, np.ndarray]
    defaults: tuple[frozenset[str], ...] = ()
    described: str = ""


@dataclasses.dataclass(frozen=True)
class Axis:
    """One dimension of the sweep: labels for its coordinate, what else identifies them, groups of positions.

    `seeded` names the keywords that are seeds, `beside` holds the values of keywords along the axis.
    """

    name: str
    kind: str
    labels: np.ndarray
    identity: dict[str, str]
    groups: tuple[Group, ...]
    seeded: tuple[str, ...] = ()
    beside: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

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

    A list, range or array holds several values (an axis); anything else is one value, as `cases` takes it. Values
    that are equal but not the same, such as 1, True and 1.0, are told apart.

    Raises:
        SweepError: a value cannot be hashed.

    >>> static([5, 10]).values, static("relu").values
    ((5, 10), ('relu',))
    """
    if isinstance(values, np.ndarray | jax.Array):
        if isinstance(values, jax.Array) and jnp.issubdtype(values.dtype, jax.dtypes.prng_key):
            raise SweepError("static", values, "must not hold keys", "Use jaxreg.seeds(n) for seeds")
        array = np.asarray(values)
        values = [array.item()] if array.ndim == 0 else [_as_tuple(entry) for entry in array.tolist()]
    held = tuple(map(_frozen, values)) if isinstance(values, list | range) else (_frozen(values),)
    for value in held:
        try:
            hash(value)
        except TypeError:
            raise SweepError("static", value, "must be hashable", "Use tuples for lists and frozen values") from None
        if isinstance(value, Static | Seeds | Cases | Zipped):
            raise SweepError("static", value, "must hold values, not axes", "Drop the inner call")
    return Static(held)


class _FrozenDict(dict[Any, Any]):
    """A dict as a value: a copy of what was given, that can be hashed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


def _frozen(value: Any) -> Any:
    return _FrozenDict({key: _frozen(item) for key, item in value.items()}) if type(value) is dict else value


def cases(bundles: Mapping[str, Mapping[str, Any]]) -> Cases:
    """An axis of named bundles of keywords, such as `{"baseline": {}, "l2": {"l2": 1e-4}}`.

    Numbers and arrays are traced; strings, None, tuples, functions and whatever `static` wraps are compiled in, and
    a keyword that is compiled in for one case is so for all. A keyword that a case leaves out keeps the run's default.
    Numbers and names become coordinates along the axis, under the names of their keywords.

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


def zipped(**columns: Any) -> Zipped:
    """An axis along which several keywords change together, as in a random search: entry i of each makes run i.

    The axis is named by its key in `axes`, its coordinate counts from 0, and each keyword is a coordinate along it.

    Args:
        **columns: from keyword to as many numbers, `static([...])` values or `seeds(n)` as the others have.

    Raises:
        SweepError: no keyword, or lengths differ.

    >>> import jaxreg as jr
    >>> draws = zipped(rate=[0.1, 0.3, 1.0], width=static([8, 4, 8]))
    >>> result = jr.sweep(lambda *, rate, width: {"x": rate * width}, {"draw": draws}, progress=False)
    >>> result.x.values.tolist(), result.width.values.tolist()
    ([0.8..., 1.2..., 8.0], [8, 4, 8])
    """
    if not columns:
        raise SweepError("zipped", columns, "must set at least one keyword", "Write zipped(rate=[...], l2=[...])")
    lengths = {}
    for keyword, column in columns.items():
        try:
            lengths[keyword] = column.count if isinstance(column, Seeds) else len(getattr(column, "values", column))
        except TypeError:
            raise SweepError(
                f"zipped({keyword})", column, "must hold one value per run", "Give a list, static([...]) or seeds(n)"
            ) from None
    if len(set(lengths.values())) > 1 or not all(lengths.values()):
        raise SweepError("zipped", lengths, "must give every keyword as many values, at least one", "Make them alike")
    return Zipped(tuple(columns.items()))


def _as_tuple(entry: Any) -> Any:
    return tuple(map(_as_tuple, entry)) if isinstance(entry, list) else entry


def derive_key(pair: jax.Array | np.ndarray, axis: str) -> jax.Array:
    """The key of one seed from its `(root, number)` pair: threefry, the same on every platform."""
    root = jax.random.key(pair[0], impl="threefry2x32")
    return jax.random.fold_in(jax.random.fold_in(root, zlib.crc32(axis.encode())), pair[1])
