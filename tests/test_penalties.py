"""Penalties: proximal steps against optimality and brute force, strengths against installed libraries."""

import dataclasses
import functools
import itertools

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import sklearn.linear_model

from jaxreg import conventions, losses, nets, objectives
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
    Weighted,
    kernels_only,
    soft_threshold,
)

# name: (the penalty at some strength, its value in NumPy at that strength)
PENALTIES = {
    "L1": (lambda a: L1(a), lambda w, a: a * np.abs(w).sum()),
    "L2": (lambda a: L2(a), lambda w, a: a * (w**2).sum() / 2),
    "ElasticNet": (lambda a: ElasticNet(a, 0.3), lambda w, a: a * (0.3 * np.abs(w) + 0.7 * w**2 / 2).sum()),
    "GroupLasso": (lambda a: GroupLasso(a), lambda w, a: a * np.sqrt(w.shape[-1]) * np.sqrt((w**2).sum(-1)).sum()),
}
SPARSE = ("L1", "ElasticNet", "GroupLasso")
everyone = pytest.mark.parametrize("name", [*PENALTIES, "MaxNorm"])

kernels = hnp.arrays(np.float64, (3, 2), elements=st.floats(-5, 5, width=32))
strengths = st.floats(0.01, 3)
quickly = hypothesis.settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module", autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


# One program per shape; called eagerly, every little operation would be compiled for itself.
value = jax.jit(lambda penalty, params: penalty.value(params))
slope_of = jax.jit(jax.grad(lambda penalty, params: penalty.value(params), argnums=1))
prox = jax.jit(lambda penalty, params, step: penalty.prox(params, step))


def make(name, strength):
    return MaxNorm(strength) if name == "MaxNorm" else PENALTIES[name][0](strength)


def model(seed=0, dtype=np.float32):
    """Parameters of a small network, with exact, negative and subnormal zeros among them."""
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(4, 3)) * 2
    kernel[0], kernel[1, 1], kernel[2, 0] = 0.0, -0.0, 1e-40
    layers = {"hidden": {"kernel": kernel, "bias": rng.normal(size=3)}, "out": {"kernel": rng.normal(size=(3, 2))}}
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), layers)


def raw(tree):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


# ------------------------------------------------------------------ values and gradients


@pytest.mark.parametrize("name", PENALTIES)
@quickly
@hypothesis.given(w=kernels, strength=strengths)
def test_values_are_the_formulas(name, w, strength):
    penalty, formula = PENALTIES[name]
    np.testing.assert_allclose(value(penalty(strength), jnp.asarray(w)), formula(w, strength), rtol=1e-12, atol=1e-300)


@everyone
def test_values_add_over_the_leaves_the_mask_selects(name):
    params, penalty = model(), make(name, 0.7)
    kernels_of = [params["hidden"]["kernel"], params["out"]["kernel"]]
    expected = sum(float(value(penalty, leaf)) for leaf in kernels_of)

    def masked(mask):
        return float(jax.jit(lambda p: penalty.value(p, mask))(params))

    assert masked(kernels_only) == pytest.approx(expected, rel=1e-6)
    assert masked({"hidden": False, "out": True}) == pytest.approx(float(value(penalty, kernels_of[1])), rel=1e-6)
    assert masked(False) == 0.0


@pytest.mark.parametrize("name", PENALTIES)
def test_gradients_are_difference_quotients_away_from_zero(name):
    w, h = np.random.default_rng(1).normal(size=(3, 2)), 1e-6
    penalty = make(name, 0.7)
    expected = np.zeros_like(w)
    for i in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[i] = h
        expected[i] = (value(penalty, jnp.asarray(w + step)) - value(penalty, jnp.asarray(w - step))) / (2 * h)
    np.testing.assert_allclose(slope_of(penalty, jnp.asarray(w)), expected, rtol=1e-7)


@everyone
def test_the_subgradient_at_zero_is_zero(name):
    params = jax.tree.map(jnp.zeros_like, model())
    for leaf in jax.tree.leaves(slope_of(make(name, 0.7), params)):
        np.testing.assert_array_equal(leaf, 0.0)


