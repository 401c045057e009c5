"""What training refuses before anything is traced, with the remedy."""

from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from jaxreg import randomness
from jaxreg.checks import MOST, NOT_NEGATIVE, Domain, check_key, read_jax
from jaxreg.checks import check_integer as check_integer
from jaxreg.engine.known import find_values
from jaxreg.errors import ArgumentError

_BITS = 32  # sums over a data set would lose examples in a shorter format

_RATE = Domain(0, 1, "[)")

# The domain of each traced number, and an example of it.
_NUMBERS = {
    "learning_rate": (NOT_NEGATIVE, "Give a step size such as 0.1"),
    "momentum": (_RATE, "Give a number such as 0.9"),
    "l1": (NOT_NEGATIVE, "Give a strength such as 1e-4, or None"),
    "l2": (NOT_NEGATIVE, "Give a strength such as 1e-4, or None"),
    "proximal_l1": (NOT_NEGATIVE, "Give a strength such as 1e-4, or None"),
    "weight_decay": (NOT_NEGATIVE, "Give a strength such as 1e-4, or None"),
    "decoupled_weight_decay": (NOT_NEGATIVE, "Give a strength such as 0.01, or None"),
    "max_norm": (Domain(0), "Give a length such as 3.0, or None"),
    "dropout": (_RATE, "Give the share of units to drop, such as 0.5"),
    "input_dropout": (_RATE, "Give the share of inputs to drop, such as 0.2"),
    "label_smoothing": (_RATE, "Give a share such as 0.1"),
    "gradient_noise": (NOT_NEGATIVE, "Give a standard deviation such as 0.01"),
    "input_noise": (NOT_NEGATIVE, "Give a standard deviation such as 0.1"),
}


def read_numbers(dtype: Any, **given: Any) -> SimpleNamespace:
    """Each number as an array of the data's precision, or None; refuse what is outside its domain."""
    return SimpleNamespace(**{name: _read_number(name, value, dtype) for name, value in given.items()})


def read_dropout(dropout: Any, layers: int, dtype: Any = jnp.float32) -> tuple[Array | None, ...]:
    """One rate or None for each hidden layer, a single rate being that of the last; refuse any other."""
    per_layer = jnp.ndim(dropout) == 1 if hasattr(dropout, "ndim") else isinstance(dropout, list | tuple)
    if per_layer and len(dropout) != layers:
        constraint = f"must have one entry for each of the {layers} hidden layers"
        raise ArgumentError("dropout", dropout, constraint, "Give None for a layer without dropout")
    if not per_layer and dropout is not None and not layers:
        raise ArgumentError("dropout", dropout, "needs a hidden layer", "Add one, or leave dropout at None")
    rates = tuple(dropout) if per_layer else ((None,) * layers + (dropout,))[-layers:] if layers else ()
    return tuple(_read_number("dropout", rate, dtype) for rate in rates)


def _read_number(name: str, value: Any, dtype: Any) -> Array | None:
    if value is None and name != "learning_rate":
        return None
    domain, remedy = _NUMBERS[name]
    domain.check(name, value, f"{remedy}; sweep it to have several", dtype)
    if not isinstance(value, jax.core.Tracer):
        return jnp.asarray(value if isinstance(value, jax.Array) else float(value), dtype)
    # A traced number cannot be looked at; outside its domain it makes the run diverge instead of one that looks sound.
    number = value.astype(dtype)
    return jnp.where(domain.holds(number), number, jnp.nan)


def check_kind(name: str, value: Any, kind: type) -> None:
    """Refuse what is neither None nor a value of the kind."""
    if value is not None and not isinstance(value, kind):
        raise ArgumentError(name, value, f"must be an {kind.__name__}", f"Give jaxreg.nets.{kind.__name__}(...)")


