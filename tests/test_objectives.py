"""Objectives: parts, valid samples, zero strength, gradients."""

import functools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import losses, objectives
from jaxreg.errors import ArgumentError
from jaxreg.objectives import average, build
from jaxreg.penalties import L1, L2, ElasticNet, GroupLasso, MaxNorm, kernels_only


def predict(params, x):
    """A small ReLU network; its dead units have gradients of exactly zero."""
    hidden = jax.nn.relu(x @ params["hidden"]["kernel"] + params["hidden"]["bias"][None])
    return hidden @ params["out"]["kernel"] + params["out"]["bias"][None]


def problem(dtype=np.float32, n=12, classes=3):
    rng = np.random.default_rng(0)
    params = {
        "hidden": {"kernel": rng.normal(size=(5, 8)), "bias": rng.normal(size=8) - 1},
        "out": {"kernel": rng.normal(size=(8, classes)), "bias": rng.normal(size=classes)},
    }
    params["hidden"]["kernel"][:, 3] = 0.0
    params["hidden"]["bias"][3] = -1.0  # a unit that no sample wakes
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)
    return params, jnp.asarray(rng.normal(size=(n, 5)), dtype), jnp.asarray(rng.integers(0, classes, n), jnp.int32)


def raw(tree):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def gradients(objective):
    return jax.jit(jax.value_and_grad(objective, has_aux=True))


# ------------------------------------------------------------------ parts


def test_total_is_data_loss_plus_penalties_and_both_are_reported():
    params, x, y = problem()
    objective = build(
        predict, losses.softmax_cross_entropy, (L2(0.1), L1(0.01)), (kernels_only, {"hidden": True, "out": False})
    )
    total, parts = objective(params, x, y)
    logits = np.asarray(predict(params, x), np.float64)
    data = (np.log(np.exp(logits).sum(1)) - logits[np.arange(len(y)), np.asarray(y)]).mean()
    hidden, out = (np.asarray(params[layer]["kernel"], np.float64) for layer in ("hidden", "out"))
    ridge = 0.05 * ((hidden**2).sum() + (out**2).sum())
    lasso = 0.01 * (np.abs(hidden).sum() + np.abs(np.asarray(params["hidden"]["bias"])).sum())
    assert float(parts.data) == pytest.approx(data, rel=1e-5)
    assert float(parts.penalty) == pytest.approx(ridge + lasso, rel=1e-5)
    assert float(total) == float(parts.data + parts.penalty)


def test_without_masks_penalties_act_on_all_parameters():
    params, x, y = problem()
    _, parts = build(predict, losses.softmax_cross_entropy, (L2(2.0),))(params, x, y)
    squares = sum((np.asarray(leaf, np.float64) ** 2).sum() for leaf in jax.tree.leaves(params))
    assert float(parts.penalty) == pytest.approx(squares, rel=1e-5)


def test_without_penalties_the_total_is_the_data_loss():
    params, x, y = problem()
    total, parts = build(predict, losses.softmax_cross_entropy)(params, x, y)
    assert float(parts.penalty) == 0.0
    assert raw(total) == raw(parts.data)


def test_a_kernels_only_penalty_leaves_the_gradient_of_biases_alone():
    params, x, y = problem()
    (_, _), plain = gradients(build(predict, losses.softmax_cross_entropy))(params, x, y)
    (_, _), ridge = gradients(build(predict, losses.softmax_cross_entropy, (L2(0.5),), (kernels_only,)))(params, x, y)
    for layer in ("hidden", "out"):
        np.testing.assert_array_equal(ridge[layer]["bias"], plain[layer]["bias"])
        expected = plain[layer]["kernel"] + 0.5 * params[layer]["kernel"]
        np.testing.assert_allclose(ridge[layer]["kernel"], expected, rtol=1e-5, atol=1e-7)


