"""Early stopping, ridge, dropout and input noise on one linear problem: their runs, and their closed forms."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq, minimize_scalar

from jaxreg import randomness
from jaxreg.linear.factor import svd
from jaxreg.linear.ridge import ridge_path
from jaxreg.linear.risk import ridge_risk

METHODS = ("early stopping", "ridge", "dropout", "input noise")
_RATE = 0.5
_MOST_STEPS = 20_000
_SPREAD = 1.5
_SIGNAL = 2.0


class Strengths(NamedTuple):
    """Strengths of equal degrees of freedom: steps k, ridge's α, dropout's (1 - p)/p, the variance of the noise."""

    steps: np.ndarray
    alpha: np.ndarray
    odds: np.ndarray
    variance: np.ndarray


def calibrate(X: np.ndarray, wanted: np.ndarray, learning_rate: float) -> Strengths:
    """The strengths that spend the `wanted` degrees of freedom; steps are whole, and so only near to it."""
    plain, scaled = (np.linalg.svd(design, compute_uv=False) ** 2 for design in (X, scale_columns(X)))

    def solve(squares: np.ndarray, df: float) -> float:
        def excess(power: float) -> float:
            return float((squares / (squares + 10**power)).sum() - df)

        return float(10 ** brentq(excess, -12, 12))

    spent = (1 - (1 - learning_rate * plain / len(X)) ** np.arange(1, _MOST_STEPS)[:, None]).sum(1)
    steps = np.array([1 + int(abs(spent - df).argmin()) for df in wanted])
    alpha = np.array([solve(plain, df) for df in wanted])
    odds = np.array([solve(scaled, df) for df in wanted])
    return Strengths(steps, alpha, odds, alpha / len(X))


def scale_columns(X: Any) -> Any:
    """Columns of norm 1: dropout is ridge on these, with α = (1 - p)/p."""
    return X / (X**2).sum(0, keepdims=True) ** 0.5


def smooth(X: np.ndarray, strengths: Strengths, learning_rate: float) -> np.ndarray:
    r"""The matrices (method, strength, n, n) that make each method's fit, in the mean over draws, of y.

    With $X = U D V'$ and $s = d^2/n$: $1 - (1 - \eta s)^k$ and $d^2/(d^2 + \alpha)$ along U; for dropout
    $X (X'X + \frac{1-p}{p} \operatorname{diag}(X'X))^{-1} X'$; for input noise ridge with $\alpha = n \sigma^2$.
    """
    n, gram = len(X), X.T @ X
    U, d, _ = np.linalg.svd(X, full_matrices=False)
    early = [U * (1 - (1 - learning_rate * d**2 / n) ** k) @ U.T for k in strengths.steps]
    ridge = [U * (d**2 / (d**2 + alpha)) @ U.T for alpha in strengths.alpha]
    dropout = [X @ np.linalg.solve(gram + odds * np.diag(np.diag(gram)), X.T) for odds in strengths.odds]
    noise = [X @ np.linalg.solve(gram + n * variance * np.eye(len(gram)), X.T) for variance in strengths.variance]
    return np.array([early, ridge, dropout, noise])


def fit_all(
    X: Any, targets: Any, strengths: Any, learning_rate: Any, seed: Any, steps: tuple[int, ...], sgd_steps: int
) -> Any:
    """The coefficients (method, strength, p, targets) of runs that share their masks and their input noise.

    Dropout and input noise are SGD on all rows, with new masks or noise at every step; the iterates of the second
    half are averaged.
    """
    n, p = X.shape
    _, alpha, odds, variance = strengths

    def descend(theta: Any, _: Any) -> tuple[Any, Any]:
        theta = theta - learning_rate * X.T @ (X @ theta - targets) / n
        return theta, theta

    start = jnp.zeros((p, targets.shape[1]), X.dtype)
    early = jax.lax.scan(descend, start, None, length=max(steps))[1][np.array(steps) - 1]
    ridge = jax.vmap(lambda y: ridge_path(X, y, alpha, fit_intercept=False).coef, 1, -1)(targets)
    streams = randomness.split(seed, "masks", "noise")
    keys = [jax.random.split(streams[name], sgd_steps) for name in ("masks", "noise")]
    keep = 1 / (1 + odds)
    rates = _RATE / (1 + jnp.concatenate([odds, variance]))  # the sharper, the shorter

    def step(carry: tuple[Any, Any], moment: tuple[Any, ...]) -> tuple[tuple[Any, Any], None]:
        theta, total = carry
        mask_key, noise_key, counted = moment
        uniform = jax.random.uniform(mask_key, (n, p), jnp.float32).astype(X.dtype)
        normal = jax.random.normal(noise_key, (n, p), jnp.float32).astype(X.dtype)
        masked = jnp.where(uniform[None] < keep[:, None, None], X[None], 0) / keep[:, None, None]
        noisy = X[None] + jnp.sqrt(variance)[:, None, None] * normal[None]
        inputs = jnp.concatenate([masked, noisy])
        slope = jnp.swapaxes(inputs, 1, 2) @ (inputs @ theta - targets[None]) / n
        theta = theta - rates[:, None, None] * slope
        return (theta, total + counted * theta), None

    counted = (jnp.arange(sgd_steps) >= sgd_steps // 2).astype(X.dtype)
    zeros = jnp.zeros((len(rates), *start.shape), X.dtype)
    (_, total), _ = jax.lax.scan(step, (zeros, zeros), (*keys, counted))
    return jnp.concatenate([early[None], ridge[None], (total / counted.sum()).reshape(2, len(alpha), *start.shape)])


def predict_draw(
    X: Any, mean: Any, noise: Any, strengths: Any, learning_rate: Any, *, seed: Any, steps: Any, sgd_steps: int
) -> Any:
    """One draw of the target: each method's fitted values (method, strength, n)."""
    error = jax.random.normal(randomness.split(seed, "target")["target"], mean.shape, mean.dtype)
    coef = fit_all(X, (mean + noise * error)[:, None], strengths, learning_rate, seed, steps, sgd_steps)
    return coef[..., 0] @ X.T