def read_streams(seed: Any, unused: Collection[str] = (), **own: Any) -> dict[str, Key[Array, ""]]:
    """The key of each stream: of its own seed if it has one, else of `seed`; an unused one may have neither."""
    for name, key in (("seed", seed), *((f"{name}_seed", key) for name, key in own.items())):
        if key is not None:
            check_seed(key, name)
    missing = [f"{name}_seed" for name, key in own.items() if key is None and name not in unused]
    if seed is None and missing:
        constraint = f"must be given where {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not"
        raise ArgumentError("seed", None, constraint, "Give jax.random.key(0), or sweep jaxreg.seeds")
    keys = {name: seed if key is None else key for name, key in own.items()}
    return {name: randomness.split(key, name)[name] for name, key in keys.items() if key is not None}


def check_seed(seed: Any, name: str = "seed") -> None:
    """Refuse what is not one typed PRNG key."""
    check_key(name, seed)


def check_hidden(hidden: Any) -> None:
    """Refuse what is not a tuple of layer sizes."""
    if not isinstance(hidden, tuple):
        raise ArgumentError("hidden", hidden, "must be a tuple of layer sizes", "Give (256, 128), or () for none")
    for units in hidden:
        check_integer("hidden", units, 1, MOST, "Give every hidden layer at least one unit")


def check_record(evaluate_every: Any, epochs: int) -> None:
    """Refuse a distance between records that does not divide the epochs."""
    check_integer("evaluate_every", evaluate_every, 1, epochs, "Give 1 for a record after every epoch")
    if epochs % evaluate_every:
        raise ArgumentError("evaluate_every", evaluate_every, f"must divide the {epochs} epochs", "Change either")


def read_own(name: str, value: Any, dtype: Any) -> Any:
    """A number for an optimizer of the user's, traced or not, in the data's precision; anything else stays as it is."""
    is_number = isinstance(value, float | np.floating | jax.Array)  # integers may be counts
    if not is_number or jnp.ndim(value) or not jnp.issubdtype(jnp.result_type(value), jnp.number):
        return value
    return jnp.asarray(value, dtype)


def read_sets(given: Mapping[str, tuple[Any, Any]], of_rows: bool) -> dict[str, tuple[Any, Array]]:
    """The data sets that are there, as arrays, or dicts and tuples of them; refuse what does not fit together.

    Args:
        given: inputs and targets of each set.
        of_rows: whether inputs must be rows of floats, which is what an `MLP` takes.
    """
    sets: dict[str, tuple[Any, Array]] = {}
    for name, (x, y) in given.items():
        for this, that, there in ((f"x_{name}", f"y_{name}", y), (f"y_{name}", f"x_{name}", x)):
            if there is not None and (x is None or y is None):
                raise ArgumentError(
                    this, None, f"must be given where {that} is", "Give both; of a Dataset, args=data[:4]"
                )
        if x is not None:
            sets[name] = _read_inputs(f"x_{name}", x), read_jax(f"y_{name}", y)
            if of_rows:
                _check_rows(name, sets[name][0])
            _check_examples(name, *sets[name], *sets["train"])
    return sets


def _read_inputs(name: str, x: Any) -> Any:
    """An array, or several, in dicts and tuples, for a model of several inputs."""
    if isinstance(x, Mapping):
        if not x or not all(isinstance(key, str) for key in x):
            raise ArgumentError(name, list(x), "must hold arrays by name", 'Give {"image": ..., "text": ...}')
        return {key: _read_inputs(f"{name}[{key!r}]", part) for key, part in x.items()}
    if not _is_several(x):
        return read_jax(name, x)
    parts = [_read_inputs(f"{name}[{place}]", part) for place, part in enumerate(x)]
    return type(x)(*parts) if hasattr(x, "_fields") else tuple(parts)  # a NamedTuple stays one


def _is_several(x: Any) -> bool:
    """Whether it is a tuple of inputs: arrays, dicts and such tuples, and no row of numbers."""
    if not isinstance(x, tuple):
        return False
    return all(isinstance(part, Mapping) or getattr(part, "ndim", 0) > 0 or _is_several(part) for part in x) and bool(x)