def test_the_l1_gradient_does_not_kick_zero_weights():
    gradient = slope_of(L1(0.5), jnp.array([0.0, -0.0, 2.0, -3.0]))
    np.testing.assert_array_equal(gradient, [0.0, 0.0, 0.5, -0.5])


def test_strengths_are_differentiable():
    w = jnp.asarray(np.random.default_rng(2).normal(size=(3, 2)))
    slope = jax.grad(lambda alpha: value(L1(alpha), w))
    np.testing.assert_allclose([slope(0.0), slope(0.3)], np.abs(w).sum(), rtol=1e-14)
    by_ratio = jax.grad(lambda ratio: value(ElasticNet(2.0, ratio), w))(0.4)
    np.testing.assert_allclose(by_ratio, 2 * (np.abs(w).sum() - (np.asarray(w) ** 2).sum() / 2), rtol=1e-13)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_group_norms_neither_underflow_nor_overflow_in_float32(scale):
    w = jnp.array([[3.0, 4.0]], jnp.float32) * np.float32(scale)
    np.testing.assert_allclose(value(GroupLasso(1.0), w), 5 * scale * np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(slope_of(GroupLasso(1.0), w), np.sqrt(2) * np.array([[0.6, 0.8]]), rtol=1e-6)
    half = prox(MaxNorm(np.float32(scale) * 2.5), w.T, 1.0)  # one unit of norm 5 · scale
    np.testing.assert_allclose(half, w.T / 2, rtol=1e-6)


# ------------------------------------------------------------------ proximal steps


def whole(name, strength, step, z, w):
    """What the proximal step minimises, in NumPy."""
    return ((z - w) ** 2).sum() / 2 + step * PENALTIES[name][1](z, strength)


@pytest.mark.parametrize("name", PENALTIES)
@quickly
@hypothesis.given(w=kernels, strength=strengths, step=st.floats(0.01, 2), seed=st.integers(0, 100))
def test_no_other_point_beats_the_proximal_step(name, w, strength, step, seed):
    """The function is strongly convex: its minimum is beaten by no point, near or far."""
    z = np.asarray(prox(make(name, strength), jnp.asarray(w), step))
    best = whole(name, strength, step, z, w)
    rng = np.random.default_rng(seed)
    others = [w, np.zeros_like(w), *(z + scale * rng.normal(size=w.shape) for scale in np.geomspace(1e-6, 5, 60))]
    for other in others:
        gap = whole(name, strength, step, other, w) - best
        assert gap >= ((other - z) ** 2).sum() / 2 - 1e-10 * (1 + best)


@pytest.mark.parametrize("name", PENALTIES)
@quickly
@hypothesis.given(w=hnp.arrays(np.float64, (1, 2), elements=st.floats(-2, 2, width=32)), strength=strengths)
def test_the_proximal_step_is_the_best_of_a_grid(name, w, strength):
    """What is minimized grows from its minimum by half the squared distance at least, at every point of the grid."""

    def values(at):
        penalty = {
            "L1": np.abs(at).sum(-1),
            "L2": (at**2).sum(-1) / 2,
            "ElasticNet": (0.3 * np.abs(at) + 0.35 * at**2).sum(-1),
            "GroupLasso": np.sqrt(2) * np.hypot(at[..., 0], at[..., 1]),
        }[name]
        return ((at - w[0]) ** 2).sum(-1) / 2 + 0.5 * strength * penalty

    axis = np.linspace(-2, 2, 401)
    grid = np.stack(np.meshgrid(axis, axis), -1)
    best = np.asarray(prox(make(name, strength), jnp.asarray(w), 0.5)[0])
    rise = values(grid) - values(best) - ((grid - best) ** 2).sum(-1) / 2
    assert rise.min() >= -1e-12 * (1 + values(best))


@quickly
@hypothesis.given(w=kernels, strength=strengths, step=st.floats(0.01, 2))
def test_proximal_steps_meet_their_optimality_conditions(w, strength, step):
    t = step * strength
    z = np.asarray(prox(L1(strength), jnp.asarray(w), step))
    np.testing.assert_allclose((w - z)[z != 0], t * np.sign(z[z != 0]), rtol=1e-9, atol=1e-12)
    assert (np.abs(w[z == 0]) <= t).all()
    z = np.asarray(prox(L2(strength), jnp.asarray(w), step))
    np.testing.assert_allclose(w - z, t * z, rtol=1e-9, atol=1e-12)
    z = np.asarray(prox(ElasticNet(strength, 0.3), jnp.asarray(w), step))
    np.testing.assert_allclose((w - z - 0.7 * t * z)[z != 0], 0.3 * t * np.sign(z[z != 0]), rtol=1e-9, atol=1e-12)
    assert (np.abs(w[z == 0]) <= 0.3 * t * (1 + 1e-12)).all()
    z = np.asarray(prox(GroupLasso(strength), jnp.asarray(w), step))
    for row, old in zip(z, w, strict=True):
        if row.any():
            expected = t * np.sqrt(2) * row / np.linalg.norm(row)
            np.testing.assert_allclose(old - row, expected, rtol=1e-7, atol=1e-9)
        else:
            assert np.linalg.norm(old) <= t * np.sqrt(2) * (1 + 1e-12)


@functools.cache
def traced_step(name):
    return jax.jit(lambda strength, params: make(name, strength).prox(params, jnp.float32(0.1)))


@everyone
@quickly
@hypothesis.given(
    leaf=hnp.arrays(
        np.float32,
        (3, 4),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False),
    )
)
def test_no_strength_no_change(name, leaf):
    """Identical bytes, for negative zeros and the largest numbers as well, traced or not."""
    params = {"kernel": jnp.asarray(leaf), "bias": jnp.asarray(leaf[0])}
    off = np.inf if name == "MaxNorm" else 0.0
    assert raw(make(name, off).prox(params, 0.1)) == raw(params)
    assert raw(traced_step(name)(jnp.float32(off), params)) == raw(params)
    if name != "MaxNorm":
        assert raw(make(name, 0.7).prox(params, 0.0)) == raw(params)
    modest = jax.tree.map(lambda w: jnp.clip(w, -1e15, 1e15), params)
    assert np.asarray(value(make(name, off), modest)).tobytes() == np.float32(0.0).tobytes()


