"""Why does the error of least squares peak where there are as many parameters as samples, and what removes the peak?"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from jaxreg.checks import NOT_NEGATIVE, SHARE, Domain, check_integer
from jaxreg.errors import ArgumentError
from jaxreg.linear.risk import minimum_norm_risk
from jaxreg.linear.spectrum import decompose, solve
from jaxreg.study import Above, Below, Claim, Estimate, choose, estimate, exactly, held_out, percentage
from jaxreg.study.settings import ChoosingSeeds, Holds, Integers, Numbers, Ordered, check_settings

ABLATIONS = ("none", "small singular values", "test rows", "residual")
"""What is taken away from minimum-norm least squares: nothing, or one of the three ingredients of the peak."""

VIEWS = {"model-wise": "features", "sample-wise": "samples"}
"""The two ways through the peak, and the dimension that each runs along."""

_SURE = 8  # |p - n| from which the error's fourth moment is finite, so that its standard error means something
_RESAMPLES = 400
_NO_PEAK = 1.25  # a median this many times its surroundings is not called a peak
_Sizes = Annotated[Integers, Domain(1, ends="[)", whole=True), Ordered("rising")]


@dataclass(frozen=True)
class Config:
    """Settings of the study: rows of independent standard normal features, coefficients all equal, Gaussian noise."""

    seeds: ChoosingSeeds = 1000
    """Number of data sets in each cell; a seed's first rows and columns are the same in every cell."""
    critical: Annotated[int, Domain(4, ends="[)", whole=True)] = 24
    """Where the peak is: the rows of the model-wise study, and the columns of the sample-wise one."""
    features: int = 96
    """Features that the target depends on; a model with p of them leaves the others to the noise."""
    sizes: _Sizes = (*range(2, 22, 2), *range(22, 27), 28, 30, 32, 36, 40, 48, 64, 80, 96)
    """The numbers of columns (model-wise) and of rows (sample-wise)."""
    signal: Annotated[float, Domain(1e-6, 1e6)] = 1.0
    """Norm of the coefficients of all features."""
    noise: Annotated[float, Domain(0, 1e6)] = 0.3
    """Standard deviation of the noise on each observation."""
    cutoff: Annotated[float, SHARE] = 0.3
    """Singular values below this share of the largest are dropped, in the ablation of the small ones."""
    factors: Annotated[Numbers, NOT_NEGATIVE, Ordered("rising"), Holds((1.0,))] = tuple(2.0**k for k in range(-6, 7))
    """Ridge strengths to choose from, as multiples of the closed-form optimum."""


PRESETS = {
    "quick": Config(seeds=200, critical=12, features=48, sizes=(2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 32, 48)),
    "laptop": Config(),
    "paper": Config(seeds=20_000),
}


def run(config: Config, **options: Any) -> xr.Dataset:
    """Fit every data set by minimum-norm least squares, by its three ablations and by ridge at several strengths.

    Returns:
        Dataset over `view` ("model-wise" and "sample-wise"), `seed` and `size` (columns or rows) of `error`, the
        expected squared error on a new observation, for each `ablation`, and of `ridge_error` for each `factor` of
        the optimal strength; of `theory`, the exact mean of the unablated error; and, as an attribute, `critical`.
    """
    _check(config)
    fixed = ("critical", "features", "signal", "noise", "cutoff")
    result = jr.sweep(
        partial(fit_draw, most=max(config.sizes), **{name: getattr(config, name) for name in fixed}),
        {
            "view": jr.static(list(VIEWS)),
            "seed": jr.seeds(config.seeds),
            "size": np.array(config.sizes),
        },
        args=(np.array(config.factors),),
        dims={"error": {"ablation": list(ABLATIONS)}, "ridge_error": {"factor": np.array(config.factors)}},
        x64=True,
        **options,
    )
    theory = np.array([[_predict_error(config, view, size) for size in config.sizes] for view in VIEWS])
    return result.assign(theory=(("view", "size"), theory)).assign_attrs(critical=config.critical)


