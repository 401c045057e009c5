"""What a user would write instead of a sweep: the same study by hand in JAX, as a PyTorch loop, as a Keras loop."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jaxreg.datasets import Dataset


class Timed(NamedTuple):
    """Test accuracy of each run after its last epoch, and seconds that each run took, compiling apart."""

    accuracy: np.ndarray
    seconds: np.ndarray
    compile_seconds: float


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


def train_torch(data: Dataset, seeds: int, epochs: int, rate: float, batch: int, loader: bool) -> Timed:
    """One PyTorch training per seed, 256-128 sigmoid with dropout 0.5, tested after every epoch.

    With `loader` the batches come from a DataLoader, as in PyTorch's own quickstart; without, from tensor indexing,
    which is faster and rarer.
    """
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    x, y, x_test, y_test = (torch.from_numpy(np.asarray(part)) for part in data[:4])
    y, y_test = y.long(), y_test.long()

    def train_one(seed: int) -> float:
        torch.manual_seed(seed)
        model = nn.Sequential(
            *(nn.Linear(x.shape[1], 256), nn.Sigmoid(), nn.Linear(256, 128), nn.Sigmoid(), nn.Dropout(0.5)),
            nn.Linear(128, 10),
        )
        for layer in model:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        loss_function = nn.CrossEntropyLoss()
        accuracy = 0.0
        for _ in range(epochs):
            model.train()
            for images, labels in batches():
                optimizer.zero_grad()
                loss_function(model(images), labels).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                logits = model(x_test)
                loss_function(logits, y_test).item()
                accuracy = (logits.argmax(1) == y_test).float().mean().item()
        return accuracy

    def batches() -> Any:
        if loader:
            return DataLoader(TensorDataset(x, y), batch_size=batch, shuffle=True)
        order = torch.randperm(len(x))
        return ((x[part], y[part]) for part in order.split(batch))

    began = time.perf_counter()
    train_one(-1 % 2**31)
    warm = time.perf_counter() - began
    result = _time_each(train_one, seeds)
    return result._replace(compile_seconds=max(0.0, warm - float(np.median(result.seconds))))


def train_keras(data: Dataset, seeds: int, epochs: int, rate: float, batch: int) -> Timed:
    """One Keras training per seed, the same network; tracing of each new model is counted as compiling."""
    import os

    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    x, y, x_test, y_test = (np.asarray(part) for part in data[:4])
    accuracies, seconds, compiling = [], [], 0.0

    class Clock(keras.callbacks.Callback):
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
        model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        clock = Clock()
        history = model.fit(
            x, y, batch_size=batch, epochs=epochs, verbose=0, validation_data=(x_test, y_test), callbacks=[clock]
        )
        whole = time.perf_counter() - began
        steady = float(np.median(np.diff(clock.ends)[1:])) * epochs if epochs > 1 else whole
        accuracies.append(history.history["val_accuracy"][-1])
        seconds.append(steady)
        compiling += whole - steady
    return Timed(np.array(accuracies), np.array(seconds), compiling)


def _time_each(train_one: Callable[[int], float], seeds: int) -> Timed:
    accuracies, seconds = [], []
    for seed in range(seeds):
        began = time.perf_counter()
        accuracies.append(train_one(seed))
        seconds.append(time.perf_counter() - began)
    return Timed(np.array(accuracies), np.array(seconds), 0.0)
