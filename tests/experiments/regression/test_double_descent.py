"""Double descent: fits against NumPy's, the curve, claims, which can fall either way; the figure."""

import jax
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.regression.double_descent import ABLATIONS, CLAIMS, VIEWS, Config, find_peak_height, fit_draw
from jaxreg import stats
from jaxreg.claims import judge
from tests.figures.drawn import find, find_band, find_points, read
from tests.populations import verdicts

SMALL = Config(seeds=60, critical=8, features=24, sizes=(2, 4, 8, 12, 16, 24), factors=(0.25, 1.0, 4.0))
_NAMES = ("least squares", "without small singular values", "test rows in leading directions", "without a residual")


@pytest.mark.parametrize(("view", "size"), [("model-wise", 3), ("model-wise", 12), ("sample-wise", 5)])
def test_one_data_set_against_numpy(view, size):
    """The rows and columns that belong to a size, cut out rather than set to zero, and fitted by pseudo-inverses."""
    settings = {"critical": 8, "features": 24, "most": 16, "signal": 1.5, "noise": 0.3, "cutoff": 0.4}
    factors = np.array([0.5, 1.0])
    with jax.enable_x64(True):
        seed = jax.random.key(3)
        found = fit_draw(factors, seed=seed, size=np.int32(size), view=view, **settings)
        streams = jr.randomness.split(seed, "features", "noise")
        rows = 8 if view == "model-wise" else 16
        drawn = np.asarray(jax.random.normal(streams["features"], (rows, 24), float))
        noise = np.asarray(jax.random.normal(streams["noise"], (rows,), float))
    n, p = (8, size) if view == "model-wise" else (size, 8)
    b = np.full(24, 1.5 / np.sqrt(24))
    X, y = drawn[:n, :p], (drawn @ b + 0.3 * noise)[:n]
    left = 0.09 + (b[p:] ** 2).sum()
    vectors = np.linalg.svd(X)[2][: (min(n, p) + 1) // 2]
    off = np.linalg.pinv(X) @ y - b[:p]
    expected = [
        off @ off,
        ((np.linalg.pinv(X, rcond=0.4) @ y - b[:p]) ** 2).sum(),
        ((vectors @ off) ** 2).sum(),
        ((np.linalg.pinv(X) @ X @ b[:p] - b[:p]) ** 2).sum(),
    ]
    np.testing.assert_allclose(found["error"], np.array(expected) + left, rtol=1e-9)
    for factor, error in zip(factors, found["ridge_error"], strict=True):
        alpha = factor * left * p / (b[:p] ** 2).sum()
        ridge = np.linalg.solve(X.T @ X + alpha * np.eye(p), X.T @ y) - b[:p]
        np.testing.assert_allclose(error, ridge @ ridge + left, rtol=1e-9)


def test_theory_is_the_textbook_curve(result):
    """Variance p/(n-p-1) and n/(p-n-1) times the noise left, plus what lies outside the rows, plus that noise."""
    for view, (n, p) in (("model-wise", (8, 4)), ("model-wise", (8, 16)), ("sample-wise", (4, 8))):
        left = 0.09 + 1 - p / 24
        spread = p / (n - p - 1) if p < n else n / (p - n - 1)
        unseen = max(0, p / 24 * (1 - n / p))
        size = p if view == "model-wise" else n
        expected = left * (1 + spread) + unseen
        np.testing.assert_allclose(result["theory"].sel(view=view, size=size), expected)
    assert np.isinf(result["theory"].sel(size=8)).all()


def test_all_three_ingredients_are_needed(result):
    for view in VIEWS:
        found = find_peak_height(result, view, "none")
        height, (low, high), n = found.effect, found.interval, found.n
        assert n == 60
        assert low <= height <= high
        assert low > 3
        for ablation in ABLATIONS[1:]:
            assert find_peak_height(result, view, ablation).effect < 1.5


def test_claims(result):
    found = [verdict for _, verdict in judge(CLAIMS, result)]
    assert [verdict.n for verdict in found] == [60] * 7 + [30]
    assert found[0].status == found[1].status == found[5].status == "holds"
    assert found[2].effect < 4
    assert found[7].status != "fails"


def test_claims_fall_where_there_is_no_peak_where_it_stays_and_where_ridge_is_not_best(result):
    error, ridge = result["error"], result["ridge_error"]
    dip = xr.where(result["size"] == 8, 0.7, 1)
    flat = error.copy(data=np.random.default_rng(0).uniform(1, 2, error.shape)) * dip
    stays = error.sel(ablation="none", drop=True).expand_dims(ablation=error["ablation"])
    rising, better = ridge + 0.3 * (result["size"] == 12), ridge - 0.3 * (result["factor"] == 4.0)
    assert verdicts(CLAIMS, result.assign(error=flat.transpose(*error.dims)))[:6] == "fffhhh"  # nor is theory met
    assert verdicts(CLAIMS, result.assign(error=stays.transpose(*error.dims)))[3:6] == "fff"
    assert verdicts(CLAIMS, result.assign(ridge_error=rising.transpose(*ridge.dims)))[6] == "f"
    assert verdicts(CLAIMS, result.assign(ridge_error=better.transpose(*ridge.dims)))[7] == "f"


# --- Figure ---


@pytest.mark.parametrize(("column", "view"), list(enumerate(VIEWS)))
def test_descents_have_bands_theory_and_means_and_ablations_medians(panels, dataset, column, view):
    (top, bottom), runs = (panels[column], panels[2 + column]), dataset.sel(view=view)
    plain, sizes = runs.sel(ablation="none"), SMALL.sizes
    find_band(top, stats.quantiles(plain, "error", dim="seed"), sizes, "median, 5–95 % of data sets")
    find(top, runs["theory"].where(np.isfinite(runs["theory"])), sizes, "exact mean")
    away = plain.sel(size=[2, 4, 12, 16, 24])  # of finite variance
    find_points(top, stats.mean(away, "error", dim="seed", level=0.6827), away["size"], "simulated mean")
    assert "60 data sets" in read(top)
    looks = set()
    for ablation, name in zip(ABLATIONS, _NAMES, strict=True):
        line = find(bottom, runs["error"].sel(ablation=ablation).median("seed"), sizes, name)
        looks.add((line.get_color(), line.get_linestyle()))
    looks.add(find(bottom, runs["ridge_error"].sel(factor=1.0).median("seed"), label="optimal ridge").get_color())
    assert len(looks) == 5
    for axes in (top, bottom):
        assert axes.get_xscale() == axes.get_yscale() == "log"
        find(axes, x=[8, 8])
