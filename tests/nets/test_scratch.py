"""The network from scratch: its chain rule against jax.grad and NumPy, its training against a plain loop."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg as jr
from jaxreg.errors import ArgumentError
from jaxreg.nets import scratch
from jaxreg.nets.scratch import Weights
from tests.marks import slow

TOY_INPUTS = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], np.float32)
TOY_TARGETS = np.array([[0], [1], [1], [0]], np.float32)


def _problem(dtype, n=7, features=5, units=6, outputs=2):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(n, features)), random.uniform(size=(n, outputs))
    weights = random.normal(size=(features, units)), random.normal(size=(units, outputs))
    return Weights(*(jnp.asarray(w, dtype) for w in weights)), jnp.asarray(x, dtype), jnp.asarray(y, dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [slow("float32", 1e-6), ("float64", 1e-12)])
def test_the_chain_rule_is_the_gradient(dtype, tolerance):
    with jax.enable_x64(dtype == "float64"):
        for weights, x, y in (
            _problem(dtype),
            (
                scratch.draw_weights(jax.random.key(3)),
                jnp.asarray(TOY_INPUTS, jnp.zeros(()).dtype),
                jnp.asarray(TOY_TARGETS, jnp.zeros(()).dtype),
            ),
        ):
            loss, gradient = scratch.backpropagate(weights, x, y)
            expected_loss, expected = jax.value_and_grad(scratch.sum_of_squares)(weights, x, y)
            np.testing.assert_allclose(loss, expected_loss, rtol=tolerance)
            for ours, theirs in zip(gradient, expected, strict=True):
                assert ours.dtype == dtype
                assert float(jnp.abs(ours - theirs).max()) <= tolerance


def test_no_automatic_differentiation_is_in_it():
    names = set(re.findall(r"\w+", inspect.getsource(scratch).replace("`jax.grad`", "").split("def _check")[0]))
    assert "backpropagate" in names
    names -= set(re.findall(r"\w+", " ".join(re.findall(r">>>.*", inspect.getsource(scratch)))))
    assert not names & {"grad", "value_and_grad", "vjp", "jvp", "linearize"}


def _loop(hidden, output, x, y, rate, steps):
    """The tutorial's loop in NumPy: losses before every step and after the last, and final predictions."""
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    losses = []
    for _ in range(steps):
        h = sigmoid(x @ hidden)
        o = sigmoid(h @ output)
        losses.append(((y - o) ** 2).sum())
        delta = 2 * (y - o) * o * (1 - o)
        hidden, output = hidden + rate * x.T @ ((delta @ output.T) * h * (1 - h)), output + rate * h.T @ delta
    o = sigmoid(sigmoid(x @ hidden) @ output)
    return np.array([*losses, ((y - o) ** 2).sum()]), o


@pytest.fixture(scope="module")
def population():
    """Forty initialisations at three learning rates in float64, 300 steps, beside the loop."""

    def run(x, y, *, seed, learning_rate):
        start = scratch.draw_weights(seed)
        end = scratch.train(start, x, y, learning_rate, steps=300, record_every=50)
        parts = {"hidden": start.hidden, "output": start.output, "loss": end.loss, "predictions": end.predictions}
        return parts | {"rises": end.rises, "worst": end.worst_rise, "end": end.weights.output}

    axes = {"seed": jr.seeds(40), "learning_rate": np.array([0.5, 1.0, 20.0])}
    data = TOY_INPUTS.astype(float), TOY_TARGETS.astype(float)
    ours = jr.sweep(run, axes, args=data, x64=True, progress=False)
    loops = [
        [
            _loop(ours["hidden"].values[i, j], ours["output"].values[i, j], *data, rate, 300)
            for j, rate in enumerate(axes["learning_rate"])
        ]
        for i in range(40)
    ]
    return ours, loops


def test_training_is_the_loop(population):
    ours, loops = population
    for i, per_rate in enumerate(loops):
        for j, (losses, predictions) in enumerate(per_rate[:2]):  # rate 20 multiplies rounding
            np.testing.assert_allclose(ours["loss"].values[i, j], losses[::50], rtol=1e-9)
            np.testing.assert_allclose(ours["predictions"].values[i, j], predictions, rtol=1e-9)


