"""What hypergradients cost and are worth: ratios within one process, medians of runs in turn.

They are of the network of tutorial T5 (784-256-128-10, 564 steps) and of linear models.
"""

import functools
import math
import time
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr

import jaxreg.hypergrad as hg
from experiments.benchmarks.nets import BASE
from experiments.benchmarks.settings import Config, Rows, load_data
from experiments.benchmarks.timing import Contest, compare, installed, measure, row
from jaxreg.penalties import L1, L2, Weighted

_START = {
    "learning_rate": 0.1,
    "l2": 1e-4,
    "label_smoothing": 0.05,
    "initial_scale": 1.0,
    "input_noise": 0.01,
    "gradient_noise": 1e-4,
    "l1": 1e-6,
    "momentum": 0.3,
}
_SAMPLES, _COLUMNS, _STEPS = 50, 30, 50
_MOST_SECONDS = 600.0  # for the settings of the gauge
_MATTER = 5  # columns with coefficient 1


def make_training(config: Config, **own: Any) -> hg.Training:
    """The network of tutorial T5, with momentum."""
    options = {"batch_size": BASE.batch_size, "epochs": config.epochs, "hidden": BASE.hidden, "optimizer": "momentum"}
    options["learning_rate"] = BASE.learning_rate
    return hg.Training(*load_data(config)[:4], seed=jax.random.key(0), options=options, **own)


def measure_forward(config: Config, limit: float) -> Rows:
    """Time of a forward hypergradient in k numbers over that of the plain run."""
    training = make_training(config)
    whole = make_training(config, segment=training.steps)
    for k in (1, 4, 8):
        at = {name: jnp.float32(value) for name, value in list(_START.items())[:k]}
        plain = jax.jit(functools.partial(whole, at))
        pushed = jax.jit(lambda at=at: hg.gradient(training, at, mode="forward"))
        jax.block_until_ready((plain(), pushed()))
        ratio = compare(pushed, plain, config.repeats)[2]
        name = f"forward mode, {k} numbers: time over the plain run"
        yield row(name, ratio, "ratio of times", target=1 + 1.2 * k)


def measure_reverse(config: Config, limit: float) -> Rows:
    """Time and memory of a reverse hypergradient in segments."""
    training = make_training(config)
    whole = make_training(config, segment=training.steps)
    at = {"learning_rate": jnp.float32(0.1), "sample_weight": jnp.ones(len(training.x_train), jnp.float32)}
    plain = jax.jit(lambda at: whole(at)).lower(at).compile()
    pulled, kept = (
        jax.jit(lambda at, of=of: hg.gradient(of, at, mode="reverse")).lower(at).compile() for of in (training, whole)
    )
    jax.block_until_ready((plain(at), pulled(at)))
    ratio = compare(lambda: pulled(at), lambda: plain(at), config.repeats)[2]
    yield row(f"reverse mode, {training.steps} steps: time over the plain run", ratio, "ratio of times", target=4.5)
    found = [program.memory_analysis() for program in (pulled, kept)]
    few, all_of_it = (one.temp_size_in_bytes / 2**20 if one else math.nan for one in found)
    note = f"segments of {training.chosen_segment}; {few:.0f} MB, all kept {all_of_it:.0f} MB"
    yield row("  memory where all is kept over that of segments", all_of_it / few, "x", target=8.0, note=note)


def measure_influence(config: Config, limit: float) -> Rows:
    """One reverse pass for all examples against a refit for each, and what refits say."""
    training = make_training(config)
    one = jnp.ones(len(training.x_train), jnp.float32)
    all_of_them = jax.jit(lambda: hg.influence(training).influence)
    refit = jax.jit(lambda weights: training({"sample_weight": weights}))
    found = np.asarray(all_of_them())
    jax.block_until_ready(refit(one))
    ours, theirs, _ = compare(all_of_them, lambda: refit(one), config.repeats)
    yield row(f"influence of {len(one):,} digits against leaving each out", len(one) * theirs / ours, "x", target=500.0)
    some = np.random.default_rng(0).choice(len(one), config.refits, replace=False)
    said = jax.jit(lambda found: hg.refit_without(training, some, influence=found))(found)
    note = f"slope {float(said.slope):.2f} of {len(some)} refits, single precision"
    rank = float(said.rank_correlation)
    yield row("  Spearman's correlation with refits", rank, "of 1", target=0.9, note=note)


