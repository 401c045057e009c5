"""A convolutional network of Flax, and the same network in PyTorch."""

import functools
import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import xarray as xr

import jaxreg as jr
from experiments.benchmarks.recipes import Recipe
from jaxreg.datasets import Dataset

_FEATURES = (32, 64)
RECIPE = Recipe(optimizer="adam", learning_rate=1e-3, batch_size=32, epochs=1)


class Convolutional(nn.Module):
    """Two convolutions of 3 × 3, each with ReLU and max-pooling, and an affine layer."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        """Logits."""
        for features in _FEATURES:
            x = nn.max_pool(nn.relu(nn.Conv(features, (3, 3))(x)), (2, 2), (2, 2))
        return nn.Dense(10)(x.reshape(x.shape[0], -1))


def sweep_of(data: Dataset, members: int) -> Callable[[], xr.Dataset]:
    """One epoch with Adam, over seeds.

    XLA's convolutions are slow within a loop on a CPU; `nets.train` has them as matrix products. About half of a step
    goes into these products, the rest into laying out what they multiply, pooling and Adam.
    """
    side = math.isqrt(data.x_train.shape[1])
    x, x_test = (part.reshape(-1, side, side, 1) for part in (data.x_train, data.x_test))
    settings = {name: getattr(RECIPE, name) for name in ("optimizer", "learning_rate", "batch_size", "epochs")}

    def run(*data: Any, seed: Any) -> dict[str, Any]:
        history = jr.nets.train(*data, seed=seed, model=Convolutional(), record=("test_accuracy",), **settings)
        return {"accuracy": history["test_accuracy"]}

    args = (x, data.y_train, x_test, data.y_test)
    return functools.partial(jr.sweep, run, {"seed": jr.seeds(members)}, args=args, progress=False)


def build(recipe: Recipe, features: int, device: Any) -> Any:
    """The same network in PyTorch; kernels begin as Flax has them, normal with variance 1 / in."""
    from torch import nn as layers

    side = math.isqrt(features)
    parts, channels = [layers.Unflatten(1, (1, side, side))], 1
    for maps in _FEATURES:
        parts += [layers.Conv2d(channels, maps, 3, padding="same"), layers.ReLU(), layers.MaxPool2d(2)]
        channels = maps
    net = layers.Sequential(*parts, layers.Flatten(), layers.Linear(channels * (side // 4) ** 2, 10))
    for part in net:
        if hasattr(part, "weight"):
            deviation = part.weight[0].numel() ** -0.5
            layers.init.trunc_normal_(part.weight, 0.0, deviation / 0.8796, -2 * deviation, 2 * deviation)
            layers.init.zeros_(part.bias)
    return net.to(device)