def test_exact_zeros_come_from_the_proximal_step_only():
    w = jnp.array([0.3, -0.2, 1.0])
    np.testing.assert_array_equal(prox(L1(1.0), w, 0.4) == 0, [True, True, False])
    assert (w - 0.4 * slope_of(L1(1.0), w) != 0).all()


def test_a_group_is_a_row_of_a_kernel_and_a_whole_vector():
    kernel = jnp.array([[3.0, 4.0], [0.3, 0.4]])
    step = prox(GroupLasso(1.0), {"kernel": kernel, "vector": kernel[:, 0]}, 1.0)
    np.testing.assert_array_equal(step["kernel"][1], 0.0)
    np.testing.assert_allclose(step["kernel"][0], np.array([3.0, 4.0]) * (1 - np.sqrt(2) / 5), rtol=1e-12)
    norm = np.hypot(3.0, 0.3)
    np.testing.assert_allclose(step["vector"], np.array([3.0, 0.3]) * (1 - np.sqrt(2) / norm), rtol=1e-12)


def test_a_group_of_one_is_the_lasso():
    w = jnp.asarray(np.random.default_rng(3).normal(size=(5, 1)))
    np.testing.assert_allclose(prox(GroupLasso(0.4), w, 1.0), prox(L1(0.4), w, 1.0), rtol=1e-12, atol=1e-16)
    assert float(value(GroupLasso(0.4), w)) == pytest.approx(float(value(L1(0.4), w)), rel=1e-12)


def test_the_elastic_net_contains_lasso_and_ridge():
    params = model()
    for ratio, other in ((1.0, L1(0.7)), (0.0, L2(0.7))):
        net = ElasticNet(0.7, ratio)
        assert raw(prox(net, params, 0.3)) == raw(prox(other, params, 0.3))
        np.testing.assert_allclose(value(net, params), value(other, params), rtol=1e-7)


# ------------------------------------------------------------------ max-norm


