"""Images predicted from their labels: the exact best predictions, and how good and how sharp any others are."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.penalties.blur.networks import train
from jaxreg.images import gradient_energy


def describe_classes(images: np.ndarray, labels: np.ndarray, classes: int) -> xr.Dataset:
    """Mean and median image of each class, which no other prediction from the label beats, and what they keep.

    The mean minimizes the squared error and the median the absolute error, in each pixel.

    Returns:
        Dataset of `best` over `statistic` ("mean", "median"), `class`, `row`, `column`; of `best_energy`,
        `best_squared_error`, `best_absolute_error` (both per pixel) over `statistic`; of `data_energy`, the gradient
        energy of the images; and of `count` over `class`. In float64.
    """
    counts = np.bincount(labels, minlength=classes)
    weights = counts / counts.sum()
    best, errors, energy = [], [], []
    for label in range(classes):  # one class at a time, as all of MNIST is large in float64
        members = images[labels == label].astype(np.float64)
        pair = np.stack([members.mean(0), np.median(members, axis=0)])
        off = members - pair[:, None]
        best.append(pair)
        errors.append([(off**2).mean((1, 2, 3)), abs(off).mean((1, 2, 3))])
        energy.append(measure_energy(members).mean())
    squared, absolute = np.tensordot(weights, errors, 1)
    pictures = np.stack(best, 1)
    return xr.Dataset(
        {
            "best": (("statistic", "class", "row", "column"), pictures),
            "best_energy": ("statistic", measure_energy(pictures) @ weights),
            "best_squared_error": ("statistic", squared),
            "best_absolute_error": ("statistic", absolute),
            "data_energy": weights @ energy,
            "count": ("class", counts),
        },
        {"statistic": ["mean", "median"], "class": np.arange(classes)},
    )


def measure_energy(images: np.ndarray) -> np.ndarray:
    """Gradient energy of each image, in float64."""
    with jax.enable_x64(True):
        return np.asarray(gradient_energy(jnp.asarray(images, jnp.float64)))


def decode(images: Any, labels: Any, *, decoder: Any, draws: int, **settings: Any) -> dict[str, Any]:
    """Train one decoder from one-hot labels to images (n, pixels); its images of each class, several drawn."""
    streams = jr.randomness.split(decoder, "train", "draw")
    predict = train(streams["train"], labels, images, **settings)
    classes = labels.shape[1]
    drawn = predict(jnp.repeat(jnp.eye(classes), draws, 0), streams["draw"])
    return {"decoded": drawn.reshape(classes, draws, -1)}


def measure_decoders(decoded: np.ndarray, images: np.ndarray, labels: np.ndarray, exact: xr.Dataset) -> dict[str, Any]:
    """Errors per pixel and gradient energies of decoders (…, classes, draws, height, width) on images.

    Of the draws the absolute error takes the first, and the others the average; `exact` describes the same images.
    """
    weights = (exact["count"] / exact["count"].sum()).values
    decoded = decoded.astype(np.float64)
    mean = exact["best"].sel(statistic="mean").values
    # The squared error of any prediction is that of the mean and its own squared distance from the mean.
    beyond = ((decoded - mean[:, None]) ** 2).mean((-2, -1)).mean(-1) @ weights
    absolute = np.zeros(beyond.shape)
    for label, weight in enumerate(weights):
        members = images[labels == label]
        for place in np.ndindex(beyond.shape):
            picture = decoded[place][label, 0].astype(members.dtype)
            absolute[place] += weight * abs(members - picture).mean(dtype=np.float64)
    return {
        "squared_error": beyond + float(exact["best_squared_error"].sel(statistic="mean")),
        "absolute_error": absolute,
        "energy": measure_energy(decoded).mean(-1) @ weights,
    }