def measure_filters(
    X: Any, U: Any, mean: Any, strengths: Any, learning_rate: Any, *, seed: Any, steps: Any, sgd_steps: int
) -> Any:
    """One draw of masks and input noise, with the left singular vectors as targets: what is left of each of them."""
    coef = fit_all(X, U, strengths, learning_rate, seed, steps, sgd_steps)
    return {"filter": jnp.einsum("ni,np,mspi->msi", U, X, coef), "coef": coef @ (U.T @ mean)}


def compare_risks(times: Any, counts: Any, fractions: Any, *, seed: Any, samples: int, columns: int) -> dict[str, Any]:
    r"""A random problem, with 1 the largest eigenvalue of X'X/n: risks in relation to those of ridge.

    `flow` is gradient flow at time t over ridge at $\alpha = n/t$; `descent` the same for `counts` of steps of
    size 1; `early` gradient flow over ridge, and `dropout` dropout over ridge, each at equal degrees of freedom, the
    `fractions` of p.
    """
    sizes = (samples * columns, columns, columns)
    drawn = jax.random.normal(randomness.split(seed, "problem")["problem"], (sum(sizes) + 1,), jnp.result_type(float))
    features, scales, coef, strength = jnp.split(drawn, np.cumsum(sizes))
    X = features.reshape(samples, columns) * 10 ** (_SPREAD / 2 * scales)[None]
    U, d, _ = svd(X)
    X, eigenvalues = X * jnp.sqrt(samples) / d[0], (d / d[0]) ** 2
    mean = X @ coef
    mean = mean / jnp.linalg.norm(mean) * jnp.sqrt(samples) * 10 ** (_SIGNAL / 2 * (strength[0] - 1))
    projected = mean @ U

    def risk(left: Any) -> Any:
        """In-sample risk for noise of variance 1 of filters 1 - left (times, p)."""
        return ((left * projected[None]) ** 2 + (1 - left) ** 2).sum(1) / samples

    def spend(squares: Any, alphas: Any) -> Any:
        """The degrees of freedom of ridge."""
        return (squares[None] / (squares[None] + alphas[:, None])).sum(1)

    every, first = jnp.concatenate([times, counts]), len(times)
    scaled = scale_columns(X)
    ridge = jax.vmap(lambda design, alphas: ridge_risk(design, mean, 1.0, alphas, fit_intercept=False).total)
    of_ridge, of_dropout = ridge(jnp.stack([X, scaled]), jnp.stack([samples / every, 1 / every]))
    df_ridge, df_dropout = spend(eigenvalues, 1 / times), spend(svd(scaled)[1] ** 2, 1 / times)
    flow = jnp.exp(-times[:, None] * eigenvalues[None])
    descent = (1 - eigenvalues[None]) ** counts[:, None]

    def at(df: Any, risk: Any) -> Any:
        return jnp.interp(fractions * columns, df, jnp.log(risk))

    return {
        "flow": risk(flow) / of_ridge[:first],
        "descent": risk(descent) / of_ridge[first:],
        "early": jnp.exp(at((1 - flow).sum(1), risk(flow)) - at(df_ridge, of_ridge[:first])),
        "dropout": jnp.exp(at(df_dropout, of_dropout[:first]) - at(df_ridge, of_ridge[:first])),
    }


def find_bound() -> float:
    r"""The constant $\sup_u ((1 - e^{-u})(1 + u)/u)^2$ of Ali, Kolter and Tibshirani (2019), 1.69.

    >>> round(find_bound(), 4)
    1.6859
    """
    found = minimize_scalar(lambda u: -(((1 - np.exp(-u)) * (1 + u) / u) ** 2), bounds=(0.1, 10), method="bounded")
    return float(-found.fun)