@quickly
@hypothesis.given(w=kernels, radius=st.floats(0.1, 6))
def test_max_norm_projects_each_column_on_the_ball(w, radius):
    z = np.asarray(prox(MaxNorm(radius), jnp.asarray(w), 1.0))
    assert float(value(MaxNorm(radius), jnp.asarray(z))) == 0.0
    for new, old in zip(z.T, w.T, strict=True):
        norm = np.linalg.norm(old)
        if norm <= radius * (1 - 1e-12):
            np.testing.assert_array_equal(new, old)
        elif norm > radius * (1 + 1e-12):
            np.testing.assert_allclose(new, old * radius / norm, rtol=1e-12)
    again = prox(MaxNorm(radius), jnp.asarray(z), 1.0)
    np.testing.assert_allclose(again, z, rtol=1e-15)


@quickly
@hypothesis.given(w=hnp.arrays(np.float64, (2, 1), elements=st.floats(-3, 3, width=32)), radius=st.floats(0.2, 2))
def test_max_norm_finds_the_nearest_point_of_the_ball(w, radius):
    angle, length = np.meshgrid(np.linspace(0, 2 * np.pi, 721), np.linspace(0, radius, 41))
    ball = np.stack([length * np.cos(angle), length * np.sin(angle)], -1).reshape(-1, 2)
    z = np.asarray(prox(MaxNorm(radius), jnp.asarray(w), 1.0))[:, 0]
    distances = np.linalg.norm(ball - w[:, 0], axis=-1)
    assert np.linalg.norm(z - w[:, 0]) <= distances.min() + 1e-12


def test_max_norm_value_is_a_wall_whatever_the_shape():
    kernel = jnp.ones((2, 2, 3, 5))  # a convolution's: 12 weights enter each of 5 channels
    assert float(value(MaxNorm(3.4), kernel)) == np.inf
    assert float(value(MaxNorm(3.5), kernel)) == 0.0
    np.testing.assert_allclose(prox(MaxNorm(1.0), kernel, 1.0), 1 / np.sqrt(12), rtol=1e-12)
    np.testing.assert_allclose(prox(MaxNorm(1.0), jnp.array([3.0, 4.0]), 1.0), [0.6, 0.8], rtol=1e-12)
    np.testing.assert_array_equal(slope_of(MaxNorm(3.4), kernel), 0.0)


@pytest.mark.parametrize("size", [10, 1000, 20_000])
def test_a_projected_kernel_is_inside_in_float32(size):
    w = jnp.asarray(np.random.default_rng(4).normal(size=(size, 7)), jnp.float32)
    assert float(value(MaxNorm(0.3), w)) == np.inf
    assert float(value(MaxNorm(0.3), prox(MaxNorm(0.3), w, 1.0))) == 0.0


# ------------------------------------------------------------------ critical strengths, against scikit-learn


@functools.cache
def regression():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(40, 6))
    return x, x @ np.array([2.0, -1.0, 0.0, 0.0, 0.5, 0.0]) + rng.normal(size=40)


def test_critical_strengths_are_the_textbooks_and_sklearns():
    x, y = regression()
    gradient = jnp.asarray(-x.T @ y / len(y))  # of ‖y - Xb‖²/(2n) at b = 0
    largest = np.abs(x.T @ y).max() / len(y)
    assert float(L1(1.0).alpha_max(gradient)) == pytest.approx(largest, rel=1e-12)
    assert float(ElasticNet(1.0, 0.25).alpha_max(gradient)) == pytest.approx(largest / 0.25, rel=1e-12)
    for penalty, ratio in ((L1(1.0), 1.0), (ElasticNet(1.0, 0.25), 0.25)):
        path, _, _ = sklearn.linear_model.enet_path(x, y, l1_ratio=ratio, alphas=5)
        assert float(penalty.alpha_max(gradient)) == pytest.approx(path[0], rel=1e-10)
    groups = {"first": gradient[:2], "rest": gradient[2:]}
    expected = max(np.linalg.norm(gradient[:2]) / np.sqrt(2), np.linalg.norm(gradient[2:]) / 2)
    assert float(GroupLasso(1.0).alpha_max(groups)) == pytest.approx(expected, rel=1e-12)
    assert float(GroupLasso(1.0).alpha_max(groups, {"first": True, "rest": False})) == pytest.approx(
        np.linalg.norm(gradient[:2]) / np.sqrt(2), rel=1e-12
    )
    assert np.isposinf(ElasticNet(1.0, 0.0).alpha_max(gradient))


