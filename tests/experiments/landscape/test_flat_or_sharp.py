"""Two equally deep minima: shares and histograms against laws found independently; claims; the figure."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from experiments.landscape import flat_or_sharp as study
from jaxreg import stats
from jaxreg.claims import judge
from jaxreg.landscape import EQUAL_DEPTH_SEXTIC
from tests.figures.drawn import find, find_points, points, read

SMALL = study.Config(seeds=100, learning_rates=(0.28, 0.2), temperature=0.07, burn_in=6, relaxations=20)
_HEIGHT = np.polynomial.Polynomial(EQUAL_DEPTH_SEXTIC.coefficients)


@pytest.fixture(scope="module", params=[0, 1], ids=["0.28", "0.2"])
def chain(request, result):
    """SGD at one learning rate on an even grid: its number, the grid, its law there, and its relaxation time."""
    rate = SMALL.learning_rates[request.param]
    grid = np.linspace(-2.4, 2.4, 481)
    spread = math.sqrt(2 * SMALL.temperature * rate)
    kernel = np.exp(-0.5 * ((grid - (grid - rate * _HEIGHT.deriv()(grid))[:, None]) / spread) ** 2)
    kernel *= (grid[1] - grid[0]) / spread / math.sqrt(2 * math.pi)  # runs that leave the grid are lost
    apart, starts = [], [abs(grid - study.SHARP).argmin(), abs(grid - study.FLAT).argmin()]
    for _ in range(13):  # the law after 2, 4, 8, … steps
        kernel = kernel @ kernel
        one, other = (kernel[start] / kernel[start].sum() for start in starts)
        apart.append(abs(one - other).sum())
    return request.param, grid, one, 64 / math.log(apart[5] / apart[6])


def test_minima_and_bins_are_where_they_should_be(result):
    np.testing.assert_allclose((study.SHARP, study.FLAT), (-1, 1), atol=1e-9)
    np.testing.assert_allclose(result["bin"], (study.BIN_EDGES[1:] + study.BIN_EDGES[:-1]) / 2)


def test_laws_are_those_of_an_even_grid(result, chain):
    number, grid, law, relaxation = chain
    one = result.isel(learning_rate=number)
    width = grid[1] - grid[0]
    # Part of a node's cell lies beyond the saddle.
    flat = law @ np.clip((grid + width / 2 - study.SADDLE) / width, 0, 1)
    assert float(one["exact"]) == pytest.approx(flat / (1 - flat), rel=0.01)
    density = np.interp(result["bin"], grid, law / width)
    np.testing.assert_allclose(one["exact_density"], density, atol=0.01)
    # Ways from minimum to minimum take somewhat longer than to forget the start.
    assert 0.95 * relaxation < float(one["relaxation"]) < 1.5 * relaxation


def test_law_of_the_diffusion(result):
    w = np.linspace(-4, 4, 80_001)
    weight = np.exp(-_HEIGHT(w) / SMALL.temperature)
    flat, sharp = weight[w > study.SADDLE].sum(), weight[w < study.SADDLE].sum()
    assert float(result["boltzmann"]) == pytest.approx(flat / sharp, rel=1e-3)
    inside = [weight[(w > low) & (w < high)].sum() for low, high in itertools.pairwise(study.BIN_EDGES)]
    np.testing.assert_allclose(result["boltzmann_density"], inside / weight.sum() / 0.08, atol=5e-3)
    curvature = _HEIGHT.deriv(2)
    assert float(result["harmonic"]) == pytest.approx(math.sqrt(curvature(study.SHARP) / curvature(study.FLAT)))
    assert float(result["temperature"]) == SMALL.temperature


def test_curve_passes_through_the_exact_ratios(result):
    np.testing.assert_allclose(result["curve_rate"][[0, -1]], sorted(SMALL.learning_rates))
    np.testing.assert_allclose(result["ratio_curve"][[0, -1]], result["exact"][::-1])
    assert (np.diff(result["ratio_curve"]) > 0).all()


def test_shares_are_those_of_the_exact_law(result):
    """From both starts, within four standard errors, of which there are few: relative to the ratio, 4 % each."""
    for start in ("sharp", "flat"):
        share = result["share"].sel(start=start)
        n = np.isfinite(share).sum("seed")
        error = share.std("seed", ddof=1) / np.sqrt(n)
        exact = result["exact"] / (1 + result["exact"])
        assert (abs(share.mean("seed") - exact) < 4 * error).all()
        assert (error / exact / (1 - exact) < 0.1).all()


def test_errors_are_as_planned(result):
    share = result["share"].stack(run=("start", "seed"))
    exact = result["exact"] / (1 + result["exact"])
    relative = share.std("run", ddof=1) / exact / (1 - exact)
    np.testing.assert_allclose(relative, math.sqrt(8 / SMALL.relaxations), rtol=0.3)
    np.testing.assert_array_equal(result["burn_in"], np.ceil(6 * result["relaxation"]))
    visits = 4 * exact * (1 - exact)
    np.testing.assert_array_equal(result["counted"], np.ceil(20 * result["relaxation"] / visits))


def test_histograms_hold_the_shares_and_the_exact_density(result):
    counts = result["counts"].transpose("learning_rate", "start", "seed", "bin")
    lives = ~result["diverged"]
    np.testing.assert_array_equal(lives, np.isfinite(result["share"]))
    flat = counts[..., study.BINS // 2 :].sum("bin") / result["counted"]
    sharp = counts[..., : study.BINS // 2].sum("bin") / result["counted"]
    # What lies beyond the last bins is not stored, but is counted.
    slack = 1 + 1e-5
    assert (flat.where(lives, 0) <= result["share"].where(lives, 1) * slack).all()
    assert (sharp.where(lives, 0) <= (1 - result["share"]).where(lives, 1) * slack + 1e-5).all()
    assert float(abs(result["share"] - flat).where(lives).mean()) < 0.01
    total = counts.where(lives, 0).sum(("start", "seed")) / (lives.sum(("start", "seed")) * result["counted"] * 0.08)
    np.testing.assert_allclose(total, result["exact_density"], atol=0.05)


def test_each_start_has_noise_of_its_own(result):
    sharp, flat = (result["share"].sel(start=name) for name in ("sharp", "flat"))
    assert (sharp != flat).mean() > 0.95
    both = xr.corr(sharp, flat, dim="seed")
    assert (abs(both) < 4 / math.sqrt(100)).all()


def test_a_run_that_diverges_has_no_share():
    weights = jnp.array([study.SHARP, study.FLAT])
    settings = {"seed": jax.random.key(0), "learning_rate": 0.2, "place": 1, "burn_in": 2, "steps": 30}
    go = jax.jit(lambda noise: study.visit(weights, noise=noise, **settings))
    gone = go(100.0)
    assert math.isnan(float(gone["share"]))
    calm = go(0.0)
    assert float(calm["share"]) == 1
    assert int(calm["counts"].sum()) == 28


def test_odds_are_ratios_of_shares():
    runs = xr.Dataset({"share": (("start", "seed"), [[0.5, 0.7, np.nan], [0.6, 0.6, 0.6]])})
    found = study.odds(runs)
    assert float(found["mean"]) == pytest.approx(1.5)
    half = 2.7764451 * np.std([0.5, 0.7, 0.6, 0.6, 0.6], ddof=1) / math.sqrt(5)
    assert float(found["low"]) == pytest.approx((0.6 - half) / (0.4 + half))
    assert float(found["high"]) == pytest.approx((0.6 + half) / (0.4 - half))
    assert (int(found["n"]), int(found["diverged"])) == (5, 1)
    always = study.odds(xr.Dataset({"share": (("start", "seed"), [[1.0, 1.0]])}))
    assert math.isinf(float(always["mean"]))


def _statuses(result, ratios, scatter=0.01):
    """Verdicts if the ratios of times were these, at the learning rates of 0.28 and 0.2."""
    share = np.asarray(ratios) / (1 + np.asarray(ratios))
    deviation = scatter * np.array([-1, 1])[:, None] * np.linspace(0.5, 1.5, 100)
    shares = share[:, None, None] * (1 - share[:, None, None]) * deviation + share[:, None, None]
    made = result.assign(share=(("learning_rate", "start", "seed"), shares))
    return [verdict.status for _, verdict in judge(study.CLAIMS, made)]


def test_claims_can_fall_either_way(result):
    exact, boltzmann = result["exact"].values, float(result["boltzmann"])
    assert _statuses(result, exact) == ["holds", "fails", "fails", "fails", "holds"]
    assert _statuses(result, [boltzmann, boltzmann]) == ["holds"] * 4 + ["fails"]
    assert _statuses(result, [exact[0], 0.9])[0] == "fails"
    assert _statuses(result, [exact[0], 1.0])[0] == "undecided"
    assert _statuses(result, exact * [1, 1.05])[4] == "fails"
    assert _statuses(result, exact * [0.95, 1])[4] == "fails"
    assert _statuses(result, exact, scatter=1)[4] == "undecided"


def test_claims_of_the_population(result):
    verdicts = [verdict for _, verdict in judge(study.CLAIMS, result)]
    assert [verdict.status for verdict in verdicts[:4]] == ["holds", "fails", "fails", "fails"]
    small, large = (float(study.odds(result.isel(learning_rate=k))["mean"]) for k in (1, 0))
    effects = [small, small / float(result["boltzmann"]), large / float(result["boltzmann"]), large / small]
    np.testing.assert_allclose([verdict.effect for verdict in verdicts[:4]], effects)
    for verdict in verdicts:
        assert verdict.interval[0] < verdict.effect < verdict.interval[1]
        assert 100 < verdict.n <= 200


# --- Figure -----------------------------------------------------------------------------------------------------------


def _odds(runs, dim):
    return (shares := stats.mean(runs, "share", dim=dim)[["mean", "low", "high"]]) / (1 - shares)


def test_landscape_has_its_minima(panels):
    curve = panels[0].lines[0]
    w = curve.get_xdata()
    np.testing.assert_allclose(curve.get_ydata(), (w**2 - 1) ** 2 * ((w - 1) ** 2 + 1) / 8, atol=1e-12)
    for place in (-1, 1):
        assert find(panels[0], [0], [place]).get_marker() == "o"


def test_densities_are_those_of_the_runs_that_live(panels, dataset):
    """At the smallest and at the largest learning rate, which stands first."""
    for k, label in ((1, "$ηh$ = 1"), (0, "$ηh$ = 1.4")):
        runs = dataset.isel(learning_rate=k).stack(run=("start", "seed"))
        counts = runs["counts"].transpose("run", "bin").values[np.isfinite(runs["share"].values)]
        simulated = find(panels[3], counts.sum(0) / (len(counts) * int(runs["counted"]) * 0.08), dataset["bin"])
        exact = find(panels[3], dataset["exact_density"][k], dataset["bin"])
        assert simulated.get_color() == exact.get_color()
        assert label in (simulated.get_label(), exact.get_label())
    find(panels[3], dataset["boltzmann_density"], label="diffusion")


def test_ratios_are_those_of_all_runs_and_of_each_start_over_the_exact_law(panels, dataset):
    places = 5 * dataset["learning_rate"].values
    find_points(panels[1], _odds(dataset, ("start", "seed")), places)
    find(panels[1], dataset["ratio_curve"], 5 * dataset["curve_rate"])
    for level in (float(dataset["boltzmann"]), 5**0.5):
        find(panels[1], [level, level])
    for drawn, start in zip(points(panels[2]), ("sharp", "flat"), strict=True):
        find_points(panels[2], _odds(dataset.sel(start=start), "seed") / dataset["exact"], drawn.x)
        np.testing.assert_allclose(drawn.x, places, atol=0.02)
        assert panels[2].get_ylim()[0] < drawn.low.min() < drawn.high.max() < panels[2].get_ylim()[1]
    alive = np.isfinite(dataset["share"]).sum(("start", "seed")).values
    assert ("–".join(map(str, sorted(set(alive.tolist())))) + " runs") in read(panels[1])
