"""What a user would write instead of a sweep: the same study by hand in JAX, as a PyTorch loop, as a Keras loop."""

import itertools
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.stats
import xarray as xr
from jax.sharding import Mesh, PartitionSpec

from experiments.benchmarks.recipes import Recipe
from experiments.benchmarks.settings import Rows
from experiments.benchmarks.timing import rate, row, time_compiled
from jaxreg.datasets import Dataset


class Timed(NamedTuple):
    """Test accuracy of each run after its last epoch, and seconds that each run took, compiling apart."""

    accuracy: np.ndarray
    seconds: np.ndarray
    compile_seconds: float


Loops = dict[str, tuple[float | None, Callable[[], Timed]]]
"""What each rival is called, how many times as fast the population is to be, and its trainings."""


def measure_population(
    name: str,
    call: Callable[[], xr.Dataset],
    members: int,
    repeats: int,
    loops: Loops,
    products: tuple[float, float, float] | None = None,
    steps: int | None = None,
) -> Rows:
    """How many networks `call` trains a second, how many times that is a loop's, and whether both learn as well.

    With `steps` of one training, these are counted; with `products`, the share of the fastest matrix product that is
    reached: operations of one training, those a second of the product, and the least share.
    """
    result, times = time_compiled(call, repeats)
    accuracy = result.accuracy.values.reshape(members, -1)[:, -1]
    speed = members / times["seconds"]
    unit = "runs/s" if steps is None else "steps/s"
    yield rate(f"{name}: population of {members}", members * (steps or 1), unit, times)
    if products is not None:
        work, limit, least = products
        yield row("  of the best matrix-product rate", speed * work / limit, "share", target=least)
    for rival, (target, train) in loops.items():
        theirs = train()
        taken = float(np.median(theirs.seconds))
        p = scipy.stats.mannwhitneyu(accuracy, theirs.accuracy).pvalue
        note = f"test accuracy {accuracy.mean():.4f} and {theirs.accuracy.mean():.4f}, p = {p:.2f}"
        more = {"rival_seconds": taken, "rival_compile_seconds": theirs.compile_seconds}
        yield row(f"  against a {rival}", speed * taken, "x", target=target, note=note, **more)


def map_by_hand(run: Callable[..., Any], args: tuple[Any, ...], *, nested: bool, mesh: Mesh) -> Callable[..., Any]:
    """`run` over keys and learning rates as a careful user of JAX writes it: vmap, shard_map over the keys, jit.

    With `nested` over all rates, so that what depends on the key alone is shared; without, for a single rate, one key
    after the other on each device, which is the fastest for a network on a CPU.
    """

    def cells(args: Any, keys: Any, rates: Any) -> Any:
        if nested:
            return jax.vmap(lambda key: jax.vmap(lambda rate: run(*args, seed=key, learning_rate=rate))(rates))(keys)
        return jax.lax.map(lambda key: run(*args, seed=key, learning_rate=rates[0]), keys)

    split, whole = PartitionSpec(mesh.axis_names[0]), PartitionSpec()
    program = jax.jit(jax.shard_map(cells, mesh=mesh, in_specs=(whole, split, whole), out_specs=split, check_vma=False))
    return lambda keys, rates: program(args, keys, rates)


def build_torch(recipe: Recipe, features: int, device: Any) -> Any:
    """The recipe's network in PyTorch, with Glorot's initial weights."""
    from torch import nn

    activation = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}[recipe.activation]
    sizes, parts = (features, *recipe.hidden), []
    for layer, (inputs, units) in enumerate(itertools.pairwise(sizes)):
        parts += [nn.Linear(inputs, units), activation()]
        if recipe.dropout and recipe.dropout[layer]:
            parts.append(nn.Dropout(recipe.dropout[layer]))
    model = nn.Sequential(*parts, nn.Linear(sizes[-1], 10)).to(device)
    for part in model:
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
    return model


