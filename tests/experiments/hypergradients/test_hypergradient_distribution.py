"""Hypergradients against differences of plain trainings, claims that fall either way; the figure."""

import jax
import numpy as np
import pytest

import jaxreg as jr
from experiments.hypergradients.hypergradient_distribution import CLAIMS, Config
from tests.populations import population, verdicts

SMALL = Config(seeds=4, rates=(0.01, 0.1, 10.0), hidden=4, epochs=2)


def test_reliable_derivatives_are_those_of_plain_trainings(result):
    assert dict(result.sizes) == {"seed": 4, "learning_rate": 3}
    small = result.sel(learning_rate=0.01)
    assert small["reliable"].all()
    np.testing.assert_allclose(small["slope"], small["difference"], rtol=1e-6)
    data = jr.datasets.load("digits", train=256, test=200)
    options = {"hidden": (4, 4), "classes": 10, "activation": "tanh", "epochs": 2, "evaluate_every": 2}
    with jax.enable_x64(True):
        x, y, held, right = (np.asarray(part, float if part.ndim > 1 else int) for part in data[:4])

        def loss(rate):
            history = jr.nets.train(x, y, held, right, seed=jr.seeds(4).key(2), learning_rate=rate, **options)
            return float(history["test_loss"][-1])

        h = 1e-4
        slope = (loss(0.01 * np.exp(h)) - loss(0.01 * np.exp(-h))) / (2 * h)
        np.testing.assert_allclose(small["loss"][2], loss(0.01), rtol=1e-10)
    np.testing.assert_allclose(small["slope"][2], slope, rtol=1e-5)


def _made_up(trust=(0, 0, 2, 2), line=1.0, slope=3.0):
    """A population of which every claim but one holds: by rate, of 0.01, 1, 3 and 10."""
    dims = {"seed": 40, "learning_rate": [0.01, 1.0, 3.0, 10.0]}
    growth = population(dims, {"growth": [0, 3.0, 8, 12]}, spread=1.0, root=1)["growth"]
    means = {"log_slope": line * growth, "slope": slope, "reliable": np.equal(trust, 0), "chaotic": np.equal(trust, 2)}
    made = population(dims, means, spread={"log_slope": 0.1, "slope": 1.0})
    return made.assign(growth=growth, chaotic=made["chaotic"] > 0, best_rate=1.0)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "hhuhh"),
        ({"trust": [0, 2, 2, 2]}, "hhhfh"),
        ({"trust": [1, 0, 2, 2]}, "fhuhh"),
        ({"trust": [0, 0, 2, 0]}, "hfuhh"),
        ({"trust": [0, 2, 2, 2], "line": 0.5}, "hhffh"),
        ({"slope": 0.0}, "hhuhf"),
    ],
)
def test_claims_can_fall_either_way(changed, expected):
    assert verdicts(CLAIMS, _made_up(**changed)) == expected


# --- Figure -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset(result):
    """As if derivatives at the largest rate were chaotic, and only these."""
    trust = result["trust"] * 0 + 2 * (result["learning_rate"] > 1)
    return result.assign(trust=trust, chaotic=trust == 2)


def test_points_are_runs_by_their_trust(panels, dataset):
    for axes in (panels[0], panels[3]):
        reliable, noisy, chaotic = axes.lines[:3]
        np.testing.assert_allclose(np.sort(reliable.get_ydata()), np.sort(dataset["log_slope"][:, :2].values.ravel()))
        np.testing.assert_allclose(np.sort(chaotic.get_ydata()), np.sort(dataset["log_slope"][:, 2]))
        assert not len(noisy.get_xdata())
    np.testing.assert_allclose(panels[3].lines[2].get_xdata(), dataset["growth"][:, 2])


def test_the_chaotic_region_begins_between_two_rates(panels):
    (span,) = panels[1].patches
    np.testing.assert_allclose(span.get_x(), np.sqrt(0.1 * 10))


def test_the_ring_is_at_the_best_rate(panels, dataset):
    ring, best = panels[2].lines[-1], float(dataset["best_rate"])
    np.testing.assert_allclose(ring.get_xydata(), [[best, dataset["loss"].sel(learning_rate=best).mean()]])
