"""Thousands of linear models in one sweep, against the loops over scikit-learn that a user would write instead."""

import importlib
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.benchmarks.settings import Config, Rows
from experiments.benchmarks.solving import contest_groups, contest_logistic
from experiments.benchmarks.timing import Contest, check_gaps, check_same, installed, measure
from jaxreg.linear import lars_path, lasso, lasso_path, ridge_path

ROWS, COLUMNS = 50, 30
LARGE_ROWS = 200
ALPHAS = 100


def measure_linear(config: Config, limit: float) -> Rows:
    """LARS, ridge and lasso over many datasets, one lasso of middle size and a large one, and what goes beyond these.

    The lasso of middle size has a tenth of the columns of the large one.
    """
    if not installed("sklearn", "no linear models"):
        return
    take, many, columns = partial(measure, repeats=config.repeats), config.linear, config.columns
    sample = min(config.loop, many)
    yield take(contest_lars(many, sample, shared=True))
    yield take(contest_lars(many, sample, shared=False))
    yield take(contest_ridge(many, sample))
    yield take(contest_ridge_at_once(many))
    yield take(contest_lasso(many, sample, by_lars=False))
    yield take(contest_lasso(many, sample, by_lars=True))
    yield take(contest_one(LARGE_ROWS, columns // 10, "scikit-learn"))
    yield take(contest_one(LARGE_ROWS, columns, "scikit-learn", 1.5))
    if installed("celer", "the large lasso has one rival fewer"):
        yield take(contest_one(LARGE_ROWS, columns, "celer", 1.2))
    yield take(contest_logistic(many, min(sample, 5), "scikit-learn"))
    if installed("skglm", "logistic paths have one rival fewer, and group lassos none"):
        yield take(contest_logistic(many, min(sample, 5), "skglm"))
        yield take(contest_groups(many, sample))


# --- Data: centred, with columns of unit length, so that both sides see the same problem ------------------------------


def make_legendre(datasets: int) -> tuple[np.ndarray, np.ndarray]:
    """The Legendre design (50, 30) of tutorial T1's points, and targets (datasets, 50): its truth with its noise."""
    x = np.linspace(-10.0, 10.0, ROWS)
    X = _standardize(np.polynomial.legendre.legvander(x / 10, COLUMNS)[:, 1:])
    truth = 0.001 * (-(x**3) + x**2 + x)
    return X, _centre(truth + np.random.default_rng(0).normal(0, 0.05, (datasets, ROWS)))


def make_gaussian(datasets: int, rows: int = ROWS, columns: int = COLUMNS) -> tuple[np.ndarray, np.ndarray]:
    """Normal designs (datasets, rows, columns), and targets on a fifth of their columns, at most 20."""
    random = np.random.default_rng(1)
    X = _standardize(random.normal(size=(datasets, rows, columns)))
    y = X[..., : min(20, columns // 5)].sum(-1) + random.normal(0, 0.1, (datasets, rows))
    return X, _centre(y)


def _standardize(X: np.ndarray) -> np.ndarray:
    X = X - X.mean(-2, keepdims=True)
    return X / np.linalg.norm(X, axis=-2, keepdims=True)


def _centre(y: np.ndarray) -> np.ndarray:
    return y - y.mean(-1, keepdims=True)


def _sweep(run: Callable[..., Any], datasets: int, *args: Any) -> Callable[[], xr.Dataset]:
    """The sweep of `run` over the datasets, in float64, to be called more than once."""
    return partial(jr.sweep, run, {"dataset": np.arange(datasets)}, args=args, x64=True, progress=False)


# --- LARS -------------------------------------------------------------------------------------------------------------


def follow_lars(X: Any, Y: Any, *, dataset: Any) -> dict[str, Any]:
    """The path of one dataset, with the one design or with its own."""
    path = lars_path(X if X.ndim == 2 else X[dataset], Y[dataset], fit_intercept=False)
    return {name: getattr(path, name) for name in ("alphas", "coef", "valid")}


def contest_lars(datasets: int, sample: int, *, shared: bool) -> Contest:
    """Whole lasso paths by LARS, of datasets with one Legendre design or each with its own."""
    from sklearn.linear_model import lars_path as rival

    X, Y = make_legendre(datasets) if shared else make_gaussian(datasets)

    def loop() -> list[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [rival(X if shared else X[i], Y[i], method="lasso") for i in range(sample)]

    def agree(ours: xr.Dataset, theirs: list[Any]) -> str:
        worst, short = 0.0, 0
        for i, (alphas, _, coef) in enumerate(theirs):
            both = slice(len(alphas))
            worst = max(worst, check_same("knots", ours["alphas"].values[i, both], alphas))
            worst = max(worst, check_same("coefficients", ours["coef"].values[i, both].T, coef))
            short += int(ours["valid"].values[i].sum()) > len(alphas)
        ends = f", of which scikit-learn leaves out the last in {short} of {sample} paths" if short else ""
        return f"knots and coefficients within {worst:.0e}{ends}"

    name = f"LARS, {datasets:,} datasets, {'one design' if shared else 'a design each'}, against a scikit-learn loop"
    return Contest(name, 15.0 if shared else 6.0, _sweep(follow_lars, datasets, X, Y), loop, agree, datasets, sample)


# --- Ridge ------------------------------------------------------------------------------------------------------------

STRENGTHS = np.geomspace(1e-3, 1e2, ALPHAS)


def fit_ridge(X: Any, Y: Any, *, dataset: Any) -> dict[str, Any]:
    """Coefficients and leave-one-out errors of one target at every strength."""
    path = ridge_path(X, Y[dataset], STRENGTHS)
    return {"coef": path.coef, "loo": path.loo}


def _agree_on_ridge(ours: xr.Dataset, theirs: tuple[np.ndarray, np.ndarray]) -> str:
    """Coefficients (targets, alphas, columns) and leave-one-out errors (targets, alphas) of the first targets."""
    worst = 0.0
    for name, values in zip(("coef", "loo"), theirs, strict=True):
        worst = max(worst, check_same(name, ours[name].values[: len(values)], values))
    return f"coefficients and leave-one-out errors within {worst:.0e}"


def contest_ridge(targets: int, sample: int) -> Contest:
    """Ridge at 100 strengths with leave-one-out errors: one `Ridge` each, and one `RidgeCV` per target."""
    from sklearn.linear_model import Ridge, RidgeCV

    X, Y = make_legendre(targets)

    def loop() -> tuple[np.ndarray, np.ndarray]:
        coef = [[Ridge(alpha=alpha).fit(X, y).coef_ for alpha in STRENGTHS] for y in Y[:sample]]
        loo = [RidgeCV(STRENGTHS, store_cv_results=True).fit(X, y).cv_results_.mean(0) for y in Y[:sample]]
        return np.array(coef), np.array(loo)

    name = f"ridge and LOO, {targets:,} targets, {ALPHAS} alphas, against a scikit-learn loop"
    return Contest(name, 500.0, _sweep(fit_ridge, targets, X, Y), loop, _agree_on_ridge, targets, sample)


def contest_ridge_at_once(targets: int) -> Contest:
    """The same against scikit-learn's own fits of many targets at once, which fewer know."""
    from sklearn.linear_model import Ridge, RidgeCV

    X, Y = make_legendre(targets)

    def loop() -> tuple[np.ndarray, np.ndarray]:
        coef = [Ridge(alpha=alpha).fit(X, Y.T).coef_ for alpha in STRENGTHS]
        cross = RidgeCV(STRENGTHS, store_cv_results=True, alpha_per_target=True).fit(X, Y.T)
        return np.stack(coef, axis=1), cross.cv_results_.mean(0)

    name = "  against scikit-learn with all targets at once"
    return Contest(name, None, _sweep(fit_ridge, targets, X, Y), loop, _agree_on_ridge)


# --- Lasso ------------------------------------------------------------------------------------------------------------


def relative_gaps(X: np.ndarray, y: np.ndarray, alphas: np.ndarray, coefs: np.ndarray) -> np.ndarray:
    r"""Duality gap of each of `coefs` (alphas, columns) relative to $\|y\|^2/(2n)$, computed the same for everybody.

    The dual point is the residual, scaled down to where no correlation exceeds $n\alpha$.
    """
    residual = y - coefs @ X.T
    largest = np.abs(residual @ X).max(-1)
    scale = np.minimum(1.0, len(y) * alphas / np.maximum(largest, np.finfo(float).tiny))[:, None]
    primal = (residual**2).sum(-1) + 2 * len(y) * alphas * np.abs(coefs).sum(-1)
    dual = (y**2).sum() - ((y - scale * residual) ** 2).sum(-1)
    return (primal - dual) / (y**2).sum()


def fit_lasso(X: Any, Y: Any, alphas: Any, *, dataset: Any) -> dict[str, Any]:
    """Coefficients of one dataset at every strength."""
    return {"coef": lasso_path(X, Y[dataset], alphas, fit_intercept=False).coef}


def read_lasso(X: Any, Y: Any, alphas: Any, *, dataset: Any) -> dict[str, Any]:
    """The same, read off the path of LARS."""
    path = lars_path(X, Y[dataset], fit_intercept=False)
    return {"coef": jax.vmap(lambda alpha: path.at(alpha).coef)(alphas)}


def contest_lasso(datasets: int, sample: int, *, by_lars: bool) -> Contest:
    """The lasso at 100 strengths from the largest down to a thousandth of it, against `lasso_path`."""
    from sklearn.linear_model import lasso_path as rival

    X, Y = make_legendre(datasets)
    alphas = np.abs(Y @ X).max() / ROWS * np.geomspace(1, 1e-3, ALPHAS)

    def loop() -> list[np.ndarray]:
        return [rival(X, y, alphas=alphas)[1].T for y in Y[:sample]]

    def agree(ours: xr.Dataset, theirs: list[np.ndarray]) -> str:
        mine = max(relative_gaps(X, y, alphas, c).max() for y, c in zip(Y, ours["coef"].values, strict=True))
        other = max(relative_gaps(X, y, alphas, c).max() for y, c in zip(Y, theirs, strict=False))
        return check_gaps(float(mine), float(other))

    name = f"lasso, {datasets:,} datasets, {ALPHAS} alphas, against a scikit-learn loop"
    if by_lars:
        name = "  read off our LARS paths instead"
    ours = _sweep(read_lasso if by_lars else fit_lasso, datasets, X, Y, alphas)
    return Contest(name, None if by_lars else 25.0, ours, loop, agree, datasets, sample)


@jax.jit
def fit_one(X: Any, y: Any, alpha: Any) -> Any:
    """One lasso, compiled once."""
    return lasso(X, y, alpha, fit_intercept=False)


_SOLVERS = {"scikit-learn": "sklearn.linear_model", "celer": "celer"}
"""Where the lasso of each rival is."""


def contest_one(rows: int, columns: int, rival: str, target: float | None = None) -> Contest:
    """One lasso at a tenth of the largest strength, where a batch cannot help."""
    designs, targets = make_gaussian(1, rows, columns)
    X, y = designs[0], targets[0]
    alpha = 0.1 * float(np.abs(X.T @ y).max()) / rows
    model = importlib.import_module(_SOLVERS[rival]).Lasso(alpha=alpha, fit_intercept=False, tol=1e-8)

    def ours() -> Any:
        with jax.enable_x64(True):
            return jax.block_until_ready(fit_one(X, y, alpha))

    def theirs() -> np.ndarray:
        return model.fit(X, y).coef_

    def agree(ours: Any, theirs: np.ndarray) -> str:
        pair = np.stack([np.asarray(ours.coef), theirs])
        mine, other = relative_gaps(X, y, np.array([alpha, alpha]), pair)
        return check_gaps(float(mine), float(other))

    return Contest(f"one lasso of {rows} × {columns:,}, against {rival}", target, ours, theirs, agree)
