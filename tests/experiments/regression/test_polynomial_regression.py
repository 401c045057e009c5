"""The experiment on T1: data and fits against NumPy and scikit-learn, its population, table, claims and figure."""

import warnings

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex
from numpy.polynomial import legendre, polynomial

import jaxreg as jr
from experiments.regression.polynomial_regression import CLAIMS, FITS, TRUTH, Config, report, table
from jaxreg import stats
from jaxreg.claims import find_claim, judge
from paper_figures.regression.polynomial_regression import draw
from tests.figures.drawn import find, find_band, read
from tests.populations import verdicts

SMALL = Config(seeds=100)
DIVERGED = {"seed": 3}
_NAMES = {"none": "no regularization", "l2": "L2", "l1": "L1"}


def _columns(x, basis):
    return x[:, None] ** np.arange(1, 31) if basis == "monomial" else legendre.legvander(x / 10, 30)[:, 1:]


@pytest.mark.parametrize("basis", ["monomial", "legendre"])
def test_fits_are_those_of_numpy_and_scikit_learn(result, basis):
    """The objectives as the tutorial's library has them, on centred columns of unit length: predictions."""
    linear = pytest.importorskip("sklearn.linear_model")
    X, X_test = (_columns(result[name].values, basis) for name in ("x", "x_test"))
    center, scale = X.mean(0), np.linalg.norm(X - X.mean(0), axis=0)
    Z, Z_test = (X - center) / scale, (X_test - center) / scale
    for seed in (0, 7):
        one = result.sel(basis=basis, seed=seed)
        y, mean = one["y"].values, float(one["y"].mean())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it drops a column whose correlation ties within rounding
            path = linear.lars_path(Z, y - mean, method="lasso", alpha_min=0.001)
        expected = {
            "none": np.linalg.lstsq(Z, y - mean, rcond=None)[0],
            "l2": linear.Ridge(alpha=0.5, fit_intercept=False).fit(Z, y - mean).coef_,
            "l1": path[2][:, -1],
        }
        tolerance = {"none": 1e-4 if basis == "monomial" else 1e-9, "l2": 1e-9, "l1": 1e-9}
        for fit, coef in expected.items():
            found = one.sel(fit=fit)
            size = np.abs(Z_test @ coef).max()
            np.testing.assert_allclose(found["curve"] - mean, Z_test @ coef, atol=tolerance[fit] * size)
            if fit != "none":
                np.testing.assert_allclose(found["coef"] * scale, coef, rtol=1e-7, atol=1e-10)
        np.testing.assert_array_equal(one["coef"].sel(fit="l1") == 0, expected["l1"] == 0)


def test_errors_are_distances_from_data_and_truth(result):
    truth = 0.001 * (-(result["x_test"] ** 3) + result["x_test"] ** 2 + result["x_test"])
    np.testing.assert_allclose(result["truth"], truth, atol=1e-12)
    distance = np.sqrt(((result["curve"] - truth) ** 2).mean("x_test"))
    np.testing.assert_allclose(result["test_error"], distance.transpose(*result.gap.dims))
    legendre_fit = result.sel(basis="legendre")
    columns = xr.DataArray(_columns(result["x"].values, "legendre"), dims=("x", "degree"))
    fitted = legendre_fit["intercept"] + legendre_fit["coef"] @ columns
    train_error = np.sqrt(((fitted - legendre_fit["y"]) ** 2).mean("x"))
    np.testing.assert_allclose(legendre_fit["train_error"], train_error, rtol=1e-8)


def test_every_penalised_fit_is_certified(result):
    gap = result["gap"].sel(fit=["l2", "l1"])
    assert float(gap.min()) >= 0
    assert float(gap.max()) < 1e-10


def test_a_run_is_the_draw_of_its_seed(result):
    key = jr.seeds(5).key(4)
    with jax.enable_x64(True):
        noise = 0.05 * np.asarray(jax.random.normal(key, (50,), np.float64))
    expected = polynomial.polyval(np.linspace(-10, 10, 50), TRUTH) + noise
    np.testing.assert_allclose(result["y"].sel(seed=4), expected, atol=1e-14)
    assert {result[name].dtype for name in ("y", "coef", "curve", "test_error")} == {np.dtype(np.float64)}


