"""Solutions of penalized models with their derivatives in data and strengths, by the implicit function theorem."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PyTree

from jaxreg.linear.factor import invert
from jaxreg.linear.held import unwrap
from jaxreg.linear.proximal_newton import (
    Found,
    Problem,
    Setting,
    make_prox,
    metric_at,
    predict,
    slope_at,
    solve_grid,
)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
@partial(jax.jit, static_argnums=0)
def solve_stationary(setting: Setting, problem: Problem, loss: Any, penalties: PyTree, unit: Array) -> Found:
    r"""`solve_grid`, with the derivative of its coefficients, forward and reverse, and of any order.

    A solution is where $b = \mathrm{prox}_D(b - D^{-1} \nabla f(b))$, whatever the metric D. With J the derivative of
    the proximal step there and H the Hessian, it moves as

    $$(I - J(I - D^{-1}H))\, \dot b = \dot{\mathrm{prox}} - J D^{-1} \dot{\nabla f},$$

    the dots on the right being derivatives in data and strengths at fixed b. On the support of an L1 penalty that is
    $H_{SS} \dot b_S = -(\dot{\nabla f})_S - \dot\alpha s$, and 0 elsewhere. It is linear in the tangents; not a number
    where the solution is not unique. `setting` is a `Setting` with labels of blocks in a tuple in place of `same`.

    Source: Bertrand et al., Implicit differentiation for fast hyperparameter selection in non-smooth convex learning,
    J. Mach. Learn. Res. 23 (2022) 1-43.
    """
    return solve_grid(problem, unwrap(loss), penalties, unit, expand(setting))


@solve_stationary.defjvp
def _differentiate(setting: Setting, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Found, Found]:
    problem, loss, penalties, _ = primals
    found = solve_stationary(setting, *primals)
    wide = expand(setting)

    def move(coef: Float[Array, " m"], penalty: Any, penalty_dot: Any) -> Float[Array, " m"]:
        metric = lax.stop_gradient(metric_at(problem, unwrap(loss), predict(problem, unwrap(loss), coef), wide)[0])

        def miss(coef: Array, problem: Problem, loss: Any, penalty: Any) -> Array:
            kind = unwrap(loss)
            slope = slope_at(problem, kind, coef, predict(problem, kind, coef), wide)
            return coef - make_prox(unwrap(penalty), wide)(coef - slope / metric, metric)

        given, moved = (problem, loss, penalty), (tangents[0], tangents[1], penalty_dot)
        force = jax.jvp(partial(miss, coef), given, moved)[1]
        matrix = jax.jacfwd(lambda coef: miss(coef, *given))(coef)
        inverse = invert(matrix)
        rough = jnp.einsum("ij,j->i", inverse, force, precision="highest")
        rest = force - jnp.einsum("ij,j->i", matrix, rough, precision="highest")
        return -rough - jnp.einsum("ij,j->i", inverse, rest, precision="highest")

    if not jax.tree.leaves(penalties):
        coef_dot = jax.vmap(lambda coef: move(coef, penalties, tangents[2]))(found.coef)
    else:
        coef_dot = jax.vmap(move)(found.coef, penalties, tangents[2])
    still = jax.tree.map(jax.custom_derivatives.zero_from_primal, found)
    return found, still._replace(coef=coef_dot)


def expand(setting: Setting) -> Setting:
    """The setting with a table of which coefficients share a block, or None where none do."""
    labels = np.array(setting.same)
    if len(set(setting.same)) == len(labels):
        return setting._replace(same=None)
    return setting._replace(same=labels[:, None] == labels)