def _parts(x: Any) -> dict[Any, Any] | None:
    """The inputs by name or place, or None where there is one."""
    return x if isinstance(x, dict) else dict(enumerate(x)) if isinstance(x, tuple) else None


def _check_examples(name: str, x: Any, y: Array, x_like: Any, y_like: Array) -> None:
    """Refuse inputs and targets that do not fit each other, or those that they should be like."""
    parts, parts_like = _parts(x), _parts(x_like)
    if parts is not None or parts_like is not None:
        known, like = ("one array" if part is None else sorted(part) for part in (parts, parts_like))
        if parts is None or parts_like is None or known != like:
            raise ArgumentError(f"x_{name}", known, f"must hold the inputs of x_train, {like}", "Prepare both alike")
        for key in parts:
            _check_examples(f"{name}[{key!r}]", parts[key], y, parts_like[key], y_like)
        return
    rows, targets = _describe(x), _describe(y)
    if not x.ndim:
        raise ArgumentError(f"x_{name}", rows, "must hold examples", "Give an array with one in each row")
    if jnp.issubdtype(x.dtype, jnp.floating) and jnp.finfo(x.dtype).bits < _BITS:
        raise ArgumentError(f"x_{name}", rows, f"must have {_BITS} bits or more", "Convert them to float32")
    if x.dtype != x_like.dtype:
        raise ArgumentError(f"x_{name}", rows, f"must have the precision of x_train, {x_like.dtype}", "Convert either")
    if x.shape[1:] != x_like.shape[1:]:
        number = x_like.shape[1] if x_like.ndim == 2 else x_like.shape[1:]
        raise ArgumentError(f"x_{name}", rows, f"must have the {number} features of x_train", "Prepare both sets alike")
    if x.shape[0] == 0:
        raise ArgumentError(f"x_{name}", rows, "must hold at least one example", "Take a larger part of the data")
    if y.shape[:1] != x.shape[:1] or y.shape[1:] != y_like.shape[1:]:
        of_which = f" of x_{name}" if "[" in name else ""
        as_before = "" if name.startswith("train") else ", as in y_train"
        constraint = f"must be one target for each of the {x.shape[0]} examples{of_which}{as_before}"
        remedy = "Prepare both sets alike, in the order x_train, y_train, x_test, y_test"
        raise ArgumentError(f"y_{name.partition('[')[0]}", targets, constraint, remedy)


def _check_rows(name: str, x: Any) -> None:
    if _parts(x) is not None or x.ndim != 2 or not jnp.issubdtype(x.dtype, jnp.floating):
        constraint = "must be floating-point numbers of shape (examples, features)"
        remedy = "Flatten images to rows and convert them, or give model=..."
        raise ArgumentError(f"x_{name}", _describe(x), constraint, remedy)


def _describe(x: Any) -> str:
    parts = _parts(x)
    if parts is not None:
        return ", ".join(f"{key}: {_describe(part)}" for key, part in parts.items())
    return f"{x.dtype}{list(x.shape)}"


def describe_batch(x: Any) -> str:
    """What a model is given: `float32[batch, 28, 28]`, or several by name or place."""
    parts = _parts(x)
    if parts is not None:
        return ", ".join(f"{key}: {describe_batch(part)}" for key, part in parts.items())
    return f"{x.dtype}[batch, {', '.join(map(str, x.shape[1:]))}]"


def name_inputs(x: Any) -> list[str]:
    """The names or places of several inputs; none where there is one."""
    return [str(key) for key in _parts(x) or ()]


def take(x: Any, index: Any) -> Any:
    """These examples of an input, or of each of several."""
    return jax.tree.map(lambda part: part[index], x)


def check_labels(name: str, labels: Any, classes: int) -> None:
    """Refuse integers that number no class, also those of a sweep's `args` while a run is traced."""
    known = find_values(labels)
    if known is not None:
        Domain(0, classes - 1).check_all(name, known, "Renumber the labels, or raise classes")
