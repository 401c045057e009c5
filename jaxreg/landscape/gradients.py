"""Gradients that descent can follow: of the fit to all data, with added noise, and of a refit to a mini-batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Integer, Key, Real, UInt32
from numpy.polynomial.polynomial import Polynomial as HostPolynomial

from jaxreg import randomness, sampling
from jaxreg.checks import NOT_NEGATIVE, check_function, check_integer, describe_cause
from jaxreg.errors import ArgumentError
from jaxreg.landscape import boundary
from jaxreg.landscape.polynomial import Polynomial, Weight, as_float, check_landscape
from jaxreg.landscape.recurrence import Recurrence, differentiate, fit_recurrence
from jaxreg.randomness import as_normals, random_normals
from jaxreg.values import register_value

_Points = Float[Array | np.ndarray, " points"]
_Scalar = int | float | Real[Array | np.ndarray, ""]


@runtime_checkable
class Gradient(Protocol):
    """What `descend` follows: randomness drawn for a block of steps, then a gradient at w for each.

    What is drawn depends on the seed alone: a population that shares seeds over learning rates or starts draws once.
    """

    def draw(self, seed: Key[Array, ""], first: int | Integer[Array, ""], steps: int) -> Any:
        """The randomness of steps `first … first + steps - 1`: a pytree of arrays with a leading axis of steps."""

    def at(self, drawn: Any, w: Weight) -> Float[Array, "..."]:
        """The gradient at w, with the randomness of one step."""


@runtime_checkable
class WordGradient(Gradient, Protocol):
    """A gradient whose randomness is made from random words alone, which lets accelerators follow it in one kernel.

    `draw` returns `read(random_words(seed, steps, words, first))`, with the axis of steps moved to where it leads.
    """

    @property
    def words(self) -> int:
        """How many words a step takes."""

    def read(self, words: UInt32[Array, "words *steps"]) -> Any:
        """The randomness of one step, or of several, from its words."""


@dataclass(frozen=True)
class _Called:
    """A function of the user's as a gradient: step t calls it with `jax.random.fold_in(seed, t)` and w."""

    function: Callable[[Any, Any], Any]

    def draw(self, seed: Key[Array, ""], first: int | Integer[Array, ""], steps: int) -> Key[Array, " steps"]:
        """The keys of a block of steps: see `Gradient`."""
        return jax.vmap(lambda t: jax.random.fold_in(seed, t))(first + jnp.arange(steps, dtype=jnp.int32))

    def at(self, drawn: Key[Array, ""], w: Weight) -> Float[Array, "..."]:
        """What the function returns."""
        return jnp.asarray(self.function(drawn, w)).astype(jnp.result_type(w))


def as_gradient(gradient: Gradient | Callable[[Any, Any], Any]) -> Gradient:
    """The gradient that it is, or that a function of a key and w makes.

    Raises:
        ArgumentError: it is neither, or a function that does not return one number.
    """
    if isinstance(gradient, Gradient):
        return gradient
    remedy = "Give noisy_gradient(...), or a function of a key and w such as lambda key, w: 2 * w"
    check_function("gradient", gradient, 2, remedy)
    try:
        found = jax.eval_shape(gradient, jax.random.key(0), jnp.zeros(()))
    except Exception as error:  # whatever a function of somebody else's raises
        constraint = f"must take a key and w, one number ({describe_cause(error)})"
        raise ArgumentError("gradient", gradient, constraint, remedy) from error
    if getattr(found, "shape", None) != () or jnp.issubdtype(found.dtype, jnp.complexfloating):
        raise ArgumentError("gradient", gradient, f"must return one number, not {found}", remedy)
    return _Called(gradient)


@register_value()
@dataclass(frozen=True)
class FullGradient:
    """The gradient of the fit to all data, without randomness; made by `full_gradient`.

    `slope` is the derivative with respect to w as a polynomial in (w - center) / scale.
    """

    slope: Polynomial
    center: _Scalar
    scale: _Scalar

    def __call__(self, key: Key[Array, ""] | None, w: Weight) -> Float[Array, "..."]:
        """The gradient at w; `key` is not used."""
        return self.at(None, w)

    def draw(self, seed: Key[Array, ""], first: int | Integer[Array, ""], steps: int) -> None:
        """Nothing: see `Gradient`."""

    @property
    def words(self) -> int:
        """None: see `WordGradient`."""
        return 0

    def read(self, words: UInt32[Array, "words *steps"]) -> None:
        """Nothing: see `WordGradient`."""

    def at(self, drawn: None, w: Weight) -> Float[Array, "..."]:
        """The gradient at w."""
        return self.slope.value(self.standardize(w))

    def standardize(self, w: Weight) -> Float[Array, "..."]:
        """The variable (w - center) / scale, which is of order 1 among the data."""
        w = as_float(w)
        return (w - jnp.asarray(self.center, w.dtype)) / jnp.asarray(self.scale, w.dtype)


