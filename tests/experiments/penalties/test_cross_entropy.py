"""Cross-entropy: worked example, slopes, escapes against gradient flow, kinks, claims; the figure."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from experiments.penalties.cross_entropy import CLAIMS, LOSSES, UNITS, Config, flow_time, report, table
from tests.figures.drawn import find
from tests.populations import along, population, verdicts

SMALL = Config(seeds=60, scales=(1.0, 4.0), steps=3000, networks=20)


def test_the_worked_example_by_hand(result):
    for epsilon in SMALL.epsilons:
        row = result.sel(epsilon=epsilon)
        expected = [-math.log(max(p if y else 1 - p, epsilon)) for p, y in zip((0.9, 0.2, 0.4, 0), (1, 0, 1, 1))]  # noqa: B905
        np.testing.assert_allclose(row["example_loss"], expected, rtol=1e-12)
        assert float(row["example_sum"]) == pytest.approx(sum(expected))
    assert "| 0.001 | 0.1054 | 0.2231 | 0.9163 | 6.9078 | 8.1526 |" in table(result)
    assert table(result) in report(result)


def test_the_curve_is_the_clipped_logarithm(result):
    for epsilon in (1e-10, 0.1):
        p = result["p"].values
        expected = -np.log(np.clip(p, epsilon, 1 - epsilon))
        np.testing.assert_allclose(result["curve"].sel(epsilon=epsilon), expected, rtol=1e-9)


def test_slopes_in_the_logit_are_their_formulas(result):
    p = 1 / (1 + np.exp(-result["z"].values))
    formulas = {"cross-entropy": p - 1, "squared error": 2 * (p - 1) * p * (1 - p)}
    for loss, formula in formulas.items():
        np.testing.assert_allclose(result["slope"].sel(loss=loss), formula, atol=1e-14)


@pytest.mark.parametrize("start", [-0.5, -3.0, -9.0])
def test_flow_times_are_integrals(start):
    p = lambda z: 1 / (1 + math.exp(-z))  # noqa: E731
    speeds = (lambda z: 1 - p(z), lambda z: 2 * p(z) * (1 - p(z)) ** 2)
    for loss, speed in zip(LOSSES, speeds, strict=True):
        expected, _ = quad(lambda z, speed=speed: 1 / speed(z), start, 0)
        assert float(flow_time(start, loss)) == pytest.approx(expected, rel=1e-9)


def test_escapes_are_a_plain_loop(result):
    for seed, scale in [(0, 1.0), (3, 4.0), (11, 4.0)]:
        cell = result.sel(seed=seed, scale=scale)
        for loss in LOSSES:
            z, steps = float(cell["start"]), 0
            assert z < 0
            while z < 0 and steps <= SMALL.steps:
                p = 1 / (1 + math.exp(-z))
                z += 0.1 * (1 - p) * (1 if loss == "cross-entropy" else 2 * p * (1 - p))
                steps += 1
            assert int(cell["escape_steps"].sel(loss=loss)) == steps


def test_starts_have_the_scale(result):
    start = result["start"]
    np.testing.assert_allclose(start.sel(scale=4.0), 4 * start.sel(scale=1.0))
    assert abs(float((start.sel(scale=1.0) ** 2).mean()) - 1) < 4 * math.sqrt(2 / 60)


def test_softmax_and_kinks(result):
    np.testing.assert_allclose(result["autodiff"], result["formula"], atol=1e-14)
    np.testing.assert_allclose(result["formula"].sum("class"), 0, atol=1e-13)
    assert (result["formula"] < 0).sum("class").values.tolist() == [1] * 20
    largest = result["jump"].max("network")
    assert float(largest.sel(units="sigmoid")) < 1e-4
    assert float(result["jump"].sel(units="ReLU, one silent").min()) > 1e-2


# --- Claims, on datasets whose verdict is known -----------------------------------------------------------------------


def _made(sums=(10.0, 10.01), ratio=50, off=1.0, gap=0.0, jumps=(1e-6, 1e-6, 1.0), seeds=400, start=-6.0):
    dims = {"epsilon": [1e-15, 1e-7], "seed": seeds, "scale": [4.0], "loss": LOSSES}
    dims |= {"network": seeds, "class": 3, "units": UNITS}
    steps = along("loss", [100, 100 * ratio])
    cells, slopes = ("seed", "scale", "loss"), ("network", "class")
    means = {
        "example_sum": (("epsilon",), sums),
        "start": (cells[:2], start),
        "escape_steps": (cells, steps),
        "exact_time": (cells, 0.1 * off * steps),
        "autodiff": (slopes, 0.25 + gap),
        "formula": (slopes, 0.25),
        "jump": (("network", "units"), jumps),
        "steps": ((), 100_000),
        "learning_rate": ((), 0.1),
    }
    return population(dims, means, runs=("seed", "network"), records=("epsilon", *slopes, "units"))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "hhhhhhf"),
        ({"sums": (35.0, 17.0)}, "fhhhhhf"),
        ({"ratio": 3, "off": 1.5}, "hffhhhf"),
        ({"gap": 1e-6}, "hhhfhhf"),
        ({"jumps": (1.0, 1.0, 1e-6)}, "hhhhffh"),
        ({"start": -2.0}, "huhhhhf"),
        ({"seeds": 2}, "hhuhuuf"),
    ],
    ids=["as told", "clip matters", "no stall", "softmax wrong", "kinks", "no confident start", "few"],
)
def test_claims(settings, expected):
    assert verdicts(CLAIMS, _made(**settings)) == expected


# --- Figure -----------------------------------------------------------------------------------------------------------


def test_clip_and_worked_example(panels, dataset):
    for epsilon, label in ((1e-10, "1e-10"), (1e-7, "1e-7"), (1e-3, "1e-3"), (0.1, "1e-1")):
        find(panels[0], dataset["curve"].sel(epsilon=epsilon), dataset["p"], f"ε = {label}")
    for k, label in enumerate(("y = 1, p = 0.9", "y = 0, p = 0.2", "y = 1, p = 0.4", "y = 1, p = 0")):
        find(panels[1], dataset["example_loss"].isel(example=k), label=label)
    find(panels[1], dataset["example_sum"], label="sum")


def test_slopes_and_escapes(panels, dataset):
    widest = dataset.sel(scale=4.0)
    for loss in LOSSES:
        assert find(panels[2], dataset["slope"].sel(loss=loss), dataset["z"]).get_label().startswith(f"{loss}: ")
        find(panels[3], widest["escape_steps"].sel(loss=loss), widest["start"], loss)
    last = [line for line in panels[4].lines if line.get_zorder() == 2 and len(line.get_xdata()) > 2][-1]
    steps = widest["escape_steps"].sel(loss="squared error").values
    for place in (0, 40, -1):
        assert last.get_ydata()[place] == pytest.approx((steps > last.get_xdata()[place]).mean())
    assert panels[4].get_xlabel() == "step\nn = 60 starts each"


def test_kinks_and_softmax(panels, dataset):
    dots = [line for line in panels[5].lines if line.get_marker() == "."]
    for place, (units, line) in enumerate(zip(UNITS, dots, strict=True)):
        np.testing.assert_allclose(np.sort(line.get_ydata()), np.sort(dataset["jump"].sel(units=units)))
        assert abs(line.get_xdata() - place).max() < 0.5
    find(panels[6], dataset["autodiff"])
    assert f"{abs(dataset['autodiff'] - dataset['formula']).max():.0e}" in panels[6].texts[0].get_text()


def test_the_curves_of_the_tutorial(panels):
    assert panels[7].lines[0].get_ydata().tolist() == [1, 2, 5]
    x, y = panels[8].lines[0].get_data()
    np.testing.assert_allclose(x**2 + y**2 + x * y, 1)
    assert panels[8].get_aspect() == 1
