"""The figure of blur: what it shows is what the dataset says."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from jaxreg import stats
from tests.figures.drawn import find, find_band, read

_LOSSES = ["squared", "absolute", "mixture", "adversarial"]
_DECODERS = ["squared", "absolute", "adversarial"]


@pytest.fixture(scope="module")
def dataset():
    samples, networks, decoders = 20, 6, 5
    random = np.random.default_rng(0)
    signs = random.choice([-1, 1], (2, samples, 31))
    values = random.normal(size=(2, samples, 31)) + np.array([0.5, 3.0])[:, None, None] * signs
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


def test_sample_its_fits_and_its_centres(panels, dataset):
    axes, one = panels[0], dataset.sel(separation=6.0).isel(sample=0)
    assert find(axes, label="mean (Gaussian)").get_xdata()[0] == float(one["gaussian_centre"])
    assert find(axes, label="median (Laplace)").get_xdata()[0] == float(one["laplace_centre"])
    x, y = find(axes, label="Gaussian").get_data()
    assert abs(x[np.argmax(y)] - float(one["gaussian_centre"])) < 0.05
    x, y = find(axes, label="mixture of two").get_data()
    np.testing.assert_allclose(np.interp([-3, 3], x, y), 0.5 / np.sqrt(2 * np.pi), rtol=1e-2)
    counts, _ = np.histogram(one["value"], 28, (-6.2, 6.2), density=True)
    np.testing.assert_allclose([patch.get_height() for patch in axes.patches], counts)
    assert "Humps 6 widths apart" in read(axes)


def test_separations_have_their_intervals(panels, dataset):
    runs = dataset.rename(diverged_samples="diverged")
    find_band(panels[1], stats.mean(runs, "relative_density", "sample"), [1, 6])
    find_band(panels[1], stats.proportion(runs, "both_found", "sample"), [1, 6])
    assert "n = 20 samples" in read(panels[1])


def test_predictions_peak_where_they_are(panels, dataset):
    axes = panels[2]
    names = [text.get_text().replace("\n", " ") for text in axes.get_yticklabels()]
    assert names == ["adversarial", "mixture density", "absolute error", "squared error"]
    for outlined, share in ((False, 0.5), (True, 0.7)):
        drawn = [patch for patch in axes.patches if patch.get_fill() != outlined]
        for row, (patch, loss) in enumerate(zip(drawn, reversed(_LOSSES), strict=True)):
            heights, edges, _ = patch.get_data()
            expected = float(dataset["position"].sel(upper_share=share, loss=loss).mean())
            weights = np.asarray(heights) - row
            assert abs(np.average(edges[:-1] + np.diff(edges) / 2, weights=weights) - expected) < 0.02
            assert weights.max() == pytest.approx(0.72)
    assert len({to_hex(patch.get_facecolor()) for patch in axes.patches if patch.get_fill()}) == 4
    assert " ".join(axes.get_xlabel().split()) == "n = 6 networks outlined: upper one 70 %"


def test_pictures_are_those_of_the_dataset(panels, dataset):
    axes, decoded, best = panels[3], dataset["image"].isel(decoder=0), dataset["best"]
    expected = {
        "real": dataset["example"],
        "class mean": best.sel(statistic="mean"),
        "squared error": decoded.sel(decoder_loss="squared").isel(image_draw=0),
        "class median": best.sel(statistic="median"),
        "absolute error": decoded.sel(decoder_loss="absolute").isel(image_draw=0),
        "adversarial 1": decoded.sel(decoder_loss="adversarial").isel(image_draw=0),
        "adversarial 2": decoded.sel(decoder_loss="adversarial").isel(image_draw=1),
    }
    assert [text.get_text() for text in axes.get_yticklabels()] == list(expected)
    (sheet,) = (image.get_array() for image in axes.images)
    for row, images in enumerate(expected.values()):
        for k in range(3):
            np.testing.assert_allclose(sheet[9 * row : 9 * row + 8, 9 * k : 9 * k + 8], images.isel({"class": k}))
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1", "2"]
    assert "Digits: the label's image, n = 1,500" in read(axes)


def test_scatter_shows_every_decoder_that_lived_and_the_best(panels, dataset):
    names = ("squared error", "absolute error", "adversarial")
    for name, loss, n in zip(names, _DECODERS, (5, 5, 4), strict=True):
        runs = dataset.sel(decoder_loss=loss).isel(decoder=slice(n))
        find(panels[4], runs["energy"] / 10, runs["psnr"], name)
    for psnr, energy in ((13.8, 0.4), (13.3, 0.7)):
        assert find(panels[4], [energy], [psnr]).get_marker() == "x"
    assert " ".join(panels[4].get_xlabel().split()) == "PSNR, dB n = 4–5 decoders (up to 1 diverged, left out)"
