"""The Monte-Carlo split of an error: against ridge's closed form, NumPy's moments and the jackknife done by hand."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import jaxreg as jr
from jaxreg.errors import ArgumentError
from jaxreg.linear.monte_carlo import decompose_error
from jaxreg.linear.ridge import ridge_path
from jaxreg.linear.risk import ridge_risk

_RANDOM = np.random.default_rng(0)
_X = _RANDOM.normal(size=(20, 6)) * np.array([1, 5, 0.2, 1, 1, 1]) + 2
_NEW = _RANDOM.normal(size=(11, 6)) + 2


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _draw_and_predict(X, truth, rows, *, seed, sigma, alpha):
    y = truth + sigma * jax.random.normal(seed, truth.shape)
    return ridge_path(X, y, alpha[None]).predict(rows)[0]


def test_monte_carlo_split_is_the_closed_form():
    truth, wanted = np.sin(_X[:, 0]) + 3, np.sin(_NEW[:, 0]) + 3
    alphas = np.array([1e-3, 0.5, 30.0])
    split = decompose_error(
        _draw_and_predict,
        {"alpha": alphas, "seed": jr.seeds(600), "sigma": [0.3, 0.7]},
        wanted,
        noise=0.7,
        args=(_X, truth, _NEW),
        x64=True,
        progress=False,
    )
    assert split["bias2"].dims == ("alpha", "sigma")
    assert (split["n"] == 600).all()
    assert (split["diverged"] == 0).all()
    np.testing.assert_allclose(split["noise"], 0.49)
    for column, sigma in enumerate((0.3, 0.7)):
        exact = ridge_risk(_X, truth, sigma, alphas, test=(_NEW, wanted))
        for name, expected in (("bias2", exact.bias2), ("variance", exact.variance), ("error", exact.total + 0.49)):
            found, error = split[name].values[:, column], split[f"{name}_se"].values[:, column]
            assert (abs(found - expected) < 4 * error).all(), name
            assert (error < 0.3 * (abs(found) + 0.1)).all()


def test_split_of_a_path_in_one_run_leaves_diverged_runs_out():
    draws = jnp.asarray(_RANDOM.normal(size=(50, 2, 4)))

    def predict(draws, *, seed, number):
        drawn = draws[number]
        return jnp.where(number == 7, jnp.nan, drawn)

    axes = {"number": np.arange(50), "seed": jr.seeds(1)}
    split = decompose_error(
        predict, axes, np.zeros(4), dim="number", dims={"alpha": [0.1, 1.0]}, args=(draws,), x64=True, progress=False
    )
    kept = np.delete(np.asarray(draws), 7, axis=0)
    assert split["bias2"].dims == ("seed", "alpha")
    assert (split["n"] == 49).all()
    assert (split["diverged"] == 1).all()
    variance = kept.var(0, ddof=1).mean(-1)
    np.testing.assert_allclose(split["variance"][0], variance, rtol=1e-12)
    np.testing.assert_allclose(split["bias2"][0], (kept.mean(0) ** 2).mean(-1) - variance / 49, rtol=1e-12)
    np.testing.assert_allclose(split["error"], split["bias2"] + split["variance"], rtol=1e-12)
    parts = [np.delete(kept, i, axis=0) for i in range(49)]
    for name, statistic in (
        ("variance", lambda d: d.var(0, ddof=1).mean(-1)),
        ("bias2", lambda d: (d.mean(0) ** 2).mean(-1) - d.var(0, ddof=1).mean(-1) / len(d)),
        ("error", lambda d: (d**2).mean((0, 2))),
    ):
        jackknife = np.sqrt(48 * np.var([statistic(part) for part in parts], axis=0))
        np.testing.assert_allclose(split[f"{name}_se"][0], jackknife, rtol=1e-10)


def test_split_of_few_runs():
    def predict(*, seed):
        return jax.random.normal(seed, (3,))

    few = {k: decompose_error(predict, {"seed": jr.seeds(k)}, np.zeros(3), progress=False) for k in (1, 2)}
    assert np.isnan(few[1]["bias2"])
    assert np.isnan(few[1]["variance"])
    assert np.isfinite(few[2]["variance"])
    assert all(np.isinf(few[k]["variance_se"]) for k in (1, 2))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"truth": np.zeros(2)}, "shape of the predictions"),
        ({"truth": np.zeros((3, 1))}, "truth"),
        ({"truth": np.full(3, np.nan)}, r"truth\[0\]"),
        ({"noise": -1.0}, "noise"),
        ({"dim": "run"}, "dim"),
        ({"dims": {"noise": [1.0]}}, "axes"),
    ],
)
def test_bad_input_of_the_split_is_refused(change, named, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    settings = {"truth": np.zeros(3), "progress": False, **change}
    with pytest.raises(ArgumentError, match=rf"^{named}(\[[\d, ]+\])? = "):
        decompose_error(lambda *, seed: jax.random.normal(seed, (3,)), {"seed": jr.seeds(4)}, **settings)