def make_designs(datasets: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal designs of 50 x 30, five columns of which count, and noise."""
    random = np.random.default_rng(3)
    X = random.normal(size=(datasets, _SAMPLES, _COLUMNS))
    return X, X[..., :5].sum(-1) + 2 * random.normal(size=(datasets, _SAMPLES))


def _left_out(penalty: Any, X: Any, y: Any, *, problem: Any) -> hg.LinearCriterion:
    return hg.LinearCriterion(X[problem], y[problem], penalty=penalty, criterion="loo")


def measure_tuning(config: Config, limit: float) -> Rows:
    """Gradient steps on log alpha by leave-one-out, for many data sets at once, against loops over scikit-learn."""
    if not installed("sklearn", "no loops beside the tuning of strengths"):
        return
    from sklearn.linear_model import LassoCV, RidgeCV

    datasets = config.linear
    loop = min(2 * config.loop, datasets)
    X, Y = make_designs(datasets)
    for name, penalty, start, model, scale in (
        ("ridge", L2(1.0), (0.1, 0.2), RidgeCV(np.geomspace(1e-2, 1e4, 100)), _SAMPLES),
        ("lasso", L1(1.0), (1.0, 0.1), LassoCV(cv=5), 1),
    ):
        make = functools.partial(_left_out, penalty)
        given: dict[str, Any] = {"axes": {"problem": np.arange(datasets)}, "args": (X, Y), "x64": True}
        given["progress"] = False
        ours = functools.partial(hg.tune, make, {"alpha": start[0]}, optax.adam(start[1]), steps=_STEPS, **given)

        def theirs(model: Any = model) -> list[float]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return [model.fit(x, y).alpha_ for x, y in zip(X[:loop], Y[:loop], strict=True)]

        def agree(found: xr.Dataset, chosen: list[float], make: Any = make, scale: int = scale) -> str:
            with jax.enable_x64(True):
                least = [float(make(X, Y, problem=i)({"alpha": jnp.asarray(a / scale)})) for i, a in enumerate(chosen)]
            share = found["best_value"].values[0, :loop] / np.array(least)
            return f"leave-one-out {share.mean():.3f} of theirs, no worse on {(share <= 1 + 1e-3).mean():.0%}"

        contest = Contest(f"{_STEPS} steps on log alpha of a {name}", 50.0, ours, theirs, agree, datasets, loop)
        yield measure(contest, min(config.repeats, 3))


def make_sparse(datasets: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """100 rows to fit on and 100 to tune on; five columns count, five more lie near their sum."""
    random = np.random.default_rng(4)
    X = random.normal(size=(datasets, 200, columns))
    signal = X[..., :_MATTER].sum(-1)
    mislead = slice(_MATTER, 2 * _MATTER)
    X[..., mislead] = 0.85 * signal[..., None] / _MATTER**0.5 + (1 - 0.85**2) ** 0.5 * X[..., mislead]
    return X, signal + 0.7 * random.normal(size=signal.shape)


def _held_out(penalty: Any, X: Any, y: Any, *, problem: Any) -> hg.LinearCriterion:
    X, y = X[problem], y[problem]
    return hg.LinearCriterion(X[:100], y[:100], penalty=penalty, X_validation=X[100:], y_validation=y[100:])


def measure_strengths(config: Config, limit: float) -> Rows:
    """Tuning 200 strengths at once by exact gradients, against differences of skglm's fits; and what they find."""
    columns, datasets = config.columns // 25, max(1, config.linear // 10)
    loop = min(2, datasets)
    base, ones = 0.1, np.ones(columns)
    X, y = make_sparse(datasets, columns)
    given: dict[str, Any] = {"axes": {"problem": np.arange(datasets)}, "args": (X, y), "x64": True, "progress": False}
    weighted = functools.partial(_held_out, Weighted(L1(base), ones))
    start = {"factors": 0.2 * ones}
    bounds = {"factors": (1e-3, 1e3)}
    ours = functools.partial(hg.tune, weighted, start, optax.adam(0.2), bounds=bounds, steps=_STEPS, **given)

    def theirs() -> list[np.ndarray]:
        return [differ_by_skglm(X[i], y[i], 0.2 * base * ones) for i in range(loop)]

    def agree(_: Any, theirs: list[np.ndarray]) -> str:
        with jax.enable_x64(True):
            data = jnp.asarray(X), jnp.asarray(y)
            of = lambda i: weighted(*data, problem=i).prepare(("factors",))  # noqa: E731
            slope = jax.jit(lambda i: hg.gradient(of(i), start, mode="reverse", transforms={}).gradient)
            exact = [np.asarray(slope(i)["factors"]) for i in range(loop)]
        off = max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in zip(exact, theirs, strict=True))
        return f"gradients agree to {off:.0e}"

    if installed("skglm", "no differences beside the tuning of many strengths"):
        name = f"{columns} strengths at once on {datasets} data sets, against differences of skglm's fits"
        contest = Contest(name, 20.0, ours, theirs, agree, datasets * _STEPS, loop)
        yield measure(contest, 1)  # it lasts long enough
    tuned = ours()
    lasso = hg.grid(functools.partial(_held_out, L1(base)), {"alpha": np.geomspace(1e-2, 1, 40)}, **given)
    strengths = np.stack([base * tuned["best/factors"].values[0], lasso["best/alpha"].values[:, None] * ones], 1)

    def find(part: tuple[Any, Any, Any]) -> Any:
        """Whether the largest coefficients at each of the strengths are those that count."""
        of = _held_out(Weighted(L1(1.0), ones), part[0][None], part[1][None], problem=0).prepare(("factors",))
        own = jax.lax.map(lambda row: of.evaluate({"factors": row}).memory[0].coef[0], part[2])
        return (jax.lax.top_k(jnp.abs(own), _MATTER)[1] < _MATTER).all(-1)

    with jax.enable_x64(True):
        found = np.asarray(jax.jit(functools.partial(jax.lax.map, find))(tuple(map(jnp.asarray, (X, y, strengths)))))
    told = found.mean(0)
    yield row(f"  data sets in which {columns} strengths find the columns that count", told[0], "of 1", target=0.8)
    yield row("  and those in which the lasso at its best strength does", told[1], "of 1")


