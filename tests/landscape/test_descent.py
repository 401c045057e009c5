"""Descent: the same fates as NumPy in float64 on the same draws, shared work, bounded memory, fates."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr

from jaxreg import randomness, sampling
from jaxreg.errors import ArgumentError
from jaxreg.landscape import (
    FATES,
    T2_LANDSCAPE,
    Polynomial,
    descend,
    fate,
    full_gradient,
    refit_gradient,
    space,
)

_X = np.linspace(-10.0, 10.0, 100)
_Y = np.polynomial.polynomial.polyval(_X, T2_LANDSCAPE.coefficients) + np.random.default_rng(0).normal(0, 0.2, 100)
_STEPS, _RATE, _START = 100, 0.3, 3.5


def _keys(runs):
    return jax.random.split(jax.random.key(1), runs)


@jax.jit
def _population(keys):
    gradient = refit_gradient(_X, _Y, 6, 10)
    return jax.lax.map(lambda key: descend(gradient, _START, _RATE, _STEPS, seed=key), keys, batch_size=500)


def _reference(keys, stop=1e6):
    """Last weights from least squares in float64, of y itself, on the points that `refit_gradient` draws."""
    words = jax.jit(jax.vmap(lambda key: randomness.random_words(key, _STEPS, 10)))(keys)
    chosen = np.asarray(sampling.without_replacement(words, 100, axis=1))
    w = np.full(len(keys), _START)
    for t in range(_STEPS):
        rows = chosen[:, :, t]
        q, r = np.linalg.qr((_X[rows] / 10)[..., None] ** np.arange(7))
        c = np.linalg.solve(r, np.einsum("skj,sk->sj", q, _Y[rows])[..., None])[..., 0]
        with np.errstate(all="ignore"):
            slope = sum(j * c[:, j] * (w / 10) ** (j - 1) for j in range(1, 7)) / 10
            w = np.where(abs(w) < stop, w - _RATE * slope, np.inf)
    return np.where(abs(w) < stop, w, np.inf), chosen


def _fates(w):
    """Fates in NumPy, from the two maxima between the minima."""
    left, right = -2.81826126, 3.10131911
    return np.where(~np.isfinite(w), 3, np.where(w < left, 1, np.where(w > right, 2, 0)))


def _typical_gap(ours, theirs):
    """Median distance of the runs that did not diverge; single ones may part, since the noise has heavy tails."""
    alive = np.isfinite(ours) & np.isfinite(theirs)
    return np.median(abs(np.asarray(ours, np.float64)[alive] - np.asarray(theirs)[alive]))


def _compare(runs):
    keys = _keys(runs)
    expected, _ = _reference(keys)
    run = _population(keys)
    ours = np.asarray(fate(run.weight, T2_LANDSCAPE))
    assert (ours == _fates(expected)).mean() >= 0.995
    assert abs((ours == 3).mean() - (_fates(expected) == 3).mean()) < 0.005
    assert _typical_gap(run.weight, expected) < 1e-6
    return np.bincount(ours, minlength=4) / runs


def test_same_draws_give_the_same_fates_as_float64():
    shares = _compare(2000)
    np.testing.assert_allclose(shares, [0.566, 0.018, 0.109, 0.306], atol=4 * np.sqrt(0.25 / 2000))


@pytest.mark.slow
def test_same_draws_give_the_same_fates_as_float64_in_20_000_runs():
    shares = _compare(20_000)
    np.testing.assert_allclose(shares[[0, 2, 3]], [0.56, 0.11, 0.30], atol=0.02)  # the tutorial's population


def test_the_reference_is_polyfit():
    keys = _keys(3)
    expected, chosen = _reference(keys)
    for run in range(3):
        w = _START
        for t in range(_STEPS):
            rows = chosen[run, :, t]
            w = w - _RATE * np.polyval(np.polyder(np.polyfit(_X[rows], _Y[rows], 6)), w)
            if abs(w) > 1e6:
                w = np.inf
                break
        np.testing.assert_allclose(w, expected[run], rtol=1e-6)


def test_double_precision_follows_the_reference_closely():
    keys = _keys(200)
    expected, _ = _reference(keys)
    gradient = refit_gradient(_X, _Y, 6, 10)
    with jax.enable_x64(True):
        run = jax.jit(jax.vmap(lambda key: descend(gradient, _START, _RATE, _STEPS, seed=key)))(keys)
        assert run.weight.dtype == np.float64
    np.testing.assert_array_equal(_fates(np.asarray(run.weight)), _fates(expected))
    assert _typical_gap(run.weight, expected) < 1e-13


def test_descent_on_all_data_is_a_loop_of_numpy():
    slope = np.polynomial.Polynomial.fit(_X, _Y, 6).deriv()
    w, path = 3.5, []
    for _ in range(20):
        w = w - 0.3 * slope(w)
        path.append(w)
    run = descend(full_gradient(_X, _Y, 6), 3.5, 0.3, 20, seed=jax.random.key(0), record_every=1)
    np.testing.assert_allclose(run.path, path, rtol=1e-5)
    assert int(run.survived) == 20


def test_the_run_is_the_same_whatever_is_recorded_and_however_long_it_goes_on():
    gradient = refit_gradient(_X, _Y, 6, 20)
    run = jax.jit(lambda steps, every: descend(gradient, 3.5, 0.1, steps, seed=jax.random.key(3), record_every=every),
                  static_argnums=(0, 1))  # fmt: skip
    every_step = np.asarray(run(300, 1).path)  # three blocks
    np.testing.assert_array_equal(run(300, 10).path, every_step[9::10])
    np.testing.assert_array_equal(run(300, 300).path, every_step[-1:])
    np.testing.assert_allclose(run(70, 7).path, every_step[6:70:7], rtol=1e-5)
    np.testing.assert_allclose(run(257, 1).path, every_step[:257], rtol=1e-5)  # blocks that end past the last step
    assert run(300, 10).weight == every_step[-1]
    assert run(257, 1).survived == 257


def test_divergence_is_data():
    well = full_gradient(_X, _X**2, 2)  # gradient 2w: step size 2 multiplies w by -3
    run = jax.vmap(lambda rate: descend(well, 1.0, rate, 40, seed=jax.random.key(0), record_every=1))(
        jnp.array([2.0, 0.25])
    )
    assert np.isposinf(run.weight[0])
    np.testing.assert_array_equal(run.survived, [12, 40])  # 3¹² < 1e6 < 3¹³
    np.testing.assert_allclose(run.path[0, :12], (-3.0) ** np.arange(1, 13), rtol=1e-4)
    assert np.isposinf(run.path[0, 12:]).all()
    np.testing.assert_allclose(run.path[1], 0.5 ** np.arange(1, 41), rtol=1e-4)


def test_the_limit_decides_what_has_diverged():
    well = full_gradient(_X, _X**2, 2)
    run = descend(well, 1.0, 2.0, 40, seed=jax.random.key(0), limit=100)
    assert int(run.survived) == 4
    assert np.isposinf(run.weight)


def test_a_member_that_diverges_leaves_its_neighbours_alone():
    gradient = refit_gradient(_X, _Y, 6, 10)
    member = jax.jit(lambda key: descend(gradient, 3.5, 0.3, 100, seed=key).weight)
    together = np.asarray(jax.jit(jax.vmap(member))(_keys(40)))
    alone = np.array([member(key) for key in _keys(40)])
    assert 5 < np.isinf(together).sum() < 20
    np.testing.assert_array_equal(np.isinf(together), np.isinf(alone))
    assert _typical_gap(together, alone) < 1e-6


def _arrays(jaxpr):
    """Shapes of everything that a program computes, loops included."""
    for equation in jaxpr.eqns:
        yield from (variable.aval.shape for variable in equation.outvars)
        for value in equation.params.values():
            for item in value if isinstance(value, tuple | list) else (value,):
                if isinstance(item, ClosedJaxpr | Jaxpr):
                    yield from _arrays(getattr(item, "jaxpr", item))


@pytest.mark.parametrize("seed_is_outermost", [True, False])
def test_refits_are_made_once_for_all_learning_rates_and_starts(seed_is_outermost):
    """The points of a refit (11) and the learning rates (5) or starts (3) never meet in one array."""
    gradient = refit_gradient(_X, _Y, 6, 11)

    def run(key, rate, start):
        return descend(gradient, start, rate, 13, seed=key, kernel="xla").weight

    over_key = jax.vmap(run, in_axes=(0, None, None))
    over_rate = jax.vmap(jax.vmap(run, in_axes=(None, 0, None)), in_axes=(None, None, 0))
    nested = (
        jax.vmap(over_rate, in_axes=(0, None, None))
        if seed_is_outermost
        else jax.vmap(jax.vmap(over_key, in_axes=(None, 0, None)), in_axes=(None, None, 0))
    )
    arguments = _keys(2), jnp.geomspace(0.1, 1, 5), jnp.linspace(-1, 1, 3)
    shapes = list(_arrays(jax.make_jaxpr(nested)(*arguments).jaxpr))
    assert any(11 in shape and 2 in shape for shape in shapes)
    assert any(5 in shape and 2 in shape for shape in shapes)
    assert not [shape for shape in shapes if 11 in shape and {3, 5} & set(shape)]


def test_nothing_grows_with_the_steps_unless_recorded():
    gradient = refit_gradient(_X, _Y, 6, 10)

    def largest(steps, every=None):
        jaxpr = jax.make_jaxpr(lambda key: descend(gradient, 3.5, 0.3, steps, seed=key, record_every=every))(
            _keys(1)[0]
        )
        return max(int(np.prod(shape)) for shape in _arrays(jaxpr.jaxpr))

    assert largest(12_800) == largest(128 * 7)
    assert largest(12_800, 1) >= 12_800
    run = descend(gradient, 3.5, 0.3, 5, seed=jax.random.key(0))
    np.testing.assert_array_equal(run.path, run.weight[None])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 10.0}, "steps"),
        ({"record_every": 3}, "record_every"),
        ({"record_every": 0}, "record_every"),
        ({"record_every": 20}, "record_every"),
        ({"learning_rate": -0.1}, "learning_rate"),
        ({"learning_rate": np.nan}, "learning_rate"),
        ({"learning_rate": np.inf}, "learning_rate"),
        ({"start": np.nan}, "start"),
        ({"start": 1e6}, "start"),
    ],
)
def test_bad_arguments_are_refused_by_name(changed, named):
    arguments = {"start": 1.0, "learning_rate": 0.1, "steps": 10, "seed": jax.random.key(0)} | changed
    with pytest.raises(ArgumentError, match=f"^{named} = "):
        getattr(descend, "__wrapped__", descend)(full_gradient(_X, _Y, 6), **arguments)


@pytest.mark.parametrize("limit", [2**31, 2**63, 10**30])
def test_a_limit_may_be_an_integer_that_jax_has_no_room_for(limit):
    given = {"start": -1.5, "learning_rate": 0.1, "steps": 3, "seed": jax.random.key(0), "record_every": 1}
    gradient = lambda key, w: 2 * w  # noqa: E731
    run, same = (descend(gradient, **given, limit=most) for most in (limit, float(limit)))
    np.testing.assert_array_equal(run.path, same.path)
    bowl = space.Landscape(lambda w: (w * w).sum(), 1)
    given |= {"start": [-1.5], "optimizer": optax.sgd(0.1)}
    del given["learning_rate"]
    np.testing.assert_allclose(space.descend(bowl, **given, limit=limit).path[:, 0], same.path, rtol=1e-6)


@pytest.mark.parametrize("start", [1e-39, -1e-300])
def test_what_single_precision_takes_for_zero_is_refused(start):
    with pytest.raises(ArgumentError, match=r"^start = .* in float32"):
        descend(lambda key, w: w, start, 0.1, 3, seed=jax.random.key(0))


def test_fates_name_the_basin():
    w = jnp.array([-4.2, -2.9, -2.7, 0.0, 3.0, 3.2, 4.25, jnp.inf, jnp.nan])
    names = [FATES[number] for number in fate(w, T2_LANDSCAPE)]
    assert names == ["left"] * 2 + ["global minimum"] * 3 + ["right"] * 2 + ["diverged"] * 2


def test_fates_follow_the_lowest_minimum():
    tilted = Polynomial(np.array([0.0, -0.3, -2.0, 0.0, 1.0]))  # a double well, deeper on the right
    assert fate(jnp.array([-1.0, 1.0]), tilted).tolist() == [1, 0]
    mirrored = Polynomial(np.array([0.0, 0.3, -2.0, 0.0, 1.0]))
    assert fate(jnp.array([-1.0, 1.0]), mirrored).tolist() == [0, 2]
    with pytest.raises(ArgumentError, match="minimum"):
        fate(0.0, Polynomial(np.array([0.0, 1.0])))
