"""How long does SGD take to leave a well? Simulation, its exact law, the diffusion's, and Kramers' formula."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import numpy as np
import xarray as xr

import jaxreg as jr
from jaxreg.checks import Domain
from jaxreg.landscape import DOUBLE_WELL, estimate_passage, first_passage, noisy_gradient, theory
from jaxreg.study import Claim, Estimate, Inside
from jaxreg.study.settings import Integers, Numbers, Ordered, Seeds, check_settings

LAWS = ("exact", "diffusion", "Kramers")
"""Of SGD step by step, from its transfer operator; of the diffusion in its place; and the formula for that at small
temperatures."""
EXITS = {"saddle": 0.0, "far side": 1.0}
"""Where an exit is counted: when a run first stands at or beyond this weight."""
BARRIER = 0.25
"""Height of the saddle over the minimum."""
_START = -1.0
_COLDEST, _WARMEST = 0.02, 1.0
_LEVEL = 0.95
_MODERATE = 2.5  # temperatures that fit into a moderate barrier, at least
_CURVE_POINTS = 21


@dataclass(frozen=True)
class Config:
    """Settings of the study of escape from a well of `DOUBLE_WELL`, in two parts: over temperature, and over rate."""

    seeds: Seeds = 50_000
    """Number of runs in each cell; each seed draws the same noise in all of them."""
    temperatures: Annotated[Numbers, Domain(_COLDEST, _WARMEST), Ordered()] = (0.0625, 0.08, 0.1, 0.14, 0.2)
    """Temperatures D = ηs²/(2B) of the first part, where the noise s alone varies."""
    learning_rate: float = 0.1
    """Learning rate η of the first part, at a batch size of 1."""
    batch_sizes: Annotated[Integers, Domain(1, 2**31 - 1, whole=True), Ordered()] = (1, 2, 4, 6, 8, 10, 12)
    """Batch sizes B of the second part; the learning rate varies along with them, and D does not."""
    rate_per_sample: float = 0.05
    """The constant η/B of the second part."""
    temperature: Annotated[float, Domain(_COLDEST, _WARMEST)] = 0.1
    """The constant temperature of the second part."""
    horizon: Annotated[float, Domain(0.1, 100)] = 6.0
    """Where a run is given up, in multiples of the mean time to the far side that the exact law expects."""


PRESETS = {
    "quick": Config(seeds=4000, temperatures=(0.1, 0.2), batch_sizes=(1, 4, 12)),
    "laptop": Config(),
    "paper": Config(
        seeds=200_000,
        temperatures=(0.05, 0.0625, 0.08, 0.1, 0.14, 0.2),
        learning_rate=0.05,
        batch_sizes=(1, 2, 4, 8, 12, 16, 20, 24, 28),
        rate_per_sample=0.025,
    ),
}


class _Cell(NamedTuple):
    """Settings of runs, and the part of the study that they are of."""

    part: str
    temperature: float
    learning_rate: float
    batch_size: int
    noise: float


def run(config: Config, **options: Any) -> xr.Dataset:
    r"""Time every seed's escape in every cell, and compute what three theories expect.

    All times are in units of $t = \eta k$ after k steps, in which the diffusion knows no learning rate.

    Returns:
        Dataset over `cell`, `exit` and `seed` of `steps` and `status` as `first_passage` returns them. Over `cell` and
        `exit`: the mean `time` estimated from them with its interval, `low` to `high`, which rests on `passed` runs,
        beside those `censored` and those `lost` (diverged); and for each `law` its `theory` of that time. `horizon`,
        the steps after which the runs of a cell are censored. Coordinates of a cell are its `part` ("temperature" or
        "rate"), `temperature`, `learning_rate`, `batch_size` and `noise`.

        Curves of the theories, over `law` and `exit`: `temperature_curve` over `curve_temperature`, and `rate_curve`
        over `curve_rate`. `numerical_error` is the largest of the exact law in any cell, relative to its time.
    """
    cells = _list_cells(config)
    exact = [[_solve(c.temperature, c.learning_rate, target) for target in EXITS.values()] for c in cells]
    steps = np.array([[expected.steps for expected in row] for row in exact])
    horizons = np.ceil(config.horizon * steps[:, -1]).astype(int)
    result = jr.sweep(
        escape,
        {
            "cell": jr.cases(
                {
                    f"{c.part} {number}": {
                        "learning_rate": c.learning_rate,
                        "noise": c.noise,
                        "batch_size": float(c.batch_size),
                        "steps": jr.static(horizon),
                    }
                    for number, (c, horizon) in enumerate(zip(cells, horizons.tolist(), strict=True))
                }
            ),
            "exit": jr.cases({name: {"target": target} for name, target in EXITS.items()}),
            "seed": jr.seeds(config.seeds),
        },
        **options,
    ).assign_coords({name: ("cell", np.array([getattr(c, name) for c in cells])) for name in _Cell._fields})
    others = [[[_expect(law, c.temperature, name) for name in EXITS] for c in cells] for law in LAWS[1:]]
    rate = result["learning_rate"]
    return (
        result.merge(_estimate(result, _LEVEL))
        .assign(
            theory=(("law", "cell", "exit"), np.array([steps * rate.values[:, None], *others])),
            horizon=("cell", horizons),
            numerical_error=max(expected.error / expected.steps for row in exact for expected in row),
            **_compute_curves(config),
        )
        .assign_coords(law=list(LAWS))
    )


def escape(*, seed: Any, learning_rate: Any, noise: Any, batch_size: Any, target: Any, steps: int) -> dict[str, Any]:
    """One run from the left minimum of the double well, until it stands at or beyond the target."""
    gradient = noisy_gradient(DOUBLE_WELL, noise, batch_size)
    return first_passage(gradient, _START, learning_rate, steps, seed=seed, target=target)._asdict()


def _list_cells(config: Config) -> list[_Cell]:
    """The cells of both parts; whatever a setting makes impossible is refused by its name."""
    check_settings(config)
    stable = 2 / float(DOUBLE_WELL.curvature(_START))
    for name, most in (("learning_rate", stable), ("rate_per_sample", stable / max(config.batch_sizes))):
        remedy = "Larger steps diverge, smaller ones are endless"
        Domain(1e-3, most, "[)").check_all(name, getattr(config, name), remedy)
    rate, base = config.learning_rate, config.rate_per_sample
    noise = math.sqrt(2 * config.temperature / base)
    return [
        *(_Cell("temperature", d, rate, 1, math.sqrt(2 * d / rate)) for d in config.temperatures),
        *(_Cell("rate", config.temperature, base * size, size, noise) for size in config.batch_sizes),
    ]


def _estimate(dataset: xr.Dataset, level: float) -> xr.Dataset:
    """Mean times with their intervals, over cell and exit."""
    runs = dataset[["steps", "status"]].transpose("seed", "cell", "exit")
    found = estimate_passage(runs["steps"].values, runs["status"].values, level=level)
    over = ("cell", "exit")
    numbers = {"passed": found.passed, "censored": found.censored, "lost": found.diverged}
    times = {"time": found.mean, "low": found.low, "high": found.high}
    scaled = {name: xr.DataArray(steps, dims=over) * dataset["learning_rate"] for name, steps in times.items()}
    return xr.Dataset(scaled | {name: (over, count) for name, count in numbers.items()})


def _solve(temperature: float, rate: float, target: float) -> theory.EscapeSteps:
    """Steps to the target by the exact law, which knows noise and batch size by the temperature alone."""
    return theory.escape_steps(DOUBLE_WELL, _START, target, rate, math.sqrt(2 * temperature / rate))


def _expect(law: str, temperature: float, name: str) -> float:
    """Time to an exit by a law that knows no learning rate."""
    if law == "diffusion":
        return theory.mean_first_passage(DOUBLE_WELL, _START, EXITS[name], temperature)
    across = float(theory.kramers_time(DOUBLE_WELL, _START, EXITS["saddle"], temperature))
    return across / 2 if name == "saddle" else across


def _compute_curves(config: Config) -> dict[str, Any]:
    """The times of all laws on fine grids: of temperature, at one rate, and of rate, at one temperature."""
    colder, warmer = min(config.temperatures), max(config.temperatures)
    temperatures = 1 / np.linspace(1 / warmer, 1 / colder, _CURVE_POINTS)  # even in barriers per temperature
    rates = config.rate_per_sample * np.geomspace(min(config.batch_sizes), max(config.batch_sizes), _CURVE_POINTS)

    def tabulate(points: list[tuple[float, float]]) -> np.ndarray:
        """Times over law, exit and point, which is of temperature and rate."""
        exact = [[rate * _solve(d, rate, target).steps for d, rate in points] for target in EXITS.values()]
        others = [[[_expect(law, d, name) for d, _ in points] for name in EXITS] for law in LAWS[1:]]
        return np.array([exact, *others])

    over_temperature = tabulate([(d, config.learning_rate) for d in temperatures.tolist()])
    over_rate = tabulate([(config.temperature, rate) for rate in rates.tolist()])
    return {
        "temperature_curve": (("law", "exit", "curve_temperature"), over_temperature),
        "rate_curve": (("law", "exit", "curve_rate"), over_rate),
        "curve_temperature": temperatures,
        "curve_rate": rates,
    }


def compare(dataset: xr.Dataset, law: str) -> xr.Dataset:
    """Simulated time over that of a law, `ratio`, over cell and exit, with intervals that hold in all of them at once.

    From `low` to `high` they cover the expected ratios of all together in 95 % of repetitions, or more (Bonferroni).
    """
    estimate = _estimate(dataset, 1 - (1 - _LEVEL) / (dataset.sizes["cell"] * dataset.sizes["exit"]))
    ratios = estimate[["time", "low", "high"]] / dataset["theory"].sel(law=law, drop=True)
    return ratios.rename(time="ratio").assign(n=estimate["passed"])


def _ratio_to_law(dataset: xr.Dataset, law: str) -> Estimate:
    """The ratio to the law where simulation and law may differ most; all its intervals hold at once."""
    ratios = compare(dataset, law).stack(place=("cell", "exit"))
    reach = np.maximum(abs(np.log(ratios["low"].values)), abs(np.log(ratios["high"].values)))
    worst = ratios.isel(place=int(reach.argmax()))
    interval = (float(worst["low"]), float(worst["high"]))
    return Estimate(float(worst["ratio"]), interval, int(worst["n"]), "times the time expected")


def _choose(dataset: xr.Dataset, part: str, name: str | None = None) -> xr.Dataset:
    chosen = dataset.sel(cell=dataset["part"] == part)
    return chosen if name is None else chosen.sel(exit=[name])


def _ratio_to_kramers(dataset: xr.Dataset) -> Estimate | None:
    cells = _choose(dataset, "temperature", "far side")
    moderate = cells.sel(cell=cells["temperature"] * _MODERATE <= BARRIER * (1 + 1e-9))
    return _ratio_to_law(moderate, "Kramers") if moderate.sizes["cell"] else None


def _at_rate(dataset: xr.Dataset, name: str, largest: bool) -> xr.Dataset:
    """The cell of the second part with the largest or smallest learning rate."""
    cells = _choose(dataset, "rate", name)
    rates = cells["learning_rate"].values
    return cells.isel(cell=[int(rates.argmax() if largest else rates.argmin())])


def _ratio_to_diffusion(dataset: xr.Dataset, name: str) -> Estimate:
    return _ratio_to_law(_at_rate(dataset, name, largest=False), "diffusion")


def _contrast(one: xr.Dataset, other: xr.Dataset, unit: str) -> Estimate:
    """The ratio of the times of two cells, of which each has an interval of 97.5 %."""
    level = 1 - (1 - _LEVEL) / 2
    first, second = (_estimate(cell, level).isel(cell=0, exit=0) for cell in (one, other))
    effect = float(first["time"] / second["time"])
    interval = (float(first["low"] / second["high"]), float(first["high"] / second["low"]))
    return Estimate(effect, interval, min(int(first["passed"]), int(second["passed"])), unit)


def _ratio_of_rates(dataset: xr.Dataset) -> Estimate:
    largest, smallest = (_at_rate(dataset, "far side", largest) for largest in (True, False))
    return _contrast(largest, smallest, "times the time at the smallest learning rate")


def _ratio_of_exits(dataset: xr.Dataset) -> Estimate:
    """At the lowest temperature of the first part."""
    cells = _choose(dataset, "temperature")
    coldest = cells.isel(cell=[int(cells["temperature"].values.argmin())])
    across, halfway = (coldest.sel(exit=[name]) for name in ("far side", "saddle"))
    return _contrast(across, halfway, "times the time to the saddle")


def _within(margin: float, of: float = 1) -> Inside:
    return Inside(of * (1 - margin), of * (1 + margin))


CLAIMS = (
    Claim(
        "The mean escape time is that of the absorbed Markov chain, (I - K)τ = 1 (within 3 % in every cell)",
        "Kemeny and Snell, Finite Markov Chains (1960), chapter 3",
        partial(_ratio_to_law, law="exact"),
        _within(0.03),
    ),
    Claim(
        f"Kramers' formula gives the escape time over a barrier of {_MODERATE} temperatures or more (within 10 %)",
        "Kramers, Physica 7 (1940) 284-304",
        _ratio_to_kramers,
        _within(0.1),
    ),
    Claim(
        "At the smallest learning rate, the diffusion gives the time to the far side (within 3 %)",
        "Li, Tai and E, Stochastic modified equations (2017)",
        partial(_ratio_to_diffusion, name="far side"),
        _within(0.03),
    ),
    Claim(
        "At the smallest learning rate, the diffusion gives the time to the saddle (within 3 %)",
        "Li, Tai and E, Stochastic modified equations (2017), read as if it spoke of passages",
        partial(_ratio_to_diffusion, name="saddle"),
        _within(0.03),
    ),
    Claim(
        "Half of the runs fall back from the saddle, so that the far side takes twice as long (within 5 %)",
        "Kramers, Physica 7 (1940) 284-304",
        _ratio_of_exits,
        _within(0.05, of=2),
    ),
    Claim(
        "Escape depends on learning rate and batch size through their ratio only (within 10 %, from the smallest to "
        "the largest learning rate)",
        "Jastrzębski et al., Three factors influencing minima in SGD (2017)",
        _ratio_of_rates,
        _within(0.1),
    ),
)
