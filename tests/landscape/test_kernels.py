"""Populations as one kernel, interpreted: the same words, the same runs as XLA's loops, and one call for all levels."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

import jaxreg as jr
from jaxreg import randomness
from jaxreg.errors import ArgumentError
from jaxreg.landscape import (
    DOUBLE_WELL,
    T2_LANDSCAPE,
    Polynomial,
    descend,
    fate,
    first_passage,
    full_gradient,
    location_gradient,
    noisy_gradient,
    occupancy,
    refit_gradient,
    regression_gradient,
)
from jaxreg.landscape.gradients import WordGradient
from jaxreg.landscape.kernels import launch
from jaxreg.landscape.kernels.arrays import NotInKernelError, as_array, gather_objects
from jaxreg.landscape.kernels.numbers import Evaluator, Table
from jaxreg.values import register_value

_X = np.linspace(-10.0, 10.0, 100)
_Y = np.polynomial.polynomial.polyval(_X, T2_LANDSCAPE.coefficients) + np.random.default_rng(0).normal(0, 0.2, 100)
_NOISY = noisy_gradient(DOUBLE_WELL, 1.0)
_CALLS = {"tpu": "@tpu_custom_call", "cuda": "@__gpu$xla.gpu.triton"}


@pytest.fixture(params=["tpu", "cuda"])
def target(request, monkeypatch):
    """Interpret the kernel of either platform."""
    monkeypatch.setattr(launch, "INTERPRETED", request.param)
    return request.param


def _keys(runs):
    return jax.random.split(jax.random.key(1), runs)


def _populations(run, *arguments):
    """The same runs as XLA's loops and as the interpreted kernel."""
    return [jax.jit(jax.vmap(lambda *each, k=k: run(*each, kernel=k)))(*arguments) for k in ("xla", "pallas")]


# --- The same numbers -------------------------------------------------------------------------------------------------


@register_value("shift")
@dataclass(frozen=True)
class _Words:
    """Follows the words themselves: w after a step is 24 bits of the last of its words, which float32 holds exactly."""

    shift: int
    words: int = 3

    def draw(self, seed, first, steps):
        return self.read(randomness.random_words(seed, steps, self.words, first))

    def read(self, words):
        return ((words[-1] << jnp.uint32(self.shift)) >> jnp.uint32(8)).astype(jnp.float32)

    def at(self, drawn, w):
        return w - drawn


@pytest.mark.parametrize("shift", [0, 8])
def test_words_are_drawn_bit_by_bit(target, shift):
    gradient = _Words(shift)
    assert isinstance(gradient, WordGradient)
    run = lambda key, **how: descend(gradient, 0.0, 1.0, 7, seed=key, record_every=1, limit=1e9, **how).path  # noqa: E731
    loops, kernel = _populations(run, _keys(5))
    words = np.asarray(jax.vmap(lambda key: jax.random.bits(key, (7, 3)))(_keys(5)))[..., -1]
    np.testing.assert_array_equal(kernel, ((words << np.uint32(shift)) >> np.uint32(8)).astype(np.float32))
    np.testing.assert_array_equal(kernel, loops)


def test_points_are_drawn_without_replacement_as_by_the_loops(target):
    """The sum of 2^i over the numbers i of the points says which they are."""
    gradient = location_gradient(2.0 ** np.arange(20), 4)
    run = lambda key, **how: descend(gradient, 0.0, 1.0, 5, seed=key, record_every=1, **how).path  # noqa: E731
    loops, kernel = _populations(run, _keys(40))
    sets = (4 * np.asarray(kernel)).astype(int)
    assert all(bin(number).count("1") == 4 for number in sets.ravel())
    np.testing.assert_array_equal(kernel, loops)


