"""Which regularizer does plain SGD act as? The penalty that fits its weights best, against the closed form."""

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
from jaxreg.study import Above, Below, Claim, Inside, at, gain, mean, worst
from jaxreg.study.quantities import Measure, Variable
from jaxreg.study.settings import Holds, Numbers, Seeds, check_settings

POINTS, COLUMNS, SPARSE = 20, 40, 3
"""Samples, coefficients, and those of them that are 1; all others are 0."""
DESCENT, SGD, SLOW = "descent", "sgd", "slow sgd"
_START, _FITTING_STEPS, _NEWTON_STEPS = 0.1, 150, 60


@dataclass(frozen=True)
class Config:
    """Settings of the study."""

    seeds: Seeds = 32
    """Data sets, each with an order of its samples of its own."""
    scales: Annotated[Numbers, Domain(0.005, 0.5, "[]"), Holds((0.01, 0.1, 0.5))] = (
        0.01,
        0.03,
        0.1,
        0.3,
        0.5,
    )
    """Initial values of all weights of the network."""
    descent_rate: Annotated[float, Domain(0, 0.01, "(]")] = 0.01
    """Learning rate of descent."""
    sgd_rate: Annotated[float, Domain(0, 0.01, "(]")] = 0.005
    """That of SGD, one sample a step."""
    slow_rate: Annotated[float, Domain(0, 0.01, "(]")] = 0.002
    """A smaller one."""
    epochs: Annotated[int, Domain(100, ends="[)", whole=True)] = 1000
    """Passes of SGD through the samples, one a step."""
    descent_steps: Annotated[int, Domain(100, ends="[)", whole=True)] = 4000
    """Steps of descent."""


PRESETS = {
    "quick": Config(seeds=8, scales=(0.01, 0.1, 0.5), epochs=500, descent_steps=2000),
    "laptop": Config(),
    "paper": Config(seeds=256, scales=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5), epochs=4000, descent_steps=20_000),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    r"""Train a diagonal linear network without any penalty, and fit the penalty that its weights minimize.

    The network is $w = u^2 - v^2$, all of u and v begin at $\alpha$, and 40 weights meet 20 samples. Gradient flow ends
    where $\sum_i \alpha^2 q(w_i / \alpha^2)$ is least of all w without an error, $q'(z) = \operatorname{arcsinh}(z/2)$
    (up to a factor): the L1 norm for a small $\alpha$, the L2 norm for a large one. The slopes of a penalty at its
    minimum lie in the row space of X. So the scale that is fitted to weights is that of the least share of
    $\operatorname{arcsinh}(w / 2s^2)$ outside of it, found by `hypergrad.tune`, which knows no $\alpha$.

    Returns:
        Dataset over `seed`, `algorithm` ("descent", "sgd", "slow sgd") and `scale`: the `fitted` scale in units of the
        initial one, and that of Pesme et al., `foretold`; `outside`, the share that no scale explains; `distance` of
        the weights to where the closed form puts those of descent, `to_fitted` to where the fitted penalty does,
        `to_l2` to the least L2 norm, and `error` to the truth, all relative to where they go; `l1_excess` over the L1
        norm of the truth and `l2_excess` over the least L2 norm; `train_loss`; `coef` and `slope`, that of the fitted
        penalty, projected on the row space.
    """
    check_settings(config)
    full = {
        "batch_size": jr.static(POINTS),
        "epochs": jr.static(config.descent_steps),
        "learning_rate": config.descent_rate,
    }
    single = {"batch_size": jr.static(1), "epochs": jr.static(config.epochs)}
    methods: dict[str, dict[str, Any]] = {
        DESCENT: full,
        SGD: single | {"learning_rate": config.sgd_rate},
        SLOW: single | {"learning_rate": config.slow_rate},
    }
    seeds, scales = jr.seeds(config.seeds), np.array(config.scales)
    trained = jr.sweep(
        train,
        {"seed": seeds, "algorithm": jr.cases(methods), "scale": scales},
        dims={"coef": ("coordinate",)},
        store=jr.study.beside(store, "trainings"),
        x64=True,
        progress=progress,
    ).load()
    coef = trained["coef"].transpose("seed", "algorithm", "scale", "coordinate").values
    with jax.enable_x64(True):
        X, y, basis = jax.jit(partial(_make_all, seeds))(np.arange(config.seeds))
    places = {name: np.arange(trained.sizes[name]) for name in ("seed", "algorithm", "scale")}
    fitted = hg.tune(
        misfit_of,
        {"scale": _START},
        optax.adam(0.1),
        transforms={"scale": "log"},
        steps=_FITTING_STEPS,
        axes=places,
        args=(np.asarray(basis), coef),
        store=jr.study.beside(store, "fits"),
        x64=True,
        progress=progress,
    ).isel(restart=0)
    found, dims = fitted["best/scale"].values, ("seed", "algorithm", "scale", "coordinate")
    with jax.enable_x64(True):
        described = _describe(X, y, basis, coef, scales, found)
    described |= {"outside": 100 * fitted["best_value"].values, "fitted": found / scales}
    result = trained.assign({name: (dims[: np.ndim(part)], np.asarray(part)) for name, part in described.items()})
    result["outside"].attrs["units"] = "%"
    for name, (units, words) in _WORDS.items():
        result[name].attrs.update(units=units, long_name=words)
    return result


