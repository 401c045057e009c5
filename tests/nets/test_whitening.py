"""Whitening against its definition, and what Keras' variant does to pixels that training never saw lit."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg

from jaxreg.datasets import load
from jaxreg.errors import ArgumentError
from jaxreg.nets.whitening import fit_whitening

_N, _FEATURES, _CONSTANT = 5000, 12, 3
_MNIST = Path(os.environ.get("JAXREG_DATA", "/nonexistent"))


def _data(n=_N, constant=0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, _FEATURES)) @ np.random.default_rng(9).normal(size=(_FEATURES, _FEATURES)) * 0.2 + 0.3
    x[:, :constant] = 0
    return x.astype(np.float32)


def _unseen():
    """Training data with constant pixels, and one test row in which one of them is faintly lit."""
    train, test = _data(constant=_CONSTANT), _data(20, constant=_CONSTANT, seed=1)
    test[7, 1] = 0.1
    return train, test


@pytest.mark.parametrize("epsilon", [1e-6, 0.01, 1.0])
def test_the_matrix_is_the_inverse_root_of_covariance_plus_epsilon(epsilon):
    x = _data().astype(np.float64)
    covariance = np.cov(x.T, bias=True) + epsilon * np.eye(_FEATURES)
    whitening = fit_whitening(x, epsilon)
    np.testing.assert_allclose(whitening.matrix, linalg.inv(linalg.sqrtm(covariance)), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(whitening.inverse, linalg.sqrtm(covariance), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(whitening.mean, x.mean(0))


def test_whitened_training_data_are_white():
    white = fit_whitening(_data(), 1e-9).apply(_data()).astype(np.float64)
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(_FEATURES), atol=1e-5)
    np.testing.assert_allclose(white.mean(0), 0, atol=1e-6)


def test_of_all_whitenings_it_changes_the_data_least():
    # The defining property: the sum of the variances of x_white - x is smallest for the symmetric root.
    x = _data().astype(np.float64)
    x -= x.mean(0)
    white = fit_whitening(x, 1e-9).apply(x)
    rotation = linalg.qr(np.random.default_rng(2).normal(size=(_FEATURES, _FEATURES)))[0]
    for turned in (white @ rotation, white @ linalg.expm(0.01 * (rotation - rotation.T))):
        assert ((white - x) ** 2).sum() < ((turned - x) ** 2).sum()


@pytest.mark.parametrize("kind", ["zca", "keras"])
def test_it_can_be_undone(kind):
    train, test = _data(), _data(50, seed=3)
    whitening = fit_whitening(train, kind=kind)
    np.testing.assert_allclose(whitening.invert(whitening.apply(test)), test, atol=2e-6)
    assert whitening.apply(test).dtype == whitening.invert(test).dtype == np.float32


def test_test_data_take_the_matrix_of_the_training_data():
    train, test = _data(), _data(50, seed=3) * 2 + 1
    whitening = fit_whitening(train)
    expected = (test.astype(np.float64) - whitening.mean) @ whitening.matrix
    np.testing.assert_allclose(whitening.apply(test), expected, rtol=1e-6)
    np.testing.assert_allclose(whitening.apply(test[:1]), whitening.apply(test)[:1], rtol=1e-6)
    np.testing.assert_array_equal(whitening.apply(jnp.asarray(test)), whitening.apply(test))


def test_blocks_change_nothing(monkeypatch):
    whole = {kind: fit_whitening(_data(1000), kind=kind) for kind in ("zca", "keras")}
    monkeypatch.setattr("jaxreg.nets.whitening._BLOCK", 7)
    for kind, whitening in whole.items():
        again = fit_whitening(_data(1000), kind=kind)
        np.testing.assert_allclose(again.matrix, whitening.matrix, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(again.apply(_data(30)), whitening.apply(_data(30)), rtol=1e-6, atol=1e-6)
        assert again.apply(_data(30)[:0]).shape == (0, _FEATURES)


def test_keras_variant_is_the_formula_of_keras():
    x = _data().astype(np.float64)
    centred = x - x.mean()
    u, s, _ = np.linalg.svd(centred.T, full_matrices=False)
    expected = u @ np.diag(np.sqrt(_N) / (s + 1e-6)) @ u.T
    whitening = fit_whitening(x, kind="keras")
    np.testing.assert_allclose(whitening.matrix, expected, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(whitening.apply(x), centred @ expected, atol=1e-5)


_KERAS = """
import sys
import numpy as np
from keras.src.legacy.preprocessing.image import ImageDataGenerator

