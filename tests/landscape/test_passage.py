"""First passages and occupancies: what NumPy counts on the paths of `descend`; censoring, memory, batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr
from scipy import stats

from jaxreg.errors import ArgumentError
from jaxreg.landscape.descent import descend
from jaxreg.landscape.gradients import full_gradient, noisy_gradient
from jaxreg.landscape.histogram import occupancy
from jaxreg.landscape.passage import PASSAGES, estimate_passage, first_passage
from jaxreg.landscape.polynomial import DOUBLE_WELL, T2_LANDSCAPE

_NOISY = noisy_gradient(DOUBLE_WELL, 1.0)
_STEPS, _RATE = 300, 0.2
_X = np.linspace(-10.0, 10.0, 100)
_Y = np.polynomial.polynomial.polyval(_X, T2_LANDSCAPE.coefficients) + np.random.default_rng(0).normal(0, 0.2, 100)


def _keys(runs):
    return jax.random.split(jax.random.key(1), runs)


@pytest.fixture(scope="module")
def paths():
    """Weights after each step of 200 runs on the double well."""
    run = lambda key: descend(_NOISY, -1.0, _RATE, _STEPS, seed=key, record_every=1).path  # noqa: E731
    return np.asarray(jax.jit(jax.vmap(run))(_keys(200)))


def _first(reached):
    """Steps until the first True of each row, and whether there is one; by a loop."""
    steps, passed = [], []
    for row in reached:
        hits = np.flatnonzero(row)
        steps.append(hits[0] + 1 if len(hits) else len(row))
        passed.append(len(hits) > 0)
    return np.array(steps), np.array(passed)


@pytest.mark.parametrize(("side", "target"), [("right", 0.9), ("left", -1.6)])
def test_passages_are_those_of_the_path(paths, side, target):
    run = jax.jit(jax.vmap(lambda key: first_passage(_NOISY, -1.0, _RATE, _STEPS, seed=key, target=target, side=side)))(
        _keys(200)
    )
    steps, passed = _first(paths >= np.float32(target) if side == "right" else paths <= np.float32(target))
    assert 20 < passed.sum() < 180  # some are censored
    np.testing.assert_array_equal(run.steps, steps)
    np.testing.assert_array_equal(run.status, passed.astype(int))
    assert PASSAGES[1] == "passed"


def test_a_member_alone_is_the_member_of_the_population():
    member = jax.jit(lambda key: first_passage(_NOISY, -1.0, _RATE, _STEPS, seed=key, target=0.9))
    together = jax.jit(jax.vmap(member))(_keys(12))
    for number, key in enumerate(_keys(12)):
        alone = member(key)
        assert (int(alone.steps), int(alone.status)) == (int(together.steps[number]), int(together.status[number]))


def test_a_longer_run_only_resolves_what_was_censored():
    run = jax.jit(
        lambda steps: jax.vmap(lambda key: first_passage(_NOISY, -1.0, _RATE, steps, seed=key, target=0.9))(_keys(100)),
        static_argnums=0,
    )
    short, long = run(150), run(_STEPS)
    known = np.asarray(short.status) == 1
    assert 0 < known.sum() < np.asarray(long.status).sum() < 100
    np.testing.assert_array_equal(short.steps[known], long.steps[known])
    assert (short.steps[~known] == 150).all()
    np.testing.assert_array_equal(known, (long.status == 1) & (long.steps <= 150))


def test_divergence_is_neither_passed_nor_censored():
    well = full_gradient(_X, _X**2, 2)  # gradient 2w: step size 2 multiplies w by -3
    run = lambda target, side: first_passage(  # noqa: E731
        well, 1.0, 2.0, 40, seed=jax.random.key(0), target=target, side=side
    )
    diverged = run(9.5e5, "right")  # 3¹² = 5.3e5 lies before it, and the next size beyond the limit
    assert (int(diverged.steps), PASSAGES[diverged.status]) == (13, "diverged")
    passed = run(-100.0, "left")
    assert (int(passed.steps), PASSAGES[passed.status]) == (5, "passed")
    nothing = first_passage(well, 1.0, 0.1, 40, seed=jax.random.key(0), target=2.0)
    assert (int(nothing.steps), PASSAGES[nothing.status]) == (40, "censored")


def test_targets_starts_and_rates_sweep():
    """Traced, a start may already lie beyond the target: it has passed after no step."""
    run = lambda start, rate, target: first_passage(  # noqa: E731
        _NOISY, start, rate, 50, seed=jax.random.key(0), target=target
    )
    found = jax.jit(jax.vmap(run))(jnp.array([-1.0, 1.0, -1]), jnp.array([0.0, 0.1, 0.1]), jnp.array([0.0, 0.5, -1.0]))
    assert found.steps[:2].tolist() == [50, 0]
    assert found.status.tolist() == [0, 1, 1]
    momentum = first_passage(_NOISY, -1.0, 0.2, 50, seed=jax.random.key(0), target=3.0, momentum=0.5)
    assert int(momentum.status) == 0


def test_counts_are_those_of_numpy(paths):
    low, high, bins, burn_in = -1.5, 1.0, 10, 57
    run = jax.jit(
        jax.vmap(
            lambda key: occupancy(_NOISY, -1.0, _RATE, _STEPS, seed=key, low=low, high=high, bins=bins, burn_in=burn_in)
        )
    )(_keys(200))
    edges = np.concatenate([[-np.inf], np.linspace(low, high, bins + 1), [np.inf]])
    expected = np.array([np.histogram(path[burn_in:], edges)[0] for path in paths])
    found = np.column_stack([run.below, run.counts, run.above])
    assert (expected.sum(0) > 100).all()
    assert np.abs(found - expected).sum() <= 4  # a weight within rounding of an edge may count to its neighbour
    np.testing.assert_array_equal(found.sum(1), _STEPS - burn_in)
    assert (run.survived == _STEPS).all()


def test_a_run_counts_until_it_diverges():
    well = full_gradient(_X, _X**2, 2)
    run = lambda rate, burn_in=0: occupancy(  # noqa: E731
        well, 1.0, rate, 40, seed=jax.random.key(0), low=-10.0, high=10.0, bins=2, burn_in=burn_in
    )
    both = jax.vmap(run)(jnp.array([2.0, 0.25]))
    # -3, 9, -27, 81, … until beyond 1e6 in step 13
    assert (both.counts[0].tolist(), int(both.below[0]), int(both.above[0])) == ([1, 1], 5, 5)
    assert both.survived.tolist() == [12, 40]
    assert both.counts[1].tolist() == [0, 40]
    late = run(2.0, burn_in=20)
    assert int(late.counts.sum() + late.below + late.above) == 0


def test_bins_sweep_and_a_member_alone_is_the_member_of_the_population():
    member = jax.jit(
        lambda key, low, high: occupancy(_NOISY, -1.0, _RATE, 100, seed=key, low=low, high=high, bins=4, momentum=0.3)
    )
    low, high = jnp.array([-2.0, -1.0, 0.0]), jnp.array([2.0, 0.0, 3.0])
    together = jax.jit(jax.vmap(member))(_keys(3), low, high)
    for number in range(3):
        alone = member(_keys(3)[number], low[number], high[number])
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_array_equal(a, b[number])


def _arrays(jaxpr):
    """Shapes of everything that a program computes, loops included."""
    for equation in jaxpr.eqns:
        yield from (variable.aval.shape for variable in equation.outvars)
        for value in equation.params.values():
            for item in value if isinstance(value, tuple | list) else (value,):
                if isinstance(item, ClosedJaxpr | Jaxpr):
                    yield from _arrays(getattr(item, "jaxpr", item))


_KERNELS = {
    "passage": lambda gradient, steps, key: first_passage(gradient, -1.0, 0.1, steps, seed=key, target=1.0),
    "occupancy": lambda gradient, steps, key: occupancy(
        gradient, -1.0, 0.1, steps, seed=key, low=-2.0, high=2.0, bins=64
    ),
}


@pytest.mark.parametrize("kernel", _KERNELS.values(), ids=_KERNELS)
def test_nothing_grows_with_the_steps(kernel):
    def largest(steps):
        program = jax.make_jaxpr(lambda key: kernel(_NOISY, steps, key))(jax.random.key(0))
        return max(int(np.prod(shape)) for shape in _arrays(program.jaxpr))

    assert largest(128 * 10_000) == largest(128 * 5_000) <= 128


def test_double_precision_follows_the_same_noise():
    with jax.enable_x64(True):
        run = jax.jit(lambda: first_passage(_NOISY, -1.0, _RATE, 200, seed=jax.random.key(3), target=0.9))()
    single = first_passage(_NOISY, -1.0, _RATE, 200, seed=jax.random.key(3), target=0.9)
    assert int(run.steps) == int(single.steps)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"steps": 0}, "steps"),
        ({"learning_rate": -0.1}, "learning_rate"),
        ({"start": np.inf}, "start"),
        ({"momentum": 1.0}, "momentum"),
        ({"limit": np.inf}, "limit"),
        ({"target": -1.0}, "target"),
        ({"target": -1.5}, "target"),
        ({"target": np.nan}, "target"),
        ({"target": 2e6}, "target"),
        ({"side": "left"}, "target"),
        ({"side": "up"}, "side"),
    ],
)
def test_bad_passages_are_refused_by_name(changed, named):
    arguments = {"start": -1.0, "learning_rate": 0.1, "steps": 10, "seed": jax.random.key(0), "target": 1.0} | changed
    with pytest.raises(ArgumentError, match=f"^{named} = "):
        getattr(first_passage, "__wrapped__", first_passage)(_NOISY, **arguments)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"steps": 0}, "steps"),
        ({"bins": 0}, "bins"),
        ({"bins": 2.0}, "bins"),
        ({"burn_in": 10}, "burn_in"),
        ({"burn_in": -1}, "burn_in"),
        ({"high": -1.0}, "high"),
        ({"low": np.nan}, "low"),
        ({"high": np.inf}, "high"),
    ],
)
def test_bad_occupancies_are_refused_by_name(changed, named):
    arguments = {"start": -1.0, "learning_rate": 0.1, "steps": 10, "seed": jax.random.key(0)}
    arguments |= {"low": -1.0, "high": 1.0, "bins": 4} | changed
    with pytest.raises(ArgumentError, match=f"^{named} = "):
        getattr(occupancy, "__wrapped__", occupancy)(_NOISY, **arguments)


def test_the_estimate_is_total_time_over_exits():
    steps = np.array([[3, 5, 10], [10, 10, 10]])
    status = np.array([[1, 1, 2], [0, 0, 0]])
    time = estimate_passage(steps, status, axis=1)
    np.testing.assert_array_equal(time.mean, [9.0, np.inf])
    np.testing.assert_array_equal(time.high[1], np.inf)
    np.testing.assert_allclose(time.low[1], 30 / -np.log(0.025))  # no exit: P(none) = exp(-30/τ) at least 2.5 %
    assert (time.passed.tolist(), time.censored.tolist(), time.diverged.tolist()) == ([2, 0], [0, 3], [1, 0])
    everything = estimate_passage(steps, status, axis=(0, 1))
    assert float(everything.mean) == 24.0


@pytest.mark.parametrize("horizon", [np.inf, 60.0])
def test_the_interval_covers_as_often_as_it_says(horizon):
    times = np.random.default_rng(0).geometric(1 / 50, size=(8, 4000))
    steps, status = np.minimum(times, horizon).astype(int), (times <= horizon).astype(int)
    time = estimate_passage(steps, status, level=0.9)
    covered = ((time.low <= 50) & (time.high >= 50)).mean()
    assert 0.9 - 4 * np.sqrt(0.09 / 4000) < covered < 0.97
    if horizon == np.inf:  # exactly gamma
        np.testing.assert_allclose(time.low, times.sum(0) / stats.gamma(8).ppf(0.95))
        np.testing.assert_allclose(time.high, times.sum(0) / stats.gamma(8).ppf(0.05))


@pytest.mark.parametrize(
    ("steps", "status", "level", "named"),
    [
        (np.array([1, 2]), np.array([1]), 0.95, "status"),
        (np.array([1, 2]), np.array([1, 3]), 0.95, "status"),
        (np.array([1, 2]), np.array([1, 1]), 1.0, "level"),
    ],
)
def test_bad_estimates_are_refused_by_name(steps, status, level, named):
    with pytest.raises(ArgumentError, match=f"^{named} = "):
        estimate_passage(steps, status, level=level)
