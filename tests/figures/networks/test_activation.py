"""The figure of activations: what it shows is what the dataset says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from paper_figures.networks.activation import CAPTION, draw

_NAMES = ("identity", "leaky_relu")


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    images, points = ("activation", "pixels", "seed"), ("activation", "pattern", "plane_seed")
    gone = np.zeros((2, 2, 10), bool)
    gone[1, 1, 4] = True
    side = np.linspace(-1, 1, 5)
    plane = np.full((2, 2, 20), 0.9)
    plane[1, 0, :15] = 0.99
    return xr.Dataset(
        {
            "test_accuracy": ((*images, "epoch"), random.uniform(0.5, 0.9, (2, 2, 10, 3))),
            "diverged": (images, gone),
            "plane_accuracy": (points, plane),
            "plane_diverged": (points, np.zeros(plane.shape, bool)),
            "region": ((*points, "horizontal", "vertical"), random.uniform(0, 1, (2, 2, 20, 5, 5))),
            "value": (("activation", "input"), random.normal(0, 1, (2, 7))),
            "slope": (("activation", "input"), random.normal(0, 1, (2, 7))),
            "best_line": ("pattern", [0.63, 0.667]),
        },
        {
            "activation": list(_NAMES),
            "pixels": ["raw", "scaled"],
            "pattern": ["ring", "xor"],
            "input": np.linspace(-4, 4, 7),
            "horizontal": side,
            "vertical": side,
            "epoch": [1, 2, 3],
        },
        {"dataset": "digits", "title": "Digits"},
    )


@pytest.fixture(scope="module")
def panels(dataset):
    figure = draw(dataset)
    figure.canvas.draw()
    yield np.array(figure.axes).reshape(4, 2)
    plt.close(figure)


def test_functions_and_derivatives_are_those_of_the_dataset(panels, dataset):
    for axes, name in zip(panels[0], _NAMES, strict=True):
        _, function, derivative = axes.lines
        np.testing.assert_allclose(function.get_ydata(), dataset["value"].sel(activation=name))
        np.testing.assert_allclose(derivative.get_ydata(), dataset["slope"].sel(activation=name))
        assert (function.get_linestyle(), derivative.get_linestyle()) == ("-", "--")
    assert [axes.get_title() for axes in panels[0]] == ["identity", "leaky ReLU"]


def test_regions_are_those_of_the_first_seed_the_right_way_round(panels, dataset):
    for row, pattern in enumerate(("ring", "xor"), start=1):
        for axes, name in zip(panels[row], _NAMES, strict=True):
            region = dataset["region"].sel(activation=name, pattern=pattern).isel(plane_seed=0)
            (mesh,) = axes.collections
            np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(5, 5), region.transpose("vertical", ...))
            assert mesh.get_clim() == (0, 1)


def test_shares_of_seeds_that_solve_it(panels):
    assert [axes.get_xlabel() for axes in panels[1]] == ["0 %", "75 %"]
    assert [axes.get_xlabel() for axes in panels[2]] == ["0 %", "0 %"]
    assert panels[1, 0].get_ylabel() == "(b) ring\nline: 63 %\nn = 20 seeds"
    assert panels[2, 0].get_ylabel() == "(c) exclusive or\nline: 67 %\nn = 20 seeds"


def test_accuracies_are_means_without_diverged_runs(panels, dataset):
    last = 100 * dataset["test_accuracy"].isel(epoch=-1).where(~dataset["diverged"])
    for axes, name in zip(panels[3], _NAMES, strict=True):
        for place, pixels in enumerate(("raw", "scaled")):
            dots, mean = axes.lines[2 * place : 2 * place + 2]
            runs = last.sel(activation=name, pixels=pixels)
            np.testing.assert_allclose(dots.get_ydata(), runs)
            np.testing.assert_allclose(mean.get_ydata(), [float(runs.mean())] * 2)
    assert panels[3, 0].get_ylabel() == "(d) Digits\ntest accuracy, %\nn = 9–10 seeds (up to 1 diverged, left out)"
    texts = [text.get_text() for text in panels[0, 0].figure.legends[0].get_texts()]
    assert texts == ["function", "derivative", "pixels as they are", "pixels 0…1"]
    for phrase in ("No straight line", "the first seed", "95 % Student t"):
        assert phrase in CAPTION


def test_one_seed_can_be_drawn(dataset):
    figure = draw(dataset.isel(seed=[0], plane_seed=[0]))
    figure.canvas.draw()
    plt.close(figure)
