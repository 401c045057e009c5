"""Training against an independent implementation, and what a population must not change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.special import expit, logsumexp, softmax

from jaxreg import losses, objectives, penalties, randomness, sampling
from jaxreg.datasets import load
from jaxreg.nets import MLP, keep_mask, multiplier, train
from jaxreg.nets.boundary import read_dropout
from tests.marks import slow

_FEATURES, _CLASSES, _HIDDEN = 6, 4, (9, 7)


def _data(n=45, m=30, dtype=np.float32):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(_CLASSES, _FEATURES))
    y = rng.integers(0, _CLASSES, n + m)
    x = (centres[y] + rng.normal(size=(n + m, _FEATURES))).astype(dtype)
    return jnp.asarray(x[:n]), jnp.asarray(y[:n]), jnp.asarray(x[n:]), jnp.asarray(y[n:])


def _train(data=None, **settings):
    known = {"learning_rate": 0.5, "hidden": _HIDDEN, "classes": _CLASSES, "batch_size": 8, "epochs": 2}
    return train(*(data or _data()), **(known | settings))


def _bytes(run):
    return {name: np.asarray(value).tobytes() for name, value in run.items()}


# --- An independent implementation: NumPy, rows are examples, back-propagation by the chain rule -------------------


def _forward(params, x, multipliers):
    activations = [x]
    for (weight, bias), factor in zip(params[:-1], multipliers, strict=True):
        activations.append(expit(activations[-1] @ weight.T + bias) * factor)
    weight, bias = params[-1]
    return activations, activations[-1] @ weight.T + bias


def _backward(params, x, y, multipliers, l2):
    """Gradient of mean cross-entropy + ½ l2 Σ w², layer by layer from the last."""
    activations, logits = _forward(params, x, multipliers)
    delta = (softmax(logits, axis=1) - np.eye(logits.shape[1])[y]) / len(y)
    gradient = []
    for i in reversed(range(len(params))):
        gradient.insert(0, (delta.T @ activations[i] + l2 * params[i][0], delta.sum(0)))
        if i:
            # The activation is factor · sigmoid.
            factor = multipliers[i - 1]
            sigmoid = np.divide(activations[i], factor, out=np.zeros_like(activations[i]), where=factor != 0)
            delta = (delta @ params[i][0]) * factor * sigmoid * (1 - sigmoid)
    return gradient


def _score(params, x, y):
    _, logits = _forward(params, x, [1.0] * (len(params) - 1))
    loss = (logsumexp(logits, axis=1) - logits[np.arange(len(y)), y]).mean()
    return loss, (logits.argmax(1) == y).mean()


def _as_layers(variables):
    names = sorted(variables["params"], key=lambda name: (name == "output", name))
    return [tuple(np.asarray(variables["params"][name][part]) for part in ("weight", "bias")) for name in names]


def _reference(data, seed, learning_rate, rates, l2, batch_size, epochs):
    """The history of one run, from the same initial weights, batches and masks."""
    x, y, x_test, y_test = map(np.asarray, data)
    streams = randomness.split(jax.random.key(seed), "init", "order", "dropout")
    params = _as_layers(MLP(_HIDDEN, _CLASSES).init(streams["init"], data[0][:1]))
    history = []
    for number in range(epochs):
        order, dropping = (jax.random.fold_in(streams[name], number) for name in ("order", "dropout"))
        batches = sampling.shuffled_epoch(order, len(x), batch_size)
        keys = [jax.random.fold_in(dropping, layer) for layer in range(len(_HIDDEN))]
        for step, (index, valid) in enumerate(zip(*map(np.asarray, batches), strict=True)):
            chosen = index[valid]
            multipliers = [
                np.asarray(multiplier(keep_mask(key, rate, (batch_size, units), step), rate))[valid]
                for key, rate, units in zip(keys, map(jnp.float64, rates), _HIDDEN, strict=True)
            ]
            gradient = _backward(params, x[chosen], y[chosen], multipliers, l2)
            params = [
                (w - learning_rate * dw, b - learning_rate * db)
                for (w, b), (dw, db) in zip(params, gradient, strict=True)
            ]
        penalty = 0.5 * l2 * sum((weight**2).sum() for weight, _ in params)
        history.append((*_score(params, x, y), *_score(params, x_test, y_test), penalty))
    names = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "penalty")
    return dict(zip(names, np.array(history).T, strict=True))


@pytest.mark.parametrize(
    ("batch_size", "rates", "l2"),
    [
        pytest.param(9, (None, None), None, id="even"),
        pytest.param(8, (0.25, 0.5), 0.01, id="short_last_batch"),
        slow(1, (0.1, 0.0), 0.003, id="online"),
        slow(45, (0.5, 0.3), 0.02, id="full_batch"),
    ],
)
def test_training_follows_an_independent_implementation(batch_size, rates, l2):
    with jax.enable_x64(True):
        data = _data(dtype=np.float64)
        settings = {"learning_rate": 0.5, "batch_size": batch_size, "epochs": 3}
        run = _train(data, seed=jax.random.key(5), dropout=rates, l2=l2, **settings)
        expected = _reference(data, 5, rates=[rate or 0.0 for rate in rates], l2=l2 or 0.0, **settings)
    assert set(run) - set(expected) == {"weight_norm", "zero_fraction"}
    for name, value in expected.items():
        assert run[name].dtype == np.float64
        np.testing.assert_allclose(run[name], value, 1e-9, 1e-12, err_msg=name)


def test_gradient_of_the_objective_matches_back_propagation_and_finite_differences():
    with jax.enable_x64(True):
        x, y, *_ = _data(dtype=np.float64)
        model = MLP(_HIDDEN, _CLASSES)
        params = model.init(jax.random.key(1), x)
        rates = (0.2, 0.5)
        masks = [keep_mask(jax.random.key(i), rate, (len(x), _HIDDEN[i])) for i, rate in enumerate(rates)]
        multipliers = [multiplier(mask, jnp.float64(rate)) for mask, rate in zip(masks, rates, strict=True)]
        objective = objectives.build(
            model.apply, losses.softmax_cross_entropy, [penalties.L2(0.03)], [penalties.kernels_only]
        )
        scalar = lambda p: objective(jax.tree.map(jnp.asarray, p), x, y, multipliers=multipliers)[0]  # noqa: E731
        gradient = jax.jit(jax.grad(scalar))(params)
        expected = _backward(_as_layers(params), np.asarray(x), np.asarray(y), [*map(np.asarray, multipliers)], 0.03)
        for ours, theirs in zip(_as_layers(gradient), expected, strict=True):
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(a, b, 1e-10, 1e-13)
        check_grads(jax.jit(scalar), (params,), order=1, modes=("rev",), atol=1e-6, rtol=1e-6, eps=1e-5)


# --- Switches that must change nothing ------------------------------------------------------------------------------


@jax.jit
def _plain(seed, learning_rate):
    return _train(seed=seed, learning_rate=learning_rate)


@jax.jit
def _traced(seed, learning_rate, dropout, l2):
    return _train(seed=seed, learning_rate=learning_rate, dropout=(dropout, dropout), l2=l2)


_KEY = jax.random.key(0)


def test_zero_dropout_and_zero_penalty_equal_none_to_the_byte():
    assert _bytes(_traced(_KEY, 0.5, 0.0, 0.0)) == _bytes(_plain(_KEY, 0.5))


def test_dropout_and_penalty_change_the_training():
    losses = [_traced(_KEY, 0.5, *strengths)["train_loss"] for strengths in [(0.0, 0.0), (0.5, 0.0), (0.0, 0.01)]]
    assert len({np.asarray(loss).tobytes() for loss in losses}) == 3


def test_a_single_rate_belongs_to_the_last_hidden_layer():
    assert read_dropout(0.5, 3) == (None, None, 0.5)
    assert read_dropout(None, 2) == (None, None)
    assert read_dropout([0.1, None], 2) == (0.1, None)
    assert read_dropout(None, 0) == read_dropout((), 0) == ()


def test_reporting_on_the_training_data_changes_nothing_else():
    short = jax.jit(lambda: _train(seed=_KEY, evaluate_train=False))()
    full = _plain(_KEY, 0.5)
    assert set(full) - set(short) == {"train_loss", "train_accuracy"}
    for name, value in short.items():
        np.testing.assert_allclose(value, full[name], 1e-6)


def test_a_longer_training_begins_like_a_shorter_one():
    long = jax.jit(lambda rate: _train(seed=_KEY, epochs=4, dropout=(rate, rate), l2=0.01))(0.5)
    for name, value in _traced(_KEY, 0.5, 0.5, 0.01).items():
        np.testing.assert_allclose(long[name][:2], value, 1e-6)


# --- Populations ------------------------------------------------------------------------------------------------------


@jax.jit
@jax.vmap
def _population(seed, learning_rate, dropout):
    return _train(seed=seed, learning_rate=learning_rate, dropout=dropout)


_SEEDS = jax.random.split(jax.random.key(0), 3)
_HEALTHY = jnp.array([0.1, 0.5, 1.0]), jnp.array([0.0, 0.3, 0.6])


def test_a_member_alone_equals_the_member_in_a_population():
    together = _population(_SEEDS, *_HEALTHY)
    for i in range(3):
        alone = _population(_SEEDS[i : i + 1], *(values[i : i + 1] for values in _HEALTHY))
        for name, value in alone.items():
            np.testing.assert_allclose(together[name][i], value[0], 1e-5, 1e-6, err_msg=name)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
def test_a_diverged_member_leaves_the_bytes_of_the_others(bad):
    learning_rates, dropouts = _HEALTHY
    healthy = _population(_SEEDS, learning_rates, dropouts)
    sick = _population(_SEEDS, learning_rates.at[1].set(bad), dropouts)
    assert not np.isfinite(sick["test_loss"][1]).all()
    for name, value in healthy.items():
        for i in (0, 2):
            assert np.asarray(sick[name][i]).tobytes() == np.asarray(value[i]).tobytes()


def test_seeds_give_different_runs_and_learning_rates_share_their_seed():
    runs = [_plain(jax.random.key(i), 0.5)["test_loss"] for i in range(2)]
    assert not np.array_equal(*runs)
    still = [_traced(_KEY, 0.0, rate, 0.0)["test_loss"] for rate in (0.0, 0.5)]
    assert np.array_equal(*still)  # no step was taken: the same initial weights


def test_one_program_for_all_traced_numbers():
    for i in range(3):
        _traced(jax.random.key(i), 0.1 * i, 0.2 * i, 0.01 * i)
    assert _traced._cache_size() == 1


@pytest.mark.slow  # with everything it does in tests/nets/test_options.py
def test_training_lowers_for_every_platform():
    data = _data()
    run = jax.jit(lambda x, rate: _train((x, *data[1:]), seed=_KEY, learning_rate=rate, dropout=rate, l2=rate))
    exported = jax.export.export(run, platforms=("cpu", "cuda", "tpu"))(data[0], jnp.float32(0.1))
    assert set(exported.platforms) == {"cpu", "cuda", "tpu"}


def test_it_learns_the_digits():
    data = load("digits")
    run = jax.jit(lambda: train(*data[:4], seed=jax.random.key(0), learning_rate=0.5, hidden=(64,), epochs=20))()
    assert run["test_accuracy"][-1] > 0.9
    assert run["train_loss"][-1] < run["train_loss"][0]
