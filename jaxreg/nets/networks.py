"""Whatever can be trained, in one form: how it is initialised, what it draws at a step, and how it is applied."""

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
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
    apply: Callable[[PyTree, PyTree, Any, PyTree, bool], tuple[Array, PyTree]]
    export: Callable[[PyTree, PyTree], PyTree]
    unit_axis: int | None
    start: Callable[[Keys, Any], tuple[Array, Array]] | None = None


def from_mlp(model: MLP, rates: Sequence[Float[Array, ""] | None], batch_size: int) -> Network:
    """The own `MLP`, with a dropout rate, which may be traced, for each of its hidden layers, or None."""

    def draw(keys: Keys) -> Callable[[Any], list[Array | None]]:
        has_dropout = any(rate is not None for rate in rates)
        layer_keys = [jax.random.fold_in(keys["dropout"], layer) for layer in range(len(rates)) if has_dropout]
        return lambda step: [
            None if rate is None else keep_mask(layer_keys[layer], rate, (batch_size, units), step)
            for layer, (rate, units) in enumerate(zip(rates, model.hidden, strict=True))
        ]

    def apply(params: PyTree, state: PyTree, x: Array, kept: Any, train: bool) -> tuple[Array, PyTree]:
        masks = zip(kept, rates, strict=True) if train else ()
        multipliers = [None if rate is None else multiplier(mask, rate) for mask, rate in masks]
        return jnp.asarray(model.apply(params, x, multipliers)), state

    return Network(lambda keys, x: (model.init(keys["init"], x), ()), draw, apply, lambda params, _: params, UNIT_AXIS)


def read_model(model: Any) -> Network:
    """A model of the user's: a Flax module of either kind, what makes one, or a pair of functions.

    Raises:
        ArgumentError: it is none of these.
    """
    if isinstance(model, nnx.Module):  # may change
        return _read_known(_Same(model))
    try:
        return _read_known(tuple(model) if isinstance(model, list) else model)
    except TypeError:  # cannot be hashed
        return _read_known(_Same(model))


class _Same:
    """Anything, as itself alone."""

    def __init__(self, model: Any) -> None:
        self.model = model


@functools.lru_cache(maxsize=16)  # what it compiles stays for the next trace
def _read_known(model: Any) -> Network:
    network = _read_any(model.model if isinstance(model, _Same) else model)

    def apply(params: PyTree, state: PyTree, x: Any, drawn: PyTree, train: bool) -> tuple[Array, PyTree]:
        return by_products(lambda *given: network.apply(*given, train))(params, state, x, drawn)

    @jax.jit
    def start(keys: Keys, x: Any) -> tuple[Array, Array]:
        params, state = network.init(keys, x[:1])
        trained, after = apply(params, state, x, network.draw(keys)(0), True)
        return trained, apply(params, after, x, None, False)[0]

    return network._replace(apply=apply, start=start)


def _read_any(model: Any) -> Network:
    if isinstance(model, linen.Module):
        return _from_linen(model)
    if isinstance(model, nnx.Module):
        return _from_nnx(lambda keys: _reseeded(model, keys["dropout"]))
    if isinstance(model, tuple | list) and len(model) == 2 and all(map(callable, model)):
        return _from_pair(*model)
    if callable(model) and _makes_nnx(model):
        return _from_nnx(lambda keys: model(rngs=nnx.Rngs(keys["init"], dropout=keys["dropout"])))
    raise ArgumentError("model", model, "must be something that trains", _REMEDY)


def _makes_nnx(model: Callable[..., Any]) -> bool:
    """Whether it takes the random streams of a module of NNX; a class of it does not say so itself."""
    inner = model.func if isinstance(model, functools.partial) else model
    return "rngs" in parameters_of(getattr(inner, "__init__", inner) if isinstance(inner, type) else inner)


