"""Whatever can be trained, in one form: how it is initialised, what it draws at a step, and how it is applied."""

import functools
import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as linen
import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key, PyTree

from jaxreg.errors import ArgumentError
from jaxreg.nets.convolution import by_products
from jaxreg.nets.dropout import keep_mask, multiplier
from jaxreg.nets.model import MLP, UNIT_AXIS

Keys = Mapping[str, Key[Array, ""]]

_REMEDY = "Give a Flax module, or a pair of functions init(key, x) and apply(params, x, *, key, train)"
# What a module calls the flag that says whether it is being trained, and the value that says yes.
_MODES = {"train": True, "training": True, "is_training": True, "deterministic": False, "use_running_average": False}


class Network(NamedTuple):
    """A model as training sees it. What is drawn at a step is drawn ahead of it, and carried.

    Args:
        init: `init(keys, x) -> (params, state)`: what is trained, and what else changes in training, such as running
            means; `keys` are those of the streams "init" and "dropout", `x` is one example.
        draw: `draw(keys) -> (step -> drawn)`, from the keys of an epoch.
        apply: `apply(params, state, x, drawn, train) -> (outputs, state)`.
        export: `export(params, state)`: both as they are returned.
        unit_axis: the axis of a kernel along which its units lie, or None where it is not known.
        start: `start(keys, x) -> outputs` before any training, in training and not; compiled.
    """

    init: Callable[[Keys, Any], tuple[PyTree, PyTree]]
    draw: Callable[[Keys], Callable[[Any], PyTree]]
    apply: Callable[[PyTree, PyTree, Any, PyTree, bool], tuple[PyTree, PyTree]]
    export: Callable[[PyTree, PyTree], PyTree]
    unit_axis: int | None
    start: Callable[[Keys, Any], tuple[PyTree, PyTree]] | None = None


def from_mlp(model: MLP, rates: Sequence[Float[Array, ""] | None], batch_size: int) -> Network:
    """The own `MLP`, with a dropout rate, which may be traced, for each of its hidden layers, or None."""

    def draw(keys: Keys) -> Callable[[Any], list[Array | None]]:
        has_dropout = any(rate is not None for rate in rates)
        layer_keys = [jax.random.fold_in(keys["dropout"], layer) for layer in range(len(rates)) if has_dropout]
        return lambda step: [
            None if rate is None else keep_mask(layer_keys[layer], rate, (batch_size, units), step)
            for layer, (rate, units) in enumerate(zip(rates, model.hidden, strict=True))
        ]

    def apply(params: PyTree, state: PyTree, x: Array, kept: Any, train: bool) -> tuple[PyTree, PyTree]:
        masks = zip(kept, rates, strict=True) if train else ()
        multipliers = [None if rate is None else multiplier(mask, rate) for mask, rate in masks]
        return jnp.asarray(model.apply(params, x, multipliers)), state

    return Network(lambda keys, x: (model.init(keys["init"], x), ()), draw, apply, lambda params, _: params, UNIT_AXIS)


def read_model(model: Any) -> Network:
    """A model of the user's: a Flax module of either kind, what makes one, or a pair of functions.

    Raises:
        ArgumentError: it is none of these.
    """
    try:
        hash(model)
    except TypeError:
        return _prepare(model)
    return _prepare(model) if isinstance(model, nnx.Module) else _prepare_once(model)  # the former may change


def _prepare(model: Any) -> Network:
    network = _read_any(model)

    def apply(params: PyTree, state: PyTree, x: Any, drawn: PyTree, train: bool) -> tuple[PyTree, PyTree]:
        outputs, after = by_products(lambda *given: network.apply(given[0], given[1], given[2], given[3], train))(
            params, state, x, drawn
        )
        return widen(outputs), after

    @jax.jit
    def start(keys: Keys, x: Any) -> tuple[PyTree, PyTree]:
        params, state = network.init(keys, jax.tree.map(lambda part: part[:1], x))
        trained, after = apply(params, state, x, network.draw(keys)(0), True)
        return trained, apply(params, after, x, None, False)[0]

    return network._replace(apply=apply, start=start)


