"""Derivatives of whole trainings in every traced number, against central differences in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.nets import Augmentation, EarlyStopping, keep_mask, train

_LATTICE = 2.0**-16  # of rates of dropout
_POINT = {
    **{"learning_rate": 0.2, "l2": 0.03, "l1": 0.01, "proximal_l1": 0.01, "max_norm": 0.7, "label_smoothing": 0.1},
    **{"gradient_noise": 0.1, "input_noise": 0.1, "dropout": 0.25, "input_dropout": 0.25, "weight_decay": 0.02},
}
_OPTIMIZERS = {"momentum": (0.7, "nesterov"), "weight_decay": (0.02, "adam"), "decoupled_weight_decay": (0.02, "adamw")}
_RADII = ({}, {"max_norm": float("inf")})


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def _loss(options, **numbers):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(6, 16)), rng.integers(0, 3, 6)
    settings = {"hidden": (4,), "classes": 3, "activation": "tanh", "batch_size": 3, "epochs": 2, "learning_rate": 0.2}
    run = train(x, y, seed=jax.random.key(1), **(settings | options | numbers))
    return run["train_loss"][-1] + run["penalty"][-1] + run["weight_norm"][-1].sum()


def _check_slope(slope, loss, point, name):
    # Rates a few steps of their lattice apart keep the same units here, which leaves the path through 1/k.
    step = 4 * _LATTICE if "dropout" in name else 1e-6
    ends = [loss(point | {name: jnp.float64(point[name] + side * step)}) for side in (1, -1)]
    expected = (ends[0] - ends[1]) / (2 * step)
    assert abs(expected) > 1e-4
    np.testing.assert_allclose(slope, expected, 1e-5, err_msg=name)


def test_the_derivatives_in_all_numbers_at_once_are_those_of_differences():
    point = {name: jnp.float64(value) for name, value in _POINT.items()}
    loss = jax.jit(lambda numbers: _loss({}, **numbers))
    for name, slope in jax.grad(loss)(point).items():
        _check_slope(slope, loss, point, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", _OPTIMIZERS)
def test_the_derivative_in_a_number_of_an_optimizer_is_that_of_differences(name):
    value, optimizer = _OPTIMIZERS[name]
    loss = jax.jit(lambda numbers: _loss({"optimizer": optimizer}, **numbers))
    point = {name: jnp.float64(value)}
    _check_slope(jax.grad(loss)(point)[name], loss, point, name)


def test_rates_a_few_steps_apart_keep_the_same_units_and_far_ones_do_not():
    masks = [keep_mask(jax.random.key(3), 0.25 + k * _LATTICE, (3, 16)) for k in (-4, 4, 2**14)]
    assert (masks[0] == masks[1]).all()
    assert not (masks[0] == masks[2]).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["l1", "l2", "proximal_l1", "weight_decay", "label_smoothing", "gradient_noise", "dropout"]
)
def test_derivatives_at_strength_zero_are_finite(name):
    assert np.isfinite(jax.grad(lambda value: _loss({}, **{name: value}))(jnp.float64(0.0)))


@pytest.mark.slow
def test_an_infinite_max_norm_leaves_the_other_derivatives():
    slopes = [jax.grad(lambda rate, given=given: _loss(given, learning_rate=rate))(0.2) for given in _RADII]
    np.testing.assert_array_equal(*slopes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "here", "beyond"), [("min_delta", 0.0, 1.0), ("baseline", 2.0, 0.0), ("patience", 0.0, 9.0)]
)
def test_the_derivatives_in_the_numbers_of_early_stopping_are_those_between_its_jumps(name, here, beyond):
    @jax.jit
    def loss(value):
        rule = EarlyStopping("validation_loss", **({"patience": 0, name: value}))
        x, y = np.random.default_rng(1).uniform(size=(6, 16)), np.array([0, 1, 2, 0, 1, 2])
        return _loss({"epochs": 4, "stopping": rule, "x_validation": x, "y_validation": y})

    slope, step = jax.grad(loss)(jnp.float64(here + 1e-3)), 1e-6
    assert slope == 0
    assert loss(here + 1e-3 + step) == loss(here + 1e-3 - step)
    assert loss(here) != loss(beyond)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shift", "rotation", "scale", "shear", "noise", "elastic", "flip", "erasing"])
def test_the_derivative_in_each_strength_of_augmentation_is_that_of_differences(name):
    """Probabilities move in jumps, between which both are 0."""

    @jax.jit
    def loss(value):
        return _loss({"augmentation": Augmentation(**{name: value})})

    point, step = 0.11, 1e-7
    slope = jax.grad(loss)(jnp.float64(point))
    expected = (loss(jnp.float64(point + step)) - loss(jnp.float64(point - step))) / (2 * step)
    np.testing.assert_allclose(slope, expected, 1e-4, 1e-7)
    assert (expected == 0) == (name in ("flip", "erasing"))
