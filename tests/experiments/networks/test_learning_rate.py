"""The learning rate: runs, the parabola by closed form, verdicts on populations that are known; the figure."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from experiments.networks.learning_rate import CLAIMS, REGIMES, TUTORIAL_RATES, Config
from jaxreg import stats
from tests.experiments.networks.alone import train_alone
from tests.figures.drawn import find, find_band
from tests.populations import population, verdicts

SMALL = Config(steps=60, seeds=4, learning_rates=TUTORIAL_RATES, epochs=2, hidden=(12, 8))
DIVERGED = {"pixels": 0, "seed": 0, "learning_rate": 1}


@pytest.mark.parametrize("pixels", ["raw", "scaled"])
def test_a_run_is_the_training_it_says(result, pixels):
    alone = train_alone(1, scale=pixels == "scaled", learning_rate=0.1, dropout=0.5, hidden=(12, 8), epochs=2)
    for name in ("test_loss", "test_accuracy"):
        here = result[name].sel(pixels=pixels, seed=1, learning_rate=0.1)
        np.testing.assert_allclose(here, alone[name], 1e-4)


def test_descent_on_the_parabola_is_geometric(result):
    scaled = (result["regime_rate"] * result["curvature"]).values
    for path, rate in zip(result["weight"].values, scaled, strict=True):
        np.testing.assert_allclose(path, (1 - rate) ** np.arange(61), rtol=1e-9)
    assert tuple(result["regime"].values) == REGIMES


def test_steps_to_the_minimum_are_the_closed_form(result):
    scaled = (result["parabola_rate"] * result["curvature"]).values
    steps, crossings = result["parabola_steps"].values, result["crossings"].values
    for rate, count, crossed in zip(scaled, steps, crossings, strict=True):
        first = np.flatnonzero(abs(1 - rate) ** np.arange(61) <= 0.01)
        assert count == (first[0] if len(first) else np.inf)
        assert crossed == (60 if rate > 1 else 0)
    assert scaled.min() < 1
    assert scaled.max() > 2


def _population(raw, scaled, seeds=40, loss=1.0, crossings=0):
    """Accuracies around the given means; what a seed adds is shared by all rates, as it mostly is in paired runs."""
    rates = [0.01, 0.0316, 0.1, 0.316, 1.0]
    dims = {"pixels": ["raw", "scaled"], "seed": seeds, "learning_rate": rates, "epoch": [1, 2]}
    accuracy = np.stack([raw, scaled])[:, None, :, None] * np.array([0, 1])
    noise = {"spread": {"test_accuracy": 0.5}, "shared": {"test_accuracy": 5}}
    parabola = {
        "parabola_steps": ("parabola_rate", [9.0, 3.0, 3.0, np.inf]),
        "crossings": ("parabola_rate", [0, crossings, 60, 60]),
        "last_distance": ("parabola_rate", [0.0, 0.0, 0.0, 1e9]),
        "parabola_rate": np.array([0.5, 0.9, 1.5, 2.1]) / 4,
        "curvature": 4.0,
    }
    return population(dims, {"test_accuracy": accuracy, "test_loss": loss}, **noise, classes=10).assign(parabola)


_PEAK = [60, 70, 80, 70, 60]
_RISE = [50, 60, 70, 80, 90]
_FLAT = [80] * 5


@pytest.mark.parametrize(
    ("raw", "scaled", "given", "expected"),
    [
        # 0.1 is best, raw and scaled; none is much better; one run tells; regimes; the largest diverges
        (_PEAK, _PEAK, {}, "hhhuhf"),
        (_PEAK, _PEAK, {"seeds": 200}, "hhhhhf"),
        (_RISE, _PEAK, {}, "fhfuhf"),
        (_PEAK, _RISE, {}, "hfhuhf"),
        (_FLAT, _FLAT, {}, "uuhfhf"),
        ([60, 90, 80, 70, 60], _FLAT, {}, "hufuhf"),
        (_PEAK, _PEAK, {"crossings": 4}, "hhhuff"),
        (_PEAK, _PEAK, {"loss": 2.2}, "hhhuhf"),
        (_PEAK, _PEAK, {"loss": 2.4}, "hhhuhh"),  # guessing is ln 10 = 2.303
        (_PEAK, _PEAK, {"loss": np.nan}, "hhhuhh"),
    ],
)
def test_claims(raw, scaled, given, expected):
    assert verdicts(CLAIMS, _population(raw, scaled, **given)) == expected


# --- Figure -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "label"), [(0, "pixels 0…16, as they are"), (1, "pixels 0…1")])
def test_accuracy_is_the_mean_after_the_last_epoch_with_its_interval(panels, dataset, number, label):
    summary = stats.mean(dataset.isel(pixels=number, epoch=-1), "test_accuracy", dim="seed")
    find_band(panels[2], summary, x=dataset["learning_rate"], label=label)
    thin = [line.get_ydata() for line in panels[2].lines if line.get_linewidth() < 0.5]
    assert len(thin) == 2 * 4
    np.testing.assert_allclose(thin[4 * number + 3], dataset["test_accuracy"].isel(pixels=number, seed=3, epoch=-1))


def test_rates_of_the_tutorial_are_marked(panels):
    marks = [line.get_xdata()[0] for line in panels[2].lines if line.get_linestyle() == ":"]
    assert marks == [0.01, 0.1, 1.0]
    assert [text.get_text() for text in panels[2].texts] == ["T5"] * 3
    assert panels[2].get_xlabel() == "learning rate\nn = 3–4 seeds (up to 1 diverged, left out)"


def test_losses_are_means_over_the_epochs(panels, dataset):
    runs = dataset["test_loss"].where(~dataset["diverged"]).sel(pixels="raw").mean("seed")
    for rate in TUTORIAL_RATES:
        find(panels[3], runs.sel(learning_rate=rate), x=[1, 2], label=f"rate {rate:g}")


def test_paths_and_steps_on_the_parabola(panels, dataset):
    for name, rate, path in zip(REGIMES, (0.1, 0.8, 1.9, 2.1), dataset["weight"].values, strict=True):
        find(panels[0], path[:13], label=f"{name}: {rate}/h")
    exact, points = panels[1].lines[:2]
    steps = dataset["parabola_steps"].values
    assert points.get_ydata().tolist() == steps[np.isfinite(steps)].tolist()
    np.testing.assert_allclose(np.interp(points.get_xdata(), *exact.get_data()), points.get_ydata(), atol=1)
    assert {round(float(line.get_xdata()[0]), 6) for line in panels[1].lines[2:]} == {1.0, 2.0}
    assert len({to_hex(patch.get_facecolor()) for patch in panels[1].patches}) == 4
