"""The figure of escape times: dots, bars and lines are those of the dataset."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

_TEMPERATURES, _RATES = np.array([0.1, 0.2]), np.array([0.05, 0.2, 0.25, 0.6])
_CURVE = np.linspace(0.1, 0.2, 5)
_CELLS = ("cell", "exit")


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    time = random.uniform(10, 60, (6, 2))
    theory = random.uniform(10, 60, (3, 6, 2))
    return xr.Dataset(
        {
            "steps": ((*_CELLS, "seed"), np.ones((6, 2, 1234), np.int32)),
            "time": (_CELLS, time),
            "low": (_CELLS, 0.9 * time),
            "high": (_CELLS, 1.2 * time),
            "theory": (("law", *_CELLS), theory),
            "temperature_curve": (("law", "exit", "curve_temperature"), random.uniform(10, 60, (3, 2, 5))),
            "rate_curve": (("law", "exit", "curve_rate"), random.uniform(10, 60, (3, 2, 5))),
        },
        {
            "exit": ["saddle", "far side"],
            "law": ["exact", "diffusion", "Kramers"],
            "part": ("cell", ["temperature"] * 2 + ["rate"] * 4),
            "temperature": ("cell", [*_TEMPERATURES, 0.1, 0.1, 0.1, 0.1]),
            "learning_rate": ("cell", [0.1, 0.1, *_RATES]),
            "batch_size": ("cell", [1, 1, 1, 4, 5, 12]),
            "curve_temperature": _CURVE,
            "curve_rate": np.linspace(0.05, 0.6, 5),
        },
    )


def _dots(axes):
    """Positions of the dots, and ends of their bars, by exit."""
    found = []
    for container in axes.containers:
        line, _, (bars,) = container.lines
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        found.append((line.get_xdata(), line.get_ydata(), ends))
    return dict(zip(("far side", "saddle"), found, strict=True))


def _scales(dataset, law):
    return 1.0 if law is None else dataset["theory"].sel(law=law)


@pytest.mark.parametrize(
    ("panel", "part", "law"), [(0, "temperature", None), (1, "temperature", "exact"), (2, "rate", "diffusion")]
)
def test_dots_are_the_simulated_times(panels, dataset, panel, part, law):
    dots = _dots(panels[panel])
    cells = slice(0, 2) if part == "temperature" else slice(2, 6)
    for name, (x, y, ends) in dots.items():
        np.testing.assert_allclose(x, 0.25 / _TEMPERATURES if part == "temperature" else _RATES)
        for key, drawn in (("time", y), ("low", ends[:, 0]), ("high", ends[:, 1])):
            expected = (dataset[key] / _scales(dataset, law)).isel(cell=cells).sel(exit=name)
            np.testing.assert_allclose(drawn, expected)


@pytest.mark.parametrize(
    ("panel", "part", "law"), [(0, "temperature", None), (1, "temperature", "exact"), (2, "rate", "diffusion")]
)
def test_lines_are_the_theories(panels, dataset, panel, part, law):
    curves = dataset[f"{part}_curve"]
    drawn = [line for line in panels[panel].lines if len(line.get_xdata()) == 5]
    assert len(drawn) == 6
    expected = [(name, other) for name in ("far side", "saddle") for other in ("exact", "diffusion", "Kramers")]
    for line, (name, other) in zip(drawn, expected, strict=True):
        scale = 1.0 if law is None else curves.sel(exit=name, law=law).values
        np.testing.assert_allclose(line.get_ydata(), curves.sel(exit=name, law=other).values / scale)
        assert line.get_linestyle() == {"exact": "-", "diffusion": "--", "Kramers": ":"}[other]
        grid = 0.25 / _CURVE if part == "temperature" else dataset["curve_rate"]
        np.testing.assert_allclose(line.get_xdata(), grid)
    colors = {to_hex(line.get_color()) for line in drawn if line.get_linestyle() == ":"}
    assert len(colors) == 2


def test_axes_say_what_they_show(panels):
    assert "n = 1,234 runs each" in panels[0].get_title(loc="left")
    assert "η = 0.1" in panels[1].get_title(loc="left")
    assert "= 0.1" in panels[2].get_title(loc="left")
    assert panels[0].get_yscale() == panels[2].get_xscale() == "log"
    assert all("barrier" in axes.get_xlabel() for axes in panels[:2])
    assert "learning rate" in panels[2].get_xlabel()
    # 0.25 stands too near to 0.2
    assert [text.get_text() for text in panels[2].get_xticklabels()] == ["0.05\n1", "0.2\n4", "", "0.6\n12"]
    np.testing.assert_allclose(panels[2].get_xticks(), _RATES)
    assert [text.get_text() for text in panels[0].get_legend().get_texts()] == ["to the far side", "to the saddle"]
    texts = [text.get_text() for text in panels[1].get_legend().get_texts()]
    assert texts == ["exact law of SGD", "diffusion", "Kramers"]