@register_value()
@dataclass(frozen=True)
class NoisyGradient:
    """The slope of a landscape with Gaussian noise added, of standard deviation `spread`; made by `noisy_gradient`."""

    slope: Polynomial
    spread: _Scalar

    def __call__(self, key: Key[Array, ""], w: Weight) -> Float[Array, "..."]:
        """The gradient at w with noise drawn with `key`, the same for every entry of `w`."""
        return self.at(self.draw(key, 0, 1)[0], w)

    def draw(self, seed: Key[Array, ""], first: int | Integer[Array, ""], steps: int) -> Float[Array, " steps"]:
        """The noise of a block of steps, of standard deviation 1: see `Gradient`."""
        # Step by step, so that a population's numbers of one step lie side by side, as the descent reads them: drawn
        # all at once they lie run by run, and on a CPU a run of SGD takes 1.2 times as long.
        numbers = jnp.asarray(first, jnp.int32) + jnp.arange(steps, dtype=jnp.int32)
        return lax.map(lambda number: random_normals(seed, 1, 1, number)[0, 0], numbers)

    @property
    def words(self) -> int:
        """One: see `WordGradient`."""
        return 1

    def read(self, words: UInt32[Array, "words *steps"]) -> Float[Array, "*steps"]:
        """The noise from its word: see `WordGradient`."""
        return as_normals(words)[0]

    def at(self, drawn: Float[Array, ""], w: Weight) -> Float[Array, "..."]:
        """The gradient at w with the noise of one step."""
        w = as_float(w)
        return self.slope.value(w) + jnp.asarray(self.spread, w.dtype) * drawn.astype(w.dtype)


@register_value("degree", "batch_size")
@dataclass(frozen=True)
class RefitGradient:
    """The gradient of a refit to a random mini-batch; made by `refit_gradient`.

    `nodes` and `residuals` are the standardized x of the data and what the fit to all of them leaves of y. A fit is
    linear in y and reproduces the full fit exactly, so that only the small residuals are ever refitted: float32
    suffices, where refitting y itself would lose the minima among values of thousands at the ends of the data.
    """

    full: FullGradient
    nodes: _Points
    residuals: _Points
    degree: int
    batch_size: int

    def __call__(self, key: Key[Array, ""], w: Weight) -> Float[Array, "..."]:
        """The gradient at w of a refit drawn with `key`."""
        return self.at(jax.tree.map(lambda drawn: drawn[0], self.draw(key, 0, 1)), w)

    def draw(self, seed: Key[Array, ""], first: int | Integer[Array, ""], steps: int) -> Recurrence:
        """The refits of a block of steps, less the full fit: see `Gradient`."""
        return self.read(randomness.random_words(seed, steps, self.batch_size, first))

    @property
    def words(self) -> int:
        """One for each point that is drawn: see `WordGradient`."""
        return self.batch_size

    def read(self, words: UInt32[Array, "words *steps"]) -> Recurrence:
        """The refits, less the full fit, from the words that draw their points: see `WordGradient`."""
        chosen = sampling.without_replacement(words, len(self.nodes), axis=0)
        x, y = (
            jnp.asarray(data, jnp.result_type(float)).at[chosen].get(mode="promise_in_bounds")
            for data in (self.nodes, self.residuals)
        )
        return fit_recurrence(x, y, self.degree)

    def at(self, drawn: Recurrence, w: Weight) -> Float[Array, "..."]:
        """The gradient at w of one refit."""
        w = as_float(w)
        correction = differentiate(drawn, self.full.standardize(w)) / jnp.asarray(self.full.scale, w.dtype)
        return self.full.at(None, w) + correction


