"""Why does squared error blur? Means, medians, mixtures and an adversary where several answers fit, tutorial T4."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from experiments.penalties.blur.claims import CLAIMS as CLAIMS
from experiments.penalties.blur.images import decode, describe_classes, measure_decoders
from experiments.penalties.blur.networks import LOSSES, draw_uniform, train
from experiments.penalties.blur.samples import fit_sample, measure_fits
from jaxreg.checks import SHARE, Domain
from jaxreg.datasets import one_hot
from jaxreg.errors import ArgumentError
from jaxreg.images import peak_signal_to_noise
from jaxreg.randomness import random_normals
from jaxreg.study.settings import Count, Numbers, check_settings

DECODERS = tuple(name for name in LOSSES if name != "mixture")
_POINTS = np.linspace(-0.9, 0.9, 19)  # where the networks are asked
_ASKED = 4  # times at each point
_WIDTH = 0.1  # of the noise around each answer
_GAME: dict[str, Any] = {"noise": 2, "smoothness": 0.1, "bounded": False}  # of the adversarial networks of one number
_IMAGE_GAME: dict[str, Any] = {"noise": 16, "smoothness": 1.0, "bounded": True}


@dataclass(frozen=True)
class Config:
    """Settings of the study."""

    dataset: t5.Images = "digits"
    """The 8 × 8 digits that come with jaxreg, or MNIST: all of the training images."""
    samples: int = 500
    """Number of two-humped samples at each separation."""
    sample_size: Annotated[int, Domain(3, 1e6, whole=True)] = 201
    """Values in a sample; odd, so that its median is one number."""
    separations: Annotated[Numbers, Domain(0, 100)] = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
    """Distances of the two humps, in units of their width."""
    mixture_steps: Count = 400
    """Steps of descent of a mixture density on a sample."""
    networks: int = 64
    """Number of networks with one input and two answers, for each loss."""
    upper_shares: Annotated[Numbers, SHARE] = (0.5, 0.7)
    """How often the upper one of the two answers is given."""
    pairs: Annotated[int, Domain(1, 1e6, whole=True)] = 512
    """Pairs of input and answer that a network learns from."""
    network_steps: Count = 1500
    """Steps of their training."""
    network_hidden: tuple[int, ...] = (32, 32)
    """Units of each hidden layer of these networks."""
    decoders: int = 16
    """Number of decoders for each loss."""
    decoder_steps: Count = 2500
    """Steps of their training."""
    decoder_hidden: tuple[int, ...] = (64, 64)
    """Units of each hidden layer of the decoders."""
    draws: Count = 4
    """Images that a decoder is asked for, of each class."""
    batch_size: Count = 64
    """Pairs, or images, per step."""
    learning_rate: Annotated[float, Domain(0, 10)] = 0.003
    """Learning rate of Adam at the first step, which falls to 0 as a cosine."""


PRESETS = {
    "quick": Config(
        samples=40,
        separations=(1.0, 3.0, 6.0),
        networks=6,
        network_steps=600,
        decoders=4,
        decoder_steps=600,
        learning_rate=0.01,
    ),
    "laptop": Config(),
    "paper": Config(
        "mnist",
        samples=5000,
        networks=256,
        decoders=16,
        decoder_steps=10_000,
        decoder_hidden=(256, 256),
        batch_size=128,
    ),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    r"""Fit samples of two humps, train networks with two answers to a question, and decoders from labels to images.

    The networks learn $y = \pm(1 + x/2)$ plus noise of standard deviation 0.1, x even from -1 to 1, the sign random.

    Returns:
        Dataset of

        - over `separation` and `sample`, in units of a hump's width: `value` (over `entry`); `gaussian_centre` and
          `laplace_centre`, where the negative log-likelihoods of a Gaussian and of a Laplace distribution are least,
          and their distances `mean_gap` and `median_gap` from the sample's mean and median; the Gaussian's
          `gaussian_width`; `relative_density`, the density at its centre over that at a hump; `mixture_weight`,
          `mixture_mean`, `mixture_width` (over `component`); `both_found`; and `diverged_samples`;
        - over `upper_share`, `loss` and `network`: `position` (over `point` and `draw`), what it predicts over the
          upper answer (1: the upper one, -1: the lower one); `near` and `between`, the shares within 0.25 of an answer
          and within 0.5 of the middle; and `diverged_networks`;
        - over `decoder_loss` and `decoder`: `image` (over `class`, `image_draw`, `row`, `column`); `squared_error` and
          `absolute_error` per pixel, `energy` and `psnr` in decibels, averages over the training images; and
          `diverged_decoders`;
        - of the training images, what `describe_classes` returns, with `best_psnr`, and `example`, one of each class;
        - as attribute, the `dataset`.
    """
    check_settings(config)
    if config.sample_size % 2 == 0:
        raise ArgumentError("sample_size", config.sample_size, "must be odd", "Add one value, for one median")
    data = jr.datasets.load(config.dataset)
    samples = jr.sweep(
        partial(fit_sample, size=config.sample_size, steps=config.mixture_steps),
        {"separation": np.array(config.separations), "sample": jr.seeds(config.samples)},
        dims={"value": ("entry",)} | {f"mixture_{part}": ("component",) for part in ("weight", "mean", "width")},
        store=jr.study.beside(store, "samples"),
        x64=True,
        progress=progress,
    )
    settings = {"batch_size": config.batch_size, "learning_rate": np.float32(config.learning_rate)}
    networks = jr.sweep(
        partial(answer, pairs=config.pairs, hidden=config.network_hidden, steps=config.network_steps, **settings),
        {
            "upper_share": np.array(config.upper_shares),
            "loss": jr.cases(LOSSES),
            "network": jr.seeds(config.networks),
        },
        dims={"position": {"point": _POINTS, "draw": np.arange(_ASKED)}},
        store=jr.study.beside(store, "networks"),
        progress=progress,
    )
    about = data.about
    decoders = jr.sweep(
        partial(
            decode,
            draws=config.draws,
            hidden=config.decoder_hidden,
            components=0,
            steps=config.decoder_steps,
            **_IMAGE_GAME,
            **settings,
        ),
        {"decoder_loss": jr.cases({name: LOSSES[name] for name in DECODERS}), "decoder": jr.seeds(config.decoders)},
        args=(data.x_train, one_hot(data.y_train, len(about.classes))),
        dims={"decoded": ("class", "image_draw", "pixel")},
        store=store,
        progress=progress,
    )
    position = networks["position"]
    where = {"near": abs(abs(position) - 1) < 0.25, "between": abs(position) < 0.5}
    networks = networks.assign({name: there.mean(("point", "draw")) for name, there in where.items()})
    parts = {"samples": measure_fits(samples), "networks": networks, "decoders": _measure(decoders, data)}
    parts = {name: part.rename(diverged=f"diverged_{name}") for name, part in parts.items()}
    # The losses are named along an axis of each part; what they set is the same and would clash.
    parts = {name: part.drop_vars(set(part.coords) - set(part.indexes)) for name, part in parts.items()}
    return xr.merge(parts.values(), combine_attrs="override").assign_attrs(**t5.describe_data(config.dataset))


def answer(*, network: Any, upper_share: Any, pairs: int, **settings: Any) -> dict[str, Any]:
    """Train one network on questions with two answers; where its predictions lie, in units of the upper answer."""
    streams = jr.randomness.split(network, "which", "noise", "train", "draw")
    x = jnp.linspace(-1, 1, pairs)[:, None]
    upper = draw_uniform(streams["which"], pairs)[:, None] < upper_share
    noise = random_normals(streams["noise"], pairs, 1).T
    y = jnp.where(upper, 1.0, -1.0) * _size(x) + _WIDTH * noise
    predict = train(streams["train"], x, y, components=2, **_GAME, **settings)
    asked = jnp.repeat(jnp.asarray(_POINTS, x.dtype), _ASKED)[:, None]
    return {"position": (predict(asked, streams["draw"]) / _size(asked)).reshape(len(_POINTS), _ASKED)}


def _size(x: Any) -> Any:
    return 1 + x / 2


def _measure(decoders: xr.Dataset, data: Any) -> xr.Dataset:
    """The decoders' images, and how good and sharp they and the best possible ones are."""
    shape = data.about.image_shape
    images = data.x_train.reshape(-1, *shape)
    exact = describe_classes(images, data.y_train, len(data.about.classes))
    over = ("decoder_loss", "decoder")
    decoded = decoders["decoded"].transpose(*over, "class", "image_draw", "pixel").values
    decoded = decoded.reshape(*decoded.shape[:-1], *shape)
    measured = measure_decoders(decoded, images, data.y_train, exact)
    first = [int(np.argmax(data.y_train == label)) for label in exact["class"].values]
    return (
        decoders.drop_vars("decoded")
        .merge(exact)
        .assign({name: (over, values) for name, values in measured.items()})
        .assign(
            image=((*over, "class", "image_draw", "row", "column"), decoded),
            example=(("class", "row", "column"), images[first]),
            psnr=(over, _to_decibels(measured["squared_error"])),
            best_psnr=("statistic", _to_decibels(exact["best_squared_error"].values)),
        )
    )


def _to_decibels(squared_error: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(peak_signal_to_noise(jnp.asarray(squared_error)))
