"""Does SGD prefer flat minima? Time spent in two equally deep ones: simulation, its exact law, and the diffusion's."""

import itertools
import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from jaxreg.checks import Domain
from jaxreg.landscape import EQUAL_DEPTH_SEXTIC, noisy_gradient, occupancy, theory
from jaxreg.study import Above, Claim, Estimate, Inside, estimate
from jaxreg.study.settings import Numbers, Ordered, Seeds, check_settings

SHARP, SADDLE, FLAT = (float(w) for w in EQUAL_DEPTH_SEXTIC.critical_points)
CURVATURES = (5.0, 1.0)
"""Of the sharp and of the flat minimum."""
STARTS = {"sharp": SHARP, "flat": FLAT}
BINS = 48
"""Bins of the histograms; the saddle is the edge in the middle."""
_BIN_WIDTH = 0.08
BIN_EDGES = SADDLE + _BIN_WIDTH * np.arange(-BINS // 2, BINS // 2 + 1)
"""Their edges."""
_WARMEST = 0.08  # above it, runs of a large learning rate diverge before they settle
_COLDEST = 0.02
_LEVEL = 0.95
_CURVE_POINTS = 21
_LARGEST = 1.5 / CURVATURES[0] + 1e-9  # of the learning rates: beyond it runs diverge


@dataclass(frozen=True)
class Config:
    """Settings of the study of time spent in the minima of `EQUAL_DEPTH_SEXTIC`, at a constant temperature."""

    seeds: Seeds = 3000
    """Number of runs from each minimum, with noise of their own; a seed draws the same at every learning rate."""
    learning_rates: Annotated[Numbers, Domain(0.001, _LARGEST), Ordered()] = (0.06, 0.09, 0.12, 0.16, 0.2, 0.24, 0.28)
    """Learning rates η."""
    temperature: Annotated[float, Domain(_COLDEST, _WARMEST)] = 0.06
    """Temperature D = ηs²/2; the noise s falls as the learning rate rises."""
    burn_in: Annotated[float, Domain(0, 1000)] = 6.0
    """Steps that are not counted, in relaxation times: means to go from one minimum to the other and back, combined."""
    relaxations: Annotated[float, Domain(1e-3, 1e6)] = 40.0
    """Steps that are counted, in relaxation times; more where the sharp minimum is seldom visited, so that the ratio of
    times has a relative standard error of about √(8 / relaxations / runs) at every learning rate."""


PRESETS = {
    "quick": Config(seeds=250, learning_rates=(0.08, 0.16, 0.24)),
    "laptop": Config(),
    "paper": Config(
        seeds=20_000, learning_rates=(0.03, 0.05, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.22, 0.24, 0.26, 0.28)
    ),
}
PLANS = {"paper": "40 minutes on two cores; one H100 takes it in 13 calls (16 MiB)"}


def run(config: Config, **options: Any) -> xr.Dataset:
    """Count where runs from either minimum stand at each learning rate, and compute where they should.

    Returns:
        Dataset over `learning_rate`, `start` ("sharp" or "flat") and `seed` of `share`, the share of the steps counted
        that a run spent on the flat minimum's side of the saddle, no number where it `diverged`, and `counts`, its
        histogram over `bin`. Over `learning_rate`: `exact`, the ratio of the times in the flat and in the
        sharp minimum by the law of SGD step by step, with the `relaxation` time, `burn_in` and `counted` steps of a
        run.

        The same ratio for the diffusion, `boltzmann`, and its limit of small temperatures, `harmonic`; the exact one
        as `ratio_curve` over `curve_rate`; the mean densities in each `bin`, `exact_density` over `learning_rate` and
        `boltzmann_density`; and the `temperature`.
    """
    check_settings(config)
    laws = [_solve(rate, config.temperature) for rate in config.learning_rates]
    boltzmann = theory.boltzmann_law(EQUAL_DEPTH_SEXTIC, config.temperature)
    exact = [_ratio(law) for law in laws]
    relaxation = [_relax(rate, config.temperature) for rate in config.learning_rates]
    burn_in = [math.ceil(config.burn_in * time) for time in relaxation]
    # A share p, averaged over many relaxation times, has a variance in proportion to p (1 - p).
    counted = [
        math.ceil(config.relaxations * time * (1 + ratio) ** 2 / (4 * ratio))
        for time, ratio in zip(relaxation, exact, strict=True)
    ]
    cells = {
        f"{rate:g}": {
            "learning_rate": rate,
            "noise": _noise(rate, config.temperature),
            "burn_in": jr.static(first),
            "steps": jr.static(first + rest),
        }
        for rate, first, rest in zip(config.learning_rates, burn_in, counted, strict=True)
    }
    result = jr.sweep(
        visit,
        {
            "cell": jr.cases(cells),
            "start": jr.cases({name: {"place": place} for place, name in enumerate(STARTS)}),
            "seed": jr.seeds(config.seeds),
        },
        args=(np.array(list(STARTS.values()), np.float32),),
        dims={"counts": {"bin": (BIN_EDGES[1:] + BIN_EDGES[:-1]) / 2}},
        **options,
    )
    rates = np.geomspace(min(config.learning_rates), max(config.learning_rates), _CURVE_POINTS)
    over = ("learning_rate", np.array(config.learning_rates))
    return (
        result.drop_vars("learning_rate")
        .rename(cell="learning_rate")
        .assign_coords(learning_rate=over)
        .assign(
            exact=("learning_rate", np.array(exact)),
            relaxation=("learning_rate", np.array(relaxation)),
            burn_in=("learning_rate", np.array(burn_in)),
            counted=("learning_rate", np.array(counted)),
            exact_density=(("learning_rate", "bin"), np.stack([_bin(law) for law in laws])),
            boltzmann=_ratio(boltzmann),
            boltzmann_density=("bin", _bin(boltzmann)),
            harmonic=math.sqrt(CURVATURES[0] / CURVATURES[1]),
            ratio_curve=("curve_rate", np.array([_ratio(_solve(rate, config.temperature)) for rate in rates.tolist()])),
            curve_rate=rates,
            temperature=config.temperature,
        )
    )


def visit(
    weights: Any, *, seed: Any, learning_rate: Any, noise: Any, place: Any, burn_in: int, steps: int
) -> dict[str, Any]:
    """One run: its histogram and its share of steps on the flat minimum's side, no number if it diverged."""
    seen = occupancy(
        noisy_gradient(EQUAL_DEPTH_SEXTIC, noise),
        weights[place],
        learning_rate,
        steps,
        seed=jax.random.fold_in(seed, place),  # the same noise makes runs from both minima meet, soon and for good
        low=float(BIN_EDGES[0]),
        high=float(BIN_EDGES[-1]),
        bins=BINS,
        burn_in=burn_in,
    )
    flat = (seen.counts[BINS // 2 :].sum() + seen.above).astype(jnp.float32)
    share = flat / jnp.float32(steps - burn_in)
    return {"share": jnp.where(seen.survived == steps, share, jnp.nan), "counts": seen.counts}


def _noise(rate: float, temperature: float) -> float:
    return math.sqrt(2 * temperature / rate)


def _solve(rate: float, temperature: float) -> theory.StationaryLaw:
    return theory.stationary_law(EQUAL_DEPTH_SEXTIC, rate, _noise(rate, temperature))


def _ratio(law: theory.StationaryLaw | theory.BoltzmannLaw) -> float:
    return float(law.probability(SADDLE, math.inf) / law.probability(-math.inf, SADDLE))


def _bin(law: theory.StationaryLaw | theory.BoltzmannLaw) -> np.ndarray:
    """Mean density in each bin."""
    return np.array([law.probability(*ends) for ends in itertools.pairwise(BIN_EDGES.tolist())]) / _BIN_WIDTH


def _relax(rate: float, temperature: float) -> float:
    """Steps in which a population forgets its minimum: 1 / (1 / there + 1 / back)."""
    noise = _noise(rate, temperature)
    ways = ((SHARP, FLAT), (FLAT, SHARP))
    return 1 / sum(1 / theory.escape_steps(EQUAL_DEPTH_SEXTIC, *way, rate, noise).steps for way in ways)


def odds(dataset: xr.Dataset, dim: str | tuple[str, ...] = ("start", "seed"), level: float = _LEVEL) -> xr.Dataset:
    """Ratio of the times in the flat and in the sharp minimum, `mean`, with its interval, from the shares of the runs.

    >>> runs = xr.Dataset({"share": (("start", "seed"), [[0.7, 0.8], [0.75, 0.75]])})
    >>> round(float(odds(runs)["mean"]), 3)
    3.0
    """
    shares = jr.stats.mean(dataset, "share", dim=dim, level=level)
    ratios = shares.copy()
    for name in ("mean", "low", "high"):
        inner = shares[name].clip(0, 1)
        ratios[name] = xr.where(inner < 1, inner / (1 - inner).clip(np.finfo(float).tiny), np.inf)
    return ratios


def _at_end(dataset: xr.Dataset, largest: bool) -> xr.Dataset:
    rates = dataset["learning_rate"]
    return dataset.sel(learning_rate=rates.max() if largest else rates.min())


def _scaled(ratios: xr.Dataset, expected: xr.DataArray) -> Estimate:
    found, by = estimate(ratios), float(expected)
    low, high = found.interval
    return Estimate(found.effect / by, (low / by, high / by), found.n, "times the ratio expected")


def _ratio_to_diffusion(dataset: xr.Dataset, largest: bool) -> Estimate:
    end = _at_end(dataset, largest)
    return _scaled(odds(end), end["boltzmann"])


def _ratio_of_odds(dataset: xr.Dataset) -> Estimate:
    """Of the largest to the smallest learning rate; intervals of 97.5 % of both, so that theirs is of 95 %."""
    first, second = (estimate(odds(_at_end(dataset, end), level=1 - (1 - _LEVEL) / 2)) for end in (True, False))
    (low, high), (least, most) = first.interval, second.interval
    interval = (low / most, high / least if least > 0 else math.inf)
    return Estimate(first.effect / second.effect, interval, first.n, "times the ratio at the smallest learning rate")


def _ratio_to_law(dataset: xr.Dataset) -> Estimate:
    """Verdict on the learning rate where simulation and law differ most; intervals hold for all at once."""
    rates = dataset.sizes["learning_rate"]
    ratios = odds(dataset, level=1 - (1 - _LEVEL) / rates)
    scaled = [_scaled(ratios.isel(learning_rate=k, drop=True), dataset["exact"][k]) for k in range(rates)]
    return max(scaled, key=lambda cell: max(abs(end - 1) for end in cell.interval))


CLAIMS = (
    Claim(
        "SGD stays longer in the flat than in the sharp one of two equally deep minima, at the smallest learning rate",
        "Hochreiter and Schmidhuber, Flat minima (1997); Keskar et al., On large-batch training (2017)",
        lambda dataset: estimate(odds(_at_end(dataset, False)), "times as long in the flat as in the sharp one"),
        Above(1),
    ),
    Claim(
        "The ratio of times is that of the diffusion, exp(-U/D), at the smallest learning rate (within 10 %)",
        "Mandt, Hoffman and Blei, SGD as approximate Bayesian inference (2017)",
        partial(_ratio_to_diffusion, largest=False),
        Inside(0.9, 1.1),
    ),
    Claim(
        "The diffusion explains the preference at the largest learning rate, too (within 10 %)",
        "folklore: its law depends on the learning rate through the temperature alone",
        partial(_ratio_to_diffusion, largest=True),
        Inside(0.9, 1.1),
    ),
    Claim(
        "Which minimum SGD finds depends on the ratio of learning rate to batch noise only (within 10 %, largest "
        "against smallest learning rate)",
        "Jastrzębski et al., Three factors influencing minima in SGD (2017)",
        _ratio_of_odds,
        Inside(0.9, 1.1),
    ),
    Claim(
        "The ratio of times is that of the stationary law of the Markov chain (within 3 % at every learning rate)",
        "Kemeny and Snell, Finite Markov Chains (1960), chapter 4",
        _ratio_to_law,
        Inside(0.97, 1.03),
    ),
)