x = np.load(sys.argv[1])
generator = ImageDataGenerator(zca_whitening=True)
generator.fit(x.reshape(-1, 3, 4, 1))
np.save(sys.argv[2], generator.standardize(x[:100].reshape(-1, 3, 4, 1).copy()).reshape(100, -1))
"""


@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="Keras is in the extra 'bench', not in 'test'")
def test_keras_variant_gives_what_keras_gives(tmp_path):
    """In a process of its own: what Keras imports can end one."""
    x, files = _data(), [str(tmp_path / name) for name in ("x.npy", "theirs.npy")]
    np.save(files[0], x)
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", _KERAS, *files], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(fit_whitening(x, kind="keras").apply(x[:100]), np.load(files[1]), atol=1e-3)


def test_keras_epsilon_does_nothing_for_pixels_that_never_vary():
    train, test = _unseen()
    keras, zca = fit_whitening(train, kind="keras"), fit_whitening(train)
    # What is stretched most is a lit pixel less the mean of all constant ones: sqrt(n) / epsilon = 7e7.
    for whitening, lit, others in ((keras, (1e6, 1e8), 100), (zca, (0.5, 1), 20)):
        size = abs(whitening.apply(test)).max(1)
        assert lit[0] < size[7] < max(lit[1], 20)
        assert np.delete(size, 7).max() < others
        assert abs(whitening.apply(train)).max() < others
    assert np.linalg.norm(zca.matrix, 2) <= 1 / np.sqrt(zca.epsilon) * (1 + 1e-12)


@pytest.mark.slow
@pytest.mark.skipif(not (_MNIST / "mnist").is_dir(), reason="needs MNIST in the folder that JAXREG_DATA names")
def test_on_mnist_keras_variant_blows_up_one_test_image():
    data = load("mnist")
    constant = (data.x_train == data.x_train[0]).all(0)
    assert constant.sum() == 67
    assert (data.x_test[:, constant] != 0).any(0).sum() == 2
    lit = (data.x_test[:, constant] != 0).any(1)
    size = abs(fit_whitening(data.x_train, kind="keras").apply(data.x_test)).max(1)
    assert size[lit].max() > 1e6
    assert abs(fit_whitening(data.x_train).apply(data.x_test)).max() < 11


@pytest.mark.parametrize("epsilon", [0, -0.1, np.nan, np.inf])
@pytest.mark.parametrize("kind", ["zca", "keras"])
def test_epsilon_must_be_positive(epsilon, kind):
    with pytest.raises(ArgumentError, match=r"epsilon = .*: must be positive and finite"):
        fit_whitening(_data(20), float(epsilon), kind)


def test_bad_input_is_refused():
    with pytest.raises(ArgumentError, match="kind = 'pca': must be one of keras, zca"):
        fit_whitening(_data(20), kind="pca")
    with pytest.raises(ArgumentError, match="must hold at least one row"):
        fit_whitening(_data(20)[:0])
    broken = _data(20)
    broken[3, 2] = np.nan
    with pytest.raises(ArgumentError, match=r"x\[3, 2\] = nan: must be finite"):
        fit_whitening(broken)
    whitening = fit_whitening(_data(20))
    with pytest.raises(ArgumentError, match="must have the 12 features"):
        whitening.apply(np.ones((2, 5)))
    with pytest.raises(ArgumentError, match=r"x\[3, 2\] = nan: must be finite"):
        whitening.invert(broken)
