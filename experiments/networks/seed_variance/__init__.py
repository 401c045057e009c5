"""Where does the scatter of accuracy over seeds come from, and how many seeds tell two settings apart?"""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import xarray as xr
from scipy.special import ndtri

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from experiments.networks.seed_variance import variances
from jaxreg.checks import Domain
from jaxreg.study import Above, Below, Claim, Estimate, Inside
from jaxreg.study.settings import Seeds

SETTINGS: dict[str, dict[str, Any]] = {
    variances.BASELINE: {"learning_rate": 0.1, "dropout": 0.5, "l2": 0.0},
    "learning rate 0.08": {"learning_rate": 0.08, "dropout": 0.5, "l2": 0.0},
    "dropout 0.4": {"learning_rate": 0.1, "dropout": 0.4, "l2": 0.0},
    "L2 0.001": {"learning_rate": 0.1, "dropout": 0.5, "l2": 1e-3},
}
FULL_TEST_SET = 10_000


@dataclass(frozen=True, kw_only=True)
class Config(t5.Config):
    """Settings of the study; network and training are those of tutorial T5, tested on all 10,000 images of MNIST."""

    seeds: Annotated[int, Domain(3, ends="[)", whole=True)] = 64
    """Number of runs at each of four similar settings; a seed has the same randomness at all of them."""
    levels: Seeds = 7
    """Number of initial weights, of orders of the batches and of dropout streams, every one with every other."""
    hidden: tuple[int, ...] = t5.HIDDEN
    """Units of each hidden layer."""
    batch_size: int = t5.BATCH_SIZE
    """Images per step."""


