"""SGD on landscapes against the loops one would write instead, against the machine's own limits, and in memory."""

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

import jaxreg as jr
from experiments.benchmarks.settings import Config, Rows
from experiments.benchmarks.timing import Contest, compare, installed, measure, rate, row
from experiments.landscape.operations import count_operations
from jaxreg import landscape, randomness, sampling
from jaxreg.landscape.kernels import Kernel
from jaxreg.randomness import random_normals

DEGREE, BATCH, STEPS, START, RATE = 6, 10, 100, 3.5, 0.3
"""Of tutorial T2."""
POINTS = 100
LIMIT = 1e6
"""Where a run counts as diverged, for everybody."""
NOISY_STEPS = 1000
_NOISY_RATE = 0.1
_SAME_FATES = 0.995
_CHAIN, _WIDTH = 16, 32_768  # multiply-adds in a row, and side by side: enough to hide all that is around them
_MEGABYTE = 1e6


def make_points() -> tuple[np.ndarray, np.ndarray]:
    """The data of tutorial T2, made anew: 100 points of its landscape with noise."""
    x = np.linspace(-10, 10, POINTS)
    return x, np.asarray(landscape.T2_LANDSCAPE.value(x)) + np.random.default_rng(0).normal(0, 0.2, POINTS)


def make_refit_gradient() -> landscape.RefitGradient:
    """The gradient of tutorial T2 on that data."""
    return landscape.refit_gradient(*make_points(), DEGREE, BATCH)


