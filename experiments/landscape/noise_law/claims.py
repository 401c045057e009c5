"""What has been said about mini-batch noise, and how the study of it tells whether that is so."""

import math
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from jaxreg import stats
from jaxreg.study import Above, Below, Claim, Estimate, Inside, exactly

TUTORIAL_SIZE, LARGE_SIZE, TUTORIAL_WEIGHT = 10, 40, 3.5
"""Points of a refit in tutorial T2, and many more of them; and where it starts."""
_GAUSSIAN_SHARE = math.erfc(4 / math.sqrt(2))  # beyond four standard deviations
_QUARTILE = 0.6744897501960817  # the median size of a standard normal number
_LIGHT = 8.0  # tail exponents from here on leave the mean square a standard error that can be trusted
_HEAVY = 0.5  # up to here, weights are still spreading when a run ends


def _ratio_to_scaling(dataset: xr.Dataset, law: Any) -> Estimate:
    """Typical error at 10 points over that at 40, over the same ratio by the law; at the tutorial's start."""
    errors = dataset["typical_error"].sel(weight=TUTORIAL_WEIGHT).transpose("batch_size", "part")
    few, many = (errors.sel(batch_size=size).values for size in (TUTORIAL_SIZE, LARGE_SIZE))
    population = float(dataset["population"])
    ratios = few / many[[0, 2, 1]] / (law(TUTORIAL_SIZE, population) / law(LARGE_SIZE, population))
    return _estimate(ratios, dataset["draws"], "times the law's ratio")


def _estimate(parts: Any, count: xr.DataArray, unit: str = "(tail exponent)") -> Estimate:
    effect, low, high = map(float, parts)
    return Estimate(effect, (low, high), int(count), unit)


def _ratio_to_law(dataset: xr.Dataset) -> Estimate | None:
    """The largest departure from the law, without a free constant, over all places and sizes from 10 to N - 10."""
    sizes = dataset["batch_size"]
    cells = dataset.sel(batch_size=sizes[(sizes >= TUTORIAL_SIZE) & (sizes <= dataset["population"] - 10)])
    return _farthest(cells["typical_error"] / cells["typical_law"], dataset["draws"])


def _farthest(ratios: xr.DataArray, count: xr.DataArray) -> Estimate | None:
    """Of all ratios to exact numbers, the one that is farthest from 1, and its interval."""
    cells = ratios.transpose("part", ...).values.reshape(len(ratios["part"]), -1)
    if not cells.size:
        return None
    return _estimate(cells[:, np.argmax(abs(np.log(cells[0])))], count, "times the law, at worst")


def _error_of_whole(dataset: xr.Dataset) -> Estimate | None:
    whole = dataset["largest_error"].where(dataset["batch_size"] == dataset["population"]).max().item()
    return None if math.isnan(whole) else exactly(whole, int(dataset["draws"]))


def _ratio_to_gaussian(dataset: xr.Dataset) -> Estimate:
    """Draws whose error exceeds four standard deviations, these taken from the median, over a Gaussian's."""
    cell = dataset.sel(batch_size=TUTORIAL_SIZE, weight=TUTORIAL_WEIGHT)
    limit = 4 * math.sqrt(float(cell["typical_error"].sel(part="mean"))) / _QUARTILE
    beyond = int(cell["error_count"].where(cell["size"] >= limit, 0).sum())
    n = int(dataset["draws"])
    found = stats.proportion(xr.Dataset({"beyond": ("draw", np.arange(n) < beyond)}), "beyond", dim="draw")
    share, low, high = (float(found[part]) / _GAUSSIAN_SHARE for part in ("proportion", "low", "high"))
    return Estimate(share, (low, high), n, "times a Gaussian's share beyond 4 sd")


def _tail_exponent(dataset: xr.Dataset) -> Estimate:
    return _estimate(dataset["error_exponent"].sel(batch_size=TUTORIAL_SIZE, weight=TUTORIAL_WEIGHT), dataset["draws"])


def _largest_gap(dataset: xr.Dataset, gap: str) -> Estimate:
    """Distance over the length of the full fit's coefficients, at worst of all numbers of points but all: exact."""
    proper = dataset.isel(subset_size=slice(None, -1))
    return exactly(float(proper[gap].max()), int(proper["subsets"].sum()), "of the full fit")


def _ratio_of_variances(dataset: xr.Dataset, exact: str) -> Estimate | None:
    """The ratio of a simulated to a predicted stationary variance, at worst of all settings that have light tails."""
    ratios = (dataset["variance"] / dataset[exact]).where(dataset["exact_exponent"] > _LIGHT)
    return _farthest(ratios.stack(cell=("setting", "relative_rate")).dropna("cell"), dataset["runs"])


def _ratio_of_tails(dataset: xr.Dataset) -> Estimate | None:
    """At worst of all cells that settle in a run: the nearer the exponent is to 0, the longer it takes."""
    ratios = (dataset["tail"] / dataset["exact_tail"]).where(dataset["exact_tail"] > _HEAVY)
    return _farthest(ratios.stack(cell=("regression_size", "tail_rate")).dropna("cell"), dataset["runs"])


