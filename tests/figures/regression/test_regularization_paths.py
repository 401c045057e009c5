"""The figure of regularization paths: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from tests.figures.drawn import find, find_band, find_points, read

_RULES = {"ridge": ["LOO", "GCV", "Cp", "CV", "CV, 1 SE"], "lasso": ["Cp", "AIC", "BIC", "CV", "CV, 1 SE"]}
_ALPHAS = {"ridge": np.geomspace(100, 1e-6, 13), "lasso": np.geomspace(0.1, 1e-5, 10)}
_TRUTH = [0.1, 0.2, -2.8, 0.0, 0.0]
_SEEDS = 40
_SPREAD = [0.05, 0.95, 0.25, 0.75, 0.5]


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    data = {"diverged": ("seed", np.zeros(_SEEDS, bool)), "true_coef": ("power", _TRUTH), "noise": 0.05}
    coordinates = {"seed": np.arange(_SEEDS), "power": np.arange(1, 6), "norm": np.linspace(0, 4, 9)}
    for method, alphas in _ALPHAS.items():
        along, rules, n = f"{method}_alpha", _RULES[method], len(alphas)
        coef = np.linspace(0, 1, n)[:, None] * random.normal(_TRUTH, 0.2, (_SEEDS, n, 5))
        data[f"{method}_coef"] = (("seed", along, "power"), coef)
        data[f"{method}_coef_at_norm"] = (("seed", "norm", "power"), coef[:, :9])
        data[f"{method}_df"] = (along, np.linspace(0, 5, n))
        for part, sizes in (("bias2", np.geomspace(0.1, 1e-7, n)), ("variance", np.geomspace(1e-5, 1e-3, n))):
            data[f"{method}_{part}"], data[f"{method}_{part}_se"] = (along, sizes), (along, np.full(n, 1e-6))
            data[f"ridge_exact_{part}"] = ("ridge_alpha", 1.1 * np.asarray(data[f"ridge_{part}"][1]))
        data[f"{method}_best"] = ("seed", random.choice(alphas, _SEEDS))
        data[f"{method}_chosen"] = (("seed", f"{method}_rule"), random.choice(alphas, (_SEEDS, 5)))
        data[f"{method}_price"] = (("seed", f"{method}_contender"), random.exponential(0.3, (_SEEDS, 7)))
        coordinates |= {along: alphas, f"{method}_rule": rules}
        coordinates[f"{method}_contender"] = ["least squares", "best fixed α", *rules]
    data["lasso_price"][1][:, 1] = 0.0  # a price that a logarithmic axis cannot show
    return xr.Dataset(data, coordinates)


def test_paths_are_medians_with_bands_and_the_truth_and_degrees_stand_where_they_are_reached(panels, dataset):
    names = ("ridge_coef", "ridge_coef_at_norm", "lasso_coef", "lasso_coef_at_norm")
    for axes, name in zip(panels[:4], names, strict=True):
        for power in dataset["power"].values:
            label = f"$x^{power}$" if power <= 3 else None
            find_band(axes, stats.quantiles(dataset.sel(power=power), name, dim="seed"), label=label)
        for truth in _TRUTH[:3]:
            find(axes, [truth, truth])
    for axes, method in ((panels[0], "ridge"), (panels[2], "lasso")):
        alphas, df, (top,) = _ALPHAS[method], dataset[f"{method}_df"].values, axes.child_axes
        labels = [int(text.get_text()) for text in top.get_xticklabels()]
        assert labels == [1, 2, 3]
        np.testing.assert_array_equal(top.get_xticks(), [alphas[df >= degree].max() for degree in labels])
    assert panels[0].get_xlim() == (100, pytest.approx(1e-6))


@pytest.mark.parametrize(("letter", "method"), [("(c)", "ridge"), ("(d)", "lasso")])
def test_errors_are_monte_carlo_on_the_closed_form(panels, dataset, letter, method):
    axes = next(axes for axes in panels if axes.get_title(loc="left").startswith(letter))
    for part, label in (("bias2", "bias²"), ("variance", "variance")):
        value = dataset[f"{method}_{part}"]
        ends = xr.Dataset({"mean": value, "low": value - 1.96e-6, "high": value + 1.96e-6})
        find_points(axes, ends.isel({f"{method}_alpha": slice(None, None, 3)}), _ALPHAS[method][::3], label)
        find(axes, dataset[f"ridge_exact_{part}"] if method == "ridge" else value, _ALPHAS[method])
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
    prices = _spreads(next(axes for axes in panels if axes.get_title(loc="left") == f"(e) Price, n = {_SEEDS} draws"))
    for axes, method in zip(choices, _RULES, strict=True):
        rules = [rule for rule in _RULES[method] if rule != "AIC"]
        chosen = {rule: dataset[f"{method}_chosen"].sel({f"{method}_rule": rule}) for rule in rules}
        for (name, values), row in zip(
            {"best of draw": dataset[f"{method}_best"], **chosen}.items(), _spreads(axes), strict=True
        ):
            assert row[0] == name
            np.testing.assert_allclose(row[1], np.quantile(values, _SPREAD))
        for name in ["least squares", "best fixed α", *rules]:
            price = 100 * dataset[f"{method}_price"].sel({f"{method}_contender": name})
            label, spread = next(prices)
            assert label == name
            np.testing.assert_allclose(spread, np.quantile(np.maximum(price, 0.1), _SPREAD))
    assert not list(prices)