PRESETS = {
    "quick": Config(seeds=16, levels=3, hidden=(64, 32)),
    "laptop": Config(),
    "paper": Config(dataset="mnist", seeds=256, levels=12),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """`test_correct`, whether a network gets a test image right, over `setting`, `seed` and `example`; what it means.

    Beside these independent runs, `crossed_accuracy` over `init_seed`, `order_seed` and `dropout_seed`, at the
    tutorial's setting, NaN where a run diverged. From them, in squared percentage points and over `setting`, the
    variance over seeds, `total`, and its parts `bernoulli` and `covariance`, with the interval from `low` to `high`;
    and `seeds_needed`, of either setting, to see a `difference` in percentage points from the tutorial's, by `design`
    ("paired" or "unpaired") and `test_images`.
    """
    data = t5.load_images(config.dataset, test=FULL_TEST_SET if config.dataset == "mnist" else None)
    shared: dict[str, Any] = {"data": data, "record": (), "progress": progress}
    axes = {"setting": jr.cases(SETTINGS), "seed": jr.seeds(config.seeds)}
    runs = t5.train(config, axes, store, learn=learn, dims={"test_correct": ("example",)}, **shared)
    crossing = {source: jr.seeds(config.levels) for source in variances.SOURCES}
    shared |= SETTINGS[variances.BASELINE]
    crossed = t5.train(config, crossing, jr.study.beside(store, "crossed"), learn=score, **shared)
    result = runs.load().assign(crossed_accuracy=crossed["test_accuracy"].where(~crossed["diverged"]))
    needed = variances.tabulate_seeds(result, FULL_TEST_SET)
    return result.assign(variances.split_variances(result)).assign(seeds_needed=needed)


def learn(x_train: Any, y_train: Any, x_test: Any, y_test: Any, *, record: Any, **settings: Any) -> dict[str, Any]:
    """Train the network of T5 and ask it about every test image."""
    options: dict[str, Any] = {"evaluate_train": False, "evaluate_every": settings["epochs"], "return_params": True}
    params = jr.nets.train(x_train, y_train, **settings, **options)["params"]
    logits: Any = jr.nets.MLP(settings["hidden"], classes=10).apply(params, x_test)
    correct = logits.argmax(-1) == y_test
    loss = jr.losses.softmax_cross_entropy(logits, y_test).mean()
    return {"test_correct": correct, "test_accuracy": correct.mean(), "test_loss": loss}


def score(*data: Any, **settings: Any) -> dict[str, Any]:
    """The same with a key for each source, without the single images."""
    scores = learn(*data, **settings)
    return {name: value for name, value in scores.items() if name != "test_correct"}


def _ratio_to_coins(dataset: xr.Dataset) -> Estimate:
    parts = variances.split_variances(dataset).sel(setting=variances.BASELINE)
    ratio, low, high = (float(parts[part] / parts["bernoulli"]) for part in ("total", "low", "high"))
    return Estimate(ratio, (low, high), parts.attrs["n"], "of the coins' variance")


def _seeds_needed(dataset: xr.Dataset, difference: float, images: int | None = None) -> Estimate:
    def needed(runs: np.ndarray) -> float:
        return float(variances.count_seeds(difference, variances.measure_differences(runs, images)[1]))

    return variances.jackknife(needed, variances.list_runs(dataset), "seeds")


def _seeds_for_a_tenth(dataset: xr.Dataset) -> Estimate:
    found = _seeds_needed(dataset, 0.1, FULL_TEST_SET)
    # What is foretold for more images may come out below 0.
    effect, low, high = (max(number, 0.0) for number in (found.effect, *found.interval))
    return Estimate(effect, (low, high), found.n, "seeds")


def _share_when_paired(dataset: xr.Dataset) -> Estimate:
    def share(runs: np.ndarray) -> float:
        paired, unpaired = variances.measure_differences(runs)
        return 100 * paired / unpaired

    return variances.jackknife(share, variances.list_runs(dataset), "% of the seeds")


def _ratio_of_sources(dataset: xr.Dataset) -> Estimate:
    """Ratio of two components, with the interval of its logarithm; where one is not seen, nothing can be said."""
    parts = variances.split_sources(dataset)
    pair = parts.sel(component=list(variances.SOURCES[:2]))
    n = int(parts["n"])
    if not (pair["variance"] > 0).all():
        return Estimate(math.nan, (-math.inf, math.inf), n)
    first, second = (float(variance) for variance in pair["variance"])
    half = float(ndtri(0.5 + variances.LEVEL / 2)) * math.sqrt(((pair["standard_error"] / pair["variance"]) ** 2).sum())
    ratio = first / second
    return Estimate(ratio, (ratio * math.exp(-half), ratio * math.exp(half)), n)


def _share_of_weights(dataset: xr.Dataset) -> Estimate:
    """Share of the component of the initial weights; its error is that of the component."""
    parts = variances.split_sources(dataset)
    mine = parts.sel(component=variances.SOURCES[0])
    total = float(np.maximum(parts["variance"], 0).sum())
    half = 100 * float(ndtri(0.5 + variances.LEVEL / 2) * mine["standard_error"]) / total if total > 0 else math.inf
    share = 100 * float(mine["share"])
    return Estimate(share, (share - half, share + half), int(parts["n"]), "% of the variance")


CLAIMS = (
    Claim(
        "Accuracies scatter over seeds as if every test example were a coin of its own (variance within a factor of 2)",
        "Jordan, Calibrated Chaos (2023)",
        _ratio_to_coins,
        Inside(0.5, 2),
    ),
    Claim(
        "About 32 seeds of each (16 to 64) tell two settings 0.1 points apart, on 10,000 test images",
        "rule of thumb for MNIST",
        _seeds_for_a_tenth,
        Inside(16, 64),
    ),
    Claim(
        "One run of each setting is enough to see a difference of one percentage point",
        "tutorial T5, which compares single runs",
        partial(_seeds_needed, difference=1.0),
        Below(1),
    ),
    Claim(
        "Runs that share their seeds tell two settings apart with fewer seeds than runs that do not",
        "common random numbers: Glasserman and Yao (1992)",
        _share_when_paired,
        Below(100),
    ),
    Claim(
        "Initial weights and the order of the data bring comparable variance (within a factor of 2)",
        "Dodge et al., Fine-Tuning Pretrained Language Models (2020)",
        _ratio_of_sources,
        Inside(0.5, 2),
    ),
    Claim(
        "Fixing the initial weights takes away more than half of the variance",
        "common practice of comparing runs from the same initial weights",
        _share_of_weights,
        Above(50),
    ),
)