_WORDS = {
    "scale": ("", "initial scale α"),
    "fitted": ("times the initial scale", "fitted scale"),
    "foretold": ("times the initial scale", "scale foretold from the losses"),
    "distance": ("%", "distance to the minimum of the closed form"),
    "to_fitted": ("%", "distance to the minimum of the fitted penalty"),
    "to_l2": ("%", "distance to the least L2 norm"),
    "l1_excess": ("%", "L1 norm over that of the truth"),
    "l2_excess": ("%", "L2 norm over the least"),
    "error": ("%", "distance to the truth"),
}


def make_data(seed: Any) -> tuple[Any, Any]:
    """Normal features, and targets without noise."""
    X = jax.random.normal(jr.randomness.split(seed, "data")["data"], (POINTS, COLUMNS), jnp.float64)
    return X, X[:, :SPARSE].sum(1)


def _make_all(seeds: Any, places: Any) -> tuple[Any, Any, Any]:
    """The data of all seeds, and a basis of the row space of each."""
    X, y = jax.vmap(lambda place: make_data(seeds.key(place)))(places)
    return X, y, jnp.linalg.qr(X.mT)[0]


def train(*, seed: Any, scale: Any, learning_rate: Any, batch_size: int, epochs: int) -> dict[str, Any]:
    """One training: its weights, and the scale that its losses foretell, exp(-8 η² Σ loss) of the initial one."""
    X, y = make_data(seed)
    start = jnp.full(COLUMNS, scale)
    history = jr.nets.train(
        X,
        y,
        seed=seed,
        model=(lambda key, x: {"u": start, "v": start}, lambda w, x: x @ (w["u"] ** 2 - w["v"] ** 2)),
        loss="squared",
        learning_rate=learning_rate,
        batch_size=batch_size,
        epochs=epochs,
        evaluate_every=epochs,
        record=("train_loss",),
        record_steps=1,
        return_params=True,
    )
    w = history["params"]
    spent = history["step_loss"].sum() if batch_size == 1 else jnp.zeros(())  # of all samples, without noise
    foretold = jnp.exp(-8 * learning_rate**2 * spent)
    return {"coef": w["u"] ** 2 - w["v"] ** 2, "foretold": foretold, "train_loss": history["train_loss"][-1]}


def misfit_of(basis: Any, coef: Any, *, seed: Any, algorithm: Any, scale: Any) -> Any:
    """Of one training, the share of the slopes of the penalty of a scale that lies outside the row space of X."""

    def misfit(h: Any) -> Any:
        slope = slope_of(coef[seed, algorithm, scale], h["scale"])
        return ((slope - project(basis[seed], slope)) ** 2).sum() / (slope**2).sum()

    return misfit


def slope_of(coef: Any, scale: Any) -> Any:
    """The slope of the penalty at each weight, up to a factor."""
    return jnp.arcsinh(coef / (2 * scale**2))


def project(basis: Any, slope: Any) -> Any:
    """On the row space of X."""
    return basis @ (basis.T @ slope)


