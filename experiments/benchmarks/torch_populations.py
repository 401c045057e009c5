"""Tutorial T5's networks in PyTorch, stacked with `torch.func`, on the device that it finds."""

import dataclasses
import time
from typing import Any

import numpy as np

from experiments.benchmarks.recipes import Recipe
from experiments.benchmarks.rivals import build_torch
from jaxreg.datasets import Dataset


def choose_device() -> str:
    """The GPU if PyTorch has one, else the CPU."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def time_population(recipe: Recipe, data: Dataset, members: int) -> tuple[float, np.ndarray]:
    """Seconds that `members` networks take at once, after one epoch of warming up, and their accuracies."""
    train_population(dataclasses.replace(recipe, epochs=1), data, members)
    began = time.perf_counter()
    accuracy = train_population(recipe, data, members)
    return time.perf_counter() - began, accuracy


def train_population(recipe: Recipe, data: Dataset, members: int) -> np.ndarray:
    """Test accuracy after the last epoch of stacked networks, as PyTorch's tutorial on model ensembling has it.

    Every network shuffles by itself; plain SGD, sigmoid units and dropout as the recipe says.
    """
    import torch
    from torch import nn
    from torch.func import functional_call, grad, stack_module_state, vmap

    device = torch.device(choose_device())
    x, y, x_test, y_test = (torch.from_numpy(np.array(part)).to(device) for part in data[:4])
    y, y_test = y.long(), y_test.long()

    models = [build_torch(recipe, x.shape[1], device) for _ in range(members)]
    params, buffers = stack_module_state(models)
    params = {name: value.detach() for name, value in params.items()}
    model = models[0].train()
    del models

    def loss(params: Any, images: Any, labels: Any) -> Any:
        return nn.functional.cross_entropy(functional_call(model, (params, buffers), (images,)), labels)

    slope = vmap(grad(loss), randomness="different")
    for _ in range(recipe.epochs):
        order = torch.rand(members, len(x), device=device).argsort(1)
        for index in order.split(recipe.batch_size, 1):
            gradients = slope(params, x[index], y[index])
            params = {name: value - recipe.learning_rate * gradients[name] for name, value in params.items()}
    model.eval()
    with torch.no_grad():
        logits = vmap(lambda params: functional_call(model, (params, buffers), (x_test,)))(params)
        return (logits.argmax(-1) == y_test).float().mean(1).cpu().numpy()