@pytest.mark.parametrize("name", SPARSE)
def test_all_weights_are_zero_from_the_critical_strength_on_and_not_before(name):
    x, y = regression()
    design = {"first": jnp.asarray(x[:, :2]), "rest": jnp.asarray(x[:, 2:])}
    objective = objectives.build(lambda b, x: x["first"] @ b["first"] + x["rest"] @ b["rest"], losses.squared)
    gradient = jax.jit(jax.grad(lambda b: objective(b, design, jnp.asarray(y))[0]))
    zero = {"first": jnp.zeros(2), "rest": jnp.zeros(4)}
    critical = float(make(name, 1.0).alpha_max(gradient(zero)))
    step = 0.5 / np.linalg.norm(x.T @ x / len(y), 2)
    for factor, dead in ((1.0001, True), (0.999, False)):
        penalty, b = make(name, factor * critical), zero
        for _ in range(50):
            b = prox(penalty, jax.tree.map(lambda w, g: w - step * g, b, gradient(b)), step)
        assert all((leaf == 0).all() for leaf in jax.tree.leaves(b)) == dead


def test_a_mask_that_selects_nothing_has_no_critical_strength():
    with pytest.raises(ArgumentError, match="must select some"):
        L1(1.0).alpha_max(jnp.ones(3), kernels_only)


# ------------------------------------------------------------------ other libraries' scales


def residual(penalty, loss, x, y, b):
    """How far b is from the minimum of mean loss + penalty: the length of a proximal gradient step."""
    objective = objectives.build(lambda b, x: x @ b, loss)
    b, x, y = (jnp.asarray(v, jnp.float64) for v in (b, x, y))
    gradient = jax.grad(lambda b: objective(b, x, y)[0])(b)
    return float(jnp.abs(b - penalty.prox(b - 0.1 * gradient, 0.1)).max())


CONVERSIONS = {
    "ridge": (
        lambda a, n: conventions.from_sklearn_ridge(a, n),
        lambda a: sklearn.linear_model.Ridge(a, fit_intercept=False, solver="cholesky"),
        losses.squared,
    ),
    "lasso": (
        lambda a, n: conventions.from_sklearn_lasso(a),
        lambda a: sklearn.linear_model.Lasso(a, fit_intercept=False, tol=1e-12, max_iter=10**5),
        losses.squared,
    ),
    "elastic net": (
        lambda a, n: conventions.from_sklearn_elastic_net(a, 0.3),
        lambda a: sklearn.linear_model.ElasticNet(a, l1_ratio=0.3, fit_intercept=False, tol=1e-12, max_iter=10**5),
        losses.squared,
    ),
    "logistic": (
        lambda a, n: conventions.from_sklearn_logistic(a, n),
        lambda a: sklearn.linear_model.LogisticRegression(C=a, fit_intercept=False, tol=1e-10, max_iter=1000),
        losses.binary_cross_entropy_from_logits,
    ),
}


@pytest.mark.parametrize("name", CONVERSIONS)
@pytest.mark.parametrize("strength", [0.05, 0.3])
def test_sklearns_solution_minimises_the_translated_objective(name, strength):
    convert, estimator, loss = CONVERSIONS[name]
    x, y = regression()
    y = (y > 0).astype(float) if name == "logistic" else y
    solution = estimator(strength).fit(x, y).coef_.ravel()
    penalty = convert(strength, len(y))
    assert residual(penalty, loss, x, y, solution) < 1e-7
    for factor in (0.5, 2.0):  # no other scale has this minimum
        other = dataclasses.replace(penalty, alpha=factor * penalty.alpha)
        assert residual(other, loss, x, y, solution) > 1e-5


def test_keras_scales_are_its_formulas():
    """Its regularizers are c·Σ|w| and c·Σw²; an epoch's loss is a mean over samples plus these."""
    w, c = np.random.default_rng(6).normal(size=(4, 3)), 0.01
    assert float(conventions.from_keras_l1(c).value(jnp.asarray(w))) == pytest.approx(c * np.abs(w).sum(), rel=1e-12)
    assert float(conventions.from_keras_l2(c).value(jnp.asarray(w))) == pytest.approx(c * (w**2).sum(), rel=1e-12)