def train_torch(
    recipe: Recipe, data: Dataset, loader: bool = False, device: str = "cpu", build: Callable[..., Any] = build_torch
) -> Callable[[int], np.ndarray]:
    """The same recipe as a PyTorch loop on a device of PyTorch: from a seed to the test accuracy after each epoch.

    With `loader` the batches come from a DataLoader, as in PyTorch's own quickstart; without, from tensor indexing,
    which is faster and rarer. `build` makes the network.
    """
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    x, y, x_test, y_test = (torch.from_numpy(np.array(part)).to(device) for part in data[:4])
    y, y_test = y.long(), y_test.long()
    optimizers = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}

    def batches() -> Any:
        if loader:
            return DataLoader(TensorDataset(x, y), batch_size=recipe.batch_size, shuffle=True)
        return ((x[part], y[part]) for part in torch.randperm(len(x), device=device).split(recipe.batch_size))

    def change(images: Any) -> Any:
        side = math.isqrt(images.shape[1])
        count = len(images)
        angle = torch.deg2rad((2 * torch.rand(count) - 1) * recipe.rotation)
        move = (2 * torch.rand(count, 2) - 1) * recipe.shift * 2 / side
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).reshape(count, 2, 2)
        grid = nn.functional.affine_grid(
            torch.cat([turn, move[:, :, None]], 2), [count, 1, side, side], align_corners=False
        )
        return nn.functional.grid_sample(images.reshape(count, 1, side, side), grid, align_corners=False).flatten(1)

    def train_one(seed: int) -> np.ndarray:
        torch.manual_seed(seed)
        model = build(recipe, x.shape[1], device)
        kernels = [parameter for parameter in model.parameters() if parameter.ndim == 2]
        optimizer = optimizers[recipe.optimizer](model.parameters(), lr=recipe.learning_rate)
        loss_function = nn.CrossEntropyLoss()
        accuracy = []
        for _ in range(recipe.epochs):
            model.train()
            for images, labels in batches():
                optimizer.zero_grad()
                loss = loss_function(model(change(images) if recipe.is_augmented else images), labels)
                if recipe.l2:
                    loss = loss + recipe.l2 / 2 * sum((kernel * kernel).sum() for kernel in kernels)
                if recipe.l1:
                    loss = loss + recipe.l1 * sum(kernel.abs().sum() for kernel in kernels)
                loss.backward()
                optimizer.step()
                if recipe.max_norm < math.inf:
                    with torch.no_grad():
                        for kernel in kernels:
                            kernel.copy_(torch.renorm(kernel, 2, 0, recipe.max_norm))
            model.eval()
            with torch.no_grad():
                logits = model(x_test)
                loss_function(logits, y_test).item()
                accuracy.append((logits.argmax(1) == y_test).float().mean().item())
        return np.array(accuracy)

    return train_one


def time_torch(recipe: Recipe, data: Dataset, seeds: int, **how: Any) -> Timed:
    """One PyTorch training per seed; what the first call takes more than the others counts as compiling."""
    train_one = train_torch(recipe, data, **how)
    began = time.perf_counter()
    train_one(-1 % 2**31)
    warm = time.perf_counter() - began
    curves, seconds = [], []
    for seed in range(seeds):
        began = time.perf_counter()
        curves.append(train_one(seed))
        seconds.append(time.perf_counter() - began)
    return Timed(np.array(curves)[:, -1], np.array(seconds), max(0.0, warm - float(np.median(seconds))))


def train_keras(recipe: Recipe, data: Dataset, seeds: int) -> Timed:
    """One Keras training per seed, the same network; tracing of each new model is counted as compiling."""
    import os

    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    x, y, x_test, y_test = (np.asarray(part) for part in data[:4])
    epochs = recipe.epochs
    accuracies, seconds, compiling = [], [], 0.0

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        """The time at the end of every epoch."""

        def __init__(self) -> None:
            super().__init__()
            self.ends = [time.perf_counter()]

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.ends.append(time.perf_counter())

    for seed in range(seeds):
        keras.utils.set_random_seed(seed)
        began = time.perf_counter()
        model = keras.Sequential(
            [
                keras.Input((x.shape[1],)),
                keras.layers.Dense(256, "sigmoid"),
                keras.layers.Dense(128, "sigmoid"),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(10, "softmax"),
            ]
        )
        model.compile(
            keras.optimizers.SGD(recipe.learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        clock = Clock()
        history = model.fit(
            x,
            y,
            batch_size=recipe.batch_size,
            epochs=epochs,
            verbose=0,
            validation_data=(x_test, y_test),
            callbacks=[clock],
        )
        whole = time.perf_counter() - began
        steady = float(np.median(np.diff(clock.ends)[1:])) * epochs if epochs > 1 else whole
        accuracies.append(history.history["val_accuracy"][-1])
        seconds.append(steady)
        compiling += whole - steady
    return Timed(np.array(accuracies), np.array(seconds), compiling)
