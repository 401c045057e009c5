"""The figure of cross-entropy: what it shows is what the dataset says; its curves from text are those of the text."""

import numpy as np
import pytest
import xarray as xr

from tests.figures.drawn import find

_LOSSES = ["cross-entropy", "squared error"]
_UNITS = ["sigmoid", "ReLU", "ReLU, one silent"]


@pytest.fixture(scope="module")
def dataset():
    seeds, networks, scales = 300, 30, (1.0, 4.0)
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


def test_clip_and_worked_example(panels, dataset):
    for epsilon, label in zip(dataset["epsilon"].values, ("1e-10", "1e-7", "1e-3", "1e-1"), strict=True):
        find(panels[0], dataset["curve"].sel(epsilon=epsilon), dataset["p"], f"ε = {label}")
    for k, label in enumerate(("y = 1, p = 0.9", "y = 0, p = 0.2", "y = 1, p = 0")):
        find(panels[1], dataset["example_loss"].isel(example=k), label=label)
    find(panels[1], dataset["example_sum"], label="sum")


def test_slopes_and_escapes(panels, dataset):
    widest = dataset.sel(scale=4.0).isel(seed=slice(150))
    for loss in _LOSSES:
        assert find(panels[2], dataset["slope"].sel(loss=loss), dataset["z"]).get_label().startswith(f"{loss}: ")
        find(panels[3], widest["escape_steps"].sel(loss=loss), widest["start"], loss)
    last = [line for line in panels[4].lines if line.get_zorder() == 2 and len(line.get_xdata()) > 2][-1]
    steps = dataset["escape_steps"].sel(scale=4.0, loss="squared error").values
    for place in (0, 40, -1):
        assert last.get_ydata()[place] == pytest.approx((steps > last.get_xdata()[place]).mean())
    assert panels[4].get_xlabel() == "step\nn = 300 starts each"


def test_kinks_and_softmax(panels, dataset):
    dots = [line for line in panels[5].lines if line.get_marker() == "."]
    for place, (units, line) in enumerate(zip(_UNITS, dots, strict=True)):
        np.testing.assert_allclose(np.sort(line.get_ydata()), np.sort(dataset["jump"].sel(units=units)))
        assert abs(line.get_xdata() - place).max() < 0.5
    find(panels[6], dataset["autodiff"])
    assert "0e+00" in panels[6].texts[0].get_text()


def test_the_curves_of_the_tutorial(panels):
    assert panels[7].lines[0].get_ydata().tolist() == [1, 2, 5]
    x, y = panels[8].lines[0].get_data()
    np.testing.assert_allclose(x**2 + y**2 + x * y, 1)
    assert panels[8].get_aspect() == 1