def _check(config: Config) -> None:
    """Refuse settings that draw no peak, or that no data set has."""
    check_settings(config)
    widest = max((config.critical, *config.sizes))
    check_integer("features", config.features, widest, math.inf, "Let the target depend on more")
    needed = {config.critical // 2, config.critical, 2 * config.critical}
    if not needed <= set(config.sizes):
        raise ArgumentError("sizes", config.sizes, f"must hold {sorted(needed)}", "Add them: the claims compare them")


def fit_draw(
    factors: Any,
    *,
    seed: Any,
    size: Any,
    view: str,
    critical: int,
    features: int,
    most: int,
    signal: float,
    noise: float,
    cutoff: float,
) -> dict[str, Any]:
    """Expected test errors of all fits to one data set, rows and columns beyond its size being zero.

    Rows and columns of zeros change no minimum-norm and no ridge solution: one program serves every size. With
    independent standard normal features, coefficients off by d add |d|² to the variance that the model leaves.
    """
    rows, columns = (critical, most) if view == "model-wise" else (most, critical)
    n, p = (rows, size) if view == "model-wise" else (size, columns)
    streams = jr.randomness.split(seed, "features", "noise")
    X = jax.random.normal(streams["features"], (rows, features), float)
    each = signal / math.sqrt(features)
    n, p = (jnp.asarray(count, int) for count in (n, p))
    used, present = jnp.arange(columns) < p, (jnp.arange(rows) < n)[:, None]
    b = jnp.where(used, each, 0)
    A = jnp.where(used[None] & present, X[:, :columns], 0)
    y = each * X.sum(1) + noise * jax.random.normal(streams["noise"], (rows,), float)
    y = jnp.where(present[:, 0], y, 0)
    left = noise**2 + each**2 * jnp.asarray(features - p, float)  # variance that the best model with p features leaves

    spectrum = decompose(A)
    zero = jnp.zeros(())
    plain = solve(spectrum, A, y, zero, True).coef
    large = spectrum.values > cutoff * spectrum.values[0]
    truncated = solve(spectrum._replace(values=jnp.where(large, spectrum.values, 0)), A, y, zero, False).coef
    in_class = solve(spectrum, A, A @ b, zero, True).coef
    leading = jnp.arange(len(spectrum.values)) < (jnp.minimum(n, p) + 1) // 2
    seen = jnp.where(leading, spectrum.right, 0)  # test rows within the leading half of the training directions
    off = {
        "none": plain - b,
        "small singular values": truncated - b,
        "test rows": seen.T @ (plain - b),
        "residual": in_class - b,
    }
    shrunk = solve(spectrum, A, y, factors * left / each**2, False).coef - b[None]
    error = jnp.stack([(off[name] ** 2).sum() for name in ABLATIONS])
    return {"error": error + left, "ridge_error": (shrunk**2).sum(1) + left}


def _predict_error(config: Config, view: str, size: int) -> float:
    """The exact mean error of minimum-norm least squares, without ablation."""
    n, p = (config.critical, size) if view == "model-wise" else (size, config.critical)
    share = p / config.features
    left = config.noise**2 + config.signal**2 * (1 - share)
    return minimum_norm_risk(n, p, config.signal * math.sqrt(share), math.sqrt(left)) + left


def find_peak_height(dataset: xr.Dataset, view: str, ablation: str) -> Estimate:
    """Median error at the critical size over the larger of those at half and at twice of it, with its interval.

    The interval is that of the percentiles, 2.5 to 97.5, of resampled seeds: a mean at the peak is infinite.
    """
    critical = dataset.attrs["critical"]
    chosen = dataset["error"].sel(view=view, ablation=ablation, size=[critical // 2, critical, 2 * critical])
    errors = chosen.transpose("seed", "size").values
    errors = errors[np.isfinite(errors).all(1)]

    def height(errors: np.ndarray) -> float:
        before, at, after = np.median(errors, axis=0)
        return float(at / max(before, after))

    random = np.random.default_rng(0)
    drawn = [height(errors[random.integers(len(errors), size=len(errors))]) for _ in range(_RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    unit = "times the larger median of half and twice the size"
    return Estimate(height(errors), (float(low), float(high)), len(errors), unit)


def _share_of_peaks(dataset: xr.Dataset, view: str) -> Estimate:
    """Data sets in which the error is larger at the critical size than at another one: the other with the fewest."""
    error = dataset["error"].sel(view=view, ablation="none")
    critical = dataset.attrs["critical"]
    others = error.drop_sel(size=critical)
    runs = xr.Dataset({"larger": error.sel(size=critical) > others})
    share = jr.stats.proportion(runs, "larger", dim="seed", level=1 - 0.05 / others.sizes["size"])
    least = share.isel(size=int(np.argmin(share["proportion"].values)))
    return percentage(least.drop_vars("size"), "% of data sets")


def _distance_from_theory(dataset: xr.Dataset) -> Estimate:
    """The largest distance of a mean from the exact curve, in standard errors, away from the peak."""
    sure = dataset.sel(size=abs(dataset["size"] - dataset.attrs["critical"]) >= _SURE)
    error = sure["error"].sel(ablation="none")
    n = error.sizes["seed"]
    distance = float(abs((error.mean("seed") - sure["theory"]) / (error.std("seed", ddof=1) / math.sqrt(n))).max())
    return exactly(distance, n, "standard errors")


def _height_of_peak(dataset: xr.Dataset, ablation: str) -> Estimate:
    """The higher peak of the two views."""
    return max((find_peak_height(dataset, view, ablation) for view in VIEWS), key=lambda found: found.interval[1])


def _highest(change: xr.DataArray, unit: str) -> Estimate:
    """The mean where the upper end of its interval is the highest; it holds for all sizes and views at once."""
    level = 1 - 0.05 / (change.sizes["size"] * change.sizes["view"])
    cells = jr.stats.mean(change.to_dataset(name="change"), "change", level=level).stack(cell=("view", "size"))
    return estimate(cells.isel(cell=int(np.argmax(cells["high"].values)), drop=True), unit)


def _largest_rise(dataset: xr.Dataset) -> Estimate:
    """The largest change of the mean error from one size to the next, data set by data set, over both views."""
    error = dataset["ridge_error"].sel(factor=1.0, drop=True)
    change = 100 * error.diff("size") / error.mean("seed").isel(size=slice(-1)).values[:, None, :]
    return _highest(change, "% from one size to the next")


def _saved_by_another(dataset: xr.Dataset) -> Estimate:
    """Error that the best strength of the grid, chosen on every other seed, saves on the remaining ones."""
    rest, best = held_out(dataset)["ridge_error"], choose(dataset, "ridge_error", "factor", least=True)
    closed = rest.sel(factor=1.0, drop=True)
    return _highest(100 * (closed - rest.sel(factor=best, drop=True)) / closed.mean("seed"), "% of the error")


_SCHAEFFER = "Schaeffer et al., Double Descent Demystified (2023)"

CLAIMS = (
    Claim(
        "The test error of least squares peaks where there are as many parameters as samples (features added)",
        "Belkin et al., PNAS 116 (2019)",
        partial(_share_of_peaks, view="model-wise"),
        Above(50),
    ),
    Claim(
        "More data can hurt: at a fixed model the error peaks where the samples are as many as the parameters",
        "Nakkiran, More Data Can Hurt for Linear Regression (2019)",
        partial(_share_of_peaks, view="sample-wise"),
        Above(50),
    ),
    Claim(
        "The exact finite-sample curve is the mean error (within 4 standard errors at every size)",
        "Belkin, Hsu and Xu (2020)",
        _distance_from_theory,
        Below(4),
    ),
    *(
        Claim(
            f"Without {what} there is no peak (the median at n = p is below {_NO_PEAK} times its surroundings)",
            _SCHAEFFER,
            partial(_height_of_peak, ablation=name),
            Below(_NO_PEAK),
        )
        for name, what in zip(
            ABLATIONS[1:],
            (
                "small singular values",
                "test rows that reach into the directions of small ones",
                "a residual of the best model",
            ),
            strict=True,
        )
    ),
    Claim(
        "With the optimal ridge penalty more features and more samples never hurt",
        "Nakkiran et al., Optimal Regularization Can Mitigate Double Descent (2021)",
        _largest_rise,
        Below(1),
    ),
    Claim(
        "That penalty is σ² p / ‖b‖²: no other on the grid is better by more than 1 %",
        "Nakkiran et al. (2021)",
        _saved_by_another,
        Below(1),
    ),
)
