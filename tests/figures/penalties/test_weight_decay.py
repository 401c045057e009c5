"""The figure of weight decay: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.patches import Rectangle

from jaxreg import stats
from paper_figures.penalties.weight_decay import CAPTION

_STRENGTHS = np.array([0.0, 5.0, 20.0, 130.0])
_STEPS = 30


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    path = random.normal(size=(50, 4, _STEPS + 1, 3))
    path[:, 3] *= np.geomspace(1, 1e4, _STEPS + 1)[:, None]
    apart = abs(random.normal(1, 0.2, (50, 3, 3, _STEPS)))
    apart[:, 0] = 0  # SGD: equal to the last bit, which no logarithm shows
    pairs = ["adam + l2 → ridge", "momentum, decoupled → weaker ridge", "adamw → box", "adamw → nearest ridge"]
    picture = np.stack([np.linspace(0, 1, 9)[:, None] * end for end in ([1.0, 0.5], [0.8, 0.8])])
    return xr.Dataset(
        {
            "norm": (("seed", "strength", "step"), np.sqrt((path**2).sum(-1))),
            "falls": (("seed", "strength", "made"), random.random((50, 4, _STEPS)) < 0.7),
            "direction": (("seed", "strength", "step", "eigen"), path),
            "direction_exact": (("seed", "strength", "step", "eigen"), path),
            "eigenvalue": (("seed", "eigen"), np.tile([1.0, 0.5, 0.25], (50, 1))),
            "apart": (("seed", "optimizer", "form", "made"), apart),
            "diverged": ("seed", np.arange(50) == 3),
            "distance": (("pair", "problem"), 10 ** random.uniform(-6, -1, (4, 20))),
            "picture_path": (("rule", "picture_step", "weight"), picture),
            "picture_end": (("rule", "weight"), [[1.0, 0.5], [0.8, 0.8]]),
            "picture_gram": (("weight", "other_weight"), [[2.0, 0.5], [0.5, 1.0]]),
            "picture_optimum": ("weight", [1.5, 1.0]),
            "picture_box": 0.8,
            "critical": 120.0,
        },
        {
            "strength": _STRENGTHS,
            "step": np.arange(_STEPS + 1),
            "made": np.arange(1, _STEPS + 1),
            "optimizer": ["sgd", "momentum", "adam"],
            "form": ["in the loss", "coupled", "decoupled"],
            "pair": pairs,
            "rule": ["adam + l2", "adamw"],
        },
    )


def test_norms_and_their_closed_forms(panels, dataset):
    lines = panels[0].lines
    assert len(lines) == 8
    for k in range(4):
        np.testing.assert_allclose(lines[2 * k].get_ydata(), dataset["norm"][0, k])
        np.testing.assert_allclose(lines[2 * k + 1].get_ydata(), dataset["norm"][0, k, ::10])
        assert lines[2 * k].get_linestyle() == ("--" if k == 3 else "-")
    assert [text.get_text() for text in panels[0].get_legend().get_texts()] == ["0", "5", "20", "130"]
    assert panels[0].get_ylim()[1] < float(dataset["norm"][0, 3].max())  # the diverging run leaves the picture


def test_directions_are_those_of_the_strength_in_the_title(panels, dataset):
    axes = panels[1]
    assert axes.get_title(loc="left").endswith("= 5")
    for k in range(3):
        np.testing.assert_allclose(axes.lines[2 * k].get_ydata(), dataset["direction_exact"][0, 1, :, k])
        np.testing.assert_allclose(axes.lines[2 * k + 1].get_ydata(), dataset["direction"][0, 1, ::2, k])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["1.00", "0.50", "0.25"]


def test_shares_are_wilsons_and_leave_out_what_diverged(panels, dataset):
    axes = panels[2]
    summary = stats.proportion(dataset, "falls", dim="seed")
    for k in range(4):
        np.testing.assert_allclose(axes.lines[k].get_ydata(), summary["proportion"][k])
        heights = axes.collections[k].get_paths()[0].vertices[:, 1]
        assert heights.max() == pytest.approx(float(summary["high"][k].max()))
    assert "n = 49 problems (1 diverged" in axes.get_title(loc="left")
    assert "95 % Wilson intervals" in CAPTION


def test_forms_show_medians_and_equal_runs_at_the_floor(panels, dataset):
    axes = panels[3]
    drawn = {line.get_label(): line for line in axes.lines}
    summary = stats.quantiles(dataset, "apart", dim="seed")["median"].sel(form="decoupled")
    for label, name in (("Adam", "adam"), ("momentum", "momentum")):
        np.testing.assert_allclose(drawn[label].get_ydata(), summary.sel(optimizer=name))
    assert axes.get_yscale() == "log"
    bottom = axes.get_ylim()[0]
    assert (np.asarray(drawn["SGD: equal"].get_ydata()) > bottom).all()
    assert (np.asarray(drawn["SGD: equal"].get_ydata()) < 2.2e-16).all()


def test_every_problem_is_a_dot_and_tolerances_are_marked(panels, dataset):
    axes = panels[4]
    for k in range(4):
        dots, median, tolerance = axes.lines[3 * k : 3 * k + 3]
        np.testing.assert_allclose(dots.get_xdata(), dataset["distance"][k])
        assert float(median.get_xdata()[0]) == pytest.approx(float(dataset["distance"][k].median()))
        assert float(tolerance.get_xdata()[0]) == [1e-4, 1e-4, 0.02, 0.02][k]
    assert "n = 20 problems" in axes.get_title(loc="left")


def test_picture_shows_paths_solutions_and_the_box(panels, dataset):
    axes = panels[5]
    (box,) = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert (box.get_x(), box.get_width()) == (-0.8, 1.6)
    for label, rule, marker in (("Adam + L2", "adam + l2", "o"), ("AdamW", "adamw", "s")):
        path = next(line for line in axes.lines if line.get_label() == label)
        np.testing.assert_allclose(np.transpose(path.get_data()), dataset["picture_path"].sel(rule=rule))
        end = next(line for line in axes.lines if line.get_marker() == marker)
        np.testing.assert_allclose(np.ravel(end.get_data()), dataset["picture_end"].sel(rule=rule))


def test_every_panel_says_what_its_axes_are(panels):
    assert all(axes.get_xlabel() for axes in panels)
    assert all(axes.get_ylabel() for axes in [*panels[:4], panels[5]])
    assert len(panels[4].get_yticklabels()) == 4
    titles = [axes.get_title(loc="left") for axes in panels]
    assert all(title.startswith(f"({letter})") for letter, title in zip("abcdef", titles, strict=True))
