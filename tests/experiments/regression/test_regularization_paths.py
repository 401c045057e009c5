"""The experiment on regularization paths: one draw against scikit-learn, the population against itself, its claims."""

import jax
import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import Lasso, LinearRegression, Ridge
from sklearn.model_selection import KFold

import jaxreg as jr
from experiments.regression import regularization_paths as study
from jaxreg import stats
from jaxreg.claims import judge
from jaxreg.sampling import shuffled_epoch
from tests.figures.drawn import find, find_band, find_points, read
from tests.populations import along, population, verdicts

SMALL = study.Config(
    seeds=60,
    ridge_alphas=(1.0, 0.1, 0.01, 0.003, 0.001, 0.0001),
    lasso_alphas=(0.1, 0.01, 0.003, 0.001, 0.0003),
    norms=(0.0, 1.0, 2.0),
)
_X = np.linspace(-10, 10, 50)
_TRUTH = 0.001 * (-(_X**3) + _X**2 + _X)


@pytest.fixture(scope="module")
def first():
    """Target and rows in their shuffled order, of the first draw."""
    with jax.enable_x64(True):
        seed = jax.random.fold_in(jr.randomness.split(jax.random.key(0), "seed")["seed"], 0)
        y, folds = study.draw_target(_TRUTH, np.float64(0.05), seed)
        return np.asarray(y), np.asarray(shuffled_epoch(folds, 50, 50).index[0])


def _unit(X, like):
    center = like.mean(0)
    return (X - center) / np.linalg.norm(like - center, axis=0)


_DESIGN = _X[:, None] ** np.arange(1, 11)
_MODELS = {
    "ridge": lambda alpha: Ridge(alpha, solver="svd"),
    "lasso": lambda alpha: Lasso(alpha, tol=1e-12, max_iter=10_000_000),
}


def test_one_draw_is_scikit_learns(result, first):
    y, _ = first
    draw = result.isel(seed=0)
    A = _unit(_DESIGN, _DESIGN)
    for method, alpha in (("ridge", 0.01), ("ridge", 1.0), ("lasso", 0.003), ("lasso", 0.001)):
        fit = _MODELS[method](alpha).fit(A, y)
        at = {f"{method}_alpha": alpha}
        np.testing.assert_allclose(draw[f"{method}_coef"].sel(at), fit.coef_, rtol=1e-4, atol=1e-5)
        error = ((fit.predict(A) - _TRUTH) ** 2).mean()
        np.testing.assert_allclose(draw[f"{method}_error"].sel(at), error, rtol=1e-5)
    plain = LinearRegression().fit(A, y).predict(A)
    np.testing.assert_allclose(draw["least_squares_error"], ((plain - _TRUTH) ** 2).mean(), rtol=1e-8)


def test_rules_choose_in_one_draw_what_a_loop_chooses(result, first):
    y, order = first
    A = _unit(_DESIGN, _DESIGN)
    alphas = result["ridge_alpha"].values
    errors = np.zeros((5, len(alphas)))
    for fold, (train, test) in enumerate(KFold(5).split(order)):
        train, test = order[train], order[test]
        for k, alpha in enumerate(alphas):
            fit = _MODELS["ridge"](alpha).fit(_unit(_DESIGN[train], _DESIGN[train]), y[train])
            errors[fold, k] = ((fit.predict(_unit(_DESIGN[test], _DESIGN[train])) - y[test]) ** 2).mean()
    mean, deviation = errors.mean(0), errors.std(0, ddof=1) / np.sqrt(5)
    expected = {"CV": alphas[mean.argmin()]}
    expected["CV, 1 SE"] = alphas[mean <= mean.min() + deviation[mean.argmin()]].max()
    scores = {"LOO": [], "GCV": [], "Cp": []}
    variance = ((y - LinearRegression().fit(A, y).predict(A)) ** 2).sum() / 39
    for alpha in alphas:
        hat = 1 / 50 + A @ np.linalg.solve(A.T @ A + alpha * np.eye(10), A.T)
        residual = y - hat @ y
        scores["LOO"].append(((residual / (1 - np.diag(hat))) ** 2).mean())
        scores["GCV"].append(50 * (residual**2).sum() / (50 - np.trace(hat)) ** 2)
        scores["Cp"].append((residual**2).sum() / variance + 2 * np.trace(hat))
    expected |= {rule: alphas[np.argmin(score)] for rule, score in scores.items()}
    chosen = result["ridge_chosen"].isel(seed=0)
    assert {rule: float(chosen.sel(ridge_rule=rule)) for rule in study.RULES["ridge"]} == expected