def measure_landscape_kernels(config: Config, limit: float) -> Rows:
    """Refit descent and descent with added noise, their shares of the machine's limits, and memory.

    A quarter of the runs have added noise, for ten times as many steps.
    """
    runs = config.descents
    if installed("sklearn", "the tutorial's loop is left out"):
        yield measure(contest_tutorial(runs, min(config.tutorial, runs)), config.repeats)
    yield measure(contest_least_squares(runs, min(config.batched, runs)), config.repeats)
    yield from measure_shares(runs, config.repeats)
    yield from measure_noise(max(1, runs // 4), config.repeats)
    yield from measure_memory(config.memory)


# --- Refit descent ----------------------------------------------------------------------------------------------------


def fall(gradient: landscape.RefitGradient, *, seed: Any, kernel: Kernel = "auto") -> dict[str, Any]:
    """One run of tutorial T2: its fate."""
    end = landscape.descend(gradient, START, RATE, STEPS, seed=seed, limit=LIMIT, kernel=kernel)
    return {"fate": landscape.fate(end.weight, landscape.T2_LANDSCAPE)}


def _sweep(run: Callable[..., Any], runs: int, *args: Any, devices: Any = None) -> Callable[[], Any]:
    """The sweep of `run` over the seeds, to be called more than once."""
    axes = {"seed": jr.seeds(runs)}
    return functools.partial(jr.sweep, run, axes, args=args, devices=devices, progress=False)


def make_keys(runs: int) -> Array:
    """The keys that the sweeps give to their first runs."""
    axis = jr.seeds(runs)
    return jax.vmap(axis.key)(jnp.arange(runs, dtype=jnp.uint32))


@functools.partial(jax.jit, static_argnums=1)
def draw_points(keys: Array, steps: int) -> Array:
    """Numbers of the points that runs with these keys draw: (runs, steps, BATCH)."""

    def draw(key: Array) -> Array:
        return sampling.without_replacement(randomness.random_words(key, steps, BATCH), POINTS, axis=0).T

    return jax.vmap(draw)(keys)


def follow_tutorial(x: np.ndarray, y: np.ndarray, draw: Callable[[int], np.ndarray]) -> float:
    """One run as the tutorial writes it, with NumPy and scikit-learn: the last weight.

    Args:
        x: abscissae.
        y: ordinates.
        draw: from the number of a step to those of its points.
    """
    from sklearn.linear_model import LinearRegression
    from sklearn.preprocessing import PolynomialFeatures

    model = LinearRegression()
    model.tol = 0  # from version 1.7 on it leaves out singular values below 1e-6, which makes other fits of raw powers
    w = START
    for step in range(STEPS):
        chosen = draw(step)
        features = PolynomialFeatures(DEGREE, include_bias=False).fit_transform(x[chosen, None])
        fit = model.fit(features, y[chosen])
        gradient = sum(k * c * w ** (k - 1) for k, c in enumerate(fit.coef_, start=1))
        w = w - RATE * gradient
        if not abs(w) < LIMIT:
            return np.inf
    return w


def contest_tutorial(runs: int, loop: int) -> Contest:
    """Refit descent on all devices against the tutorial's loop; it draws with NumPy when timed, as we do when checked.

    A run of the loop that diverges ends there, where ours goes on: to the loop's advantage.
    """
    x, y = make_points()
    random = np.random.default_rng(1)

    def theirs() -> list[float]:
        return [follow_tutorial(x, y, lambda _: random.choice(POINTS, BATCH, replace=False)) for _ in range(loop)]

    def agree(ours: Any, theirs: list[float]) -> str:
        chosen = np.asarray(draw_points(make_keys(loop), STEPS))
        weights = np.array([follow_tutorial(x, y, points.__getitem__) for points in chosen])
        return check_fates(ours["fate"].values[:loop], np.asarray(landscape.fate(weights, landscape.T2_LANDSCAPE)))

    name = f"refit descent, {runs:,} runs, against the tutorial's NumPy and scikit-learn loop"
    return Contest(name, 1500.0, _sweep(fall, runs, make_refit_gradient()), theirs, agree, runs, loop)


def check_fates(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Say how many runs meet the same fate from the same draws; fewer than 99.5 % of them are refused."""
    same = int((ours == theirs).sum())
    if same < _SAME_FATES * len(theirs):
        raise AssertionError(f"only {same} of {len(theirs)} runs have the same fate from the same draws")
    return f"same fate from the same draws in {same:,} of {len(theirs):,} runs"


def fall_by_least_squares(nodes: Array, residuals: Array, slope: Array, keys: Array) -> Array:
    """Last weights of runs that refit with `jnp.linalg.lstsq`, all of them at once, from the draws of ours.

    It refits what the fit to all data leaves, in standardized x, as ours: y itself in powers of x would lose the minima
    in float32.

    Args:
        nodes: standardized abscissae.
        residuals: what the fit to all data leaves of the ordinates.
        slope: coefficients of that fit's derivative, in standardized x.
        keys: of the runs.
    """
    scale = jnp.float32(10)
    powers = jnp.arange(1, DEGREE + 1, dtype=jnp.float32)
    solve = jax.vmap(lambda A, b: jnp.linalg.lstsq(A, b)[0])

    def step(w: Array, chosen: Array) -> tuple[Array, None]:
        design = jax.vmap(lambda t: jnp.vander(t, DEGREE + 1, increasing=True))(nodes[chosen])
        coef = solve(design, residuals[chosen])
        raised = (w / scale)[:, None] ** (powers - jnp.float32(1))[None]
        correction = (coef[:, 1:] * powers[None] * raised).sum(1) / scale
        w = w - jnp.float32(RATE) * ((raised * slope[None]).sum(1) + correction)
        return jnp.where(jnp.abs(w) < LIMIT, w, jnp.inf), None

    drawn = draw_points(keys, STEPS).swapaxes(0, 1)
    return lax.scan(step, jnp.full(len(keys), START, jnp.float32), drawn)[0]


def contest_least_squares(runs: int, batched: int) -> Contest:
    """Refit descent against batched least squares, both on one device.

    In jaxlib 0.10 batched LAPACK kernels can hang where two CPU devices run them at once.
    """
    gradient = make_refit_gradient()
    one = jax.local_devices()[:1]
    data = [
        jax.device_put(np.asarray(part, np.float32), one[0])
        for part in (gradient.nodes, gradient.residuals, gradient.full.slope.coefficients)
    ]
    program = jax.jit(fall_by_least_squares)
    keys = jax.device_put(make_keys(batched), one[0])

    def agree(ours: Any, theirs: Array) -> str:
        same = check_fates(ours["fate"].values[:batched], np.asarray(landscape.fate(theirs, landscape.T2_LANDSCAPE)))
        return f"{same}; both on one device"

    name = "  against vmapped jnp.linalg.lstsq"
    ours = _sweep(fall, runs, gradient, devices=one)
    return Contest(name, 25.0, ours, lambda: program(*data, keys), agree, runs, batched)


# --- Limits -----------------------------------------------------------------------------------------------------------


def draw_words(*, seed: Any) -> dict[str, Any]:
    """The random words of one run of refit descent, and nothing else but what keeps XLA from leaving them out."""
    words = randomness.random_words(seed, STEPS, BATCH)
    return {"word": lax.reduce(words, np.uint32(0), jnp.bitwise_xor, (0, 1))}


def turn(*, number: Any) -> dict[str, Any]:
    """Multiply-adds alone, on numbers that stay in registers for 16 of them and in a core's cache between."""

    def chain(_: Any, values: Array) -> Array:
        for _ in range(_CHAIN):
            values = values * jnp.float32(0.999) + jnp.float32(0.001)
        return values

    values = number + jnp.arange(_WIDTH, dtype=jnp.float32)
    return {"sum": lax.fori_loop(0, 2000, chain, values).sum()}


def measure_shares(runs: int, repeats: int) -> Rows:
    """Steps of refit descent per second, and what shares of the machine's limits they are."""
    gradient = make_refit_gradient()
    numbers = np.arange(4 * len(jax.devices()), dtype=np.float32)
    falling = _sweep(fall, runs, gradient)
    drawing = _sweep(draw_words, runs)
    turning = functools.partial(jr.sweep, turn, {"number": numbers}, chunk_size=len(jax.devices()), progress=False)
    for call in (falling, drawing, turning):
        call()  # compiles it
    needed = count_operations(gradient, jax.random.key(0), jnp.float32(START))
    made = len(numbers) * count_operations(lambda number: turn(number=number), jnp.float32(0))
    alone, together, share = compare(drawing, falling, repeats)
    spinning, _, ratio = compare(turning, falling, repeats)
    note = f"{needed:,} operations and {32 * BATCH} random bits a step"
    name = "refit descent, one learning rate: population"
    yield rate(name, runs * STEPS, "steps/s", {"seconds": together}, note=note)
    yield row("  of the rate at which its random words alone are drawn", share, "share", seconds=alone)
    note = f"of all its operations, most of them on integers; the rate is {made / spinning / 1e9:.0f} billion/s"
    name, share = "  of the rate of multiply-adds in registers", runs * STEPS * needed / made * ratio
    yield row(name, share, "share", seconds=spinning, note=note)


# --- Added noise ------------------------------------------------------------------------------------------------------


def wander(*, seed: Any, kernel: Kernel = "auto") -> dict[str, Any]:
    """One run in the double well with noise added: the last weight."""
    gradient = landscape.noisy_gradient(landscape.DOUBLE_WELL, 1.0)
    return {"weight": landscape.descend(gradient, -1.0, _NOISY_RATE, NOISY_STEPS, seed=seed, kernel=kernel).weight}


def draw_normals(*, seed: Any) -> dict[str, Any]:
    """The normal numbers of the same run, and their sum, without which XLA would leave them out."""
    return {"sum": random_normals(seed, NOISY_STEPS, 1).sum()}


def wander_in_numpy(normals: np.ndarray) -> np.ndarray:
    """The last weights of the same runs in float64, from their normal numbers (runs, NOISY_STEPS)."""
    w = np.full(len(normals), -1.0)
    for noise in normals.T:
        w = w - _NOISY_RATE * (w**3 - w + noise)
    return w


def measure_noise(runs: int, repeats: int) -> Rows:
    """Steps of descent with added noise per second, against drawing the same normal numbers alone."""
    walking, drawing = _sweep(wander, runs), _sweep(draw_normals, runs)
    few = min(runs, 100)
    normals = np.asarray(jax.vmap(lambda key: jax.random.normal(key, (NOISY_STEPS,)))(make_keys(few)), np.float64)
    gap = float(np.median(abs(walking()["weight"].values[:few] - wander_in_numpy(normals))))
    if not gap < 1e-4:
        raise AssertionError(f"descent with added noise: {gap:.1e} from NumPy's on the same normal numbers")
    if not np.allclose(drawing()["sum"].values[:few], normals.sum(1), atol=1e-2):
        raise AssertionError("the normal numbers drawn alone are not those of the descent")
    alone, together, share = compare(drawing, walking, repeats)
    times = {"seconds": together}
    yield rate("descent with added noise, quartic: population", runs * NOISY_STEPS, "steps/s", times)
    note = f"weights as NumPy's on the same numbers, median difference {gap:.0e}"
    name = "  of the rate at which its normal numbers alone are drawn"
    yield row(name, share, "share", target=0.70, rival_seconds=alone, note=note, **times)


# --- Memory -----------------------------------------------------------------------------------------------------------


def measure_memory(runs: int) -> Rows:
    """How far the memory of a fresh process rises at its highest while it sweeps and compiles, fates only."""
    if not Path("/proc/self/status").exists():
        return
    command = [sys.executable, "-m", "experiments.benchmarks.landscape", str(runs)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    extra, before, diverged = map(float, told.stdout.split())
    note = f"in a fresh process, compiling included; {before:.0f} MB before; {100 * diverged:.1f} % diverged"
    yield row(f"refit descent, {runs:,} runs × {STEPS} steps: peak extra memory", extra, "MB", target=300, note=note)


def peak_bytes() -> int:
    """The most memory that this process ever held; unlike `getrusage`'s, it is not that of the parent at its start."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Print the megabytes that a sweep of as many runs as the argument says adds, those before, and who diverged."""
    jr.use_all_cores()
    gradient = make_refit_gradient()
    jax.block_until_ready(jnp.zeros(1))
    before = peak_bytes()
    fates = _sweep(fall, int(sys.argv[1]), gradient)()["fate"].values
    extra = peak_bytes() - before
    print(extra / _MEGABYTE, before / _MEGABYTE, (fates == 3).mean())


if __name__ == "__main__":
    main()
