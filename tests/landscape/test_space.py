"""Landscapes in several dimensions against published critical points, exact laws and plain loops."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optax
import pytest
from matplotlib.figure import Figure

import jaxreg as jr
from jaxreg.errors import ArgumentError
from jaxreg.landscape import space
from jaxreg.landscape.space import Landscape

_KEY = jax.random.key(0)
_BOWL = Landscape(lambda w: (w**2 * jnp.array([1.0, 3.0], w.dtype)).sum() / 2, 2, "bowl")

# Points and heights as published; saddles have index 1.
_PUBLISHED = {
    "rosenbrock": (space.ROSENBROCK, (-2.0, 2.0), [(1.0, 1.0, 0.0)], []),
    "beale": (space.BEALE, (-4.0, 4.0), [(3.0, 0.5, 0.0)], [(0.0, 1.0, 14.203125)]),
    "himmelblau": (
        space.HIMMELBLAU,
        (-6.0, 6.0),
        [(3.0, 2.0, 0.0), (-2.805118, 3.131312, 0.0), (-3.779310, -3.283186, 0.0), (3.584428, -1.848126, 0.0)],
        [(0.086678, 2.884255, 67.719), (3.385154, 0.073852, 13.312), (-3.073026, -0.081353, 104.015)],
    ),
    "styblinski_tang": (space.STYBLINSKI_TANG, (-5.0, 5.0), [(-2.903534, -2.903534, -78.332331)], []),
    "muller_brown": (
        space.MULLER_BROWN,
        ((-1.5, -0.5), (1.2, 2.0)),
        [(-0.558224, 1.441726, -146.6995), (0.623499, 0.028038, -108.1667), (-0.050011, 0.466694, -80.7678)],
        [(-0.822002, 0.624313, -40.6648), (0.212487, 0.292988, -72.2489)],
    ),
}


@pytest.mark.parametrize("name", _PUBLISHED)
def test_critical_points_are_those_published(name):
    landscape, (low, high), minima, saddles = _PUBLISHED[name]
    found = space.find_critical_points(landscape, low, high)
    for points, known in ((found.minima, minima), (found.saddles, saddles)):
        for *place, height in known:
            distance = np.linalg.norm(points - np.array(place), axis=1)
            assert distance.min() < 2e-5
            with jax.enable_x64(True):
                np.testing.assert_allclose(landscape.value(points[distance.argmin()]), height, atol=5e-3)
    if name != "styblinski_tang":
        assert len(found.minima) == len(minima)
    assert (np.diff(found.values) >= -1e-9).all()
    with jax.enable_x64(True):
        curvatures = np.linalg.eigvalsh(landscape.hessian(found.points))
    np.testing.assert_array_equal((curvatures < 0).sum(1), found.downhill)


def test_named_landscapes_in_any_dimension_and_optimizers_that_look_at_the_height():
    for make, minimum, height in ((space.rosenbrock, 1.0, 0.0), (space.styblinski_tang, -2.903534, -39.16617 * 4)):
        four, two = make(4), make(2)
        np.testing.assert_allclose(four.value(jnp.full(4, minimum)), height, atol=1e-3)
        np.testing.assert_allclose(four.gradient(jnp.full(4, minimum)), 0, atol=1e-3)
        known = space.ROSENBROCK if make is space.rosenbrock else space.STYBLINSKI_TANG
        np.testing.assert_array_equal(two.value(jnp.array([0.3, -1.2])), known.value(jnp.array([0.3, -1.2])))
    run = space.descend(space.rosenbrock(3), [-0.5, 1.0, 0.5], optax.lbfgs(), 60, seed=_KEY)
    np.testing.assert_allclose(run.weight, 1.0, atol=1e-2)
    # A step by Polyak's rule on a parabola is f / |f'|^2 = w^2 / 2 / w^2, half of the way.
    bowl = Landscape(lambda w: (w**2).sum() / 2, 1)
    run = space.descend(bowl, [8.0], optax.polyak_sgd(), 3, seed=_KEY, record_every=1)
    np.testing.assert_allclose(run.path[:, 0], [4.0, 2.0, 1.0], rtol=1e-4)
    # Two gradients of a parabola at one point make one step; `MultiSteps` is no transformation, but has its functions.
    run = space.descend(bowl, [8.0], optax.MultiSteps(optax.sgd(0.5), 2), 4, seed=_KEY, record_every=1)
    np.testing.assert_allclose(run.path[:, 0], [8.0, 4.0, 4.0, 2.0], rtol=1e-6)
    with pytest.raises(ArgumentError, match="dim = 1"):
        space.rosenbrock(1)


def test_basins_are_where_a_slow_descent_ends():
    minima = space.find_critical_points(space.HIMMELBLAU, -6.0, 6.0).minima
    starts = jax.random.uniform(_KEY, (40, 2), minval=-5.0, maxval=5.0)
    slow = jax.vmap(lambda w: space.descend(space.HIMMELBLAU, w, optax.sgd(1e-3), 20_000, seed=_KEY).weight)(starts)
    nearest = np.linalg.norm(np.asarray(slow)[:, None] - minima, axis=2).argmin(1)
    np.testing.assert_array_equal(space.basin(starts, space.HIMMELBLAU, minima), nearest)
    assert space.basin(jnp.array([jnp.inf, 0.0]), space.HIMMELBLAU, minima) == -1
    fates = space.fate(jnp.append(starts, jnp.full((1, 2), jnp.inf), 0), space.HIMMELBLAU, minima)
    np.testing.assert_array_equal(fates, [*np.where(nearest == 0, 0, 1), 3])


def test_one_dimension_is_as_in_one_dimension():
    well = Landscape(lambda w: (w[0] ** 2 - 1) ** 2 / 4, 1)
    polynomial = jr.landscape.DOUBLE_WELL
    points = jnp.linspace(-1.5, 1.5, 7)[:, None]
    np.testing.assert_allclose(well.value(points), polynomial.value(points[:, 0]), atol=1e-6)
    quiet = jr.landscape.noisy_gradient(polynomial, 0.0)
    along = jr.landscape.descend(quiet, 0.4, 0.05, 40, seed=_KEY, record_every=1, momentum=0.5).path
    here = space.descend(well, [0.4], optax.sgd(0.05, momentum=0.5), 40, seed=_KEY, record_every=1).path[:, 0]
    np.testing.assert_allclose(here, along, rtol=1e-5)


def test_noise_spreads_as_its_exact_law_says():
    """Steps w - η(λ w + σ ε) have the variance η²σ² / (1 - (1 - ηλ)²)."""
    rate, sigma, count = 0.2, 0.7, 4096

    def run(*, seed):
        return {"weight": space.descend(_BOWL, [0.0, 0.0], optax.sgd(rate), 200, seed=seed, noise=sigma).weight}

    weights = jr.sweep(run, {"seed": jr.seeds(count)}, progress=False)["weight"].values
    exact = rate**2 * sigma**2 / (1 - (1 - rate * np.array([1.0, 3.0])) ** 2)
    z = (weights.var(0) / exact - 1) / np.sqrt(2 / count)
    assert (abs(z) < 4).all()
    assert abs(np.corrcoef(weights.T)[0, 1]) < 4 / np.sqrt(count)


def test_passages_and_occupancy_are_those_of_the_path():
    settings = {"seed": _KEY, "noise": 3.0}
    walk = (space.HIMMELBLAU, [0.0, 0.0], optax.sgd(0.01), 300)
    path = np.asarray(space.descend(*walk, record_every=1, **settings).path)
    passage = space.first_passage(*walk, target=[3.0, 2.0], radius=0.5, **settings)
    near = np.linalg.norm(path - [3.0, 2.0], axis=1) <= 0.5
    assert near.any()
    assert (int(passage.steps), int(passage.status)) == (near.argmax() + 1, 1)
    spent = space.occupancy(*walk, low=-1.0, high=[4.0, 3.0], bins=4, burn_in=10, **settings)
    counts, *_ = np.histogram2d(*path[10:].T, bins=4, range=[(-1, 4), (-1, 3)])
    np.testing.assert_array_equal(spent.counts, counts)
    assert int(spent.counts.sum() + spent.outside) == 290
    assert int(spent.survived) == 300


def test_a_sweep_names_the_dimensions():
    def roam(*, seed):
        return space.descend(_BOWL, [1.0, 1.0], optax.sgd(0.1), 4, seed=seed, record_every=2)

    def visit(*, seed):
        return space.occupancy(_BOWL, [1.0, 1.0], optax.sgd(0.1), 4, seed=seed, low=-2.0, high=2.0, bins=3)

    def descend(*, seed):
        return jr.landscape.descend(jr.landscape.noisy_gradient(jr.landscape.QUADRATIC, 1.0), 1.0, 0.1, 4, seed=seed)

    seeds = {"seed": jr.seeds(2)}
    run, spent, line = (jr.sweep(run, seeds, progress=False) for run in (roam, visit, descend))
    assert run["path"].dims == ("seed", "record", "coordinate")
    assert run["weight"].dims == ("seed", "coordinate")
    assert spent["counts"].dims == ("seed", "bin_0", "bin_1")
    assert line["path"].dims == ("seed", "record")


def test_a_member_alone_is_the_member_of_the_population():
    def run(*, seed, learning_rate, noise):
        optimizer = optax.adam(learning_rate)
        return space.descend(space.BEALE, [1.0, 1.0], optimizer, 60, seed=seed, noise=noise, record_every=20)._asdict()

    axes = {"seed": jr.seeds(3), "learning_rate": [0.01, 0.1], "noise": [0.0, 0.5]}
    result = jr.sweep(run, axes, progress=False)
    alone = run(seed=jr.seeds(3).key(1), learning_rate=jnp.float32(0.1), noise=jnp.float32(0.5))
    np.testing.assert_allclose(result["path"][1, 1, 1], alone["path"], rtol=1e-5)
    assert len(np.unique(result["weight"].values[:, 0, 0, 0])) == 1


def test_a_run_that_leaves_is_infinite_and_stays():
    run = space.descend(space.ROSENBROCK, [3.0, 3.0], optax.sgd(1.0), 50, seed=_KEY, record_every=1)
    assert np.isinf(run.weight).all()
    assert 0 <= run.survived < 50
    assert np.isfinite(run.path[: int(run.survived)]).all()


def _descend(update):
    own = optax.GradientTransformation(lambda w: jnp.zeros(1), update)
    return space.descend(_BOWL, [0.0, 0.0], own, 3, seed=_KEY)


_REFUSED = {
    "no function": (lambda: Landscape(3, 2), "function = 3"),
    "several numbers": (lambda: Landscape(lambda w: w, 2), "must return one float"),
    "another dimension": (lambda: Landscape(lambda w: w[0] @ w[1], 2), "must take one point of 2 coordinates"),
    "a function that fails": (
        lambda: Landscape(lambda w: w.none, 2),
        "must take one point of 2 coordinates (Attribute",
    ),
    "no derivative": (
        lambda: Landscape(lambda w: jax.pure_callback(np.sum, jax.ShapeDtypeStruct((), w.dtype), w), 2),
        "must have a derivative",
    ),
    "an optimizer that fails": (lambda: _descend(lambda g, s, p=None: (g.none, s)), "must take a point and a gradient"),
    "updates that are broadcast": (lambda: _descend(lambda g, s, p=None: (g.sum(), s)), "the shape of a point, (2,)"),
    "a state that grows": (
        lambda: _descend(lambda g, s, p=None: (g, jnp.concatenate([s, s]))),
        "must keep the shapes and types of the point and of its state",
    ),
    "a target nowhere": (
        lambda: space.first_passage(_BOWL, [0.0, 0.0], optax.sgd(0.1), 3, seed=_KEY, target=[np.nan, 1.0], radius=0.1),
        "target[0] = nan",
    ),
    "no minimum": (lambda: space.basin([0.0, 0.0], _BOWL, np.zeros((0, 2))), "minima = (0, 2)"),
    "no dimension": (lambda: Landscape(jnp.sum, 0), "dim = 0"),
    "points of another dimension": (lambda: _BOWL.value(jnp.zeros(3)), "must end with the 2 coordinates"),
    "a box that is none": (lambda: space.find_critical_points(_BOWL, 1.0, -1.0), "high = -1.0"),
    "no optimizer": (lambda: space.descend(_BOWL, [0.0, 0.0], 0.1, 3, seed=_KEY), "optimizer = 0.1"),
    "a start elsewhere": (lambda: space.descend(_BOWL, [0.0], optax.sgd(0.1), 3, seed=_KEY), "start"),
    "negative noise": (
        lambda: space.descend(_BOWL, [0.0, 0.0], optax.sgd(0.1), 3, seed=_KEY, noise=-1.0),
        "noise = -1.0",
    ),
    "records that do not fit": (
        lambda: space.descend(_BOWL, [0.0, 0.0], optax.sgd(0.1), 3, seed=_KEY, record_every=2),
        "must divide the 3 steps",
    ),
    "no radius": (
        lambda: space.first_passage(_BOWL, [0.0, 0.0], optax.sgd(0.1), 3, seed=_KEY, target=[1.0, 1.0], radius=0.0),
        "radius = 0.0",
    ),
    "cells without end": (
        lambda: space.occupancy(_BOWL, [0.0, 0.0], optax.sgd(0.1), 3, seed=_KEY, low=0.0, high=1.0, bins=30_000),
        "must make at most 2**27 cells",
    ),
}


@pytest.mark.parametrize(("call", "message"), _REFUSED.values(), ids=_REFUSED)
def test_refused(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users have it
    with pytest.raises(ArgumentError) as refusal:
        call()
    assert message in str(refusal.value)


def test_contours_show_heights_and_refuse_other_dimensions():
    axes = Figure().add_subplot()
    drawn = jr.plotting.draw_contours(axes, space.HIMMELBLAU, (-5, 5), (-5, 5), levels=6, ceiling=100.0)
    assert drawn.levels[-1] == pytest.approx(100.0)
    for level, paths in zip(drawn.levels, drawn.get_paths(), strict=True):
        corners = paths.vertices
        with jax.enable_x64(True):
            heights = space.HIMMELBLAU.value(corners)
        np.testing.assert_allclose(heights, level, atol=0.03 * 100)
    areas = jr.plotting.draw_contours(axes, space.HIMMELBLAU, (-5, 5), (-5, 5), levels=6, ceiling=100.0, filled=True)
    assert areas.filled
    np.testing.assert_array_equal(areas.levels, drawn.levels)
    line = Landscape(lambda w: w[0] ** 2, 1)
    with pytest.raises(ArgumentError, match="must have 2 dimensions"):
        jr.plotting.draw_contours(axes, line, (-1, 1), (-1, 1))


def test_an_animation_shows_where_the_runs_are():
    paths = np.array([[[0.0, 0.0], [1.0, 1.0], [2.0, 1.5]], [[0.0, 0.0], [9.0, 0.0], [np.inf, np.inf]]])
    moving = jr.plotting.animate_descents(_BOWL, paths, (-2, 3), (-2, 2), title="Two runs", tail=1, points=11)
    trails, dots, text = moving.draw_frame(2)
    np.testing.assert_array_equal(np.transpose(dots.get_data()), [[2.0, 1.5], [np.nan, np.nan]])
    first, second = np.split(np.transpose(trails.get_data()), 2)
    np.testing.assert_array_equal(first, [[1.0, 1.0], [2.0, 1.5], [np.nan, np.nan]])
    np.testing.assert_array_equal(second, [[9.0, 0.0], [np.nan, np.nan], [np.nan, np.nan]])
    assert (moving.frames, text.get_text()) == (3, "record 3 of 3: 1 of 2 runs here")
    with pytest.raises(ArgumentError, match="runs, records, 2"):
        jr.plotting.animate_descents(_BOWL, paths[0], (-2, 3), (-2, 2), title="One run")
