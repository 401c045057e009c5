"""One picture: filters by runs in NumPy, marginalized losses, risks by matrices, claims that can fall; the figure."""

import jax
import numpy as np
import pytest
import xarray as xr
from scipy.linalg import expm
from scipy.optimize import brentq, minimize

import jaxreg as jr
from experiments.penalties.one_picture import CLAIMS, Config, make_data
from experiments.penalties.one_picture.runs import METHODS, calibrate, find_bound, scale_columns, smooth
from jaxreg import randomness, stats
from jaxreg.linear import ridge_path, ridge_risk
from paper_figures.penalties.one_picture import choose_df
from tests.figures.drawn import find, find_band, find_points, read
from tests.populations import along, diverge, population, verdicts

SMALL = Config(seeds=64, draws=16, problems=60, fractions=(0.3, 0.7), points=16, columns=4, sgd_steps=600)


@pytest.fixture(scope="module")
def dataset(result):
    """Of which a draw and a problem, at a ratio that would be the largest, diverged."""
    gone = result["problem"] == 5
    return diverge(result, draw=2).assign(problem_diverged=gone, flow=result["flow"].where(~gone, 9.0))


@pytest.fixture(scope="module")
def problem():
    X, mean = make_data(SMALL)
    return X, mean, calibrate(X, np.array([1.2, 2.8]), SMALL.learning_rate)


def test_data_have_the_stated_scale():
    X, mean = make_data(Config(signal=2.0))
    np.testing.assert_allclose(np.linalg.norm(X, 2) ** 2 / len(X), 1)
    np.testing.assert_allclose((mean**2).mean(), 4)
    np.testing.assert_allclose(X @ np.linalg.lstsq(X, mean, rcond=None)[0], mean)
    assert not np.array_equal(X, make_data(Config(design_seed=1))[0])


def test_strengths_spend_the_wanted_degrees_of_freedom(problem):
    X, _, strengths = problem
    spent = np.trace(smooth(X, strengths, SMALL.learning_rate), axis1=-2, axis2=-1)
    np.testing.assert_allclose(spent[1:], [[1.2, 2.8]] * 3, rtol=1e-9)
    np.testing.assert_allclose(spent[0], [1.2, 2.8], atol=0.2)
    np.testing.assert_allclose(strengths.variance * len(X), strengths.alpha)


def test_closed_forms_minimize_their_marginalized_losses(problem):
    """Steps of descent one by one; the expected losses under noise and masks, minimized by SciPy."""
    X, mean, strengths = problem
    n, y = len(X), mean + np.random.default_rng(0).normal(size=len(X))
    fits = smooth(X, strengths, SMALL.learning_rate) @ y
    for place in range(2):
        theta = np.zeros(4)
        for _ in range(strengths.steps[place]):
            theta = theta - SMALL.learning_rate * X.T @ (X @ theta - y) / n
        np.testing.assert_allclose(fits[0, place], X @ theta, atol=1e-10)
        keep = 1 / (1 + strengths.odds[place])
        masks = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1).T
        weight = np.prod(np.where(masks, keep, 1 - keep), axis=1)

        def masked(theta, masks=masks, weight=weight, keep=keep):
            return (weight * ((y[:, None] - X @ (masks * theta / keep).T) ** 2).sum(0)).sum()

        def noisy(theta, variance=strengths.variance[place]):
            return ((y - X @ theta) ** 2).sum() + n * variance * theta @ theta

        for method, loss in ((2, masked), (3, noisy)):
            least = minimize(loss, np.zeros(4), options={"gtol": 1e-9}).x
            np.testing.assert_allclose(fits[method, place], X @ least, atol=1e-5)


def test_closed_forms_are_those_of_the_library(problem, result):
    X, mean, strengths = problem
    fits = smooth(X, strengths, SMALL.learning_rate) @ mean
    scaled = scale_columns(X)
    for design, alphas, method in ((X, strengths.alpha, 1), (scaled, strengths.odds, 2)):
        coef = np.asarray(ridge_path(design, mean, alphas, fit_intercept=False).coef)
        np.testing.assert_allclose(coef @ design.T, fits[method], atol=2e-5)
        risk = ridge_risk(design, mean, SMALL.noise, alphas, fit_intercept=False)
        np.testing.assert_allclose(result["exact_bias2"][method], risk.bias2, rtol=1e-4)
        np.testing.assert_allclose(result["exact_variance"][method], risk.variance, rtol=1e-4)


