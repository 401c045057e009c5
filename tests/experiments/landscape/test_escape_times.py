"""Escape times: cells, a population against its exact law, theories, claims; the figure."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest

from experiments.landscape.escape_times import BARRIER, CLAIMS, EXITS, LAWS, Config, compare
from jaxreg.claims import judge
from jaxreg.landscape import DOUBLE_WELL, PASSAGES, theory
from paper_figures.landscape.escape_times import draw
from tests.figures.drawn import find, find_points, read
from tests.populations import verdicts

# The temperature of 0.1 at a rate of 0.15 is in both parts, as a batch of 1 and as one of 3.
SMALL = Config(
    seeds=1000, temperatures=(0.2, 0.1), learning_rate=0.15, batch_sizes=(3, 12), rate_per_sample=0.05, temperature=0.1
)
_STYLES = dict(zip(LAWS, ("-", "--", ":"), strict=True))
_CELLS = ("cell", "exit")


def test_temperatures_are_those_of_theory(result):
    expected = theory.temperature(result["learning_rate"].values, result["noise"].values, result["batch_size"].values)
    np.testing.assert_allclose(result["temperature"], expected)


def test_times_are_those_of_the_exact_law(result):
    """Within four standard errors, which are 1/√n of exponential times."""
    error = result["theory"].sel(law="exact") / np.sqrt(result["passed"])
    assert (abs(result["time"] - result["theory"].sel(law="exact")) < 4 * error).all()
    assert (result["low"] < result["time"]).all()
    assert (result["time"] < result["high"]).all()
    assert float(result["numerical_error"]) < 1e-6


def test_estimates_count_what_was_given_up(result):
    steps, status = result["steps"], result["status"]
    censored = status == PASSAGES.index("censored")
    assert 0 < censored.sel(exit="far side").sum() < 60  # exp(-6) of 4000 are 10
    assert (steps.where(censored) == result["horizon"]).where(censored, True).all()
    assert (steps <= result["horizon"]).all()
    expected = steps.sum("seed") / (status == 1).sum("seed") * result["learning_rate"]
    np.testing.assert_allclose(result["time"], expected.transpose(*_CELLS))
    np.testing.assert_array_equal(result["passed"], (status == 1).sum("seed"))
    np.testing.assert_array_equal(result["passed"] + result["censored"] + result["lost"], np.full((4, 2), 1000))
    expected = 6 * result["theory"].sel(law="exact", exit="far side") / result["learning_rate"]
    np.testing.assert_array_equal(result["horizon"], np.ceil(expected))


def test_only_the_noise_of_a_batch_matters_at_one_learning_rate(result):
    """Batches of 1 and of 3, of the same temperature and seeds: the same runs, up to rounding."""
    one, three = result["steps"].isel(cell=1).values, result["steps"].isel(cell=2).values
    assert (one == three).mean() > 0.95
    assert (one == result["steps"].isel(cell=0).values).mean() < 0.5


def test_the_saddle_comes_before_the_far_side(result):
    assert (result["steps"].sel(exit="saddle") <= result["steps"].sel(exit="far side")).all()


def test_theories_are_those_of_their_functions(result):
    diffusion, kramers = (result["theory"].sel(law=law) for law in LAWS[1:])
    for cell, temperature in enumerate(result["temperature"].values):
        passages = [theory.mean_first_passage(DOUBLE_WELL, -1.0, target, temperature) for target in EXITS.values()]
        np.testing.assert_allclose(diffusion[cell], passages)
        formula = math.pi * math.sqrt(2) * math.exp(BARRIER / temperature)  # curvatures of 2 and -1
        np.testing.assert_allclose(kramers[cell], [formula / 2, formula])
    assert float(DOUBLE_WELL.value(0.0)) == BARRIER


def test_curves_pass_through_the_cells(result):
    for part, axis, cells in (("temperature", "temperature", slice(0, 2)), ("rate", "learning_rate", slice(2, 4))):
        curve = result[f"{part}_curve"]
        grid = result[f"curve_{part}"].values
        for k in range(4)[cells]:
            nearest = int(abs(grid - float(result[axis][k])).argmin())
            assert grid[nearest] == pytest.approx(float(result[axis][k]))
            times = curve.isel({f"curve_{part}": nearest}).transpose("law", "exit")
            np.testing.assert_allclose(times, result["theory"].isel(cell=k), rtol=1e-6)


def test_comparison_holds_for_all_cells_at_once(result):
    ratios = compare(result, "exact")
    np.testing.assert_allclose(ratios["ratio"], result["time"] / result["theory"].sel(law="exact"))
    width = np.log(ratios["high"] / ratios["low"]) / np.log(result["high"] / result["low"])
    np.testing.assert_allclose(width, 2.734 / 1.96, rtol=0.01)  # normal quantiles of 5 % / 8 and of 5 %


def _made(result, times, seeds=40_000):
    """The result with exponential times of these means, over cell and exit, in place of its runs."""
    level = (np.arange(seeds) + 0.5) / seeds
    mean = (times / result["learning_rate"]).transpose(*_CELLS).values[..., None]
    steps = np.round(-1000 * mean * np.log(1 - level)).astype(np.int64)
    kept = result.drop_dims("seed").assign_coords(learning_rate=result["learning_rate"] / 1000)  # for finer times
    return kept.assign(steps=((*_CELLS, "seed"), steps), status=((*_CELLS, "seed"), np.ones_like(steps)))


def test_claims_hold_where_they_are_true(result):
    exact, diffusion, kramers = (result["theory"].sel(law=law, drop=True) for law in LAWS)
    one_off = exact.copy()
    one_off[2, 1] *= 1.08
    told = verdicts(CLAIMS, _made(result, exact))
    assert told[:2] + told[3:] == "hffff"  # not of the diffusion's time to the far side
    assert verdicts(CLAIMS, _made(result, 1.06 * exact))[0] == "f"
    assert verdicts(CLAIMS, _made(result, one_off))[0] == "f"
    assert verdicts(CLAIMS, _made(result, exact, seeds=1000))[0] == "u"
    assert verdicts(CLAIMS, _made(result, diffusion))[1:4] == "fhh"
    told = verdicts(CLAIMS, _made(result, kramers))
    assert told[1] + told[4:] == "hhh"


def test_claims_of_the_population(result):
    judged = judge(CLAIMS, result)
    assert judged[0][1].status == "undecided"  # too few runs for 3 %
    assert judged[1][1].status == "fails"
    assert judged[1][1].effect == pytest.approx(float(result["time"][1, 1] / result["theory"][2, 1, 1]))
    assert judged[5][1].status == "fails"
    assert judged[5][1].effect == pytest.approx(float(result["time"][3, 1] / result["time"][2, 1]))
    assert judged[4][1].effect == pytest.approx(float(result["time"][1, 1] / result["time"][1, 0]))
    for _, verdict in judged:
        assert verdict.interval[0] < verdict.effect < verdict.interval[1]
        assert 900 < verdict.n <= 1000
    assert judge(CLAIMS, result.isel(cell=[0, 2, 3]))[1][1].status == "undecided"  # no barrier is high enough


# --- Figure -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("panel", "law"), list(enumerate((None, "exact", "diffusion"))))
def test_dots_are_the_simulated_times_and_lines_the_theories(panels, dataset, panel, law):
    by_rate = panel == 2
    curves = dataset["rate_curve" if by_rate else "temperature_curve"]
    times = dataset[["time", "low", "high"]] / (dataset["theory"].sel(law=law) if law else 1.0)
    curves = curves / (curves.sel(law=law) if law else 1.0)
    grid = dataset["curve_rate"] if by_rate else BARRIER / dataset["curve_temperature"]
    for name in EXITS:
        cells = times.sel(exit=name).isel(cell=slice(2, 4) if by_rate else slice(0, 2)).rename(time="mean")
        find_points(panels[panel], cells, cells["learning_rate"] if by_rate else BARRIER / cells["temperature"])
        for other, style in _STYLES.items():
            if other != law:  # whose line is 1, of either exit
                assert find(panels[panel], curves.sel(exit=name, law=other), grid).get_linestyle() == style
    assert "n = 1,000 runs each" in read(panels[0])


@pytest.mark.parametrize(("rate", "names"), [(0.6, ["0.15\n3", "0.6\n12"]), (0.17, ["0.15\n3", ""])])
def test_rates_that_stand_too_near_have_no_label_of_their_own(dataset, rate, names):
    figure = draw(dataset.assign_coords(learning_rate=("cell", [0.15, 0.15, 0.15, rate])))
    assert [text.get_text() for text in figure.axes[2].get_xticklabels()] == names
    plt.close(figure)
