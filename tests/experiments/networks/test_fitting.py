"""The study of under- and over-fitting: its runs, and verdicts on curves that are known; the figure."""

from functools import partial

import jax
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.networks.fitting import CLAIMS, CURVES, Config, add_errors, by_l2, by_units
from jaxreg import stats
from jaxreg.claims import judge
from jaxreg.nets import train
from tests.experiments.networks.alone import key
from tests.figures.drawn import find
from tests.populations import along, population, verdicts

SMALL = Config(seeds=4, units=(1, 2, 3), l2=(1e-3, 10.0), epochs=12, evaluate_every=3, learning_rate=0.1)
DIVERGED = {"case": 0, "seed": 3}


def test_sizes_and_strengths_are_selected(result):
    sizes, strengths = by_units(result), by_l2(result)
    assert sizes["units"].values.tolist() == [1, 2, 3]
    assert strengths["l2"].values.tolist() == [0, 0.001, 10]
    xr.testing.assert_equal(sizes["train_loss"].sel(units=3, drop=True), strengths["train_loss"].sel(l2=0, drop=True))
    assert (result.attrs["train_images"], result.attrs["validation_images"]) == (259, 1038)


def test_a_run_is_the_training_it_says(result):
    data = jr.datasets.load("digits")
    x, y, x_validation, y_validation = jr.datasets.split(data.x_train, data.y_train, share=0.8, seed=0)
    settings = {"hidden": (3,), "activation": "relu", "optimizer": "adam", "epochs": 12, "evaluate_every": 3}
    sets = {"x_validation": x_validation, "y_validation": y_validation}
    alone = jax.jit(partial(train, x, y, **sets, learning_rate=0.1, l2=1e-3, **settings))(seed=key(1))
    here = result.isel(case=3).sel(seed=1)
    for name in CURVES[:-1]:
        factor = 100 if name.endswith("accuracy") else 1
        np.testing.assert_allclose(here[name], factor * alone[name], rtol=1e-3, atol=0.002 * factor)
    np.testing.assert_allclose(here["validation_error"], 100 - here["validation_accuracy"])
    np.testing.assert_allclose(here["weight_norm"], np.linalg.norm(alone["weight_norm"], axis=-1), rtol=1e-4)


_LN10 = np.log(10)


def _population(train_loss, validation_loss, validation_error, train_error, norm, turn=4, spread=0.005):
    """Last values of the cases (three sizes, then two strengths); validation of all turns at the epoch `turn`.

    Noise is a share of the values.
    """
    epochs = np.arange(1, 11)
    curve = along("epoch", 1 + 0.05 * (abs(epochs - turn) - abs(epochs[-1] - turn)))
    given = {"train_loss": train_loss, "train_accuracy": train_error, "weight_norm": norm}
    means = {name: along("case", np.log(last)) for name, last in given.items()}
    turning = {"validation_loss": validation_loss, "validation_accuracy": validation_error}
    means |= {name: along("case", np.log(last)) + np.log(curve) for name, last in turning.items()}
    made = np.exp(population({"case": 5, "seed": 40, "epoch": epochs}, means, spread=spread, shared=0.05))
    made = made.assign({name: 100 - 100 * made[name] for name in ("train_accuracy", "validation_accuracy")})
    made = made.assign(diverged=made["train_loss"].isel(epoch=0, drop=True).isnull())
    return add_errors(made.assign_coords(units=("case", [1, 8, 64, 64, 64]), l2=("case", [0, 0, 0, 0.01, 10.0])))


_TEXTBOOK = {
    "train_loss": [2.0, 0.5, 0.01, 0.3, _LN10],
    "validation_loss": [2.0, 0.6, 1.0, 0.5, _LN10],
    "validation_error": [0.7, 0.1, 0.2, 0.08, 0.9],
    "train_error": [0.7, 0.05, 0.001, 0.02, 0.9],
    "norm": [3.0, 8.0, 20.0, 10.0, 0.01],
}
_NOTHING = {"train_loss": [2, 0.5, 0.8, 0.3, 1], "train_error": [0.05] * 5, "norm": [3, 8, 20, 10, 1]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # the smallest errs, training loss, size for loss and error, turns of both, λ vanishes, under-fits, helps both
        ({}, "hhhhhhhhhh"),
        ({"validation_loss": [2.0, 0.6, 0.4, 0.5, _LN10]}, "hhfhhhhhhf"),
        ({"validation_error": [0.7, 0.2, 0.1, 0.2, 0.9]}, "hhhfhhhhfh"),
        ({"turn": 10}, "hhhhffhhhh"),
        (_NOTHING, "ffhhhhffhh"),
    ],
    ids=["textbook", "loss_falls_with_size", "error_falls_with_size", "no_turn", "nothing_underfits"],
)
def test_claims(change, expected):
    assert verdicts(CLAIMS, _population(**_TEXTBOOK | change)) == expected


def test_effects_are_those_of_the_largest_network_and_strength():
    measured = [verdict for _, verdict in judge(CLAIMS, _population(**_TEXTBOOK))]
    expected = (70, -0.49, 0.4, 10, 0.3, 6, 0.05, 100, -12, -0.5)
    np.testing.assert_allclose([verdict.effect for verdict in measured], expected, rtol=0.1)
    assert [verdict.n for verdict in measured] == [40, 40, 20, 20, 20, 20, 40, 40, 20, 20]


# --- Figure -----------------------------------------------------------------------------------------------------------


def test_three_networks_are_shown_in_training(panels, dataset):
    titles = ["(a) Under-fitted: 1 unit", "(b) Well fitted: 2 units", "(c) Over-fitted: 3 units"]
    for axes, place, title in zip(panels[:3], (0, 1, 2), titles, strict=True):
        for part, label in (("train", "training"), ("validation", "validation")):
            mean = stats.mean(dataset.isel(case=place), f"{part}_loss", dim="seed")["mean"]
            find(axes, mean, label=label)
        (turn,) = (line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":")
        assert turn == mean["epoch"][mean.argmin("epoch")]
        assert (axes.get_ylim(), axes.get_title(loc="left")) == (panels[0].get_ylim(), title)


@pytest.mark.parametrize(("panel", "cases"), [(3, slice(0, 3)), (6, slice(2, 5))])
def test_last_values_are_means_over_size_and_strength(panels, dataset, panel, cases):
    for axes, kind in zip(panels[panel : panel + 3], ("loss", "error", "weight_norm"), strict=True):
        lines = [line for line in axes.lines if line.get_marker() == "o"]
        names = [kind] if kind == "weight_norm" else [f"train_{kind}", f"validation_{kind}"]
        for line, name in zip(lines, names, strict=True):
            summary = stats.mean(dataset.isel(epoch=-1, case=cases), name, dim="seed")
            np.testing.assert_allclose(line.get_xdata(), (1, 2, 3) if panel == 3 else (1e-4, 1e-3, 10))
            np.testing.assert_allclose(line.get_ydata(), summary["mean"])


def test_strength_0_has_its_place_and_the_figure_says_its_data_and_n(panels):
    for axes in panels[6:]:
        assert axes.get_xscale() == "log"
        assert (axes.get_xticks()[0], axes.get_xticklabels()[0].get_text()) == (1e-4, "0")
    heading = "Digits: 259 training and 1,038 validation images; n = 3–4 seeds (up to 1 diverged, left out)"
    assert panels[0].figure.get_suptitle() == heading
