"""On a GPU: populations are those of the CPU, chunks fit, and float64 is float64. `pytest -m gpu -n 0` runs them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg as jr
from experiments.benchmarks.landscape import LIMIT, RATE, START, STEPS, make_refit_gradient
from jaxreg.landscape import T2_LANDSCAPE, descend, fate

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(jax.default_backend() != "gpu", reason="no GPU here"),
]


@pytest.fixture
def processor():
    return jax.devices("cpu")[:1]


def test_fates_of_refit_descent_are_those_of_the_cpu(processor):
    def fall(gradient, *, seed):
        return {"fate": fate(descend(gradient, START, RATE, STEPS, seed=seed, limit=LIMIT).weight, T2_LANDSCAPE)}

    axes, args = {"seed": jr.seeds(4096)}, (make_refit_gradient(),)
    here = jr.sweep(fall, axes, args=args, progress=False)["fate"].values
    there = jr.sweep(fall, axes, args=args, devices=processor, progress=False)["fate"].values
    assert (here == there).mean() >= 0.999


def test_networks_learn_as_on_the_cpu(processor):
    data = jr.datasets.load("digits")

    def learn(*data, seed):
        with jax.default_matmul_precision("highest"):
            history = jr.nets.train(*data, seed=seed, learning_rate=0.5, hidden=(32,), epochs=2)
        return {"loss": history["train_loss"]}

    axes, args = {"seed": jr.seeds(16)}, tuple(data[:4])
    here = jr.sweep(learn, axes, args=args, progress=False)["loss"].values
    there = jr.sweep(learn, axes, args=args, devices=processor, progress=False)["loss"].values
    np.testing.assert_allclose(here, there, rtol=1e-3)


def test_float64_fits_are_those_of_the_cpu(processor):
    X = np.random.default_rng(0).normal(size=(40, 10))

    def fit(X, *, seed):
        y = X[:, 0] + 0.1 * jax.random.normal(seed, (40,), X.dtype)
        return {
            "ridge": jr.linear.ridge(X, y, 0.1).coef,
            "lars": jr.linear.lars_path(X, y).at(jnp.asarray(0.01, X.dtype)).coef,
            "lasso": jr.linear.lasso(X, y, 0.01).coef,
        }

    axes = {"seed": jr.seeds(64)}
    here = jr.sweep(fit, axes, args=(X,), x64=True, progress=False)
    there = jr.sweep(fit, axes, args=(X,), x64=True, devices=processor, progress=False)
    for name in ("ridge", "lars", "lasso"):
        assert here[name].dtype == np.float64
        np.testing.assert_allclose(here[name].values, there[name].values, atol=1e-9)


def test_a_population_larger_than_the_memory_runs_in_chunks():
    limit = jax.local_devices()[0].memory_stats()["bytes_limit"]
    runs = 64
    size = 2 * limit // (runs * 4)

    def spread(*, seed):
        values = jax.random.uniform(seed, (size,))
        return {"mean": jnp.sort(values)[size // 2]}

    result = jr.sweep(spread, {"seed": jr.seeds(runs)}, progress=False)
    np.testing.assert_allclose(result["mean"].values, 0.5, atol=0.01)
