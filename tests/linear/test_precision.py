"""Single precision against double on designs of any scale and offset: right to a thousandth, or a status that says so.

Also numbers that the working precision cannot hold, and natural input: lists, frames, sparse matrices.
"""

import jax
import jax.experimental.sparse
import numpy as np
import pytest

from jaxreg.linear import (
    least_squares,
    ridge,
    ridge_path,
)

_SHAPES = {(4, 2): 500, (12, 4): 500, (60, 8): 500, (1000, 5): 480, (40_000, 4): 18, (1_000_000, 2): 2}


def make_designs(n, p, count):
    """Unit-free designs of condition up to 1e5, then in any units and up to 1e4 spreads from zero; targets, alphas."""
    random = np.random.default_rng(n)
    while count:
        Q, W = np.linalg.qr(random.normal(size=(n, p)))[0], np.linalg.qr(random.normal(size=(p, p)))[0]
        X = (Q * np.geomspace(1, 10 ** -random.uniform(0, 5), p)) @ W
        X /= X.std(0)
        far = random.choice([-1, 0, 1], p) * 10 ** random.uniform(0, 4, p)
        units = 10 ** random.uniform(-6, 6, p)
        single = ((X + far) * units).astype(np.float32)
        centred = single - single.mean(0, dtype=float)
        if np.linalg.cond(centred / np.linalg.norm(centred, axis=0)) <= 1e5:
            signal = centred / centred.std(0) @ (random.normal(size=p) * 10 ** random.uniform(-1, 1))
            y = signal + random.normal(size=n) + random.choice([0, 1]) * 10 ** random.uniform(0, 3)
            size = 10 ** random.uniform(-6, 6)
            alpha = random.choice([0, 10 ** random.uniform(-6, 2)]) * np.median(np.linalg.norm(centred, axis=0)) ** 2
            yield single, (size * y).astype(np.float32), np.float32(alpha)
            count -= 1


def predict_exactly(X, y, alpha):
    """Ridge in double precision, by QR of the stacked problem with columns brought to one length."""
    X, y = X.astype(float), y.astype(float)
    A, b = X - X.mean(0), y - y.mean()
    length = np.sqrt((A**2).sum(0) + alpha)
    stacked = np.vstack([A / length, np.diag(np.sqrt(float(alpha)) / length)])
    return A / length @ np.linalg.lstsq(stacked, np.append(b, np.zeros(len(length))), rcond=1e-14)[0] + y.mean()


@pytest.mark.slow
@pytest.mark.parametrize(("n", "p"), _SHAPES)
def test_single_precision_predicts_as_double_or_says_so(n, p):
    """2,000 designs in all, by least squares, ridge and a path; most of them do not need to say so."""
    designs, targets, alphas = map(np.stack, zip(*make_designs(n, p, _SHAPES[n, p]), strict=True))

    @jax.jit
    @jax.vmap
    def fit(X, y, alpha):
        path = ridge_path(X, y, alpha[None])
        fits = least_squares(X, y), least_squares(X, y, normalize="l2"), ridge(X, y, alpha)
        path = path.predict(X)[0], path.status[0], path.coef[0], path.intercept[0]
        return *((fit.predict(X), fit.status, fit.coef, fit.intercept) for fit in fits), path

    said, total = 0, 0
    for k, results in enumerate(fit(designs, targets, alphas)):
        for X, y, alpha, predicted, status, coef, intercept in zip(designs, targets, alphas, *results, strict=True):
            right = predict_exactly(X, y, alpha if k > 1 else 0)
            by_hand = X.astype(float) @ np.asarray(coef, float) + float(intercept)
            error = max(np.linalg.norm(ours - right) for ours in (np.asarray(predicted, float), by_hand))
            assert status or error <= 1e-3 * np.linalg.norm(y - y.mean(dtype=float)), (k, alpha, error)
            said, total = said + bool(status), total + 1
    print(f"{n} x {p}: {said} of {total} say so")
    assert said < 0.5 * total
