"""Gradients of squared losses in one weight on real mini-batches: the noise that theory is exact for."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key, Real, UInt32

from jaxreg import randomness, sampling
from jaxreg.checks import NOT_NEGATIVE, check_integer, read_array
from jaxreg.errors import ArgumentError
from jaxreg.landscape import boundary
from jaxreg.landscape.polynomial import Points, Weight, as_float
from jaxreg.randomness import as_normals
from jaxreg.values import register_value

_FAR = 10.0  # half widths from zero at which samples are counted from their middle: one digit of float32
_Scalar = int | float | Real[Array | np.ndarray, ""]


class RegressionBatch(NamedTuple):
    """What the gradient needs of a mini-batch: the mean of x², and that of x times the standardized label noise."""

    curvature: Float[Array, "..."]
    push: Float[Array, "..."]


@register_value("batch_size")
@dataclass(frozen=True)
class RegressionGradient:
    """The gradient of linear regression on fresh mini-batches; made by `regression_gradient`."""

    noise: _Scalar
    batch_size: int

    def __call__(self, key: Key[Array, ""], w: Weight) -> Float[Array, "..."]:
        """The gradient at w on a mini-batch drawn with `key`."""
        return self.at(jax.tree.map(lambda drawn: drawn[0], self.draw(key, 0, 1)), w)

    def draw(self, seed: Key[Array, ""], first: int | Integer[Array, ""], steps: int) -> RegressionBatch:
        """The mini-batches of a block of steps; given the x, the mean of x times label noise is one normal number."""
        return self.read(randomness.random_words(seed, steps, self.words, first))

    @property
    def words(self) -> int:
        """One for each x, and one for the label noise: see `WordGradient`."""
        return self.batch_size + 1

    def read(self, words: UInt32[Array, "words *steps"]) -> RegressionBatch:
        """The mini-batches from their words: see `WordGradient`."""
        drawn = as_normals(words)
        curvature = (drawn[:-1] ** 2).sum(0) / self.batch_size
        return RegressionBatch(curvature, jnp.sqrt(curvature / self.batch_size) * drawn[-1])

    def at(self, drawn: RegressionBatch, w: Weight) -> Float[Array, "..."]:
        """The gradient at w on one mini-batch."""
        w = as_float(w)
        return drawn.curvature.astype(w.dtype) * w - jnp.asarray(self.noise, w.dtype) * drawn.push.astype(w.dtype)


def regression_gradient(noise: _Scalar, batch_size: int) -> RegressionGradient:
    r"""Gradient of $(wx - y)^2/2$ on B fresh examples, $g(w) = \frac1B \sum_i x_i (x_i w - s\varepsilon_i)$.

    $x_i, \varepsilon_i \sim N(0, 1)$ and $y_i = s\varepsilon_i$, so that w is measured from its optimum. The curvature
    of a mini-batch is as random as its slope, which makes the tails of w heavy: see `theory.tail_index`.

    Args:
        noise: $s$, the standard deviation of the labels about the line, 0 or more; may be traced.
        batch_size: $B$ (static); a step draws B + 1 normal numbers.

    Returns:
        A value that is called with a key and w, and that `descend` follows.

    Raises:
        ArgumentError: negative noise, or a batch size below 1.

    >>> gradient = regression_gradient(noise=0.0, batch_size=100_000)
    >>> round(float(gradient(jax.random.key(0), 2.0)), 1)
    2.0
    """
    NOT_NEGATIVE.check("noise", noise, "Give a standard deviation", jnp.result_type(float))
    check_integer("batch_size", batch_size, 1, 2**31 - 2, "Give a number of examples")
    return RegressionGradient(noise, int(batch_size))


@register_value("batch_size", "center")
@dataclass(frozen=True)
class LocationGradient:
    """The gradient of the mean squared distance to a few of the samples; made by `location_gradient`.

    `samples` are counted from `center`, which is not 0 where they lie so far from zero that float32 loses digits.
    """

    samples: Float[Array | np.ndarray, " samples"]
    batch_size: int
    center: float = 0.0

    def __call__(self, key: Key[Array, ""], w: Weight) -> Float[Array, "..."]:
        """The gradient at w on a mini-batch drawn with `key`."""
        return self.at(self.draw(key, 0, 1)[0], w)

    def draw(self, seed: Key[Array, ""], first: int | Integer[Array, ""], steps: int) -> Float[Array, " steps"]:
        """The means of the mini-batches of a block of steps."""
        return self.read(randomness.random_words(seed, steps, self.words, first))

    @property
    def words(self) -> int:
        """One for each sample that is drawn: see `WordGradient`."""
        return self.batch_size

    def read(self, words: UInt32[Array, "words *steps"]) -> Float[Array, "*steps"]:
        """The means of the mini-batches from their words: see `WordGradient`."""
        chosen = sampling.without_replacement(words, len(self.samples), axis=0)
        samples = jnp.asarray(self.samples, jnp.result_type(float))
        return samples.at[chosen].get(mode="promise_in_bounds").sum(0) / self.batch_size

    def at(self, drawn: Float[Array, ""], w: Weight) -> Float[Array, "..."]:
        """The gradient at w on one mini-batch."""
        w = as_float(w)
        return (w if self.center == 0 else w - np.asarray(self.center, w.dtype)) - drawn.astype(w.dtype)


def location_gradient(samples: Points, batch_size: int) -> LocationGradient:
    r"""Gradient of $(w - x_i)^2/2$ on B of N samples without replacement, $g(w) = w - \frac1B \sum_{i \in S} x_i$.

    A quadratic of curvature 1 whose noise is exactly additive and finite: `theory.gradient_variance` is its variance,
    with the standard deviation of the samples.

    Args:
        samples: $x_1 \dots x_N$.
        batch_size: $B$, from 1 to N (static).

    Returns:
        A value that is called with a key and w, and that `descend` follows.

    Raises:
        ArgumentError: samples that are not finite, or a batch size out of range.

    >>> gradient = location_gradient(np.array([1.0, 2.0, 6.0]), batch_size=3)
    >>> gradient(jax.random.key(0), 5.0)
    Array(2., dtype=float32)
    """
    held = read_array("samples", samples, kinds="iuf", ndim=1)
    if not isinstance(held, jax.core.Tracer) and not np.isfinite(np.asarray(held)).all():
        raise ArgumentError("samples", held, "must be finite", "Leave out what is not")
    check_integer("batch_size", batch_size, 1, len(held), f"There are {len(held)} samples")
    center = 0.0
    if isinstance(held, np.ndarray):
        held = held.astype(np.float64)
        middle, width = boundary.frame(held)
        if abs(middle) > _FAR * width:
            held, center = held - middle, middle
    return LocationGradient(held, int(batch_size), center)