def test_weight_decay_is_optaxs():
    params = model(dtype=np.float64)
    gradients = jax.tree.map(jnp.ones_like, params)
    decay = optax.add_decayed_weights(0.3, mask=kernels_only)
    updates, _ = decay.update(gradients, decay.init(params), params)
    ours = jax.grad(lambda p: conventions.from_weight_decay(0.3).value(p, kernels_only))(params)
    for update, gradient in zip(jax.tree.leaves(updates), jax.tree.leaves(ours), strict=True):
        np.testing.assert_allclose(update, 1.0 + gradient, rtol=1e-12)


def test_glmnets_scale_is_its_formula():
    rng = np.random.default_rng(7)
    b, strength, a = rng.normal(size=5), 0.4, 0.3
    glmnet = strength * (a * np.abs(b).sum() + (1 - a) / 2 * (b**2).sum())  # beside ‖y - Xb‖²/(2n), half our data loss
    assert float(conventions.from_glmnet(strength, a).value(jnp.asarray(b))) == pytest.approx(2 * glmnet, rel=1e-12)


# ------------------------------------------------------------------ masks


@everyone
@pytest.mark.parametrize("mask", [kernels_only, {"hidden": {"kernel": True, "bias": False}, "out": True}])
def test_parameters_outside_the_mask_come_back_unchanged(name, mask):
    params = model()
    after = jax.jit(lambda p: make(name, 0.1).prox(p, 1.0, mask))(params)
    assert raw(after["hidden"]["bias"]) == raw(params["hidden"]["bias"])
    assert raw(after["hidden"]["kernel"]) == raw(prox(make(name, 0.1), params["hidden"]["kernel"], 1.0))
    assert raw(after["out"]["kernel"]) != raw(params["out"]["kernel"])
    gradient = jax.jit(jax.grad(lambda p: make(name, 0.1).value(p, mask)))(params)
    np.testing.assert_array_equal(gradient["hidden"]["bias"], 0.0)


def test_kernels_only_selects_by_dimension():
    params = {"conv": jnp.ones((2, 2, 1, 3)), "kernel": jnp.ones((2, 3)), "bias": jnp.ones(3), "scale": jnp.ones(())}
    assert kernels_only(params) == {"conv": True, "kernel": True, "bias": False, "scale": False}


@pytest.mark.parametrize("mask", [{"hidden": True}, [True, True], {"hidden": True, "out": True, "more": True}])
def test_a_mask_that_does_not_fit_is_refused(mask):
    with pytest.raises(ArgumentError, match="mask"):
        L1(0.1).value(model(), mask)


def test_a_mask_of_other_values_is_refused():
    with pytest.raises(ArgumentError, match="truth values"):
        L1(0.1).prox(model(), 1.0, {"hidden": 1.0, "out": 0.0})


# ------------------------------------------------------------------ populations


@everyone
def test_a_member_of_a_population_equals_the_member_alone(name):
    grid = np.float32([0.1, 0.5, 2.0])
    params = jax.vmap(lambda i: jax.tree.map(lambda w: w * i, model()))(jnp.float32([0.5, 1.0, 1.5]))

    def member(strength, params):
        penalty = make(name, strength)
        return penalty.value(params, kernels_only), penalty.prox(params, jnp.float32(0.3), kernels_only)

    values, steps = jax.jit(jax.vmap(member))(jnp.asarray(grid), params)
    alone = jax.jit(member)
    for i, strength in enumerate(grid):
        value, step = alone(strength, jax.tree.map(lambda w, i=i: w[i], params))
        np.testing.assert_allclose(values[i], value, rtol=1e-6)
        for many, one in zip(jax.tree.leaves(steps), jax.tree.leaves(step), strict=True):
            np.testing.assert_allclose(many[i], one, rtol=1e-6, atol=1e-7)


