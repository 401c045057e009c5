"""Optimizers and learning-rate schedules by name, from Optax, with strengths that may be traced."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array

from jaxreg.errors import ArgumentError
from jaxreg.penalties import Scalar, kernels_only

Schedule = Callable[[Scalar, int], Callable[[Any], Any]]

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


def _drops(rate: Scalar, steps: int) -> Any:
    """A tenth of it after half of the steps, and a hundredth after three quarters."""
    places = {steps // 2: 0.1, max(3 * steps // 4, steps // 2 + 1): 0.1}
    return optax.piecewise_constant_schedule(rate, places)


def _warmup(rate: Scalar, steps: int) -> Any:
    """Linearly from 0 over the first tenth of the steps."""
    return optax.linear_schedule(0.0, rate, max(steps // 10, 1))


def _warmup_cosine(rate: Scalar, steps: int) -> Any:
    """The same, then half a cosine down to 0."""
    ramp = max(steps // 10, 1)
    return optax.warmup_cosine_decay_schedule(0.0, rate, ramp, max(steps, ramp + 1))


# Learning rate and number of steps to the rate at each step.
SCHEDULES: dict[str, Schedule] = {
    "constant": lambda rate, steps: lambda step: rate,
    "cosine": lambda rate, steps: optax.cosine_decay_schedule(rate, steps),
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
    | `rmsprop` | $g / \sqrt{v}$, $v \leftarrow 0.9 v + 0.1 g^2$ |
    | `adam`, `adamw` | $\hat m / (\sqrt{\hat v} + 10^{-8})$ with $\beta_1 = 0.9$, $\beta_2 = 0.999$ |
    | `lion` | the sign of $0.9 m + 0.1 g$, $m \leftarrow 0.99 m + 0.01 g$ |

    Coupled decay adds $c\,w$ to $g$ before that; decoupled decay adds $\lambda w$ to $d$ after it, so that it is
    multiplied with the learning rate, as AdamW does. Both act on weights, not on biases.

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
    return optax.chain(*parts)


def make_schedule(schedule: str | Schedule, learning_rate: Array, steps: int) -> Callable[[Any], Array]:
    r"""The learning rate $\eta_t$ of step t, from its base value and the number of steps.

    `constant`; `step`: a tenth after half of the steps, a hundredth after three quarters; `cosine`: $\tfrac12 \eta
    (1 + \cos(\pi t / T))$; `warmup`: $\eta \min(1, 10 t / T)$; `warmup_cosine`: the rise, then the cosine.

    Args:
        schedule: a key of `SCHEDULES`, or a function of the base rate and T that returns an Optax schedule.
        learning_rate: $\eta$.
        steps: $T$.

    >>> rate = make_schedule("cosine", jnp.float32(1.0), 100)
    >>> [round(float(rate(step)), 3) for step in (0, 50, 100)]
    [1.0, 0.5, 0.0]
    """
    rates = (SCHEDULES[schedule] if isinstance(schedule, str) else schedule)(learning_rate, steps)
    return lambda step: jnp.asarray(rates(step)).astype(learning_rate.dtype)


def check_optimizer(name: str, momentum: Any, decoupled_weight_decay: Any) -> None:
    """Refuse a momentum where there is none, and AdamW without its decay."""
    if momentum is not None and name not in HAVE_MOMENTUM:
        raise ArgumentError("momentum", momentum, f"has no meaning for {name}", f"Choose {' or '.join(HAVE_MOMENTUM)}")
    if name == "adamw" and decoupled_weight_decay is None:
        remedy = "Give a number such as 0.01 (PyTorch's default; Keras has 0.004), or choose adam"
        raise ArgumentError("decoupled_weight_decay", None, "must be given for adamw", remedy)