def widen(values: PyTree) -> PyTree:
    """As arrays, those of half precision in float32: what is summed over examples or weights needs it."""

    def to_float32(value: Any) -> Array:
        array = jnp.asarray(value)
        is_half = jnp.issubdtype(array.dtype, jnp.floating) and jnp.finfo(array.dtype).bits < 32
        return array.astype(jnp.float32) if is_half else array

    return jax.tree.map(to_float32, values)


_prepare_once = functools.lru_cache(maxsize=8)(_prepare)  # what `start` compiles stays for the next trace


def _read_any(model: Any) -> Network:
    if isinstance(model, linen.Module):
        return _from_linen(model)
    if isinstance(model, nnx.Module):
        return _from_nnx(lambda keys: _reseeded(model, keys["dropout"]))
    if isinstance(model, tuple | list) and len(model) == 2 and all(map(callable, model)):
        return _from_pair(*model)
    if callable(model) and _makes_nnx(model):
        _check_complete(model)
        return _from_nnx(lambda keys: model(rngs=nnx.Rngs(keys["init"], dropout=keys["dropout"])))
    is_class = isinstance(model, type) and issubclass(model, linen.Module)
    remedy = f"Give {model.__name__}(), an instance" if is_class else _REMEDY
    raise ArgumentError("model", model, "must be something that trains", remedy)


def _makes_nnx(model: Callable[..., Any]) -> bool:
    """Whether it takes the random streams of a module of NNX; a class of it does not say so itself."""
    return "rngs" in parameters_of(_initializer(model))


def _initializer(model: Callable[..., Any]) -> Callable[..., Any]:
    """What takes the arguments: a class of NNX does not say so itself, nor does a partial of one."""
    inner = model.func if isinstance(model, functools.partial) else model
    return functools.partial(getattr(inner, "__init__", inner), None) if isinstance(inner, type) else inner


def _check_complete(model: Callable[..., Any]) -> None:
    """Refuse what makes a module of NNX, but needs more than random streams."""
    args, given = (model.args, model.keywords) if isinstance(model, functools.partial) else ((), {})
    known = list(parameters_of(_initializer(model)).values())
    missing = [
        one.name
        for one in known[len(args) :]
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) and one.name not in given
    ]
    for name in [name for name in missing if name != "rngs"]:
        remedy = f"Give functools.partial(..., {name}=...), or lambda rngs: ..."
        raise ArgumentError("model", model, f"needs {name} beside rngs", remedy)


def _from_linen(module: linen.Module) -> Network:
    """Collections beside the parameters, such as the running means of BatchNorm, are the state."""

    def init(keys: Keys, x: Any) -> tuple[PyTree, PyTree]:
        streams = {"params": keys["init"], "dropout": keys["dropout"]}
        variables = dict(modules[False].init(streams, x, **mode(False)))
        return {"params": variables.pop("params", {})}, variables

    def apply(params: PyTree, state: PyTree, x: Any, key: Any, train: bool) -> tuple[PyTree, PyTree]:
        if not train:
            return modules[False].apply({**params, **state}, x, **mode(False)), state
        streams = {"dropout": key, "params": jax.random.fold_in(key, 0)}
        outputs, changed = modules[True].apply({**params, **state}, x, rngs=streams, mutable=list(state), **mode(True))
        return outputs, {**state, **changed}

    fields = type(module).__dataclass_fields__
    told = [name for name in _MODES if name in fields and getattr(module, name) is not None]
    flags: dict[bool, Any] = {train: {name: _set_flag(module, name, train) for name in told} for train in (True, False)}
    modules = {train: module.clone(**flags[train]) for train in flags}
    mode = _mode_of(type(module).__call__, told)
    return Network(init, _draw_key, apply, lambda params, state: {**params, **state}, -1)


def _set_flag(module: linen.Module, name: str, train: bool) -> bool:
    """An attribute that says whether it is being trained; running means that are frozen stay so."""
    is_frozen = name == "use_running_average" and getattr(module, name) is True
    return is_frozen or train is _MODES[name]


