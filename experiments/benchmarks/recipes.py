"""Recipes for training a network, told once for jaxreg and for the rivals that follow them too."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

import jaxreg as jr
from jaxreg.datasets import Dataset
from jaxreg.nets import Augmentation


@dataclass(frozen=True)
class Recipe:
    """A network and its training; the penalties have the scales of `jaxreg.nets.train`."""

    hidden: tuple[int, ...] = (256, 128)
    activation: str = "sigmoid"
    dropout: tuple[float, ...] = ()
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    batch_size: int = 32
    epochs: int = 3
    l1: float = 0.0
    l2: float = 0.0
    max_norm: float = math.inf
    rotation: float = 0.0
    shift: float = 0.0

    @property
    def is_augmented(self) -> bool:
        """Whether images are turned or shifted."""
        return bool(self.rotation or self.shift)

    def layers(self, data: Dataset) -> list[tuple[int, int]]:
        """Inputs and units of each layer, the last of which tells ten classes apart."""
        return list(itertools.pairwise((data.x_train.shape[1], *self.hidden, 10)))

    def steps(self, data: Dataset) -> int:
        """Steps of one training."""
        return self.epochs * -(-len(data.x_train) // self.batch_size)

    def operations(self, data: Dataset) -> float:
        """Multiply-adds times two that one training needs: no gradient for the inputs of the first layer."""
        forward, *later = (a * b for a, b in self.layers(data))
        whole = forward + sum(later)
        return 2.0 * self.epochs * ((2 * whole + sum(later)) * len(data.x_train) + whole * len(data.x_test))


def learn(recipe: Recipe, **more: Any) -> Callable[..., dict[str, Any]]:
    """The run of a sweep that follows the recipe: the test accuracy after each epoch, for a seed and learning rate."""
    settings: dict[str, Any] = {name: getattr(recipe, name) for name in ("hidden", "activation", "optimizer", "epochs")}
    given = {"l1": recipe.l1, "l2": recipe.l2, "max_norm": None if math.isinf(recipe.max_norm) else recipe.max_norm}
    settings |= {name: value for name, value in given.items() if value}
    settings |= {"dropout": tuple(rate or None for rate in recipe.dropout) or None, "batch_size": recipe.batch_size}
    if recipe.is_augmented:
        settings["augmentation"] = Augmentation(rotation=recipe.rotation or None, shift=recipe.shift or None)

    def run(*data: Any, seed: Any, learning_rate: Any) -> dict[str, Any]:
        history = jr.nets.train(
            *data, seed=seed, learning_rate=learning_rate, **({"evaluate_train": False} | settings | more)
        )
        kept = {"accuracy": history["test_accuracy"]}
        if "best_params" in history:  # told in one number each, which keeps them from being left out
            norms = [jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(history["best_params"])]
            kept |= {"best_norm": sum(norms, jnp.zeros(())), "best_epoch": history["best_epoch"]}
        return kept

    return run
