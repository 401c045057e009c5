"""Populations of networks against PyTorch loops: deep networks, online learning, the cost of options, accuracies."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
import xarray as xr
from jax.sharding import NamedSharding, PartitionSpec

import jaxreg as jr
from experiments.benchmarks import convolutions
from experiments.benchmarks.recipes import Recipe, learn
from experiments.benchmarks.rivals import Loops, measure_population, time_torch, train_torch
from experiments.benchmarks.settings import Config, Rows, load_data
from experiments.benchmarks.timing import Contest, installed, measure, median_seconds, row
from jaxreg.datasets import Dataset
from jaxreg.engine.execute import make_mesh
from jaxreg.nets import Augmentation, EarlyStopping, fit_whitening, stopping

BASE = Recipe(dropout=(0.0, 0.5))
DEEP = Recipe((500,) * 5, "relu", (0.25,) * 5, "adam", 1e-3, batch_size=128, epochs=1)
ONLINE = Recipe(dropout=(0.0, 0.5), learning_rate=0.01, batch_size=1, epochs=1)
_ONLINE_IMAGES = 500
_CONVOLUTIONAL = 16
# Tutorial T3's cases on a network that a loop trains in a second.
_CASE = Recipe((128, 128), "relu", (), "adam", 1e-3, batch_size=128, epochs=5)
_DROPOUT = dataclasses.replace(_CASE, dropout=(0.25, 0.25))
CASES = {
    "baseline": _CASE,
    "L2": dataclasses.replace(_CASE, l2=2e-4),
    "L1": dataclasses.replace(_CASE, l1=1e-4),
    "dropout": _DROPOUT,
    "ZCA": _CASE,
    "ZCA + dropout": _DROPOUT,
    "max-norm": dataclasses.replace(_CASE, max_norm=1.0),
    "augmentation": dataclasses.replace(_CASE, rotation=10.0, shift=2.0),
    "augmentation + dropout": dataclasses.replace(_DROPOUT, rotation=10.0, shift=2.0),
    "early stopping": dataclasses.replace(_CASE, epochs=20),
}
_WHITENED, _STOPPED, _PATIENCE = ("ZCA", "ZCA + dropout"), "early stopping", 1


def measure_nets(config: Config, limit: float) -> Rows:
    """The cost of options, deep networks, online learning, convolutions, and accuracies beside PyTorch's.

    `limit` is the rate of operations of the fastest matrix product.
    """
    data, repeats = load_data(config), config.repeats
    few = data._replace(x_train=data.x_train[:_ONLINE_IMAGES], y_train=data.y_train[:_ONLINE_IMAGES])
    torch = config.torch and installed("torch", "no loops beside populations")

    def loop(target: float, recipe: Recipe, data: Dataset, members: int, **how: Any) -> Loops:
        train = functools.partial(time_torch, recipe, data, min(members, 2 * repeats), **how)
        return {"PyTorch loop (tensor indexing)": (target, train)} if torch else {}

    yield from measure_costs(data, repeats)
    for name, recipe, images, members, target, least in (
        ("5 × 500 network, Adam", DEEP, data, config.deep, 2.5, 0.40),
        ("online learning", ONLINE, few, config.online, 5.0, None),
    ):
        call, loops = sweep_of(recipe, images, members), loop(target, recipe, images, members)
        products = None if least is None else (recipe.operations(images), limit, least)
        yield from measure_population(name, call, members, repeats, loops, products, recipe.steps(images))
    call, members = convolutions.sweep_of(data, _CONVOLUTIONAL), _CONVOLUTIONAL
    loops = loop(1.5, convolutions.RECIPE, data, members, build=convolutions.build)
    yield from measure_population("linen CNN, Adam", call, members, repeats, loops)
    if torch:
        for name, recipe in CASES.items():
            yield from compare_accuracies(name, recipe, data, config.seeds)


def measure_costs(data: Dataset, repeats: int) -> Rows:
    """Time of tutorial T5's network with an option over its time without, measured in turn."""
    plain = dataclasses.replace(BASE, dropout=())
    moves = Augmentation(rotation=10.0, shift=2.0, scale=0.1, shear=5.0)
    rule = EarlyStopping("test_accuracy", patience=100)
    options: dict[str, tuple[float, Recipe, dict[str, Any]]] = {
        "dropout": (1.15, BASE, {}),
        "affine augmentation": (1.5, plain, {"augmentation": moves}),
        "early stopping, best weights kept": (1.05, plain, {"stopping": rule, "return_params": True}),
    }
    members = 2 * jax.local_device_count()
    reference = sweep_of(plain, data, members)
    for name, (target, recipe, more) in options.items():
        name = f"784-256-128-10 network: {name} / plain step"
        call = sweep_of(recipe, data, members, **more)
        yield measure(Contest(name, target, call, reference, is_cost=True), 2 * repeats + 1)


def compare_accuracies(name: str, recipe: Recipe, data: Dataset, seeds: int) -> Rows:
    """Mean test accuracy of a population minus that of a PyTorch loop, in points, and Welch's test of it.

    Where training stops early, both sides stop by the test accuracy: it is the training that is compared.
    """
    few = data._replace(x_train=data.x_train[:2000], y_train=data.y_train[:2000])
    if name in _WHITENED:
        whitening = fit_whitening(few.x_train)
        few = few._replace(x_train=whitening.apply(few.x_train), x_test=whitening.apply(few.x_test))
    curves = sweep_of(recipe, few, seeds)().accuracy.values[:, 0]
    train_one = train_torch(recipe, few)
    their_curves = np.array([train_one(seed) for seed in range(seeds)])
    ends = [stop(each) if name == _STOPPED else each.shape[1] - 1 for each in (curves, their_curves)]
    rows = np.arange(seeds)
    ours, theirs = (100 * each[rows, end] for each, end in zip((curves, their_curves), ends, strict=True))
    p = scipy.stats.ttest_ind(ours, theirs, equal_var=False).pvalue
    note = f"{ours.mean():.2f} and {theirs.mean():.2f} % over {seeds} seeds each"
    yield row(f"accuracy against PyTorch: {name}", abs(ours.mean() - theirs.mean()), "points", target=0.5, note=note)
    yield row("  probability of so large a difference by chance", p, "p", target=0.01)


def stop(curves: np.ndarray) -> np.ndarray:
    """Index of the last epoch of each curve under early stopping, as `jaxreg.nets.stopping` has it."""
    history = xr.Dataset({"accuracy": (("seed", "epoch"), curves)})
    applied = stopping.apply(history, {"rule": EarlyStopping("accuracy", patience=_PATIENCE)})
    return applied["last_epoch"].values[0] - 1


def sweep_of(recipe: Recipe, data: Dataset, members: int, **more: Any) -> Callable[[], xr.Dataset]:
    """The sweep of a recipe over seeds; calling it again does not compile again."""
    axes = {"seed": jr.seeds(members), "learning_rate": [recipe.learning_rate]}
    return functools.partial(jr.sweep, learn(recipe, **more), axes, args=data[:4], progress=False)


def measure_bandwidth(repeats: int) -> float:
    """Bytes per second that the memory of all devices together moves when a large array is scaled."""
    count = 2**26 if jax.default_backend() == "cpu" else 2**29
    mesh = make_mesh(jax.local_devices())
    array = jax.device_put(jnp.ones(count), NamedSharding(mesh, PartitionSpec(mesh.axis_names[0])))
    return 8 * count / median_seconds(functools.partial(jax.jit(lambda x: 1.5 * x), array), repeats)
