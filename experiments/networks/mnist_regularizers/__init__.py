"""Does regularization help a network to identify the digits? Tutorial T3's case study as a paired population."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from experiments.networks.mnist_regularizers.claims import CLAIMS as CLAIMS
from experiments.networks.mnist_regularizers.claims import find_wins
from jaxreg.nets import stopping
from jaxreg.nets.augmentation import Augmentation, augment
from jaxreg.nets.boundary import read_numbers
from jaxreg.nets.whitening import fit_whitening
from jaxreg.study.report import describe
from jaxreg.study.settings import Seeds, check_settings

CURVES = ("validation_loss", "validation_accuracy", "test_loss", "test_accuracy", "zero_fraction")
_SHARE = 0.3
_EPOCHS = {"mnist": 10, "digits": 30}
_BATCH = {"mnist": 32, "digits": 16}
_OFF = {"l2": 0.0, "l1": 0.0, "proximal_l1": 0.0, "max_norm": np.inf}
_SAMPLES = 3


@dataclass(frozen=True)
class Config:
    """Settings of the study; strengths are the tutorial's where it has one, on a smaller network and fewer images."""

    dataset: t5.Images = "digits"
    """The 8 × 8 digits that come with jaxreg, or MNIST, which T3 takes."""
    seeds: Seeds = 32
    """Number of trainings in each case; a seed has the same initial weights, batches and dropout in all of them."""
    train: int | None = None
    """Images for training and validation, 70 and 30 %; by default all digits, or the first 6,000 of MNIST."""
    test: int | None = None
    """Test images; by default all of the digits', or the first 1,000 of MNIST's."""
    hidden: tuple[int, ...] = (128, 128)
    """Units of each ReLU layer; the tutorial has five of 500."""
    epochs: int | None = None
    """Passes through the training images; by default the tutorial's 10, and for the fewer digits 30."""
    batch_size: int | None = None
    """Images per step; the tutorial has 128. By default 32, and for the digits 16, to have more steps."""
    learning_rate: float = 0.001
    """Learning rate of Adam; that of T3 is Keras' default."""
    l2: float = 2e-4
    """Strength α of L2, ½ α Σw²: Keras' l2(1e-4) has no ½."""
    l1: float = 1e-4
    """Strength of L1, α Σ|w|, by subgradients, as in Keras, and by proximal steps."""
    dropout: float = 0.25
    """Share of each hidden layer's outputs that is dropped."""
    max_norm: float = 2.0
    """Largest norm of the incoming weights of a unit."""
    epsilon: float = 0.01
    """What ZCA whitening adds to the variances of pixels from 0 to 1."""
    shift: float = 0.07
    """Largest shift, down and across, as a share of the image's side."""
    rotation: float = 10.0
    """Largest turn, in degrees."""
    scale: float = 0.1
    """Largest change of height and width, as a share."""
    patience: int = 2
    """Epochs without a better validation accuracy after which training stops, as Keras counts."""


PRESETS = {
    "quick": Config(seeds=4, hidden=(32,), epochs=8),
    "laptop": Config(),
    "paper": Config("mnist", 64, train=60_000, test=10_000, hidden=(500,) * 5, batch_size=128),
}
PLANS = {"paper": "hours on two cores, where a chunk alone takes minutes; one H100 takes it in 5 calls (4 GiB)"}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """The `CURVES` over `case`, `seed` and `epoch`, trained on 70 % of the training images, validated on the rest.

    Cases are strengths in three programs, on images as they are, on whitened and on augmented ones: a strength of 0
    gives the very numbers of a training without it. Early stopping needs no training: what it gives is the baseline's
    up to the epoch at which it stops, `last_epoch`, over `seed`; from there on it repeats. `zero_fraction` is the share
    of weights that are exactly 0, in per cent. `sample` holds a random training image as it is, whitened, and thrice
    augmented, over `version`, `row` and `column`; its `label` is an attribute.
    """
    check_settings(config)
    strengths = ("learning_rate", "l2", "l1", "dropout", "max_norm")
    read_numbers(jnp.float32, **{name: getattr(config, name) for name in strengths})
    data = t5.load_images(config.dataset, scale=True, train=config.train, test=config.test)
    x, y, x_validation, y_validation = jr.datasets.split(data.x_train, data.y_train, share=_SHARE, seed=0)
    plain = (x, x_validation, data.x_test)
    whitening = fit_whitening(x, config.epsilon)
    white = tuple(map(whitening.apply, plain))
    rule = stopping.from_keras("val_accuracy", patience=config.patience)
    changes = Augmentation(shift=config.shift * data.about.image_shape[1], rotation=config.rotation, scale=config.scale)
    epochs: Any = _EPOCHS.get(config.dataset) if config.epochs is None else config.epochs
    settings: dict[str, Any] = {"hidden": config.hidden, "epochs": epochs, "learning_rate": config.learning_rate}
    settings["batch_size"] = _BATCH.get(config.dataset) if config.batch_size is None else config.batch_size
    recorded = {"epoch": np.arange(1, epochs + 1)}
    result = jr.sweep(
        partial(learn, **settings),
        {"case": jr.cases(make_cases(config, changes)), "seed": jr.seeds(config.seeds)},
        args=({"plain": plain, "whitened": white}, (y, y_validation, data.y_test)),
        dims=dict.fromkeys(CURVES, recorded),
        store=store,
        progress=progress,
    ).load()
    runs = stop_early(result, rule)
    runs["zero_fraction"] = (100 * runs["zero_fraction"]).assign_attrs(units="% of weights")
    runs["last_epoch"].attrs["units"] = "epochs"
    sample = int(np.random.default_rng(0).integers(len(x)))
    pictures = _show(x[sample], whitening.apply(x[sample : sample + 1])[0], changes, data.about.image_shape)
    whole = t5.describe(runs, data, config.dataset).assign(sample=pictures)
    return whole.assign_attrs(label=data.about.classes[y[sample]])


