"""Is a gradient as good as a grid to tune a ridge, and does it find what grids cannot: a strength per coefficient?"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr

import jaxreg as jr
from jaxreg import hypergrad as hg
from jaxreg.checks import Domain
from jaxreg.linear.ridge import ridge_path
from jaxreg.penalties import L1, L2, Weighted
from jaxreg.study import Above, Below, Claim, Inside, at, ratio, share
from jaxreg.study.settings import Seeds, check_settings

ROWS, COLUMNS, MATTER = 50, 30, 5
"""Of the ridge's data sets; the last one counts the columns with coefficient 1, all others have 0."""
SPARSE_ROWS, HELD_OUT, SPARSE_COLUMNS = 60, 60, 40
"""Rows to fit on, rows to tune on, and columns where strengths are tuned one by one."""
_LOW, _HIGH, _BASE = 1e-3, 1e2, 0.1
_TESTED = 1000  # rows that measure the error of prediction


@dataclass(frozen=True)
class Config:
    """Settings of the study."""

    seeds: Seeds = 1000
    """Data sets of the ridge."""
    draws: Seeds = 24
    """Data sets with a strength for each coefficient."""
    steps: Annotated[int, Domain(10, ends="[)", whole=True)] = 50
    """Gradients; each counts as two fits, and the grid has as many values as there are such."""
    strength_steps: Annotated[int, Domain(10, ends="[)", whole=True)] = 60
    """Gradients in the strengths of all coefficients."""
    noise: Annotated[float, Domain(0, 100, "()")] = 2.0
    """Standard deviation of the noise of the ridge's data sets."""
    sparse_noise: Annotated[float, Domain(0, 100, "()")] = 0.7
    """That of the others."""
    correlation: Annotated[float, Domain(0, 1, "[)")] = 0.85
    """Of each of five misleading columns with the sum of those that matter."""


