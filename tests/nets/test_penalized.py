"""Penalties of any kind on any part of a network."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import jaxreg as jr
from jaxreg.errors import ArgumentError
from jaxreg.nets import On, train
from jaxreg.penalties import L1, L2, ElasticNet, GroupLasso, MaxNorm, kernels_only
from tests.marks import slow

_RANDOM = np.random.default_rng(0)
_X = _RANDOM.normal(size=(24, 6)).astype(np.float32)
_Y = _RANDOM.integers(0, 3, 24)


def _train(**settings):
    known = {"seed": jax.random.key(1), "learning_rate": 0.3, "hidden": (5, 4), "classes": 3, "batch_size": 8}
    return train(_X, _Y, **(known | {"epochs": 2, "return_params": True} | settings))


def _same(run, other):
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7), dict(run), dict(other))


@pytest.mark.parametrize(
    ("penalties", "short"),
    [
        slow(L2(0.1), {"l2": 0.1}),
        ([L1(0.01), L2(0.1)], {"l1": 0.01, "l2": 0.1}),
        ({"hidden_*": L2(0.1), "output/weight": L2(0.1)}, None),
        (On(L2(0.1), ("*/weight",)), {"l2": 0.1}),
        (On(L2(0.1), lambda path, leaf: path.endswith("weight")), {"l2": 0.1}),
        (On(L2(0.1), kernels_only), {"l2": 0.1}),
        (On(L1(0.01), proximal=True), {"proximal_l1": 0.01}),
        (MaxNorm(0.5, unit_axis=0), {"max_norm": 0.5}),
        (ElasticNet(0.1, 0.0), {"l2": 0.1}),
    ],
)
def test_penalties_act_as_their_short_forms(penalties, short):
    if short is None:  # biases of the hidden layers are penalized as well
        run = _train(penalties=penalties)
        assert run["penalty"][-1] > _train(l2=0.1)["penalty"][-1] * 0.5
        return
    _same(_train(penalties=penalties), _train(**short))


@pytest.mark.slow
def test_one_strength_a_layer_and_derivatives_in_each():
    def loss(alphas):
        each = {f"hidden_{i}/weight": L2(alpha) for i, alpha in enumerate(alphas)}
        known = {"seed": jax.random.key(1), "hidden": (5, 4), "classes": 3, "batch_size": 8, "epochs": 2}
        return train(_X.astype(float), _Y, learning_rate=0.3, penalties=each, **known)["train_loss"][-1]

    with jax.enable_x64(True):
        alphas = jnp.array([0.1, 0.3])
        slope = jax.grad(loss)(alphas)
        for i in range(2):
            step = jnp.zeros(2).at[i].set(1e-5)
            np.testing.assert_allclose((loss(alphas + step) - loss(alphas - step)) / 2e-5, slope[i], rtol=1e-6)


def test_groups_become_exactly_zero_by_the_proximal_step():
    run = _train(penalties=On(GroupLasso(0.2, unit_axis=0), "hidden_0/weight", proximal=True), epochs=40)
    columns = np.linalg.norm(run["params"]["params"]["hidden_0"]["weight"], axis=0)
    assert (columns == 0).any()


@dataclasses.dataclass(frozen=True)
class Ceiling:
    """Somebody's own penalty: |w| at most `top`."""

    top: float
    is_constraint = True

    def value(self, params, mask=None):
        """Nothing inside."""
        return jnp.zeros(())

    def prox(self, params, step, mask=None):
        """Clip."""
        return jax.tree.map(lambda w, acts: jnp.clip(w, -self.top, self.top) if acts else w, params, mask)


def test_a_penalty_of_the_users_own():
    params = _train(penalties={"output/*": Ceiling(0.05)})["params"]["params"]
    assert abs(params["output"]["weight"]).max() == np.float32(0.05)
    assert abs(params["hidden_0"]["weight"]).max() > 0.05


@dataclasses.dataclass(frozen=True)
class Cubed:
    """One that `linear.solve` takes as well: of one array, without a mask."""

    alpha: float

    def value(self, w):
        """A sum over the entries."""
        return self.alpha * (abs(w) ** 3).sum()

    def prox(self, w, step):
        """The root of z + 3 t z² = |w|."""
        t = 3 * step * self.alpha
        size = abs(w)
        return jnp.sign(w) * jnp.where(t > 0, (jnp.sqrt(1 + 4 * t * size) - 1) / jnp.where(t > 0, 2 * t, 1), size)


@pytest.mark.slow
def test_one_penalty_serves_networks_and_linear_models():
    penalty = Cubed(0.5)
    target = (_X @ np.arange(6) / 6).astype(np.float32)
    solved = jr.linear.solve(_X, target, "squared", penalty).coef
    model = (lambda key, x: {"w": jnp.zeros(x.shape[1]), "b": jnp.zeros(())}, lambda p, x: x @ p["w"] + p["b"])
    settings = {"model": model, "loss": lambda out, y: (out - y) ** 2 / 2, "batch_size": 24, "epochs": 600}
    for proximal in (False, True):
        on = On(penalty, "w", proximal=proximal)
        run = train(_X, target, seed=jax.random.key(0), learning_rate=0.3, penalties=on, return_params=True, **settings)
        np.testing.assert_allclose(run["params"]["w"], solved, atol=2e-4)


class _Own:
    """A penalty of the user's, with faults."""

    def __init__(self, value=lambda w: jnp.abs(w).sum(), prox=lambda w, step: w):
        self.value, self.prox = value, prox


@pytest.mark.parametrize(
    ("penalties", "message"),
    [
        ({"hiden_*": L2(0.1)}, "penalties = 'hiden_*': must match some parameters. There are hidden_0/bias"),
        (On(L2(0.1), lambda path, leaf: False), "must match some parameters"),
        (3, "penalties = 3: must have value(w) and prox(w, step)"),
        (L2, "must have value(w)"),
        (On(L2(0.1), {"other": True}), "must be a mask that fits the parameters"),
        (On(L2(0.1), lambda path, leaf: leaf > 0), "must say of each path"),
        (On(_Own(value=jnp.abs), "hidden_0/weight"), "must have one float as its value, not float32["),
        (On(_Own(prox=lambda w, step: None), proximal=True), "must take the parameters that it acts on (ValueError"),
        (On(_Own(prox=lambda w, step: w), proximal=True), "must have in prox(w, step) the minimum of"),
        (On(L1(0.1), "*", "yes"), "proximal = 'yes': must be True, False or None"),
        (On(_Own(prox=lambda w, step: w.sum()), proximal=True), "must keep the shape of w"),
        (_Own(value=lambda w: w @ w @ w), "must take the parameters that it acts on (TypeError"),
    ],
)
def test_refused(penalties, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users have it
    with pytest.raises(ArgumentError) as refusal:
        _train(penalties=penalties)
    assert message in str(refusal.value)


def test_strengths_are_swept():
    def run(x, y, *, seed, first, rest):
        penalties = {"hidden_0/*": L2(first), "output/*": L2(rest)}
        return train(
            x, y, seed=seed, learning_rate=0.1, hidden=(5,), classes=3, penalties=penalties, epochs=1, batch_size=8
        )

    result = jr.sweep(
        run, {"seed": jr.seeds(2), "first": [0.0, 1.0], "rest": [0.0, 1.0]}, args=(_X, _Y), progress=False
    )
    assert result["weight_norm"].dims[-2:] == ("epoch", "layer")
    assert (result["weight_norm"].sel(first=1.0)[..., 0] < result["weight_norm"].sel(first=0.0)[..., 0]).all()
