"""The figure of early stopping: what it shows is what the dataset says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.container import ErrorbarContainer

from jaxreg import stats
from paper_figures.networks.early_stopping import CAPTION, draw

_SEEDS, _EPOCHS = 24, 10
_AXES = {"monitor": ["accuracy", "loss"], "patience": [1, 2, 4], "min_delta": [0.0, 0.01]}


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    epochs = np.arange(1, _EPOCHS + 1)
    shape = (2, 3, 2, _SEEDS)
    stops = random.integers(2, _EPOCHS + 1, shape)
    accuracy = 0.9 + random.normal(0, 0.01, (3, *shape))
    accuracy[:, ..., 0] = np.nan
    curves = {"train_loss": np.exp(-epochs), "validation_loss": 0.2 + 0.01 * (epochs - 4) ** 2}
    noisy = {name: curve * random.uniform(0.98, 1.02, (_SEEDS, _EPOCHS)) for name, curve in curves.items()}
    return xr.Dataset(
        {name: (("seed", "epoch"), curve) for name, curve in noisy.items()}
        | {
            "last_epoch": ((*_AXES, "seed"), stops),
            "kept_accuracy": (("kept", *_AXES, "seed"), accuracy),
            "diverged": ("seed", np.arange(_SEEDS) == 0),
        },
        _AXES | {"kept": ["end", "last", "best"], "seed": np.arange(_SEEDS), "epoch": epochs},
        {"dataset": "mnist", "title": "MNIST"},
    )


def _labelled(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_losses_are_means_and_the_turn_is_marked(panels, dataset):
    lines = _labelled(panels[0])
    for label, name in (("training", "train_loss"), ("validation", "validation_loss")):
        np.testing.assert_allclose(lines[label].get_ydata(), stats.mean(dataset, name, dim="seed")["mean"])
    (dotted,) = (line for line in panels[0].lines if line.get_linestyle() == ":")
    assert dotted.get_xdata()[0] == 4
    assert [text.get_text() for text in panels[0].texts] == ["turns at 4"]
    assert panels[0].get_yscale() == "log"


def test_epochs_are_means_with_the_quantiles_of_seeds(panels, dataset):
    lines = _labelled(panels[1])
    runs = dataset[["last_epoch", "diverged"]].sel(min_delta=0.0)
    for place, (label, monitor) in enumerate([("validation accuracy", "accuracy"), ("validation loss", "loss")]):
        stops = runs.sel(monitor=monitor)
        assert lines[label].get_xdata().tolist() == [1, 2, 4]
        np.testing.assert_allclose(lines[label].get_ydata(), stops["last_epoch"].isel(seed=slice(1, None)).mean("seed"))
        heights = panels[1].collections[place].get_paths()[0].vertices
        spread = stats.quantiles(stops, "last_epoch", dim="seed")
        for patience in (1, 2, 4):
            at = heights[heights[:, 0] == patience, 1]
            expected = [float(spread[end].sel(patience=patience)) for end in ("low", "high")]
            np.testing.assert_allclose([at.min(), at.max()], expected)
    (cross,) = (line for line in panels[1].lines if line.get_marker() == "x")
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (2, 5)


def test_every_rule_is_a_dot_with_its_paired_interval(panels, dataset):
    percent = dataset.assign(percent=100 * dataset["kept_accuracy"])
    gains = stats.paired_difference(percent, "percent", "seed", "kept", "end")
    epochs = stats.mean(dataset, "last_epoch", dim="seed")["mean"]
    drawn = [part for part in panels[2].containers if isinstance(part, ErrorbarContainer)]
    assert len(drawn) == 4
    order = [(monitor, kept) for monitor in ("accuracy", "loss") for kept in ("last", "best")]
    for (monitor, kept), (dots, _, (bars,)) in zip(order, drawn, strict=True):
        cell = gains.sel(monitor=monitor, kept=kept)
        np.testing.assert_allclose(dots.get_xdata(), epochs.sel(monitor=monitor).values.ravel())
        np.testing.assert_allclose(dots.get_ydata(), cell["difference"].values.ravel())
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        np.testing.assert_allclose(ends, np.stack([cell["low"].values.ravel(), cell["high"].values.ravel()], 1))


def test_the_rule_of_the_tutorial_is_ringed(panels, dataset):
    ring = _labelled(panels[2])["rule of T3"]
    runs = dataset.sel(monitor="accuracy", patience=2, min_delta=0.0).isel(seed=slice(1, None))
    gain = runs["kept_accuracy"].sel(kept="last") - runs["kept_accuracy"].sel(kept="end")
    np.testing.assert_allclose(ring.get_xdata(), [runs["last_epoch"].mean()])
    np.testing.assert_allclose(ring.get_ydata(), [100 * gain.mean()])


def test_panels_say_data_and_n(panels):
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == ["(a) MNIST", "(b) When it stops", "(c) What it costs"]
    for axes in panels:
        assert "n = 23 seeds (1 diverged, left out)" in axes.get_xlabel()
        assert axes.get_ylabel()
    for phrase in ("95 % Student t intervals", "paired", "5 % to the 95 % quantile", "as Keras counts it"):
        assert phrase in CAPTION


def test_nothing_leaves_the_page_and_no_legend_hides_a_line(panels):
    figure = panels[0].figure
    renderer = figure.canvas.get_renderer()
    width, height = figure.canvas.get_width_height()
    for axes in panels:
        box = axes.get_tightbbox(renderer)
        assert min(box.x0, box.y0) >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1
    assert panels[1].get_legend().get_window_extent(renderer).y0 >= panels[1].transData.transform((0, _EPOCHS))[1]


def test_one_seed_has_no_bands(dataset):
    figure = draw(dataset.isel(seed=[1]))
    figure.canvas.draw()
    plt.close(figure)
