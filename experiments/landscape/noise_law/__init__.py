"""What is mini-batch noise: how does it fall with the batch size, how heavy are its tails, where does SGD settle?"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.landscape import sgd_landscape
from experiments.landscape.noise_law import runs as noise_runs
from experiments.landscape.noise_law.claims import CLAIMS as CLAIMS
from experiments.landscape.noise_law.claims import LARGE_SIZE, TUTORIAL_SIZE, TUTORIAL_WEIGHT
from experiments.landscape.noise_law.runs import DRAWS, EDGES, PARTS, RUNS, Quadratic
from jaxreg import landscape
from jaxreg.checks import FINITE, LEVEL, POSITIVE, Domain, check_integer
from jaxreg.landscape import theory
from jaxreg.landscape.theory.refit import average_refits, refit_law, typical_refit_error
from jaxreg.stats import mean
from jaxreg.study.settings import Count, Holds, Integers, Numbers, Ordered, check_settings

DEGREE = 6
SMALL_DEGREE = 2
"""Of the refits to the eleven points of tutorial T2, all subsets of which are enumerated."""
TAIL_SHARE = 0.003
"""The largest of all sizes, from which tail exponents are estimated."""
_RefitSizes = Annotated[Integers, Holds((TUTORIAL_SIZE, LARGE_SIZE)), Ordered()]


@dataclass(frozen=True)
class Config:
    """Settings of the study."""

    draws: Count = 300_000
    """Refits per batch size, counted in blocks of 10,000."""
    refit_sizes: _RefitSizes = (8, 9, 10, 12, 14, 17, 20, 30, 40, 60, 80, 100)
    """Points that are drawn for a refit; the tutorial's 10, and 40, must be among them."""
    weights: Annotated[Numbers, FINITE, Holds((TUTORIAL_WEIGHT,)), Ordered()] = (-6.0, -3.0, 0.0, 3.5, 6.0)
    """Where the gradient of a refit is compared with that of the fit to all points; 3.5 must be among them."""
    points: int = 100
    """Number of data points, on an even grid from -10 to 10."""
    noise: float = 0.2
    """Standard deviation of the noise on them."""
    data_seed: int = 0
    """Seed of that noise, and of the samples of the quadratic."""
    runs: Count = 100_000
    """Runs of SGD per setting on the quadratic, in blocks of 500."""
    burn_in: Count = 150
    """Steps from the minimum before the weights count."""
    steps: Count = 100
    """Steps whose weights count."""
    relative_rates: Annotated[Numbers, LEVEL, Ordered()] = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    """Learning rates over the largest stable one, which is 2 for additive noise, more with momentum, and 2/(1 + 2/B)
    for regression on mini-batches; where the stationary variance is measured."""
    tail_rates: Annotated[Numbers, POSITIVE, Ordered()] = (0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15)
    """The same, where the tails of regression are measured: on both sides of 1."""
    momentum: Annotated[float, Domain(0, 1, "[)")] = 0.9
    """Of the heavy ball."""
    regression_sizes: Annotated[Integers, Domain(1, 2**31 - 2, whole=True), Ordered()] = (2, 10)
    """Mini-batch sizes of regression."""
    sample_sizes: Annotated[Integers, Ordered()] = (5, 15)
    """Samples drawn without replacement for the mean squared distance to them."""
    samples: Count = 20
    """Of how many."""


