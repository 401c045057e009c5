"""The criterion of a lasso with a strength for each coefficient: Gram matrices made once, supports that are kept."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from jaxreg.hypergrad.objective import Hyperparameters, Outcome
from jaxreg.hypergrad.prepared import Form, half_mean, join_folds, keep_apart
from jaxreg.hypergrad.status import Status
from jaxreg.linear.active_set import Active, correlate, invert, minimize, product
from jaxreg.linear.batching import when
from jaxreg.linear.design import standardize
from jaxreg.linear.fit import tolerance

_ROUNDING = 8.0  # units of rounding in a slope, as in `linear.working_set`
_DRIFT = 1e-9  # relative: by how much an inverse that was updated often may miss


class Part(NamedTuple):
    """Rows that are fitted, standardized, their products, and the rows held out, in the same units."""

    X: Float[Array, "n p"]
    y: Float[Array, " n"]
    gram: Float[Array, "p p"]
    pull: Float[Array, " p"]
    held: tuple[Float[Array, "m p"], Float[Array, " m"]] | None


@dataclasses.dataclass(frozen=True, eq=False)
class WeightedAlong:
    r"""A lasso as a function of its strengths $\alpha f_j$; those that are not named are `alpha` and `factors`.

    A solution is exact, by an active set that starts from the solution before: from step to step of a descent few
    coefficients come and go, and each that does costs a change of rank one. The inverse on the support, which that
    keeps, is all that the derivative needs.
    """

    form: Form
    parts: tuple[Part, ...]
    alpha: Float[Array, ""]
    factors: Float[Array, "..."]
    names: tuple[str, ...] = ("alpha", "factors")

    def begin(self) -> tuple[Active, ...]:
        """Where the first fits start: without coefficients."""

        def start(part: Part) -> Active:
            none = jnp.zeros_like(part.pull)
            return Active(none, part.pull, none != 0, jnp.zeros_like(part.gram))

        return tuple(jax.vmap(start)(part) for part in self.parts)

    def evaluate(self, at: Hyperparameters, memory: tuple[Active, ...] | None = None) -> Outcome:
        """The error, its status, and what the next fit may start from."""
        memory = self.begin() if memory is None else memory
        given = (at.get("alpha", self.alpha), at.get("factors", self.factors))
        alpha, factors = (jnp.asarray(values, self.parts[0].X.dtype) for values in given)
        measure = jax.vmap(lambda part, start: self._measure(part, start, alpha * factors))
        found = [measure(part, start) for part, start in zip(self.parts, memory, strict=True)]
        return join_folds([one[:2] for one in found])._replace(memory=tuple(one.memory for one in found))

    def _measure(self, part: Part, start: Active, strengths: Float[Array, "..."]) -> Outcome:
        n, p = part.X.shape
        sound = (jnp.isfinite(strengths) & (strengths >= 0)).all()
        l1 = jnp.broadcast_to(jnp.where(sound, n * strengths, jnp.nan), (p,))
        end, status = solve(part, start, l1)
        if part.held is not None:
            error = half_mean(product(part.held[0], end.coef) - part.held[1])
        else:
            constant = int(self.form.fit_intercept) / n
            share = ((part.X @ end.inverse) * part.X).sum(1) + constant
            share = share.mean() if self.form.criterion == "gcv" else share
            error = half_mean((product(part.X, end.coef) - part.y) / keep_apart(1 - share))
        return Outcome(error, status, end)


def prepare_weighted(
    X: Float[Array, "n p"],
    y: Float[Array, " n"],
    form: Form,
    held: tuple[Float[Array, "m p"], Float[Array, " m"]] | None,
) -> Part:
    """Standardize, and multiply the columns with each other."""
    design = standardize(X, form.normalize, center=form.fit_intercept)
    mean = y.mean() if form.fit_intercept else jnp.zeros_like(y[0])
    A, y = design.X, y - mean
    if held is not None:
        held = (held[0] - design.center[None]) / design.scale[None], held[1] - mean
    return Part(A, y, jnp.einsum("ni,nj->ij", A, A, precision="highest"), correlate(A, y), held)


@jax.custom_jvp
def solve(part: Part, start: Active, l1: Float[Array, " p"]) -> tuple[Active, Int32[Array, ""]]:
    r"""Minimize $\tfrac12 \|y - X b\|^2 + \sum_j \lambda_j |b_j|$, with the derivative of b in the strengths alone.

    On the support, of signs s, it is $\dot b_S = -(X_S'X_S)^{-1} (s \dot\lambda)_S$. A start whose inverse has drifted,
    or from which the minimum is missed, is made anew.
    """
    zero, size = jnp.zeros_like(part.pull[0]), jnp.sqrt(part.y @ part.y)
    epsilon = float(jnp.finfo(l1.dtype).eps)

    def descend(start: Active) -> Active:
        p = len(l1)
        slope = correlate(part.X, part.y - product(part.X, start.coef))
        start = start._replace(slope=slope)
        return minimize(part.gram, start, l1, zero, size, jnp.asarray(_ROUNDING * epsilon, l1.dtype), 5 * p + 50)

    def again(end: Active) -> Active:
        inverse = invert(part.gram, end.coef != 0, zero)
        support = jnp.diagonal(inverse) > 0
        return descend(Active(jnp.where(support, end.coef, 0), end.slope, support, inverse))

    end = descend(start)
    end = when(_is_poor(part, end, l1), again, end)
    poor, sound = _is_poor(part, end, l1), jnp.isfinite(l1).all() & jnp.isfinite(end.coef).all()
    end = end._replace(coef=jnp.where(sound, end.coef, jnp.nan))
    status = jnp.where(poor, int(Status.NOT_CONVERGED), 0) | _find_kinks(part, end, l1)
    return end, jnp.where(sound, status, int(Status.INVALID)).astype(jnp.int32)


@solve.defjvp
def _differentiate(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    part, (end, status) = primals[0], solve(*primals)
    force = -jnp.sign(end.coef) * tangents[2]
    rough = product(end.inverse, force)
    rest = jnp.where(end.support, force - product(part.gram, rough), 0)
    still = jax.tree.map(jax.custom_derivatives.zero_from_primal, (end, status))
    return (end, status), (still[0]._replace(coef=rough + product(end.inverse, rest)), still[1])


def _is_poor(part: Part, end: Active, l1: Float[Array, " p"]) -> Bool[Array, ""]:
    """Whether the duality gap, of the data, is above the tolerance, or the inverse on the support is none."""
    residual = part.y - product(part.X, end.coef)
    slope, square = correlate(part.X, residual), part.y @ part.y
    free, size = l1 == 0, jnp.abs(slope)
    beyond = ~free & (size > l1)
    shrink = jnp.where(beyond, l1 / jnp.where(beyond, size, 1), 1).min()
    gap = (1 - shrink) ** 2 / 2 * (residual @ residual) + (l1 * jnp.abs(end.coef) - shrink * end.coef * slope).sum()
    diagonal = jnp.diagonal(part.gram)
    gap += jnp.where(free & (diagonal > 0), slope**2 / jnp.where(diagonal > 0, 2 * diagonal, 1), 0).sum()
    sign = jnp.sign(end.coef)
    missed = jnp.where(end.support, product(part.gram, product(end.inverse, sign)) - sign, 0)
    limit = _DRIFT if l1.dtype == jnp.float64 else 1e-3
    return ~(gap <= tolerance(gap.dtype) / 2 * square) | ~(jnp.abs(missed).max() <= limit)


def _find_kinks(part: Part, end: Active, l1: Float[Array, " p"]) -> Int32[Array, ""]:
    """KNOT where the proximal step has another derivative a little to either side; FLAT without coefficients."""
    step = 1 / jnp.maximum(jnp.trace(part.gram), float(jnp.finfo(l1.dtype).tiny))
    z = jnp.abs(end.coef + step * end.slope)
    near = 10 * float(jnp.finfo(l1.dtype).eps) ** 0.5
    bent = ((l1 > 0) & (jnp.abs(z - step * l1) <= near * z)).any()
    flat = (end.coef == 0).all()
    kinks = jnp.where(bent, int(Status.KNOT), 0) | jnp.where(flat, int(Status.FLAT), 0)
    return kinks.astype(jnp.int32)
