"""The experiment on the landscape of T2: its data, its population, its control, its claims."""

import dataclasses
import json

import numpy as np
import pytest
import xarray as xr

from experiments.sgd_landscape import CLAIMS, PRESETS, Config, make_data, run, shares
from jaxreg.claims import judge
from jaxreg.errors import ArgumentError, StoreError
from jaxreg.landscape import FATES, T2_LANDSCAPE, fate

_SMALL = Config(seeds=400, learning_rates=(0.03, 0.3))


@pytest.fixture(scope="module")
def result():
    return run(_SMALL, progress=False)


def test_presets_keep_to_the_tutorial():
    assert set(PRESETS) == {"quick", "laptop", "paper"}
    assert PRESETS["laptop"] == Config()
    assert PRESETS["laptop"].seeds >= 10_000
    assert PRESETS["paper"].seeds >= 100_000
    for config in PRESETS.values():
        assert (config.start, config.steps, config.batch_size, config.points, config.noise) == (3.5, 100, 10, 100, 0.2)
        assert 0.3 in config.learning_rates
        steps = np.diff(np.log(config.learning_rates))
        np.testing.assert_allclose(steps, steps[0], rtol=1e-3)


def test_data_are_those_of_the_tutorial():
    x, y = make_data(Config())
    np.testing.assert_array_equal(x, np.linspace(-10, 10, 100))
    noise = y - np.polynomial.polynomial.polyval(x, T2_LANDSCAPE.coefficients)
    assert abs(noise.std() - 0.2) < 4 * 0.2 / np.sqrt(200)
    assert abs(noise.mean()) < 4 * 0.02
    np.testing.assert_array_equal(y, make_data(Config(seeds=3))[1])
    assert not np.array_equal(y, make_data(Config(data_seed=1))[1])


def test_result_is_labelled(result):
    assert dict(result.sizes) == {"seed": 400, "learning_rate": 2, "step": 100, "point": 100}
    assert result["fate"].dims == ("seed", "learning_rate")
    np.testing.assert_allclose(result["learning_rate"], [0.03, 0.3])
    assert "prng" in result.attrs["provenance"]
    assert json.loads(result.attrs["provenance"])
    assert float(result["start"]) == 3.5


def test_fates_belong_to_the_last_weights(result):
    np.testing.assert_array_equal(result["fate"], fate(result["weight"].values, T2_LANDSCAPE))
    gone = result["fate"] == FATES.index("diverged")
    np.testing.assert_array_equal(gone, result["diverged"])
    np.testing.assert_array_equal(gone, result["survived"] < 100)
    assert np.isposinf(result["weight"].values[gone.values]).all()


def test_population_is_that_of_the_tutorial(result):
    """Shares that 20,000 runs of a reference in float64 gave, at four standard errors of 400."""
    expected = {"global minimum": 0.566, "left": 0.018, "right": 0.109, "diverged": 0.306}
    for name, share in expected.items():
        found = float(shares(result, name)["proportion"].sel(learning_rate=0.3))
        assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / 400)


def test_shares_add_up_and_count_every_run(result):
    parts = [shares(result, name) for name in FATES]
    np.testing.assert_allclose(sum(part["proportion"] for part in parts), 1.0)
    assert all((part["n"] == 400).all() for part in parts)


def test_control_is_descent_on_all_the_data(result):
    x, y = make_data(_SMALL)
    slope = np.polynomial.Polynomial.fit(x, y, 6).deriv()
    for rate in (0.03, 0.3):
        w = 3.5
        path = [w := w - rate * slope(w) for _ in range(100)]
        np.testing.assert_allclose(result["control"].sel(learning_rate=rate), path, rtol=1e-4)


def test_claims(result):
    (stays, stayed), (_, reached), (_, lived) = judge(CLAIMS, result)
    assert "local solution" in stays.text
    assert stayed.status == "holds"
    assert stayed.effect < 0.01
    assert lived.status == "fails"
    assert abs(lived.effect - 30.6) < 4 * 100 * np.sqrt(0.306 * 0.694 / 400)
    assert reached.n == lived.n == 400
    assert reached.interval[0] < reached.effect < reached.interval[1]


def _altered(result, optimum, gone):
    """The result with these shares of runs at the optimum and diverged, the rest at 4, at every learning rate."""
    place = np.arange(400) / 400
    numbers = np.where(place < optimum, 0, np.where(place < optimum + gone, 3, 2))
    return result.assign(fate=(("seed", "learning_rate"), np.stack([numbers] * 2, axis=1)))


@pytest.mark.parametrize(("optimum", "reached"), [(0.7, "holds"), (0.51, "undecided"), (0.3, "fails")])
def test_claim_of_reaching_the_optimum_can_fall_either_way(result, optimum, reached):
    assert judge(CLAIMS, _altered(result, optimum, 0.0))[1][1].status == reached


@pytest.mark.parametrize(("gone", "lived"), [(0.0, "holds"), (0.01, "undecided"), (0.1, "fails")])
def test_claim_of_staying_can_fall_either_way(result, gone, lived):
    assert judge(CLAIMS, _altered(result, 0.5, gone))[2][1].status == lived


def test_claim_about_the_control_fails_when_it_leaves(result):
    left = result.assign(control=xr.where(result["step"] > 90, 0.05, result["control"]))
    assert judge(CLAIMS, left)[0][1].status == "fails"


def test_claims_need_the_tutorials_learning_rate(result):
    with pytest.raises(ArgumentError, match=r"0\.3"):
        judge(CLAIMS, result.sel(learning_rate=[0.03]))


def test_more_seeds_continue_the_store(tmp_path):
    small = dataclasses.replace(_SMALL, seeds=20)
    first = run(small, store=tmp_path / "s.zarr", progress=False).load()
    more = run(dataclasses.replace(small, seeds=30), store=tmp_path / "s.zarr", progress=False).load()
    xr.testing.assert_equal(more[["fate", "weight"]].isel(seed=slice(20)), first[["fate", "weight"]])
    assert np.isfinite(more["weight"]).any("learning_rate").mean() > 0.9
    with pytest.raises(StoreError):
        run(dataclasses.replace(small, noise=0.1), store=tmp_path / "s.zarr", progress=False)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"learning_rates": (0.3, -0.1)}, "learning_rates"),
        ({"learning_rates": (np.nan,)}, "learning_rates"),
        ({"start": np.inf}, "start"),
        ({"batch_size": 6}, "batch_size"),
        ({"batch_size": 101}, "batch_size"),
        ({"steps": 0}, "steps"),
        ({"points": 6}, "degree"),
    ],
)
def test_bad_settings_are_refused_by_name(changed, named):
    with pytest.raises(ArgumentError, match=f"^{named} = "):
        run(dataclasses.replace(_SMALL, **changed), progress=False)
