"""The study of early stopping: its trainings and rules, and verdicts on populations that are known; the figure."""

import numpy as np
import pytest

from experiments.networks.early_stopping import CLAIMS, Config
from jaxreg import stats
from jaxreg.claims import judge
from tests.figures.drawn import find, find_band, find_points, points
from tests.populations import along, lucky, population, verdicts

SMALL = Config(seeds=4, patience=(1, 2), min_delta=(0.0, 0.02), epochs=8, hidden=(16,), batch_size=32)
DIVERGED = {"seed": 0}


def test_rules_are_those_of_their_labels(result):
    """Worked out in plain Python for each rule and seed: Keras' patience, improvement by more than min_delta."""
    for cell in (
        result[["last_epoch", "best_epoch"]].stack(cell=("monitor", "patience", "min_delta", "seed")).cell.values
    ):
        monitor, patience, min_delta, seed = cell
        curve = result[f"validation_{monitor}"].sel(seed=seed).values * (0.01 if monitor == "accuracy" else -1)
        best, at, waited, last = -np.inf, 0, 0, 8
        for epoch, value in enumerate(curve, start=1):
            waited += 1
            if value - np.float32(min_delta) > best:
                best, at, waited = value, epoch, 0
            elif waited >= patience:
                last = epoch
                break
        rule = dict(zip(("monitor", "patience", "min_delta", "seed"), cell, strict=True))
        chosen = result.sel(rule)
        assert (int(chosen["last_epoch"]), int(chosen["best_epoch"])) == (last, at)
        test = result["test_accuracy"].sel(seed=seed)
        expected = [test.sel(epoch=epoch) for epoch in (8, last, at)]
        np.testing.assert_array_equal(chosen["kept_accuracy"], expected)


def _population(last, gain=0.0, best=0.0, other=0.0, rise=0.1, spread=0.0, noise=0.3, seeds=40):
    """Runs that T3's rule stops at `last`, with `gain` in accuracy over the end; its best weights add `best`.

    The other rules' last weights add `other` to those of T3's. The validation loss ends `rise` above its lowest.
    """
    kept, monitor = {"kept": ["end", "last", "best"]}, {"monitor": ["accuracy", "loss"]}
    rules = monitor | {"patience": [1, 2, 5], "min_delta": [0.0, 0.01], "seed": seeds}
    of_stop = along("kept", [0, 1, 1])
    accuracy = 90 + gain * of_stop + best * along("kept", [0, 0, 1]) + other * of_stop * along("monitor", [0, 1])
    means = {
        "kept_accuracy": (("kept", *rules), accuracy),
        "last_epoch": (tuple(rules), last),
        "validation_loss": (("seed", "epoch"), np.array([0.9, 0.3, 0.2, 0.2 + rise / 2, 0.2 + rise])),
    }
    scatter = {"spread": {"kept_accuracy": noise, "last_epoch": spread, "validation_loss": 0.02}}
    scatter |= {"shared": {"kept_accuracy": 2}, "records": ("kept", *tuple(rules)[:-1], "epoch")}
    units = {"kept_accuracy": "%", "last_epoch": "epochs", "validation_loss": "nats"}
    made = population({**kept, **rules, "epoch": range(1, 6)}, means, **scatter, units=units)
    return made.assign(last_epoch=made["last_epoch"].round())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # stops at five, every run does, better than the end, best than last, validation turns, no rule is much better
        ({"last": 5, "gain": 1, "best": 1, "seeds": 200}, "hhhhhh"),
        ({"last": 9, "gain": -1, "best": -1, "other": 2, "rise": -0.05}, "ffffff"),
        ({"last": 6, "spread": 1.0, "noise": 2, "rise": 0.0, "other": 0.5}, "ufuuuu"),
        ({"last": 5}, "huuuhh"),
    ],
    ids=["all_hold", "all_fail", "cannot_tell", "no_gain"],
)
def test_claims(given, expected):
    assert verdicts(CLAIMS, _population(**given)) == expected


def test_effects_are_in_their_units():
    measured = [verdict for _, verdict in judge(CLAIMS, _population(5, 1, 2, 3, noise=0.01))]
    np.testing.assert_allclose([verdict.effect for verdict in measured], [5, 100, 1, 2, 0.1, 3], atol=0.02)
    assert [verdict.n for verdict in measured] == [40, 40, 40, 40, 20, 20]
    points = "percentage points"
    assert [verdict.unit for verdict in measured] == ["epochs", "% of seeds", points, points, "nats", points]


def test_what_is_chosen_is_measured_on_other_seeds():
    made = lucky(
        _population(5), "kept_accuracy", 50, kept=1, monitor=1, patience=2, min_delta=1, seed=slice(0, None, 2)
    )
    *_, (_, verdict) = judge(CLAIMS, made)
    assert verdict.status == "holds"
    assert abs(verdict.effect) < 0.5


# --- Figure -----------------------------------------------------------------------------------------------------------


def test_losses_are_means_and_the_turn_is_marked(panels, dataset):
    for label, name in (("training", "train_loss"), ("validation", "validation_loss")):
        mean = stats.mean(dataset, name, dim="seed")
        find_band(panels[0], mean, x=range(1, 9), label=label)
    (dotted,) = (line for line in panels[0].lines if line.get_linestyle() == ":")
    assert dotted.get_xdata()[0] == mean["mean"].idxmin("epoch")
    assert [text.get_text() for text in panels[0].texts] == [f"turns at {dotted.get_xdata()[0]}"]


def test_epochs_are_means_with_the_quantiles_of_seeds(panels, dataset):
    for monitor, label in (("accuracy", "validation accuracy"), ("loss", "validation loss")):
        stops = dataset[["last_epoch", "diverged"]].sel(min_delta=0.0, monitor=monitor)
        spread = stats.quantiles(stops, "last_epoch", dim="seed").drop_vars("median")
        mean = stops["last_epoch"].isel(seed=slice(1, None)).mean("seed")
        find_band(panels[1], spread.assign(mean=mean), x=[1, 2], label=label)
    (cross,) = (line for line in panels[1].lines if line.get_marker() == "x")
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (2, 5)


def test_every_rule_is_a_dot_with_its_paired_interval_and_the_tutorials_is_ringed(panels, dataset):
    gains = stats.paired_difference(dataset, "kept_accuracy", "seed", "kept", "end")
    epochs = stats.mean(dataset, "last_epoch", dim="seed")["mean"]
    assert len(points(panels[2])) == 4
    for monitor in ("accuracy", "loss"):
        for kept in ("last", "best"):
            find_points(panels[2], gains.sel(monitor=monitor, kept=kept), x=epochs.sel(monitor=monitor))
    rule = {"monitor": "accuracy", "patience": 2, "min_delta": 0.0}
    find(panels[2], gains["difference"].sel(rule | {"kept": "last"}), x=epochs.sel(rule), label="rule of T3")
    assert all("n = 3 seeds (1 diverged, left out)" in " ".join(axes.get_xlabel().split()) for axes in panels)
