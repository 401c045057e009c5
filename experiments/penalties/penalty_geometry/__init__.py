"""Does the L1 diamond touch the loss at a corner? Shapes of three penalties in two and more dimensions, tutorial T4."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.penalties.penalty_geometry import shapes
from experiments.penalties.penalty_geometry.own import add_penalty, check_own
from experiments.penalties.penalty_geometry.pictures import GRAM, OPTIMUM, PATH_WEIGHTS, draw_pictures
from jaxreg.checks import Domain
from jaxreg.claims import Quantity
from jaxreg.linear import elastic_net_path
from jaxreg.study import Above, Below, Claim, Estimate, at, exactly, gain, mean, share
from jaxreg.study.settings import Integers, Numbers, Ordered, check_settings

_AXIS = np.linspace(-2.24, 2.88, 129)  # with 0, where shapes have their corners


@dataclass(frozen=True)
class Config:
    """Settings of the study."""

    seeds: Annotated[int, Domain(3, 10**9, whole=True)] = 4000
    """Number of random losses of each dimension and each kind of Gram matrix."""
    dimensions: Annotated[Integers, Domain(2, 256, whole=True), Ordered("rising")] = (2, 3, 5, 8, 16)
    """Numbers of weights of the random losses."""
    shares: Annotated[Numbers, Domain(1e-6, 1), Ordered("rising")] = tuple(k / 20 for k in range(1, 20))
    """Strengths α for the random losses, as shares of that from which L1 has no weight left."""
    alphas: Annotated[Numbers, Domain(1e-6, 2), Ordered("rising")] = (0.4, 1.0, 1.6)
    """Strengths α whose shapes are drawn."""
    path_seed: Annotated[int, Domain(0, 2**32 - 1, whole=True)] = 3
    """Seed of the one loss of five weights whose paths are drawn."""


PRESETS = {
    "quick": Config(seeds=1000, dimensions=(2, 4, 8), shares=tuple(k / 10 for k in range(1, 10))),
    "laptop": Config(),
    "paper": Config(seeds=40_000, dimensions=(2, 3, 5, 8, 16, 32)),
}
PLANS = {"paper": "an hour on two cores; one H100 takes it in 2 calls (49 GiB)"}


def run(
    config: Config,
    store: str | Path | None = None,
    progress: bool = True,
    own: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    r"""Find where shapes of a given size touch a two-weight loss, and how often random losses are touched at a corner.

    The penalties are $\alpha P(w)$ with $P(w) = \rho\|w\|_1 + \tfrac12(1 - \rho)\|w\|^2$: L1 (ρ = 1), elastic net
    (ρ = ½) and L2 (ρ = 0); `own` are further ones by name, see `add_penalty`. A shape is $P(w) \le s$; the s that
    belongs to α is that of the penalized solution.

    Returns:
        Dataset of

        - the two-weight loss: `loss` over `second` and `first`, its `optimum` over `weight`; over `penalty` and
          `alpha`: `height`, $P$ over `second` and `first`, the `size` s of the shape, and `touch` (`weight`), the
          minimum within it; over `penalty` and `fine_share`: `trace` (`weight`), all touching points;
        - one loss of five weights: `path` over `penalty`, `fine_share` and `path_weight`, and `path_size`, the size of
          the shape relative to the one that holds the minimum of the loss;
        - random losses, over `loss_kind`, `dimension`, `seed`, `penalty` and `share`: `kept`, the number of weights
          that are not exactly 0, and `size_at`, that of the shape; `corner`, whether one is left, and `zero`, whether
          any is gone; `gap`, the largest duality gap of a path;
        - over `dimension` and `share`: `corner_exact`, how often L1 keeps one weight of an isotropic loss, and
          `zero_exact`, how often it drops one, in closed form.
    """
    check_settings(config)
    own = check_own(own, shapes.PENALTIES)
    shares, ratios = np.array(config.shares), np.array(list(shapes.PENALTIES.values()))
    population = jr.sweep(
        partial(shapes.measure_loss, widest=max(config.dimensions)),
        shapes.name_axes(config.dimensions, config.seeds),
        args=(shares, ratios),
        dims={
            **{name: {"penalty": list(shapes.PENALTIES), "share": shares} for name in ("kept", "size_at")},
            "gap": {"penalty": list(shapes.PENALTIES)},
        },
        store=store,
        x64=True,
        progress=progress,
    )
    fine = np.concatenate([np.geomspace(1e-4, 0.02, 20, endpoint=False), np.linspace(0.02, 1, 80)])
    drawn = []
    for ratio in shapes.PENALTIES.values():
        follow = lambda X, y, at, ratio=ratio: elastic_net_path(X, y, at, ratio, fit_intercept=False).coef  # noqa: E731
        measure = lambda weights, _, ratio=ratio: shapes.measure_size(weights, ratio)  # noqa: E731
        with jax.enable_x64(True):
            drawn.append(draw_pictures(follow, measure, ratio, np.array(config.alphas), fine, _AXIS, config.path_seed))
    away = np.stack(np.meshgrid(_AXIS, _AXIS), -1) - np.array(OPTIMUM)
    exact = {
        f"{name}_exact": (("dimension", "share"), [[form(p, at) for at in config.shares] for p in config.dimensions])
        for name, form in (("corner", shapes.share_of_corners), ("zero", shapes.share_of_zeros))
    }
    result = population.assign(
        dict(xr.concat(drawn, "penalty").variables)
        | exact
        | {
            "loss": (("second", "first"), np.einsum("abi,ij,abj->ab", away, GRAM, away) / 2),
            "optimum": ("weight", list(OPTIMUM)),
        }
    ).assign_coords(
        {"first": _AXIS, "second": _AXIS, "weight": [1, 2], "alpha": list(config.alphas)}
        | {"fine_share": fine, "path_weight": np.arange(1, PATH_WEIGHTS + 1)},
    )
    for name, penalty in own.items():
        result = add_penalty(result, name, penalty, seeds=config.seeds, path_seed=config.path_seed, progress=progress)
    return count_sparse(result)


def count_sparse(dataset: xr.Dataset) -> xr.Dataset:
    """The same with `corner`, whether one weight is left of a touching point, and `zero`, whether any is gone."""
    return dataset.assign(corner=dataset["kept"] == 1, zero=dataset["kept"] < dataset["dimension"])


def _random(penalty: str, **place: int) -> Callable[[xr.Dataset], xr.Dataset]:
    """The random losses under one penalty; in one of the dimensions, by its place."""
    return lambda dataset: at(dataset, loss_kind="random", penalty=penalty).isel(place)


def _at_half(name: str, penalty: str, which: int) -> Quantity:
    """In the first or the last dimension, at the strength nearest to half of the largest."""
    runs = _random(penalty, dimension=which)
    return _of_losses(lambda losses: losses[name].sel(share=0.5, method="nearest"), runs=runs)


def _gain_with_dimensions(dataset: xr.Dataset) -> Estimate | None:
    runs = _random("L1")(dataset).sel(share=0.5, method="nearest")
    first, last = dataset["dimension"].values[[0, -1]].tolist()
    return gain(lambda runs: 100.0 * runs["zero"], "dimension", last, first, unit="percentage points")(runs)


def _distance_from_closed_form(dataset: xr.Dataset) -> Estimate:
    """Largest distance of a simulated share from the exact one over all cells, in standard errors."""
    runs = dataset.sel(loss_kind="isotropic", penalty="L1")
    n = int((~runs["diverged"]).sum("seed").min())
    z = []
    for name in ("corner", "zero"):
        exact = dataset[f"{name}_exact"]
        error = np.sqrt(exact * (1 - exact) / n) + 0.5 / n
        z.append(float((abs(runs[name].mean("seed") - exact) / error).max()))
    return exactly(max(z), n, "standard errors")


_of_losses = partial(share, of="losses")
_of_two = partial(at, loss_kind="random", dimension=2)
_BOOK = "Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, section 3.4.3"
_HALF = "at half the α from which no weight is left"

CLAIMS = (
    Claim(
        "The L1 touching point sits on a corner, so one of two weights is exactly 0 (more than half of random losses, "
        "mean over all α)",
        "tutorial T4, read as more often than not",
        mean(lambda runs: 100 * runs["corner"].mean("share"), runs=partial(_of_two, penalty="L1"), unit="% of losses"),
        Above(50),
    ),
    Claim(
        f"The L1 touching point sits on a corner, so one of two weights is exactly 0 (in more than 95 % of random "
        f"losses, {_HALF})",
        "tutorial T4, to the letter",
        _at_half("corner", "L1", 0),
        Above(95),
    ),
    Claim(
        f"In the largest dimension too it sits on a corner, all weights but one being 0 (more than half, {_HALF})",
        "tutorial T4, carried over to many weights",
        _at_half("corner", "L1", -1),
        Above(50),
    ),
    Claim(
        f"In the largest dimension some weight is exactly 0 (in more than 95 % of random losses, {_HALF})",
        _BOOK,
        _at_half("zero", "L1", -1),
        Above(95),
    ),
    Claim(
        f"With more dimensions there are more opportunities for a weight to be 0 (share of losses with a zero in the "
        f"largest dimension less that in two, {_HALF})",
        _BOOK,
        _gain_with_dimensions,
        Above(0),
    ),
    Claim(
        f"The elastic net's shape has corners too: in the largest dimension some weight is exactly 0 (more than half, "
        f"{_HALF}, which is a quarter of the elastic net's own)",
        "Zou and Hastie, J. R. Stat. Soc. B 67 (2005)",
        _at_half("zero", "elastic net", -1),
        Above(50),
    ),
    Claim(
        "The L2 touching point is not on an axis: no weight of two is exactly 0 at any α (but for 1 % of losses)",
        "tutorial T4",
        _of_losses(lambda runs: runs["zero"].any("share"), runs=partial(_of_two, penalty="L2")),
        Below(1),
    ),
    Claim(
        "A larger α is a smaller diamond (at all α, in more than 99 % of random losses)",
        "tutorial T4",
        _of_losses(lambda runs: (runs["size_at"].diff("share") < 0).all("share"), runs=partial(_of_two, penalty="L1")),
        Above(99),
    ),
    Claim(
        "For isotropic losses the shares of corners and of zeros are those of the closed form (control: in every cell "
        "within 4.5 standard errors)",
        "closed form",
        _distance_from_closed_form,
        Below(4.5),
    ),
)
