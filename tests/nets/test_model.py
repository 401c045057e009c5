"""The model against closed forms: activations, initial laws, the matrix product and its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import special, stats

from jaxreg.nets import ACTIVATIONS, INITIALIZERS, MLP
from jaxreg.nets.model import product

_CLOSED_FORMS = {
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "gelu": lambda x: x * special.ndtr(x),
    "identity": lambda x: x,
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "tanh": np.tanh,
}


def test_every_activation_has_a_closed_form():
    assert set(_CLOSED_FORMS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_matches_its_closed_form(name):
    x = np.linspace(-6, 6, 101)
    np.testing.assert_allclose(ACTIVATIONS[name](jnp.asarray(x, jnp.float32)), _CLOSED_FORMS[name](x), 1e-5, 1e-6)


# Variance of a weight with 60 inputs and 20 outputs, in the words of Keras: 2/(in + out), 2/in, 1/in.
_VARIANCES = {"glorot": 2 / (60 + 20), "he": 2 / 60, "lecun": 1 / 60}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initial_weights_have_the_law_of_keras(name):
    family, _, law = name.partition("_")
    model = MLP(hidden=(20,), classes=2, initializer=name)
    keys = jax.random.split(jax.random.key(1), 50)
    weights = np.asarray(jax.vmap(lambda k: model.init(k, jnp.zeros((1, 60)))["params"]["hidden_0"]["weight"])(keys))
    assert weights.shape == (50, 20, 60)
    deviation = np.sqrt(_VARIANCES[family])
    scaled = weights.ravel().astype(np.float64) / deviation
    if law == "uniform":
        assert np.abs(scaled).max() <= np.sqrt(3) * (1 + 1e-6)
        known = stats.uniform(-np.sqrt(3), 2 * np.sqrt(3))
    else:
        # Keras cuts a normal at two of its deviations and widens it so that the variance stays.
        width = 1 / stats.truncnorm(-2, 2).std()
        known = stats.truncnorm(-2, 2, scale=width)
    assert stats.kstest(scaled, known.cdf).pvalue > 1e-3
    spread = np.sqrt((stats.kurtosis(scaled) + 2) / scaled.size)
    assert abs(scaled.var() - 1) < 4 * spread


def test_layers_are_initialised_independently_and_biases_at_zero():
    params = MLP(hidden=(5, 5), classes=5).init(jax.random.key(0), jnp.zeros((1, 5)))["params"]
    assert all(not layer["bias"].any() for layer in params.values())
    first, second, last = (np.asarray(params[name]["weight"]) for name in ("hidden_0", "hidden_1", "output"))
    assert not np.intersect1d(first, second).size
    assert not np.intersect1d(second, last).size


def test_model_matches_written_out_layers():
    key = jax.random.key(2)
    model = MLP(hidden=(7, 6), classes=3, activation="tanh")
    x = jax.random.normal(key, (4, 5))
    params = model.init(key, x)
    params = jax.tree.map(lambda leaf: leaf + 0.1, params)
    p = jax.tree.map(np.asarray, params)["params"]
    dropped = np.array([[2.0, 0, 2, 2, 0, 0]] * 4, np.float32)
    h = np.tanh(np.asarray(x) @ p["hidden_0"]["weight"].T + p["hidden_0"]["bias"])
    h = np.tanh(h @ p["hidden_1"]["weight"].T + p["hidden_1"]["bias"])
    for multipliers, last in (((), h), ((None, jnp.asarray(dropped)), h * dropped)):
        expected = last @ p["output"]["weight"].T + p["output"]["bias"]
        np.testing.assert_allclose(model.apply(params, x, multipliers), expected, 1e-5, 1e-6)


def test_no_hidden_layer_is_a_linear_classifier():
    x = jnp.arange(6.0).reshape(2, 3)
    model = MLP(hidden=(), classes=4)
    params = model.init(jax.random.key(0), x)
    np.testing.assert_allclose(model.apply(params, x), x @ params["params"]["output"]["weight"].T, 1e-6)


@pytest.mark.parametrize("batch", [2, 9], ids=["weight_first", "batch_first"])
def test_product_and_its_derivatives(batch):
    with jax.enable_x64(True):
        x, weight = (jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate([(batch, 4), (5, 4)]))
        np.testing.assert_allclose(product(x, weight), np.asarray(x) @ np.asarray(weight).T, 1e-12)
        check_grads(lambda *pair: product(*map(jnp.asarray, pair)), (x, weight), order=2, modes=("fwd", "rev"))


@pytest.mark.parametrize("batch", [2, 9], ids=["weight_first", "batch_first"])
def test_batched_product_is_that_of_each_member(batch):
    x, weight = (jax.random.normal(jax.random.key(i), (3, *shape)) for i, shape in enumerate([(batch, 4), (5, 4)]))
    together = jax.vmap(product)(x, weight)
    for i in range(3):
        np.testing.assert_allclose(together[i], product(x[i], weight[i]), 1e-6)
    np.testing.assert_allclose(jax.vmap(product, (None, 0))(x[0], weight)[2], product(x[0], weight[2]), 1e-6)


def test_several_tangents_of_a_weight_cost_one_product_and_none_for_an_input_that_does_not_move():
    x, weight = (jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate([(2, 4), (5, 4)]))
    tangents = jax.random.normal(jax.random.key(2), (3, 5, 4))

    def push(tangent):
        return jax.jvp(lambda w: product(x, w), (weight,), (tangent,))[1]

    np.testing.assert_allclose(jax.vmap(push)(tangents), jnp.einsum("bi,kui->kbu", x, tangents), 1e-5, 1e-6)
    program = str(jax.make_jaxpr(jax.vmap(push))(tangents))
    assert program.count("dot_general[") == 2  # the value, and all tangents


def test_several_tangents_of_a_weight_pass_through_both_gradients_without_being_laid_side_by_side():
    x, weight, slope = (jax.random.normal(jax.random.key(i), s) for i, s in enumerate([(2, 4), (5, 4), (2, 5)]))
    tangents = jax.random.normal(jax.random.key(3), (3, 5, 4))

    def push(tangent):
        gradients = jax.grad(lambda x, w: (product(jnp.tanh(x), w) ** 2 * slope).sum(), (0, 1))
        return jax.jvp(lambda w: gradients(x, w), (weight,), (tangent,))[1]

    def expected(tangent):
        outer = 2 * (jnp.tanh(x) @ tangent.T) * slope
        of_x = outer @ weight + 2 * (jnp.tanh(x) @ weight.T) * slope @ tangent
        return of_x * (1 - jnp.tanh(x) ** 2), outer.T @ jnp.tanh(x)

    for ours, theirs in zip(
        jax.vmap(push)(tangents), map(jnp.stack, zip(*map(expected, tangents), strict=True)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, 1e-5, 1e-6)
    program = str(jax.make_jaxpr(jax.vmap(push))(tangents))
    assert "f32[2,3,4]" not in program  # as plain `slope @ tangent` has it: all tangents transposed
