"""The criterion of a ridge or a lasso as a function of its strength alone: all else is computed once, before."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int32

from jaxreg.hypergrad.objective import Hyperparameters, Outcome
from jaxreg.hypergrad.status import Status
from jaxreg.linear.design import Normalize, standardize
from jaxreg.linear.fit import Status as FitStatus
from jaxreg.linear.fit import tolerance
from jaxreg.linear.lars import LarsPath, lars_path
from jaxreg.linear.ridge import Factored, factor_ridge, follow_ridge, measure_ridge
from jaxreg.linear.tableau import any_in_batch


class Form(NamedTuple):
    """What decides about the program: the criterion, and the form of the design."""

    criterion: str
    normalize: Normalize
    fit_intercept: bool


@dataclasses.dataclass(frozen=True, eq=False)
class RidgeAlong:
    """A ridge from one decomposition: `alpha` is that of `L2`, `held` the rows of "validation"."""

    form: Form
    factored: Factored
    held: tuple[Array, Array] | None
    names: tuple[str, ...] = ("alpha",)

    def evaluate(self, at: Hyperparameters) -> Outcome:
        """The error and its status."""
        n, dtype = self.factored.A.shape[0], self.factored.A.dtype
        strength = n * jnp.asarray(at["alpha"], dtype)
        if self.held is not None:
            path = follow_ridge(self.factored, strength[None])
            return Outcome(half_mean(path.predict(self.held[0])[0] - self.held[1]), read_status(path.status[0]))
        loo, gcv, status = measure_ridge(self.factored, strength)
        return Outcome((loo if self.form.criterion == "loo" else gcv) / 2, read_status(status))


class Part(NamedTuple):
    """Rows that were fitted, their path, and either rows held out or the shares of rows in their own predictions."""

    X: Float[Array, "n p"]
    y: Float[Array, " n"]
    path: LarsPath
    held: tuple[Float[Array, "m p"], Float[Array, " m"]] | None
    shares: Float[Array, "knots n"]


@dataclasses.dataclass(frozen=True, eq=False)
class LassoAlong:
    """A lasso from its exact path, which is linear between knots; `parts` are stacked, one for each fold of "cv"."""

    form: Form
    parts: tuple[Part, ...]
    names: tuple[str, ...] = ("alpha",)

    def evaluate(self, at: Hyperparameters) -> Outcome:
        """The error and its status."""
        alpha = jnp.asarray(at["alpha"], self.parts[0].X.dtype)
        return join_folds([jax.vmap(lambda part: self._measure(part, alpha))(part)[:2] for part in self.parts])

    def _measure(self, part: Part, alpha: Float[Array, ""]) -> Outcome:
        fit = part.path.at(alpha)
        status = read_status(fit.status) | _find_kinks(part.path, alpha)
        status |= jnp.where(fit.gap <= tolerance(alpha.dtype), 0, int(Status.NOT_CONVERGED)).astype(jnp.int32)
        if part.held is not None:
            return Outcome(half_mean(fit.predict(part.held[0]) - part.held[1]), status)
        wrong = fit.predict(part.X) - part.y
        above = (part.path.valid & (part.path.alphas > alpha)).sum()
        share = jnp.where(above > 0, part.shares[above - 1], 0) + int(self.form.fit_intercept) / len(wrong)
        off = jnp.abs(share.sum() - int(self.form.fit_intercept) - (fit.coef != 0).sum(dtype=share.dtype))
        status |= jnp.where(off <= tolerance(alpha.dtype) ** 0.5, 0, int(Status.NOT_CONVERGED)).astype(jnp.int32)
        share = share.mean() if self.form.criterion == "gcv" else share
        return Outcome(half_mean(wrong / keep_apart(1 - share)), status)


def prepare_ridge(X: Array, y: Array, form: Form, held: Any) -> RidgeAlong:
    """Decompose the design."""
    return RidgeAlong(form, factor_ridge(X, y, form.normalize, form.fit_intercept), held)


def prepare_lasso(X: Array, y: Array, form: Form, held: Any) -> Part:
    """Follow the path."""
    path = lars_path(X, y, normalize=form.normalize, fit_intercept=form.fit_intercept)
    if held is not None:
        return Part(X, y, path, held, jnp.zeros((0, 0), X.dtype))
    return Part(X, y, path, None, follow_shares(standardize(X, "l2", center=form.fit_intercept).X, path.moves))


def keep_apart(remainder: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """1 less the share that a row has in its own prediction; NaN, which is INVALID, where nothing but rounding is left.

    There the fit has as many coefficients as rows: without this row its support would have no unique fit.
    """
    return jnp.where(remainder > float(jnp.finfo(remainder.dtype).eps) ** 0.5, remainder, jnp.nan)


def read_status(status: Int32[Array, ""]) -> Int32[Array, ""]:
    """The flags of a fit as those of its derivative."""
    doubt = int(FitStatus.NOT_CONVERGED | FitStatus.SEPARABLE | FitStatus.RANK_DEFICIENT)
    flags = jnp.where(status & doubt != 0, int(Status.NOT_CONVERGED), 0)
    return (flags | jnp.where(status & int(FitStatus.INVALID) != 0, int(Status.INVALID), 0)).astype(jnp.int32)


def join_folds(found: Sequence[tuple[Float[Array, "..."], Int32[Array, "..."]]]) -> Outcome:
    """The mean of the errors of all folds, and all their flags."""
    errors, status = (jnp.concatenate(pieces) for pieces in zip(*found, strict=True))
    return Outcome(errors.mean(), lax.reduce(status, jnp.int32(0), lax.bitwise_or, (0,)))


def half_mean(wrong: Float[Array, " n"]) -> Float[Array, ""]:
    """The mean of the squared loss."""
    return (wrong * wrong).mean() / 2


def follow_shares(design: Float[Array, "n p"], moves: Int32[Array, " knots"]) -> Float[Array, "knots n"]:
    r"""The diagonal of the projector on the columns in use after each move, by a change of rank one for each.

    $D = X_S (X_S'X_S)^{-1}$, 0 in other columns. Where column j enters, what D leaves of it is $v = x_j - D X_S'x_j$,
    $u = v / v'v$ is its column of D, and the others lose $u x_j'D$; where it leaves, $v$ is its column of D.
    """

    def unfinished(carry: tuple[Array, Array, Array, Array]) -> Array:
        return any_in_batch(moves[jnp.minimum(carry[0], len(moves) - 1)] != 0) & (carry[0] < len(moves))

    def advance(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        knot, dual, share, shares = carry
        move = moves[knot]
        here = jnp.arange(design.shape[1], dtype=move.dtype) == jnp.abs(move) - 1
        column, old = design @ here.astype(dual.dtype), dual @ here.astype(dual.dtype)
        used = (dual != 0).any(0)
        v = jnp.where(move > 0, column - dual @ jnp.where(used, column @ design, 0), old)
        square = v @ v
        u = v / jnp.where(square > 0, square, 1)
        dual = dual - jnp.outer(u, jnp.where(move > 0, column, jnp.where(move < 0, v, 0)) @ dual)
        dual = jnp.where(here, jnp.where(move > 0, u, 0)[:, None], dual)
        share = share + jnp.sign(move).astype(share.dtype) * v * u
        return knot + 1, dual, share, lax.dynamic_update_index_in_dim(shares, share, knot, 0)

    n = design.shape[0]
    start = (jnp.int32(0), jnp.zeros_like(design), jnp.zeros(n, design.dtype))
    _, _, last, shares = lax.while_loop(unfinished, advance, (*start, jnp.zeros((len(moves), n), design.dtype)))
    return jnp.where((moves != 0)[:, None], shares, last)


def _find_kinks(path: LarsPath, alpha: Float[Array, ""]) -> Int32[Array, ""]:
    """KNOT beside a knot, FLAT from the first one on."""
    near = 10 * float(jnp.finfo(alpha.dtype).eps) ** 0.5
    kinks = jnp.where((path.valid & (jnp.abs(path.alphas - alpha) <= near * alpha)).any(), int(Status.KNOT), 0)
    return (kinks | jnp.where(alpha >= path.alphas[0], int(Status.FLAT), 0)).astype(jnp.int32)
