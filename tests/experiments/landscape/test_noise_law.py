"""The experiment on mini-batch noise: its counts, its estimates, its exact laws, its claims; the figure."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.landscape.noise_law import CLAIMS, Config
from experiments.landscape.noise_law import runs as noise_runs
from experiments.landscape.noise_law.runs import EDGES, count_sizes, median_size, tail_exponent
from experiments.landscape.sgd_landscape import Config as Tutorial
from experiments.landscape.sgd_landscape import make_data
from jaxreg import randomness, sampling
from jaxreg.claims import judge
from tests.figures.drawn import find, find_points, read

SMALL = Config(
    draws=20_000,
    refit_sizes=(10, 40, 100),
    weights=(0.0, 3.5),
    runs=10_000,
    burn_in=60,
    steps=40,
    relative_rates=(0.2, 0.5),
    tail_rates=(0.9, 1.15),
    momentum=0.8,
    regression_sizes=(2,),
    sample_sizes=(5,),
)


def _verdicts(result):
    return [verdict for _, verdict in judge(CLAIMS, result)]


def test_every_draw_is_counted(result):
    assert (result["error_count"].sum("size") == 20_000).all()
    assert not any(np.isnan(result[name]).any() for name in result.data_vars)


def test_errors_are_those_of_polyfit(result):
    """The first draws of the first block, refitted by NumPy, against the bins that a block of them falls into."""
    x, y = make_data(Tutorial())
    places = np.array([0.0, 3.5])
    slope = np.polynomial.Polynomial.fit(x, y, 6).deriv()(places)
    words = randomness.random_words(jr.seeds(1).key(0), 2000, 10)
    chosen = np.asarray(sampling.without_replacement(words, 100, axis=0)).T
    found = [np.polynomial.Polynomial.fit(x[s], y[s], 6).deriv()(places) for s in chosen]
    median = np.median(np.square(np.array(found) - slope), 0)
    cell = result.sel(batch_size=10, part="mean")
    np.testing.assert_allclose(cell["typical_error"], median, rtol=4 * 2 * 0.6 * np.sqrt(1 / 2000 + 1 / 20_000))
    largest = abs(np.array(found) - slope).max()
    assert float(cell["largest_error"]) >= 0.999 * largest
    assert float(result["largest_error"].sel(batch_size=100)) < 1e-11
    assert (result["typical_error"].sel(batch_size=100) == 0).all()


def test_typical_error_has_the_law_and_its_constant(result):
    law, many = result["typical_law"], result["typical_error"].sel(batch_size=40)
    np.testing.assert_allclose(law.sel(batch_size=10) / law.sel(batch_size=40), (0.9 / 2) / (0.6 / 32))
    np.testing.assert_allclose(law.sel(batch_size=40), result["typical_constant"] * 0.6 / 32)
    np.testing.assert_allclose(many.sel(part="mean"), law.sel(batch_size=40), rtol=0.1)
    assert (many.sel(part="low") < many.sel(part="mean")).all()
    assert (many.sel(part="mean") < many.sel(part="high")).all()


def test_sizes_are_counted_where_they_are():
    sizes = jnp.array([0.0, 1e-12, 1.01e-10, 1.01, 1.01, 99.0, 1e20, np.inf])
    counts = np.asarray(jax.jit(count_sizes)(sizes))
    at = {int(place): int(counts[place]) for place in np.flatnonzero(counts)}
    assert at == {0: 3, 400: 2, 479: 1, 999: 2}
    assert EDGES[400] == 1
    assert EDGES[479] < 99 < EDGES[480]


def test_median_and_exponent_of_known_samples():
    random = np.random.default_rng(0)
    for exponent in (1.0, 3.0):
        sizes = random.pareto(exponent, 200_000) + 1
        counts = np.histogram(sizes, EDGES)[0][None]
        found, low, high = (float(part[0]) for part in tail_exponent(counts, 0.01))
        assert low < exponent < high
        kept = np.sort(sizes)[::-1][: round((found * 1.96 / (high - found)) ** 2)]
        assert len(kept) <= 2000
        assert found == pytest.approx(1 / np.log(kept / kept[-1]).mean(), rel=0.02)
        middle, below, above = (float(part[0]) for part in median_size(counts))
        assert middle == pytest.approx(np.median(sizes), rel=1e-3)
        ordered = np.sort(sizes)
        assert below == pytest.approx(ordered[100_000 - 438], rel=1e-3)
        assert above == pytest.approx(ordered[100_000 + 438], rel=1e-3)
    nothing = np.zeros((1, 1000), int)
    nothing[0, 0] = 10
    assert [float(part[0]) for part in tail_exponent(nothing, 0.01)] == [np.inf, 0, np.inf]
    assert [float(part[0]) for part in median_size(nothing)] == [0, 0, 0]


def test_variances_are_exact_within_four_standard_errors(result):
    light = result["exact_exponent"] > 8
    assert light.sum() == 7
    found = result["variance"].to_dataset("part")
    z = (found["mean"] - result["exact_variance"]) / result["variance_error"]
    assert (abs(z.where(light, 0)) < 4).all()
    assert (abs(found["mean"] / result["exact_variance"] - 1) < 0.03).all()
    assert ((found["low"] < found["mean"]) & (found["mean"] < found["high"])).all()


def test_exact_variances_by_hand(result):
    rates = np.array([0.2, 0.5])
    np.testing.assert_allclose(result["exact_variance"] / result["diffusion_variance"], [1 / (1 - rates)] * 4)
    np.testing.assert_allclose(result["threshold"], [2, 3.6, 2, 1])
    eta = [2 * rates, 3.6 * rates / 0.2, 2 * rates / 5 * 15 / 19, rates / 2]  # over 1 - β, and times the variance
    np.testing.assert_allclose(result["diffusion_variance"], np.array(eta) / 2)


def test_a_block_is_what_numpy_finds_of_the_recursion():
    """Without randomness: noise of zero, from the minimum, stays there; and constant noise settles where it must."""
    gradient = jr.landscape.location_gradient(np.array([1.0, 1.0]), 1)
    quadratics = {"constant": noise_runs.Quadratic(gradient, 2.0, None)}
    settings = {"setting": "constant", "burn_in": 2, "steps": 3}
    settle = jax.jit(lambda rates, block: noise_runs.settle(quadratics, rates, block=block, **settings))
    found = settle(np.array([0.25], np.float32), jax.random.key(0))
    path = 1 - 0.5 ** np.arange(1, 6)  # w after each step of a rate of 0.5 towards 1
    np.testing.assert_allclose(found["mean_square"], [np.square(path[2:]).mean()], rtol=1e-6)
    place = int(np.flatnonzero(found["count"][0])[0])
    assert EDGES[place] <= path[-1] < EDGES[place + 1]
    assert found["count"][0, place] == noise_runs.RUNS


def test_tails_lie_on_both_sides_of_two(result):
    tails = result.isel(regression_size=0)
    np.testing.assert_allclose(tails["exact_tail"], [2.368, 1.571], atol=1e-3)
    assert (tails["tail"].sel(part="low") < tails["exact_tail"] * 1.1).all()
    assert (tails["tail"].sel(part="high") > tails["exact_tail"] * 0.9).all()


def test_averages_over_subsets(result):
    assert (result["volume_gap"] < 1e-12).all()
    assert result["subsets"].values.tolist() == [165, 330, 462, 462, 330, 165, 55, 11, 1]
    assert float(result["plain_gap"][-1]) < 1e-12
    assert (result["plain_gap"][:-1] > 1e-3).all()


def test_claims(result):
    found = _verdicts(result)
    assert [verdict.status for verdict in found[:4]] == ["fails", "fails", "holds", "holds"]
    assert [verdict.status for verdict in found[4:9]] == ["fails", "fails", "fails", "holds", "fails"]
    assert found[0].effect == pytest.approx(found[1].effect * 4 * (0.9 / 0.6) / 4, rel=1e-6)
    assert 4 < found[1].effect < 6
    assert found[4].effect > 100
    assert found[8].effect == pytest.approx(2, rel=0.03)
    assert all(verdict.interval[0] <= verdict.effect <= verdict.interval[1] for verdict in found)
    assert found[7].n == 1980


def _tuned(result, **changes):
    """The result with some variables multiplied."""
    return result.assign({name: result[name] * factor for name, factor in changes.items()})


def test_claims_can_fall_either_way(result):
    usual = _verdicts(_tuned(result, typical_error=xr.where(result["batch_size"] == 10, 1 / 7.4, 1.0)))
    assert (usual[0].status, usual[2].status) == ("holds", "fails")
    gaussian = np.diff(jax.scipy.special.erf(np.append(0, EDGES[1:]) / np.sqrt(2))) * 20_000
    gaussian = result["error_count"] * 0 + xr.DataArray(gaussian, dims="size")
    unit = result["typical_error"] * 0 + 0.6745**2
    noise = result.assign(error_count=gaussian, typical_error=unit)
    assert _verdicts(_tuned(noise, error_exponent=9))[5].status == "holds"
    assert _verdicts(noise)[4].effect < 2  # a draw or two in 20,000
    gaps = _verdicts(_tuned(result, plain_gap=1e-12, volume_gap=1e9, largest_error=1e4))
    assert [gaps[place].status for place in (3, 6, 7)] == ["fails", "holds", "fails"]
    assert _verdicts(_tuned(result, variance=1.1))[9].status == "fails"
    slow = result.assign(diffusion_variance=result["exact_variance"] * 1.0)
    ends = xr.DataArray([1.0, 0.999, 1.001], dims="part")
    settled = _verdicts(slow.assign(variance=result["exact_variance"] * ends))
    assert (settled[8].status, settled[9].status) == ("holds", "holds")
    exact = _verdicts(result.assign(tail=result["exact_tail"] * ends))
    assert [exact[place].status for place in (10, 11, 12)] == ["fails", "holds", "holds"]
    assert exact[11].effect == pytest.approx(1, abs=0.05)
    light = _verdicts(_tuned(result, tail=3))
    assert [light[place].status for place in (10, 11, 12)] == ["holds", "undecided", "fails"]


def test_claims_that_nothing_was_measured_for_are_undecided(result):
    assert _verdicts(result.sel(batch_size=[10, 40]))[3].status == "undecided"
    heavy = result.assign(exact_exponent=result["exact_exponent"] * 0 + 3.0)
    assert [_verdicts(heavy)[place].status for place in (8, 9)] == ["undecided", "undecided"]


# --- Figure -----------------------------------------------------------------------------------------------------------


def test_typical_errors_are_drawn_over_their_constants_beside_both_laws(panels, dataset):
    errors = (dataset["typical_error"] / dataset["typical_constant"]).to_dataset("part")
    for place in range(2):  # without an error, nothing on a logarithmic axis
        find_points(panels[0], errors.isel(weight=place, batch_size=slice(2)), [10, 40])
    exact, usual = [line for line in panels[0].lines if len(line.get_xdata()) == 300]
    size = exact.get_xdata()
    np.testing.assert_allclose(exact.get_ydata(), (1 - size / 100) / (size - 8))
    np.testing.assert_allclose(usual.get_ydata(), (1 - size / 100) / size)
    assert exact.get_linestyle() != usual.get_linestyle()
    assert "20,000 refits" in read(panels[0])


def test_survival_is_that_of_the_counts(panels, dataset):
    for size in (10, 40):
        cell = dataset.sel(batch_size=size, weight=3.5)
        multiple = EDGES[:-1] / np.sqrt(float(cell["typical_error"].sel(part="mean")))
        share = cell["error_count"].values[::-1].cumsum()[::-1] / 20_000
        index, low, high = map(float, cell["error_exponent"])
        shown = (multiple >= 0.1) & (share > 0)
        find(panels[1], share[shown], multiple[shown], f"K = {size}, α = {index:.1f} ({low:.1f}–{high:.1f})")
    *_, gaussian = panels[1].lines
    assert np.interp(1.0, gaussian.get_xdata(), gaussian.get_ydata()) == pytest.approx(0.5, abs=5e-3)


def test_variances_and_tails_are_drawn_beside_the_exact_ones(panels, dataset):
    ratios = (dataset["variance"] / dataset["diffusion_variance"]).to_dataset("part")
    for setting in dataset["setting"].values:
        find_points(panels[2], ratios.sel(setting=setting), [0.2, 0.5])
        assert setting in read(panels[2])
    exact = panels[2].lines[0]
    np.testing.assert_allclose(exact.get_ydata(), 1 / (1 - exact.get_xdata()))
    find_points(panels[3], dataset["tail"].to_dataset("part"), [0.9, 1.15])
    slower, tails = dataset["exact_exponent"].isel(setting=-1), dataset["exact_tail"].isel(regression_size=0)
    find(panels[3], [*slower.values, *tails.values], [0.2, 0.5, 0.9, 1.15])
    assert "10,000 runs" in read(panels[3])