def full_gradient(x: _Points, y: _Points, degree: int) -> FullGradient:
    r"""Gradient of the least-squares polynomial through all points: plain gradient descent.

    $g(w) = p'(w)$ with $p = \arg\min_p \sum_i (y_i - p(x_i))^2$ over polynomials of `degree`.

    Args:
        x: abscissae, all different.
        y: ordinates.
        degree: of the polynomial, from 1 to the number of points - 1.

    Raises:
        ArgumentError: data that do not determine the polynomial.

    >>> x = np.linspace(-10.0, 10.0, 21)
    >>> gradient = full_gradient(x, x**2, degree=4)
    >>> round(float(gradient(None, 3.0)), 4)
    6.0
    """
    return _fit_all(*boundary.read_points(x, y, degree), degree)[0]


def noisy_gradient(landscape: Polynomial, noise: _Scalar, batch_size: _Scalar = 1) -> NoisyGradient:
    r"""Slope of a landscape with Gaussian noise, $g(w) = U'(w) + s\,\xi/\sqrt B$ with $\xi \sim N(0, 1)$.

    The model of mini-batch noise behind the theory of SGD: the mean of B independent gradients of one sample.

    Args:
        landscape: $U$; one with traced coefficients will do.
        noise: $s$, the standard deviation of the gradient of one sample, 0 or more; may be traced.
        batch_size: $B$, 1 or more; may be traced.

    Returns:
        A value that is called with a key and w, and that `descend` follows; the same seed draws the same $\xi$
        whatever `noise` and `batch_size` are.

    Raises:
        ArgumentError: negative noise, or a batch size below 1.

    >>> from jaxreg.landscape.polynomial import DOUBLE_WELL
    >>> gradient = noisy_gradient(DOUBLE_WELL, noise=0.0)
    >>> gradient(jax.random.key(0), 2.0)
    Array(6., dtype=float32)
    """
    check_landscape(landscape)
    dtype = jnp.result_type(float)
    NOT_NEGATIVE.check("noise", noise, "Give a standard deviation", dtype)
    boundary.BATCH.check("batch_size", batch_size, "Give a number of samples", dtype)
    return NoisyGradient(landscape.derivative, _read_number(noise) / _read_number(batch_size) ** 0.5)


def _read_number(value: _Scalar) -> float | Float[Array, ""]:
    """A JAX array in the default precision, and any other number as a Python one, which leaves the precision open."""
    return value.astype(jnp.result_type(float)) if isinstance(value, jax.Array) else float(value)


def refit_gradient(x: _Points, y: _Points, degree: int, batch_size: int) -> RefitGradient:
    r"""Gradient of tutorial T2: draw K of the N points without replacement, refit to them alone, differentiate at w.

    $g(w) = p_S'(w)$ with $p_S = \arg\min_p \sum_{i \in S} (y_i - p(x_i))^2$ and $S$ a random set of K points.

    With K = N it is the gradient of `full_gradient`. Its error follows (1 - K/N) / (K - degree - 2), not 1 / K, and
    has very heavy tails for small K.

    Args:
        x: abscissae of the N points, all different.
        y: ordinates.
        degree: of the polynomial.
        batch_size: K, from degree + 1 to N.

    Returns:
        A value that is called with a key and w, and that `descend` follows.

    Raises:
        ArgumentError: data that do not determine the polynomial, or a batch size out of range.

    >>> x = np.linspace(-10.0, 10.0, 100)
    >>> gradient = refit_gradient(x, x**2, degree=6, batch_size=10)
    >>> bool(abs(gradient(jax.random.key(0), 3.0) - 6.0) < 1e-3)
    True
    """
    x64, y64 = boundary.read_points(x, y, degree)
    remedy = f"A refit of degree {degree} needs {degree + 1} points, of {len(x64)} that there are"
    check_integer("batch_size", batch_size, degree + 1, len(x64), remedy)
    full, nodes, residuals = _fit_all(x64, y64, degree)
    return RefitGradient(full, nodes, residuals, int(degree), int(batch_size))


def _fit_all(x: np.ndarray, y: np.ndarray, degree: int) -> tuple[FullGradient, np.ndarray, np.ndarray]:
    """The gradient of the fit to all points, their standardized x, and their residuals, from float64."""
    center, scale = boundary.frame(x)
    nodes = (x - center) / scale
    fit = HostPolynomial.fit(nodes, y, degree, domain=[-1, 1])
    slope = Polynomial(np.asarray(fit.deriv().coef, np.float64) / scale)
    return FullGradient(slope, np.asarray(center), np.asarray(scale)), nodes, y - fit(nodes)
