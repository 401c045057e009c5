"""The figure of cross-entropy: what it shows is what the dataset says; its curves from text are those of the text."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from paper_figures.penalties.cross_entropy import draw

_LOSSES = ["cross-entropy", "squared error"]
_UNITS = ["sigmoid", "ReLU", "ReLU, one silent"]


def _dataset(seeds=300, networks=30, scales=(1.0, 4.0)):
    random = np.random.default_rng(0)
    start = -np.abs(random.normal(size=(seeds, 1))) * np.array(scales)
    time = np.stack([-start, np.exp(-start)], -1)
    epsilons, p, z = np.array([1e-10, 1e-7, 1e-3, 0.1]), np.geomspace(1e-16, 1, 33), np.linspace(-10, 10, 21)
    probability, target = np.array([0.9, 0.2, 0.0]), np.array([1, 0, 1])
    right = np.where(target, probability, 1 - probability)
    example = -np.log(np.maximum(right, epsilons[:, None]))
    formula = random.uniform(-1, 1, (networks, 10))
    return xr.Dataset(
        {
            "start": (("seed", "scale"), start),
            "escape_steps": (("seed", "scale", "loss"), np.minimum(np.ceil(10 * time), 1001).astype(int)),
            "exact_time": (("loss", "seed", "scale"), np.moveaxis(time, -1, 0)),
            "curve": (("epsilon", "p"), -np.log(np.maximum(p, epsilons[:, None]))),
            "example_loss": (("epsilon", "example"), example),
            "example_sum": ("epsilon", example.sum(-1)),
            "probability": ("example", probability),
            "target": ("example", target),
            "slope": (("loss", "z"), np.stack([-1 / (1 + np.exp(z)), -0.1 * np.exp(-(z**2))])),
            "jump": (("network", "units"), random.uniform(0, 1, (networks, 3)) * [1e-6, 1e-5, 1.0]),
            "autodiff": (("network", "class"), formula),
            "formula": (("network", "class"), formula),
            "steps": 1000,
            "learning_rate": 0.1,
        },
        {"scale": list(scales), "loss": _LOSSES, "units": _UNITS, "epsilon": epsilons, "p": p, "z": z},
    )


@pytest.fixture(scope="module")
def dataset():
    return _dataset()


def _lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_clip_and_worked_example(panels, dataset):
    lines = _lines(panels[0])
    assert list(lines) == ["ε = 1e-10", "ε = 1e-7", "ε = 1e-3", "ε = 1e-1"]
    np.testing.assert_allclose(lines["ε = 1e-3"].get_ydata(), dataset["curve"].sel(epsilon=1e-3))
    lines = _lines(panels[1])
    assert list(lines) == ["y = 1, p = 0.9", "y = 0, p = 0.2", "y = 1, p = 0", "sum"]
    np.testing.assert_allclose(lines["sum"].get_ydata(), sum(lines[k].get_ydata() for k in list(lines)[:3]))


def test_slopes_and_escapes(panels, dataset):
    lines = _lines(panels[2])
    for loss, line in zip(_LOSSES, lines.values(), strict=True):
        assert line.get_label().startswith(f"{loss}: ")
        np.testing.assert_allclose(line.get_ydata(), dataset["slope"].sel(loss=loss))
    lines = _lines(panels[3])
    widest = dataset.sel(scale=4.0).isel(seed=slice(150))
    for loss in _LOSSES:
        np.testing.assert_allclose(lines[loss].get_xdata(), widest["start"])
        np.testing.assert_allclose(lines[loss].get_ydata(), widest["escape_steps"].sel(loss=loss))


def test_waiting_runs_are_counted(panels, dataset):
    assert list(_lines(panels[4])) == ["s = 1", "s = 4"]
    coloured = [line for line in panels[4].lines if line.get_zorder() == 2 and len(line.get_xdata()) > 2]
    last = coloured[-1]
    steps = dataset["escape_steps"].sel(scale=4.0, loss="squared error").values
    for place in (0, 40, -1):
        assert last.get_ydata()[place] == pytest.approx((steps > last.get_xdata()[place]).mean())
    assert panels[4].get_xlabel() == "step\nn = 300 starts each"


def test_kinks_and_softmax(panels, dataset):
    dots = [line for line in panels[5].lines if line.get_marker() == "."]
    for place, (units, line) in enumerate(zip(_UNITS, dots, strict=True)):
        np.testing.assert_allclose(np.sort(line.get_ydata()), np.sort(dataset["jump"].sel(units=units)))
        assert abs(line.get_xdata() - place).max() < 0.5
    assert panels[5].get_xlabel() == "n = 30 networks each"
    np.testing.assert_allclose(panels[6].lines[1].get_ydata(), dataset["autodiff"].values.ravel())
    assert "0e+00" in panels[6].texts[0].get_text()


def test_the_curves_of_the_tutorial(panels):
    assert panels[7].lines[0].get_ydata().tolist() == [1, 2, 5]
    x, y = panels[8].lines[0].get_data()
    np.testing.assert_allclose(x**2 + y**2 + x * y, 1)
    assert panels[8].get_aspect() == 1


@pytest.mark.parametrize("settings", [{"seeds": 1, "networks": 1, "scales": (2.0,)}, {"scales": (1.0, 2.0, 3.0, 4.0)}])
def test_other_sizes_can_be_drawn(settings):
    figure = draw(_dataset(**settings))
    figure.canvas.draw()
    plt.close(figure)


def test_nothing_leaves_the_page(panels):
    figure = panels[0].figure
    renderer = figure.canvas.get_renderer()
    width, height = figure.canvas.get_width_height()
    for axes in panels:
        box = axes.get_tightbbox(renderer)
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1