def least_penalty(X: Any, y: Any, scale: Any, start: Any) -> Any:
    r"""The weights of least penalty among those without an error, by Newton steps on the dual.

    They are $w = 2 s^2 \sinh(X'\nu)$ with $X w = y$, where $2 s^2 \sum_i \cosh(X'\nu)_i - y'\nu$ is least.
    """

    def dual(nu: Any) -> Any:
        return 2 * scale**2 * jnp.cosh(X.T @ nu).sum() - y @ nu

    sizes = 0.5 ** jnp.arange(12.0)

    def step(nu: Any, _: None) -> tuple[Any, None]:
        slope, bend = 2 * scale**2 * jnp.sinh(X.T @ nu), 2 * scale**2 * jnp.cosh(X.T @ nu)
        move = jnp.linalg.solve((X * bend[None]) @ X.T, y - X @ slope)
        tried = nu[None] + sizes[:, None] * move[None]
        return tried[jnp.nan_to_num(jax.vmap(dual)(tried), nan=jnp.inf).argmin()], None

    nu, _ = jax.lax.scan(step, jnp.linalg.solve(X @ X.T, X @ slope_of(start, scale)), None, length=_NEWTON_STEPS)
    return 2 * scale**2 * jnp.sinh(X.T @ nu)


@jax.jit
def _describe(X: Any, y: Any, basis: Any, coef: Any, scales: Any, found: Any) -> dict[str, Any]:
    """All that the dataset says of weights, of every seed, algorithm and scale."""

    def one(X: Any, y: Any, basis: Any, l2: Any, coef: Any, initial: Any, fitted: Any) -> dict[str, Any]:
        norm = jnp.linalg.norm

        def share(other: Any) -> Any:
            return 100 * norm(coef - other) / norm(other)

        return {
            "distance": share(least_penalty(X, y, initial, coef)),
            "to_fitted": share(least_penalty(X, y, fitted, coef)),
            "to_l2": share(l2),
            "l1_excess": 100 * (norm(coef, 1) / SPARSE - 1),
            "l2_excess": 100 * (norm(coef) / norm(l2) - 1),
            "error": share((jnp.arange(COLUMNS) < SPARSE).astype(coef.dtype)),
            "slope": project(basis, slope_of(coef, fitted)),
        }

    def of_seed(X: Any, y: Any, basis: Any, coef: Any, found: Any) -> dict[str, Any]:
        l2 = X.T @ jnp.linalg.solve(X @ X.T, y)
        along = jax.vmap(partial(one, X, y, basis, l2))
        return jax.vmap(along, (0, None, 0))(coef, scales, found)

    return jax.lax.map(lambda part: of_seed(*part), (X, y, basis, coef, found))


def _farthest(name: Variable, algorithm: str, expected: float) -> Measure:
    """The mean over seeds at the scale where it is farthest from `expected`."""
    runs = partial(at, algorithm=algorithm)
    return worst(name, expected=expected, runs=runs, unit="times" if callable(name) else None)


def _of(name: str, algorithm: str, scale: float) -> Any:
    return mean(name, runs=partial(at, algorithm=algorithm, scale=scale))


_WOODWORTH = "Woodworth et al., Kernel and rich regimes in overparametrized models, COLT 2020"
_PESME = "Pesme, Pillaud-Vivien and Flammarion, Implicit bias of SGD for diagonal linear networks, NeurIPS 2021"

CLAIMS = (
    Claim(
        "Descent acts as the penalty of its initial scale: that is the scale that is fitted (at every scale, to 5 %)",
        _WOODWORTH,
        _farthest("fitted", DESCENT, 1.0),
        Inside(0.95, 1.05),
    ),
    Claim(
        "Its weights are those of least penalty without an error (at every scale, to 10 % of their length)",
        _WOODWORTH,
        _farthest("distance", DESCENT, 0.0),
        Below(10),
    ),
    Claim(
        "From a small scale, 0.01, the L1 norm of the weights is no larger than that of the sparse truth (to 10 %)",
        _WOODWORTH,
        _of("l1_excess", DESCENT, 0.01),
        Below(10),
    ),
    Claim(
        "From a large scale, 0.5, their L2 norm is the least there is (to 1 %)",
        _WOODWORTH,
        _of("l2_excess", DESCENT, 0.5),
        Below(1),
    ),
    Claim(
        "SGD acts as the penalty of a smaller scale than the initial one (0.1)",
        _PESME,
        _of("fitted", SGD, 0.1),
        Below(1),
    ),
    Claim(
        "How much smaller follows from the losses on the way, exp(-8 η² Σ loss) (at every scale, to 10 %)",
        _PESME,
        _farthest(lambda runs: runs["fitted"] / runs["foretold"], SGD, 1.0),
        Inside(0.9, 1.1),
    ),
    Claim(
        "So SGD comes nearer to a sparse truth than descent from the same scale (0.1)",
        _PESME,
        gain("error", "algorithm", DESCENT, SGD, runs=partial(at, scale=0.1)),
        Above(0),
    ),
)