def test_a_stack_of_penalties_is_a_penalty_with_stacked_strengths():
    stacked = ElasticNet(jnp.array([0.1, 0.2]), jnp.array([0.5, 0.9]))
    w = jnp.asarray(np.random.default_rng(8).normal(size=4))
    values = jax.vmap(lambda penalty: penalty.value(w))(stacked)
    np.testing.assert_allclose(values, [value(ElasticNet(0.1, 0.5), w), value(ElasticNet(0.2, 0.9), w)], rtol=1e-12)
    assert jax.tree.structure(stacked) == jax.tree.structure(ElasticNet(0.1, 0.5))


def test_penalties_of_different_kinds_have_different_structures():
    """Were they equal, `jit` could run the program of one for another (it did, in one test run of five)."""
    structures = [jax.tree.structure(make(name, 0.5)) for name in ("L1", "L2", "GroupLasso", "MaxNorm")]
    assert all(a != b for a, b in itertools.combinations(structures, 2))
    assert structures == [jax.tree.structure(make(name, 0.7)) for name in ("L1", "L2", "GroupLasso", "MaxNorm")]


@everyone
def test_penalties_are_pytrees_of_their_strengths(name):
    penalty = make(name, 0.5)
    assert jax.tree.map(lambda strength: strength, penalty) == penalty
    assert jax.tree.leaves(jax.tree.map(lambda strength: 2 * strength, penalty))[0] == 1.0
    assert jax.tree_util.keystr(jax.tree_util.tree_leaves_with_path(penalty)[0][0]) in (".alpha", ".radius")


def test_another_strength_needs_no_other_program():
    traces = []

    @jax.jit
    def step(penalty, params):
        traces.append(penalty)
        return penalty.prox(params, 0.1)

    for strength in (0.1, 0.2, 0.4):
        step(ElasticNet(strength, strength), model())
    assert len(traces) == 1


@everyone
def test_steps_and_gradients_lower_for_every_platform(name):
    def update(strength, params):
        penalty = make(name, strength)
        return penalty.prox(jax.grad(penalty.value)(params), 0.1)

    arguments = (jnp.float32(0.5), model())
    exported = jax.export.export(jax.jit(update), platforms=("cpu", "cuda", "tpu"))(*arguments)
    assert exported.platforms == ("cpu", "cuda", "tpu")


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("bad", [-0.1, np.float32(-1.0), float("nan"), float("inf")])
def test_strengths_outside_their_domain_are_refused(bad):
    for penalty in (L1, L2, GroupLasso, lambda a: ElasticNet(a, 0.5)):
        with pytest.raises(ArgumentError, match=r"alpha = .*0 or more"):
            penalty(bad)
    with pytest.raises(ArgumentError, match="l1_ratio"):
        ElasticNet(0.1, bad)
    with pytest.raises(ArgumentError, match=r"at most 1"):
        ElasticNet(0.1, 1.5)
    with pytest.raises(ArgumentError, match="radius"):
        MaxNorm(-1.0)
    with pytest.raises(ArgumentError, match="radius"):
        MaxNorm(float("nan"))


def test_a_negative_step_is_refused():
    for step in (-0.1, float("nan")):
        with pytest.raises(ArgumentError, match="step"):
            L1(0.1).prox(jnp.ones(2), step)


def test_penalties_are_frozen():
    with pytest.raises(AttributeError):
        L1(0.1).alpha = 0.2


def test_penalties_by_units_go_by_the_axis_of_the_networks_weights():
    """Groups leave one input and norms enter one unit, in jaxreg's own network as in a kernel (in, out)."""
    params = nets.MLP((5,), 3).init(jax.random.key(0), jnp.zeros((1, 4)))
    assert params["params"]["hidden_0"]["weight"].shape[nets.UNIT_AXIS] == 5
    kernels = jax.tree.map(lambda w: w.T, params)
    for kind, strength in ((GroupLasso, 0.3), (MaxNorm, 0.5)):
        own, flax = kind(strength, nets.UNIT_AXIS), kind(strength, -1)
        np.testing.assert_allclose(own.value(params, kernels_only), flax.value(kernels, kernels_only), 1e-6)
        moved = own.prox(params, 0.5, kernels_only)["params"]
        for layer, expected in flax.prox(kernels, 0.5, kernels_only)["params"].items():
            np.testing.assert_allclose(moved[layer]["weight"], expected["weight"].T, 1e-6, 1e-7)
    norms = jnp.linalg.norm(moved["hidden_0"]["weight"], axis=1)  # of what enters each of the five units
    assert norms.shape == (5,)
    assert norms.max() <= 0.5 * (1 + 1e-6)


