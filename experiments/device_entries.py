"""What the benchmark of an accelerator measures: entries that each take seconds and say what they found in rows."""

import dataclasses
import functools
import importlib.util
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxreg as jr
from experiments import linear_benchmark
from experiments.kernel_rates import measure_rates
from experiments.landscape_benchmark import LIMIT, NOISY_STEPS, RATE, START, STEPS, make_refit_gradient
from experiments.nets_benchmark import BASE, measure_bandwidth
from experiments.recipes import learn
from experiments.timing import best_product_rate, row, seconds
from jaxreg.datasets import Dataset
from jaxreg.errors import DataError
from jaxreg.landscape import DOUBLE_WELL, T2_LANDSCAPE, descend, fate, noisy_gradient
from jaxreg.landscape.kernels import Kernel
from jaxreg.linear import ridge

KERNELS: tuple[Kernel, ...] = ("xla", "pallas")
"""How populations on landscapes run, where `descend` lets one choose."""
PRECISIONS = {"float32": "highest", "tensorfloat32": "TF32_TF32_F32", "bfloat16": "BF16_BF16_F32"}
"""Of the products in networks: what JAX calls them, which is recorded with every sweep."""
_PIXELS = 28
_LARGE = (262_144, 1_000_000)  # populations whose compiled programs are timed alone
_CHAIN = 256  # multiply-adds on each number in registers: sixteen times what its way to and from memory takes


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    populations: tuple[int, ...] = (100, 10_000, 262_144, 1_000_000)
    """Runs on landscapes."""
    networks: tuple[int, ...] = (100, 1000, 10_000)
    """Networks of tutorial T5."""
    examples: int = 6000
    """Images that they are trained on."""
    tested: int = 1000
    """Images that they are tested on."""
    epochs: int = 3
    """Passes through the former."""
    compared: int = 64
    """Networks of each precision whose accuracies are compared."""
    datasets: int = 1000
    """Of the linear models."""
    loop: int = 10
    """How many of them the scikit-learn loops fit; their time is scaled up."""
    fits: int = 100_000
    """Ridge fits in one population."""
    functional: int = 1000
    """Networks that `torch.func.vmap` trains at once."""
    trained: int = 3
    """Networks that the PyTorch loop trains."""


TINY = Sizes((64,), (2,), 128, 64, 1, 2, 8, 2, 64, 2, 1)
"""Enough to see that everything runs."""


class Entry(NamedTuple):
    """One measurement: its name, the seconds that it may take, and what makes its rows."""

    name: str
    box: float
    measure: Callable[[], list[dict[str, Any]]]


def list_entries(sizes: Sizes) -> list[Entry]:
    """All entries, the most telling first: what there is no time for is at the end."""
    has = {name: importlib.util.find_spec(name) is not None for name in ("torch", "sklearn")}
    walks = [("refit descent", measure_refit), ("noisy descent", measure_noisy)]
    entries = [Entry("machine", 60, measure_machine), Entry("descents", 120, functools.partial(measure_walks, sizes))]
    for runs in sorted(sizes.populations, key=lambda n: (n != 262_144, n)):
        for name, measure in walks:
            for kernel in reversed(KERNELS):
                label = f"{name}, {runs:,} runs, {kernel}, whole sweep"
                entries.append(Entry(label, 60, functools.partial(measure, label, runs, kernel)))
    for members in sorted(sizes.networks, reverse=True):
        name = f"T5 networks, {members:,}"
        entries.append(Entry(name, 150, functools.partial(measure_networks, name, members, sizes)))
    if has["torch"]:
        entries.append(Entry("PyTorch loop", 60, functools.partial(measure_torch_loop, sizes)))
        entries.append(Entry("torch.func.vmap", 60, functools.partial(measure_torch_population, sizes)))
    for precision in PRECISIONS:
        entries.append(Entry(f"precision {precision}", 60, functools.partial(measure_precision, precision, sizes)))
    entries.append(Entry("ridge, float64", 60, functools.partial(measure_ridge, sizes.fits)))
    if has["sklearn"]:
        contests: dict[str, Callable[[int, int], Any]] = {
            "ridge path, float64": linear_benchmark.contest_ridge,
            "lasso path, float64": functools.partial(linear_benchmark.contest_lasso, by_lars=False),
            "LARS, float64": functools.partial(linear_benchmark.contest_lars, shared=True),
        }
        for name, make in contests.items():
            entries.append(Entry(name, 90, functools.partial(measure_contest, make, sizes)))
    return entries


