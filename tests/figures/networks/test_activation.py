"""The figure of activations: what it shows is what the dataset says."""

import numpy as np
import pytest

from tests.figures.drawn import legend_words
from tests.populations import along, diverge, population

_NAMES = ("identity", "leaky_relu")


@pytest.fixture(scope="module")
def dataset():
    images, points = ("activation", "pixels", "seed"), ("activation", "pattern", "plane_seed")
    side = np.linspace(-1, 1, 5)
    dims = {"activation": _NAMES, "pixels": ["raw", "scaled"], "pattern": ["ring", "xor"], "seed": 10, "plane_seed": 20}
    dims |= {"epoch": [1, 2, 3], "input": np.linspace(-4, 4, 7), "horizontal": side, "vertical": side}
    means = {
        "test_accuracy": ((*images, "epoch"), along("pixels", [60, 80])),
        "plane_accuracy": (points, 90),
        "region": ((*points, "horizontal", "vertical"), along("horizontal", [0.1, 0.3, 0.5, 0.7, 0.9])),
        "value": (("activation", "input"), along("input", range(7)) / 7),
        "slope": (("activation", "input"), along("input", range(7)) - 1),
        "best_line": (("pattern",), [63, 66.7]),
    }
    of_plane = ("pattern", "plane_seed", "epoch", "input", "horizontal", "vertical")
    made = population(dims, means, spread={"test_accuracy": 5}, records=of_plane, title="Digits")
    gone = made["plane_accuracy"].isnull()
    solved = gone.copy()
    solved[1, 0, :15] = True
    return diverge(made.assign(plane_diverged=gone, solved=solved), activation=1, pixels=1, seed=4)


@pytest.fixture(scope="module")
def grid(panels):
    return np.array(panels).reshape(4, 2)


def test_functions_and_derivatives_are_those_of_the_dataset(grid, dataset):
    for axes, name in zip(grid[0], _NAMES, strict=True):
        _, function, derivative = axes.lines
        np.testing.assert_allclose(function.get_ydata(), dataset["value"].sel(activation=name))
        np.testing.assert_allclose(derivative.get_ydata(), dataset["slope"].sel(activation=name))
        assert (function.get_linestyle(), derivative.get_linestyle()) == ("-", "--")
    assert [axes.texts[0].get_text() for axes in grid[0]] == ["identity", "leaky ReLU"]


def test_regions_are_those_of_the_first_seed_the_right_way_round(grid, dataset):
    for row, pattern in enumerate(("ring", "xor"), start=1):
        for axes, name in zip(grid[row], _NAMES, strict=True):
            region = dataset["region"].sel(activation=name, pattern=pattern).isel(plane_seed=0)
            (mesh,) = axes.collections
            np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(5, 5), region.transpose("vertical", ...))
            assert mesh.get_clim() == (0, 1)


def test_shares_of_seeds_that_solve_it(grid):
    assert [axes.get_xlabel() for axes in grid[1]] == ["0 %", "75 %"]
    assert [axes.get_xlabel() for axes in grid[2]] == ["0 %", "0 %"]
    assert grid[1, 0].get_ylabel() == "ring\nline: 63 %\nn = 20 seeds"
    assert grid[2, 0].get_ylabel() == "exclusive or\nline: 67 %\nn = 20 seeds"


def test_accuracies_are_means_without_diverged_runs(grid, dataset):
    last = dataset["test_accuracy"].isel(epoch=-1).where(~dataset["diverged"])
    for axes, name in zip(grid[3], _NAMES, strict=True):
        for place, pixels in enumerate(("raw", "scaled")):
            dots, mean = axes.lines[2 * place : 2 * place + 2]
            runs = last.sel(activation=name, pixels=pixels)
            np.testing.assert_allclose(dots.get_ydata(), runs)
            np.testing.assert_allclose(mean.get_ydata(), [float(runs.mean())] * 2)
    words = legend_words(grid[0, 0].figure.legends[0]).split("\n")
    assert words[0] == "(d): n = 9–10 seeds (up to 1 diverged, left out)"
    assert words[1:] == ["function", "derivative", "pixels as they are", "pixels 0…1"]
