"""Are early stopping, ridge, dropout and input noise one path? Filters, degrees of freedom and risk of linear fits."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.penalties.one_picture import runs as picture_runs
from jaxreg.checks import Domain, check_integer
from jaxreg.study import Below, Claim, Estimate, Inside, exactly, largest, mean, worst
from jaxreg.study.quantities import Measure
from jaxreg.study.settings import Numbers, Ordered, check_settings

_CORRELATION = 0.3
_SMALLEST = 0.4
_EXACT = 1e-9
_TOLERANCE = 0.02
_EQUAL = 0.1
_FRACTIONS = np.arange(1, 10) / 10
_TIMES = np.geomspace(1e-2, 1e7, 91)
_COUNTS = np.unique(np.geomspace(1, 1e5, 41).round())


@dataclass(frozen=True)
class Config:
    """Settings of the study. Degrees of freedom and strengths are of linear models without an intercept."""

    seeds: Annotated[int, Domain(3, ends="[)", whole=True)] = 1000
    """Number of draws of the target; each has its own masks and input noise."""
    draws: Annotated[int, Domain(3, ends="[)", whole=True)] = 200
    """Number of draws of masks and input noise alone, by which the filters are measured."""
    problems: Annotated[int, Domain(3, ends="[)", whole=True)] = 5000
    """Number of random problems for the relative risks."""
    fractions: Annotated[Numbers, Domain(0.05, 0.95), Ordered("rising")] = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8)
    """Degrees of freedom of the fits, as shares of the number of columns."""
    points: int = 40
    """Number of samples n."""
    columns: Annotated[int, Domain(2, 100, whole=True)] = 8
    """Number of features p, correlated Gaussians whose scale falls from 1 to 0.4."""
    noise: Annotated[float, Domain(1e-6, 1e6)] = 1.0
    """Standard deviation of the noise on the target."""
    signal: Annotated[float, Domain(1e-6, 1e6)] = 1.0
    """Root mean square of the target without noise."""
    learning_rate: Annotated[float, Domain(1e-3, 1)] = 0.1
    """Step η of gradient descent, 1 being the inverse of the largest eigenvalue of X'X/n."""
    sgd_steps: Annotated[int, Domain(2, 10_000_000, whole=True)] = 2000
    """Steps of SGD with dropout or input noise; the second half is averaged."""
    design_seed: int = 0
    """Seed of the features and of the true coefficients; all runs share them."""


