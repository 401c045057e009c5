"""Activations: derivatives, the best line, the network in the plane, verdicts that are known; the figure."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from experiments.networks import activation as study
from experiments.networks import activation as subject
from jaxreg.claims import judge
from jaxreg.nets import ACTIVATIONS
from tests.experiments.networks.alone import train_alone
from tests.figures.drawn import legend_words
from tests.populations import diverge, population, verdicts

SMALL = study.Config(
    activations=("identity", "sigmoid", "relu"),
    **{"seeds": 4, "plane_seeds": 4, "epochs": 1, "hidden": (4,), "plane_hidden": (4,), "plane_steps": 2},
)
_INPUTS, _GRID = subject._INPUTS, subject._GRID
_Z = _INPUTS.astype(float)
_SIGMOID = 1 / (1 + np.exp(-_Z))
_DERIVATIVES = {
    "elu": np.where(_Z > 0, 1, np.exp(_Z)),
    "gelu": (1 + erf(_Z / np.sqrt(2))) / 2 + _Z * np.exp(-(_Z**2) / 2) / np.sqrt(2 * np.pi),
    "identity": np.ones_like(_Z),
    "leaky_relu": np.where(_Z >= 0, 1, 0.01),
    "relu": np.where(_Z > 0, 1, 0),
    "sigmoid": _SIGMOID * (1 - _SIGMOID),
    "softplus": _SIGMOID,
    "tanh": 1 / np.cosh(_Z) ** 2,
}


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_derivatives_are_those_of_the_textbook(name):
    (value,), (slope,) = study.differentiate([name])
    np.testing.assert_allclose(slope, _DERIVATIVES[name], atol=1e-6)
    steps = np.diff(value.astype(float)) / np.diff(_Z)
    away = abs(_Z[1:] + _Z[:-1]) > 0.06  # from the kink that some have at 0
    between = (_DERIVATIVES[name][1:] + _DERIVATIVES[name][:-1]) / 2
    np.testing.assert_allclose(steps[away], between[away], atol=1e-3)


def test_classes_of_points():
    points = jnp.array([[0.1, 0.1], [-0.1, -0.2], [0.7, -0.1], [0.9, 0.9], [-0.9, 0.9]])
    assert study.label(points, 1.0).tolist() == [1, 1, 1, 0, 0]
    assert study.label(points, 0.0).tolist() == [1, 1, 0, 1, 0]
    side = np.linspace(-0.999, 0.999, 400)
    grid = np.stack(np.meshgrid(side, side), -1)
    for is_ring in (0.0, 1.0):
        assert abs(float(study.label(grid, is_ring).mean()) - 0.5) < 0.005


def test_the_best_line_is_that_of_the_closed_form():
    """Across a corner, from c on one axis to c on the other, 3/4 - c²/8 - (1 - c)²/4 are right, at best 2/3.

    Upright at distance a from the middle, a line gives to class 0 what lies beyond it, a piece of the circle with it.
    """
    assert abs(study.find_best_line(is_ring=False) - 2 / 3) < 1e-3
    radius = np.sqrt(2 / np.pi)
    a = np.linspace(0, radius, 10_001)
    cap = radius**2 * np.arccos(a / radius) - a * np.sqrt(radius**2 - a**2)
    upright = 0.5 + (2 * (1 - a) - 2 * cap) / 4
    assert upright.max() - 1e-3 <= study.find_best_line(is_ring=True) <= upright.max() + 0.02


@pytest.mark.parametrize("activation", ["identity", "relu"])
def test_the_plane_is_learned_with_an_activation_only(activation):
    seeds = jax.random.split(jax.random.key(5), 8)
    learn = jax.jit(
        jax.vmap(
            lambda seed, ring: study.learn_plane(
                plane_seed=seed, is_ring=ring, hidden=(16,), activation=activation, steps=300
            )
        )
    )
    found = learn(seeds, jnp.arange(8.0) % 2)
    accuracy = np.array(found["plane_accuracy"])
    assert (accuracy > 0.93).all() if activation == "relu" else (accuracy < 0.7).all()
    side = _GRID
    grid = np.stack(np.meshgrid(side, side, indexing="ij"), -1)
    for ring in (0, 1):
        agreed = (np.array(found["region"][ring]) > 0.5) == (np.array(study.label(grid, float(ring))) == 1)
        assert abs(agreed.mean() - accuracy[ring]) < 0.1


def test_a_run_is_the_training_it_says(result):
    alone = train_alone(1, scale=True, activation="relu", learning_rate=0.1, dropout=0.5, hidden=(4,), epochs=1)
    here = result["test_accuracy"].sel(activation="relu", pixels="scaled", seed=1)
    np.testing.assert_allclose(here, alone["test_accuracy"], atol=0.21)
    np.testing.assert_allclose(result["value"].sel(activation="identity"), _INPUTS)
    assert result["best_line"].sel(pattern="xor").item() == pytest.approx(200 / 3, abs=0.1)


def _population(plane, raw, scaled):
    """Accuracies of identity, sigmoid and ReLU, in the plane, on raw and on scaled images."""
    images, points = ("activation", "pixels", "seed"), ("activation", "pattern", "plane_seed")
    dims = {"activation": ["identity", "sigmoid", "relu"], "pixels": ["raw", "scaled"], "pattern": ["ring", "xor"]}
    dims |= {"seed": 60, "plane_seed": 60, "epoch": [1, 2]}
    means = {
        "test_accuracy": ((*images, "epoch"), np.stack([raw, scaled], -1)[..., None, None] * np.array([0, 1])),
        "plane_accuracy": (points, np.array(plane)[:, None, None]),
        "best_line": (("pattern",), [63, 67]),
    }
    noise = {"spread": {"test_accuracy": 0.4, "plane_accuracy": 0.01}, "shared": {"test_accuracy": 5}}
    made = population(dims, means, **noise, runs=("seed", "plane_seed"), records=("epoch", "pattern", "plane_seed"))
    return study.score_plane(made.assign(plane_diverged=made["plane_accuracy"].isnull()))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # no better than a line; sigmoid, ReLU learn both; sigmoid better than none; ReLU better, raw and scaled
        (([0.5, 0.99, 0.99], [70, 80, 85], [70, 60, 90]), "hhhhhh"),
        (([0.8, 0.9, 0.9], [90, 80, 20], [90, 80, 70]), "ffffff"),
        (([0.64, 0.951, 0.99], [80] * 3, [80] * 3), "ufhuuu"),
    ],
    ids=["helps", "harms", "between"],
)
def test_claims(given, expected):
    assert verdicts(study.CLAIMS, _population(*given)) == expected


def test_a_run_that_diverged_in_the_plane_is_left_out():
    made = _population([0.5, 0.99, 0.99], [80] * 3, [80] * 3)
    gone = made["plane_diverged"].copy()
    gone[1, 0, :10] = True
    broken = made.assign(plane_diverged=gone, solved=made["solved"] & ~gone)
    _, (_, sigmoid), (_, relu), *_ = judge(study.CLAIMS, broken)
    assert (sigmoid.status, sigmoid.n, relu.n) == ("holds", 50, 60)


# --- Figure -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset(result):
    """ReLU solves the ring from three seeds of four; one of its runs on images diverged."""
    solved = result["solved"] & False
    solved[{"activation": 2, "pattern": 0, "plane_seed": slice(3)}] = True
    return diverge(result.assign(solved=solved), activation=2, pixels=1, seed=3)


@pytest.fixture(scope="module")
def grid(panels):
    return np.array(panels).reshape(4, 3)


def test_functions_and_derivatives_are_those_of_the_dataset(grid, dataset):
    for place, axes in enumerate(grid[0]):
        _, function, derivative = axes.lines
        np.testing.assert_allclose(function.get_ydata(), dataset["value"][place])
        np.testing.assert_allclose(derivative.get_ydata(), dataset["slope"][place])
        assert (function.get_linestyle(), derivative.get_linestyle()) == ("-", "--")
    assert [axes.texts[0].get_text() for axes in grid[0]] == ["identity", "sigmoid", "ReLU"]


def test_regions_are_those_of_the_first_seed_the_right_way_round(grid, dataset):
    for row, pattern in enumerate(("ring", "xor"), start=1):
        for place, axes in enumerate(grid[row]):
            region = dataset["region"].sel(pattern=pattern).isel(activation=place, plane_seed=0)
            (mesh,) = axes.collections
            drawn = np.asarray(mesh.get_array()).reshape(41, 41)
            np.testing.assert_allclose(drawn, region.transpose("vertical", "horizontal"))
            assert mesh.get_clim() == (0, 1)


def test_shares_of_seeds_that_solve_it(grid):
    assert [axes.get_xlabel() for axes in grid[1:3].flat] == ["0 %", "0 %", "75 %", "0 %", "0 %", "0 %"]
    assert grid[1, 0].get_ylabel() == "ring\nline: 63 %\nn = 4 seeds"
    assert grid[2, 0].get_ylabel() == "exclusive or\nline: 67 %\nn = 4 seeds"


def test_accuracies_are_means_without_diverged_runs(grid, dataset):
    last = dataset["test_accuracy"].isel(epoch=-1).where(~dataset["diverged"])
    for column, axes in enumerate(grid[3]):
        for place in range(2):
            dots, mean = axes.lines[2 * place : 2 * place + 2]
            runs = last.isel(activation=column, pixels=place)
            np.testing.assert_allclose(dots.get_ydata(), runs)
            np.testing.assert_allclose(mean.get_ydata(), [float(runs.mean())] * 2)
    words = legend_words(grid[0, 0].figure.legends[0]).split("\n")
    assert words[0] == "(d): n = 3–4 seeds (up to 1 diverged, left out)"
    assert words[1:] == ["function", "derivative", "pixels as they are", "pixels 0…1"]
