"""The study of the number of epochs: its runs, their turns, and verdicts on curves that are known; the figure."""

import numpy as np
import pytest

from experiments.networks.epochs import CLAIMS, CURVES, Config, add_turns
from jaxreg import stats
from jaxreg.claims import judge
from tests.experiments.networks.alone import train_alone
from tests.figures.drawn import find_band
from tests.populations import along, diverge, population, verdicts

SMALL = Config(seeds=4, epochs=60, hidden=(4,), batch_size=300)
DIVERGED = {"pixels": 0, "seed": 3}
_EPOCHS = np.arange(1, 81)


def test_a_shorter_training_is_the_beginning_of_the_longer_one(result):
    alone = train_alone(1, learning_rate=0.1, hidden=(4,), batch_size=300, epochs=5)
    for name in CURVES:
        long = result[name].sel(pixels="raw", seed=1, epoch=slice(5))
        np.testing.assert_allclose(long, alone[name], rtol=1e-3, atol=0.2 if "accuracy" in name else 0.002)
    assert (result["train_loss"].sel(pixels="raw") != result["train_loss"].sel(pixels="scaled")).all()


def _peak(at, height=90.0):
    """An accuracy that rises fast to its peak and falls slowly."""
    return height - np.where(at > _EPOCHS, 2 * (at - _EPOCHS), 0.4 * (_EPOCHS - at))


def _valley(at):
    return 0.3 + 0.001 * (_EPOCHS - at) ** 2


_RISE, _FALL = 50 + 0.5 * _EPOCHS, 90 - 0.5 * _EPOCHS


def _population(test_accuracy, test_loss, train_accuracy, scaled=None, spread=0.001):
    """Curves around the given ones; what a seed adds is shared by all its epochs, as it mostly is in one run."""
    scaled = test_accuracy if scaled is None else scaled
    test = along("epoch", test_accuracy) * along("pixels", [1, 0]) + along("epoch", scaled) * along("pixels", [0, 1])
    loss = {"train_loss": test_loss, "test_loss": test_loss}
    noise = {name: spread * (100 if name.endswith("accuracy") else 1) for name in CURVES}
    means = {"test_accuracy": test, "train_accuracy": train_accuracy, **loss}
    dims = {"pixels": ["raw", "scaled"], "seed": 40, "epoch": _EPOCHS}
    shared = {name: 2 if name.endswith("accuracy") else 0.02 for name in CURVES}
    return add_turns(population(dims, means, spread=noise, shared=shared))


@pytest.mark.parametrize(
    ("curves", "expected"),
    [
        # few twice, many twice, training rises, loss turns, loss first, ten is best, stopping twice
        ((_peak(12), _valley(8), _RISE), "hhhhhhhhhh"),
        ((_RISE, 1 - _RISE / 100, _FALL), "hhffffufff"),
        ((_peak(12), _valley(30), _FALL, _RISE), "hhhffhfhhf"),
        ((_FALL, _valley(8), _RISE), "ffhhhhffhh"),
    ],
    ids=["over_learning", "never_too_many", "not_over_learning", "falls_from_the_start"],
)
def test_claims(curves, expected):
    assert verdicts(CLAIMS, _population(*curves)) == expected


def test_effects_are_those_of_the_tutorials_epochs():
    effects = [verdict.effect for _, verdict in judge(CLAIMS, _population(_peak(12), _valley(8), _RISE))]
    np.testing.assert_allclose(np.array(effects)[[0, 2, 4, 5]], [10, -0.4 * 48 + 4, 25, 0.001 * 52**2], atol=0.2)


def test_turns_are_those_of_runs_that_turned_and_did_not_diverge():
    made = add_turns(diverge(_population(_peak(12), _valley(30), _RISE, scaled=_RISE, spread=0), seed=3))
    for name, epoch in (("test_loss_turn", 30), ("test_accuracy_turn", 12)):
        turns = made[name].sel(pixels="raw")
        assert np.isnan(turns[3])
        assert (turns.drop_isel(seed=3) == epoch).all()
    assert made["test_accuracy_turn"].sel(pixels="scaled").isnull().all()


# --- Figure -----------------------------------------------------------------------------------------------------------


def test_curves_are_means_with_the_spread_of_the_seeds(panels, dataset):
    for number, axes in enumerate(panels):
        runs, name = dataset.isel(pixels=number // 2), ("accuracy", "loss")[number % 2]
        for part, label in (("train", "1,297 training images"), ("test", "500 test images")):
            mean = stats.mean(runs, f"{part}_{name}", dim="seed")["mean"]
            spread = stats.quantiles(runs, f"{part}_{name}", dim="seed").drop_vars("median")
            find_band(axes, spread.assign(mean=mean), x=dataset["epoch"], label=label)
    assert panels[2].get_xlabel() == "epoch\nn = 3–4 seeds (up to 1 diverged, left out)"


def test_epochs_of_the_tutorial_and_the_turns_of_runs_are_marked(panels, dataset):
    for number, axes in enumerate(panels):
        assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [5, 10, 60]
        ticks = [at for line in axes.lines if line.get_marker() == "|" for at in line.get_xdata()]
        turns = dataset[f"test_{('accuracy', 'loss')[number % 2]}_turn"].isel(pixels=number // 2)
        np.testing.assert_array_equal(ticks, turns.dropna("seed"))
        assert axes.get_xscale() == "log"
    assert dataset["test_accuracy_turn"].isnull().values.tolist() == [[False] * 4, [False, False, True, True]]