def time_twice(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """The result, the seconds of a call that need not compile, and those that compiling took before."""
    first = seconds(call)
    kept: list[Any] = []
    taken = seconds(lambda: kept.append(call()))
    for _ in range(2 if taken < 2 else 0):
        taken = min(taken, seconds(call))
    return kept[0], taken, max(0.0, first - taken)


# --- The machine ------------------------------------------------------------------------------------------------------


def measure_machine() -> list[dict[str, Any]]:
    """Its fastest matrix products, its memory bandwidth, and its multiply-adds in registers."""
    kinds = {"highest": ("highest", jnp.float32), "default": ("default", jnp.float32), "bfloat16": (None, jnp.bfloat16)}
    rows = [
        row(f"best matrix product, {name}", best_product_rate(2, *kind) / 1e12, "TFLOP/s")
        for name, kind in kinds.items()
    ]
    rows.append(row("memory bandwidth: scaling an array", measure_bandwidth(5) / 1e9, "GB/s"))
    return [*rows, row("multiply-adds in registers", measure_multiply_adds() / 1e12, "10¹²/s")]


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


def measure_walks(sizes: Sizes) -> list[dict[str, Any]]:
    """The compiled programs of both descents alone; what a whole sweep takes beside them is the engine's."""
    rows = []
    large = [runs for runs in sizes.populations if runs in _LARGE]
    for told in measure_rates(large or sizes.populations, 5, str):
        for kernel in KERNELS:
            rate = told[f"{kernel}_steps_per_s"]
            if rate is not None:
                name = f"{told['descent']} descent, {told['runs']:,} runs, {kernel}"
                note = "" if told["same_fates"] is None else f"same fates in {told['same_fates']:.2%}"
                rows.append(row(name, rate, "steps/s", compile_seconds=told[f"{kernel}_compile_s"], note=note))
    return rows


def measure_refit(name: str, runs: int, kernel: Kernel) -> list[dict[str, Any]]:
    """Refit descent of tutorial T2: steps per second, and how the fates are spread."""
    gradient = make_refit_gradient()

    def fall(gradient: Any, *, seed: Any) -> dict[str, Any]:
        end = descend(gradient, START, RATE, STEPS, seed=seed, limit=LIMIT, kernel=kernel)
        return {"fate": fate(end.weight, T2_LANDSCAPE)}

    sweep = functools.partial(jr.sweep, fall, {"seed": jr.seeds(runs)}, args=(gradient,), progress=False)
    result, taken, compiling = time_twice(sweep)
    shares = np.bincount(result["fate"].values, minlength=4) / runs
    note = "fates " + ", ".join(f"{share:.3%}" for share in shares)
    return [row(name, runs * STEPS / taken, "steps/s", seconds=taken, compile_seconds=compiling, note=note)]


def measure_noisy(name: str, runs: int, kernel: Kernel) -> list[dict[str, Any]]:
    """Descent with added noise in a double well: steps per second, and the mean and deviation of the ends."""

    def wander(*, seed: Any) -> dict[str, Any]:
        gradient = noisy_gradient(DOUBLE_WELL, 1.0)
        return {"weight": descend(gradient, -1.0, 0.1, NOISY_STEPS, seed=seed, kernel=kernel).weight}

    sweep = functools.partial(jr.sweep, wander, {"seed": jr.seeds(runs)}, progress=False)
    result, taken, compiling = time_twice(sweep)
    weight = result["weight"].values
    note = f"ends {weight.mean():.4f} ± {weight.std():.4f}"
    return [row(name, runs * NOISY_STEPS / taken, "steps/s", seconds=taken, compile_seconds=compiling, note=note)]


# --- Networks ---------------------------------------------------------------------------------------------------------


def load_images(sizes: Sizes) -> Dataset:
    """MNIST where its files are at hand; else the embedded digits, enlarged to its size, as often as needed."""
    if os.environ.get("JAXREG_DATA"):
        try:
            return jr.datasets.load("mnist", train=sizes.examples, test=sizes.tested)
        except DataError:
            pass
    digits = jr.datasets.load("digits")
    side = int(np.sqrt(digits.x_train.shape[1]))
    places = np.arange(_PIXELS) * side // _PIXELS

    def enlarge(images: Any, count: int) -> np.ndarray:
        large = np.asarray(images).reshape(-1, side, side)[:, places][:, :, places].reshape(-1, _PIXELS**2)
        return np.resize(large, (count, _PIXELS**2))

    return digits._replace(
        x_train=enlarge(digits.x_train, sizes.examples),
        y_train=np.resize(digits.y_train, sizes.examples),
        x_test=enlarge(digits.x_test, sizes.tested),
        y_test=np.resize(digits.y_test, sizes.tested),
    )


def sweep_networks(members: int, sizes: Sizes, **more: Any) -> Callable[[], Any]:
    """The sweep of tutorial T5's network over seeds."""
    recipe = dataclasses.replace(BASE, epochs=sizes.epochs)
    axes = {"seed": jr.seeds(members), "learning_rate": [recipe.learning_rate]}
    return functools.partial(jr.sweep, learn(recipe, **more), axes, args=tuple(load_images(sizes)[:4]), progress=False)


def measure_networks(name: str, members: int, sizes: Sizes) -> list[dict[str, Any]]:
    """A population of tutorial T5's networks: runs and steps per second, shares of products and of bandwidth.

    The bytes counted are those that no program can spare once a population has left the caches: every weight is read
    for the forward and the backward pass, and read and written by the step.
    """
    result, taken, compiling = time_twice(sweep_networks(members, sizes))
    layers = list(zip((_PIXELS**2, *BASE.hidden), (*BASE.hidden, 10), strict=True))
    weights = sum(a * b + b for a, b in layers)
    steps = sizes.epochs * -(-sizes.examples // BASE.batch_size)
    recipe = dataclasses.replace(BASE, epochs=sizes.epochs)
    work = recipe.operations(_PIXELS**2, 10, sizes.examples, sizes.tested) * members / taken
    moved = 16 * weights * members * steps / taken
    accuracy = result["accuracy"].values[:, 0, -1]
    more = {"seconds": taken, "compile_seconds": compiling, "operations_per_second": work, "bytes_per_second": moved}
    note = f"{members * steps / taken:,.0f} steps/s; accuracy {accuracy.mean():.4f} ± {accuracy.std():.4f}"
    return [row(name, members / taken, "runs/s", note=note, **more)]


def measure_precision(precision: str, sizes: Sizes) -> list[dict[str, Any]]:
    """The accuracy of the same networks with products of less precision, and their rate."""
    with jax.default_matmul_precision(PRECISIONS[precision]):
        result, taken, compiling = time_twice(sweep_networks(sizes.compared, sizes))
    accuracy = 100 * result["accuracy"].values[:, 0, -1]
    told = {"seconds": taken, "compile_seconds": compiling, "accuracies": accuracy.tolist()}
    note = f"test accuracy {accuracy.mean():.3f} % ± {accuracy.std(ddof=1):.3f} over {sizes.compared} seeds"
    name = f"T5 networks, {sizes.compared}, {precision} products"
    return [row(name, sizes.compared / taken, "runs/s", note=note, **told)]


def measure_torch_loop(sizes: Sizes) -> list[dict[str, Any]]:
    """A PyTorch loop on the same device, one network after the other."""
    from experiments.torch_populations import choose_device, time_loop

    recipe = dataclasses.replace(BASE, epochs=sizes.epochs)
    taken, accuracy = time_loop(recipe, load_images(sizes), sizes.trained)
    note = f"on {choose_device()}; accuracy {np.mean(accuracy):.4f}"
    return [row("T5 network, PyTorch loop", 1 / taken, "runs/s", seconds=taken, note=note)]


def measure_torch_population(sizes: Sizes) -> list[dict[str, Any]]:
    """`torch.func.vmap` over stacked networks on the same device."""
    from experiments.torch_populations import choose_device, time_population

    recipe = dataclasses.replace(BASE, epochs=sizes.epochs)
    taken, accuracy = time_population(recipe, load_images(sizes), sizes.functional)
    note = f"on {choose_device()}; accuracy {np.mean(accuracy):.4f}"
    name = f"T5 networks, {sizes.functional:,}, torch.func.vmap"
    return [row(name, sizes.functional / taken, "runs/s", seconds=taken, note=note)]


# --- Linear models in float64 -----------------------------------------------------------------------------------------


def measure_ridge(fits: int) -> list[dict[str, Any]]:
    """Ridge fits of one design to many targets, in float64, checked against the normal equations."""
    X, _ = linear_benchmark.make_legendre(1)

    def fit(X: Any, *, seed: Any) -> dict[str, Any]:
        y = jax.random.normal(seed, (X.shape[0],), X.dtype)
        return {"coef": ridge(X, y, 0.1).coef, "target": y}

    sweep = functools.partial(jr.sweep, fit, {"seed": jr.seeds(fits)}, args=(X,), x64=True, progress=False)
    result, taken, compiling = time_twice(sweep)
    y, coef = result["target"].values[:100], result["coef"].values[:100]
    y = y - y.mean(1, keepdims=True)
    residual = y @ X - coef @ (X.T @ X + 0.1 * np.eye(X.shape[1]))
    worst = float(np.abs(residual).max())
    if not worst < 1e-9:
        raise AssertionError(f"the normal equations are missed by {worst:.1e}")
    note = f"{X.shape[0]} × {X.shape[1]}, normal equations within {worst:.0e}"
    return [
        row(f"ridge, {fits:,} float64", fits / taken, "fits/s", seconds=taken, compile_seconds=compiling, note=note)
    ]


def measure_contest(make: Callable[[int, int], Any], sizes: Sizes) -> list[dict[str, Any]]:
    """A population of linear models in float64 against a scikit-learn loop on the CPU."""
    return [linear_benchmark.measure(make(sizes.datasets, sizes.loop), 1)]
