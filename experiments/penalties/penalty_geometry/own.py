"""A penalty of one's own beside those of the study: its shapes, touching points and paths, and the random losses."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.penalties.penalty_geometry.pictures import pose_pictures
from experiments.penalties.penalty_geometry.shapes import draw_loss, find_scale, name_axes
from jaxreg.errors import ArgumentError
from jaxreg.linear import solve_path
from jaxreg.linear.solving import put_strength


def check_own(own: Any, taken: Mapping[str, Any]) -> Mapping[str, Any]:
    """The penalties of one's own by name; refuse names that are taken, and what has no strength, value or step."""
    own = {} if own is None else own
    if not isinstance(own, Mapping) or not all(isinstance(name, str) and name for name in own):
        raise ArgumentError("own", own, "must hold penalties by name", 'Give {"log sum": LogSum(1.0)}')
    for name, penalty in own.items():
        if name in taken:
            raise ArgumentError("own", name, "is in the study already", "Choose another name")
        with jax.enable_x64(True):
            # What the figure asks of a penalty is what a path asks of it.
            jax.eval_shape(partial(_follow, penalty), np.eye(4, 2), np.ones(4), np.ones(2))
    return own


def _follow(penalty: Any, X: Any, y: Any, alphas: Any) -> dict[str, Any]:
    """The penalized solutions along strengths, and the size $P(w)$ of each; how far they may be from a minimum."""
    path = solve_path(X, y, alphas, "squared", penalty, fit_intercept=False)
    # A penalty that is not convex has no gap: what a proximal step would gain is the square of its residual.
    gap = jnp.where(jnp.isfinite(path.gap), path.gap, path.residual**2)
    size = jax.vmap(partial(_measure, penalty))(path.coef, jnp.asarray(alphas))
    return {"coef": path.coef, "size": size, "gap": gap.max()}


def _measure(penalty: Any, w: Any, alpha: Any) -> Any:
    r"""The penalty without its strength, $P_\alpha(w) / \alpha$: that of `MCP` depends on it all the same."""
    return put_strength(penalty, alpha).value(w) / alpha


def _measure_loss(shares: Any, *, penalty: Any, seed: Any, dimension: Any, spread: Any, widest: int) -> dict[str, Any]:
    """As `shapes.measure_loss`, for one penalty."""
    X, y = draw_loss(seed, dimension, spread, widest)
    found = _follow(penalty, X, y, shares * find_scale(X, y))
    return {"kept": (found["coef"] != 0).sum(-1).astype(jnp.int32), "size_at": found["size"], "gap": found["gap"]}


def add_penalty(
    dataset: xr.Dataset, name: str, penalty: Any, *, seeds: int, path_seed: int, progress: bool = True
) -> xr.Dataset:
    r"""What `run` returns, with one more penalty.

    Its shape is $P_\alpha(w) \le P_\alpha(\hat w)$ with the penalized solution $\hat w$, which is the minimum of the
    loss within it. Where the penalty is not convex it is the stationary point that a path from large strengths finds.
    """
    shares, alphas, fine = (dataset[axis].values for axis in ("share", "alpha", "fine_share"))
    population = jr.sweep(
        partial(_measure_loss, penalty=penalty, widest=int(dataset["dimension"].max())),
        name_axes(dataset["dimension"].values.tolist(), seeds),
        args=(shares,),
        dims={"kept": {"share": shares}, "size_at": {"share": shares}},
        x64=True,
        progress=progress,
    )
    with jax.enable_x64(True):
        designs, targets, least, scales = pose_pictures(path_seed)
        strengths = np.concatenate(
            [np.broadcast_to(alphas, (2, len(alphas))), scales[:, None] * fine / (1.001 - fine)], 1
        )
        found = jax.jit(jax.vmap(partial(_follow, penalty)))(*map(jnp.asarray, (designs, targets, strengths)))
        largest = jax.vmap(partial(_measure, penalty, jnp.asarray(least)))(jnp.asarray(strengths[1]))
        points = np.stack(np.meshgrid(dataset["first"], dataset["second"]), -1).reshape(-1, 2)
        height = jax.vmap(lambda alpha: jax.vmap(lambda w: _measure(penalty, w, alpha))(points))(jnp.asarray(alphas))
    coef, size = np.asarray(found["coef"]), np.asarray(found["size"])
    count, shape = len(alphas), (len(alphas), dataset.sizes["second"], dataset.sizes["first"])
    one = population.drop_vars("diverged").assign(
        height=(("alpha", "second", "first"), np.asarray(height).reshape(shape)),
        size=("alpha", size[0, :count]),
        touch=(("alpha", "weight"), coef[0, :count, :2]),
        trace=(("fine_share", "weight"), coef[0, count:, :2]),
        path=(("fine_share", "path_weight"), coef[1, count:]),
        path_size=("fine_share", (size[1] / np.asarray(largest))[count:]),
    )
    further = {
        key: xr.concat([known, one[key].expand_dims(penalty=[name])], "penalty").transpose(*known.dims)
        for key, known in dataset.data_vars.items()
        if "penalty" in known.dims
    }
    kept = dataset.drop_vars([*further, "penalty"])
    return kept.assign(further | {"diverged": dataset["diverged"] | population["diverged"]})
