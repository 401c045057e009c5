"""How good a penalized fit is: its duality gap, and what a proximal step would still gain."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxreg.linear.data_loss import DataLoss
from jaxreg.linear.proximal_newton import Problem, Setting, make_prox, metric_at, predict, slope_at, split
from jaxreg.linear.quadratic_model import gain_of


def certify(
    problem: Problem, loss: DataLoss, penalty: Any, coef: Float[Array, " m"], unit: Float[Array, ""], setting: Setting
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""The duality gap and the optimality residual of a point, both relative to the objective of the constant fit.

    With $r_i = \ell'(\eta_i, y_i)$ and $g = \sum_i \omega_i r_i x_i$, each $s$ for which $-sg$ is feasible gives

    $$F(b) - F^* \le \sum_i \omega_i (\ell(\eta_i) + \ell^*(s r_i) - s r_i \eta_i) + P(b) + P^*(-sg) + s g'b,$$

    both parts of which are 0 or more. In directions without a penalty no factor helps: there g is 0 but for
    rounding, and $\tfrac12 g_j^2 / H_{jj}$, what a step would gain, is added. The smaller one of s = 1 and the largest
    feasible s counts. Infinite without a conjugate.

    The residual is $\sqrt{\tfrac12 \|b - \mathrm{prox}_D(b - D^{-1}g)\|_D^2}$, or the distance of -g from the
    subdifferential where the penalty knows it, in the metric $D^{-1}$.
    """
    eta = predict(problem, loss, coef)
    slope = slope_at(problem, loss, coef, eta, setting)
    metric, diagonal = metric_at(problem, loss, eta, setting)
    (part, _), (pull, rest) = split(coef, setting), split(-slope, setting)
    if hasattr(penalty, "subdifferential_distance"):
        distance = jnp.concatenate([penalty.subdifferential_distance(part, -pull).reshape(-1), rest])
        gain = (distance * distance / metric).sum() / 2
    else:
        gain = gain_of(coef, slope, metric, make_prox(penalty, setting))
    residual = jnp.sqrt(gain / unit)
    if not (loss.has_dual and getattr(penalty, "has_dual", False)):
        return jnp.full_like(residual, jnp.inf), residual
    inside = penalty.confine(pull)
    loose = jnp.concatenate([(pull - inside).reshape(-1), rest])
    free = (loose * loose / jnp.where(diagonal > 0, diagonal, 1)).sum() / 2
    factor = penalty.shrink(inside) * (1 - 8 * float(jnp.finfo(coef.dtype).eps))
    value, residuals = penalty.value(part), loss.slope(eta, problem.y)

    def measure(factor: Array | float) -> Array:
        scaled = factor * residuals
        cross = scaled * eta if loss.outputs is None else (scaled * eta).sum(-1)
        data = loss.value(eta, problem.y) + loss.conjugate(scaled, problem.y) - cross
        return (
            (problem.weight * data).sum() + value + penalty.conjugate(factor * inside) - (factor * inside * part).sum()
        )

    straight = value + penalty.conjugate(inside) - (inside * part).sum()
    gap = jnp.minimum(jnp.where(jnp.isnan(straight), jnp.inf, straight), measure(factor))
    return jnp.maximum(gap, 0) / unit + free / unit, residual