def test_rises_are_counted(population):
    """Beyond rounding, which in float64 leaves nothing between a fall and a rise."""
    ours, loops = population
    changes = np.array([[np.diff(losses) for losses, _ in per_rate] for per_rate in loops])
    expected = (changes > 1e-14).sum(-1)
    np.testing.assert_array_equal(ours["rises"].values[:, :2], expected[:, :2])
    np.testing.assert_allclose(ours["worst"].values[:, :2], changes.max(-1)[:, :2], atol=1e-12, rtol=1e-6)
    assert (ours["rises"].values[:, 0] == 0).all()
    assert (ours["worst"].values[:, 0] < 0).all()
    assert (ours["rises"].values[:, 2] > 0).mean() > 0.9
    assert ((expected > 0) == (ours["rises"].values > 0)).mean() > 0.95


def test_rounding_in_single_precision_is_no_rise():
    """At a learning rate so small that the loss stands still, float32 rounds it up and down."""
    start = scratch.draw_weights(jax.random.key(0))
    still = scratch.train(start, TOY_INPUTS, TOY_TARGETS, 1e-7, steps=500)
    changes = np.diff(np.asarray(still.loss))
    assert (changes >= 0).any()
    assert int(still.rises) == 0


def test_record_every_only_thins_the_losses():
    start = scratch.draw_weights(jax.random.key(1))
    full = scratch.train(start, TOY_INPUTS, TOY_TARGETS, 3.0, steps=60)
    thin = scratch.train(start, TOY_INPUTS, TOY_TARGETS, 3.0, steps=60, record_every=20)
    assert full.loss.shape == (61,)
    np.testing.assert_allclose(thin.loss, full.loss[::20], rtol=1e-5)
    assert int(thin.rises) == int(full.rises) == int((np.diff(full.loss) > 1e-5).sum()) > 0
    np.testing.assert_allclose(thin.worst_rise, np.diff(full.loss).max(), rtol=1e-3)


def test_a_member_alone_is_the_member_of_the_population():
    keys = jax.random.split(jax.random.key(5), 30)

    def run(key):
        return scratch.train(scratch.draw_weights(key), TOY_INPUTS, TOY_TARGETS, steps=100, record_every=100)

    together, alone = jax.vmap(run)(keys), run(keys[17])
    np.testing.assert_allclose(together.loss[17], alone.loss, rtol=1e-5)
    np.testing.assert_allclose(together.predictions[17], alone.predictions, rtol=1e-5)


def test_initial_weights_are_uniform_and_shared_by_every_least():
    key = jax.random.key(0)
    plain, signed = (scratch.draw_weights(key, 40, 50, 3, least=least) for least in (0.0, -1.0))
    assert plain.output.shape == (50, 3)
    values = np.asarray(plain.hidden).ravel()
    assert 0 <= values.min() < 0.01
    assert 0.99 < values.max() < 1
    assert abs(values.mean() - 0.5) < 4 / np.sqrt(12 * values.size)
    np.testing.assert_allclose(signed.hidden, 2 * plain.hidden - 1, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps = 0"),
        ({"record_every": 7}, "record_every = 7: must divide steps = 100"),
        ({"record_every": 101}, "record_every = 101"),
        ({"learning_rate": -1.0}, "learning_rate = -1.0"),
        ({"learning_rate": np.nan}, "learning_rate = nan"),
        ({"x": TOY_INPUTS[:3]}, "shapes"),
        ({"x": TOY_INPUTS[:, :2]}, "shapes"),
        ({"y": TOY_TARGETS[:, [0, 0]]}, "shapes"),
        ({"x": TOY_INPUTS[:0], "y": TOY_TARGETS[:0]}, "shapes"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    arguments = {"x": TOY_INPUTS, "y": TOY_TARGETS, "learning_rate": 1.0, "steps": 100, "record_every": 10} | change
    start = scratch.draw_weights(jax.random.key(0))
    with pytest.raises(ArgumentError) as refusal:
        inspect.unwrap(scratch.train)(start, **arguments) if "shapes" in message else scratch.train(start, **arguments)
    assert message in str(refusal.value)


def test_bad_sizes_and_keys_are_refused():
    with pytest.raises(ArgumentError, match="units = 0"):
        scratch.draw_weights(jax.random.key(0), units=0)
    with pytest.raises(ArgumentError, match="typed PRNG key"):
        inspect.unwrap(scratch.draw_weights)(0)
