"""The sweep tableau of a Gram matrix, and the homotopy of the lasso and of LAR, a walk over its knots."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int32

_BLOCK = 8  # knots whose gaps are computed together


class Walk(NamedTuple):
    """The knots of a homotopy, and the tableau at its end; rows after the first `knots` hold nothing of meaning.

    `strengths` is the correlation C that the active columns share at each knot, `coef` the coefficients there, and
    `moves` is +(j+1) where column j enters, -(j+1) where it leaves, 0 at the end. `tied` says that a column
    whose correlation reached C stayed out since the active ones determine it, `running` that max_knots were too few.
    """

    strengths: Float[Array, " knots"]
    coef: Float[Array, "knots p"]
    moves: Int32[Array, " knots"]
    knots: Int32[Array, ""]
    tied: Bool[Array, ""]
    running: Bool[Array, ""]
    tableau: Float[Array, "p p"]
    active: Bool[Array, " p"]
    dependent: Bool[Array, " p"]


class _State(NamedTuple):
    """Where a walk stands."""

    tableau: Float[Array, "p p"]
    pivots: Float[Array, " p"]  # its diagonal
    fit: Float[Array, " p"]  # its column of X'y: least squares on the active columns, correlations that it leaves
    slope: Float[Array, " p"]  # its product with the signs: d coefficient / dC, d correlation / dC
    signs: Float[Array, " p"]  # of the correlations of the active columns, 0 elsewhere
    strength: Float[Array, ""]
    moved: Int32[Array, ""]  # the last move: j + 1 if column j entered, else -(j + 1) times the sign it had
    knots: Int32[Array, ""]
    tied: Bool[Array, ""]
    running: Bool[Array, ""]


def walk(
    gram: Float[Array, "p p"],
    product: Float[Array, " p"],
    max_knots: int,
    tolerance: float,
    *,
    drop: bool,
    least: float | Float[Array, ""] = 0.0,
) -> Walk:
    r"""Follow the coefficients from C = max |X'y| down to C = `least`, with a knot at each change of the active set A.

    Between knots, with the signs s, $b_A = G_{AA}^{-1}(X_A'y - C s_A)$ and $c_I = X_I'y - G_{IA} b_A$ are lines in
    C. The next knot is the largest C where a correlation reaches ±C or, with `drop`, a coefficient reaches 0. The
    tableau, which is G swept on A, holds $-G_{AA}^{-1}$, $G_{IA} G_{AA}^{-1}$ and the Schur complement; with a column
    for X'y and one for its product with s it has both lines ready, so that a knot costs one update of rank one.

    Args:
        gram: G = X'X.
        product: X'y.
        max_knots: how many knots there is room for (static).
        tolerance: a column may enter if the active ones leave more than this share of its squared norm.
        drop: whether a coefficient may not change its sign without leaving: the lasso; else LAR (static).
        least: the first knot that is not above it is the last.

    Source: Goodnight, Am. Stat. 33 (1979) 149-158, the sweep operator; Osborne, Presnell and Turlach, IMA J. Numer.
    Anal. 20 (2000) 389-403, and Efron, Hastie, Johnstone and Tibshirani, Ann. Stat. 32 (2004) 407-499, the paths.
    """
    p, dtype = product.shape[0], product.dtype
    numbers = jnp.arange(1, p + 1, dtype=jnp.int32)
    squares = jnp.diagonal(gram)
    near = 1 - float(jnp.finfo(dtype).eps) ** 0.5

    def step(state: _State) -> tuple[_State, tuple[Array, Array, Array]]:
        """Go to the next knot, and say its strength, coefficients and move; a walk that has ended stays."""
        active = state.signs != 0
        independent = state.pivots > tolerance * squares

        def reach(sign: int) -> Array:
            """Where correlations come to `sign` C, or -1; a column that just left with that sign moves away from it."""
            slack = 1 - sign * state.slope
            allowed = ~active & independent & (slack > 0) & (state.moved != -sign * numbers)
            return jnp.where(allowed, jnp.minimum(sign * state.fit / slack, state.strength), -1)

        up, down = reach(1), reach(-1)
        nearest = jnp.maximum(up, down)
        if drop:
            shrinks = active & (state.signs * state.slope > 0) & (state.moved != numbers)
            nearest = jnp.where(shrinks, jnp.minimum(-state.fit / state.slope, state.strength), nearest)
        j = jnp.argmax(nearest).astype(jnp.int32)
        strength = jnp.where(state.running, jnp.where(nearest[j] > rounding, nearest[j], 0), state.strength)
        going = state.running & (strength > least)
        enters, old = ~active[j], state.signs[j]
        new = jnp.where(enters, jnp.where(up[j] >= down[j], jnp.ones_like(old), -1), 0)
        here = going & (numbers == j + 1)
        line = state.fit + strength * state.slope
        tied = (~active & ~independent & (squares > 0) & (jnp.abs(line) >= near * strength)).any() & going

        # Sweeping column j: each column x of the tableau becomes x without entry j, less v x_j / pivot.
        kept = jnp.where(here, 0, jnp.ones_like(squares))
        row = state.tableau[j]
        v = jnp.where(going, jnp.where(here, jnp.where(enters, -1, jnp.ones_like(old)), row), 0)
        scaled = v / jnp.where(going, state.pivots[j], 1)
        sum_v = state.slope[j] - jnp.where(enters, new, state.pivots[j] * old)
        moved = jnp.where(enters, j + 1, -old.astype(jnp.int32) * (j + 1))
        after = _State(
            tableau=jnp.outer(kept, kept) * state.tableau - jnp.outer(v, scaled),
            pivots=kept * state.pivots - v * scaled,
            fit=kept * state.fit - scaled * state.fit[j],
            slope=kept * (state.slope - jnp.where(going, row * old, 0)) - scaled * sum_v,
            signs=jnp.where(here, new, state.signs),
            strength=strength,
            moved=moved,
            knots=state.knots + state.running.astype(jnp.int32),
            tied=state.tied | tied,
            running=going,
        )
        move = jnp.where(going, jnp.where(enters, j + 1, -(j + 1)), 0)
        return after, (strength, jnp.where(active & ~here, line, 0), move)

    Carry = tuple[Array, _State, tuple[Array, Array, Array]]

    def unfinished(carry: Carry) -> Array:
        return (carry[0] < max_knots) & any_in_batch(carry[1].running)

    def advance(carry: Carry) -> Carry:
        number, state, records = carry
        state, knot = step(state)
        records = jax.tree.map(lambda kept, one: lax.dynamic_update_index_in_dim(kept, one, number, 0), records, knot)
        return number + 1, state, records

    strength = jnp.abs(product).max()
    # Correlations that are no larger are what rounding left of 0: a walk on would go from one interpolation to another.
    rounding = 8 * math.sqrt(p) * float(jnp.finfo(dtype).eps) * strength
    zeros, nothing = jnp.zeros_like(product), jnp.zeros((), jnp.int32)
    start = _State(gram, squares, product, zeros, zeros, strength, nothing, nothing, jnp.bool_(False), strength >= 0)
    records = (jnp.zeros(max_knots, dtype), jnp.zeros((max_knots, p), dtype), jnp.zeros(max_knots, jnp.int32))
    _, end, records = lax.while_loop(unfinished, advance, (nothing, start, records))
    dependent = (end.pivots <= tolerance * squares) & (end.signs == 0)
    return Walk(*records, end.knots, end.tied, end.running, end.tableau, end.signs != 0, dependent)


@jax.custom_batching.custom_vmap
def any_in_batch(flag: Bool[Array, ""]) -> Bool[Array, ""]:
    """Whether any member of the batch says so: a loop on it goes on for all in step, without a select on its state."""
    return flag


@any_in_batch.def_vmap
def _(axis_size: int, batched: list[bool], flag: Any) -> tuple[Array, bool]:
    return any_in_batch(flag.any(0) if batched[0] else flag), False


def measure_gap(
    walked: Walk, gram: Float[Array, "p p"], product: Float[Array, " p"], square: Float[Array, ""], *, crossing: bool
) -> Float[Array, " knots"]:
    r"""Duality gap of the lasso at each knot that there is, relative to the objective of b = 0.

    The objective is $\tfrac12\|y - Xb\|^2 + C\|b\|_1$ and the residual r = y - Xb. The dual point t r' has the
    correlations of r clipped to ±C on the columns active at the end, from which the tableau gives r' as r less a
    projection; t ≤ 1 brings those of the other columns within ±C. The gap is
    $\tfrac12\|r - t r'\|^2 + \sum_j (C |b_j| - t\, b_j x_j'r')$, without cancellation. Scaling r alone is weaker near
    C = 0, where it divides rounding by C; the smaller of both counts.

    Args:
        walked: what `walk` returned.
        gram: X'X.
        product: X'y.
        square: y'y, more than 0.
        crossing: take the sign of each coefficient as that of its correlation, as LAR does (static).
    """
    norms = jnp.sqrt(jnp.diagonal(gram))

    def measure(strength: Array, b: Array) -> Array:
        """The gap at one knot."""
        c = product - jnp.matmul(gram, b, precision="highest")
        residual = jnp.maximum(square - (b * (product + c)).sum(), 0)

        def at(dual: Array, counted: Array | bool, reduced: Array | int, removed: Array | int) -> Array:
            """With the correlations `dual` of r'; `reduced` is the product of r and r - r', `removed` |r - r'|²."""
            worst = jnp.where(counted, jnp.abs(dual), 0).max()
            t = jnp.where(worst > strength, strength / jnp.where(worst > 0, worst, 1), 1)
            distance = (1 - t) ** 2 * residual + 2 * t * (1 - t) * reduced + t**2 * removed
            slack = strength * jnp.abs(b) - t * (jnp.abs(dual) * jnp.abs(b) if crossing else dual * b)
            return (distance + 2 * (jnp.abs(slack) if crossing else slack).sum()) / square

        clipped = jnp.clip(c, -strength, strength)
        excess = jnp.where(walked.active, c - clipped, 0)
        swept = jnp.matmul(walked.tableau, excess, precision="highest")
        taken = jnp.where(walked.active, -swept, 0)  # coefficients of the projection r - r'
        rounding = 4 * float(jnp.finfo(b.dtype).eps) * norms * (jnp.sqrt(square) + (jnp.abs(b) * norms).sum())
        # At C = 0 the correlations of dependent columns are 0 because those of the active ones are.
        vanishes = (walked.dependent & (strength == 0)) | (jnp.maximum(jnp.abs(c), strength) <= rounding)
        dual = jnp.where(walked.active, clipped, c - swept)
        projected = at(dual, ~vanishes, (c * taken).sum(), (excess * taken).sum())
        return jnp.minimum(projected, at(c, True, 0, 0))

    block = min(_BLOCK, walked.strengths.shape[0])

    def unfinished(carry: tuple[Array, Array]) -> Array:
        return any_in_batch(carry[0] < walked.knots)

    def advance(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        first, gaps = carry
        strengths, coef = (lax.dynamic_slice_in_dim(part, first, block) for part in (walked.strengths, walked.coef))
        return first + block, lax.dynamic_update_slice_in_dim(gaps, jax.vmap(measure)(strengths, coef), first, 0)

    return lax.while_loop(unfinished, advance, (jnp.int32(0), jnp.zeros_like(walked.strengths)))[1]
