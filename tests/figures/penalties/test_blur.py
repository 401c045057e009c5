"""The figure of blur: what it shows is what the dataset says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from jaxreg import stats
from paper_figures.penalties.blur import draw

_LOSSES = ["squared", "absolute", "mixture", "adversarial"]
_DECODERS = ["squared", "absolute", "adversarial"]


def _dataset(samples=20, networks=6, decoders=5):
    random = np.random.default_rng(0)
    values = random.normal(size=(2, samples, 31)) + np.array([0.5, 3.0])[:, None, None] * random.choice(
        [-1, 1], (2, samples, 31)
    )
    centres = np.array([[-1.0, -0.9, 0.0, 0.0], [-0.5, 0.9, 1.0, 1.0]])[..., None, None, None]
    diverged = np.zeros((3, decoders), bool)
    diverged[2, -1] = decoders > 1
    cells, networks_over = ("separation", "sample"), ("upper_share", "loss", "network")
    return xr.Dataset(
        {
            "value": ((*cells, "entry"), values),
            "gaussian_centre": (cells, values.mean(-1)),
            "gaussian_width": (cells, values.std(-1)),
            "laplace_centre": (cells, np.median(values, -1)),
            "mixture_weight": ((*cells, "component"), np.full((2, samples, 2), 0.5)),
            "mixture_mean": ((*cells, "component"), np.broadcast_to([-3.0, 3.0], (2, samples, 2))),
            "mixture_width": ((*cells, "component"), np.ones((2, samples, 2))),
            "relative_density": (cells, random.uniform(0, 1, (2, samples))),
            "both_found": (cells, random.random((2, samples)) < 0.7),
            "diverged_samples": (cells, np.zeros((2, samples), bool)),
            "position": ((*networks_over, "point", "draw"), centres + random.normal(0, 0.1, (2, 4, networks, 7, 2))),
            "near": (networks_over, random.random((2, 4, networks))),
            "diverged_networks": (networks_over, np.zeros((2, 4, networks), bool)),
            "image": (
                ("decoder_loss", "decoder", "class", "image_draw", "row", "column"),
                random.random((3, decoders, 3, 2, 8, 8)),
            ),
            "energy": (("decoder_loss", "decoder"), random.uniform(5, 12, (3, decoders))),
            "psnr": (("decoder_loss", "decoder"), random.uniform(9, 14, (3, decoders))),
            "diverged_decoders": (("decoder_loss", "decoder"), diverged),
            "best": (("statistic", "class", "row", "column"), random.random((2, 3, 8, 8))),
            "best_energy": ("statistic", [4.0, 7.0]),
            "best_psnr": ("statistic", [13.8, 13.3]),
            "data_energy": 10.0,
            "example": (("class", "row", "column"), random.random((3, 8, 8))),
            "count": ("class", [400, 500, 600]),
        },
        {
            "separation": [1.0, 6.0],
            "upper_share": [0.5, 0.7],
            "loss": _LOSSES,
            "decoder_loss": _DECODERS,
            "statistic": ["mean", "median"],
            "class": [0, 1, 2],
        },
        {"dataset": "digits", "title": "Digits"},
    )


@pytest.fixture(scope="module")
def dataset():
    return _dataset()


def _labelled(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_sample_its_fits_and_its_centres(panels, dataset):
    axes, one = panels[0], dataset.sel(separation=6.0).isel(sample=0)
    lines = _labelled(axes)
    assert float(lines["mean (Gaussian)"].get_xdata()[0]) == float(one["gaussian_centre"])
    assert float(lines["median (Laplace)"].get_xdata()[0]) == float(one["laplace_centre"])
    x, y = lines["Gaussian"].get_data()
    assert abs(x[np.argmax(y)] - float(one["gaussian_centre"])) < 0.05
    x, y = lines["mixture of two"].get_data()
    np.testing.assert_allclose(np.interp([-3, 3], x, y), 0.5 / np.sqrt(2 * np.pi), rtol=1e-2)
    counts, _ = np.histogram(one["value"], 28, (-6.2, 6.2), density=True)
    np.testing.assert_allclose([patch.get_height() for patch in axes.patches], counts)
    assert axes.get_title(loc="left") == "(a) Humps 6 widths apart"


def test_separations_have_their_intervals(panels, dataset):
    runs = dataset.rename(diverged_samples="diverged")
    lines = list(_labelled(panels[1]).values())
    means = stats.mean(runs, "relative_density", "sample")
    found = stats.proportion(runs, "both_found", "sample")
    np.testing.assert_allclose(lines[0].get_ydata(), means["mean"])
    np.testing.assert_allclose(lines[1].get_ydata(), found["proportion"])
    for area, summary in zip(panels[1].collections, (means, found), strict=True):
        heights = area.get_paths()[0].vertices[:, 1]
        np.testing.assert_allclose([heights.min(), heights.max()], [summary["low"].min(), summary["high"].max()])
    assert panels[1].get_xlabel().endswith("n = 20 samples")


def test_predictions_peak_where_they_are(panels, dataset):
    axes = panels[2]
    names = [text.get_text().replace("\n", " ") for text in axes.get_yticklabels()]
    assert names == ["adversarial", "mixture density", "absolute error", "squared error"]
    filled = [patch for patch in axes.patches if patch.get_fill()]
    outlined = [patch for patch in axes.patches if not patch.get_fill()]
    assert len(filled) == len(outlined) == 4
    for group, share in ((filled, 0.5), (outlined, 0.7)):
        for row, (patch, loss) in enumerate(zip(group, reversed(_LOSSES), strict=True)):
            heights, edges, _ = patch.get_data()
            middle = edges[:-1] + np.diff(edges) / 2
            expected = float(dataset["position"].sel(upper_share=share, loss=loss).mean())
            weights = np.asarray(heights) - row
            assert abs(np.average(middle, weights=weights) - expected) < 0.02
            assert weights.max() == pytest.approx(0.72)
    assert len({to_hex(patch.get_facecolor()) for patch in filled}) == 4
    assert axes.get_xlabel() == "n = 6 networks\noutlined: upper one 70 %"


def test_pictures_are_those_of_the_dataset(panels, dataset):
    axes = panels[3]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == [
        "real",
        "class mean",
        "squared error",
        "class median",
        "absolute error",
        "adversarial 1",
        "adversarial 2",
    ]
    (sheet,) = (image.get_array() for image in axes.images)
    decoded = dataset["image"].isel(decoder=0)
    expected = {
        0: dataset["example"],
        1: dataset["best"].sel(statistic="mean"),
        2: decoded.sel(decoder_loss="squared").isel(image_draw=0),
        3: dataset["best"].sel(statistic="median"),
        4: decoded.sel(decoder_loss="absolute").isel(image_draw=0),
        5: decoded.sel(decoder_loss="adversarial").isel(image_draw=0),
        6: decoded.sel(decoder_loss="adversarial").isel(image_draw=1),
    }
    for row, images in expected.items():
        for label in range(3):
            np.testing.assert_allclose(
                sheet[9 * row : 9 * row + 8, 9 * label : 9 * label + 8], images.isel({"class": label})
            )
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1", "2"]
    assert axes.get_title(loc="left") == "(d) Digits: the label's image, n = 1,500"


def test_scatter_shows_every_decoder_that_lived_and_the_best(panels, dataset):
    axes = panels[4]
    lines = _labelled(axes)
    assert list(lines) == ["squared error", "absolute error", "adversarial"]
    for line, loss, n in zip(lines.values(), _DECODERS, (5, 5, 4), strict=True):
        runs = dataset.sel(decoder_loss=loss).isel(decoder=slice(n))
        np.testing.assert_allclose(line.get_xdata(), runs["psnr"])
        np.testing.assert_allclose(line.get_ydata(), runs["energy"] / 10)
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert [tuple(map(float, line.get_xydata()[0])) for line in crosses] == [(13.8, 0.4), (13.3, 0.7)]
    assert axes.get_xlabel() == "PSNR, dB\nn = 4–5 decoders\n(up to 1 diverged, left out)"


def test_nothing_leaves_the_page(panels):
    figure = panels[0].get_figure(root=True)
    renderer = figure.canvas.get_renderer()
    width, height = figure.canvas.get_width_height()
    for axes in panels:
        box = axes.get_tightbbox(renderer)
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1


def test_one_run_of_each_is_drawn():
    figure = draw(_dataset(samples=1, networks=1, decoders=1))
    figure.canvas.draw()
    plt.close(figure)
