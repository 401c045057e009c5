"""Gauss-Legendre quadrature in panels, and the shape of a landscape that it needs; float64 on the host."""

import functools

import numpy as np
from jaxtyping import Float
from numpy.polynomial import legendre, polynomial

from jaxreg.errors import ArgumentError
from jaxreg.landscape.polynomial import Polynomial, check_landscape, read_host

ORDER = 16  # nodes in a panel
_LEAST, _MOST = 1e-100, 1e100  # of coefficients, so that no product of them vanishes or overflows


@functools.cache
def _rule() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes and weights on [-1, 1], and the matrix that takes values at the nodes to integrals from -1 to each."""
    nodes, weights = legendre.leggauss(ORDER)
    basis = legendre.legvander(nodes, ORDER)
    integrals = np.empty((ORDER, ORDER))
    integrals[:, 0] = nodes + 1
    degree = np.arange(1, ORDER)
    integrals[:, 1:] = (basis[:, 2:] - basis[:, :-2]) / (2 * degree + 1)
    projection = (np.arange(ORDER)[:, None] + 0.5) * basis[:, :-1].T * weights
    return nodes, weights, integrals @ projection


def panels(edges: Float[np.ndarray, " edges"]) -> tuple[Float[np.ndarray, "panels 16"], Float[np.ndarray, "panels 16"]]:
    """Nodes and weights of the rule of order `ORDER` between each pair of neighbouring edges.

    >>> nodes, weights = panels(np.array([0.0, 1.0, 3.0]))
    >>> round(float((weights * nodes**2).sum()), 12)
    9.0
    """
    nodes, weights, _ = _rule()
    half = np.diff(edges)[:, None] / 2
    return edges[:-1, None] + half * (1 + nodes), half * weights


def log_integrals(
    edges: Float[np.ndarray, " edges"], exponent: Float[np.ndarray, "panels 16"]
) -> tuple[Float[np.ndarray, " edges"], Float[np.ndarray, "panels 16"]]:
    """Logarithm of the integral of exp(exponent) from the first edge to each edge, and to each node of `panels`.

    Each panel is scaled by its largest value, so that neither overflows nor vanishes.

    >>> edges = np.array([0.0, 1.0, 3.0])
    >>> to_edges, _ = log_integrals(edges, 1000 + 0 * panels(edges)[0])
    >>> (to_edges[1:] - 1000).round(6)
    array([0.      , 1.098612])
    """
    _, weights, integrals = _rule()
    half = np.diff(edges) / 2
    largest = exponent.max(1)
    scaled = np.exp(exponent - largest[:, None]) * half[:, None]
    within = np.maximum(scaled @ integrals.T, np.finfo(float).tiny)
    to_edges = np.logaddexp.accumulate(np.append(-np.inf, np.log(scaled @ weights) + largest))
    return to_edges, np.logaddexp(to_edges[:-1, None], np.log(within) + largest[:, None])


def read_landscape(landscape: Polynomial, confined: tuple[bool, bool]) -> np.ndarray:
    """The coefficients in float64, lowest first, of a landscape that rises without bound on the left and on the right.

    They are of powers of t = (w - center) / scale.

    Raises:
        ArgumentError: traced coefficients, or a landscape that does not rise where `confined` says that it must.
    """
    check_landscape(landscape)
    coefficients = polynomial.polytrim(read_host(landscape))
    largest = abs(coefficients).max()
    if largest and not _LEAST <= largest <= _MOST:
        constraint = f"must have a largest coefficient from {_LEAST:g} to {_MOST:g} in size"
        raise ArgumentError("landscape", landscape.coefficients, constraint, "Give it in other units")
    rises = (coefficients[-1] * (-1) ** (len(coefficients) - 1) > 0, coefficients[-1] > 0)
    for must, does, side in zip(confined, rises, ("left", "right"), strict=True):
        if must and not (does and len(coefficients) > 1):
            constraint = f"must rise without bound on the {side}, to hold the runs"
            raise ArgumentError("landscape", landscape.coefficients, constraint, "Take another landscape")
    return coefficients


def level_set(coefficients: np.ndarray, height: float) -> Float[np.ndarray, " points"]:
    """Where the landscape has this height, ascending."""
    shifted = coefficients.copy()
    shifted[0] -= height
    roots = np.asarray(polynomial.polyroots(shifted), complex)
    return np.sort(roots.real[abs(roots.imag) <= 1e-6 * (1 + abs(roots))])
