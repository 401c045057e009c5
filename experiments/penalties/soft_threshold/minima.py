"""The exact minimum of a polynomial of degree 4 plus λ|x|, and the λ from which it is at zero."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_HALVINGS = 80


def minimize_penalized(coefficients: Any, strength: Any) -> Any:
    """Minimisers of f(x) + λ|x| and of f(x) + ½λx²."""
    bent = coefficients.at[2].add(strength / 2)
    return jnp.stack([minimize_l1(coefficients, strength), minimize_l1(bent, jnp.zeros_like(strength))])


def minimize_l1(coefficients: Any, strength: Any) -> Any:
    r"""The global minimiser of $f(x) + \lambda |x|$ for a polynomial f of degree 4, to rounding; exactly 0 if it is 0.

    On either side of 0 the derivative $f'(x) \pm \lambda$ is a cubic that rises outside the two inflections of f. So
    at most two minima of each side can compete, each the only root on its branch, found by halving.

    Args:
        coefficients: those of f, degrees 0 to 4, the last one above 0.
        strength: λ, 0 or more.
    """
    _, c1, c2, c3, c4 = coefficients
    middle, spread = -c3 / (4 * c4), jnp.sqrt(jnp.maximum((3 * c3**2 - 8 * c2 * c4) / (48 * c4**2), 0))
    reach = 1 + (jnp.abs(coefficients).sum() * 4 + strength) / (4 * c4)  # Cauchy's bound on the roots

    sides = jnp.asarray([-1.0, -1.0, 1.0, 1.0], coefficients.dtype)  # two branches of each
    low = jnp.stack([-reach, middle + spread] * 2)
    high = jnp.stack([middle - spread, reach] * 2)

    def halve(_: Any, ends: tuple[Any, Any]) -> tuple[Any, Any]:
        x = (ends[0] + ends[1]) / 2
        rises = c1 + sides * strength + x * (2 * c2 + x * (3 * c3 + x * 4 * c4)) > 0
        return jnp.where(rises, ends[0], x), jnp.where(rises, x, ends[1])

    low, high = jax.lax.fori_loop(0, _HALVINGS, halve, (low, high))
    x = jnp.where((low + high) * sides > 0, (low + high) / 2, 0)
    gain = x * ((c1 + jnp.sign(x) * strength) + x * (c2 + x * (c3 + x * c4)))  # F(x) - F(0), without cancellation
    best = jnp.argmin(gain)
    return jnp.where(gain[best] < 0, x[best], 0)


def find_critical(coefficients: Any) -> float:
    r"""The least λ from which 0 minimises $f(x) + \lambda |x|$: $\sup_{x \ne 0} (f(0) - f(x)) / |x|$.

    For a convex f the supremum is the limit at 0, $|f'(0)|$; in general it is that or larger.

    Args:
        coefficients: those of f, the lowest degree first; the highest one even, its coefficient above 0.

    >>> find_critical([0.5, -1.0, 0.5])  # ½(x - 1)²
    1.0
    >>> find_critical([0.0, -0.5, 1.7, -3.05, 1.05]) > 0.5
    True
    """
    quotient = np.polynomial.Polynomial(coefficients[1:])  # (f(x) - f(0)) / x
    turns = quotient.deriv().roots()
    turns = turns[abs(turns.imag) < 1e-9].real
    places = np.concatenate([[0.0], turns])
    return float(max(np.max(-np.sign(places) * quotient(places)), abs(quotient(0.0))))
