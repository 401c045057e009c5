"""One sample with two humps: what maximum likelihood makes of it under a Gaussian, a Laplace and a mixture density."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr

import jaxreg as jr
from experiments.penalties.blur.networks import adam
from jaxreg.randomness import random_normals

_HALVINGS = 80
_RATE = 0.05  # of Adam, in units of the logits, of a hump's width, and of its logarithm
FOUND = 0.5
"""A hump is found by a component whose mean is so near, in units of the hump's width."""


def locate(loss: Callable[[Any, Any], Any], sample: Any) -> Any:
    """The value p of the least mean of a convex `loss(p, y)` over a sample, by halving where its slope changes."""
    slope = jax.grad(lambda p: loss(jnp.broadcast_to(p, sample.shape), sample).mean())

    def halve(_: Any, bracket: Any) -> Any:
        low, high = bracket
        middle = (low + high) / 2
        rises = slope(middle) > 0
        return jnp.where(rises, low, middle), jnp.where(rises, middle, high)

    low, high = jax.lax.fori_loop(0, _HALVINGS, halve, (sample.min(), sample.max()))
    return (low + high) / 2


def fit_mixture(sample: Any, steps: int) -> tuple[Any, Any, Any]:
    """Weights, means and widths of two Gaussians, by descent from the sample's first two values and its own width."""
    start = (jnp.zeros(2), sample[:2], jnp.log(jnp.std(sample)) + jnp.zeros(2))
    optimizer = adam(_RATE)

    def loss(params: Any) -> Any:
        logits, means, log_scales = (jnp.broadcast_to(part, (*sample.shape, 2)) for part in params)
        return jr.losses.gaussian_mixture(logits, means, log_scales, sample).mean()

    def step(state: Any, _: None) -> tuple[Any, None]:
        params, memory = state
        updates, memory = optimizer.update(jax.grad(loss)(params), memory)
        return (optax.apply_updates(params, updates), memory), None

    ((logits, means, log_scales), _), _ = jax.lax.scan(step, (start, optimizer.init(start)), length=steps)
    parts = (jax.nn.softmax(logits), means, jnp.exp(log_scales))
    weights, means, scales = (jnp.where(means[0] < means[1], part, part[::-1]) for part in parts)
    return weights, means, scales


def fit_sample(*, sample: Any, separation: Any, size: int, steps: int) -> dict[str, Any]:
    """One sample of two equal humps of width 1, `separation` apart around 0, and its fits."""
    which, place = random_normals(sample, size, 2)
    y = separation / 2 * jnp.where(which > 0, 1.0, -1.0) + place
    weights, means, widths = fit_mixture(y, steps)
    return {
        "value": y,
        "gaussian_centre": locate(jr.losses.gaussian, y),
        "laplace_centre": locate(jr.losses.laplace, y),
        "mixture_weight": weights,
        "mixture_mean": means,
        "mixture_width": widths,
    }


def measure_fits(fits: xr.Dataset) -> xr.Dataset:
    """What a sweep of `fit_sample` found, beside what it should, of the samples themselves and of their density."""
    values, centre, hump = fits["value"], fits["gaussian_centre"], fits["separation"] / 2
    width = ((values - centre) ** 2).mean("entry") ** 0.5
    density, highest = (np.exp(-((at - hump) ** 2) / 2) + np.exp(-((at + hump) ** 2) / 2) for at in (centre, hump))
    lower, upper = (fits["mixture_mean"].isel(component=place) for place in (0, 1))
    return fits.assign(
        mean_gap=abs(centre - values.mean("entry")),
        median_gap=abs(fits["laplace_centre"] - values.median("entry")),
        gaussian_width=width,
        relative_density=density / highest,
        both_found=(abs(lower + hump) < FOUND) & (abs(upper - hump) < FOUND),
    )
