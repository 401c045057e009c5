"""A convolutional network of Flax as a population, against a PyTorch loop over the same network."""

import functools
import math
import time
from typing import Any

import flax.linen as nn
import numpy as np

import jaxreg as jr
from experiments.benchmarks.rivals import Timed, row_against
from experiments.benchmarks.settings import Rows
from experiments.benchmarks.timing import rate, time_compiled
from jaxreg.datasets import Dataset

_FEATURES, _RATE, _BATCH = (32, 64), 1e-3, 32


class Convolutional(nn.Module):
    """Two convolutions of 3 × 3, each with ReLU and max-pooling, and an affine layer."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        """Logits."""
        for features in _FEATURES:
            x = nn.max_pool(nn.relu(nn.Conv(features, (3, 3))(x)), (2, 2), (2, 2))
        return nn.Dense(10)(x.reshape(x.shape[0], -1))


def measure_convolutions(data: Dataset, members: int, repeats: int, torch: bool) -> Rows:
    """Runs per second of one epoch with Adam, and how many of a PyTorch loop's that is.

    XLA's convolutions are slow within a loop on a CPU; `nets.train` has them as matrix products. About half of a step
    goes into these products, the rest into laying out what they multiply, pooling and Adam.
    """
    side = math.isqrt(data.x_train.shape[1])
    x, x_test = (part.reshape(-1, side, side, 1) for part in (data.x_train, data.x_test))
    train = functools.partial(
        jr.nets.train,
        model=Convolutional(),
        optimizer="adam",
        learning_rate=_RATE,
        batch_size=_BATCH,
        epochs=1,
        record=("test_accuracy",),
    )
    args = (x, data.y_train, x_test, data.y_test)
    ours = functools.partial(jr.sweep, train, {"seed": jr.seeds(members)}, args=args, progress=False)
    result, times = time_compiled(ours, repeats)
    population = rate(f"linen CNN, Adam: population of {members}", members, "runs/s", times)
    yield population
    if torch:
        theirs = np.array([_train_torch(seed, *map(np.asarray, args)) for seed in range(min(members, 2 * repeats))])
        timed, accuracy = Timed(theirs[:, 0], theirs[:, 1], 0.0), result.test_accuracy.values[:, -1]
        yield row_against(
            "  against a PyTorch loop (tensor indexing)", population["value"], accuracy, timed, target=1.5
        )


def _train_torch(seed: int, x: Any, y: Any, x_test: Any, y_test: Any) -> tuple[float, float]:
    """Test accuracy after one epoch, and its seconds; kernels begin as Flax has them, normal with variance 1 / in."""
    import torch
    from torch import nn as layers

    torch.manual_seed(seed)
    images, tested = (torch.from_numpy(np.ascontiguousarray(part.transpose(0, 3, 1, 2))) for part in (x, x_test))
    labels, tested_labels = (torch.from_numpy(part.astype(np.int64)) for part in (y, y_test))
    parts, channels = [], 1
    for features in _FEATURES:
        parts += [layers.Conv2d(channels, features, 3, padding="same"), layers.ReLU(), layers.MaxPool2d(2)]
        channels = features
    pooled = (x.shape[1] // 4) * (x.shape[2] // 4)
    net = layers.Sequential(*parts, layers.Flatten(), layers.Linear(channels * pooled, 10))
    for part in net:
        if hasattr(part, "weight"):
            deviation = part.weight[0].numel() ** -0.5
            layers.init.trunc_normal_(part.weight, 0.0, deviation / 0.8796, -2 * deviation, 2 * deviation)
            layers.init.zeros_(part.bias)
    optimizer = torch.optim.Adam(net.parameters(), lr=_RATE)
    began = time.perf_counter()
    for index in torch.randperm(len(images)).split(_BATCH):
        optimizer.zero_grad()
        layers.functional.cross_entropy(net(images[index]), labels[index]).backward()
        optimizer.step()
    with torch.no_grad():
        right = [
            (net(a).argmax(1) == b).float() for a, b in zip(tested.split(500), tested_labels.split(500), strict=True)
        ]
    return float(torch.cat(right).mean()), time.perf_counter() - began
