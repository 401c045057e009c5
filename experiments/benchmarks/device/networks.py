"""Tutorial T5's networks in the benchmark of an accelerator: populations, precisions of products, PyTorch."""

import dataclasses
import os
from typing import Any

import jax
import numpy as np

import jaxreg as jr
from experiments.benchmarks.device.sizes import Sizes
from experiments.benchmarks.nets import BASE, sweep_of
from experiments.benchmarks.rivals import time_torch
from experiments.benchmarks.settings import Rows
from experiments.benchmarks.timing import rate, row, time_twice
from jaxreg.datasets import Dataset
from jaxreg.errors import DataError

PRECISIONS = {"float32": "highest", "tensorfloat32": "TF32_TF32_F32", "bfloat16": "BF16_BF16_F32"}
"""Of the products in networks: what JAX calls them, which is recorded with every sweep."""
_PIXELS = 28


def load_images(sizes: Sizes) -> Dataset:
    """MNIST where its files are at hand; else the embedded digits, enlarged to its size, as often as needed."""
    if os.environ.get("JAXREG_DATA"):
        try:
            return jr.datasets.load("mnist", train=sizes.examples, test=sizes.tested)
        except DataError:
            pass
    digits = jr.datasets.load("digits")
    side = int(np.sqrt(digits.x_train.shape[1]))
    places = np.arange(_PIXELS) * side // _PIXELS

    def enlarge(images: Any, count: int) -> np.ndarray:
        large = np.asarray(images).reshape(-1, side, side)[:, places][:, :, places].reshape(-1, _PIXELS**2)
        return np.resize(large, (count, _PIXELS**2))

    return digits._replace(
        x_train=enlarge(digits.x_train, sizes.examples),
        y_train=np.resize(digits.y_train, sizes.examples),
        x_test=enlarge(digits.x_test, sizes.tested),
        y_test=np.resize(digits.y_test, sizes.tested),
    )


def measure_networks(name: str, members: int, sizes: Sizes) -> Rows:
    """A population of tutorial T5's networks: runs and steps per second, shares of products and of bandwidth.

    The bytes counted are those that no program can spare once a population has left the caches: every weight is read
    for the forward and the backward pass, and read and written by the step.
    """
    recipe, data = dataclasses.replace(BASE, epochs=sizes.epochs), load_images(sizes)
    result, times = time_twice(sweep_of(recipe, data, members))
    weights = sum(a * b + b for a, b in recipe.layers(data))
    steps, speed = recipe.steps(data), members / times["seconds"]
    accuracy = result["accuracy"].values[:, 0, -1]
    more = {"operations_per_second": recipe.operations(data) * speed, "bytes_per_second": 16 * weights * steps * speed}
    note = f"{steps * speed:,.0f} steps/s; accuracy {accuracy.mean():.4f} ± {accuracy.std():.4f}"
    yield rate(name, members, "runs/s", times, note=note, **more)


def measure_precision(precision: str, sizes: Sizes) -> Rows:
    """The accuracy of the same networks with products of less precision, and their rate."""
    recipe = dataclasses.replace(BASE, epochs=sizes.epochs)
    with jax.default_matmul_precision(PRECISIONS[precision]):
        result, times = time_twice(sweep_of(recipe, load_images(sizes), sizes.compared))
    accuracy = 100 * result["accuracy"].values[:, 0, -1]
    note = f"test accuracy {accuracy.mean():.3f} % ± {accuracy.std(ddof=1):.3f} over {sizes.compared} seeds"
    name = f"T5 networks, {sizes.compared}, {precision} products"
    yield rate(name, sizes.compared, "runs/s", times, note=note, accuracies=accuracy.tolist())


def measure_torch_loop(sizes: Sizes) -> Rows:
    """A PyTorch loop on the same device, one network after the other."""
    from experiments.benchmarks.torch_populations import choose_device

    recipe, device = dataclasses.replace(BASE, epochs=sizes.epochs), choose_device()
    theirs = time_torch(recipe, load_images(sizes), sizes.trained, device=device)
    taken, note = float(np.median(theirs.seconds)), f"on {device}; accuracy {theirs.accuracy.mean():.4f}"
    yield row("T5 network, PyTorch loop", 1 / taken, "runs/s", seconds=taken, note=note)


def measure_torch_population(sizes: Sizes) -> Rows:
    """`torch.func.vmap` over stacked networks on the same device."""
    from experiments.benchmarks.torch_populations import choose_device, time_population

    recipe = dataclasses.replace(BASE, epochs=sizes.epochs)
    taken, accuracy = time_population(recipe, load_images(sizes), sizes.functional)
    note = f"on {choose_device()}; accuracy {np.mean(accuracy):.4f}"
    name = f"T5 networks, {sizes.functional:,}, torch.func.vmap"
    yield row(name, sizes.functional / taken, "runs/s", seconds=taken, note=note)