@pytest.mark.parametrize("momentum", [None, 0.5])
def test_noisy_descent_is_that_of_the_loops(target, momentum):
    def run(key, rate, **how):
        return descend(_NOISY, -1.0, rate, 100, seed=key, momentum=momentum, record_every=25, **how)

    # At larger rates one of these runs lingers on the hill, which multiplies its rounding.
    loops, kernel = _populations(run, _keys(150), jnp.linspace(0.02, 0.18, 150))
    np.testing.assert_allclose(kernel.path, loops.path, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(kernel.weight, kernel.path[:, -1])
    np.testing.assert_array_equal(kernel.survived, loops.survived)


def test_refit_descent_is_that_of_the_loops(target):
    gradient = refit_gradient(_X, _Y, 2, 4)

    def run(key, **how):
        return descend(gradient, 3.5, 0.01, 20, seed=key, limit=10.0, **how)

    loops, kernel = _populations(run, _keys(200))
    alive = np.isfinite(loops.weight)
    assert 20 < alive.sum() < 180
    np.testing.assert_array_equal(np.isfinite(kernel.weight), alive)
    np.testing.assert_array_equal(kernel.survived, loops.survived)
    ours, theirs = (np.asarray(run.weight)[alive] for run in (kernel, loops))
    assert np.median(abs(ours / theirs - 1)) < 1e-6


@pytest.mark.slow
def test_t2_has_the_same_fates(target):
    gradient = refit_gradient(_X, _Y, 6, 10)
    run = lambda key, **how: descend(gradient, 3.5, 0.3, 100, seed=key, **how).weight  # noqa: E731
    loops, kernel = _populations(run, _keys(2000))
    assert (fate(kernel, T2_LANDSCAPE) == fate(loops, T2_LANDSCAPE)).mean() >= 0.999
    alive = np.isfinite(loops) & np.isfinite(kernel)
    assert np.median(abs(np.asarray(kernel)[alive] / np.asarray(loops)[alive] - 1)) < 1e-6


def test_passages_and_occupancy_are_those_of_the_loops(target):
    def passage(key, **how):
        return first_passage(_NOISY, -1.0, 0.3, 150, seed=key, target=0.9, **how)

    loops, kernel = _populations(passage, _keys(100))
    assert 0 < int((loops.status == 1).sum()) < 100
    np.testing.assert_array_equal(kernel.status, loops.status)
    np.testing.assert_array_equal(kernel.steps, loops.steps)

    def stay(key, **how):
        return occupancy(_NOISY, -1.0, 0.1, 150, seed=key, low=-1.5, high=1.5, bins=6, burn_in=20, **how)

    loops, kernel = _populations(stay, _keys(100))
    for ours, theirs in zip(kernel, loops, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (kernel.counts.sum(1) + kernel.below + kernel.above == 130).all()


def test_regression_and_plain_descent_are_those_of_the_loops(target):
    gradients = [full_gradient(_X, _Y, 6), regression_gradient(0.5, 2)]
    for gradient in gradients:
        run = lambda key, start, g=gradient, **how: descend(g, start, 0.1, 30, seed=key, **how).weight  # noqa: E731
        loops, kernel = _populations(run, _keys(9), jnp.linspace(-4.0, 4.0, 9))
        np.testing.assert_allclose(kernel, loops, rtol=1e-5, atol=1e-6)


# --- Any gradient -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ripples:
    """A slope of sines, with what is swept in it closed over; not even a pytree."""

    height: object
    powers: object = 1

    words = 1

    def draw(self, seed, first, steps):
        return self.read(randomness.random_words(seed, steps, 1, first))

    def read(self, words):
        return (words[0] >> jnp.uint32(31)).astype(jnp.float32)

    def at(self, drawn, w):
        waves = jnp.sin(jnp.arange(1.0, 4.0) * w) @ self.powers if np.ndim(self.powers) else jnp.sin(3 * w)
        return w + self.height * waves + drawn * jnp.where(w > 0, 0.5, -0.5)


def test_any_function_of_w_is_a_gradient(target):
    def run(key, height, **how):
        return descend(_Ripples(height), 0.7, 0.1, 40, seed=key, **how).weight

    loops, kernel = _populations(run, _keys(20), jnp.linspace(0.0, 1.0, 20))
    np.testing.assert_allclose(kernel, loops, rtol=1e-5, atol=1e-6)
    assert len(set(np.asarray(kernel).tolist())) == 20


def test_what_no_kernel_can_do_is_left_to_the_loops_or_refused():
    gradient = _Ripples(0.5, np.ones(3, np.float32))  # a matrix product

    def run(key, kernel):
        return descend(gradient, 0.7, 0.1, 3, seed=key, kernel=kernel).weight

    with pytest.raises(ArgumentError, match="kernel = 'pallas': cannot run a step that uses 'dot_general'"):
        jax.jit(jax.vmap(lambda key: run(key, "pallas")))(_keys(2))
    population = jax.jit(jax.vmap(lambda key: run(key, "auto"))).trace(_keys(2))
    for platform, call in _CALLS.items():
        assert call not in population.lower(lowering_platforms=(platform,)).as_text()
    with jax.enable_x64(True), pytest.raises(ArgumentError, match="needs single precision"):
        descend(_NOISY, 0.0, 0.1, 3, seed=jax.random.key(0), kernel="pallas")


# --- One call for all levels ------------------------------------------------------------------------------------------


def test_nested_levels_swept_landscapes_and_odd_sizes(target):
    def run(key, scale, rate, **how):
        landscape = Polynomial(scale * jnp.asarray(DOUBLE_WELL.coefficients, jnp.float32))
        return descend(noisy_gradient(landscape, 0.5), -1.0, rate, 20, seed=key, **how).weight

    keys, scales, rates = _keys(7), jnp.array([0.5, 1.0, 2.0]), jnp.array([0.05, 0.1])
    found = {}
    for kernel in ("xla", "pallas"):
        each = lambda key, scale, rate, k=kernel: run(key, scale, rate, kernel=k)  # noqa: E731
        nested = jax.vmap(jax.vmap(jax.vmap(each, (None, None, 0)), (0, None, None)), (None, 0, None))
        found[kernel] = jax.jit(nested)(keys, scales, rates)
    assert found["pallas"].shape == (3, 7, 2)
    np.testing.assert_allclose(found["pallas"], found["xla"], rtol=1e-5, atol=1e-6)
    alone = run(keys[4], scales[2], rates[1], kernel="xla")
    np.testing.assert_allclose(found["pallas"][2, 4, 1], alone, rtol=1e-5, atol=1e-6)


def test_a_single_run_and_populations_on_two_devices(target):
    run = lambda key: descend(_NOISY, -1.0, 0.1, 20, seed=key, kernel="pallas").weight  # noqa: E731
    keys = _keys(6)
    expected = jax.jit(jax.vmap(lambda key: descend(_NOISY, -1.0, 0.1, 20, seed=key, kernel="xla").weight))(keys)
    np.testing.assert_allclose(jax.jit(run)(keys[0]), expected[0], rtol=1e-5)
    mesh = jax.make_mesh((2,), ("runs",), axis_types=(jax.sharding.AxisType.Auto,))
    rows = PartitionSpec("runs")
    spread = jax.jit(jax.shard_map(jax.vmap(run), mesh=mesh, in_specs=rows, out_specs=rows, check_vma=False))
    np.testing.assert_allclose(spread(keys), expected, rtol=1e-5, atol=1e-6)


def test_sweeps_run_as_the_kernel(target):
    def run(kernel):
        def follow(gradient, *, seed, learning_rate):
            return {"weight": descend(gradient, -1.0, learning_rate, 20, seed=seed, kernel=kernel).weight}

        axes = {"seed": jr.seeds(11), "learning_rate": np.array([0.05, 0.1, 0.2])}
        return jr.sweep(follow, axes, args=(_NOISY,), chunk_size=9, progress=False).weight

    np.testing.assert_allclose(run("pallas"), run("xla"), rtol=1e-5, atol=1e-6)


def _programs():
    end = {"target": 0.9}
    bins = {"low": -2.0, "high": 2.0, "bins": 8}
    refit = refit_gradient(_X, _Y, 6, 10)
    return {
        "noisy": lambda key, rate: descend(_NOISY, -1.0, rate, 1000, seed=key).weight,
        "momentum": lambda key, rate: descend(_NOISY, -1.0, rate, 1000, seed=key, momentum=0.9).weight,
        "refit": lambda key, rate: fate(descend(refit, 3.5, rate, 100, seed=key).weight, T2_LANDSCAPE),
        "path": lambda key, rate: descend(_NOISY, -1.0, rate, 100, seed=key, record_every=1).path,
        "passage": lambda key, rate: first_passage(_NOISY, -1.0, rate, 100, seed=key, **end).steps,
        "occupancy": lambda key, rate: occupancy(_NOISY, -1.0, rate, 100, seed=key, **bins).counts,
    }


@pytest.mark.parametrize("name", _programs())
def test_populations_are_one_kernel_on_accelerators_and_none_on_a_cpu(name):
    over_rates = jax.vmap(_programs()[name], (None, 0))
    population = jax.jit(jax.vmap(over_rates, (0, None))).trace(_keys(4), jnp.array([0.1, 0.2, 0.3]))
    for platform, call in _CALLS.items():
        lowered = population.lower(lowering_platforms=(platform,)).as_text()
        assert lowered.count(call) == 1
        assert "stablehlo.while" not in lowered
    on_cpu = population.lower(lowering_platforms=("cpu",)).as_text()
    assert not any(call in on_cpu for call in _CALLS.values())


def test_on_a_cpu_it_is_the_program_of_the_loops():
    """As many operations, so that refits are made once for all learning rates, and the same results to the last bit."""
    gradient, rates = refit_gradient(_X, _Y, 6, 10), jnp.linspace(0.1, 0.3, 5)
    costs, weights = [], []
    for kernel in ("auto", "xla"):
        run = lambda key, rate, k=kernel: descend(gradient, 3.5, rate, 30, seed=key, kernel=k).weight  # noqa: E731
        compiled = jax.jit(jax.vmap(jax.vmap(run, (None, 0)), (0, None))).lower(_keys(3), rates).compile()
        costs.append(compiled.cost_analysis()["flops"])
        weights.append(compiled(_keys(3), rates))
    assert abs(costs[0] / costs[1] - 1) < 0.01
    np.testing.assert_array_equal(*weights)


def test_derivatives_go_through_the_loops():
    def end(rate, kernel):
        run = lambda key: descend(_NOISY, -1.0, rate, 10, seed=key, kernel=kernel).weight  # noqa: E731
        return jax.vmap(run)(_keys(3)).sum()

    slope = jax.grad(end)(0.1, "auto")
    assert slope == jax.grad(end)(0.1, "xla")
    assert abs(float(slope - (end(0.101, "xla") - end(0.099, "xla")) / 0.002)) < 0.05 * abs(float(slope))


# --- Number by number -------------------------------------------------------------------------------------------------


class _Rows:
    """A target whose tiles are rows of three runs."""

    tile = (3,)

    def look_up(self, table, index):
        return jnp.asarray(table)[index]

    def write(self, memory, index, value, adds):
        raise NotImplementedError


def _loop(a, b):
    return jax.lax.fori_loop(0, 3, lambda i, s: jax.lax.dynamic_update_index_in_dim(s, s[i] * b[0], i, 0), a)


def _branch(a, b):
    return jnp.where(a.sum() > 0, a[::-1].reshape(2, 2), jnp.stack([b, b * 2]).T[:2])


def _shape(a, b):
    return jnp.concatenate([jnp.broadcast_to(b[1:], (2, 1)), a.reshape(2, 2)], 1).max(0), jnp.prod(a), jnp.all(a < 2)


def _stack(a, b):
    return jax.lax.scan(lambda c, x: (c + x, c * x), b[0], a, reverse=True)


def _own_table(a, b):
    return a.at[(b > 0).astype(jnp.int32)].get(mode="promise_in_bounds")


@pytest.mark.parametrize("function", [_loop, _branch, _shape, _stack, _own_table])
def test_number_by_number_is_the_program_itself(function):
    values = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    a, b = jnp.asarray(values[:, :4]), jnp.asarray(values[:, 4:])
    program = jax.make_jaxpr(function)(a[0], b[0]).jaxpr
    inputs = [gather_objects(list(array.T), (array.shape[1],)) for array in (a, b)]
    found = Evaluator(_Rows()).evaluate(program, *inputs)
    expected = jax.tree.leaves(jax.vmap(function)(a, b))
    for ours, theirs in zip(found, expected, strict=True):
        runs = np.stack([np.broadcast_to(number, (3,)) for number in ours.ravel()], -1).reshape(3, *ours.shape)
        np.testing.assert_allclose(runs, theirs, rtol=1e-6)


def test_tables_that_all_runs_share_are_looked_up_and_other_indexing_is_refused():
    table = np.arange(5.0, dtype=np.float32) ** 2
    held = Table(gather_objects(table, (5,)), table)
    index = jnp.array([4, 0, 3])
    program = jax.make_jaxpr(lambda t, i: t.at[i].get(mode="promise_in_bounds") + t[1])(table, index[0]).jaxpr
    (found,) = Evaluator(_Rows()).evaluate(program, held, as_array(index))
    np.testing.assert_array_equal(found[()], [17, 1, 10])
    clipping = jax.make_jaxpr(lambda t, i: t.at[i].get(mode="clip"))(table, index[:1]).jaxpr
    with pytest.raises(NotInKernelError, match="indexes otherwise"):
        Evaluator(_Rows()).evaluate(clipping, held, gather_objects([index], (1,)))
    searching = jax.make_jaxpr(lambda x: jax.lax.while_loop(lambda s: s > 1, lambda s: s / 2, x))(1.0).jaxpr
    with pytest.raises(NotInKernelError, match="uses 'while'"):
        Evaluator(_Rows()).evaluate(searching, as_array(index))