def _from_linen(module: linen.Module) -> Network:
    """Collections beside the parameters, such as the running means of BatchNorm, are the state."""

    def init(keys: Keys, x: Any) -> tuple[PyTree, PyTree]:
        streams = {"params": keys["init"], "dropout": keys["dropout"]}
        variables = dict(module.init(streams, x, **mode(False)))
        return {"params": variables.pop("params", {})}, variables

    def apply(params: PyTree, state: PyTree, x: Any, key: Any, train: bool) -> tuple[Array, PyTree]:
        if not train:
            return jnp.asarray(module.apply({**params, **state}, x, **mode(False))), state
        streams = {"dropout": key, "params": jax.random.fold_in(key, 0)}
        outputs, changed = module.apply({**params, **state}, x, rngs=streams, mutable=list(state), **mode(True))
        return jnp.asarray(outputs), {**state, **changed}

    mode = _mode_of(type(module).__call__)
    return Network(init, _draw_key, apply, lambda params, state: {**params, **state}, -1)


def _from_nnx(build: Callable[[Keys], nnx.Module]) -> Network:
    """All variables but `nnx.Param` are the state: running means, and the counts of random numbers."""

    def split(module: nnx.Module) -> tuple[Any, PyTree, PyTree]:
        parts: Any = nnx.split(module, nnx.Param, ...)
        return parts[0], parts[1], parts[2]

    def apply(params: PyTree, state: PyTree, x: Any, _: Any, train: bool) -> tuple[Array, PyTree]:
        # A variable may be changed only where it was made: in the step, not in the loop around it.
        module = nnx.merge(graphs[train], params, state, copy=True)
        outputs = module(x, **mode(train))
        return outputs, split(module)[2] if train else state

    some = jax.random.key(0)
    skeleton = nnx.eval_shape(lambda: build({"init": some, "dropout": some}))
    mode = _mode_of(type(skeleton).__call__)
    graphs = {}
    for train, set_mode in ((True, skeleton.train), (False, skeleton.eval)):
        set_mode()
        graphs[train] = split(skeleton)[0]

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

    def call(params: PyTree, state: PyTree, x: Any, key: Any, train: bool) -> tuple[Array, PyTree]:
        options = {"key": jax.random.key(0) if key is None else key, "train": train}
        return apply(params, x, **{name: options[name] for name in options if name in takes}), state

    return Network(lambda keys, x: (init(keys["init"], x), ()), _draw_key, call, lambda params, _: params, None)


def _draw_key(keys: Keys) -> Callable[[Any], Key[Array, ""]]:
    """The key of each step."""
    return lambda step: jax.random.fold_in(keys["dropout"], step)


def _mode_of(call: Callable[..., Any]) -> Callable[[bool], dict[str, Any]]:
    """What says to a module, in its own words, whether it is being trained."""
    names = [name for name in _MODES if name in parameters_of(call)]
    return lambda train: {name: train is _MODES[name] for name in names}


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a function by name; none where they are not known."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # some that are written in C have none
        return {}


def name_leaves(params: PyTree) -> dict[str, Any]:
    """The leaves by their paths, such as `hidden_0/weight`, in the order that a reader would count them in.

    >>> list(name_leaves({"params": {"layer_10": {"b": 1.0}, "layer_9": {"b": 2.0}}}))
    ['layer_9/b', 'layer_10/b']
    """
    named = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        steps = [
            str(next(getattr(entry, name) for name in ("key", "idx", "name") if hasattr(entry, name))) for entry in path
        ]
        if steps[:1] == ["params"]:
            steps = steps[1:]
        if path and isinstance(path[-1], jax.tree_util.GetAttrKey) and steps[-1] == "value":  # of a variable of NNX
            steps = steps[:-1]
        named["/".join(steps)] = leaf
    return dict(sorted(named.items(), key=lambda item: _by_number(item[0])))


def _by_number(path: str) -> list[tuple[bool, int, str]]:
    """Sorts 9 before 10."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", path)]
