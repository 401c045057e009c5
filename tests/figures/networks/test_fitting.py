"""The figure of under- and over-fitting: what it shows is what the dataset says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from jaxreg import stats
from paper_figures.networks.fitting import CAPTION, draw

_UNITS, _L2, _EPOCHS = (1, 4, 16, 64), (1e-3, 0.1, 10.0), np.arange(2, 42, 2)
_SEEDS = 12
_BEST = 2  # place of the size with the least validation loss


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    cases = [(units, 0.0) for units in _UNITS] + [(_UNITS[-1], alpha) for alpha in _L2]
    dims, shape = ("case", "seed", "epoch"), (len(cases), _SEEDS, len(_EPOCHS))
    curves = {
        name: (dims, random.uniform(0.05, 0.9, shape))
        for name in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "weight_norm")
    }
    curves["validation_loss"][1][_BEST] *= 0.1
    diverged = np.zeros(shape[:-1], bool)
    diverged[0, 3] = True
    units, strengths = zip(*cases, strict=True)
    coords = {
        "case": [f"{u} units, l2 {a:g}" for u, a in cases],
        "seed": np.arange(_SEEDS),
        "epoch": _EPOCHS,
        "units": ("case", list(units)),
        "l2": ("case", list(strengths)),
    }
    about = {"dataset": "mnist", "title": "MNIST", "train_images": 1200, "validation_images": 4800}
    return xr.Dataset(curves | {"diverged": (dims[:2], diverged)}, coords, about)


def _labelled(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


@pytest.mark.parametrize(("panel", "place"), [(0, 0), (1, _BEST), (2, 3)])
def test_three_networks_are_shown_in_training(panels, dataset, panel, place):
    runs = dataset.isel(case=place)
    for part, label in (("train", "training"), ("validation", "validation")):
        line = _labelled(panels[panel])[label]
        np.testing.assert_allclose(line.get_xdata(), _EPOCHS)
        np.testing.assert_allclose(line.get_ydata(), stats.mean(runs, f"{part}_loss", dim="seed")["mean"])
    (turn,) = (line.get_xdata()[0] for line in panels[panel].lines if line.get_linestyle() == ":")
    assert turn == _EPOCHS[int(stats.mean(runs, "validation_loss", dim="seed")["mean"].argmin("epoch"))]
    assert len({axes.get_ylim() for axes in panels[:3]}) == 1


@pytest.mark.parametrize(("panel", "kind"), [(3, "loss"), (4, "error"), (6, "loss"), (7, "error")])
def test_last_values_are_means_with_their_intervals(panels, dataset, panel, kind):
    axes, over_size = panels[panel], panel < 6
    x = _UNITS if over_size else (_L2[0] / 10, *_L2)
    runs = dataset.isel(epoch=-1, case=slice(0, 4) if over_size else slice(3, 7))
    lines = [line for line in axes.lines if line.get_marker() == "o"]
    areas = [area for area in axes.collections if len(area.get_paths()[0].vertices) > 5]
    for line, area, part in zip(lines, areas, ("train", "validation"), strict=True):
        values = runs.assign(error=100 * (1 - runs[f"{part}_accuracy"]), loss=runs[f"{part}_loss"])
        summary = stats.mean(values, kind, dim="seed")
        np.testing.assert_allclose(line.get_xdata(), x)
        np.testing.assert_allclose(line.get_ydata(), summary["mean"])
        heights = area.get_paths()[0].vertices
        at = heights[np.isclose(heights[:, 0], x[1]), 1]
        np.testing.assert_allclose([at.min(), at.max()], [float(summary[end][1]) for end in ("low", "high")])


@pytest.mark.parametrize(("panel", "cases"), [(5, slice(0, 4)), (8, slice(3, 7))])
def test_weights_are_shown_over_size_and_strength(panels, dataset, panel, cases):
    (line,) = panels[panel].lines
    summary = stats.mean(dataset.isel(epoch=-1, case=cases), "weight_norm", dim="seed")
    np.testing.assert_allclose(line.get_ydata(), summary["mean"])


def test_strength_0_has_its_place(panels):
    for axes in panels[6:]:
        assert axes.get_xscale() == "log"
        assert axes.get_xticks()[0] == _L2[0] / 10
        assert axes.get_xticklabels()[0].get_text() == "0"


def test_figure_says_sizes_data_and_n(panels):
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles[:3] == ["(a) Under-fitted: 1 unit", "(b) Well fitted: 16 units", "(c) Over-fitted: 64 units"]
    assert titles[3:] == [
        "(d) Loss over size",
        "(e) Error over size",
        "(f) Weights over size",
        "(g) Loss over L2",
        "(h) Error over L2",
        "(i) Weights over L2",
    ]
    heading = "MNIST: 1,200 training and 4,800 validation images; n = 11–12 seeds (up to 1 diverged, left out)"
    assert panels[0].figure.get_suptitle() == heading
    for phrase in ("95 % Student t intervals", "½ α Σw²", "5 % to the 95 % quantile"):
        assert phrase in CAPTION


def test_one_seed_and_all_diverged_can_be_drawn(dataset):
    for odd in (dataset.isel(seed=[0]), dataset.assign(diverged=~dataset["diverged"] | True)):
        plt.close(draw(odd))


def test_nothing_leaves_the_page(panels):
    figure = panels[0].figure
    width, height = figure.canvas.get_width_height()
    for axes in panels:
        box = axes.get_tightbbox(figure.canvas.get_renderer())
        assert min(box.x0, box.y0) >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1
