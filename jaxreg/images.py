"""Measures of images: how much detail they have, and how far they are from others."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Real

from jaxreg.checks import POSITIVE, Domain, read_floats
from jaxreg.errors import ArgumentError

Images = Real[Array | np.ndarray, "*batch height width"] | Bool[Array | np.ndarray, "*batch height width"]


def gradient_energy(images: Images) -> Float[Array, "*batch"]:
    r"""Sum of the squared differences of neighbouring pixels, $\|\nabla y\|^2$: large for sharp images.

    $\nabla y$ holds $y_{i+1,j} - y_{i,j}$ and $y_{i,j+1} - y_{i,j}$ of all neighbours inside of the image. As it is
    linear, images y of a class x obey $E\|\nabla y\|^2 = E\|\nabla E[y|x]\|^2 + E\,\mathrm{tr\,Var}(\nabla y|x)$: their
    average has less energy than they have, by what they differ in.

    Args:
        images: $y$, at least one pixel high and wide; bytes and other integers count as the numbers they are.

    Returns:
        One value per image, in squared units of a pixel.

    Raises:
        ArgumentError: images without pixels, or no arrays of numbers of two dimensions or more.

    >>> gradient_energy(jnp.array([[0.0, 1.0], [0.0, 3.0]]))
    Array(14., dtype=float32)
    """
    pixels = read_floats("images", images)  # differences of bytes would wrap
    if pixels.ndim < 2 or 0 in pixels.shape[-2:]:
        raise ArgumentError("images.shape", pixels.shape, "must have pixels", "Give images of one pixel or more")
    down, across = jnp.diff(pixels, axis=-2), jnp.diff(pixels, axis=-1)
    return (down**2).sum((-2, -1)) + (across**2).sum((-2, -1))


def peak_signal_to_noise(
    mean_squared_error: float | Real[Array | np.ndarray, "*shape"], peak: float = 1.0
) -> Float[Array, "*shape"]:
    r"""Peak signal-to-noise ratio of a prediction, $10 \log_{10}(p^2 / \mathrm{MSE})$ with $p$ = `peak`.

    Args:
        mean_squared_error: MSE, over the pixels of one image or of many, in squared units of a pixel.
        peak: the largest value that a pixel can have.

    Returns:
        Decibels; infinite where there is no error.

    Raises:
        ArgumentError: `peak` is not positive, or a negative error.

    >>> peak_signal_to_noise(jnp.array([0.1, 0.01]))
    Array([10., 20.], dtype=float32)
    """
    POSITIVE.check("peak", peak, "Give the value of the brightest possible pixel", jnp.float32)
    Domain(0).check_all("mean_squared_error", mean_squared_error, "Give a mean of squares")
    errors = read_floats("mean_squared_error", mean_squared_error).astype(float)
    return 20 * jnp.log10(jnp.asarray(peak, errors.dtype)) - 10 * jnp.log10(errors)  # a square might overflow
