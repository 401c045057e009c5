"""Implicit curves: on them the equation holds, all of them are there, poles and jumps are not."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from jaxreg.errors import ArgumentError
from jaxreg.plotting.curves import implicit_curve, trace_curve
from jaxreg.plotting.typed import parse_equation


def _pieces(curve):
    return np.split(curve, np.flatnonzero(np.isnan(curve[:, 0]))) if len(curve) else []


def test_the_ellipse_of_the_tutorial():
    """x² + y² + xy = 1 has the half axes √2 along x = -y and √(2/3) along x = y."""
    curve = trace_curve("x**2 + y**2 + x*y = 1")
    assert len(_pieces(curve)) == 1
    np.testing.assert_array_equal(curve[0], curve[-1])
    u, v = (curve[:, 0] + curve[:, 1]) / 2**0.5, (curve[:, 0] - curve[:, 1]) / 2**0.5
    np.testing.assert_allclose(1.5 * u**2 + 0.5 * v**2, 1, atol=1e-13)
    assert np.abs(v).max() == pytest.approx(2**0.5, abs=1e-3)
    angles = np.sort(np.arctan2(curve[:-1, 1], curve[:-1, 0]))
    assert np.diff(angles).max() < 0.02
    assert angles[-1] - angles[0] > 2 * np.pi - 0.02


@pytest.mark.parametrize(
    ("equation", "pieces"),
    [
        ("y = 1/x", 2),
        ("y = tan(2*x)", 3),
        ("y = sign(x) + x/4", 3),
        ("sqrt(x) = y", 1),
        ("y = log(x)", 1),
        ("x**2 - y**2 = 0.25", 2),
        ("x = 0.3", 1),
        ("x = 0", 1),
        ("abs(x) + abs(y) = 1", 1),
        ("x**4 + y**4 = 10*x**2*y**2 - 0.1", None),
    ],
)
@pytest.mark.parametrize("points", [101, 401])
def test_the_equation_holds_on_every_piece(equation, pieces, points):
    curve = trace_curve(equation, points=points)
    with np.errstate(all="ignore"):
        left = np.abs(np.broadcast_to(parse_equation(equation)(curve[:, 0], curve[:, 1]), len(curve)))
    assert left[~np.isnan(curve[:, 0])].max() < 1e-12
    if pieces is not None:
        assert len([piece for piece in _pieces(curve) if np.isfinite(piece).all(-1).sum() > 1]) == pieces


def test_a_function_may_be_given():
    curve = trace_curve(lambda x, y: np.hypot(x - 1, y) - 3, x=(-3, 5), y=(-4, 4), points=51)
    np.testing.assert_allclose(np.hypot(curve[:, 0] - 1, curve[:, 1]), 3)


def test_drawn_in_one_line_with_its_settings():
    figure, axes = plt.subplots()
    line = implicit_curve(axes, "x*y = 0.5", x=(0.1, 3), y=(0.2, 4), color="red", label="hyperbola")
    assert axes.lines[:] == [line]
    at_x, at_y = line.get_data()
    np.testing.assert_allclose(at_x * at_y, 0.5)
    assert (to_hex(line.get_color()), line.get_label()) == ("#ff0000", "hyperbola")
    assert at_x.min() == pytest.approx(0.125)
    plt.close(figure)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"equation": "x**2 + y**2 = -1"}, "changes its sign nowhere for x from -2 to 2"),
        ({"equation": "(x**2 + y**2 - 1)**2 = 0"}, "changes its sign nowhere"),
        ({"equation": "log(x - 5) = y"}, "changes its sign nowhere"),
        ({"equation": "y = 1/x", "x": (-1e-9, 1e-9), "points": 4}, "changes its sign nowhere"),
        ({"equation": "x = 5"}, "Widen x and y"),
        ({"equation": lambda x, y: np.ones(3)}, "must return the shape of x and y, (401, 401)"),
        ({"equation": "x = y", "x": (1.0, 1.0)}, "x = (1.0, 1.0): must be two finite numbers"),
        ({"equation": "x = y", "y": (0.0, np.inf)}, "y = (0.0, inf)"),
        ({"equation": "x = y", "points": 1}, "points = 1"),
        ({"equation": "x^2 = y"}, "has at column 2 the unknown operator ^"),
    ],
)
def test_what_has_no_curve_is_refused(arguments, message):
    with pytest.raises(ArgumentError) as refusal:
        trace_curve(**arguments)
    assert message in str(refusal.value)
