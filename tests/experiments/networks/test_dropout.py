"""The study of dropout: its runs, accuracy with dropout on, and verdicts on populations that are known; the figure."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.networks.dropout import CLAIMS, POSITIONS, Config, measure_gap, place, score_with_dropout
from jaxreg import stats
from jaxreg.claims import judge
from jaxreg.nets import MLP
from tests.experiments.networks.alone import train_alone
from tests.figures.drawn import find, find_band
from tests.populations import along, diverge, population, verdicts

SMALL = Config(seeds=4, rates=(0.0, 0.25, 0.5), epochs=2, hidden=(12, 8))
DIVERGED = {"position": 1, "seed": 0, "rate": 2}
_CURVES = ("train_accuracy", "test_accuracy")


def test_a_run_is_the_training_it_says(result):
    alone = train_alone(1, learning_rate=0.1, dropout=0.5, hidden=(12, 8), epochs=2)
    for name in _CURVES:
        here = result[name].sel(position="last hidden", seed=1, rate=0.5)
        np.testing.assert_allclose(here, alone[name], atol=0.2)


def test_positions_are_layers_and_all_are_the_same_without_dropout(result):
    expected = {"input": "1000", "first hidden": "0100", "last hidden": "0001", "every hidden": "0111"}
    assert {name: "".join(map(str, layers.astype(int))) for name, layers in place(3).items()} == expected
    without = result.sel(rate=0.0)
    for name in (*_CURVES, "shown_accuracy"):
        assert (without[name] == without[name].isel(position=0)).all()
        assert (result[name].sel(rate=0.5).std("position") > 0).any()
    np.testing.assert_allclose(without["shown_accuracy"], without["train_accuracy"].isel(epoch=-1), rtol=1e-6)


def test_accuracy_with_dropout_on_is_that_of_a_known_network():
    """A network that is right exactly where neither its input nor the one unit that carries it is dropped."""
    model, n = MLP((2, 2), 2, "relu"), 4003
    layer = {"weight": jnp.eye(2), "bias": jnp.zeros(2)}
    params = {"params": {"hidden_0": layer, "hidden_1": layer, "output": layer}}
    x, y = jnp.tile(jnp.array([0.0, 1.0]), (n, 1)), jnp.ones(n, jnp.int32)
    rates = jnp.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.5, 0.5], [0.25, 0.5, 0.5]])
    score = jax.jit(jax.vmap(lambda rate: score_with_dropout(model, params, x, y, jax.random.key(3), rate, 32)))
    expected = np.prod(1 - np.array(rates), axis=-1)
    assert (abs(np.array(score(rates)) - expected) <= 4 * np.sqrt(expected * (1 - expected) / n)).all()


def _population(train, test, shown=None):
    """Last accuracies at the rates 0, 0.25 and 0.5 at every position; what a seed adds is shared by all of its runs."""
    dims = {"position": POSITIONS, "seed": 100, "rate": [0.0, 0.25, 0.5], "epoch": [1, 2]}
    last = {"train_accuracy": train, "test_accuracy": test}
    means = {name: along("rate", mean) * along("epoch", [0, 1]) for name, mean in last.items()}
    means["shown_accuracy"] = (tuple(dims)[:-1], along("rate", shown or train))
    units = dict.fromkeys(means, "%")
    return measure_gap(population(dims, means, spread=0.4, shared=5, units=units))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # closer, shown closer, one run, better, better as in T3, better on inputs, shown as it is
        (([99, 97, 95], [90, 91, 92]), "hhhhhhh"),
        (([97, 97, 97], [92, 91, 90]), "ffffffh"),
        (([97, 97, 97], [92, 91, 90], [97, 94, 90]), "fhfffff"),
        (([90, 90, 90], [90, 90, 90]), "uufuuuh"),
    ],
    ids=["helps", "harms", "only_as_shown", "no_difference"],
)
def test_claims(given, expected):
    assert verdicts(CLAIMS, _population(*given)) == expected


def test_effects_are_paired_differences_in_points_without_diverged_runs():
    made = _population([98] * 3, [90, 91, 93], [95] * 3)
    judged = judge(CLAIMS, diverge(made, "test_accuracy", seed=slice(7), rate=2))
    np.testing.assert_allclose([verdict.effect for _, verdict in judged], [-3, -3, 100, 3, 1, 3, 3], atol=0.2)
    assert [verdict.n for _, verdict in judged][:2] == [93, 93]
    assert {verdict.unit for _, verdict in judged} == {"percentage points", "% of seeds"}


# --- Figure -----------------------------------------------------------------------------------------------------------


def test_curves_are_training_and_test_with_and_without(panels, dataset):
    means = dataset.sel(position="last hidden").mean("seed")
    for part, style in (("train", "--"), ("test", "-")):
        for rate in (0.0, 0.5):
            line = find(panels[0], means[f"{part}_accuracy"].sel(rate=rate))
            assert line.get_linestyle() == style
    texts = [text.get_text() for text in panels[0].get_legend().get_texts()]
    assert texts == ["no dropout", "dropout 0.5", "training", "test"]


def test_gaps_and_paired_changes_are_those_of_the_dataset_without_diverged_runs(panels, dataset):
    means = dataset[["gap", "shown"]].where(~dataset["diverged"]).mean("seed")
    changes = stats.paired_difference(dataset.isel(epoch=-1), "test_accuracy", "seed", "rate", 0.0)
    find(panels[1], means["shown"].sel(position="last hidden"), label="as Keras shows it\n(last hidden)")
    for position in POSITIONS:
        find(panels[1], means["gap"].sel(position=position), x=dataset["rate"])
        find_band(panels[2], changes.sel(position=position), label=position)
    assert panels[1].get_xlabel().endswith("n = 3–4 seeds\n(up to 1 diverged, left out)")