def test_table_has_a_row_for_each_degree_and_a_column_for_each_fit(result):
    lines = table(result).splitlines()
    assert lines[0] == "| degree | no regularization | L2 | L1 |"
    assert len(lines) == 2 + 30
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [row[0] for row in cells] == [str(k) for k in range(1, 31)]
    coef = result["coef"].sel(seed=0, basis="monomial").transpose("degree", "fit")
    np.testing.assert_allclose(np.array(cells, float)[:, 1:], coef, rtol=1e-3)
    np.testing.assert_array_equal(np.array(cells)[:, 1:] == "0", coef == 0)
    assert table(result, seed=1) != table(result)
    assert table(result) in report(result)
    assert "100 runs (seed 100), 0 diverged" in report(result)


# --- Claims -----------------------------------------------------------------------------------------------------------


def test_claims_on_the_population(result):
    """(b) holds by the lenient criterion, not by the strict one; (d) fails to the letter, and holds by and large."""
    assert verdicts(CLAIMS, result) == "hh" + "hf" + "hf" + "fh" + "hf"
    assert all(verdict.n == 100 for _, verdict in judge(CLAIMS, result))


def test_effects_are_what_their_units_say(result):
    effects = [verdict.effect for _, verdict in judge(CLAIMS, result)]
    ratio, worse, share, error, _, difference, all_smaller, smaller, zeros, found = effects
    draws = result.sel(basis="monomial")
    none, l2, l1 = (draws.sel(fit=fit) for fit in FITS)
    ratios = np.sqrt(none.test_error**2 + 0.0025) / none.train_error
    assert ratio == pytest.approx(np.exp(np.log(ratios).mean()))
    # The best constant is as far from the truth as the truth's standard deviation.
    constant = np.sqrt(((draws.truth - draws.truth.mean()) ** 2).mean())
    assert worse == pytest.approx(100 * (none.test_error > constant).mean())
    assert share == pytest.approx(100 * (1 - (l2.test_error**2).mean() / constant**2))
    assert error == pytest.approx(l2.test_error.mean() / 0.05)
    assert difference == pytest.approx((l2.test_error - l1.test_error).mean())
    less = abs(l2.coef) < abs(none.coef)
    assert all_smaller == pytest.approx(100 * less.all("degree").mean())
    assert smaller == pytest.approx(100 * less.mean())
    assert zeros == pytest.approx(100 * (l1.coef == 0).mean())
    assert found == pytest.approx(100 * (l1.coef.values[:, :3] != 0).all(1).mean())


def _of_fit(fit, change):
    return lambda values: xr.where(values["fit"] == fit, change(values), values)


@pytest.mark.parametrize(
    ("claim", "changes", "status"),
    [
        (
            "the fit overlearns",
            {"test_error": _of_fit("none", lambda v: 0 * v), "train_error": lambda v: 0 * v + 0.06},
            "fails",
        ),
        ("the fit would", {"test_error": _of_fit("none", lambda v: v / 20)}, "fails"),
        ("truth well: it", {"test_error": _of_fit("l2", lambda v: 2 * v)}, "fails"),
        ("truth well: to", {"test_error": _of_fit("l2", lambda v: v / 2)}, "holds"),
        ("L1 comes close", {"test_error": _of_fit("l1", lambda v: 5 * v)}, "fails"),
        ("the truth better", {"test_error": _of_fit("l1", lambda v: 10 * v)}, "holds"),
        ("the truth better", {"test_error": lambda v: 0 * v + 0.07}, "fails"),
        ("Every L2 coefficient", {"coef": _of_fit("none", lambda v: v + 1)}, "holds"),
        ("L2 coefficients are", {"coef": _of_fit("l2", lambda v: v + 1)}, "fails"),
        ("L1 sets many", {"coef": _of_fit("l1", lambda v: v + 1)}, "fails"),
        ("L1 selects: the", {"coef": _of_fit("l1", lambda v: v + 1)}, "holds"),
    ],
)
def test_every_claim_can_fall_the_other_way(result, claim, changes, status):
    altered = result.assign({name: change(result[name]) for name, change in changes.items()})
    assert find_claim(CLAIMS, claim).judge(altered).status == status


