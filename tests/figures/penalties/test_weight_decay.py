"""The figure of weight decay: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.patches import Rectangle

from jaxreg import stats
from tests.figures.drawn import find, find_band, read

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


def test_norms_and_directions_have_their_closed_forms(panels, dataset):
    for k in range(4):
        curve = find(panels[0], dataset["norm"][0, k], label=f"{_STRENGTHS[k]:g}")
        find(panels[0], dataset["norm"][0, k, ::10])
        assert curve.get_linestyle() == ("--" if k == 3 else "-")
    assert panels[0].get_ylim()[1] < float(dataset["norm"][0, 3].max())  # the diverging run leaves the picture
    assert panels[1].get_title(loc="left").endswith("= 5")
    for k, eigenvalue in enumerate(("1.00", "0.50", "0.25")):
        find(panels[1], dataset["direction_exact"][0, 1, :, k], label=eigenvalue)
        find(panels[1], dataset["direction"][0, 1, ::2, k])


def test_shares_are_wilsons_and_leave_out_what_diverged(panels, dataset):
    for strength in _STRENGTHS:
        find_band(panels[2], stats.proportion(dataset.sel(strength=strength), "falls", dim="seed"))
    assert "n = 49 problems\n(1 diverged" in read(panels[2])


def test_forms_show_medians_and_equal_runs_at_the_floor(panels, dataset):
    summary = stats.quantiles(dataset, "apart", dim="seed")["median"].sel(form="decoupled")
    for label, name in (("Adam", "adam"), ("momentum", "momentum")):
        find(panels[3], summary.sel(optimizer=name), label=label)
    equal = np.asarray(find(panels[3], label="SGD: equal").get_ydata())
    assert panels[3].get_ylim()[0] < equal.min() <= equal.max() < 2.2e-16


def test_every_problem_is_a_dot_and_tolerances_are_marked(panels, dataset):
    for k in range(4):
        dots, median, tolerance = panels[4].lines[3 * k : 3 * k + 3]
        np.testing.assert_allclose(dots.get_xdata(), dataset["distance"][k])
        assert float(median.get_xdata()[0]) == pytest.approx(float(dataset["distance"][k].median()))
        assert float(tolerance.get_xdata()[0]) == [1e-4, 1e-4, 0.02, 0.02][k]
    assert "n = 20 problems" in read(panels[4])


def test_picture_shows_paths_solutions_and_the_box(panels, dataset):
    (box,) = [patch for patch in panels[5].patches if isinstance(patch, Rectangle)]
    assert (box.get_x(), box.get_width()) == (-0.8, 1.6)
    for label, rule, marker in (("Adam + L2", "adam + l2", "o"), ("AdamW", "adamw", "s")):
        path, end = (dataset[name].sel(rule=rule) for name in ("picture_path", "picture_end"))
        find(panels[5], path[:, 1], path[:, 0], label)
        assert marker in [line.get_marker() for line in panels[5].lines if np.allclose(line.get_xydata(), end)]
