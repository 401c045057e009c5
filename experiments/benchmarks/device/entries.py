"""What the benchmark of an accelerator measures: entries that each take seconds and say what they found in rows."""

import functools
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxreg as jr
from experiments.benchmarks import linear as linear_benchmark
from experiments.benchmarks.device import networks
from experiments.benchmarks.device.sizes import Sizes
from experiments.benchmarks.kernel_rates import KERNELS, measure_rates
from experiments.benchmarks.landscape import NOISY_STEPS, STEPS, fall, make_refit_gradient, wander
from experiments.benchmarks.nets import measure_bandwidth
from experiments.benchmarks.settings import Rows
from experiments.benchmarks.timing import Contest, best_product_rate, measure, rate, row, seconds, time_twice
from jaxreg.landscape.kernels import Kernel
from jaxreg.linear import ridge

_LARGE = (262_144, 1_000_000)  # populations whose compiled programs are timed alone
_CHAIN = 256  # multiply-adds on each number in registers: sixteen times what its way to and from memory takes


class Entry(NamedTuple):
    """One measurement: its name, the seconds that it may take, and what makes its rows."""

    name: str
    box: float
    measure: Callable[[], Rows]


def list_entries(sizes: Sizes) -> list[Entry]:
    """All entries, the most telling first: what there is no time for is at the end."""
    has = {name: importlib.util.find_spec(name) is not None for name in ("torch", "sklearn")}
    walks = [("refit descent", measure_refit), ("noisy descent", measure_noisy)]
    large = [runs for runs in sizes.populations if runs in _LARGE] or sizes.populations
    entries = [Entry("machine", 60, measure_machine), Entry("descents", 120, functools.partial(measure_rates, large))]
    for runs in sorted(sizes.populations, key=lambda n: (n != 262_144, n)):
        for name, walk in walks:
            for kernel in reversed(KERNELS):
                label = f"{name}, {runs:,} runs, {kernel}, whole sweep"
                entries.append(Entry(label, 60, functools.partial(walk, label, runs, kernel)))
    for members in sorted(sizes.networks, reverse=True):
        name = f"T5 networks, {members:,}"
        entries.append(Entry(name, 150, functools.partial(networks.measure_networks, name, members, sizes)))
    if has["torch"]:
        entries.append(Entry("PyTorch loop", 60, functools.partial(networks.measure_torch_loop, sizes)))
        entries.append(Entry("torch.func.vmap", 60, functools.partial(networks.measure_torch_population, sizes)))
    for precision in networks.PRECISIONS:
        entries.append(
            Entry(f"precision {precision}", 60, functools.partial(networks.measure_precision, precision, sizes))
        )
    entries.append(Entry("ridge, float64", 60, functools.partial(measure_ridge, sizes.fits)))
    if has["sklearn"]:
        contests: dict[str, Callable[[int, int], Contest]] = {
            "ridge path, float64": linear_benchmark.contest_ridge,
            "lasso path, float64": functools.partial(linear_benchmark.contest_lasso, by_lars=False),
            "LARS, float64": functools.partial(linear_benchmark.contest_lars, shared=True),
        }
        entries += [Entry(name, 90, functools.partial(measure_contest, make, sizes)) for name, make in contests.items()]
    return entries


# --- The machine ------------------------------------------------------------------------------------------------------


def measure_machine() -> Rows:
    """Its fastest matrix products, its memory bandwidth, and its multiply-adds in registers."""
    kinds = {"highest": ("highest", jnp.float32), "default": ("default", jnp.float32), "bfloat16": (None, jnp.bfloat16)}
    for name, kind in kinds.items():
        yield row(f"best matrix product, {name}", best_product_rate(2, *kind) / 1e12, "TFLOP/s")
    yield row("memory bandwidth: scaling an array", measure_bandwidth(5) / 1e9, "GB/s")
    yield row("multiply-adds in registers", measure_multiply_adds() / 1e12, "10¹²/s")


def measure_multiply_adds() -> float:
    """Float32 multiply-adds per second on numbers that stay in registers."""
    count = 2**16 if jax.default_backend() == "cpu" else 2**26

    @jax.jit
    def chain(values: jax.Array) -> jax.Array:
        for _ in range(_CHAIN):
            values = values * jnp.float32(0.999) + jnp.float32(0.001)
        return values

    values = jnp.ones(count)
    chain(values).block_until_ready()
    return count * _CHAIN / min(seconds(lambda: chain(values)) for _ in range(5))


# --- Landscapes -------------------------------------------------------------------------------------------------------


def measure_refit(name: str, runs: int, kernel: Kernel) -> Rows:
    """Refit descent of tutorial T2: steps per second, and how the fates are spread."""
    run = functools.partial(fall, kernel=kernel)
    sweep = functools.partial(jr.sweep, run, {"seed": jr.seeds(runs)}, args=(make_refit_gradient(),), progress=False)
    result, times = time_twice(sweep)
    shares = np.bincount(result["fate"].values, minlength=4) / runs
    note = "fates " + ", ".join(f"{share:.3%}" for share in shares)
    yield rate(name, runs * STEPS, "steps/s", times, note=note)


def measure_noisy(name: str, runs: int, kernel: Kernel) -> Rows:
    """Descent with added noise in a double well: steps per second, and the mean and deviation of the ends."""
    run = functools.partial(wander, kernel=kernel)
    sweep = functools.partial(jr.sweep, run, {"seed": jr.seeds(runs)}, progress=False)
    result, times = time_twice(sweep)
    weight = result["weight"].values
    yield rate(name, runs * NOISY_STEPS, "steps/s", times, note=f"ends {weight.mean():.4f} ± {weight.std():.4f}")


# --- Linear models in float64 -----------------------------------------------------------------------------------------


def measure_ridge(fits: int) -> Rows:
    """Ridge fits of one design to many targets, in float64, checked against the normal equations."""
    X, _ = linear_benchmark.make_legendre(1)

    def fit(X: Any, *, seed: Any) -> dict[str, Any]:
        y = jax.random.normal(seed, (X.shape[0],), X.dtype)
        return {"coef": ridge(X, y, 0.1).coef, "target": y}

    sweep = functools.partial(jr.sweep, fit, {"seed": jr.seeds(fits)}, args=(X,), x64=True, progress=False)
    result, times = time_twice(sweep)
    y, coef = result["target"].values[:100], result["coef"].values[:100]
    y = y - y.mean(1, keepdims=True)
    residual = y @ X - coef @ (X.T @ X + 0.1 * np.eye(X.shape[1]))
    worst = float(np.abs(residual).max())
    if not worst < 1e-9:
        raise AssertionError(f"the normal equations are missed by {worst:.1e}")
    note = f"{X.shape[0]} × {X.shape[1]}, normal equations within {worst:.0e}"
    yield rate(f"ridge, {fits:,} float64", fits, "fits/s", times, note=note)


def measure_contest(make: Callable[[int, int], Contest], sizes: Sizes) -> Rows:
    """A population of linear models in float64 against a scikit-learn loop on the CPU."""
    yield measure(make(sizes.datasets, sizes.loop), 1)
