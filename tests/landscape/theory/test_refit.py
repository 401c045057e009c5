"""Refits: their typical error against simulation, and averages over all subsets against polyfit."""

import itertools

import numpy as np
import pytest

from jaxreg.errors import ArgumentError
from jaxreg.landscape.theory.refit import average_refits, refit_law, typical_refit_error

_RANDOM = np.random.default_rng(0)
_X = np.sort(_RANDOM.uniform(-3, 5, 11))
_Y = _RANDOM.normal(size=11)


def test_law_by_hand():
    assert refit_law(10, 100, 6) == pytest.approx(0.9 / 2)
    assert refit_law(20, 80, 3) == pytest.approx(0.75 / 15)
    np.testing.assert_array_equal(refit_law(np.array([7, 8, 100]), 100, 6), [np.inf, np.inf, 0])
    assert refit_law(3, 3, 2) == 0  # all points: no error, whatever the degree


def test_law_is_that_of_gaussian_regression():
    """E (X'X)^-1 = 1/(K - q - 1) for K Gaussian rows of q numbers, out of a population without end."""
    rows = _RANDOM.normal(size=(40_000, 15, 3))
    inverse = np.linalg.inv(np.einsum("ski,skj->sij", rows, rows))
    found = np.diagonal(inverse, axis1=1, axis2=2).mean(-1)
    expected = refit_law(15, 1e12, 2)
    assert abs(found.mean() - expected) < 4 * found.std() / np.sqrt(len(found))
    assert found.std() / np.sqrt(len(found)) < 0.01 * expected


def test_typical_error_is_the_median_of_refits_by_polyfit():
    x = np.linspace(-2, 6, 60)
    y = np.sin(x) + _RANDOM.normal(size=60) * (1 + 0.3 * abs(x))  # residuals of unequal size
    places = np.array([-1.0, 2.0, 6.0])
    full = np.polynomial.Polynomial.fit(x, y, 2).deriv()(places)
    errors = []
    for _ in range(3000):
        chosen = _RANDOM.choice(60, 30, replace=False)
        errors.append(np.polyval(np.polyder(np.polyfit(x[chosen], y[chosen], 2)), places) - full)
    found = np.median(np.square(errors), 0)
    np.testing.assert_allclose(found, typical_refit_error(x, y, 2, 30, places), rtol=0.12)
    both = typical_refit_error(x, y, 2, np.array([30, 60]), places)
    np.testing.assert_allclose(both[0], typical_refit_error(x, y, 2, 30, places))
    assert (both[1] == 0).all()


def test_typical_error_scales_with_the_data():
    places = np.array([0.0, 3.0])
    one = typical_refit_error(_X, _Y, 2, 6, places)
    np.testing.assert_allclose(typical_refit_error(_X, 3 * _Y + _X**2, 2, 6, places), 9 * one)
    np.testing.assert_allclose(typical_refit_error(10 * _X - 4, _Y, 2, 6, 10 * places - 4), one / 100)


@pytest.mark.parametrize("size", [3, 4, 7, 10, 11])
def test_volume_sampling_is_exact_and_the_averages_are_those_of_polyfit(size):
    averages = average_refits(_X, _Y, 2, size)
    np.testing.assert_allclose(averages.full, np.polyfit(_X, _Y, 2)[::-1], rtol=1e-9)
    assert abs(averages.weighted - averages.full).max() < 1e-12
    subsets = [list(s) for s in itertools.combinations(range(11), size)]
    assert averages.subsets == len(subsets)
    refits = np.array([np.polyfit(_X[s], _Y[s], 2)[::-1] for s in subsets])
    np.testing.assert_allclose(averages.plain, refits.mean(0), rtol=1e-8)
    design = np.vander(_X, 3)
    volumes = np.array([np.linalg.det(design[s].T @ design[s]) for s in subsets])
    np.testing.assert_allclose(averages.weighted, volumes @ refits / volumes.sum(), rtol=1e-8)
    gap = abs(averages.plain - averages.full).max()
    assert gap < 1e-12 if size == 11 else gap > 1e-3  # plain averages are exact for all the points alone


def test_an_exact_polynomial_is_found_by_every_refit():
    averages = average_refits(_X, 2 - _X, 3, 5)  # of a lower degree, so that leading coefficients are zero
    for found in (averages.full, averages.weighted, averages.plain):
        np.testing.assert_allclose(found, [2, -1, 0, 0], atol=1e-9)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: refit_law(101, 100, 6), "batch_size"),
        (lambda: refit_law(0, 100, 6), "batch_size"),
        (lambda: refit_law(10, 100, 0), "degree"),
        (lambda: typical_refit_error(_X, _Y, 2, 12, np.zeros(1)), "batch_size"),
        (lambda: typical_refit_error(np.zeros(11), _Y, 2, 8, np.zeros(1)), "x"),
        (lambda: average_refits(_X, _Y, 2, 2), "batch_size"),
        (lambda: average_refits(_X, _Y, 2, 12), "batch_size"),
        (lambda: average_refits(_X, np.full(11, np.nan), 2, 4), "y"),
        (lambda: average_refits(np.arange(40.0), np.zeros(40), 2, 20), "batch_size"),
    ],
)
def test_bad_input_is_refused_by_name(call, named):
    with pytest.raises(ArgumentError, match=rf"^{named}\b"):
        call()