PRESETS = {
    "quick": Config(
        draws=100_000,
        refit_sizes=(8, 10, 14, 40, 100),
        runs=100_000,
        burn_in=100,
        steps=50,
        relative_rates=(0.1, 0.3, 0.5, 0.7, 0.9),
        tail_rates=(0.85, 0.95, 1.05, 1.15),
        regression_sizes=(2,),
        sample_sizes=(5,),
    ),
    "laptop": Config(),
    "paper": Config(
        draws=4_000_000,
        refit_sizes=(7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 20, 25, 30, 35, 40, 50, 60, 70, 80, 90, 100),
        runs=1_000_000,
        regression_sizes=(1, 2, 5, 10, 30),
        sample_sizes=(1, 5, 10, 15, 19),
    ),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Count the errors of refitted gradients, enumerate the refits of a small problem, and run SGD on a quadratic.

    Returns:
        Dataset over `batch_size` and `weight` of the sizes of the error of a refitted gradient: `error_count` in each
        bin of `size` (lower edges), `typical_error` (the median squared error) beside `typical_law`, its law, of which
        `typical_constant` is the factor that depends on the weight; the tail exponent `error_exponent`; and the
        `largest_error` of all weights. What is estimated has its 95 % interval beside it: over `part`, see `PARTS`.

        Of the refits to `subset_size` of the eleven points of the tutorial, all `subsets` enumerated: `volume_gap` and
        `plain_gap`, distances of their average with and without volume weights from the full fit, over its length.

        Of SGD on a quadratic of curvature 1 and noise of variance 1, over `setting` and `relative_rate`: `variance`,
        with `variance_error` (one standard error over the blocks of runs), `exact_variance` and `diffusion_variance`,
        what theory says in discrete and in continuous time; and the edge of stability, `threshold`. Of regression, over
        `regression_size` and `tail_rate`: `tail`, the tail exponent of the stationary weights, and `exact_tail`. The
        exact tail exponent over `setting` and `relative_rate` is `exact_exponent`, infinite without mini-batch
        regression.

        Numbers behind them: `draws`, `runs`, the `population` of points and the `degree` of the refits.
    """
    _check(config)
    refits = _measure_refits(config, store, progress)
    stores = [jr.study.beside(store, part) for part in ("additive", "regression")]
    return refits.assign(_enumerate()).assign(_measure_quadratics(config, stores, progress))


def _check(config: Config) -> None:
    check_settings(config)
    for size in config.refit_sizes:
        remedy = f"A refit of degree {DEGREE} needs {DEGREE + 1} points, of {config.points} that there are"
        check_integer("refit_sizes", size, DEGREE + 1, config.points, remedy)
    for size in config.sample_sizes:
        check_integer("sample_sizes", size, 1, config.samples - 1, f"There are {config.samples} samples")


def _measure_refits(config: Config, store: str | Path | None, progress: bool) -> xr.Dataset:
    tutorial = sgd_landscape.Config(points=config.points, noise=config.noise, data_seed=config.data_seed)
    x, y = sgd_landscape.make_data(tutorial)
    sizes, weights = np.array(config.refit_sizes), np.array(config.weights)
    constant = typical_refit_error(x, y, DEGREE, LARGE_SIZE, weights) / refit_law(LARGE_SIZE, config.points, DEGREE)
    counted = jr.sweep(
        noise_runs.count_errors,
        {"block": jr.seeds(-(-config.draws // DRAWS)), "batch_size": jr.static(sizes.tolist())},
        args=({size: landscape.refit_gradient(x, y, DEGREE, size) for size in sizes.tolist()}, weights),
        dims={"error_count": {"weight": weights, "size": EDGES[:-1]}},
        store=store,
        x64=True,  # the draws are the same, and the wild refits exact
        progress=progress,
    )
    count = counted["error_count"].sum("block", dtype=np.int64)
    medians = [size**2 for size in noise_runs.median_size(count.values)]
    exponents = noise_runs.tail_exponent(count.values, TAIL_SHARE)
    cells = ("batch_size", "weight")
    return xr.Dataset(
        {
            "error_count": count,
            "largest_error": counted["largest_error"].max("block"),
            "typical_law": (cells, typical_refit_error(x, y, DEGREE, sizes, weights)),
            "typical_constant": ("weight", constant),
            "typical_error": (("part", *cells), medians),
            "error_exponent": (("part", *cells), np.stack(exponents)),
            "draws": counted.sizes["block"] * DRAWS,
            "population": config.points,
            "degree": DEGREE,
        },
        {"part": list(PARTS)},
        counted.attrs,
    )


def _enumerate() -> xr.Dataset:
    """The averages over all refits to the points of the tutorial, for every number of them."""
    x, y = (np.array(part) for part in landscape.T2_POINTS)
    sizes = np.arange(SMALL_DEGREE + 1, len(x) + 1)
    averages = [average_refits(x, y, SMALL_DEGREE, int(size)) for size in sizes]

    def gaps(name: str) -> tuple[str, list[float]]:
        found = [np.linalg.norm(getattr(one, name) - one.full) / np.linalg.norm(one.full) for one in averages]
        return "subset_size", [float(gap) for gap in found]

    counts = [one.subsets for one in averages]
    return xr.Dataset(
        {"volume_gap": gaps("weighted"), "plain_gap": gaps("plain"), "subsets": ("subset_size", counts)},
        {"subset_size": sizes},
    )


def _measure_quadratics(config: Config, stores: list[str | None], progress: bool) -> xr.Dataset:
    samples = np.random.default_rng(config.data_seed).normal(size=config.samples)
    samples = (samples - samples.mean()) / samples.std()
    noisy = landscape.noisy_gradient(landscape.QUADRATIC, noise=1.0)
    edge = 2 * (1 + config.momentum)
    additive = {"additive noise": Quadratic(noisy, 2.0, None)}
    additive |= {f"heavy ball, β = {config.momentum:g}": Quadratic(noisy, edge, config.momentum)}
    for size in config.sample_sizes:
        name = f"{size} of {config.samples} samples"
        additive[name] = Quadratic(landscape.location_gradient(samples, size), 2.0, None)
    regression = {
        size: Quadratic(landscape.regression_gradient(1.0, size), theory.stability_threshold(size), None)
        for size in config.regression_sizes
    }
    rates, tail_rates = np.unique(config.relative_rates), np.unique(config.tail_rates)
    blocks = jr.seeds(-(-config.runs // RUNS))

    def measure(quadratics: Any, rates: np.ndarray, store: str | None) -> xr.Dataset:
        over_rates = {"relative_rate": rates}
        return jr.sweep(
            partial(noise_runs.settle, burn_in=config.burn_in, steps=config.steps),
            {"block": blocks, "setting": jr.static(list(quadratics))},
            args=(quadratics, rates.astype(np.float32)),
            dims={"mean_square": over_rates, "count": over_rates | {"size": EDGES[:-1]}},
            store=store,
            progress=progress,
        )

    plain = measure(additive, rates, stores[0])
    tailed = measure(regression, np.union1d(rates, tail_rates), stores[1])
    named = tailed.assign_coords(setting=[f"regression, B = {size}" for size in config.regression_sizes])
    # Beyond the edge of stability the mean square grows with the runs; it is asked for below that only.
    both = xr.concat([plain["mean_square"], named["mean_square"].sel(relative_rate=rates)], "setting").to_dataset()
    summary = mean(both, "mean_square", dim="block")
    count = tailed["count"].sum("block", dtype=np.int64).sel(relative_rate=tail_rates)
    count = count.transpose("setting", "relative_rate", "size")
    exponents = noise_runs.tail_exponent(count.values, TAIL_SHARE)
    edges = [float(one.threshold) for one in (*additive.values(), *regression.values())]
    cells, tail_cells = ("setting", "relative_rate"), ("regression_size", "tail_rate")
    spread = both["mean_square"].std("block", ddof=1)
    return xr.Dataset(
        {
            "variance": summary[list(PARTS)].to_array("part"),
            "variance_error": spread / np.sqrt(summary["n"]),
            "threshold": ("setting", edges),
            **{name: (cells, values) for name, values in _exact_variances(config, rates).items()},
            "tail": (("part", *tail_cells), np.stack(exponents)),
            "exact_tail": (tail_cells, [_tail_indices(size, tail_rates) for size in regression]),
            "runs": both.sizes["block"] * RUNS,
        },
        {"regression_size": list(regression), "tail_rate": tail_rates},
    )


def _exact_variances(config: Config, rates: np.ndarray) -> dict[str, np.ndarray]:
    """Of every setting: the stationary variance in discrete time, that of the diffusion, and the tail exponent."""
    rows, kinds = [], [(0.0, 1.0), (config.momentum, 1.0)]
    kinds += [(0.0, float(theory.gradient_variance(1.0, size, config.samples))) for size in config.sample_sizes]
    for momentum, variance in kinds:
        rate = 2 * (1 + momentum) * rates
        exact = theory.stationary_variance(rate, 1.0, variance, momentum)
        rows.append((exact, rate / (1 - momentum) * variance / 2, np.full(len(rates), np.inf)))
    for size in config.regression_sizes:
        rate = theory.stability_threshold(size) * rates
        rows.append((theory.regression_variance(rate, 1.0, size), rate / (2 * size), _tail_indices(size, rates)))
    names = ("exact_variance", "diffusion_variance", "exact_exponent")
    return {name: np.stack(parts) for name, parts in zip(names, zip(*rows, strict=True), strict=True)}


def _tail_indices(size: int, rates: np.ndarray) -> np.ndarray:
    """Tail exponents of regression at these rates over the edge of its stability."""
    return np.array([theory.tail_index(float(rate), size) for rate in theory.stability_threshold(size) * rates])