def test_claims_read_the_tutorials_basis_and_leave_diverged_draws_out(result):
    other = result.where(result["basis"] == "monomial", 1e3)
    other = other.assign({name: result[name] for name in ("diverged", "truth", "noise")})
    gone = result["diverged"] | (result["seed"] < 10)
    assert [v for _, v in judge(CLAIMS, other)] == [v for _, v in judge(CLAIMS, result)]
    assert {v.n for _, v in judge(CLAIMS, result.assign(diverged=gone))} == {90}


# --- Figure -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lettered(dataset):
    """Its axes by letter, without making room for legends, which takes longest in ten panels."""
    figure = draw(dataset)
    figure.canvas.draw()
    yield {axes.get_title(loc="left")[1]: axes for axes in figure.axes}
    plt.close(figure)


def test_one_draw_and_the_population_around_the_truth(lettered, dataset):
    draws = dataset.sel(basis="monomial")
    one = draws.sel(seed=0)
    for letter in "abcd":
        find(lettered[letter], one["y"], one["x"])
        find(lettered[letter], one["truth"], one["x_test"])
        assert lettered[letter].get_ylim()[0] == -1
    for one_letter, letter, fit in zip("bcd", "fgh", FITS, strict=True):
        find(lettered[one_letter], one["curve"].sel(fit=fit), one["x_test"])
        assert _NAMES[fit][1:] in read(lettered[one_letter])
        deviation = draws.sel(fit=fit).assign(deviation=lambda d: d["curve"] - d["truth"])
        find_band(lettered[letter], stats.quantiles(deviation, "deviation", dim="seed"), one["x_test"])
        for side in (-0.05, 0.05):
            find(lettered[letter], [side, side])
        assert "n = 99 draws (1 diverged, left out)" in read(lettered[letter])


def test_errors_are_histograms_of_the_draws_that_did_not_diverge(lettered, dataset):
    axes = lettered["e"]
    assert sum(patch.get_height() for patch in axes.patches) == pytest.approx(3)
    for letter, fit in zip("bcd", FITS, strict=True):
        one = dataset.sel(basis="monomial", fit=fit)
        color = to_hex(find(lettered[letter], one["curve"].sel(seed=0)).get_color())
        filled = [p for p in axes.patches if to_hex(p.get_facecolor()) == color and p.get_height() > 0]
        sound = one["test_error"][~dataset["diverged"]]
        assert filled[0].get_x() <= float(sound.min()) < filled[0].get_x() + filled[0].get_width()
        assert filled[-1].get_x() <= float(sound.max()) <= filled[-1].get_x() + filled[-1].get_width()
    for mark in (0.05, float(dataset["truth"].std())):
        find(axes, x=[mark, mark])


def test_coefficients_have_zeros_on_their_own_line_and_their_shares_wilsons_interval(lettered, dataset):
    size = abs(dataset["coef"].sel(basis="monomial", seed=0)) * 10.0 ** dataset["degree"]
    label = next(text for text in lettered["i"].texts if text.get_text() == "exactly 0")
    floor = label.get_position()[1]
    assert floor < float(size.where(size > 0).min()) / 10
    for fit, name in _NAMES.items():
        find(lettered["i"], size.sel(fit=fit).where(size.sel(fit=fit) > 0, floor), dataset["degree"], name)
    zeros = dataset[["diverged"]].assign(zero=dataset["coef"].sel(fit="l1") == 0)
    for basis, name in (("monomial", "powers $x^k$"), ("legendre", "Legendre")):
        find_band(lettered["j"], stats.proportion(zeros.sel(basis=basis), "zero", dim="seed"), label=name)