def test_population_is_labelled_exact_and_priced(result):
    assert not result["diverged"].any()
    assert float(result["lasso_gap"].max()) < 1e-10
    np.testing.assert_array_equal(*(result["lasso_chosen"].sel(lasso_rule=rule) for rule in ("Cp", "AIC")))
    for method in study.RULES:
        error, price = result[f"{method}_error"], result[f"{method}_price"]
        least = error.min(f"{method}_alpha")
        over = {f"{method}_contender": "CV"}
        at_choice = error.sel({f"{method}_alpha": result[f"{method}_chosen"].sel({f"{method}_rule": "CV"})})
        np.testing.assert_allclose(price.sel(over), at_choice / least - 1, atol=1e-12)
        plain = price.sel({f"{method}_contender": study.LEAST_SQUARES})
        np.testing.assert_allclose(plain, result["least_squares_error"] / least - 1)
        rules = price.drop_sel({f"{method}_contender": study.LEAST_SQUARES})
        assert float(rules.min()) >= 0
        fixed = price.sel({f"{method}_contender": study.FIXED})
        assert any(np.allclose(fixed, error.isel({f"{method}_alpha": k}) / least - 1) for k in range(error.shape[1]))
        np.testing.assert_array_equal(error.sel({f"{method}_alpha": result[f"{method}_best"]}), least)
    np.testing.assert_allclose(abs(result["lasso_coef_at_norm"]).sum("power").sel(norm=1.0), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(result["lasso_df"], (result["lasso_coef"] != 0).sum("power").mean("seed"))


def test_errors_split_into_bias_and_variance(result):
    for method in study.RULES:
        total = result[f"{method}_bias2"] + result[f"{method}_variance"]
        np.testing.assert_allclose(total, result[f"{method}_error"].mean("seed"), rtol=1e-8)
    for part in ("bias2", "variance"):
        z = (result[f"ridge_{part}"] - result[f"ridge_exact_{part}"]) / result[f"ridge_{part}_se"]
        assert float(abs(z).max()) < 4


def test_claims_of_the_population(result):
    verdicts = [verdict for _, verdict in judge(study.CLAIMS, result)]
    assert len(verdicts) == 10
    assert {verdict.n for verdict in verdicts} == {60, 30}
    assert verdicts[6].status == verdicts[7].status == "holds"  # the closed form; some penalty helps
    assert verdicts[8].status == "fails"  # L2 better than L1


def _population(n=200):
    """A dataset in which every claim holds."""
    dims = {"seed": n, "power": 4, "ridge_alpha": [1.0, 0.5, 0.1], "lasso_alpha": [1.0, 0.5, 0.1]}
    means = {
        "least_squares_error": (("seed",), 2.0),
        "true_coef": (("power",), [1.0, 1.0, 0.0, 0.0]),
        "lasso_coef": (("seed", "lasso_alpha", "power"), [1.0, 1.0, 0.0, 0.0]),
    }
    for method, rules in study.RULES.items():
        dims |= {f"{method}_rule": rules, f"{method}_contender": [study.LEAST_SQUARES, study.FIXED, *rules]}
        error = along(f"{method}_alpha", np.array([0.5, 1.0, 2.0]) * (1 + (method == "lasso")))
        means[f"{method}_error"] = (("seed", f"{method}_alpha"), error)
        means[f"{method}_chosen"] = (("seed", f"{method}_rule"), 0.5)
        means[f"{method}_price"] = (("seed", f"{method}_contender"), 0.1)
    for part in ("bias2", "variance"):
        means |= dict.fromkeys((f"ridge_{part}", f"ridge_exact_{part}"), (("ridge_alpha",), 1.0))
        means[f"ridge_{part}_se"] = (("ridge_alpha",), 0.1)
    noise = {"least_squares_error": 0.05, "ridge_error": 0.03, "lasso_error": 0.03}
    noise |= {"ridge_price": 0.005, "lasso_price": 0.005}
    return population(dims, means, spread=noise, records=tuple(dims)[1:])


_SPOILT = (
    ("ridge_chosen", {"ridge_rule": "LOO"}, 0.1),
    ("ridge_chosen", {"ridge_rule": "Cp"}, 0.1),
    ("ridge_price", {"ridge_contender": "CV"}, 0.6),
    ("lasso_price", {"lasso_contender": "CV"}, 0.6),
    ("ridge_price", {"ridge_contender": "CV, 1 SE"}, 0.6),
    ("lasso_price", {"lasso_contender": "CV, 1 SE"}, 0.6),
    ("ridge_exact_variance", {"ridge_alpha": 0.5}, 1.5),
    ("least_squares_error", {}, 0.2),
    ("lasso_error", {"lasso_alpha": [1.0, 0.5, 0.1]}, 0.2),
    ("lasso_coef", {"lasso_alpha": 0.5, "power": 3}, 0.1),
)
"""What makes each claim false, and no more than its neighbours: numbers of a variable, in these cells."""


def test_every_claim_can_hold():
    assert verdicts(study.CLAIMS, _population()) == "h" * len(study.CLAIMS)


@pytest.mark.parametrize("number", range(10))
def test_every_claim_can_fail(number):
    made, (name, cells, value) = _population().copy(deep=True), _SPOILT[number]
    made[name].loc[cells] = value + 0.001 * np.random.default_rng(0).normal(size=made[name].loc[cells].shape)
    assert verdicts(study.CLAIMS, made).replace("u", "h") == "h" * number + "f" + "h" * (9 - number)


def test_coefficients_at_norms_are_on_the_path():
    path = np.array([[1.0, 0.0], [2.0, -1.0], [1.0, -1.5], [2.0, -4.0]])
    (found,) = study.at_norms(path[None], np.array([0.0, 0.5, 2.0, 3.0, 6.0, 100.0]))
    expected = [[0, 0], [0.5, 0], [1.5, -0.5], [2, -1], [2, -4], [2, -4]]
    np.testing.assert_allclose(np.delete(found, 3, 0), np.delete(expected, 3, 0))


# --- Figure ---


def test_paths_are_medians_with_bands_and_the_truth_and_degrees_stand_where_they_are_reached(panels, dataset):
    names = ("ridge_coef", "ridge_coef_at_norm", "lasso_coef", "lasso_coef_at_norm")
    for axes, name in zip(panels[:4], names, strict=True):
        for power in dataset["power"].values:
            label = f"$x^{power}$" if power <= 3 else None
            find_band(axes, stats.quantiles(dataset.sel(power=power), name, dim="seed"), label=label)
        for truth in dataset["true_coef"].values[:3]:
            find(axes, [truth, truth])
    for axes, method in ((panels[0], "ridge"), (panels[2], "lasso")):
        alphas, df, (top,) = dataset[f"{method}_alpha"].values, dataset[f"{method}_df"].values, axes.child_axes
        labels = [int(text.get_text()) for text in top.get_xticklabels()]
        assert len(labels) > 1
        np.testing.assert_array_equal(top.get_xticks(), [alphas[df >= degree].max() for degree in labels])
    assert panels[0].get_xlim() == (1, pytest.approx(1e-4))


@pytest.mark.parametrize(("letter", "method"), [("(c)", "ridge"), ("(d)", "lasso")])
def test_errors_are_monte_carlo_on_the_closed_form(panels, dataset, letter, method):
    axes = next(axes for axes in panels if axes.get_title(loc="left").startswith(letter))
    alphas = dataset[f"{method}_alpha"].values
    for part, label in (("bias2", "bias²"), ("variance", "variance")):
        value, half = dataset[f"{method}_{part}"], 1.96 * dataset[f"{method}_{part}_se"]
        ends = xr.Dataset({"mean": value, "low": value - half, "high": value + half})
        find_points(axes, ends.isel({f"{method}_alpha": slice(None, None, 3)}), alphas[::3], label)
        find(axes, dataset[f"ridge_exact_{part}"] if method == "ridge" else value, alphas)
    find(axes, dataset[f"{method}_bias2"] + dataset[f"{method}_variance"] + 0.0025, label="sum")
    find(axes, [0.0025, 0.0025], label="noise")
    find(axes, x=2 * [{"ridge": 0.5, "lasso": 0.001}[method]])


def _spreads(axes):
    """Label of each row, and its five numbers: ends of its thin and of its thick line, and its median."""
    labels = {place: text.get_text() for place, text in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)}
    for lines in zip(*[iter(axes.lines)] * 3, strict=True):
        yield labels[lines[0].get_ydata()[0]], np.concatenate([np.ravel(line.get_xdata()) for line in lines])


def test_choices_and_prices_are_the_quantiles_of_the_draws(panels, dataset):
    choices = [axes for axes in panels if "best of draw" in read(axes)]
    prices = _spreads(next(axes for axes in panels if axes.get_title(loc="left") == "(e) Price, n = 60 draws"))
    for axes, method in zip(choices, study.RULES, strict=True):
        rules = [rule for rule in study.RULES[method] if rule != "AIC"]
        chosen = {rule: dataset[f"{method}_chosen"].sel({f"{method}_rule": rule}) for rule in rules}
        shown = {"best of draw": dataset[f"{method}_best"], **chosen}
        for (name, values), row in zip(shown.items(), _spreads(axes), strict=True):
            assert row[0] == name
            np.testing.assert_allclose(row[1], np.quantile(values, [0.05, 0.95, 0.25, 0.75, 0.5]))
        for name in [study.LEAST_SQUARES, study.FIXED, *rules]:
            price = 100 * dataset[f"{method}_price"].sel({f"{method}_contender": name})
            label, spread = next(prices)
            assert label == name
            np.testing.assert_allclose(spread, np.quantile(np.maximum(price, 0.1), [0.05, 0.95, 0.25, 0.75, 0.5]))
    assert not list(prices)