def test_options_reach_the_prediction():
    def noisy(params, x, *, key, scale=1.0):
        return x @ params + scale * jax.random.normal(key, x.shape[:1])

    objective = build(noisy, losses.squared)
    x, w, y = jnp.ones((4, 2)), jnp.ones(2), jnp.full(4, 2.0)
    key = jax.random.key(3)
    expected = float((jax.random.normal(key, (4,)) ** 2).mean())
    assert float(objective(w, x, y, key=key)[0]) == pytest.approx(expected, rel=1e-6)
    assert float(objective(w, x, y, key=key, scale=0.0)[0]) == 0.0


# ------------------------------------------------------------------ valid samples


def test_several_outputs_are_averaged_within_a_sample():
    """The mean squared error of Keras and PyTorch: over samples and outputs."""
    rng = np.random.default_rng(1)
    p, y = rng.normal(size=(2, 6, 3)).astype(np.float32)
    objective = build(lambda params, x: x, losses.squared)
    total, _ = objective(jnp.zeros(()), jnp.asarray(p), jnp.asarray(y))
    assert float(total) == pytest.approx(((p - y) ** 2).mean(), rel=1e-6)
    weighted = average(jnp.asarray((p - y) ** 2), jnp.array([1.0, 0, 0, 2, 0, 0]))
    rows = ((p - y) ** 2).mean(1)
    assert float(weighted) == pytest.approx((rows[0] + 2 * rows[3]) / 3, rel=1e-6)


@functools.cache
def ridge():
    return gradients(build(predict, losses.softmax_cross_entropy, (L2(0.1),)))


@pytest.mark.parametrize(("valid", "dtype"), [(1, bool), (5, np.int32), (12, np.float32)])
def test_a_padded_batch_is_the_batch(valid, dtype):
    """The mean divides by the number of valid samples, whatever stands in the padding."""
    params, x, y = problem()
    mask = jnp.asarray(np.arange(12) < valid, dtype)
    (total, parts), gradient = ridge()(params, x[:valid], y[:valid])
    (padded_total, padded_parts), padded_gradient = ridge()(params, x, y, weights=mask)
    np.testing.assert_allclose([padded_total, *padded_parts], [total, *parts], rtol=1e-5)
    for a, b in zip(jax.tree.leaves(padded_gradient), jax.tree.leaves(gradient), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(st.lists(st.tuples(st.floats(0, 100, width=32), st.floats(0, 10, width=32)), min_size=6, max_size=6))
def test_averages_are_numpys(pairs):
    values, weights = (np.array(part, np.float64) for part in zip(*pairs, strict=True))
    expected = np.average(values, weights=weights) if weights.sum() > 0 else 0.0
    got = average(jnp.asarray(values, jnp.float32), jnp.asarray(weights, jnp.float32))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-30)


def test_a_sample_of_weight_zero_does_not_count_even_as_nan():
    losses_of = jnp.array([1.0, jnp.nan, 3.0, jnp.inf])
    assert float(average(losses_of, jnp.array([True, False, True, False]))) == 2.0
    assert np.isnan(float(average(losses_of)))


def test_a_batch_without_valid_samples_has_no_loss_and_no_gradient():
    params, x, y = problem()
    (_, parts), gradient = gradients(build(predict, losses.softmax_cross_entropy))(params, x, y, weights=jnp.zeros(12))
    assert float(parts.data) == 0.0
    for leaf in jax.tree.leaves(gradient):
        np.testing.assert_array_equal(leaf, 0.0)


# ------------------------------------------------------------------ zero strength

OFF = {
    "L1": lambda zero: L1(zero),
    "L2": lambda zero: L2(zero),
    "ElasticNet": lambda zero: ElasticNet(zero, 0.5),
    "GroupLasso": lambda zero: GroupLasso(zero),
    "MaxNorm": lambda zero: MaxNorm(1 / zero),
}


