"""Tuning finds minima that are known, keeps bounds, stops, resumes; its rivals cost what they say."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxreg as jr
from jaxreg.errors import ArgumentError
from jaxreg.hypergrad import LinearCriterion, Training, grid, random_search, successive_halving, tune
from jaxreg.hypergrad.tuning import read_maker
from jaxreg.penalties import L2

KEY = jax.random.key(0)


START = {"a": 1.0, "b": np.array([0.1, 0.2])}
MOVES = {"a": "log"}


def _bowl(h):
    return (jnp.log(h["a"]) - 1) ** 2 + ((h["b"] - 0.5) ** 2).sum()


def test_all_problems_and_restarts_reach_their_minima_and_are_labelled():
    centres = jnp.array([-1.0, 0.5, 2.0])
    found = tune(
        lambda centres, *, problem: lambda h: (jnp.log(h["a"]) - centres[problem]) ** 2 + ((h["b"] - 0.5) ** 2).sum(),
        START,
        optax.adam(0.2),
        transforms=MOVES,
        steps=80,
        restarts=2,
        seed=KEY,
        axes={"problem": np.arange(3)},
        args=(centres,),
        progress=False,
    )
    assert found["value"].dims == ("restart", "problem", "step")
    assert found["at/b"].dims == ("restart", "problem", "step", "b_0")
    np.testing.assert_allclose(np.log(found["best/a"]), np.broadcast_to(centres, (2, 3)), atol=0.05)
    np.testing.assert_allclose(found["best_value"], found["value"].min("step"))
    assert (found["training_steps"] == 80 * 4).all()  # three numbers forward
    assert len(np.unique(found["at/a"].isel(step=0))) == 2  # a start of its own, the same for all problems


def test_bounds_are_kept_and_patience_ends_a_run():
    found = tune(
        _bowl,
        START,
        optax.sgd(0.1),
        transforms=MOVES,
        bounds={"a": (0.5, 2.0)},
        steps=60,
        patience=3,
        min_delta=1e-6,
        progress=False,
    )
    assert np.isclose(found["last/a"], 2.0)
    stopped = int(found["stopped_step"][0])
    assert stopped < 60
    assert (found["value"][0, stopped:] == found["value"][0, stopped - 1]).all()


def test_a_run_that_diverges_stops_and_keeps_its_best():
    found = tune(lambda h: jnp.where(h["a"] > 3, jnp.nan, -h["a"]), {"a": 1.0}, optax.sgd(1.0), steps=6, progress=False)
    assert 2 < found["best/a"] <= 3
    assert found["stopped_step"] < 6


def test_a_killed_tuning_goes_on_from_its_store(tmp_path):
    def search(problems):
        return tune(
            lambda *, problem: lambda h: (jnp.log(h["a"]) - problem) ** 2,
            {"a": 1.0},
            transforms=MOVES,
            steps=5,
            axes={"problem": problems},
            store=tmp_path / "tune.zarr",
            progress=False,
        )

    first = search([0.5, 1.0])["value"].values
    np.testing.assert_array_equal(search([0.5, 1.0, 2.0])["value"].values[:, :2], first)


def test_rivals_find_the_same_minimum_and_count_their_cost():
    by_grid = grid(_one, {"a": np.geomspace(0.1, 10, 21)}, progress=False)
    by_chance = random_search(
        _one, {"a": 0.1}, {"a": (0.1, 10.0)}, trials=40, seed=KEY, transforms=MOVES, progress=False
    )
    assert abs(np.log(by_grid["best/a"]) - 1) < 0.15
    assert abs(np.log(by_chance["best/a"]) - 1) < 0.2
    assert by_grid["training_steps"] == 21
    assert by_chance["at/a"].sizes["trial"] == 40
    assert float(by_chance["at/a"][0]) == pytest.approx(0.1)


def _one(h):
    return (jnp.log(h["a"]) - 1) ** 2


@pytest.mark.slow
def test_trainings_are_tuned_and_halved_at_counted_cost():
    rng = np.random.default_rng(0)
    data = (rng.normal(size=(12, 4)).astype(np.float32), rng.integers(0, 2, 12))

    def make(*, budget=2, seed=KEY):
        options = {"hidden": (3,), "classes": 2, "batch_size": 4, "epochs": budget}
        return Training(*data, *data, seed=seed, options=options)

    tuned = tune(
        lambda *, seed: make(seed=seed),
        {"learning_rate": 0.01},
        optax.adam(0.5),
        steps=4,
        axes={"seed": jr.seeds(3)},
        progress=False,
    )
    assert (tuned["best_value"] < tuned["value"].isel(step=0)).all()
    assert (tuned["training_steps"] == 4 * 2 * 6).all()
    halved = successive_halving(
        make,
        {"learning_rate": 0.01},
        {"learning_rate": (1e-3, 1.0)},
        trials=4,
        budgets=(1, 2),
        seed=KEY,
        progress=False,
    )
    assert halved["training_steps"] == 4 * 3 + 2 * 6
    assert halved.sizes["trial"] == 2


@pytest.mark.slow
def test_tuned_ridges_beat_a_grid_of_their_own_criterion():
    rng = np.random.default_rng(1)
    X = jnp.asarray(rng.normal(size=(4, 20, 5)), jnp.float32)
    y = jnp.asarray(X.sum(-1) + rng.normal(size=(4, 20)), jnp.float32)

    def make(X, y, *, problem):
        return LinearCriterion(X[problem], y[problem], penalty=L2(1.0), criterion="loo")

    given = {"axes": {"problem": np.arange(4)}, "args": (X, y), "progress": False}
    tuned = tune(make, {"alpha": 0.1}, optax.adam(0.3), steps=60, **given)
    best = grid(make, {"alpha": np.geomspace(1e-3, 10, 20)}, **given)
    assert (tuned["best_value"].values[0] <= best["best_value"].values * (1 + 1e-4)).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"optimizer": "adam"}, "optimizer"),
        ({"steps": 0}, "steps"),
        ({"restarts": 2}, "seed"),
        ({"bounds": {"c": (0.0, 1.0)}}, "must name one of a, b"),
        ({"axes": {"restart": [1.0]}}, "axis of its own"),
        ({"transforms": {"a": "sqrt"}}, "identity, log, logit"),
    ],
)
def test_bad_searches_are_refused(given, words):
    with pytest.raises(ArgumentError, match=words):
        tune(_bowl, START, **({"progress": False} | given))


def test_axes_are_named_by_text():
    with pytest.raises(ArgumentError, match="axes = 1: must be named by text"):
        read_maker(_bowl, {1: [1.0]}, ())


def test_ranges_and_budgets_are_checked():
    with pytest.raises(ArgumentError, match="must have those of b"):
        random_search(_bowl, START, {"a": (0.1, 1.0)}, trials=2, seed=KEY, progress=False)
    with pytest.raises(ArgumentError, match="increase"):
        successive_halving(_bowl, START, {}, trials=2, budgets=(2, 1), seed=KEY, progress=False)
    for points in ({"a": 1.0}, {"a": []}, {"a": [np.nan]}, {"a": ["b"]}, {}):
        with pytest.raises(ArgumentError, match="points"):
            grid(_bowl, points, progress=False)


def test_random_points_are_those_of_all_problems_and_not_of_other_seeds():
    axes = {"seed": jr.seeds(2), "problem": np.arange(2.0)}

    def make(*, seed, problem):
        return lambda h: (h["a"] - problem) ** 2

    found = random_search(make, {"a": 0.5}, {"a": (0.1, 1.0)}, trials=3, seed=KEY, axes=axes, progress=False)
    tried = found["at/a"]
    np.testing.assert_array_equal(tried.isel(problem=0), tried.isel(problem=1))
    np.testing.assert_array_equal(tried.isel(trial=0), 0.5)
    assert (tried.isel(seed=0, trial=slice(1, None)) != tried.isel(seed=1, trial=slice(1, None))).all()
