"""Power and numbers of seeds against statsmodels, integration and simulation."""

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import quad
from scipy.special import gammaln, ndtr, stdtrit
from statsmodels.stats.power import TTestIndPower, TTestPower

from jaxreg import stats
from jaxreg.errors import ArgumentError

KINDS = {True: TTestPower(), False: TTestIndPower()}
SIDES = {"two-sided": "two-sided", "greater": "larger", "less": "smaller"}


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("alternative", SIDES)
@pytest.mark.parametrize("effect", [-0.4, 0.1, 0.5, 1.1])
def test_power_is_statsmodels(paired, alternative, effect):
    for n in (2, 5, 33):
        expected = KINDS[paired].power(effect, n, 0.05, alternative=SIDES[alternative])
        found = stats.power(0.2 * effect, 0.2, n, paired=paired, alternative=alternative)
        np.testing.assert_allclose(found["power"], expected, rtol=1e-10, atol=1e-13)


def test_power_is_the_integral():
    """Of the normal distribution over that of the estimated spread, also where SciPy's function is NaN."""
    for effect, n in ((0.5, 8), (5.0, 10), (3.0, 20), (50.0, 2), (1.2, 200)):
        limit, degrees, shift = stdtrit(n - 1, 0.975), n - 1, effect * np.sqrt(n)

        def density(u, degrees=degrees, limit=limit, shift=shift):
            half = degrees / 2
            log = np.log(2) + half * np.log(half) - gammaln(half) + (degrees - 1) * np.log(u) - half * u * u
            return (ndtr(shift - limit * u) + ndtr(-shift - limit * u)) * np.exp(log)

        expected = quad(density, 0, 1, epsabs=1e-13)[0] + quad(density, 1, 30, epsabs=1e-13, limit=200)[0]
        np.testing.assert_allclose(stats.power(effect, 1.0, n, paired=True)["power"], expected, atol=1e-10)


@pytest.mark.parametrize("paired", [True, False])
def test_power_is_how_often_compare_finds_it(paired):
    trials, n = 4000, 7
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, trials)) + 1.2, rng.normal(size=(n, trials))
    runs = [xr.DataArray(part, dims=("seed", "trial")) for part in (x, y)]
    spread = np.sqrt(2) if paired else 1.0
    expected = float(stats.power(1.2, spread, n, paired=paired)["power"])
    hits = int((stats.compare(*runs, paired=paired, test="pooled_t")["p_value"] <= 0.05).sum())
    assert abs(hits - trials * expected) / np.sqrt(trials * expected * (1 - expected)) < 4


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
@pytest.mark.parametrize("effect", [0.03, 0.2, 0.9, 3.0, 40.0])
def test_seeds_needed_are_the_fewest(paired, alternative, effect):
    settings = {"paired": paired, "alternative": alternative, "level": 0.99, "comparisons": 3}
    found = stats.seeds_needed(effect, 1.0, target=0.9, **settings)
    n = int(found["seeds"])
    assert float(found["power"]) == float(stats.power(effect, 1.0, n, **settings)["power"]) >= 0.9
    assert n == 2 or float(stats.power(effect, 1.0, n - 1, **settings)["power"]) < 0.9
    if effect in (0.2, 0.9):
        alpha = 0.01 / 3
        exact = KINDS[paired].solve_power(effect, alpha=alpha, power=0.9, alternative=SIDES[alternative])
        assert n == int(np.ceil(exact))


def test_grids_and_labels():
    differences = xr.DataArray([0.1, 0.2, 0.4], dims="gain", coords={"gain": ["s", "m", "l"]})
    found = stats.seeds_needed(differences, 0.3, paired=True)
    assert found["seeds"].dims == ("gain",)
    assert [int(stats.seeds_needed(d, 0.3, paired=True)["seeds"]) for d in (0.1, 0.2, 0.4)] == found[
        "seeds"
    ].values.tolist()
    curve = stats.power(differences, 0.3, xr.DataArray([5, 10], dims="n"), paired=True)
    assert curve["power"].dims == ("gain", "n")
    assert stats.power(0.2, 0.3, [5, 10, 20], paired=True)["power"].dims == ("axis_0",)
    lower = stats.seeds_needed(-0.2, 0.3, paired=True, alternative="less")
    assert int(lower["seeds"]) == int(stats.seeds_needed(0.2, 0.3, paired=True, alternative="greater")["seeds"])


@pytest.mark.parametrize(
    ("difference", "spread", "changes", "message"),
    [
        (0.0, 1.0, {}, "difference = 0.0: must not be 0"),
        (-0.1, 1.0, {"alternative": "greater"}, "must not be 0, and greater"),
        (0.1, 0.0, {}, "spread"),
        (np.nan, 1.0, {}, "difference"),
        (1e-6, 1.0, {}, "more than 10,000,000 seeds"),
        (0.1, 1.0, {"target": 1.0}, "target"),
        (0.1, 1.0, {"comparisons": 0}, "comparisons"),
        ([0.1, 0.2], [1.0, 1.0, 1.0], {}, "must fit `difference`"),
    ],
)
def test_bad_arguments_are_refused_by_name(difference, spread, changes, message):
    with pytest.raises(ArgumentError, match=message):
        stats.seeds_needed(difference, spread, paired=True, **changes)
    with pytest.raises(ArgumentError, match=r"n = 1\.0: must lie in"):
        stats.power(0.1, 1.0, 1, paired=True)
