"""The options of training: each against a reference in NumPy, at zero strength against the run without it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from jaxreg import randomness, sampling
from jaxreg.nets import Augmentation, EarlyStopping, train

_FEATURES, _CLASSES, _HIDDEN = 6, 4, (9, 7)
_KEY = jax.random.key(0)


def _data(dtype=np.float32):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(_CLASSES, _FEATURES))
    y = rng.integers(0, _CLASSES, 95)
    x = (centres[y] + rng.normal(size=(95, _FEATURES))).astype(dtype)
    sets = [(x[a:b], y[a:b]) for a, b in ((0, 45), (45, 75), (75, 95))]
    return [part for one in sets for part in one]  # training, test, validation


def _train(data=None, **settings):
    known = {"learning_rate": 0.5, "hidden": _HIDDEN, "classes": _CLASSES, "batch_size": 8, "epochs": 4}
    return train(*(_data() if data is None else data), **(known | settings))


def _bytes(run):
    return {name: np.asarray(value).tobytes() for name, value in run.items()}


# --- A linear classifier in NumPy, with every option that is not random --------------------------------------------


def _soft_threshold(w, threshold):
    return np.sign(w) * np.maximum(np.abs(w) - threshold, 0)


def _loss_gradient(logits, targets, loss):
    p = softmax(logits, axis=1)
    if loss == "cross_entropy":
        return (p - targets) / len(p)
    # Mean over examples and classes of (p - t)², by the derivative of the softmax, p_j (δ_jk - p_k).
    outer = 2 * (p - targets) / p.size
    return p * (outer - (outer * p).sum(1, keepdims=True))


def _reference(data, loss, l1, l2, proximal_l1, weight_decay, decoupled_weight_decay, max_norm, label_smoothing):
    """Weights and biases after two epochs of batches of 8, the last of 5 left out, the rate a tenth from half on."""
    x, y = data[:2]
    order = randomness.split(_KEY, "order")["order"]
    initial = _train(data, seed=_KEY, hidden=(), learning_rate=0.0, epochs=1, return_params=True)["params"]["params"]
    w, b = (np.asarray(initial["output"][name]) for name in ("weight", "bias"))
    targets = (1 - label_smoothing) * np.eye(_CLASSES)[y] + label_smoothing / _CLASSES
    step = 0
    for epoch in range(2):
        batches = sampling.shuffled_epoch(jax.random.fold_in(order, epoch), len(x), 8, drop_last=True)
        for index in np.asarray(batches.index):
            rate = 0.5 if step < 5 else 0.05 if step < 8 else 0.005
            delta = _loss_gradient(x[index] @ w.T + b, targets[index], loss)
            gradient = delta.T @ x[index] + l1 * np.sign(w) + (l2 + weight_decay) * w
            w = _soft_threshold(w - rate * (gradient + decoupled_weight_decay * w), rate * proximal_l1)
            w = w * np.minimum(1, max_norm / np.maximum(np.linalg.norm(w, axis=1, keepdims=True), 1e-300))
            b = b - rate * delta.sum(0)
            step += 1
    penalty = (l1 + proximal_l1) * np.abs(w).sum() + l2 / 2 * (w**2).sum()
    return w, b, penalty


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
def test_all_options_together_follow_a_reference(loss):
    options = {
        **{"loss": loss, "l1": 0.02, "l2": 0.05, "proximal_l1": 0.3, "weight_decay": 0.01},
        **{"decoupled_weight_decay": 0.03, "max_norm": 0.8, "label_smoothing": 0.2},
    }
    with jax.enable_x64(True):
        data = _data(np.float64)
        run = _train(
            data, seed=_KEY, hidden=(), epochs=2, drop_last=True, schedule="step", return_params=True, **options
        )
        w, b, penalty = _reference(data, **options)
    np.testing.assert_allclose(run["params"]["params"]["output"]["weight"], w, 1e-9, 1e-12)
    np.testing.assert_allclose(run["params"]["params"]["output"]["bias"], b, 1e-9, 1e-12)
    np.testing.assert_allclose(run["penalty"][-1], penalty, 1e-9)
    np.testing.assert_allclose(run["weight_norm"][-1], [np.linalg.norm(w)], 1e-9)
    assert float(run["zero_fraction"][-1]) == (w == 0).mean() > 0
    x_test, y_test = data[2:4]
    p = softmax(x_test @ w.T + b, axis=1)
    expected = {
        "cross_entropy": -np.log(p[np.arange(len(p)), y_test]).mean(),
        "mean_squared_error": ((p - np.eye(_CLASSES)[y_test]) ** 2).mean(),
    }
    np.testing.assert_allclose(run["test_loss"][-1], expected[loss], 1e-9)  # without smoothing and penalty


# --- Strength zero, and the effect of every strength ---------------------------------------------------------------

_OFF = {
    **{"l1": 0.0, "l2": 0.0, "proximal_l1": 0.0, "weight_decay": 0.0, "decoupled_weight_decay": 0.0},
    **{"max_norm": np.inf, "dropout": 0.0, "input_dropout": 0.0, "label_smoothing": 0.0},
    **{"gradient_noise": 0.0, "input_noise": 0.0},
    "augmentation": Augmentation(shift=0.0, rotation=0.0, noise=0.0, erasing=0.0, shape=(2, 3)),
}


@jax.jit
def _strengths(values):
    return _train(seed=_KEY, epochs=2, evaluate_train=False, **values)


def test_zero_strength_of_everything_equals_none_to_the_byte():
    plain = jax.jit(lambda: _train(seed=_KEY, epochs=2, evaluate_train=False))()
    assert _bytes(_strengths(_OFF)) == _bytes(plain)


@pytest.mark.parametrize("name", _OFF)
def test_every_strength_has_an_effect_and_no_program_of_its_own(name):
    off = _strengths(_OFF)
    moved = dataclasses.replace(_OFF["augmentation"], shift=0.3)
    on = _strengths(_OFF | {name: moved if name == "augmentation" else 0.3})
    assert np.isfinite(on["test_loss"]).all()
    assert on["test_loss"][-1] != off["test_loss"][-1]
    assert _strengths._cache_size() == 1


@pytest.mark.slow
def test_momentum_zero_is_plain_descent():
    plain = jax.jit(lambda: _train(seed=_KEY, epochs=1))()
    for optimizer in ("momentum", "nesterov"):
        run = jax.jit(lambda beta, name=optimizer: _train(seed=_KEY, epochs=1, optimizer=name, momentum=beta))(0.0)
        assert _bytes(run) == _bytes(plain)


# --- Streams ---------------------------------------------------------------------------------------------------------

_STREAMS = ("init", "order", "dropout", "augment", "noise")


@jax.jit
def _with_streams(learning_rate, keys):
    own = {f"{name}_seed": key for name, key in keys.items()}
    return _train(learning_rate=learning_rate, epochs=1, dropout=0.3, gradient_noise=0.1, evaluate_train=False, **own)


def test_one_seed_is_the_same_as_this_seed_for_every_stream():
    settings = {"epochs": 1, "dropout": 0.3, "gradient_noise": 0.1, "evaluate_train": False}
    whole = jax.jit(lambda key: _train(seed=key, **settings))(_KEY)
    assert _bytes(_with_streams(0.5, dict.fromkeys(_STREAMS, _KEY))) == _bytes(whole)


@pytest.mark.parametrize("name", [name for name in _STREAMS if name != "augment"])
def test_every_stream_changes_the_run_and_nothing_before_it(name):
    keys = dict.fromkeys(_STREAMS, _KEY)
    other = keys | {name: jax.random.key(1)}
    assert _with_streams(0.5, keys)["test_loss"][-1] != _with_streams(0.5, other)["test_loss"][-1]
    still = [_with_streams(0.0, each)["test_loss"][-1] for each in (keys, other)]  # what it starts from
    assert (still[0] == still[1]) == (name != "init")


# --- Records, validation and early stopping ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole():
    return _train(seed=_KEY, learning_rate=2.0, epochs=12)


def test_records_are_taken_every_so_many_epochs(whole):
    run = _train(seed=_KEY, learning_rate=2.0, epochs=12, evaluate_every=4)
    assert set(run) == set(whole)
    for name, value in whole.items():
        assert run[name].shape == (3, *value.shape[1:])
        np.testing.assert_allclose(run[name], value[3::4], 1e-5, 1e-6, err_msg=name)


def test_each_set_has_its_records(whole):
    data = _data()
    run = jax.eval_shape(lambda: _train(data[:2], seed=_KEY))
    assert not [name for name in run if name.startswith(("test", "validation"))]
    run = _train([*data[:2], None, None, *data[2:4]], seed=_KEY, learning_rate=2.0, epochs=12)
    np.testing.assert_allclose(run["validation_loss"], whole["test_loss"], 1e-5)


@pytest.mark.parametrize("patience", [0, 2, 30])
def test_stopping_in_training_is_stopping_the_curves_afterwards(whole, patience):
    rule = EarlyStopping("validation_loss", patience=patience)
    run = _stopped(patience)
    losses = np.asarray(whole["validation_loss"])
    best, last, waited = np.inf, 12, 0
    for epoch, loss in enumerate(losses, 1):
        waited = 0 if loss < best else waited + 1
        if loss < best:
            best, best_epoch = loss, epoch
        if waited > patience:
            last = epoch
            break
    assert rule.mode == "min"
    assert int(run["best_epoch"]) == best_epoch
    assert int(run["stopped_epoch"]) == (last if waited > patience else 0)
    for name, value in whole.items():
        held = np.concatenate([value[:last], np.repeat(value[last - 1 : last], 12 - last, axis=0)])
        np.testing.assert_allclose(run[name], held, 1e-5, 1e-6, err_msg=name)


@jax.jit
def _stopped(patience):
    rule = EarlyStopping("validation_loss", patience=patience)
    return _train(seed=_KEY, learning_rate=2.0, epochs=12, stopping=rule, return_params=True)


def test_last_and_best_parameters_are_those_of_their_epochs():
    run = _stopped(2)
    for name, epoch in (("params", run["stopped_epoch"]), ("best_params", run["best_epoch"])):
        kernels = [np.asarray(leaf) for leaf in jax.tree.leaves(run[name]) if leaf.ndim == 2]
        norms = [np.linalg.norm(kernel) for kernel in kernels]
        np.testing.assert_allclose(run["weight_norm"][int(epoch) - 1], norms, 1e-5)
    assert int(run["best_epoch"]) < int(run["stopped_epoch"])


def test_training_with_everything_lowers_for_every_platform():
    rule = EarlyStopping("validation_loss", patience=2)
    run = jax.jit(lambda rate: _train(seed=_KEY, optimizer="adamw", learning_rate=rate, stopping=rule, **_OFF))
    exported = jax.export.export(run, platforms=("cpu", "cuda", "tpu"))(jnp.float32(0.1))
    assert set(exported.platforms) == {"cpu", "cuda", "tpu"}
