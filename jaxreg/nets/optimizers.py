"""Optimizers and learning-rate schedules by name, from Optax, with strengths that may be traced."""

import inspect
import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from jaxreg.checks import describe_cause
from jaxreg.errors import ArgumentError
from jaxreg.nets.networks import call_by_name, parameters_of
from jaxreg.penalties import Scalar, kernels_only

Schedule = Callable[[int], Callable[[Any], Any]]

_MOMENTUM = 0.9  # where an optimizer that has one is not told otherwise

# What each makes of a gradient, before the learning rate. Constants are Optax's, which for Adam are the papers'.
OPTIMIZERS: dict[str, Callable[[Any], optax.GradientTransformation]] = {
    "adagrad": lambda _: optax.scale_by_rss(),
    "adam": lambda _: optax.scale_by_adam(),
    "adamw": lambda _: optax.scale_by_adam(),
    "lion": lambda _: optax.scale_by_lion(),
    "momentum": lambda momentum: optax.trace(_MOMENTUM if momentum is None else momentum),
    "nesterov": lambda momentum: optax.trace(_MOMENTUM if momentum is None else momentum, nesterov=True),
    "rmsprop": lambda _: optax.scale_by_rms(),
    "sgd": lambda _: optax.identity(),
}
HAVE_MOMENTUM = ("momentum", "nesterov")


