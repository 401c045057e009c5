"""An exact active-set method for quadratics with an L1 penalty, in fixed shapes, from a warm start."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int32

from jaxreg.linear.factor import invert_independent

_RESTORES = 3  # steps in a row that only polish: as many as an inverse with half of its digits needs


class Active(NamedTuple):
    r"""A point on the way to the minimum, with all that the next step needs.

    `coef` is $b$, `slope` $g = c - Hb$, `support` the set $S$ of coefficients that are free to move, all the others
    being 0 or at rest; `inverse` is $H_{SS}^{-1}$, padded with zeros.
    """

    coef: Float[Array, " p"]
    slope: Float[Array, " p"]
    support: Bool[Array, " p"]
    inverse: Float[Array, "p p"]


class _Step(NamedTuple):
    """A point, the column that is entering the support (-1: none), columns that may not, and when to stop."""

    point: Active
    entering: Int32[Array, ""]
    barred: Bool[Array, " p"]
    restores: Int32[Array, ""]
    done: Bool[Array, ""]
    steps: Int32[Array, ""]


def minimize(
    gram: Float[Array, "p p"],
    start: Active,
    l1: Float[Array, "*#p"],
    l2: Float[Array, ""],
    size: Float[Array, ""],
    rounding: Float[Array, ""],
    budget: int,
) -> Active:
    r"""Minimize $\tfrac12 b'Hb - c'b + \lambda_1 \|b\|_1$ with $H$ = `gram` + $\lambda_2 I$, for $\lambda_1 > 0$.

    Each step goes along a line, to the minimum on it or to where the first coefficient reaches zero, which then leaves
    the support. The line is $\delta_S = H_{SS}^{-1}(g_S - \lambda_1 s_S)$ while the support is not at rest; else the
    column whose slope exceeds $\lambda_1$ the most moves, and the support follows so that it stays at rest, until that
    column enters. The objective never rises, no nearly dependent column is ever inverted, and along a path of
    strengths a step is made for each change of the support, and one more for each strength.

    Args:
        gram: $X'X$ of the columns.
        start: any point with its true slope and inverse.
        l1: $\lambda_1$, or one for each column; where all are 0 no step is made.
        l2: $\lambda_2$, at least 0.
        size: $\|y\|$.
        rounding: what of a slope is noise, relative to the lengths of its column and of y: of less nothing is made.
        budget: steps at the most (static).

    Returns:
        The minimum, up to rounding, or where the budget ended.
    """
    columns = jnp.arange(gram.shape[0], dtype=jnp.int32)
    diagonal = jnp.diagonal(gram) + l2
    length = jnp.sqrt(diagonal)

    def step(state: _Step) -> _Step:
        (coef, slope, support, inverse), entering = state.point, state.entering
        enters, chosen = entering >= 0, columns == entering
        # The line.
        sign = jnp.sign(jnp.where(chosen & (coef == 0), slope, coef))
        lack = slope - l1 * sign
        side = jnp.sign(jnp.where(chosen, lack, 0).sum())
        pull = jnp.where(enters, -side * take(gram, entering), jnp.where(support, lack, 0))
        follow = product(inverse, pull)
        line = follow + jnp.where(chosen, side, 0)
        bend = product(gram, line) + l2 * line
        # How far: to the minimum, or to the first zero. A line without curvature has no minimum.
        rise, curvature = (line * lack).sum(), (line * bend).sum()
        least = jnp.where(enters, jnp.where(chosen, dependence(diagonal), 0).sum(), 0)
        curved = curvature > least
        full = jnp.where(curved, rise / jnp.where(curved, curvature, 1), jnp.inf)
        crosses = coef * line < 0
        distance = jnp.where(crosses, -coef / jnp.where(crosses, line, 1), jnp.inf)
        nearest = distance.min()
        first = index_of(distance == nearest)
        blocked = nearest < full
        enter = enters & ~blocked & curved
        length_of_step = jnp.where(blocked | curved, jnp.minimum(nearest, full), 0)
        # The step, and the change of the support: one more or one less, a correction of rank one to the inverse.
        leaves = blocked & (columns == first)
        coef = jnp.where(leaves, 0, coef + length_of_step * line)
        slope = slope - length_of_step * bend
        row = take(inverse, first)
        change = jnp.where(blocked, row, jnp.where(enter, line, 0))
        pivot = jnp.where(blocked, -jnp.where(leaves, row, 0).sum(), curvature)
        change_over_pivot = change / jnp.where(pivot == 0, 1, pivot)
        support = (support & ~leaves) | (chosen & enter)
        both = support[:, None] & support[None, :]
        inverse = jnp.where(both, inverse + change[:, None] * change_over_pivot[None, :], 0)
        # What next.
        barred = state.barred | (chosen & ~blocked & ~curved)
        noise = (rounding * (size + (length * jnp.abs(coef)).sum())) * length
        excess = violation(coef, slope, l1)
        restless = jnp.where(support, excess - noise, 0).max() > 0
        goes_on = blocked & enters & (first != entering)
        restores = jnp.where(blocked | enters, 0, state.restores + 1).astype(jnp.int32)
        restore = (blocked & ~enters) | (restless & (restores <= _RESTORES))
        ready = jnp.where(support | barred | (excess <= noise), 0, excess / jnp.where(length > 0, length, 1))
        best = ready.max()
        found = best > 0
        after = jnp.where(restore | ~found, -1, index_of(ready == best))
        entering = jnp.where(goes_on, entering, after)
        done = ~goes_on & ~restore & ~found
        point = Active(coef, slope, support, inverse)
        return _Step(point, entering, barred, restores, done, state.steps + 1)

    def goes_on(state: _Step) -> Bool[Array, ""]:
        return ~state.done & (state.steps < budget)

    none = jnp.zeros_like(start.support)
    state = _Step(start, jnp.int32(-1), none, jnp.int32(0), ~(l1 > 0).any(), jnp.int32(0))
    return lax.while_loop(goes_on, step, state).point


def violation(coef: Float[Array, "*p"], slope: Float[Array, "*p"], l1: Float[Array, "*#p"]) -> Float[Array, "*p"]:
    r"""How far each coefficient is from optimal: $|g - \lambda_1 \mathrm{sign}(b)|$, or $|g| - \lambda_1$ at zero."""
    return jnp.where(coef != 0, jnp.abs(slope - l1 * jnp.sign(coef)), jnp.abs(slope) - l1)


def invert(gram: Float[Array, "p p"], support: Bool[Array, " p"], l2: Float[Array, ""]) -> Float[Array, "p p"]:
    r"""$(G_{SS} + \lambda_2 I)^{-1}$ padded with zeros, also in place of columns that depend on those before them."""
    both = support[:, None] & support[None, :]
    unit = jnp.eye(gram.shape[0], dtype=gram.dtype)
    least = jnp.where(support, dependence(jnp.diagonal(gram) + l2), 0)
    count = jnp.where(support, jnp.arange(1, gram.shape[0] + 1, dtype=jnp.int32), 0).max()
    return jnp.where(both, invert_independent(jnp.where(both, gram + l2 * unit, unit), least, count), 0)


def dependence(diagonal: Float[Array, "*p"]) -> Float[Array, "*p"]:
    """The squared distance of a column from the span of others that rounding of the Gram matrix may produce."""
    return 4 * diagonal.shape[-1] * float(jnp.finfo(diagonal.dtype).eps) * diagonal


def product(matrix: Float[Array, "n p"], vector: Float[Array, " p"]) -> Float[Array, " n"]:
    """A matrix times a vector, in full precision on every platform."""
    return jnp.einsum("np,p->n", matrix, vector, precision="highest")


def correlate(matrix: Float[Array, "n p"], vector: Float[Array, " n"]) -> Float[Array, " p"]:
    """The transpose of a matrix times a vector, of which no transpose is made."""
    return jnp.einsum("np,n->p", matrix, vector, precision="highest")


def take(matrix: Float[Array, "n p"], row: Int32[Array, ""]) -> Float[Array, " p"]:
    """One row; for -1, any."""
    return lax.dynamic_index_in_dim(matrix, jnp.maximum(row, 0), keepdims=False)


def index_of(chosen: Bool[Array, " p"]) -> Int32[Array, ""]:
    """The first true entry. Two plain reductions, to a best value and to its index, are faster than one `argmax`."""
    p = chosen.shape[0]
    return jnp.where(chosen, jnp.arange(p, dtype=jnp.int32), p).min()
