"""What training refuses, by name, before it traces anything."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from jaxreg.errors import ArgumentError
from jaxreg.nets import train

_X, _Y = np.zeros((12, 5), np.float32), np.arange(12) % 3


def _train(x_train=_X, y_train=_Y, x_test=_X, y_test=_Y, **settings):
    known = {"seed": jax.random.key(0), "learning_rate": 0.1, "hidden": (4, 3), "classes": 3, "batch_size": 4}
    return train(x_train, y_train, x_test, y_test, **(known | {"epochs": 1} | settings))


_REFUSED = {
    "negative learning rate": ({"learning_rate": -0.1}, "learning_rate = -0.1: must be 0 or more"),
    "infinite learning rate": ({"learning_rate": float("inf")}, "learning_rate = inf: must be 0 or more, and finite"),
    "learning rate that is no number": ({"learning_rate": float("nan")}, "learning_rate = nan"),
    "several learning rates": ({"learning_rate": jnp.array([0.1, 0.2])}, "must be one number. Sweep it"),
    "negative l2": ({"l2": -1e-4}, "l2 = -0.0001"),
    "dropout of everything": ({"dropout": 1.0}, "dropout = 1.0: must lie in [0, 1)"),
    "dropout of everything in one layer": ({"dropout": (1.0, None)}, "dropout = 1.0"),
    "negative dropout": ({"dropout": -0.5}, "dropout = -0.5"),
    "dropout that is no number": ({"dropout": float("nan")}, "dropout = nan"),
    "too few rates": ({"dropout": (0.5,)}, "must have one entry for each of the 2 hidden layers"),
    "dropout without hidden layers": ({"dropout": 0.5, "hidden": ()}, "needs a hidden layer"),
    "unknown activation": ({"activation": "sigmiod"}, "activation = 'sigmiod': must be one of elu, gelu, identity,"),
    "unknown initializer": ({"initializer": "xavier"}, "must be one of glorot_normal, glorot_uniform, he_normal"),
    "batch of nothing": ({"batch_size": 0}, "batch_size = 0: must be an integer from 1 to 12"),
    "batch larger than the data": ({"batch_size": 13}, "batch_size = 13: must be an integer from 1 to 12"),
    "half a batch": ({"batch_size": 4.5}, "batch_size = 4.5"),
    "no epoch": ({"epochs": 0}, "epochs = 0: must be an integer from 1 on"),
    "one class": ({"classes": 1}, "classes = 1"),
    "empty layer": ({"hidden": (4, 0)}, "hidden = 0"),
    "label outside the classes": ({"classes": 2}, "y_train = 2: must lie from 0 to 1"),
    "negative test label": ({"y_test": _Y - 1}, "y_test = -1: must lie from 0 to 2"),
    "one-hot labels": ({"y_train": np.eye(3, dtype=int)[_Y]}, "must be one integer label for each of the 12 examples"),
    "labels that are no integers": ({"y_train": _Y.astype(np.float32)}, "y_train = 'float32[12]'"),
    "fewer labels than examples": ({"y_train": _Y[:-1]}, "y_train = 'int"),
    "images that are no rows": ({"x_train": np.zeros((12, 5, 5), np.float32)}, "x_train = 'float32[12, 5, 5]'"),
    "bytes": ({"x_train": _X.astype(np.uint8)}, "x_train = 'uint8[12, 5]': must be floating-point numbers"),
    "test images of another shape": ({"x_test": np.zeros((12, 6), np.float32)}, "must have the 5 features of x_train"),
    "no test data": ({"x_test": _X[:0], "y_test": _Y[:0]}, "x_test = 'float32[0, 5]': must hold at least one example"),
}


@pytest.fixture(autouse=True)
def _as_users_have_it(monkeypatch):
    """Without the type checker of the tests, which would refuse some of this first, in words that no user sees."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.parametrize(("settings", "message"), _REFUSED.values(), ids=_REFUSED)
def test_refused(settings, message):
    with pytest.raises(ArgumentError) as refusal:
        _train(**settings)
    assert message in str(refusal.value)


@pytest.mark.parametrize("seed", [0, jax.random.PRNGKey(0), jax.random.split(jax.random.key(0), 2)], ids=repr)
def test_what_is_no_typed_key_is_refused(seed):
    with pytest.raises(ArgumentError, match=r"must be a typed PRNG key\. Give jax\.random\.key\(0\)"):
        _train(seed=seed)


@pytest.mark.parametrize("name", ["learning_rate", "dropout", "l2"])
def test_traced_numbers_are_not_looked_at(name):
    jax.eval_shape(lambda value: _train(**{name: value}), jnp.float32(-1))
