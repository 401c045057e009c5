"""Optimizers against their formulas in NumPy, schedules against theirs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.errors import ArgumentError
from jaxreg.nets.optimizers import OPTIMIZERS, SCHEDULES, build, check_optimizer, make_schedule

_GRADIENTS = np.random.default_rng(0).normal(size=(6, 2, 3))
_BETA, _EPSILON = 0.7, 1e-8


def _sgd():
    while True:
        g = yield
        yield g


def _with_momentum(nesterov):
    m = 0.0
    while True:
        g = yield
        m = g + _BETA * m
        yield g + _BETA * m if nesterov else m


def _adagrad():
    total = 0.1
    while True:
        g = yield
        total = total + g**2
        yield g / np.sqrt(total + 1e-7)


def _rmsprop():
    v = 0.0
    while True:
        g = yield
        v = 0.9 * v + 0.1 * g**2
        yield g / np.sqrt(v + _EPSILON)


def _adam():
    m, v, t = 0.0, 0.0, 0
    while True:
        g = yield
        m, v, t = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2, t + 1
        yield (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + _EPSILON)


def _lion():
    m = 0.0
    while True:
        g = yield
        direction = np.sign(0.9 * m + 0.1 * g)
        m = 0.99 * m + 0.01 * g
        yield direction


_FORMULAS = {
    "adagrad": _adagrad,
    "adam": _adam,
    "adamw": _adam,
    "lion": _lion,
    "momentum": lambda: _with_momentum(False),
    "nesterov": lambda: _with_momentum(True),
    "rmsprop": _rmsprop,
    "sgd": _sgd,
}


def test_every_optimizer_has_a_formula():
    assert set(_FORMULAS) == set(OPTIMIZERS)


@pytest.mark.parametrize("decays", [(None, None), (0.3, None), (None, 0.2), (0.3, 0.2)], ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_directions_follow_the_formula(name, decays):
    coupled, decoupled = decays
    optimizer = build(name, _BETA if name in ("momentum", "nesterov") else None, *decays)
    with jax.enable_x64(True):
        params = {"weight": jnp.asarray(_GRADIENTS[0]) * 2, "bias": jnp.ones(3)}
        memory = optimizer.init(params)
        weight, biases, formula = np.asarray(params["weight"]), _FORMULAS[name](), _FORMULAS[name]()
        for g in _GRADIENTS:
            gradient = {"weight": jnp.asarray(g), "bias": jnp.asarray(g[0])}
            direction, memory = optimizer.update(gradient, memory, params)
            next(formula), next(biases)
            expected = formula.send(g + (coupled or 0.0) * weight) + (decoupled or 0.0) * weight
            np.testing.assert_allclose(direction["weight"], expected, 1e-9, 1e-12)
            np.testing.assert_allclose(direction["bias"], biases.send(g[0]), 1e-9, 1e-12)  # decay is for weights
            params = jax.tree.map(lambda w, d: w - 0.1 * d, params, direction)
            weight = weight - 0.1 * expected


def test_momentum_is_nine_tenths_unless_told_otherwise():
    g = jnp.ones(2)
    for name in ("momentum", "nesterov"):
        both = [build(name, beta, None, None) for beta in (None, 0.9)]
        memories = [optimizer.update(g, optimizer.init(g), g)[1] for optimizer in both]
        again = [optimizer.update(g, memory, g)[0] for optimizer, memory in zip(both, memories, strict=True)]
        assert np.array_equal(*again)


_RATES = {
    "constant": lambda t: 1.0,
    "cosine": lambda t: 0.5 * (1 + np.cos(np.pi * t / 40)),
    "step": lambda t: 1.0 if t < 20 else 0.1 if t < 30 else 0.01,
    "warmup": lambda t: min(1.0, t / 4),
    "warmup_cosine": lambda t: t / 4 if t < 4 else 0.5 * (1 + np.cos(np.pi * (t - 4) / 36)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_follow_their_formula(name):
    rate = jax.jit(lambda base, step: make_schedule(name, base, 40)(step))
    for step in (0, 1, 3, 4, 10, 19, 20, 21, 29, 30, 39):
        np.testing.assert_allclose(rate(jnp.float32(0.3), step), 0.3 * _RATES[name](step), 1e-5, 1e-7)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_schedules_of_very_short_trainings(name, steps):
    rates = [float(make_schedule(name, jnp.float32(1.0), steps)(step)) for step in range(steps)]
    assert np.isfinite(rates).all()


@pytest.mark.parametrize("steps", [1, 7, 15, 19, 25])
def test_warm_up_is_its_formula_where_ten_does_not_divide_the_steps(steps):
    """In float64 too, where a step of 32 bits is no reason for a rate of float32."""
    with jax.enable_x64(True):
        rates = {name: make_schedule(name, jnp.float64(1.0), steps) for name in ("warmup", "warmup_cosine")}
        for t in range(steps):
            rise = min(1.0, 10 * t / steps)
            fall = 0.5 * (1 + np.cos(np.pi * max(0.0, (10 * t / steps - 1) / 9)))
            for name, expected in {"warmup": rise, "warmup_cosine": rise * fall}.items():
                np.testing.assert_allclose(rates[name](jnp.int32(t)), expected, 1e-14, 1e-15)


def test_a_schedule_of_ones_own():
    rate = make_schedule(lambda steps: lambda step: 1 / (1 + step / steps), jnp.float32(2.0), 10)
    assert float(rate(10)) == 1.0


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ArgumentError, match=r"momentum = 0\.5: has no meaning for adam\. Choose momentum or nesterov"):
        check_optimizer("adam", 0.5, None)
    with pytest.raises(ArgumentError, match="must be given for adamw"):
        check_optimizer("adamw", None, None)
