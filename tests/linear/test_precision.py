"""Single precision against double on designs of any scale and offset: right to a thousandth, or a status that says so.

Also columns of very different units.
"""

import jax
import jax.experimental.sparse
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.linear import LinearFit, Status, alpha_max, elastic_net, lars_path, lasso, least_squares, ridge, ridge_path

_SHAPES = {(4, 2): 500, (20, 8): 1000, (1000, 5): 480, (40_000, 4): 18, (1_000_000, 2): 2}


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


def minimize_exactly(X, y, alpha, l1_ratio, start):
    """The elastic net in double precision, by QR on the signs of a solution, put right one after the other."""
    X, y, n = X.astype(float), y.astype(float), len(y)
    A, b, sign = X - X.mean(0), y - y.mean(), np.sign(start).astype(float)
    l1, l2 = n * alpha * l1_ratio, n * alpha * (1 - l1_ratio)
    length = np.sqrt((A**2).sum(0) + l2)
    stacked, target = np.vstack([A, np.sqrt(l2) * np.eye(len(length))]) / length, np.append(b, np.zeros(len(length)))
    for _ in range(3 * len(length)):
        used, coef = sign != 0, np.zeros(len(length))
        Q, R = np.linalg.qr(stacked[:, used])
        coef[used] = np.linalg.solve(R, Q.T @ target - np.linalg.solve(R.T, l1 * sign[used] / length[used]))
        slope = stacked.T @ (target - stacked @ coef) * length
        excess = np.where(used, 0, np.abs(slope) - l1 * (1 + 1e-9)) / length
        if (np.sign(coef) != sign).any():
            sign[np.argmin(coef * sign)] = 0
        elif (excess > 0).any():
            sign[np.argmax(excess)] = np.sign(slope[np.argmax(excess)])
        else:
            return A @ (coef / length) + y.mean()
    raise AssertionError("no solution in double precision either")


@pytest.mark.slow
@pytest.mark.parametrize(("n", "p"), _SHAPES)
def test_single_precision_predicts_as_double_or_says_so(n, p):
    """2,000 designs in all, by least squares, ridge, lasso and elastic net; few of them need to say so."""
    designs, targets, alphas = map(np.stack, zip(*make_designs(n, p, _SHAPES[n, p]), strict=True))
    shares = (10 ** np.random.default_rng(p).uniform(-6, 0, len(alphas))).astype(np.float32)

    @jax.jit
    @jax.vmap
    def fit(X, y, alpha, share):
        scaled, path = least_squares(X, y, normalize="l2"), ridge_path(X, y, jnp.stack([0 * alpha, alpha]))
        strength, paths = share * alpha_max(X, y), [path]
        if n < 10_000:  # a program of it takes long to compile
            paths.append(jax.vmap(elastic_net, (None, None, None, 0))(X, y, strength, jnp.array([1.0, 0.5])))
        paths = [LinearFit(path.coef, path.intercept, path.gap, path.status) for path in paths]
        fits = scaled, *(jax.tree.map(lambda part: part[k], path) for path in paths for k in (0, 1))  # noqa: B023
        return strength, [(fit.predict(X), fit.status, fit.coef, fit.intercept) for fit in fits]

    said, total = 0, 0
    strengths, fits = fit(designs, targets, alphas, shares)
    for k, results in enumerate(fits):
        for X, y, alpha, strength, *result in zip(designs, targets, alphas, strengths, *results, strict=True):
            predicted, status, coef, intercept = map(np.asarray, result)
            if k < 3:
                right = predict_exactly(X, y, alpha if k == 2 else 0)
            else:
                right = minimize_exactly(X, y, float(strength), (1.0, 0.5)[k - 3], coef)
            by_hand = X.astype(float) @ coef.astype(float) + float(intercept)
            error = max(np.linalg.norm(ours - right) for ours in (predicted.astype(float), by_hand))
            assert status or error <= 1e-3 * np.linalg.norm(y - y.mean(dtype=float)), (k, alpha, strength, error)
            said, total = said + bool(status), total + 1
    print(f"{n} x {p}: {said} of {total} say so")
    assert said <= 0.2 * total or total < 100  # of fewer a share says nothing


_UNITS = np.array([1e-30, 1e30, 1.0])
_FITS = {
    "least_squares": least_squares,
    "ridge": lambda X, y, **form: ridge(X, y, 0.5, **form),
    "ridge_path": lambda X, y, **form: ridge_path(X, y, np.array([0.5, 2.0]), **form),
    "lasso": lambda X, y, **form: lasso(X, y, 0.1, **form),
    "elastic_net": lambda X, y, **form: elastic_net(X, y, 0.1, 0.5, **form),
    "lars_path": lambda X, y, **form: lars_path(X, y, max_knots=6, **form),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", _FITS)
def test_units_of_columns_are_of_no_matter_once_they_are_scaled_and_else_have_a_status(name):
    random = np.random.default_rng(5)
    X = random.normal(size=(20, 3)).astype(np.float32)
    y, odd = X.sum(1) + random.normal(size=20).astype(np.float32), (X * _UNITS).astype(np.float32)
    plain, scaled, raw = (
        _FITS[name](*form[:2], normalize=form[2]) for form in ((X, y, "std"), (odd, y, "std"), (odd, y, None))
    )
    np.testing.assert_allclose(np.asarray(scaled.coef, float) * _UNITS, plain.coef, 2e-5, 2e-6)
    np.testing.assert_allclose(scaled.predict(odd), plain.predict(X), 1e-4, 1e-5)
    assert not np.asarray(scaled.status).any()
    assert (np.asarray(raw.status) & Status.NOT_CONVERGED).all()
    with jax.enable_x64(True):
        raw = least_squares(X * _UNITS, y)
        np.testing.assert_allclose(
            raw.coef * _UNITS, np.linalg.lstsq(X - X.mean(0, dtype=float), y, rcond=None)[0], 1e-6
        )
        assert raw.status == Status.OK