def _drops(steps: int) -> optax.Schedule:
    half = -(-steps // 2)
    return optax.piecewise_constant_schedule(1.0, {half: 0.1, max(-(-3 * steps // 4), half + 1): 0.1})


def _warmup(steps: int) -> optax.Schedule:
    # Optax' rise lasts a whole number of steps, and has the precision of float32.
    return lambda step: jnp.minimum(10 * jnp.asarray(step).astype(float) / steps, 1)


def _warmup_cosine(steps: int) -> optax.Schedule:
    rise = _warmup(steps)

    def factor(step: Any) -> Array:
        share = jnp.clip((10 * jnp.asarray(step).astype(float) / steps - 1) / 9, 0, 1)
        return rise(step) * (1 + jnp.cos(jnp.pi * share)) / 2

    return factor


# From the number of steps to what the learning rate is multiplied with at each; Optax would not take a traced rate.
SCHEDULES: dict[str, Schedule] = {
    "constant": lambda steps: optax.constant_schedule(1.0),
    "cosine": lambda steps: optax.cosine_decay_schedule(1.0, steps),
    "step": _drops,
    "warmup": _warmup,
    "warmup_cosine": _warmup_cosine,
}


def build(
    name: str, momentum: Scalar | None, weight_decay: Scalar | None, decoupled_weight_decay: Scalar | None
) -> optax.GradientTransformation:
    r"""The direction $d$ of a step $\theta \leftarrow \theta - \eta_t d$, from the gradient $g$, by Optax.

    | name | $d$ |
    | --- | --- |
    | `sgd` | $g$ |
    | `momentum` | $m \leftarrow g + \beta m$ |
    | `nesterov` | $g + \beta m$ with the new $m$ |
    | `adagrad` | $g / \sqrt{\sum g^2 + 0.1}$ |
    | `rmsprop` | $g / \sqrt{v + 10^{-8}}$, $v \leftarrow 0.9 v + 0.1 g^2$ (PyTorch: 0.99, no root over $10^{-8}$) |
    | `adam`, `adamw` | $\hat m / (\sqrt{\hat v} + 10^{-8})$ with $\beta_1 = 0.9$, $\beta_2 = 0.999$ |
    | `lion` | the sign of $0.9 m + 0.1 g$, $m \leftarrow 0.99 m + 0.01 g$ |

    Coupled decay adds $c\,w$ to $g$ before that; decoupled decay adds $\lambda w$ to $d$ after it, so that it is
    multiplied with the learning rate, as AdamW does. Both act on weights, not on biases, which PyTorch's and Keras'
    AdamW decay too.

    Args:
        name: a key of `OPTIMIZERS`.
        momentum: $\beta$, for `momentum` and `nesterov`; None is 0.9.
        weight_decay: $c$, or None. For `sgd` it does the same as L2 of strength $c$ in the loss.
        decoupled_weight_decay: $\lambda$, or None.

    >>> optimizer = build("momentum", 0.5, None, None)
    >>> g = jnp.array([1.0])
    >>> direction, memory = optimizer.update(g, optimizer.init(g), g)
    >>> optimizer.update(g, memory, g)[0]
    Array([1.5], dtype=float32)

    Source: for AdamW, Loshchilov and Hutter, Decoupled weight decay regularization (2019), algorithm 2.
    """
    parts = [OPTIMIZERS[name](momentum)]
    if weight_decay is not None:
        parts.insert(0, optax.add_decayed_weights(weight_decay, kernels_only))
    if decoupled_weight_decay is not None:
        parts.append(optax.add_decayed_weights(decoupled_weight_decay, kernels_only))
    whole = optax.chain(*parts)

    def update(gradient: Any, memory: Any, params: Any = None) -> tuple[Any, Any]:
        # Optax mixes floats and integers, which strict promotion would not have.
        with jax.numpy_dtype_promotion("standard"):
            return whole.update(gradient, memory, params)

    return optax.GradientTransformation(whole.init, update)


def make_schedule(schedule: str | Schedule, learning_rate: Array, steps: int) -> Callable[[Any], Array]:
    r"""The learning rate $\eta_t = \eta f(t)$ of step t of T.

    | name | $f(t)$ |
    | --- | --- |
    | `constant` | 1 |
    | `step` | 1, from half of the steps on a tenth, from three quarters on a hundredth |
    | `cosine` | $\tfrac12 (1 + \cos(\pi t / T))$ |
    | `warmup` | $\min(1, 10 t / T)$ |
    | `warmup_cosine` | the same rise times half a cosine, from 1 at $t = T/10$ down to 0 at T |

    Args:
        schedule: a key of `SCHEDULES`, or a function of T that returns f, such as an Optax schedule.
        learning_rate: $\eta$; may be traced.
        steps: T.

    >>> rate = make_schedule("cosine", jnp.float32(2.0), 100)
    >>> [round(float(rate(step)), 3) for step in (0, 50, 100)]
    [2.0, 1.0, 0.0]
    """
    remedy = "For an Optax schedule, give lambda steps: the schedule"
    try:
        factor = (SCHEDULES[schedule] if isinstance(schedule, str) else schedule)(steps)
    except Exception as error:  # whatever a function of somebody else's raises
        constraint = f"must make a schedule from the number of steps ({describe_cause(error)})"
        raise ArgumentError("schedule", schedule, constraint, remedy) from error
    if not callable(factor):
        raise ArgumentError("schedule", schedule, "must make a schedule from the number of steps", remedy)

    def rate(step: Any) -> Array:
        with jax.numpy_dtype_promotion("standard"):
            return learning_rate * jnp.asarray(factor(step)).astype(learning_rate.dtype)

    if not isinstance(schedule, str):
        _check_rate(schedule, rate)
    return rate


def _check_rate(schedule: Schedule, rate: Callable[[Any], Array]) -> None:
    """Refuse a schedule of the user's that does not make a number of a step."""
    try:
        shape = jax.eval_shape(rate, jax.ShapeDtypeStruct((), jnp.int32)).shape
        cause = f"shape {shape}"
    except Exception as error:
        shape, cause = None, describe_cause(error)
    if shape != ():
        raise ArgumentError("schedule", schedule, f"must make one factor of a step ({cause})", "Return a number")


class Descent(NamedTuple):
    """An optimizer as training sees it.

    Args:
        init: `init(params) -> memory`.
        step: `step(params, memory, gradient, t, value) -> (params, memory, rate)`, `value` making the objective and
            its value from parameters, for those that look at it; `rate` is that of proximal steps.
    """

    init: Callable[[Any], Any]
    step: Callable[..., tuple[Any, Any, Any]]


def read_optimizer(
    optimizer: Any,
    params: Any,
    rate_at: Callable[[Any], Array] | None,
    is_constant: bool,
    numbers: Any,
    own: Mapping[str, Any],
) -> Descent:
    """An optimizer by name, or one of the user's: an Optax transformation, or a function of numbers that makes one.

    Args:
        optimizer: what `train` takes.
        params: the parameters, or their shapes.
        rate_at: the learning rate by step, or None where none was given.
        is_constant: whether it does not change.
        numbers: `momentum`, `weight_decay` and `decoupled_weight_decay`, for those with names.
        own: further numbers, by name, for the function.

    Raises:
        ArgumentError: no optimizer, numbers that it does not take, or a state that changes its shape.
    """
    if isinstance(optimizer, str):
        if rate_at is None:
            raise ArgumentError("learning_rate", None, "must be given", "Give a step size such as 0.1")
        return _from_name(optimizer, rate_at, numbers)
    for name in ("momentum", "weight_decay", "decoupled_weight_decay"):
        if getattr(numbers, name) is not None:
            remedy = "Make it part of the optimizer: optax.chain(optax.add_decayed_weights(...), ...)"
            raise ArgumentError(name, getattr(numbers, name), "is for optimizers by name", remedy)
    whole = optimizer = as_transformation(optimizer)
    if not isinstance(optimizer, optax.GradientTransformation):
        if not callable(optimizer):
            remedy = 'Give a name, such as "sgd", optax.adam(1e-3), or lambda learning_rate: optax.adam(learning_rate)'
            raise ArgumentError(
                "optimizer", optimizer, "must be a name, an Optax transformation or what makes one", remedy
            )
        whole = _make(optimizer, rate_at, is_constant, own)
    elif rate_at is not None:
        remedy = "Give lambda learning_rate: optax...(learning_rate), or no learning_rate"
        raise ArgumentError("learning_rate", "given", "is part of the optimizer already", remedy)
    return _from_optax(whole, params, rate_at)


class Rate:
    """A learning rate that changes: a function of the step, which can be multiplied, divided and added to."""

    def __init__(self, at: Callable[[Any], Array]) -> None:
        """That of each step."""
        self._at = at

    def __call__(self, step: Any) -> Array:
        """The rate of a step."""
        return self._at(step)

    def _with(self, other: Any, operation: Callable[[Any, Any], Any]) -> "Rate":
        return Rate(lambda step: operation(self(step), other(step) if callable(other) else other))

    def __mul__(self, other: Any) -> "Rate":
        """Times a number, or another rate."""
        return self._with(other, operator.mul)

    def __truediv__(self, other: Any) -> "Rate":
        """Divided by a number, or another rate."""
        return self._with(other, operator.truediv)

    def __add__(self, other: Any) -> "Rate":
        """Plus a number, or another rate."""
        return self._with(other, operator.add)

    def __sub__(self, other: Any) -> "Rate":
        """Less a number, or another rate."""
        return self._with(other, operator.sub)

    def __pow__(self, other: Any) -> "Rate":
        """To a power."""
        return self._with(other, operator.pow)

    def __neg__(self) -> "Rate":
        """The other way."""
        return self * -1

    __rmul__, __radd__ = __mul__, __add__


def as_transformation(given: Any) -> Any:
    """An object that has an optimizer's two functions, such as `optax.MultiSteps`, as a pair of them."""
    if isinstance(given, type | optax.GradientTransformation) or not (
        hasattr(given, "init") and hasattr(given, "update")
    ):
        return given
    return optax.GradientTransformationExtraArgs(given.init, given.update)


def _from_name(name: str, rate_at: Callable[[Any], Array], numbers: Any) -> Descent:
    descent = build(name, numbers.momentum, numbers.weight_decay, numbers.decoupled_weight_decay)

    def step(params: Any, memory: Any, gradient: Any, t: Any, value: Any) -> tuple[Any, Any, Any]:
        direction, after = descent.update(gradient, memory, params)
        rate = rate_at(t)
        with jax.numpy_dtype_promotion("standard"):
            moved = jax.tree.map(lambda w, d: (w + (-rate) * d).astype(w.dtype), params, direction)
        # Beside numbers in float32 those of half precision become float32 too, which a loop would not carry on.
        return moved, jax.tree.map(lambda old, new: new.astype(old.dtype), memory, after), rate

    return Descent(descent.init, step)


def _make(make: Any, rate_at: Callable[[Any], Array] | None, is_constant: bool, own: Mapping[str, Any]) -> Any:
    """What the function makes of the numbers that it asks for by name."""
    takes = parameters_of(make)
    given = dict(own)
    if rate_at is not None:
        given["learning_rate"] = rate_at(0) if is_constant else Rate(rate_at)
    takes_all = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in takes.values())
    for name in given:
        if name not in takes and not takes_all:
            raise ArgumentError(
                name, "given", f"is not taken by the optimizer, which takes {', '.join(takes)}", "Drop it"
            )
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    missing = [
        n for n, one in takes.items() if n not in given and one.default is one.empty and one.kind not in variadic
    ]
    if missing:
        raise ArgumentError(missing[0], None, "is asked for by the optimizer", "Give it to train, or sweep it")
    try:
        with jax.numpy_dtype_promotion("standard"):
            whole = as_transformation(call_by_name(make, **given))
    except ArgumentError:
        raise
    except Exception as error:
        remedy = "Give it what it takes; with a schedule, learning_rate is a function of the step, for + - * / and **"
        raise ArgumentError(
            "optimizer", make, f"must be made of {', '.join(given)} ({describe_cause(error)})", remedy
        ) from error
    if not isinstance(whole, optax.GradientTransformation):
        raise ArgumentError("optimizer", whole, "must make an Optax transformation", "Return optax.chain(...)")
    return whole


def _from_optax(whole: optax.GradientTransformation, params: Any, rate_at: Callable[[Any], Array] | None) -> Descent:
    takes = parameters_of(whole.update)
    takes_all = any(one.kind is one.VAR_KEYWORD for one in takes.values())
    whole = optax.with_extra_args_support(whole)

    def step(params: Any, memory: Any, gradient: Any, t: Any, value: Any) -> tuple[Any, Any, Any]:
        objective, now = value
        with jax.numpy_dtype_promotion("standard"):
            extra = {
                "value": now,
                "grad": gradient,
                "value_fn": lambda params, grad_fn=None: objective(params),  # line searches hand on what is left over
                "grad_fn": lambda params, _: jax.grad(objective)(params),
            }
            extra = {name: one for name, one in extra.items() if takes_all or name in takes}
            updates, memory = whole.update(gradient, memory, params, **extra)
            _check_updates(params, updates)
            moved = optax.apply_updates(params, updates)
        return moved, memory, None if rate_at is None else rate_at(t)

    def once(params: Any) -> tuple[Any, Any]:
        memory = whole.init(params)
        value = (lambda params: jnp.zeros(()), jnp.zeros(()))
        return (params, memory), step(params, memory, params, 0, value)[:2]

    try:
        before, after = jax.eval_shape(once, params)
    except ArgumentError:
        raise
    except Exception as error:  # whatever an optimizer of somebody else's raises
        constraint = f"must take the parameters and a gradient like them ({describe_cause(error)})"
        remedy = "Give one that optax.apply_updates can be used with, and labels or masks that fit the parameters"
        raise ArgumentError("optimizer", whole, constraint, remedy) from error
    for kind, old, new in zip(("parameters", "state"), before, after, strict=True):
        if describe_leaves(old) != describe_leaves(new):
            constraint = f"must keep the shapes and types of its {kind}"
            raise ArgumentError("optimizer", whole, constraint, "Return arrays like those that it is given")
    return Descent(whole.init, step)


def _check_updates(params: Any, updates: Any) -> None:
    """Refuse updates that would be broadcast: each weight has its own."""
    each = jax.tree.leaves(updates, is_leaf=lambda one: one is None)  # None for what stays
    for w, update in zip(jax.tree.leaves(params), each, strict=True):
        if update is not None and update.shape != w.shape:
            constraint = f"must have the shape of the parameters, {w.shape}"
            raise ArgumentError("optimizer", f"update {update.shape}", constraint, "Return a number for each weight")


def describe_leaves(tree: Any) -> tuple[Any, list[tuple[Any, Any]]]:
    """The structure, and the shape and type of each leaf."""
    return jax.tree.structure(tree), [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]


def check_optimizer(name: str, momentum: Any, decoupled_weight_decay: Any) -> None:
    """Refuse a momentum where there is none, and AdamW without its decay."""
    if momentum is not None and name not in HAVE_MOMENTUM:
        raise ArgumentError("momentum", momentum, f"has no meaning for {name}", f"Choose {' or '.join(HAVE_MOMENTUM)}")
    if name == "adamw" and decoupled_weight_decay is None:
        remedy = "Give a number such as 0.01 (PyTorch's default; Keras has 0.004), or choose adam"
        raise ArgumentError("decoupled_weight_decay", None, "must be given for adamw", remedy)
