"""Equations and lists of numbers as text: what they mean, and where they go wrong."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxreg.errors import ArgumentError
from jaxreg.plotting.typed import CONSTANTS, FUNCTIONS, curve_from_text, parse_equation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x**2 + y**2 + x*y = 1", lambda x, y: x * x + y * y + x * y - 1),
        ("-x**2 = +y", lambda x, y: -(x * x) - y),
        ("2**-x/y", lambda x, y: 0.5**x / y),
        ("x - y - 1 = 2 - x", lambda x, y: x - y - 1 - 2 + x),
        ("x**y**2", lambda x, y: x ** (y * y)),
        ("sin(pi*x) + log(e)*sqrt(y) = exp(-x)", lambda x, y: math.sin(math.pi * x) + y**0.5 - math.exp(-x)),
        ("  1e1*\n(x\t+ .5) = y ", lambda x, y: 10 * (x + 0.5) - y),
        ("7", lambda x, y: 7),
    ],
)
def test_equations_mean_what_they_say(text, expected):
    f = parse_equation(text)
    for x, y in [(0.3, 1.7), (1.9, 0.2)]:
        assert float(f(x, y)) == pytest.approx(expected(x, y), rel=1e-14)
    grid = np.meshgrid(np.linspace(0.1, 2, 3), np.linspace(0.1, 2, 4))
    values = np.broadcast_to(f(*grid), (4, 3))
    np.testing.assert_allclose(values[2, 1], expected(grid[0][2, 1], grid[1][2, 1]), rtol=1e-14)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_is_numpys(name):
    assert float(parse_equation(f"{name}(x) = y")(0.25, 0.0)) == float(getattr(np, name)(0.25))


_EXPRESSIONS = st.recursive(
    st.sampled_from(["x", "y", *CONSTANTS]) | st.floats(0, 99, allow_nan=False).map(repr),
    lambda inner: (
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
        | inner.map(lambda t: f"-{t}")
        | inner.map(lambda t: f"cos({t})")
    ),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None)
@given(_EXPRESSIONS)
def test_arithmetic_is_pythons(text):
    """The reference is Python itself, on text that the test has made."""
    x, y = np.float64(0.7), np.float64(-1.3)
    with np.errstate(all="ignore"):
        expected = (
            eval(text, {"x": x, "y": y, "cos": np.cos, **CONSTANTS, "__builtins__": {}}) if "/" not in text else 0
        )
        if "/" not in text:
            np.testing.assert_allclose(float(parse_equation(text)(x, y)), float(expected), rtol=1e-12)
        else:
            assert np.isscalar(float(parse_equation(text)(x, y)))


@pytest.mark.parametrize(
    ("text", "column", "found"),
    [
        ("", 1, "the end"),
        ("x = ", 5, "the end"),
        (" = x", 2, "'='"),
        ("x = y = 1", 7, "a second '='"),
        ("x**2 == 1", 7, "a second '='"),
        ("x² = 1", 2, "'²'"),
        ("x # y", 3, "'#'"),
        ("x^2 + y = 1", 2, "the unknown operator ^"),
        ("(x) ^ 2 = 1", 5, "the unknown operator ^"),
        ("1 = x % 2", 7, "the unknown operator %"),
        ("x//2 = 1", 2, "the unknown operator //"),
        ("x + 2y = 1", 5, "invalid decimal literal"),
        ("x + 2 y = 1", 7, "'y'"),
        ("x = (y + 1", 5, "never closed"),
        ("x) + (y = 1", 2, "unmatched"),
        ("x**2 + = 1", 7, "nothing more"),
        ("x + spam(y) = 1", 5, "the unknown function spam. Known: abs, arccos"),
        ("x + z = 1", 5, "the unknown name z. Known: x, y, pi, e"),
        ("1 = sin", 5, "sin without its argument"),
        ("sin(x, y) = 1", 1, "sin with another number of arguments"),
        ("sin(x=y)", 4, "never closed"),
        ("x(y + 1) = 1", 1, "x followed by a bracket"),
        ("2(x + 1) = 1", 1, "'2(x + 1)', which is no arithmetic"),
        ("y + x.real = 1", 5, "'x.real', which is no arithmetic"),
        ("__import__('os').system('true')", 1, "which is no arithmetic"),
        ("__import__('os') = 1", 1, "the unknown function __import__"),
        ("[x for x in y]", 1, "which is no arithmetic"),
        ("x < y", 1, "'x < y'"),
        ("True = x", 1, "'True'"),
        ("1j = x", 1, "'1j'"),
        ("'x' = 1", 1, "which is no arithmetic"),
        ("x = 1e999", 5, "a number that is too large"),
        ("x = 1" + 400 * "0", 5, "a number that is too large"),
        ("y = " + 300 * "-" + "x", 5, "nested too deeply"),
        ("y = " + 250 * "(" + "x" + 250 * ")", 205, "too many nested"),
    ],
)
def test_mistakes_are_named_with_their_column(text, column, found):
    with pytest.raises(ArgumentError) as refusal:
        parse_equation(text)
    message = str(refusal.value)
    assert f"has at column {column} " in message
    assert found in message


def test_text_without_end_is_refused():
    with pytest.raises(ArgumentError, match="must not exceed 1000 characters"):
        parse_equation("x+" * 501 + "x")


def test_towers_of_powers_overflow_instead_of_running_for_ever():
    with np.errstate(all="ignore"):
        assert math.isinf(float(parse_equation("9**9**9**9**9 = x")(0.0, 0.0)))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_an_equation_or_refused(text):
    try:
        parse_equation(text)
        message = "at column "
    except ArgumentError as refusal:
        message = str(refusal)
    assert "at column " in message


@pytest.mark.parametrize("text", ["1 2 5", "1,2,5", " 1 , 2\t5\n", "1.0 +2. 0.5e1"])
def test_lists_of_numbers(text):
    numbers = curve_from_text(text)
    assert numbers.dtype == np.float64
    assert numbers.tolist() == [1, 2, 5]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.sampled_from([" ", ",", ", "]))
def test_lists_come_back_exactly(numbers, separator):
    assert curve_from_text(separator.join(map(repr, numbers))).tolist() == numbers


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold at least one number"),
        (" \n", "must hold at least one number"),
        ("1 2 five", "has at column 5 'five', which is no number"),
        ("1,,2", "has at column 3 a comma without a number before it"),
        (",1", "has at column 1 a comma"),
        ("1, 2, ", "has at column 5 a comma without a number after it"),
        ("1;2", "has at column 1 '1;2'"),
        ("1 nan", "has at column 3 'nan'"),
        ("inf", "has at column 1 'inf'"),
        ("1 1e999", "has at column 3 '1e999', which is too large"),
        ("1_000", "has at column 1 '1_000'"),
        ("0 ١", "has at column 3 '١'"),
        ("1 -", "has at column 3 '-'"),
    ],
)
def test_wrong_lists_are_refused(text, said):
    with pytest.raises(ArgumentError) as refusal:
        curve_from_text(text)
    assert said in str(refusal.value)