def differ_by_skglm(X: np.ndarray, y: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """The derivative of the error held out in the logarithm of each strength, by a fit more for each, warm started."""
    from skglm import GeneralizedLinearEstimator
    from skglm.datafits import Quadratic
    from skglm.penalties import WeightedL1
    from skglm.solvers import AndersonCD

    solver = AndersonCD(tol=1e-9, warm_start=True, fit_intercept=True)
    model = GeneralizedLinearEstimator(Quadratic(), WeightedL1(1.0, strengths), solver)

    def error(own: np.ndarray) -> float:
        model.penalty = WeightedL1(1.0, own)
        model.fit(X[:100], y[:100])
        return float(((model.predict(X[100:]) - y[100:]) ** 2).mean() / 2)

    size, first = 1e-4, error(strengths)
    step = np.exp(size * np.eye(len(strengths)))
    return np.array([error(strengths * factors) - first for factors in step]) / size


def measure_gauge(config: Config, limit: float) -> Rows:
    """Of random settings that the gauge calls reliable, how many have a derivative that differences deny."""
    settings, root = config.gauged, config.root
    block = max(1, min(50, settings // 2))
    random = np.random.default_rng(root)
    x, y = random.normal(size=(40, 8)), random.integers(0, 3, 40)
    data = (x[:24], y[:24], x[24:], y[24:])
    tried = wrong = reliable = chaotic = 0
    began = time.monotonic()
    with jax.enable_x64(True):
        checks = []
        for activation in ("tanh", "relu"):
            options = {"hidden": (8, 8), "classes": 3, "activation": activation, "batch_size": 4, "epochs": 10}

            def check(seed: Any, u: Any, options: Any = options) -> Any:
                training = hg.Training(*data, seed=seed, options=options | {"optimizer": "momentum"})
                at = {"learning_rate": jnp.exp(u[0]), "l2": jnp.exp(u[1]), "momentum": u[2]}
                found = hg.gauge(training, at, transforms={"momentum": "identity"})
                slopes = found.hypergradient.gradient

                def along(name: str) -> Any:
                    """By differences of the fourth order, at another step than those of the gauge."""

                    def value(s: Any) -> Any:
                        moved = at[name] * jnp.exp(s) if name != "momentum" else at[name] + s
                        return training(at | {name: moved})

                    h = 3e-4
                    ends = jax.lax.map(value, h * jnp.array([2.0, 1.0, -1.0, -2.0]))
                    return (-ends[0] + 8 * ends[1] - 8 * ends[2] + ends[3]) / (12 * h)

                expected = jnp.stack([along(name) for name in sorted(at)])
                told = jnp.stack([slopes[name] for name in sorted(at)])
                error = jnp.sqrt(((told - expected) ** 2).sum()) / jnp.sqrt((expected**2).sum())
                return found.trust, error

            checks.append(jax.jit(functools.partial(jax.lax.map, lambda one, check=check: check(*one))))
        keys = jax.random.split(jax.random.key(root), settings)
        spread = random.uniform(size=(settings, 3)) * [8.0, 6.0, 0.95] + [-6.0, -9.0, 0.0]
        while tried < settings and time.monotonic() - began < _MOST_SECONDS:
            part = slice(tried, tried + block)
            trust, error = checks[tried // block % 2]((keys[part], spread[part]))
            good = np.asarray(trust) == hg.Trust.RELIABLE
            tried += block
            reliable += int(good.sum())
            chaotic += int((np.asarray(trust) == hg.Trust.CHAOTIC).sum())
            wrong += int((np.asarray(error)[good] > 1e-6).sum())
    note = f"{wrong} wrong of {reliable} called reliable among {tried} from seed {root}; {chaotic} chaotic"
    name = "derivatives called reliable that are right to 1e-6"
    yield row(name, 1 - wrong / max(reliable, 1), "of 1", target=0.99, note=note)