def test_a_weight_of_unsaid_layout_is_refused():
    params = nets.MLP((5,), 3).init(jax.random.key(0), jnp.zeros((1, 4)))
    for penalty in (GroupLasso(0.3), MaxNorm(0.5)):
        for use in (
            lambda p=penalty: p.value(params, kernels_only),
            lambda p=penalty: p.prox(params, 1.0, kernels_only),
        ):
            with pytest.raises(ArgumentError, match=r"unit_axis = None: must be said for .*weight.* Give 0"):
                use()
    assert float(GroupLasso(1.0).value({"kernel": jnp.ones((4, 1))})) == 4.0
    with pytest.raises(ArgumentError, match="unit_axis = 1"):
        MaxNorm(1.0, 1)


@pytest.mark.parametrize("shape", [(3,), (2, 2), (1, 2), (0,)])
def test_thresholds_and_steps_fit_what_they_act_on(shape):
    w = jnp.ones(2)
    with pytest.raises(ArgumentError, match=r"^threshold = .*must broadcast to the shape \(2,\) of x"):
        soft_threshold(w, np.full(shape, 0.5))
    for penalty in (L1(1.0), L2(1.0), ElasticNet(1.0, 0.5), MCP(1.0), SCAD(1.0), GroupLasso(1.0), Box(0.0, 1.0)):
        with pytest.raises(ArgumentError, match=r"^step = .*must broadcast to the shape \(2,\) of params"):
            penalty.prox(w, jnp.full(shape, 0.5))
    for penalty, name in (
        (Weighted(L1(1.0), np.full(shape, 0.5)), "factors"),
        (Box(np.full(shape, -1.0), 2.0), "low"),
        (Box(-1.0, np.full(shape, 2.0), Weighted(L1(1.0), 1.0)), "high"),
    ):
        for use in (penalty.value, lambda w, penalty=penalty: penalty.prox(w, 0.5)):
            with pytest.raises(ArgumentError, match=rf"^{name} = .*must broadcast to the shape \(2,\) of params"):
                use(w)
    np.testing.assert_allclose(soft_threshold(w, jnp.array([0.5, 0.25])), [0.5, 0.75])
    np.testing.assert_allclose(L1(1.0).prox(w, jnp.array([0.5, 0.25])), [0.5, 0.75])


@pytest.mark.parametrize("number", [2**31, 2**40, 2**63])
def test_strengths_may_be_integers_that_jax_has_no_room_for(number):
    w = jnp.array([3.0, -0.5], jnp.float32)
    for make in (L1, L2, lambda a: ElasticNet(a, 0.5), MCP, SCAD, GroupLasso, MaxNorm):
        one, same = make(number), make(float(number))
        assert one == same
        np.testing.assert_array_equal(one.value(w), same.value(w))
        np.testing.assert_array_equal(one.prox(w, 0.5), same.prox(w, 0.5))
        if make is not MaxNorm:
            np.testing.assert_array_equal(make(0.5).prox(w, number), make(0.5).prox(w, float(number)))
    np.testing.assert_array_equal(soft_threshold(w, number), 0)


@pytest.mark.parametrize("number", [1e39, 1e-39, 1e-300])
def test_what_single_precision_has_no_room_for_is_refused_where_it_is_used(number):
    double = jnp.ones(2)
    np.testing.assert_allclose(L2(number).value(double), number)
    with jax.enable_x64(False):
        single = jnp.ones(2)
        for penalty in (L1(number), L2(number), MCP(number), GroupLasso(number), Weighted(L1(number), 1.0)):
            for use in (penalty.value, lambda w, penalty=penalty: penalty.prox(w, 0.5)):
                with pytest.raises(ArgumentError, match=r"^alpha = .* in float32"):
                    use(single)
        with pytest.raises(ArgumentError, match=r"^step = .* in float32"):
            L1(0.0).prox(single, number)
