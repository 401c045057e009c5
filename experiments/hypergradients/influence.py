"""Which training labels are wrong? Digits in order of what each does to a validation loss, against their own loss."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from jaxreg import hypergrad as hg
from jaxreg.checks import Domain
from jaxreg.study import Above, Claim, at, gain, mean
from jaxreg.study.settings import Seeds, check_settings

RANKINGS = ("influence", "loss", "early loss")
"""Influence on the validation loss; an example's own loss after the last epoch, and after a third of them."""
_CLASSES = 10


@dataclass(frozen=True)
class Config:
    """Settings of the study."""

    seeds: Seeds = 32
    """Populations: draws of digits, of what is mislabelled, and of the network's training."""
    train: Annotated[int, Domain(100, 1000, "[]", whole=True)] = 400
    """Digits that are trained on."""
    validation: Annotated[int, Domain(20, 297, "[]", whole=True)] = 200
    """Digits with right labels, whose loss influences are of."""
    wrong: Annotated[float, Domain(0.01, 0.5, "[]")] = 0.1
    """Share of the training labels that are replaced by another one."""
    hidden: Annotated[int, Domain(1, ends="[)", whole=True)] = 32
    """Units of the one hidden layer."""
    epochs: Annotated[int, Domain(1, ends="[)", whole=True)] = 10
    """Passes through the training data, in batches of 32."""
    learning_rate: Annotated[float, Domain(0, ends="()")] = 0.1
    """Of SGD with momentum 0.9."""


PRESETS = {"quick": Config(seeds=12), "laptop": Config(), "paper": Config(seeds=256, train=1000)}


def run(config: Config, **options: Any) -> xr.Dataset:
    """Mislabel some digits, train, rank them, and train again without as many as are mislabelled.

    Returns:
        Dataset over `seed` and `ranking`: `found`, per cent of the mislabelled digits among the first so many per cent
        of all, `looked_at`; `precision`, per cent of mislabelled ones among as many first as there are;
        `test_accuracy` of networks trained without these, and over `seed`, `accuracy_of_all` of one trained with all.
    """
    check_settings(config)
    data = jr.datasets.load("digits")
    shares = 100 * np.arange(1, config.train + 1) / config.train
    ranking = {"ranking": list(RANKINGS)}
    given = {"train": config.train, "validation": config.validation, "mislabelled": round(config.wrong * config.train)}
    given |= {"hidden": config.hidden, "epochs": config.epochs}
    result = jr.sweep(
        partial(rank, **given, learning_rate=config.learning_rate),
        {"seed": jr.seeds(config.seeds)},
        args=data[:4],
        dims={
            "found": ranking | {"looked_at": shares},
            "precision": ranking,
            "test_accuracy": ranking,
        },
        **options,
    ).load()
    for name, words in _WORDS.items():
        result[name].attrs.update(units="%", long_name=words)
    return result.assign_attrs(wrong=100 * given["mislabelled"] / config.train)


_WORDS = {
    "looked_at": "digits looked at",
    "found": "mislabelled digits found",
    "precision": "mislabelled among the first",
    "test_accuracy": "test accuracy without the first",
    "accuracy_of_all": "test accuracy with all",
}


def mislabel(key: Any, y: Any, count: int) -> tuple[Any, Any]:
    """The labels, of which `count` at random are another one, and which."""
    keys = jax.random.split(key)
    wrong = jnp.argsort(jax.random.uniform(keys[0], y.shape)) < count
    shift = jax.random.randint(keys[1], y.shape, 1, _CLASSES, y.dtype)
    return jnp.where(wrong, (y + shift) % _CLASSES, y), wrong


def rank(
    images: Any, labels: Any, x_test: Any, y_test: Any,
    *, seed: Any, train: int, validation: int, mislabelled: int, hidden: int, epochs: int, learning_rate: float,
) -> dict[str, Any]:  # fmt: skip
    """One population: who is found by each ranking, and what to leave them out is worth."""
    keys = jr.randomness.split(seed, "digits", "labels", "training")
    chosen = jax.random.permutation(keys["digits"], len(images))[: train + validation]
    x, y = images[chosen[:train]], labels[chosen[:train]]
    held = images[chosen[train:]], labels[chosen[train:]]
    y, wrong = mislabel(keys["labels"], y, mislabelled)
    model = jr.nets.MLP((hidden,), _CLASSES, "tanh")
    options: dict[str, Any] = {"model": model, "learning_rate": learning_rate, "optimizer": "momentum"}
    follow = partial(jr.nets.train, x, y, x_test, y_test, seed=keys["training"], **options)

    def loss_after(passes: int) -> Any:
        params = follow(epochs=passes, evaluate_every=passes, return_params=True)["params"]
        logits: Any = model.apply(params, x)
        return jr.losses.softmax_cross_entropy(logits, y)

    training = hg.Training(x, y, *held, seed=keys["training"], options=options | {"epochs": epochs})
    scores = jnp.stack([hg.influence(training).influence, loss_after(epochs), loss_after(max(1, epochs // 3))])
    order = jnp.argsort(-scores, axis=1)
    hits = jnp.cumsum(wrong[order], axis=1)
    left = jnp.ones(scores.shape).at[jnp.arange(len(RANKINGS))[:, None], order[:, :mislabelled]].set(0)

    def accuracy(weight: Any) -> Any:
        record: dict[str, Any] = {"record": ("test_accuracy",), "epochs": epochs, "evaluate_every": epochs}
        return 100 * follow(sample_weight=weight, **record)["test_accuracy"][-1]

    accuracies = jax.lax.map(accuracy, jnp.concatenate([jnp.ones((1, train)), left]))
    return {
        "found": 100 * hits / mislabelled,
        "precision": 100 * hits[:, mislabelled - 1] / mislabelled,
        "test_accuracy": accuracies[1:],
        "accuracy_of_all": accuracies[0],
    }


def _against(name: str, other: str) -> Any:
    return gain(name, "ranking", "influence", other)


_KOH = "Koh and Liang, Understanding black-box predictions via influence functions, ICML 2017"

CLAIMS = (
    Claim(
        "Most of the first examples by influence are mislabelled (of as many as there are)",
        _KOH,
        mean("precision", runs=partial(at, ranking="influence")),
        Above(50),
    ),
    Claim(
        "Influence finds mislabelled examples better than their own training loss",
        _KOH,
        _against("precision", "loss"),
        Above(0),
    ),
    Claim(
        "It finds them better than their loss early in the training, before the network has learned them by heart",
        "Arpit et al., A closer look at memorization in deep networks, ICML 2017, says that loss does well then",
        _against("precision", "early loss"),
        Above(0),
    ),
    Claim(
        "A network that is trained without the first by influence is more accurate than one trained with all",
        _KOH,
        mean(
            lambda runs: runs["test_accuracy"] - runs["accuracy_of_all"],
            runs=partial(at, ranking="influence"),
            unit="percentage points",
        ),
        Above(0),
    ),
    Claim(
        "It is more accurate than one trained without the first by early loss",
        "follows from the claims above",
        _against("test_accuracy", "early loss"),
        Above(0),
    ),
)
