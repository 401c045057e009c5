"""What training refuses, by name, before it traces anything."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pandas as pd
import pytest

import jaxreg as jr
from jaxreg.errors import ArgumentError, JaxregError
from jaxreg.nets import Augmentation, EarlyStopping, train

_X, _Y = np.zeros((12, 5), np.float32), np.arange(12) % 3


def _train(x_train=_X, y_train=_Y, x_test=_X, y_test=_Y, **settings):
    known = {"seed": jax.random.key(0), "learning_rate": 0.1, "hidden": (4, 3), "classes": 3, "batch_size": 4}
    return train(x_train, y_train, x_test, y_test, **(known | {"epochs": 1} | settings))


_REFUSED = {
    "negative learning rate": ({"learning_rate": -0.1}, "learning_rate = -0.1: must be 0 or more"),
    "infinite learning rate": ({"learning_rate": float("inf")}, "learning_rate = inf: must be 0 or more, and finite"),
    "learning rate that is no number": ({"learning_rate": float("nan")}, "learning_rate = nan"),
    "several learning rates": (
        {"learning_rate": jnp.array([0.1, 0.2])},
        "must be one number. Give a step size such as 0.1; sw",
    ),
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
    "no epoch": ({"epochs": 0}, "epochs = 0: must be an integer from 1 to "),
    "one class": ({"classes": 1}, "classes = 1"),
    "empty layer": ({"hidden": (4, 0)}, "hidden = 0"),
    "label outside the classes": ({"classes": 2}, "y_train[2] = 2: must lie in [0, 1]"),
    "negative test label": ({"y_test": _Y - 1}, "y_test[0] = -1: must lie in [0, 2]"),
    "rows of another number of classes": (
        {"y_train": np.eye(4, dtype=int)[_Y], "x_test": None, "y_test": None},
        "must be one integer label for each of the 12 examples, or a row of 3 probabilities",
    ),
    "labels that are no integers": ({"y_train": _Y.astype(np.float32)}, "y_train = 'float32[12]'"),
    "fewer labels than examples": ({"y_train": _Y[:-1]}, "y_train = 'int"),
    "images that are no rows": ({"x_train": np.zeros((12, 5, 5), np.float32)}, "x_train = 'float32[12, 5, 5]'"),
    "bytes": ({"x_train": _X.astype(np.uint8)}, "x_train = 'uint8[12, 5]': must be floating-point numbers"),
    "test images of another shape": ({"x_test": np.zeros((12, 6), np.float32)}, "must have the 5 features of x_train"),
    "images of little precision": ({"x_train": _X.astype(np.float16)}, "must have 32 bits or more"),
    "test images of another precision": ({"x_test": _X.astype(np.float16)}, "x_test = 'float16[12, 5]'"),
    "a rule that is none": ({"stopping": 5}, "stopping = 5: must be an EarlyStopping"),
    "an augmentation that is none": ({"augmentation": 3}, "augmentation = 3: must be an Augmentation"),
    "a schedule of steps": ({"schedule": lambda step: 0.1 * step}, "must make a schedule from the number of steps"),
    "no test data": ({"x_test": _X[:0], "y_test": _Y[:0]}, "x_test = 'float32[0, 5]': must hold at least one example"),
    "records that do not divide the epochs": ({"epochs": 6, "evaluate_every": 4}, "evaluate_every = 4: must divide"),
    "no record at all": ({"evaluate_every": 0}, "evaluate_every = 0: must be an integer from 1 to 1"),
    "unknown loss": ({"loss": "hinge"}, "loss = 'hinge': must be one of absolute, binary_cross_entropy"),
    "unknown optimizer": ({"optimizer": "adm"}, "must be one of adagrad, adam, adamw, lion, momentum, nesterov,"),
    "unknown schedule": ({"schedule": "cos"}, "must be one of constant, cosine, step, warmup, warmup_cosine"),
    "momentum without a use": ({"momentum": 0.9}, "momentum = 0.9: has no meaning for sgd"),
    "momentum of one": ({"momentum": 1.0, "optimizer": "nesterov"}, "momentum = 1.0: must lie in [0, 1)"),
    "no decay for AdamW": ({"optimizer": "adamw"}, "decoupled_weight_decay = None: must be given for adamw"),
    "negative l1": ({"l1": -1.0}, "l1 = -1.0: must be 0 or more"),
    "negative proximal l1": ({"proximal_l1": -1.0}, "proximal_l1 = -1.0"),
    "negative decay": ({"weight_decay": -0.1}, "weight_decay = -0.1"),
    "negative max-norm": ({"max_norm": -1.0}, "max_norm = -1.0: must be 0 or more"),
    "max-norm that is no number": ({"max_norm": float("nan")}, "max_norm = nan"),
    "input dropout of everything": ({"input_dropout": 1.0}, "input_dropout = 1.0: must lie in [0, 1)"),
    "smoothing of everything": ({"label_smoothing": 1.0}, "label_smoothing = 1.0: must lie in [0, 1)"),
    "negative noise": ({"gradient_noise": -1.0}, "gradient_noise = -1.0"),
    "infinite input noise": ({"input_noise": float("inf")}, "input_noise = inf"),
    "several rates too many": ({"dropout": np.full(3, 0.5, np.float32)}, "must have one entry for each of the 2"),
    "rules on what is not recorded": (
        {"stopping": EarlyStopping("validation_loss")},
        "monitor = 'validation_loss': is not recorded. Choose one of penalty, test_accuracy, test_loss, train_accuracy",
    ),
    "rules on several numbers": ({"stopping": EarlyStopping("weight_norm", mode="min")}, "is not recorded"),
    "augmentation of images that are no squares": ({"augmentation": Augmentation(shift=1.0)}, "5"),
    "labels without inputs": ({"y_validation": _Y}, "x_validation = None: must be given where y_validation is"),
    "inputs without labels": (
        {"x_validation": _X},
        "y_validation = None: must be given where x_validation is. Give both; of a Dataset, args=data[:4]",
    ),
    "no seed at all": ({"seed": None, "init_seed": jax.random.key(0)}, "must be given where order_seed is not"),
    "a seed that is none": ({"order_seed": 3}, "order_seed = 3: must be a typed PRNG key"),
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


_WRONG_LABELS = {
    "negative": (_Y - 1, r"y_train\[0\] = -1: must lie in \[0, 2\]"),
    "as many as classes": (_Y + 1, r"y_train\[2\] = 3: must lie in \[0, 2\]"),
    "whole floats": (_Y.astype(np.float32), "must be one integer label"),
    "strings": (_Y.astype(str), "must hold (real )?(arrays and )?numbers"),
    "rows": (np.eye(4, dtype=int)[_Y], "must be one"),
    "a series": (pd.Series(_Y - 1), r"y_train\[0\] = -1: must lie in"),
}


@pytest.mark.parametrize(("labels", "message"), _WRONG_LABELS.values(), ids=_WRONG_LABELS)
def test_wrong_labels_are_refused_also_in_the_args_of_a_sweep(labels, message):
    def run(x, y, *, l2):
        return _train(x, y, l2=l2)

    with pytest.raises(JaxregError, match=message):
        _train(y_train=labels)
    with pytest.raises(JaxregError, match=message):
        jr.sweep(run, {"l2": [0.0, 0.1]}, args=(_X, labels), progress=False)


def test_labels_are_looked_at_in_every_sweep():
    def run(x, y, *, l2):
        return {"loss": _train(x, y, l2=l2)["train_loss"]}

    assert not jr.sweep(run, {"l2": [0.1]}, args=(_X, _Y), progress=False)["diverged"].any()
    with pytest.raises(ArgumentError, match=r"y_train\[2\] = 3"):
        jr.sweep(run, {"l2": [0.1]}, args=(_X, _Y + 1), progress=False)


@pytest.mark.parametrize("seed", [0, jax.random.PRNGKey(0), jax.random.split(jax.random.key(0), 2)], ids=repr)
def test_what_is_no_typed_key_is_refused(seed):
    with pytest.raises(ArgumentError, match=r"must be a typed PRNG key\. Give jax\.random\.key\(0\)"):
        _train(seed=seed)


@pytest.mark.parametrize("name", ["learning_rate", "dropout", "l2"])
def test_traced_numbers_are_not_looked_at(name):
    jax.eval_shape(lambda value: _train(**{name: value}), jnp.float32(-1))


@pytest.mark.parametrize(
    "settings",
    [{"l2": -1.0}, {"momentum": 1.5, "optimizer": "momentum"}, {"label_smoothing": 1.0}, {"max_norm": -1.0}],
    ids=lambda settings: next(iter(settings)),
)
def test_a_traced_number_outside_its_domain_makes_the_run_diverge(settings):
    ((name, value), *others) = settings.items()
    run = jax.jit(lambda value: _train(**{name: value}, **dict(others), evaluate_train=False))(jnp.float32(value))
    assert np.isnan(run["test_loss"]).all()
    assert np.isnan(run["test_accuracy"]).all()


def test_streams_that_nothing_draws_from_need_no_seed():
    jax.eval_shape(lambda: _train(seed=None, init_seed=jax.random.key(0), order_seed=jax.random.key(1)))
    with pytest.raises(ArgumentError, match="must be given where dropout_seed is not"):
        _train(seed=None, init_seed=jax.random.key(0), order_seed=jax.random.key(1), dropout=0.5)