def _from_nnx(build: Callable[[Keys], nnx.Module]) -> Network:
    """All variables but `nnx.Param` are the state: running means, and the counts of random numbers."""

    def split(module: nnx.Module) -> tuple[Any, PyTree, PyTree]:
        parts: Any = nnx.split(module, nnx.Param, ...)
        return parts[0], parts[1], parts[2]

    def apply(params: PyTree, state: PyTree, x: Any, _: Any, train: bool) -> tuple[PyTree, PyTree]:
        # A variable may be changed only where it was made: in the step, not in the loop around it.
        module = nnx.merge(graphs[train], params, state, copy=True)
        outputs = module(x, **mode(train))
        return outputs, split(module)[2] if train else state

    some = jax.random.key(0)
    skeleton = nnx.eval_shape(lambda: build({"init": some, "dropout": some}))
    mode = _mode_of(type(skeleton).__call__)
    parts: Any = nnx.iter_modules(skeleton)
    for _, part in parts:
        if getattr(part, "deterministic", False) is None:  # attention that was not told
            part.deterministic = False
    graphs = {True: split(skeleton)[0]}  # in training as it was made: what is frozen stays so
    skeleton.eval()
    graphs[False] = split(skeleton)[0]

    def export(params: PyTree, state: PyTree) -> PyTree:
        kept = nnx.filter_state(state, nnx.Not(nnx.RngState))
        return nnx.to_pure_dict(nnx.merge_state(params, kept))

    return Network(lambda keys, _: split(build(keys))[1:], lambda _: lambda step: (), apply, export, -1)


def _reseeded(module: nnx.Module, key: Key[Array, ""]) -> nnx.Module:
    """The same with its parameters, drawing from the key."""
    own = nnx.clone(module)
    nnx.reseed(own, default=key, dropout=key)
    return own


def _from_pair(init: Callable[..., Any], apply: Callable[..., Any]) -> Network:
    takes = parameters_of(apply)

    def call(params: PyTree, state: PyTree, x: Any, key: Any, train: bool) -> tuple[PyTree, PyTree]:
        options = {"key": jax.random.key(0) if key is None else key, "train": train}
        return call_by_name(apply, params, x, **{name: options[name] for name in options if name in takes}), state

    return Network(lambda keys, x: (init(keys["init"], x), ()), _draw_key, call, lambda params, _: params, None)


def _draw_key(keys: Keys) -> Callable[[Any], Key[Array, ""]]:
    """The key of each step."""
    return lambda step: jax.random.fold_in(keys["dropout"], step)


def _mode_of(call: Callable[..., Any], told: Collection[str] = ()) -> Callable[[bool], dict[str, Any]]:
    """What says to a module, in its own words, whether it is being trained; `told` are those that it has already."""
    names = [name for name in _MODES if name in parameters_of(call) and name not in told]
    return lambda train: {name: train is _MODES[name] for name in names}


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a function by name; none where they are not known."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # some that are written in C have none
        return {}


def call_by_name(function: Callable[..., Any], *first: Any, **options: Any) -> Any:
    """Call it with options by name, those that it takes by position only by position."""
    only = [one.name for one in parameters_of(function).values() if one.kind is one.POSITIONAL_ONLY][len(first) :]
    placed = [options.pop(name) for name in only if name in options]
    return function(*first, *placed, **options)


def name_leaves(params: PyTree) -> dict[str, Any]:
    """The leaves by their paths, such as `hidden_0/weight`, in the order that a reader would count them in.

    >>> list(name_leaves({"params": {"layer_10": {"b": 1.0}, "layer_9": {"b": 2.0}}}))
    ['layer_9/b', 'layer_10/b']
    """
    named = {}
    is_collection = isinstance(params, Mapping) and set(params) == {"params"}
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        steps = [
            str(next(getattr(entry, name) for name in ("key", "idx", "name") if hasattr(entry, name))) for entry in path
        ]
        if is_collection and len(steps) > 1:
            steps = steps[1:]
        if path and isinstance(path[-1], jax.tree_util.GetAttrKey) and steps[-1] == "value":  # of a variable of NNX
            steps = steps[:-1]
        named["/".join(steps)] = leaf
    return dict(sorted(named.items(), key=lambda item: _by_number(item[0])))


def _by_number(path: str) -> list[tuple[bool, int, str]]:
    """Sorts 9 before 10."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", path)]
