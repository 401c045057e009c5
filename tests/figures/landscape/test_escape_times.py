"""The figure of escape times: dots, bars and lines are those of the dataset."""

import numpy as np
import pytest
import xarray as xr

from tests.figures.drawn import find, find_points, read

_TEMPERATURES, _RATES = np.array([0.1, 0.2]), np.array([0.05, 0.2, 0.25, 0.6])
_CURVE = np.linspace(0.1, 0.2, 5)
_CELLS = ("cell", "exit")
_STYLES = {"exact": "-", "diffusion": "--", "Kramers": ":"}


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    time = random.uniform(10, 60, (6, 2))
    return xr.Dataset(
        {
            "steps": ((*_CELLS, "seed"), np.ones((6, 2, 1234), np.int32)),
            "time": (_CELLS, time),
            "low": (_CELLS, 0.9 * time),
            "high": (_CELLS, 1.2 * time),
            "theory": (("law", *_CELLS), random.uniform(10, 60, (3, 6, 2))),
            "temperature_curve": (("law", "exit", "curve_temperature"), random.uniform(10, 60, (3, 2, 5))),
            "rate_curve": (("law", "exit", "curve_rate"), random.uniform(10, 60, (3, 2, 5))),
        },
        {
            "exit": ["saddle", "far side"],
            "law": list(_STYLES),
            "part": ("cell", ["temperature"] * 2 + ["rate"] * 4),
            "temperature": ("cell", [*_TEMPERATURES, 0.1, 0.1, 0.1, 0.1]),
            "learning_rate": ("cell", [0.1, 0.1, *_RATES]),
            "batch_size": ("cell", [1, 1, 1, 4, 5, 12]),
            "curve_temperature": _CURVE,
            "curve_rate": np.linspace(0.05, 0.6, 5),
        },
    )


@pytest.mark.parametrize(
    ("panel", "part", "law"), [(0, "temperature", None), (1, "temperature", "exact"), (2, "rate", "diffusion")]
)
def test_dots_are_the_simulated_times_and_lines_the_theories(panels, dataset, panel, part, law):
    by_rate, curves = part == "rate", dataset[f"{part}_curve"]
    times = dataset[["time", "low", "high"]] / (dataset["theory"].sel(law=law) if law else 1.0)
    curves = curves / (curves.sel(law=law) if law else 1.0)
    for name in dataset["exit"].values:
        cells = times.sel(exit=name).isel(cell=slice(2, 6) if by_rate else slice(0, 2)).rename(time="mean")
        find_points(panels[panel], cells, _RATES if by_rate else 0.25 / _TEMPERATURES)
        for other, style in _STYLES.items():
            grid = dataset["curve_rate"] if by_rate else 0.25 / _CURVE
            if other != law:  # whose line is 1, of either exit
                assert find(panels[panel], curves.sel(exit=name, law=other), grid).get_linestyle() == style


def test_rates_that_stand_too_near_have_no_label_of_their_own(panels):
    assert "n = 1,234 runs each" in read(panels[0])
    assert [text.get_text() for text in panels[2].get_xticklabels()] == ["0.05\n1", "0.2\n4", "", "0.6\n12"]
