"""The figure of under- and over-fitting: what it shows is what the dataset says."""

import numpy as np
import pytest

from jaxreg import stats
from tests.figures.drawn import find
from tests.populations import along, diverge, population

_UNITS, _L2, _EPOCHS = (1, 4, 16, 64), (1e-3, 0.1, 10.0), np.arange(2, 42, 2)
_BEST = 2  # place of the size with the least validation loss


@pytest.fixture(scope="module")
def dataset():
    sizes, strengths = [*_UNITS, *[_UNITS[-1]] * 3], [*[0.0] * 4, *_L2]
    size = along("case", [2, 1, 0.2, 0.5, 0.6, 0.8, 1.0])
    turning = 1 + abs(along("epoch", _EPOCHS) - 20) / 40
    means = {"train_loss": size, "validation_loss": 1.2 * size * turning, "weight_norm": 10 * size}
    means |= {"train_error": 20 * size, "validation_error": 25 * size}
    noise = {"train_loss": 0.02, "validation_loss": 0.02, "train_error": 1, "validation_error": 1, "weight_norm": 0.5}
    about = {"title": "MNIST", "train_images": 1200, "validation_images": 4800}
    made = population({"case": 7, "seed": 12, "epoch": _EPOCHS}, means, spread=noise, **about)
    return diverge(made.assign_coords(units=("case", sizes), l2=("case", strengths)), case=0, seed=3)


def test_three_networks_are_shown_in_training(panels, dataset):
    for axes, place in zip(panels[:3], (0, _BEST, 3), strict=True):
        for part, label in (("train", "training"), ("validation", "validation")):
            mean = stats.mean(dataset.isel(case=place), f"{part}_loss", dim="seed")["mean"]
            find(axes, mean, label=label)
        (turn,) = (line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":")
        assert turn == _EPOCHS[int(mean.argmin("epoch"))]
    assert len({axes.get_ylim() for axes in panels[:3]}) == 1
    titles = ["(a) Under-fitted: 1 unit", "(b) Well fitted: 16 units", "(c) Over-fitted: 64 units"]
    assert [axes.get_title(loc="left") for axes in panels[:3]] == titles


@pytest.mark.parametrize(("panel", "cases"), [(3, slice(0, 4)), (6, slice(3, 7))])
def test_last_values_are_means_over_size_and_strength(panels, dataset, panel, cases):
    x = _UNITS if panel == 3 else (_L2[0] / 10, *_L2)
    for axes, kind in zip(panels[panel : panel + 3], ("loss", "error", "weight_norm"), strict=True):
        lines = [line for line in axes.lines if line.get_marker() == "o"]
        names = [kind] if kind == "weight_norm" else [f"train_{kind}", f"validation_{kind}"]
        for line, name in zip(lines, names, strict=True):
            summary = stats.mean(dataset.isel(epoch=-1, case=cases), name, dim="seed")
            np.testing.assert_allclose(line.get_xdata(), x)
            np.testing.assert_allclose(line.get_ydata(), summary["mean"])


def test_strength_0_has_its_place_and_the_figure_says_its_data_and_n(panels):
    for axes in panels[6:]:
        assert axes.get_xscale() == "log"
        assert (axes.get_xticks()[0], axes.get_xticklabels()[0].get_text()) == (_L2[0] / 10, "0")
    heading = "MNIST: 1,200 training and 4,800 validation images; n = 11–12 seeds (up to 1 diverged, left out)"
    assert panels[0].figure.get_suptitle() == heading