def _tail_exponent_at_edge(dataset: xr.Dataset) -> Estimate | None:
    """The tail exponent at the largest learning rate below 2; the mean square is infinite where it is 2 or less."""
    rate = dataset["tail_rate"] * 2 / (1 + 2 / dataset["regression_size"])
    tails = dataset["tail"].where(rate < 2).stack(cell=("regression_size", "tail_rate")).dropna("cell")
    if not tails.sizes["cell"]:
        return None
    return _estimate(tails.isel(cell=int(tails.sel(part="mean").argmin("cell"))), dataset["runs"])


def _divergence_over_threshold(dataset: xr.Dataset) -> Estimate:
    """Where the tail exponent falls to 2, over the threshold, for the smallest mini-batches: by interpolation."""
    tails = dataset["tail"].isel(regression_size=0).transpose("part", "tail_rate")

    def crossing(exponents: np.ndarray) -> float:
        values = np.minimum.accumulate(exponents)
        if not values[-1] < 2 < values[0]:
            return math.nan
        return float(np.interp(-2, -values, dataset["tail_rate"].values))

    at, low, high = map(crossing, tails.values)
    if math.isnan(at):
        return Estimate(math.nan, (-math.inf, math.inf), int(dataset["runs"]))
    interval = (-math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high)
    return Estimate(at, interval, int(dataset["runs"]), "of 2/(1 + 2/B)")


CLAIMS = (
    Claim(
        "The variance of mini-batch noise falls as 1/K (T2's refits of 10 and 40 of 100 points, to within a quarter)",
        "the usual scaling, as in Jastrzębski et al., Three Factors Influencing Minima in SGD (2017)",
        partial(_ratio_to_scaling, law=lambda size, population: 1 / size),
        Inside(0.8, 1.25),
    ),
    Claim(
        "It falls as (1 - K/N)/K once drawing without replacement is allowed for (to within a quarter)",
        "sampling theory, as in Hoffer, Hubara and Soudry, Train longer, generalize better (2017)",
        partial(_ratio_to_scaling, law=lambda size, population: (1 - size / population) / size),
        Inside(0.8, 1.25),
    ),
    Claim(
        "The typical squared error of a refit is 0.455 v (1 - K/N)/(K - p - 2) at every w from K = 10 on, to a half",
        "regression on random points, here for the median",
        _ratio_to_law,
        Inside(2 / 3, 3 / 2),
    ),
    Claim("With K = N there is no error, to rounding", "its definition", _error_of_whole, Below(1e-12)),
    Claim(
        "The noise is Gaussian (10 points; its share beyond four standard deviations, to a factor of two)",
        "assumed in diffusion models of SGD, as in Mandt, Hoffman and Blei (2017)",
        _ratio_to_gaussian,
        Inside(0.5, 2.0),
    ),
    Claim(
        "The noise has a finite variance, as far as draws of 10 points show (a tail exponent above 2)",
        "assumed wherever a temperature lr/batch is",
        _tail_exponent,
        Above(2),
    ),
    Claim(
        "A mini-batch gradient is right on average (refits to all subsets of the points of T2, weighted alike)",
        "Robbins and Monro (1951), the premise of SGD",
        partial(_largest_gap, gap="plain_gap"),
        Below(1e-9),
    ),
    Claim(
        "Weighted by the determinants of their Gram matrices, refits to all subsets average to the full fit",
        "Dereziński and Warmuth (2017)",
        partial(_largest_gap, gap="volume_gap"),
        Below(1e-9),
    ),
    Claim(
        "On a quadratic the stationary variance is ηs²/(2Bh), with momentum over 1 - β (to within 5 %)",
        "the diffusion limit, as in Mandt, Hoffman and Blei (2017)",
        partial(_ratio_of_variances, exact="diffusion_variance"),
        Inside(0.95, 1.05),
    ),
    Claim(
        "It is what discrete time gives, for additive noise, momentum, drawing without replacement, and regression "
        "(to within 1 %)",
        "the recursion of the second moment",
        partial(_ratio_of_variances, exact="exact_variance"),
        Inside(0.99, 1.01),
    ),
    Claim(
        "SGD on a quadratic keeps a finite mean square up to a learning rate of 2/h (regression on mini-batches)",
        "the limit of gradient descent",
        _tail_exponent_at_edge,
        Above(2),
    ),
    Claim(
        "Its mean square diverges at 2/(1 + 2/B) (where the tail exponent falls to 2, to within 10 %)",
        "the recursion of the second moment",
        _divergence_over_threshold,
        Inside(0.9, 1.1),
    ),
    Claim(
        "The tail exponent of its weights solves E|1 - ηm|^α = 1 (to within a quarter, where it is above ½)",
        "Kesten (1973); Gürbüzbalaban, Şimşekli and Zhu, The Heavy-Tail Phenomenon in SGD (2021)",
        _ratio_of_tails,
        Inside(0.8, 1.25),
    ),
)
