"""Blur: centres against NumPy, exact class statistics, networks where the answer is known, claims; the figure."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from scipy.stats import norm

import jaxreg as jr
from experiments.penalties.blur import CLAIMS, DECODERS, LOSSES, Config
from experiments.penalties.blur.images import measure_energy
from jaxreg import stats
from jaxreg.claims import find_claim
from tests.figures.drawn import find, find_band, read
from tests.populations import along, population, verdicts

SMALL = Config(
    samples=6,
    sample_size=51,
    separations=(1.0, 6.0),
    networks=2,
    network_steps=600,
    network_hidden=(16,),
    decoders=2,
    decoder_steps=600,
    decoder_hidden=(32,),
    draws=2,
    learning_rate=0.01,
)


@pytest.fixture(scope="module")
def dataset(result):
    """Of which one decoder diverged."""
    gone = result["diverged_decoders"].copy(deep=True)
    gone[2, -1] = True
    return result.assign(diverged_decoders=gone)


@pytest.fixture(scope="module")
def digits():
    data = jr.datasets.load("digits")
    return data.x_train.reshape(-1, 8, 8), data.y_train


# --- (a) ---


def test_centres_are_mean_and_median_and_measures_are_those_of_the_sample(result):
    values = result["value"].values
    np.testing.assert_allclose(result["gaussian_centre"], values.mean(-1), atol=1e-12)
    np.testing.assert_allclose(result["laplace_centre"], np.median(values, -1), atol=1e-12)
    assert float(result["mean_gap"].max()) < 1e-12
    one = result.isel(separation=1, sample=3)
    values, centre = one["value"].values, one["value"].values.mean()
    density = [norm.pdf(at, 3) + norm.pdf(at, -3) for at in (centre, 3)]
    np.testing.assert_allclose(one["relative_density"], density[0] / density[1], rtol=1e-10)
    np.testing.assert_allclose(one["gaussian_width"], values.std(), rtol=1e-10)


def test_mixture_components_are_in_order_and_likelier_than_one_gaussian(result):
    assert (result["mixture_mean"].diff("component") >= 0).all()
    np.testing.assert_allclose(result["mixture_weight"].sum("component"), 1, rtol=1e-12)
    for sample in range(6):
        one = result.sel(separation=6.0).isel(sample=sample)
        weight, centre, width = (one[f"mixture_{part}"].values for part in ("weight", "mean", "width"))
        likelihood = norm.pdf(one["value"].values[:, None], centre, width) @ weight
        single = norm.logpdf(one["value"].values, one["gaussian_centre"], one["gaussian_width"])
        assert np.log(likelihood).mean() > single.mean()
        assert bool(one["both_found"]) == (abs(centre - [-3, 3]).max() < 0.5)
    assert result["both_found"].sel(separation=6.0).any()


# --- (b) ---


def test_networks_land_where_their_loss_says(result):
    even = result.sel(upper_share=0.5)
    assert (even["between"].sel(loss="squared") > 0.8).all()
    position = result["position"]
    away = abs(abs(position) - 1)
    np.testing.assert_allclose(result["near"], (away < 0.25).mean(("point", "draw")))
    assert (result["near"].sel(upper_share=0.7, loss="absolute") > 0.8).all()
    assert (result["near"].sel(loss="mixture").mean("network") > 0.6).all()
    assert (result["near"].sel(loss="adversarial").mean("network") > 0.5).all()
    # One network, asked again, gives its answer again; a mixture and an adversary draw another.
    spread = position.std("draw").mean(("upper_share", "network", "point"))
    assert float(spread.sel(loss=["squared", "absolute"]).max()) < 1e-5
    assert float(spread.sel(loss=["mixture", "adversarial"]).min()) > 0.1


def test_mixture_draws_an_answer_as_often_as_it_is_given(result):
    often = (result["position"].sel(loss="mixture") > 0).mean(("network", "point", "draw"))
    np.testing.assert_allclose(often, result["upper_share"], atol=0.12)


# --- (c) ---


def test_no_other_image_is_better_than_mean_and_median(result, digits):
    images, labels = digits
    np.testing.assert_allclose(result["data_energy"], measure_energy(images).mean(), rtol=1e-13)
    best = result["best"].values
    for statistic, name, error in ((0, "squared", np.square), (1, "absolute", abs)):
        expected = error(images.astype(float) - best[statistic][labels]).mean()
        least = result[f"best_{name}_error"].isel(statistic=statistic)
        np.testing.assert_allclose(least, expected, rtol=1e-12)
        for other in (best[1 - statistic], best[statistic] + 0.02, best[statistic] * 0.95):
            assert error(images.astype(float) - other[labels]).mean() > expected
        assert (result[f"{name}_error"] > least).all()


def test_decoders_reach_the_best_and_are_measured_on_all_images(result, digits):
    for loss, statistic, most in (("squared", "mean", 0.005), ("absolute", "median", 0.01)):
        best = result[f"best_{loss}_error"].sel(statistic=statistic)
        assert (result[f"{loss}_error"].sel(decoder_loss=loss) / best - 1 < most).all()
    images, labels = digits
    one = result["image"].sel(decoder_loss="adversarial").isel(decoder=1).values.astype(float)
    errors = [images.astype(float) - one[labels, draw] for draw in (0, 1)]
    measured = result.sel(decoder_loss="adversarial").isel(decoder=1)
    np.testing.assert_allclose(measured["squared_error"], np.mean(np.square(errors)), rtol=1e-6)
    np.testing.assert_allclose(measured["absolute_error"], abs(errors[0]).mean(), rtol=1e-6)
    np.testing.assert_allclose(measured["psnr"], -10 * np.log10(np.mean(np.square(errors))), rtol=1e-6)
    weights = np.bincount(labels) / len(labels)
    np.testing.assert_allclose(measured["energy"], measure_energy(one).mean(1) @ weights, rtol=1e-6)


# --- Claims, on datasets whose verdict is known ---


def _population(good=True, runs=200):
    """A dataset on which every claim holds, or on which every claim fails."""

    def pick(hold, fail):
        return hold if good else fail

    dims = {"separation": [1.0, 6.0], "sample": runs, "upper_share": [0.5, 0.7], "loss": LOSSES, "network": runs}
    dims |= {"decoder_loss": DECODERS, "decoder": runs, "statistic": ["mean", "median"], "class": 2}
    samples, networks, decoders = tuple(dims)[:2], tuple(dims)[2:5], tuple(dims)[5:7]
    of_loss = [along("loss", values) for values in ([0.05, 0.9, 0.9, 0.9], [0.9, 0.1, 0.1, 0.1])]
    squared, absolute = pick((0.1001, 0.2001), (0.11, 0.22))
    means = {
        "mean_gap": (samples, pick(1e-15, 1e-3)),
        "median_gap": (samples, pick(1e-15, 1e-3)),
        "gaussian_centre": (samples, pick(0, 2.5)),
        "relative_density": (samples, along("separation", [0.9, pick(0.02, 0.5)])),
        "both_found": (samples, along("sample", np.arange(runs) < pick(1.0, 0.5) * runs)),
        "near": (networks, pick(*of_loss)),
        "between": (networks, pick(*of_loss[::-1])),
        "squared_error": (decoders, squared),
        "absolute_error": (decoders, absolute),
        "energy": (decoders, along("decoder_loss", pick((4, 8, 10), (8, 4, 3)))),
        "best_energy": (("statistic",), [4.0, pick(12.0, 6.0)]),
        "best_squared_error": (("statistic",), [0.1, 0.12]),
        "best_absolute_error": (("statistic",), [0.25, 0.2]),
        "best_psnr": (("statistic",), [10.0, pick(9.0, 8.0)]),
        "data_energy": ((), 10.0),
        "count": (("class",), 50),
        "diverged_samples": (samples, 0),
        "diverged_networks": (networks, 0),
        "diverged_decoders": (decoders, 0),
    }
    noise = {"gaussian_centre": 0.01, "relative_density": 1e-3, "near": 1e-3, "between": 1e-3, "energy": 0.01}
    made = population(dims, means, spread=noise, runs=("sample", "network", "decoder"), records=tuple(dims))
    return made.drop_vars("diverged")


@pytest.mark.parametrize(("good", "expected"), [(True, "h"), (False, "f")])
def test_claims_can_fall_either_way(good, expected):
    assert verdicts(CLAIMS, _population(good)) == expected * len(CLAIMS)


def test_diverged_runs_are_left_out():
    dataset = _population()
    near, gone = dataset["near"].copy(), dataset["diverged_networks"].copy()
    near[0, 3, :20], gone[0, 3, :20] = np.nan, True
    claim = find_claim(CLAIMS, "An adversarial loss picks")
    verdict = claim.judge(dataset.assign(near=near, diverged_networks=gone))
    assert (verdict.status, verdict.n) == ("holds", 180)


# --- Figure ---


def test_sample_its_fits_and_its_centres(panels, dataset):
    axes, one = panels[0], dataset.sel(separation=6.0).isel(sample=0)
    assert find(axes, label="mean (Gaussian)").get_xdata()[0] == float(one["gaussian_centre"])
    assert find(axes, label="median (Laplace)").get_xdata()[0] == float(one["laplace_centre"])
    x, y = find(axes, label="Gaussian").get_data()
    np.testing.assert_allclose(y, norm.pdf(x, one["gaussian_centre"], one["gaussian_width"]))
    x, y = find(axes, label="mixture of two").get_data()
    expected = norm.pdf(x[:, None], one["mixture_mean"], one["mixture_width"]) @ one["mixture_weight"].values
    np.testing.assert_allclose(y, expected)
    counts, _ = np.histogram(one["value"], 28, (-6.2, 6.2), density=True)
    np.testing.assert_allclose([patch.get_height() for patch in axes.patches], counts)
    assert "Humps 6 widths apart" in read(axes)


def test_separations_have_their_intervals(panels, dataset):
    runs = dataset.rename(diverged_samples="diverged")
    find_band(panels[1], stats.mean(runs, "relative_density", "sample"), [1, 6])
    find_band(panels[1], stats.proportion(runs, "both_found", "sample"), [1, 6])
    assert "n = 6 samples" in read(panels[1])


def test_predictions_peak_where_they_are(panels, dataset):
    axes = panels[2]
    names = [text.get_text().replace("\n", " ") for text in axes.get_yticklabels()]
    assert names == ["adversarial", "mixture density", "absolute error", "squared error"]
    for outlined, share in ((False, 0.5), (True, 0.7)):
        drawn = [patch for patch in axes.patches if patch.get_fill() != outlined]
        for row, (patch, loss) in enumerate(zip(drawn, reversed(LOSSES), strict=True)):
            heights, edges, _ = patch.get_data()
            expected = float(dataset["position"].sel(upper_share=share, loss=loss).clip(-1.75, 1.75).mean())
            weights = np.asarray(heights) - row
            assert abs(np.average(edges[:-1] + np.diff(edges) / 2, weights=weights) - expected) < 0.02
            assert weights.max() == pytest.approx(0.72)
    assert len({to_hex(patch.get_facecolor()) for patch in axes.patches if patch.get_fill()}) == 4
    assert " ".join(axes.get_xlabel().split()) == "n = 2 networks outlined: upper one 70 %"


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
        for k in range(10):
            np.testing.assert_allclose(sheet[9 * row : 9 * row + 8, 9 * k : 9 * k + 8], images.isel({"class": k}))
    assert [text.get_text() for text in axes.get_xticklabels()] == list("0123456789")
    assert f"Digits: the label's image, n = {int(dataset['count'].sum()):,}" in read(axes)


def test_scatter_shows_every_decoder_that_lived_and_the_best(panels, dataset):
    real = dataset["data_energy"]
    for name, loss, n in zip(("squared error", "absolute error", "adversarial"), DECODERS, (2, 2, 1), strict=True):
        runs = dataset.sel(decoder_loss=loss).isel(decoder=slice(n))
        find(panels[4], runs["energy"] / real, runs["psnr"], name)
    for psnr, energy in zip(dataset["best_psnr"].values, (dataset["best_energy"] / real).values, strict=True):
        assert find(panels[4], [energy], [psnr]).get_marker() == "x"
    assert " ".join(panels[4].get_xlabel().split()) == "PSNR, dB n = 1–2 decoders (up to 1 diverged, left out)"
