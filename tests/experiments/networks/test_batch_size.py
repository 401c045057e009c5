"""Batch sizes: sampling theory for gradients, the trainings they say, claims on results with a known answer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.networks.batch_size import CLAIMS, PRESETS, PROTOCOLS, Config, run
from experiments.networks.batch_size.runs import mislabel, plan
from jaxreg.claims import find_claim
from jaxreg.nets import train

_SMALL = Config(images=64, batch_sizes=(16,), seeds=2, epochs=2, hidden=(6,), gradient_seeds=12, draws=50, repeats=2)


@pytest.fixture(scope="module")
def result():
    return run(_SMALL, progress=False).load()


def test_presets_keep_to_the_tutorial():
    assert (PRESETS["paper"].dataset, PRESETS["paper"].images) == ("mnist", None)
    assert {1, 16, 32, 64} <= set(Config().batch_sizes)
    for config in PRESETS.values():
        assert (config.hidden, config.dropout, config.learning_rate) == ((256, 128), 0.5, 0.1)


def test_result_is_labelled(result):
    assert result["train_loss"].dims == ("protocol", "seed", "wrong", "batch_size")
    assert result["batch_size"].values.tolist() == [16, 64]
    assert tuple(result["protocol"].values) == PROTOCOLS
    assert result["updates"].values.tolist() == [[8, 2], [8, 2], [8, 8]]
    assert (result["seconds"] > 0).all()
    assert not result["diverged"].any()


def test_a_run_is_the_training_it_says(result):
    data = jr.datasets.load("digits", train=64, scale=False)
    seed = jr.seeds(2).key(1)
    labels = mislabel(seed, jnp.asarray(data.y_train), jnp.float32(0.3), 10)
    options = {"hidden": (6,), "dropout": 0.5, "batch_size": 64, "epochs": 8, "evaluate_every": 2}
    alone = jax.jit(lambda rate: train(data.x_train, labels, *data[2:4], seed=seed, learning_rate=rate, **options))
    for protocol, rate, record in zip(PROTOCOLS, (0.1, 0.4, 0.1), (0, 0, -1), strict=True):  # 2, 2 and 8 epochs
        here = result.sel(protocol=protocol, seed=1, wrong=0.3, batch_size=64)
        for name in ("train_loss", "test_accuracy"):
            np.testing.assert_allclose(here[name], alone(jnp.float32(rate))[name][record], rtol=1e-4)


def test_equal_updates_of_the_reference_are_its_equal_epochs(result):
    one = result["train_loss"].sel(batch_size=16)
    for protocol in PROTOCOLS[1:]:
        np.testing.assert_array_equal(one.sel(protocol=protocol), one.sel(protocol="equal epochs"))


def test_noise_of_gradients_is_that_of_sampling_theory(result):
    """Relative errors of 12 networks × 50 draws; the batches of a draw are correlated, draws are not."""
    ratio = (result["error"] / result["expected"]).sel(batch_size=16)
    scores = (ratio.mean("draw") - 1) / (ratio.std("draw", ddof=1) / np.sqrt(50))
    assert abs(float(scores.mean()) * np.sqrt(scores.size)) < 4
    np.testing.assert_allclose(result["error"].sel(batch_size=64), 0, atol=1e-9)
    np.testing.assert_allclose(result["cosine"].sel(batch_size=64, wrong=0), 1, rtol=1e-5)
    assert (result["cosine"].sel(batch_size=64, wrong=0.3) < 1).all()


def test_labels_are_wrong_as_often_as_said_and_never_right_again():
    labels = jnp.arange(20_000) % 10
    changed = np.asarray(mislabel(jax.random.key(0), labels, jnp.float32(0.3), 10))
    wrong = changed != np.asarray(labels)
    assert abs(wrong.mean() - 0.3) < 4 * np.sqrt(0.21 / 20_000)
    shift = np.bincount((changed - np.asarray(labels))[wrong] % 10, minlength=10)
    assert shift[0] == 0
    assert (abs(shift[1:] - wrong.sum() / 9) < 4 * np.sqrt(wrong.sum() / 9)).all()
    np.testing.assert_array_equal(mislabel(jax.random.key(0), labels, jnp.float32(0), 10), labels)


@pytest.mark.parametrize("batch_size", [1, 2, 16, 32, 64, 128, 1297])
def test_plans_make_the_updates_asked_for(batch_size):
    images, epochs = plan(1297, batch_size, 14, 574)
    steps = epochs * -(-images // batch_size)
    assert abs(steps - 574) <= -(-images // batch_size) / 2
    assert plan(1297, batch_size, 14, None) == (1297, 14)


# --- Claims, on results whose verdict is known ------------------------------------------------------------------------


def _made_up(gain=0.0, cosine=0.0, long=0.0, time=1.0, loss=0.0, cost=0.0, seeds=20):
    """What batches of 64 and of all add to those of 16, with a little noise."""
    random = np.random.default_rng(0)
    step = np.array([0.0, 1.0, 2.0])

    def noisy(*shape):
        return random.normal(0, 1e-4, (*shape, 3))

    accuracy = 0.8 + gain * step + noisy(3, seeds, 2)
    accuracy[:, :, 1] -= 0.2 + cost * step
    cells, of_network = ("protocol", "seed", "wrong", "batch_size"), ("network", "wrong", "batch_size")
    return xr.Dataset(
        {
            "test_accuracy": (cells, accuracy),
            "train_loss": (cells, 1 + loss * step + noisy(3, seeds, 2)),
            "diverged": (cells, np.zeros(accuracy.shape, bool)),
            "cosine": (("draw", *of_network), 0.5 + cosine * step + noisy(4, 8, 2)),
            "long": (of_network, 0.25 + long * step + noisy(8, 2)),
            "seconds": (("repeat", "batch_size"), time**step + noisy(7)),
        },
        {"protocol": list(PROTOCOLS), "wrong": [0.0, 0.3], "batch_size": [16, 64, 1000]},
    )


@pytest.mark.parametrize(
    ("claim", "changed", "status"),
    [
        ("odd samples: with", {"cosine": 0.1}, "holds"),
        ("odd samples: with", {"cosine": -0.1}, "fails"),
        ("odd samples: with", {}, "undecided"),
        ("odd samples: wrong", {"cost": -0.05}, "holds"),
        ("odd samples: wrong", {"cost": 0.05}, "fails"),
        ("odd samples: wrong", {}, "undecided"),
        ("Larger batches run", {"time": 0.5}, "holds"),
        ("Larger batches run", {"time": 1.5}, "fails"),
        ("Large updates become", {"long": -0.1}, "holds"),
        ("Large updates become", {"long": 0.1}, "fails"),
        *((k, {"loss": 0.1}, "holds") for k in ("many epochs its", "many updates its")),
        *((k, {"loss": -0.1}, "fails") for k in ("many epochs its", "many updates its")),
        *((k, {"gain": 0.01}, "holds") for k in ("16 after as many epochs", "16 after as many updates")),
        *((k, {"gain": -0.01}, "fails") for k in ("16 after as many epochs", "16 after as many updates")),
        ("16 after as many updates", {}, "undecided"),
    ],
)
def test_claims_can_fall_either_way(claim, changed, status):
    assert find_claim(CLAIMS, claim).judge(_made_up(**changed)).status == status


def test_effects_have_their_units_and_leave_diverged_runs_out():
    dataset = _made_up(gain=0.01)
    gone = dataset["diverged"].copy()
    gone[2, :3, 1, 0] = True
    verdict = find_claim(CLAIMS, "16 after as many updates").judge(dataset.assign(diverged=gone))
    assert (verdict.n, verdict.unit) == (17, "percentage points")
    assert abs(verdict.effect - 1) < 0.1
