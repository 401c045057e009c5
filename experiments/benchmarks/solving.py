"""Penalized models beyond the lasso: logistic paths and group lassos, against loops over other solvers."""

import importlib
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.benchmarks.timing import Contest, check_gaps, check_same
from jaxreg.linear import Logistic, Squared, solve, solve_path
from jaxreg.penalties import L1, GroupLasso

ROWS, COLUMNS, STRENGTHS, GROUP = 100, 30, 50, 5
SAME = 1e-6
_BATCH = 8
_TOLERANCE = 1e-8  # of the rivals: theirs is of a slope, and ours then is the smaller gap


def make_labels(datasets: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normal designs, labels by six of their columns, and strengths from the largest down to a hundredth of it."""
    random = np.random.default_rng(2)
    X = random.normal(size=(datasets, ROWS, COLUMNS))
    Y = (random.random((datasets, ROWS)) < 1 / (1 + np.exp(-X[..., :6].sum(-1)))).astype(float)
    most = np.abs(np.einsum("dnp,dn->dp", X, Y - 0.5)).max(-1) / ROWS
    return X, Y, most[:, None] * np.geomspace(1, 1e-2, STRENGTHS)


def follow(X: Any, Y: Any, alphas: Any, *, dataset: Any) -> dict[str, Any]:
    """The logistic lasso of one dataset at every strength."""
    path = solve_path(X[dataset], Y[dataset], alphas[dataset], Logistic(), L1(1.0), fit_intercept=False)
    return {"coef": path.coef}


def logistic_gaps(X: np.ndarray, y: np.ndarray, alphas: np.ndarray, coefs: np.ndarray) -> np.ndarray:
    r"""Duality gap of each of `coefs` (alphas, columns) relative to $\log 2$, computed the same for everybody.

    The dual point is the slope of the loss, scaled down to where no correlation exceeds $n\alpha$.
    """
    eta = coefs @ X.T
    slope = 1 / (1 + np.exp(-eta)) - y
    largest = np.abs(slope @ X).max(-1)
    scale = np.minimum(1.0, len(y) * alphas / np.maximum(largest, np.finfo(float).tiny))[:, None]
    share = np.clip(np.abs(scale * slope), 1e-300, 1 - 1e-16)
    loss = np.logaddexp(0, np.where(y == 1, -eta, eta)).mean(-1)
    entropy = (share * np.log(share) + (1 - share) * np.log1p(-share)).mean(-1)
    return (loss + alphas * np.abs(coefs).sum(-1) + entropy) / np.log(2)


def contest_logistic(datasets: int, sample: int, rival: str) -> Contest:
    """Whole paths of the logistic lasso, against a loop over datasets and strengths, from the largest down."""
    X, Y, alphas = make_labels(datasets)
    library = "sklearn.linear_model" if rival == "scikit-learn" else "skglm"
    module = importlib.import_module(library)

    def fit(x: np.ndarray, y: np.ndarray, strengths: np.ndarray) -> np.ndarray:
        if rival == "scikit-learn":  # of its solvers for L1, liblinear is the fastest on problems of this size
            model = module.LogisticRegression(
                l1_ratio=1, solver="liblinear", fit_intercept=False, tol=_TOLERANCE, max_iter=10_000
            )
        else:
            model = module.SparseLogisticRegression(fit_intercept=False, tol=_TOLERANCE, warm_start=True)
        coefs = []
        for alpha in strengths:
            model.set_params(**({"C": 1 / (alpha * ROWS)} if rival == "scikit-learn" else {"alpha": alpha}))
            coefs.append(model.fit(x, y).coef_.ravel().copy())
        return np.stack(coefs)

    def loop() -> list[np.ndarray]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [
                fit(x, y.astype(int), strengths) for x, y, strengths in list(zip(X, Y, alphas, strict=True))[:sample]
            ]

    def agree(ours: xr.Dataset, theirs: list[np.ndarray]) -> str:
        mine = max(logistic_gaps(*one).max() for one in zip(X, Y, alphas, ours["coef"].values, strict=True))
        other = max(logistic_gaps(*one).max() for one in zip(X, Y, alphas, theirs, strict=False))
        return check_gaps(mine, other, rounding=1e-10)

    name = f"logistic lasso, {datasets:,} datasets, {STRENGTHS} alphas, against a {rival} loop"
    # Members of a batch wait for the slowest: some at a time, on each device.
    axes, chunk = {"dataset": np.arange(datasets)}, min(datasets, _BATCH * len(jax.devices()))
    ours = partial(jr.sweep, follow, axes, args=(X, Y, alphas), x64=True, progress=False, chunk_size=chunk)
    return Contest(name, 15.0, ours, loop, agree, datasets, sample)


def fit_groups(X: Any, Y: Any, alphas: Any, *, dataset: Any) -> dict[str, Any]:
    """The group lasso of one dataset."""
    penalty = GroupLasso(alphas[dataset], groups=GROUP)
    return {"coef": solve(X[dataset], Y[dataset], Squared(), penalty, fit_intercept=False).coef}


def contest_groups(datasets: int, sample: int) -> Contest:
    """The group lasso at a tenth of the largest strength, groups of five columns, against a skglm loop."""
    Rival = importlib.import_module("skglm").GroupLasso

    random = np.random.default_rng(3)
    X = random.normal(size=(datasets, ROWS, COLUMNS))
    Y = X[..., : 2 * GROUP].sum(-1) + random.normal(size=(datasets, ROWS))
    pulls = np.einsum("dnp,dn->dp", X, Y).reshape(datasets, -1, GROUP) / ROWS
    alphas = 0.1 * np.linalg.norm(pulls, axis=-1).max(-1) / np.sqrt(GROUP)
    weights = np.full(COLUMNS // GROUP, np.sqrt(GROUP))

    def loop() -> np.ndarray:
        fits = []
        for x, y, alpha in list(zip(X, Y, alphas, strict=True))[:sample]:
            model = Rival(groups=GROUP, alpha=alpha, weights=weights, fit_intercept=False, tol=_TOLERANCE)
            fits.append(model.fit(x, y).coef_.copy())
        return np.stack(fits)

    def violation(coefs: np.ndarray) -> float:
        """How far from optimal, relative to the strength: of the group that is the farthest."""
        worst = 0.0
        for x, y, alpha, coef in zip(X, Y, alphas, coefs, strict=False):
            slopes = (x.T @ (x @ coef - y) / ROWS).reshape(-1, GROUP)
            groups, slack = coef.reshape(-1, GROUP), alpha * np.sqrt(GROUP)
            norms = np.linalg.norm(groups, axis=-1, keepdims=True)
            alive = np.linalg.norm(slopes + slack * groups / np.where(norms > 0, norms, 1), axis=-1)
            dead = np.maximum(np.linalg.norm(slopes, axis=-1) - slack, 0)
            worst = max(worst, float(np.where(norms[:, 0] > 0, alive, dead).max()) / alpha)
        return worst

    def agree(ours: xr.Dataset, theirs: np.ndarray) -> str:
        mine, other = violation(ours["coef"].values), violation(theirs)
        if not mine <= max(other, 1e-9):
            raise AssertionError(f"ours is {mine:.1e} from optimal, theirs {other:.1e}")
        difference = check_same("coefficients", ours["coef"].values[: len(theirs)], theirs, SAME)
        return f"{mine:.0e} and {other:.0e} from optimal, coefficients within {difference:.0e}"

    name = f"group lasso, {datasets:,} datasets, against a skglm loop"
    return Contest(name, 10.0, _compile(fit_groups, datasets, X, Y, alphas), loop, agree, datasets, sample)


def _compile(run: Callable[..., dict[str, Any]], datasets: int, *args: Any) -> Callable[[], xr.Dataset]:
    """All datasets in one compiled call, in float64, some at a time: members of a batch wait for the slowest."""
    call = jax.jit(
        lambda numbers, *args: jax.lax.map(lambda i: run(*args, dataset=i)["coef"], numbers, batch_size=_BATCH)
    )

    def ours() -> xr.Dataset:
        with jax.enable_x64(True):
            coef = np.asarray(call(jnp.arange(datasets), *map(jnp.asarray, args)))
        return xr.Dataset({"coef": (("dataset", "alpha", "column") if coef.ndim == 3 else ("dataset", "column"), coef)})

    return ours
