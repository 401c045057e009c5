"""The figure of regularization paths: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr

_RULES = {"ridge": ["LOO", "GCV", "Cp", "CV", "CV, 1 SE"], "lasso": ["Cp", "AIC", "BIC", "CV", "CV, 1 SE"]}
_ALPHAS = {"ridge": np.geomspace(100, 1e-6, 13), "lasso": np.geomspace(0.1, 1e-5, 10)}
_SEEDS = 40


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    data = {
        "diverged": ("seed", np.zeros(_SEEDS, bool)),
        "true_coef": ("power", [0.1, 0.2, -2.8, 0.0, 0.0]),
        "noise": 0.05,
    }
    coordinates = {"seed": np.arange(_SEEDS), "power": np.arange(1, 6), "norm": np.linspace(0, 4, 9)}
    for method, alphas in _ALPHAS.items():
        along, rules = f"{method}_alpha", _RULES[method]
        contenders = ["least squares", "best fixed α", *rules]
        shape = (_SEEDS, len(alphas), 5)
        coef = np.linspace(0, 1, len(alphas))[:, None] * random.normal([0.1, 0.2, -2.8, 0, 0], 0.2, shape)
        data[f"{method}_coef"] = (("seed", along, "power"), coef)
        data[f"{method}_coef_at_norm"] = (("seed", "norm", "power"), coef[:, :9])
        data[f"{method}_df"] = (along, np.linspace(0, 5, len(alphas)))
        data[f"{method}_bias2"] = (along, np.geomspace(0.1, 1e-7, len(alphas)))
        data[f"{method}_variance"] = (along, np.geomspace(1e-5, 1e-3, len(alphas)))
        for part in ("bias2", "variance"):
            data[f"{method}_{part}_se"] = (along, np.full(len(alphas), 1e-6))
            data[f"ridge_exact_{part}"] = ("ridge_alpha", 1.1 * np.asarray(data[f"ridge_{part}"][1]))
        data[f"{method}_best"] = ("seed", random.choice(alphas, _SEEDS))
        data[f"{method}_chosen"] = (("seed", f"{method}_rule"), random.choice(alphas, (_SEEDS, 5)))
        data[f"{method}_price"] = (("seed", f"{method}_contender"), random.exponential(0.3, (_SEEDS, 7)))
        coordinates |= {along: alphas, f"{method}_rule": rules, f"{method}_contender": contenders}
    data["lasso_price"][1][:, 1] = 0.0  # a price that a logarithmic axis cannot show
    return xr.Dataset(data, coordinates)


def _titled(panels, start):
    return [axes for axes in panels if axes.get_title(loc="left").startswith(start)]


def test_paths_are_medians_with_bands_and_the_truth(panels, dataset):
    coefficients = panels[:4]
    for axes, name in zip(
        coefficients, ("ridge_coef", "ridge_coef_at_norm", "lasso_coef", "lasso_coef_at_norm"), strict=True
    ):
        assert len(axes.collections) == 5  # a band for each power
        medians = {tuple(np.round(line.get_ydata(), 9)) for line in axes.lines}
        for power in dataset["power"].values:
            expected = dataset[name].sel(power=power).median("seed")
            assert tuple(np.round(expected.values, 9)) in medians
        dotted = {float(line.get_ydata()[0]) for line in axes.lines if line.get_linestyle() == ":"}
        assert dotted == {0.1, 0.2, -2.8}
        low = dataset[name].sel(power=3).quantile(0.05, "seed")
        drawn = [area.get_paths()[0].vertices[:, 1].min() for area in axes.collections]
        assert min(drawn) == pytest.approx(float(low.min()))
    assert [text.get_text() for text in panels[0].get_legend().get_texts()] == ["$x^1$", "$x^2$", "$x^3$"]
    assert panels[0].get_xlabel() == "α"
    assert panels[1].get_xlabel() == "L1 norm"
    assert panels[0].get_xlim() == (100, pytest.approx(1e-6))


def test_degrees_of_freedom_are_where_they_are_reached(panels, dataset):
    for axes, alphas, df in ((panels[k], *_of(dataset, m)) for k, m in ((0, "ridge"), (2, "lasso"))):
        (top,) = axes.child_axes
        labels = [int(text.get_text()) for text in top.get_xticklabels()]
        assert labels == [1, 2, 3]
        for place, degree in zip(top.get_xticks(), labels, strict=True):
            assert place == alphas[df >= degree].max()
        assert "df" in axes.get_title(loc="left")


def test_each_letter_is_that_of_one_panel(panels):
    titles = [axes.get_title(loc="left") for axes in panels]
    assert sorted(title[:3] for title in titles if title) == ["(a)", "(b)", "(c)", "(d)", "(e)"]


def _of(dataset, method):
    return dataset[f"{method}_alpha"].values, dataset[f"{method}_df"].values


def test_errors_are_monte_carlo_on_the_closed_form(panels, dataset):
    (ridge,), (lasso,) = _titled(panels, "(c)"), _titled(panels, "(d)")
    for axes, method in ((ridge, "ridge"), (lasso, "lasso")):
        for container, part in zip(axes.containers, ("bias2", "variance"), strict=True):
            dots, _, (bars,) = container.lines
            estimate = dataset[f"{method}_{part}"].values[::3]
            np.testing.assert_allclose(dots.get_ydata(), estimate)
            ends = np.array([segment[:, 1] for segment in bars.get_segments()])
            np.testing.assert_allclose(ends.mean(1), estimate, atol=1e-12)
            np.testing.assert_allclose(np.ptp(ends, axis=1), 2 * 1.96e-6, rtol=1e-6)
        curves = [line.get_ydata() for line in axes.lines]
        line = dataset["ridge_exact_variance"] if method == "ridge" else dataset["lasso_variance"]
        assert any(np.array_equal(curve, line) for curve in curves)
        total = dataset[f"{method}_bias2"] + dataset[f"{method}_variance"] + 0.0025
        assert any(len(curve) == len(total) and np.allclose(curve, total) for curve in curves)
        assert any(np.all(np.asarray(curve) == 0.05**2) for curve in curves)
        assert axes.get_yscale() == "log"
    marked = {
        float(line.get_xdata()[0]) for axes in (ridge, lasso) for line in axes.lines if len(line.get_xdata()) == 2
    }
    assert {0.5, 0.001} <= marked
    assert {text.get_text() for text in lasso.get_legend().get_texts()} == {"noise", "sum", "bias²", "variance"}
    assert ridge.get_ylabel() == "mean squared error"


def _spreads(axes):
    """Label, thin line, thick line and median of each row."""
    labels = {place: text.get_text() for place, text in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)}
    rows = zip(*[iter(axes.lines)] * 3, strict=True)
    return [
        (labels[thin.get_ydata()[0]], thin.get_xdata(), thick.get_xdata(), float(np.ravel(median.get_xdata())[0]))
        for thin, thick, median in rows
    ]


def test_choices_are_the_quantiles_of_the_draws(panels, dataset):
    choices = [axes for axes in panels if any(t.get_text() == "best of draw" for t in axes.get_yticklabels())]
    assert len(choices) == 2
    for axes, method in zip(choices, _RULES, strict=True):
        rows = _spreads(axes)
        assert [row[0] for row in rows] == ["best of draw", *(rule for rule in _RULES[method] if rule != "AIC")]
        for label, thin, thick, median in rows:
            values = (
                dataset[f"{method}_best"]
                if label == "best of draw"
                else dataset[f"{method}_chosen"].sel({f"{method}_rule": label})
            )
            np.testing.assert_allclose(
                [*thin, *thick, median], values.quantile([0.05, 0.95, 0.25, 0.75, 0.5]), rtol=1e-12
            )


def test_prices_are_those_of_all_contenders(panels, dataset):
    (axes,) = _titled(panels, "(e)")
    rows = _spreads(axes)
    expected = [(m, name) for m in _RULES for name in dataset[f"{m}_contender"].values if name != "AIC"]
    assert [row[0] for row in rows] == [name for _, name in expected]
    for (method, name), (_, thin, thick, median) in zip(expected, rows, strict=True):
        price = np.maximum(100 * dataset[f"{method}_price"].sel({f"{method}_contender": name}), 0.1)
        np.testing.assert_allclose([*thin, *thick, median], np.quantile(price, [0.05, 0.95, 0.25, 0.75, 0.5]))
    assert axes.get_title(loc="left") == f"(e) Price, n = {_SEEDS} draws"
    assert axes.get_xlabel() == "price, %"
    assert [text.get_text() for text in axes.texts] == ["Ridge", "Lasso"]