@pytest.mark.parametrize("name", OFF)
@pytest.mark.parametrize("x64", [False, True])
def test_at_zero_strength_objective_and_gradient_are_the_unpenalised_ones(name, x64):
    """Bytes, with the strength traced, so that nothing can be simplified away."""
    with jax.enable_x64(x64):
        dtype = np.float64 if x64 else np.float32
        params, x, y = problem(dtype)
        plain = gradients(build(predict, losses.softmax_cross_entropy))

        @jax.jit
        def penalised(zero, params, x, y):
            objective = build(predict, losses.softmax_cross_entropy, (OFF[name](zero),))
            return jax.value_and_grad(objective, has_aux=True)(params, x, y)

        (total, parts), gradient = penalised(jnp.asarray(0.0, dtype), params, x, y)
        (plain_total, _), plain_gradient = plain(params, x, y)
        assert raw(total) == raw(plain_total)
        assert float(parts.penalty) == 0.0
        for ours, theirs in zip(jax.tree.leaves(gradient), jax.tree.leaves(plain_gradient), strict=True):
            # + 0 makes -0.0 to 0.0: adding the penalty's zero may turn the sign of a zero, and nothing else.
            assert (np.asarray(ours) + 0).tobytes() == (np.asarray(theirs) + 0).tobytes()


def test_a_run_at_zero_strength_is_the_unpenalised_run():
    params, x, y = problem()
    plain, ridge = (
        gradients(build(predict, losses.softmax_cross_entropy, penalties)) for penalties in ((), (L2(0.0), L1(0.0)))
    )

    def train(objective, params):
        for _ in range(30):
            _, gradient = objective(params, x, y)
            params = jax.tree.map(lambda w, g: w - 0.5 * g, params, gradient)
        return params

    assert raw(train(plain, params)) == raw(train(ridge, params))


# ------------------------------------------------------------------ gradients and populations


def test_gradients_are_difference_quotients():
    with jax.enable_x64(True):
        params, x, y = problem(np.float64)
        params["hidden"]["kernel"] = params["hidden"]["kernel"] + 0.01  # away from the kinks of |w|
        objective = build(
            predict, losses.softmax_cross_entropy, (ElasticNet(0.1, 0.5), GroupLasso(0.05)), (None, kernels_only)
        )
        weights = jnp.linspace(0.5, 2.0, len(y))
        value = jax.jit(lambda p: objective(p, x, y, weights=weights)[0])
        (_, _), gradient = gradients(objective)(params, x, y, weights=weights)
        rng, h = np.random.default_rng(2), 1e-6
        for _ in range(10):  # along random directions
            direction = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), params)
            ahead, behind = (jax.tree.map(lambda w, d, s=s: w + s * h * d, params, direction) for s in (1, -1))
            quotient = (float(value(ahead)) - float(value(behind))) / (2 * h)
            products = jax.tree.map(lambda g, d: (g * d).sum(), gradient, direction)
            assert quotient == pytest.approx(float(sum(jax.tree.leaves(products))), rel=1e-6, abs=1e-8)


def test_a_member_of_a_population_has_its_objective_alone():
    params, x, y = problem()
    strengths = np.float32([0.0, 0.01, 0.3])

    def member(strength):
        objective = build(predict, losses.softmax_cross_entropy, (ElasticNet(strength, 0.5),), (kernels_only,))
        return jax.value_and_grad(objective, has_aux=True)(params, x, y)

    together = jax.jit(jax.vmap(member))(jnp.asarray(strengths))
    alone_program = jax.jit(member)
    for i, strength in enumerate(strengths):
        alone = alone_program(strength)
        for many, one in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(many[i], one, rtol=1e-5, atol=1e-6)


def test_the_objective_lowers_for_every_platform():
    params, x, y = problem()
    objective = gradients(build(predict, losses.softmax_cross_entropy, (L1(0.1), GroupLasso(0.1), MaxNorm(3.0))))
    exported = jax.export.export(objective, platforms=("cpu", "cuda", "tpu"))(params, x, y, weights=jnp.ones(12))
    assert exported.platforms == ("cpu", "cuda", "tpu")


def test_another_number_of_masks_is_refused():
    with pytest.raises(ArgumentError, match="masks = 1: must be as many as the penalties, 2"):
        build(predict, losses.squared, (L1(0.1), L2(0.1)), (kernels_only,))


def test_parts_have_names():
    params, x, y = problem()
    _, parts = build(predict, losses.softmax_cross_entropy)(params, x, y)
    assert isinstance(parts, objectives.Parts)
    assert parts._fields == ("data", "penalty")