PRESETS = {
    "quick": Config(seeds=200, draws=8, strength_steps=40),
    "laptop": Config(),
    "paper": Config(seeds=10_000, draws=200, strength_steps=100),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Tune the strength of a ridge on leave-one-out by gradients and by grids, and the strengths of a weighted lasso.

    Returns:
        Dataset over `seed` and `rule` ("gradient"; "grid", of as many fits; "decades", a value for each decade; "best",
        of the least risk): `alpha` and `risk`, the mean squared error of the noise-free prediction; `excess` over
        `seed` and `step`, the gradient's leave-one-out error on its way, in per cent over that of the grid; `reached`,
        whether it comes to 0.1 %. Over `draw` and `fit` ("strengths", "lasso" at its best strength of 100, "least
        squares"): `validation_error`, `test_error`, and whether the largest coefficients are those that matter,
        `found`; `factor` over `draw`, `strength_step` and `column`; attribute `sparse_noise`.
    """
    check_settings(config)
    result = xr.merge([_tune_ridges(config, store, progress), _tune_strengths(config, store, progress)])
    for name, (units, words) in _WORDS.items():
        result[name].attrs.update(units=units, long_name=words)
    return result.assign_attrs(sparse_noise=config.sparse_noise)


_WORDS = {
    "excess": ("%", "leave-one-out error over that of the grid"),
    "risk": ("", "mean squared error of the prediction"),
    "validation_error": ("", "half the mean squared error, rows tuned on"),
    "test_error": ("", "half the mean squared error, new rows"),
    "factor": ("", f"strength over {_BASE}"),
    "found": ("% of data sets", "found"),
}


def make_data(seed: Any, noise: float) -> tuple[Any, Any]:
    """Normal columns, five of which matter."""
    keys = jr.randomness.split(seed, "columns", "noise")
    X = jax.random.normal(keys["columns"], (ROWS, COLUMNS), jnp.float64)
    return X, X[:, :MATTER].sum(1) + noise * jax.random.normal(keys["noise"], (ROWS,), X.dtype)


def make_sparse_data(seed: Any, noise: float, correlation: float) -> tuple[Any, Any]:
    """Rows to fit on, to tune on and to test on; five of the columns lie near the sum of the five that matter."""
    keys = jr.randomness.split(seed, "columns", "noise")
    X = jax.random.normal(keys["columns"], (SPARSE_ROWS + HELD_OUT + _TESTED, SPARSE_COLUMNS), jnp.float64)
    signal = X[:, :MATTER].sum(1)
    misleading = slice(MATTER, 2 * MATTER)
    shared = correlation * signal[:, None] / MATTER**0.5
    X = X.at[:, misleading].set(shared + (1 - correlation**2) ** 0.5 * X[:, misleading])
    return X, signal + noise * jax.random.normal(keys["noise"], signal.shape, X.dtype)


def ridge_of(*, seed: Any, noise: float) -> hg.LinearCriterion:
    """The leave-one-out error of a data set."""
    return hg.LinearCriterion(*make_data(seed, noise), penalty=L2(1.0), criterion="loo")


def sparse_of(penalty: Any, noise: float, correlation: float, *, seed: Any) -> hg.LinearCriterion:
    """The error on the rows held out."""
    X, y = make_sparse_data(seed, noise, correlation)
    fitted, held = slice(SPARSE_ROWS), slice(SPARSE_ROWS, SPARSE_ROWS + HELD_OUT)
    return hg.LinearCriterion(X[fitted], y[fitted], penalty=penalty, X_validation=X[held], y_validation=y[held])


def _tune_ridges(config: Config, store: str | Path | None, progress: bool) -> xr.Dataset:
    seeds, make = jr.seeds(config.seeds), partial(ridge_of, noise=config.noise)
    given: dict[str, Any] = {"axes": {"seed": seeds}, "x64": True, "progress": progress}

    tuned = hg.tune(
        make, {"alpha": _BASE}, optax.adam(0.2), steps=config.steps, bounds={"alpha": (_LOW, _HIGH)},
        store=jr.study.beside(store, "gradient"), **given,
    ).isel(restart=0).load()  # fmt: skip
    values = {"grid": np.geomspace(_LOW, _HIGH, 2 * config.steps), "decades": np.geomspace(_LOW, _HIGH, 6)}
    tried = np.concatenate(list(values.values()))
    errors = hg.grid(make, {"alpha": tried}, store=jr.study.beside(store, "grids"), **given)["value"].load()
    found = {"gradient": (tuned["best/alpha"].values, tuned["best_value"])}
    for name, part in zip(values, (slice(2 * config.steps), slice(2 * config.steps, None)), strict=True):
        own = errors.isel(trial=part)
        found[name] = tried[part][own.argmin("trial").values], own.min("trial")
    least = found["grid"][1]
    chosen = np.stack([alpha for alpha, _ in found.values()], 1)
    with jax.enable_x64(True):
        keys = jax.jit(jax.vmap(seeds.key))(np.arange(config.seeds))
        risk, best = jax.jit(partial(_measure, noise=config.noise))(keys, chosen, values["grid"])
    return xr.Dataset(
        {
            "alpha": (("seed", "rule"), np.column_stack([chosen, best])),
            "risk": (("seed", "rule"), np.asarray(risk)),
            "excess": (("seed", "step"), (100 * (tuned["value"] / least - 1)).transpose("seed", "step").values),
            "reached": ("seed", (100 * (found["gradient"][1] / least - 1) <= 0.1).values),
        },
        {"rule": [*found, "best"], "seed": np.arange(config.seeds), "step": np.arange(config.steps)},
        {"provenance": tuned.attrs["provenance"]},
    )


def _measure(keys: Any, chosen: Any, grid: Any, noise: float) -> tuple[Any, Any]:
    """The risk at each chosen strength and at the one of the grid that has the least, which is given too."""

    def one(part: tuple[Any, Any]) -> tuple[Any, Any]:
        seed, alphas = part
        path = ridge_path(*make_data(seed, noise), ROWS * jnp.concatenate([alphas, grid]))
        truth = (jnp.arange(COLUMNS) < MATTER).astype(path.coef.dtype)
        risk = ((path.coef - truth) ** 2).sum(-1) + path.intercept**2
        own, others = risk[: len(alphas)], risk[len(alphas) :]
        return jnp.append(own, others.min()), grid[others.argmin()]

    return jax.lax.map(one, (keys, chosen))


def _tune_strengths(config: Config, store: str | Path | None, progress: bool) -> xr.Dataset:
    seeds = jr.seeds(config.draws, root=1)
    ones = np.ones(SPARSE_COLUMNS)
    given: dict[str, Any] = {"axes": {"seed": seeds}, "x64": True, "progress": progress}

    def make(penalty: Any) -> Any:
        return partial(sparse_of, penalty, config.sparse_noise, config.correlation)

    tuned = hg.tune(
        make(Weighted(L1(_BASE), ones)), {"factors": 0.2 * ones}, optax.adam(0.2), steps=config.strength_steps,
        bounds={"factors": (1e-3, 1e3)}, store=jr.study.beside(store, "strengths"), **given,
    ).isel(restart=0).load()  # fmt: skip
    lasso = hg.grid(
        make(L1(_BASE)), {"alpha": np.geomspace(_LOW, 1.0, 100)}, store=jr.study.beside(store, "lasso"),
        **given,
    ).load()  # fmt: skip
    fits = np.stack([_BASE * tuned["best/factors"].values, lasso["best/alpha"].values[:, None] * ones], 1)
    with jax.enable_x64(True):
        keys = jax.jit(jax.vmap(seeds.key))(np.arange(config.draws))
        measure = partial(_measure_fits, noise=config.sparse_noise, correlation=config.correlation)
        measured = jax.jit(measure)(keys, fits)
    names = ("validation_error", "test_error", "found")
    factors = tuned["at/factors"].transpose("seed", "step", ...).values
    return xr.Dataset(
        {name: (("draw", "fit"), np.asarray(part)) for name, part in zip(names, measured, strict=True)}
        | {"factor": (("draw", "strength_step", "column"), factors)},
        {"draw": np.arange(config.draws), "fit": ["strengths", "lasso", "least squares"]},
    )


def _measure_fits(keys: Any, strengths: Any, noise: float, correlation: float) -> tuple[Any, Any, Any]:
    """Errors of the fits at these strengths of the coefficients, then of least squares; and what they find."""

    def one(part: tuple[Any, Any]) -> tuple[Any, Any, Any]:
        seed, rows = part
        X, y = make_sparse_data(seed, noise, correlation)
        fitted, held = slice(SPARSE_ROWS), slice(SPARSE_ROWS, SPARSE_ROWS + HELD_OUT)

        of = hg.LinearCriterion(
            X[fitted], y[fitted], penalty=Weighted(L1(1.0), rows[0]), X_validation=X[held], y_validation=y[held]
        ).prepare(("factors",))
        centre, mean = X[fitted].mean(0), y[fitted].mean()
        sparse = jax.lax.map(lambda own: of.evaluate({"factors": own}).memory[0].coef[0], rows)
        least_squares = jnp.linalg.lstsq(X[fitted] - centre, y[fitted] - mean)[0]
        coef = jnp.concatenate([sparse, least_squares[None]])
        wrong = ((X - centre) @ coef.T + mean - y[:, None]) ** 2 / 2
        largest = jax.lax.top_k(abs(coef), MATTER)[1]
        return wrong[held].mean(0), wrong[SPARSE_ROWS + HELD_OUT :].mean(0), (largest < MATTER).all(-1)

    return jax.lax.map(one, (keys, strengths))


_found = partial(share, "found", dim="draw", of="data sets")
_BERTRAND = "Bertrand et al., Implicit differentiation for fast hyperparameter selection, JMLR 23 (2022)"

CLAIMS = (
    Claim(
        "50 gradients on log α reach the leave-one-out error of as many fits on a grid (to 0.1 %, in 95 % of cases)",
        _BERTRAND,
        share("reached", of="data sets"),
        Above(95),
    ),
    Claim(
        "The strength they find predicts as well as that of the grid (to 1 % of its risk)",
        _BERTRAND,
        ratio("risk", "rule", "gradient", "grid"),
        Inside(0.99, 1.01),
    ),
    Claim(
        "A value for each decade does as well: its risk is within 1 % of the grid's",
        "common practice",
        ratio("risk", "rule", "decades", "grid"),
        Inside(0.99, 1.01),
    ),
    Claim(
        "Leave-one-out chooses well: its risk is less than 10 % above the least that any strength has",
        "Golub, Heath and Wahba, Technometrics 21 (1979)",
        ratio("risk", "rule", "grid", "best"),
        Below(1.1),
    ),
    Claim(
        "With a strength for each coefficient the largest coefficients are those that matter (in 80 % of data sets)",
        _BERTRAND,
        _found(runs=partial(at, fit="strengths")),
        Above(80),
    ),
    Claim(
        "With misleading columns the lasso at its best strength finds them in fewer than half of the data sets",
        "Zhao and Yu, On model selection consistency of lasso, JMLR 7 (2006)",
        _found(runs=partial(at, fit="lasso")),
        Below(50),
    ),
    Claim(
        "Strengths of their own predict better than one for all",
        _BERTRAND,
        ratio("test_error", "fit", "strengths", "lasso", dim="draw"),
        Below(1),
    ),
    Claim(
        "So many strengths do not overfit the rows they are tuned on: new rows are predicted as well (to 10 %)",
        "folklore",
        lambda dataset: ratio("error", "rows", "new", "tuned on", dim="draw")(_by_rows(dataset)),
        Below(1.1),
    ),
)


def _by_rows(dataset: xr.Dataset) -> xr.Dataset:
    """The error of tuned strengths on both kinds of rows."""
    own = dataset.sel(fit="strengths")
    parts = [own[name].rename("error").drop_attrs() for name in ("validation_error", "test_error")]
    return xr.concat(parts, "rows").assign_coords(rows=["tuned on", "new"]).to_dataset()
