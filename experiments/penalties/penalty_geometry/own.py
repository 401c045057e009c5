"""A penalty of one's own beside those of the study: its shapes, touching points and paths, and the random losses."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.penalties.penalty_geometry.pictures import draw_pictures
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
    measure = jax.jit(jnp.vectorize(partial(_measure, penalty), signature="(p),()->()"))
    path = jax.jit(lambda *given: _follow(penalty, *given)["coef"])
    with jax.enable_x64(True):
        pictures = draw_pictures(path, measure, 0, alphas, fine, dataset["first"].values, path_seed)
    one = population.drop_vars("diverged").assign(pictures.data_vars)
    further = {
        key: xr.concat([known, one[key].expand_dims(penalty=[name])], "penalty").transpose(*known.dims)
        for key, known in dataset.data_vars.items()
        if "penalty" in known.dims
    }
    kept = dataset.drop_vars([*further, "penalty"])
    return kept.assign(further | {"diverged": dataset["diverged"] | population["diverged"]})