def test_runs_have_their_filters(result):
    exact, measured = result["exact_filter"], result["filter"]
    for method in ("early stopping", "ridge"):
        one = {"method": method}
        np.testing.assert_allclose(measured.sel(one), exact.sel(one).broadcast_like(measured.sel(one)), atol=1e-9)
    k = calibrate(make_data(SMALL)[0], result["df"].values, SMALL.learning_rate).steps
    expected = 1 - (1 - SMALL.learning_rate * result["eigenvalue"].values) ** k[:, None]
    np.testing.assert_allclose(exact.sel({"method": "early stopping"}), expected)
    for method in ("dropout", "input noise"):
        one = {"method": method}
        spread = measured.sel(one).std("draw", ddof=1) / 4
        z = (measured.sel(one).mean("draw") - exact.sel(one)) / spread
        assert abs(z).max() < 5  # of 16 draws, in 8 places
        assert 0 < float(spread.max()) < 0.01


def test_simulated_risks_are_the_closed_forms(result):
    for part in ("bias2", "variance"):
        z = (result[part] - result[f"exact_{part}"]) / result[f"{part}_se"]
        assert abs(z).max() < 4, z
    np.testing.assert_allclose(result["error"], result["bias2"] + result["variance"])
    assert (result["error_se"] < 0.5 * result["error"]).all()


def test_paths_join_the_points(result):
    for name in ("df", "bias2", "variance"):
        for method in METHODS[1:]:
            path = result[f"path_{name}"].sel({"method": method})
            at = np.interp(result["df"], path["fine_df"], path)
            np.testing.assert_allclose(at, result[f"exact_{name}"].sel({"method": method}), rtol=0.02)
    ridge, noise = (result["path_coef"].sel({"method": name}) for name in ("ridge", "input noise"))
    np.testing.assert_allclose(ridge, noise)


def test_relative_risks(result):
    """Early on nothing is fitted, and in the end all is: the risks are equal; in between they are bounded."""
    assert float(result["flow"].max()) <= find_bound()
    assert float(result["flow"].max()) > 1.3
    np.testing.assert_allclose(result["flow"].isel(time=0), 1, atol=0.05)
    assert float(result["descent"].max()) > float(result["bound"])


@pytest.mark.parametrize("place", [0, 7])
def test_relative_risks_are_those_of_the_matrices(result, place):
    """The problem of one seed again, with matrix exponentials and powers, and strengths by root finding."""
    n, p = 16, 4
    with jax.enable_x64(True):
        key = randomness.split(jr.seeds(60).key(place), "problem")["problem"]
        drawn = np.asarray(jax.random.normal(key, (n * p + 2 * p + 1,), np.float64))
    X = drawn[: n * p].reshape(n, p) * 10 ** (0.75 * drawn[n * p : n * p + p])
    X = X * np.sqrt(n) / np.linalg.norm(X, 2)
    mean = X @ drawn[n * p + p : -1]
    mean *= np.sqrt(n) * 10 ** (drawn[-1] - 1) / np.linalg.norm(mean)
    eye, gram = np.eye(n), X.T @ X

    def risk(hat):
        return (((hat - eye) @ mean) ** 2).sum() + (hat**2).sum()

    def ridge(alpha):
        return X @ np.linalg.solve(gram + alpha * np.eye(p), X.T)

    def flow(t):
        return eye - expm(-t * X @ X.T / n)

    def dropout(odds):
        return X @ np.linalg.solve(gram + odds * np.diag(np.diag(gram)), X.T)

    def at(family, df):
        power = brentq(lambda power: np.trace(family(10**power)) - df, -6, 6)
        return risk(family(10**power))

    one = result.isel(problem=place)
    for t in (1.0, 10.0):
        np.testing.assert_allclose(one["flow"].sel(time=t, method="nearest"), risk(flow(t)) / risk(ridge(n / t)))
    steps = eye - np.linalg.matrix_power(eye - X @ X.T / n, 3)
    np.testing.assert_allclose(one["descent"].sel(count=3), risk(steps) / risk(ridge(n / 3)))
    for fraction in (0.3, 0.6):
        least, cell = at(ridge, p * fraction), one.sel(fraction=fraction, method="nearest")
        np.testing.assert_allclose(cell["early"], at(flow, p * fraction) / least, rtol=0.03)
        np.testing.assert_allclose(cell["dropout"], at(dropout, p * fraction) / least, rtol=0.03)


def test_claims(result):
    found = verdicts(CLAIMS, result)
    assert (found[:5], found[6]) == ("hhhhf", "f")