def learn(images: Any, labels: Any, *, inputs: str, dropout: Any, hidden: tuple[int, ...], **settings: Any) -> Any:
    """The curves of one training by Adam, on images of one kind, with the same dropout after each hidden layer."""
    (x, x_validation, x_test), (y, y_validation, y_test) = images[inputs], labels
    history = jr.nets.train(
        *(x, y, x_test, y_test, x_validation, y_validation),
        activation="relu",
        optimizer="adam",
        hidden=hidden,
        dropout=[dropout] * len(hidden),
        evaluate_train=False,
        **settings,
    )
    return {name: history[name] for name in CURVES}


def make_cases(config: Config, changes: Augmentation) -> dict[str, dict[str, Any]]:
    """What each case has on, beside what is off in all."""
    white = {"inputs": "whitened"}
    augmented = {"augmentation": jr.static(changes)}
    dropout = {"dropout": config.dropout}
    on: dict[str, dict[str, Any]] = {
        "baseline": {},
        "L2": {"l2": config.l2},
        "L1": {"l1": config.l1},
        "proximal L1": {"proximal_l1": config.l1},
        "max-norm": {"max_norm": config.max_norm},
        "dropout": dropout,
        "ZCA": white,
        "ZCA + dropout": white | dropout,
        "augmentation": augmented,
        "augmentation + dropout": augmented | dropout,
    }
    off = _OFF | {"dropout": 0.0, "inputs": "plain", "augmentation": jr.static(None)}
    return {name: off | case for name, case in on.items()}


def stop_early(result: xr.Dataset, rule: jr.nets.EarlyStopping) -> xr.Dataset:
    """The same with a case "early stopping", made of the baseline, and the `last_epoch` of each of its runs."""
    baseline = result.sel(case="baseline", drop=True)
    applied = stopping.apply(baseline, {"early stopping": rule}).rename(rule="case")
    goes_on = baseline["epoch"] <= applied["last_epoch"]
    curves = {name: baseline[name].where(goes_on, applied[name].sel(at="last", drop=True)) for name in CURVES}
    stopped = xr.Dataset(curves | {"diverged": applied["diverged"]})
    settings = set(result.coords) - set(result.dims)  # of the trainings, which a rule applied afterwards has none of
    parts = [
        result.drop_vars(settings),
        stopped.drop_vars(settings, errors="ignore").transpose("case", "seed", "epoch"),
    ]
    both = xr.concat(parts, "case", data_vars="minimal")
    return both.assign(last_epoch=applied["last_epoch"].isel(case=0, drop=True)).assign_attrs(result.attrs)


def _show(image: np.ndarray, white: np.ndarray, changes: Augmentation, shape: tuple[int, ...]) -> xr.DataArray:
    """One image as it is, whitened, and augmented some times."""
    changed = np.asarray(jax.jit(augment)(jax.random.key(0), np.stack([image] * _SAMPLES), changes))
    versions = ["original", "whitened", *(f"augmented {number}" for number in range(1, _SAMPLES + 1))]
    pictures = np.stack([image, white, *changed]).reshape(-1, *shape)
    return xr.DataArray(pictures, {"version": versions}, ("version", "row", "column"))


def table(dataset: xr.Dataset) -> str:
    """Accuracies of all cases as a Markdown table: means over seeds, and gains over the baseline, seed by seed."""
    last = t5.last(dataset)
    shown = {"validation, %": "validation_accuracy", "test, %": "test_accuracy", "weights at 0, %": "zero_fraction"}
    columns = {words: jr.stats.mean(last, name, "seed") for words, name in shown.items()}
    columns["gain on test, points"] = jr.stats.paired_difference(last, "test_accuracy", "seed", "case", "baseline")
    columns["seeds with a gain"] = jr.stats.proportion(find_wins(dataset), "better", "seed")
    return jr.stats.table(columns)


def report(dataset: xr.Dataset) -> str:
    """How many runs there are, the table of accuracies, and the dataset."""
    stops = jr.stats.mean(dataset.sel(case="early stopping"), "last_epoch", dim="seed")
    ends = f"Early stopping ends after {float(stops['mean']):.1f} of {dataset.sizes['epoch']} epochs, in the mean."
    return f"{describe(dataset)}\n\n{table(dataset)}\n\n{ends}\n\n{dataset}"