PRESETS = {
    "quick": Config(seeds=100, draws=32, problems=1000, sgd_steps=600),
    "laptop": Config(),
    "paper": Config(seeds=10_000, draws=1000, problems=50_000, sgd_steps=4000),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Fit one problem by four methods at equal degrees of freedom, and compare their risks on random problems.

    Returns:
        Dataset of

        - over `method` and `df`: `bias2`, `variance` and `error`, their sum, of the fitted values, with standard
          errors (`…_se`) and `n`; and the closed forms `exact_bias2`, `exact_variance` and `exact_df`, which for early
          stopping is off `df` by what whole steps allow;
        - over `method`, `df`, `draw` and `eigen`: `filter`, how much each fit keeps of a left singular vector; over
          `draw` and `column`, `coef`, that of the target without noise; `exact_filter` and `exact_coef`; `eigenvalue`,
          of X'X/n; and `least_squares` (`column`);
        - over `method` and `fine_df`: `path_bias2`, `path_variance`, `path_filter` (`eigen`), `path_coef` (`column`)
          and `path_time`, the effective time: ηk, n/α, n times p/(1-p) over the sum of squares, or 1/σ²;
        - over `problem`: relative risks `flow` (`time`), `descent` (`count`), `early` and `dropout` (`fraction`); see
          `compare_risks`; and `bound`, of `flow`.
    """
    check_settings(config)
    check_integer("points", config.points, config.columns + 1, 10_000, "Give more samples than columns")
    X, mean = make_data(config)
    wanted = np.array(config.fractions) * config.columns
    strengths = picture_runs.calibrate(X, wanted, config.learning_rate)
    U, d, _ = np.linalg.svd(X, full_matrices=False)
    rate = np.float64(config.learning_rate)
    settings: dict[str, Any] = {"steps": tuple(map(int, strengths.steps)), "sgd_steps": config.sgd_steps}
    options: dict[str, Any] = {"x64": True, "progress": progress}
    over = {"method": list(picture_runs.METHODS), "df": wanted}
    risk = jr.linear.decompose_error(
        partial(picture_runs.predict_draw, **settings),
        {"seed": jr.seeds(config.seeds)},
        mean,
        dims=over,
        args=(X, mean, np.float64(config.noise), strengths, rate),
        store=store,
        **options,
    )
    eigen, column = {"eigen": np.arange(config.columns)}, {"column": np.arange(config.columns)}
    filters = jr.sweep(
        partial(picture_runs.measure_filters, **settings),
        {"seed": jr.seeds(config.draws)},
        args=(X, U, mean, strengths, rate),
        dims={"filter": over | eigen, "coef": over | column},
        **options,
    ).rename(seed="draw")
    problems = jr.sweep(
        partial(picture_runs.compare_risks, samples=config.points, columns=config.columns),
        {"seed": jr.seeds(config.problems)},
        args=(_TIMES, _COUNTS, _FRACTIONS),
        dims={
            **{"flow": {"time": _TIMES}, "descent": {"count": _COUNTS}},
            **{name: {"fraction": _FRACTIONS} for name in ("early", "dropout")},
        },
        **options,
    ).rename(seed="problem", diverged="problem_diverged")
    exact = _work_out(config, X, mean, strengths, wanted, "exact_", "df")
    fine = np.linspace(0.03, max(0.95, *config.fractions), 60) * config.columns
    path = _work_out(config, X, mean, picture_runs.calibrate(X, fine, config.learning_rate), fine, "path_", "fine_df")
    parts = [risk.drop_vars("diverged"), filters, problems, exact, path]
    return xr.merge(parts, join="exact", combine_attrs="override").assign(
        eigenvalue=("eigen", d**2 / config.points),
        least_squares=("column", np.linalg.pinv(X) @ mean),
        bound=picture_runs.find_bound(),
    )


def make_data(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """The features (n, p), with 1 the largest eigenvalue of X'X/n, and the target without noise."""
    random = np.random.default_rng(config.design_seed)
    distance = abs(np.subtract.outer(np.arange(config.columns), np.arange(config.columns)))
    X = random.normal(size=(config.points, config.columns)) @ np.linalg.cholesky(_CORRELATION**distance).T
    X = X * np.geomspace(1, _SMALLEST, config.columns)
    X = X * np.sqrt(config.points) / np.linalg.norm(X, 2)
    mean = X @ random.normal(size=config.columns)
    return X, mean * config.signal / np.sqrt((mean**2).mean())


def _work_out(
    config: Config, X: np.ndarray, mean: np.ndarray, strengths: Any, df: np.ndarray, prefix: str, name: str
) -> xr.Dataset:
    """The closed forms for those strengths."""
    matrices = picture_runs.smooth(X, strengths, config.learning_rate)
    U = np.linalg.svd(X, full_matrices=False)[0]
    fitted = matrices @ mean
    times = [
        config.learning_rate * strengths.steps,
        config.points / strengths.alpha,
        config.columns / (X**2).sum() * config.points / strengths.odds,
        1 / strengths.variance,
    ]
    cells = ("method", name)
    return xr.Dataset(
        {
            f"{prefix}df": (cells, np.trace(matrices, axis1=-2, axis2=-1)),
            f"{prefix}bias2": (cells, ((fitted - mean) ** 2).mean(-1)),
            f"{prefix}variance": (cells, config.noise**2 * (matrices**2).sum((-2, -1)) / config.points),
            f"{prefix}filter": ((*cells, "eigen"), np.einsum("ni,msnk,ki->msi", U, matrices, U)),
            f"{prefix}coef": ((*cells, "column"), fitted @ np.linalg.pinv(X).T),
            f"{prefix}time": (cells, np.array(times)),
        },
        {"method": list(picture_runs.METHODS), name: df},
    )


def _farthest(method: str) -> Measure:
    """Mean filter less its closed form where that is farthest from 0."""
    excess = worst(lambda runs: runs["filter"] - runs["exact_filter"], dim="draw", unit="of a filter")
    return lambda dataset: excess(dataset[["filter", "exact_filter", "diverged"]].sel({"method": method}))


def _distance_from_closed_form(runs: xr.Dataset) -> xr.DataArray:
    return abs(runs["filter"] - runs["exact_filter"]).sel({"method": list(picture_runs.METHODS[:2])})


def _problems(dataset: xr.Dataset) -> xr.Dataset:
    """The random problems, those that diverged marked as such."""
    return dataset.drop_vars("diverged").rename(problem_diverged="diverged")


def _largest_ratio(name: str) -> Measure:
    def quantity(dataset: xr.Dataset) -> Estimate:
        ratios = dataset[name].where(~dataset["problem_diverged"])
        return exactly(float(ratios.max()), ratios.sizes["problem"], "times ridge's risk, the worst")

    return quantity


def _distance_of_paths(name: str) -> Measure:
    def distance(runs: xr.Dataset) -> xr.DataArray:
        return 100 * abs(xr.apply_ufunc(np.log, runs[name])).max("fraction")

    return mean(distance, runs=_problems, dim="problem", unit="% (log ratio of risks), at the worst df")


_ALI = "Ali, Kolter and Tibshirani, A continuous-time view of early stopping for least squares (2019)"

CLAIMS = (
    Claim(
        "k steps of gradient descent from 0 keep 1 - (1 - ηλᵢ)ᵏ of each singular direction, ridge λᵢ/(λᵢ + α)",
        "closed form",
        largest(_distance_from_closed_form, unit="largest distance"),
        Below(_EXACT),
    ),
    Claim(
        "SGD with dropout, in the mean over masks, is (X'X + (1-p)/p diag(X'X))⁻¹X'y (every filter within 0.02)",
        "Srivastava et al., Dropout (2014), section 9.1",
        _farthest("dropout"),
        Inside(-_TOLERANCE, _TOLERANCE),
    ),
    Claim(
        "SGD with input noise of variance σ², in the mean over draws, is ridge with α = nσ² (every filter within 0.02)",
        "Bishop, Training with noise is equivalent to Tikhonov regularization (1995)",
        _farthest("input noise"),
        Inside(-_TOLERANCE, _TOLERANCE),
    ),
    Claim(
        "Gradient flow at time t has at most 1.69 times the risk of ridge at λ = 1/t (every problem, every t)",
        _ALI,
        _largest_ratio("flow"),
        Below(picture_runs.find_bound() * (1 + _EXACT)),
    ),
    Claim(
        "So have k steps of gradient descent, as large as the inverse of the largest eigenvalue (every problem and k)",
        "taken from gradient flow, which the proof is about",
        _largest_ratio("descent"),
        Below(picture_runs.find_bound() * (1 + _EXACT)),
    ),
    Claim(
        "At equal degrees of freedom, early stopping and ridge have the same risk (10 %, mean of the worst df)",
        "one picture: points on one path",
        _distance_of_paths("early"),
        Below(100 * _EQUAL),
    ),
    Claim(
        "At equal degrees of freedom, dropout and ridge have the same risk (10 %, mean of the worst df)",
        "one picture: points on one path",
        _distance_of_paths("dropout"),
        Below(100 * _EQUAL),
    ),
)