def _made_up(descent=0.0, dropout=0.0, noise=0.0, spread=1e-3, flow=1.6, steps=1.6, early=1.05, masked=1.05):
    """Filters of 1/2 that are off by as much as asked for, and relative risks of 300 problems."""
    dims = {"draw": 40, "method": METHODS, "df": [1.0, 2.0], "eigen": 3, "problem": 300}
    dims |= {"time": 1, "count": 1, "fraction": 1}
    last = along("df", [0, 1]) * along("eigen", [0, 0, 1])
    off = descent * along("method", [1, 0, 0, 0]) + last * along("method", [0, 0, dropout, noise])
    wave = along("draw", np.resize([-1.0, 1.0], 40)) * along("method", [0, 0, 1, 1])
    risks = {"flow": flow, "descent": steps, "early": early}
    axes = {"flow": "time", "descent": "count", "early": "fraction"}
    means = {
        "filter": (("draw", "method", "df", "eigen"), 0.5 + off + spread * wave),
        "exact_filter": (("method", "df", "eigen"), 0.5),
        "dropout": (("problem", "fraction"), masked * np.exp(along("problem", np.resize([-0.04, 0.04], 300)))),
        "problem_diverged": (("problem",), 0),
        "bound": ((), 1.6859),
    }
    means |= {name: (("problem", axes[name]), risk) for name, risk in risks.items()}
    made = population(dims, means, runs=("draw", "problem"), records=tuple(dims)[1:])
    return made.assign(problem_diverged=made["problem_diverged"] > 0)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "hhhhhhh"),
        ({"descent": 1e-6}, "fhhhhhh"),
        ({"dropout": 0.1}, "hfhhhhh"),
        ({"spread": 0.1}, "huuhhhh"),
        ({"noise": -0.1}, "hhfhhhh"),
        ({"flow": 1.7}, "hhhfhhh"),
        ({"steps": 1.7}, "hhhhfhh"),
        ({"early": 1.2}, "hhhhhfh"),
        ({"early": 1 / 1.2}, "hhhhhfh"),
        ({"masked": 2.0}, "hhhhhhf"),
        ({"masked": np.exp(0.1)}, "hhhhhhu"),
    ],
)
def test_claims_can_fall_either_way(changed, expected):
    assert verdicts(CLAIMS, _made_up(**changed)) == expected


# --- Figure ---


def test_filters_times_and_coefficients_have_their_points(panels, dataset):
    df = choose_df(dataset)
    assert f"(a) Filters, df = {df:g}, n = 15" in read(panels[0])
    means = {name: stats.mean(dataset, name, dim="draw") for name in ("filter", "coef")}
    first, second = np.sort(np.argsort(-abs(dataset["path_coef"].values[1, -1]))[:2])
    for k, name in enumerate(METHODS):
        find_points(panels[0], means["filter"].isel(method=k).sel(df=df))
        find(panels[0], dataset["exact_filter"].isel(method=k).sel(df=df), label=name)
        find(panels[1], x=dataset["path_time"][k])
        find(panels[1], means["filter"]["mean"].sum("eigen")[k], dataset["exact_time"][k], name)
        find(panels[2], dataset["path_coef"][k, :, second], dataset["path_coef"][k, :, first])
        find(panels[2], means["coef"]["mean"][k, :, second], means["coef"]["mean"][k, :, first])
    find(panels[2], [dataset["least_squares"][second]], [dataset["least_squares"][first]])


def test_risks_have_their_errors(panels, dataset):
    half = 1.96 * dataset["error_se"]
    ends = xr.Dataset({"mean": dataset["error"], "low": dataset["error"] - half, "high": dataset["error"] + half})
    for k in range(4):
        find_points(panels[3], ends.isel(method=k))
    find(panels[3], (dataset["path_bias2"] + dataset["path_variance"])[0])
    assert "n = 64" in read(panels[3])


def test_ratios_leave_out_what_diverged(panels, dataset):
    kept = dataset.isel(problem=~dataset["problem_diverged"].values)
    find(panels[4], kept["flow"].max("problem"), label=f"its worst, {float(kept['flow'].max()):.2f}")
    find(panels[4], kept["flow"].median("problem"), label="gradient flow")
    find(panels[4], [find_bound()] * 2)
    assert "n = 59 problems" in read(panels[4])
    for label, name in (("dropout", "dropout"), ("early stopping", "early")):
        find_band(panels[5], stats.quantiles(kept, name, dim="problem"), label=label)
