"""Penalties by groups, folded, weighted and bounded: proximal steps and conjugates against the definition, on grids."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import conventions
from jaxreg.errors import ArgumentError
from jaxreg.penalties import (
    L1,
    L2,
    MCP,
    SCAD,
    Box,
    ElasticNet,
    GroupLasso,
    MaxNorm,
    SparseGroupLasso,
    Weighted,
    positive,
)

GRID = np.linspace(-6, 6, 240_001)
SINGLE = {
    "MCP": MCP(0.7, 2.5),
    "SCAD": SCAD(0.7, 3.0),
    "weighted": Weighted(L1(0.7), 1.5),
    "weighted MCP": Weighted(MCP(0.7, 2.5), 0.5),
    "box": Box(-0.5, 1.0, ElasticNet(0.4, 0.5)),
    "positive": positive(L1(0.7)),
    "L1": L1(0.7),
}


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("step", [0.3, 1.0, 4.0])
def test_proximal_steps_minimize_what_they_should(name, step):
    penalty = SINGLE[name]
    costs = step * np.asarray(penalty.terms(jnp.asarray(GRID)))
    for w in (-3.1, -1.3, -0.4, 0.0, 0.2, 0.9, 1.7, 5.0):
        z = float(penalty.prox(jnp.asarray(w), step))
        mine = 0.5 * (z - w) ** 2 + step * float(penalty.value(jnp.asarray(z)))
        assert mine <= (0.5 * (GRID - w) ** 2 + costs).min() + 1e-12


@pytest.mark.parametrize("name", ["weighted", "box", "positive", "L1"])
def test_conjugates_are_the_largest_difference(name):
    penalty = SINGLE[name]
    for v in (-0.6, -0.1, 0.0, 0.3, 0.65):
        expected = (v * GRID - np.asarray(penalty.terms(jnp.asarray(GRID)))).max()
        np.testing.assert_allclose(float(penalty.conjugate(jnp.asarray([v]))), expected, atol=1e-4)
    big = jnp.asarray([50.0])
    assert np.isfinite(float(penalty.conjugate(big * penalty.shrink(big) * (1 - 1e-12))))


@pytest.mark.parametrize(
    "penalty", [GroupLasso(0.6, groups=[[0, 2], [1, 3, 4]]), SparseGroupLasso(0.6, 0.4, groups=[[0, 2], [1, 3, 4]])]
)
def test_group_steps_are_minima_and_duals_feasible(penalty):
    random = np.random.default_rng(0)
    for _ in range(20):
        w = jnp.asarray(2 * random.normal(size=5))
        z = penalty.prox(w, 0.8)
        here = 0.5 * ((z - w) ** 2).sum() + 0.8 * penalty.value(z)
        near = z[None] + 0.1 * random.normal(size=(200, 5)) * random.choice([0, 1], size=(200, 5))
        there = 0.5 * ((near - w[None]) ** 2).sum(1) + 0.8 * jax.vmap(penalty.value)(near)
        assert float(here) <= float(there.min()) + 1e-12
        v = w * penalty.shrink(w) * (1 - 1e-12)
        assert float(penalty.conjugate(v)) == 0
        # Feasible is v'z <= P(z) for every z, with equality for some z if v was shrunk.
        assert float((v * z).sum()) <= float(penalty.value(z)) + 1e-12


def test_the_sparse_group_lasso_lies_between():
    w, groups = jnp.arange(-2.0, 4.0), [[0, 1], [2, 3, 4, 5]]
    np.testing.assert_allclose(SparseGroupLasso(0.5, 1.0, groups=groups).prox(w, 1.0), L1(0.5).prox(w, 1.0))
    np.testing.assert_allclose(
        SparseGroupLasso(0.5, 0.0, groups=groups).prox(w, 1.0), GroupLasso(0.5, groups=groups).prox(w, 1.0)
    )
    for ratio, other in ((1.0, L1(1.0)), (0.0, GroupLasso(1.0, groups=groups))):
        np.testing.assert_allclose(
            SparseGroupLasso(1.0, ratio, groups=groups).alpha_max(w), other.alpha_max(w), rtol=1e-12
        )


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: GroupLasso(0.1, groups=[[0, 1], [1, 2]]), "groups"),
        (lambda: GroupLasso(0.1, groups=[[0, 1], [3]]), "groups"),
        (lambda: GroupLasso(0.1, groups=[]), "groups"),
        (lambda: GroupLasso(0.1, groups=0), "groups"),
        (lambda: GroupLasso(0.1, groups=2).value(jnp.ones((2, 2))), "params"),
        (lambda: MCP(0.1, 1.0), "gamma"),
        (lambda: SCAD(0.1, 2.0), "a"),
        (lambda: Weighted(L1(0.1), np.array([1.0, -1.0])), "factors[1]"),
        (lambda: Weighted(GroupLasso(0.1), 1.0), "penalty"),
        (lambda: Box(1.0, 0.0), "high"),
        (lambda: Box(0.0, 1.0, MCP(0.1)), "penalty"),
        (lambda: MaxNorm(1.0).at(0.1), "penalty"),
    ],
)
def test_bad_numbers_and_groups_are_refused(make, argument):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert caught.value.argument == argument


def test_conventions_of_other_libraries():
    assert conventions.from_sklearn_lasso(0.1, half=True) == L1(0.1)
    assert conventions.from_sklearn_ridge(0.5, 50, half=True) == L2(0.01)
    assert conventions.from_skglm("MCPenalty", 0.1, gamma=3.0, half=True) == MCP(0.1, 3.0)
    assert conventions.from_skglm("WeightedGroupL2", 0.1, groups=2) == GroupLasso(0.2, groups=2)
    scaled = conventions.from_glmnet(0.1, 1.0, penalty_factor=np.array([0.0, 1.0, 3.0]), half=True)
    np.testing.assert_allclose(scaled.factors, [0.0, 0.75, 2.25])
    with pytest.raises(ArgumentError, match="half"):
        conventions.from_skglm("SCAD", 0.1, gamma=3.7)
    with pytest.raises(ArgumentError, match="penalty_factor"):
        conventions.from_glmnet(0.1, 1.0, penalty_factor=np.zeros(2))
