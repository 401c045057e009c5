"""The squared error of any estimator, split into bias, variance and noise by Monte Carlo through the sweep engine."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Array, Num

from jaxreg.checks import check_choice, check_kind, read_jax
from jaxreg.engine import sweep
from jaxreg.errors import ArgumentError
from jaxreg.linear import boundary

_FEWEST = 3  # runs that a jackknife of a product of two runs needs


def decompose_error(
    predict: Callable[..., Any],
    axes: Mapping[str, Any],
    truth: Num[Array | np.ndarray, " m"],
    *,
    noise: int | float = 0.0,
    dim: str = "seed",
    dims: Mapping[str, Any] | None = None,
    **settings: Any,
) -> xr.Dataset:
    r"""Split an estimator's expected squared prediction error, $\text{bias}^2 + \text{variance} + \sigma^2$.

    Each run draws its own data from its seed, fits, and predicts the same m rows, whose truth is $f$. With errors
    $e_s = \hat y_s - f$ of runs $s = 1 \dots n$, and means over the rows throughout,

    $$\widehat{\text{bias}^2} = \frac{1}{n(n-1)} \sum_{s \ne t} e_s e_t, \qquad
      \widehat{\text{variance}} = \frac1{n-1} \sum_s (e_s - \bar e)^2,$$

    both unbiased, so that a squared bias may come out below 0: it is then too small to be seen. The standard errors are
    those of the jackknife, which leaves out one run at a time.

    Args:
        predict: pure function `predict(*args, **point)`, as `jaxreg.sweep` runs it, that returns the predictions (m,);
            with `dims`, (*dims, m).
        axes: axes of the sweep, `{"seed": jr.seeds(1000), "alpha": alphas}`, say.
        truth: $f$, the expected target at each of the rows.
        noise: $\sigma$, the standard deviation of a new observation, 0 or more.
        dim: the axis of the runs that are averaged.
        dims: further dimensions of the predictions with their coordinates, as the alphas of a path.
        **settings: what `jaxreg.sweep` takes, as `args`, `store`, `x64` and `progress`.

    Returns:
        Dataset of `bias2`, `variance`, `noise` and `error`, their sum, with standard errors `bias2_se`, `variance_se`,
        `error_se`, and `n`, the runs used, and `diverged`, those left out, over the axes and dimensions other than
        `dim`. Of fewer than three runs, standard errors are infinite; of fewer than two, estimates are NaN.

    Raises:
        ArgumentError: a truth that is not flat and finite, a negative noise, a `dim` that is no axis, an axis named as
            a variable of the result, or predictions of another shape.
        SweepError: as `jaxreg.sweep`.

    >>> import jax, jaxreg as jr
    >>> def shrink(seed, factor):  # the mean of four draws around 2, times a factor
    ...     return factor * (2 + jax.random.normal(seed, 4)).mean(keepdims=True)
    >>> axes = {"seed": jr.seeds(4000), "factor": [0.5, 1.0]}
    >>> split = decompose_error(shrink, axes, np.array([2.0]), noise=1.0, progress=False)
    >>> split["bias2"].values.round(1) + 0.0, split["variance"].values.round(2)  # 1 and 0; 1/16 and 1/4
    (array([1., 0.]), array([0.06, 0.25]))

    Source: Efron and Stein, Ann. Stat. 9 (1981) 586-596 (jackknife).
    """
    boundary.read_number("noise", noise, "Give a standard deviation of 0 or more")
    boundary.read_floats("truth", truth)
    wanted = np.asarray(truth, np.float64)
    if wanted.ndim != 1 or not len(wanted):
        raise ArgumentError("truth", wanted.shape, "must be a flat array of one or more", "Give one number per row")
    if not callable(predict):
        raise ArgumentError("predict", predict, "must be a function", "Give one that returns predictions of `truth`")
    check_kind("axes", axes, Mapping, "Give the axes of a sweep, as {'seed': jaxreg.seeds(1000)}")
    check_choice("dim", dim, axes, "Choose the axis of the runs")
    check_kind("dims", dims, (Mapping, type(None)), "Give {'alpha': alphas}, say")
    inner = dict(dims or {})
    for name, values in inner.items():
        if isinstance(values, str) or not hasattr(values, "__len__") or not np.shape(values):
            raise ArgumentError(f"dims[{name!r}]", values, "must be a list of coordinates", "Give the alphas, say")
    clash = sorted({"bias2", "variance", "noise", "error", "n", "diverged"} & {*axes, *inner})
    if clash:
        raise ArgumentError("axes", clash, "must not be named as what is returned", "Rename them, as noise to sigma")

    @functools.wraps(predict)
    def run(*args: Any, **point: Any) -> dict[str, Any]:
        prediction = read_jax("what predict returns", predict(*args, **point))
        shape = (*(len(values) for values in inner.values()), len(wanted))
        if prediction.shape != shape:
            remedy = "Predict the rows of `truth`; name what comes before them in `dims`"
            raise ArgumentError("shape of the predictions", prediction.shape, f"must be {shape}", remedy)
        return {"prediction": prediction}

    rows = {"prediction": {**inner, "row": np.arange(len(wanted))}}
    result = sweep(run, axes, dims=rows, **settings)
    rest = [str(name) for name in result["prediction"].dims if name not in (dim, "row")]
    ordered = result["prediction"].transpose(*rest, dim, "row")
    error = np.asarray(ordered.values, np.float64) - wanted
    valid = np.asarray(np.isfinite(error).all(-1))
    parts = _split(np.where(valid[..., None], error, 0), valid)
    noise2 = np.full(valid.shape[:-1], float(noise) ** 2)
    parts |= {"noise": noise2, "error": parts["error"] + noise2, "n": valid.sum(-1), "diverged": (~valid).sum(-1)}
    return xr.Dataset(
        {name: (rest, values) for name, values in parts.items()},
        {name: result[name] for name in rest},
        {"provenance": result.attrs["provenance"], "over": dim},
    )


def _split(error: np.ndarray, valid: np.ndarray) -> dict[str, np.ndarray]:
    """Bias², variance and their sum of errors (..., runs, rows), 0 where not valid, and their jackknife errors."""
    rows, n = error.shape[-1], valid.sum(-1)
    total = error.sum(-2)
    square = (error**2).sum(-1)
    squares = square.sum(-1)

    def estimate(total2: Any, squares: Any, n: Any) -> tuple[Any, ...]:
        """From the squared norm of the sum of n runs and the sum of their squared norms."""
        with np.errstate(divide="ignore", invalid="ignore"):
            bias2 = np.where(n > 1, (total2 - squares) / (n * (n - 1) * rows), np.nan)
            mean = np.where(n > 0, squares / (n * rows), np.nan)
        return bias2, mean - bias2, mean

    found = estimate((total**2).sum(-1), squares, n)
    with_run = np.einsum("...sr,...r->...s", error, total)
    total2 = (total**2).sum(-1)[..., None] - 2 * with_run + square
    without = estimate(total2, squares[..., None] - square, np.broadcast_to(n[..., None] - 1, square.shape))
    names = ("bias2", "variance", "error")
    result = dict(zip(names, found, strict=True))
    for name, values in zip(names, without, strict=True):
        used = np.where(valid, values, 0)
        centred = np.where(valid, used - (used.sum(-1) / np.maximum(n, 1))[..., None], 0)
        spread = np.sqrt((centred**2).sum(-1) * (n - 1) / np.maximum(n, 1))
        result[f"{name}_se"] = np.where(n >= _FEWEST, spread, np.inf)
    return result
