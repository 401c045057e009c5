"""The recipes of the benchmark are followed, and its rows say what was measured."""

import dataclasses

import jax
import numpy as np
import pytest

import jaxreg as jr
from experiments.benchmarks import nets as nets_benchmark
from experiments.benchmarks import rivals
from experiments.benchmarks.recipes import Recipe, learn

_TINY = Recipe((6, 5), "relu", (0.25, 0.0), "adam", 1e-2, batch_size=50, epochs=1, l1=1e-3, l2=1e-3, max_norm=2.0)


@pytest.fixture(scope="module")
def data():
    return jr.datasets.load("digits", train=100, test=50)


def test_a_recipe_is_what_it_says(data):
    key = jax.random.key(0)
    run = jax.jit(lambda: learn(_TINY)(*data[:4], seed=key, learning_rate=_TINY.learning_rate)["accuracy"])()
    settings = {"hidden": (6, 5), "activation": "relu", "optimizer": "adam", "learning_rate": 1e-2, "batch_size": 50}
    strengths = {"dropout": (0.25, None), "l1": 1e-3, "l2": 1e-3, "max_norm": 2.0, "epochs": 1}
    same = jax.jit(lambda: jr.nets.train(*data[:4], seed=key, **settings, **strengths)["test_accuracy"])()
    np.testing.assert_array_equal(run, same)


def test_operations_are_counted_by_hand(data):
    recipe = dataclasses.replace(_TINY, hidden=(3,), epochs=2)
    forward, back = 64 * 3 + 3 * 10, 64 * 3 + 3 * 10 + 3 * 10  # the inputs of the first layer need no gradient
    assert recipe.operations(data) == 2 * 2 * ((forward + back) * 100 + forward * 50)


def test_every_case_differs_from_the_baseline_in_one_thing():
    baseline, *others = (dataclasses.asdict(recipe) for recipe in nets_benchmark.CASES.values())
    for other in others:
        changed = {name for name in baseline if other[name] != baseline[name]}
        assert changed <= {"rotation", "shift", "dropout"} or len(changed) == 1


def test_early_stopping_ends_at_the_second_epoch_without_progress():
    curves = np.array([[0.1, 0.3, 0.2, 0.25, 0.9], [0.1, 0.2, 0.3, 0.4, 0.5]], np.float32)
    np.testing.assert_array_equal(nets_benchmark.stop(curves), [3, 4])


def test_rows_of_a_population(data):
    """Of four steps in two trainings; the rival takes half a second for each."""
    call = nets_benchmark.sweep_of(_TINY, data, 2)
    work, theirs = _TINY.operations(data), rivals.Timed(np.array([0.1, 0.2, 0.3]), np.full(3, 0.5), 0.0)
    population, share, against = rivals.measure_population(
        "tiny", call, 2, 1, {"loop": (2.5, lambda: theirs)}, (work, 1e11, 0.4), _TINY.steps(data)
    )
    assert [(row["name"], row["unit"], row["target"]) for row in (population, share, against)] == [
        ("tiny: population of 2", "steps/s", None),
        ("  of the best matrix-product rate", "share", 0.4),
        ("  against a loop", "x", 2.5),
    ]
    speed = 2 / population["seconds"]
    assert population["value"] == pytest.approx(2 * speed)
    assert share["value"] == pytest.approx(speed * work / 1e11)
    assert against["value"] == pytest.approx(speed * 0.5)
    assert "and 0.2000, p = " in against["note"]
