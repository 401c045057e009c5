"""The experiment on activations: derivatives, the best line, the small network in the plane, claims that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy.special import erf

from experiments.networks import activation as subject
from experiments.networks.activation import (
    CLAIMS,
    PRESETS,
    Config,
    differentiate,
    find_best_line,
    label,
    learn_plane,
    run,
)
from jaxreg.claims import judge
from jaxreg.nets import ACTIVATIONS


def test_presets_keep_to_the_tutorial():
    assert set(Config().activations) == set(ACTIVATIONS)
    assert PRESETS["paper"].dataset == "mnist"
    for config in PRESETS.values():
        assert (config.hidden, config.learning_rate) == ((256, 128), 0.1)
        assert {"identity", "sigmoid", "relu"} <= set(config.activations)


_Z = subject._INPUTS.astype(float)
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
    value, slope = differentiate(name)
    np.testing.assert_allclose(slope, _DERIVATIVES[name], atol=1e-6)
    steps = np.diff(np.asarray(value, float)) / np.diff(_Z)
    away = abs(_Z[1:] + _Z[:-1]) > 0.06  # from the kink that some have at 0
    between = (_DERIVATIVES[name][1:] + _DERIVATIVES[name][:-1]) / 2
    np.testing.assert_allclose(steps[away], between[away], atol=1e-3)


def test_classes_of_points():
    points = jnp.array([[0.1, 0.1], [-0.1, -0.2], [0.7, -0.1], [0.9, 0.9], [-0.9, 0.9]])
    assert label(points, 1.0).tolist() == [1, 1, 1, 0, 0]
    assert label(points, 0.0).tolist() == [1, 1, 0, 1, 0]
    side = np.linspace(-0.999, 0.999, 400)
    grid = np.stack(np.meshgrid(side, side), -1)
    for is_ring in (0.0, 1.0):
        assert abs(float(label(grid, is_ring).mean()) - 0.5) < 0.005


def test_the_best_line_is_that_of_the_closed_form():
    """Across a corner, from c on one axis to c on the other, 3/4 - c²/8 - (1 - c)²/4 are right, at best 2/3.

    Upright at distance a from the middle, a line gives to class 0 what lies beyond it, a piece of the circle with it.
    """
    assert abs(find_best_line(is_ring=False) - 2 / 3) < 1e-3
    radius = np.sqrt(2 / np.pi)
    a = np.linspace(0, radius, 10_001)
    cap = radius**2 * np.arccos(a / radius) - a * np.sqrt(radius**2 - a**2)
    upright = 0.5 + (2 * (1 - a) - 2 * cap) / 4
    assert upright.max() - 1e-3 <= find_best_line(is_ring=True) <= upright.max() + 0.02


@pytest.mark.parametrize("activation", ["identity", "relu"])
def test_the_plane_is_learned_with_an_activation_only(activation):
    seeds = jax.random.split(jax.random.key(5), 8)
    learn = jax.jit(
        jax.vmap(
            lambda seed, ring: learn_plane(
                plane_seed=seed, is_ring=ring, hidden=(16,), activation=activation, steps=300
            )
        )
    )
    found = learn(seeds, jnp.arange(8.0) % 2)
    accuracy = np.array(found["plane_accuracy"])
    assert (accuracy > 0.93).all() if activation == "relu" else (accuracy < 0.7).all()
    side = subject._GRID
    grid = np.stack(np.meshgrid(side, side, indexing="ij"), -1)
    for ring in (0, 1):
        agreed = (np.array(found["region"][ring]) > 0.5) == (np.array(label(grid, float(ring))) == 1)
        assert abs(agreed.mean() - accuracy[ring]) < 0.1


def test_result_is_labelled_and_its_axes_are_what_they_say(monkeypatch):
    monkeypatch.setattr(subject, "TUTORIAL", ())  # whose activations would be a program each
    config = Config(
        seeds=2,
        plane_seeds=3,
        activations=("identity",),
        epochs=1,
        hidden=(4,),
        plane_hidden=(4,),
        plane_steps=2,
    )
    result = run(config, progress=False)
    sizes = {"activation": 1, "pixels": 2, "seed": 2, "epoch": 1, "pattern": 2, "plane_seed": 3, "input": 161}
    assert dict(result.sizes) == sizes | {"horizontal": 41, "vertical": 41}
    assert result.attrs["dataset"] == "digits"
    assert result["value"].sel(activation="identity", input=-4).item() == -4
    assert result["slope"].sel(activation="identity").min() == 1
    assert result["best_line"].sel(pattern="xor").item() == pytest.approx(2 / 3, abs=1e-3)
    assert not result["diverged"].any()
    assert not result["plane_diverged"].any()
    assert {"provenance", "plane_units"} <= set(result.attrs)


# --- Claims, on accuracies whose verdict is known ---------------------------------------------------------------------

_NAMES = ("identity", "sigmoid", "relu")


def population(plane, raw, scaled, seeds=60):
    """Accuracies of identity, sigmoid and ReLU, in the plane, on raw and on scaled images."""
    random = np.random.default_rng(0)
    shared = random.normal(0, 0.05, (1, 1, seeds))
    images = np.stack([raw, scaled], -1)[..., None] + shared + random.normal(0, 0.004, (3, 2, seeds))
    accuracy = np.array(plane)[:, None, None] + random.normal(0, 0.01, (3, 2, seeds))
    cells = ("activation", "pixels", "seed")
    points = ("activation", "pattern", "plane_seed")
    return xr.Dataset(
        {
            "test_accuracy": ((*cells, "epoch"), np.stack([0 * images, images], -1)),
            "diverged": (cells, np.zeros(images.shape, bool)),
            "plane_accuracy": (points, accuracy),
            "plane_diverged": (points, np.zeros(accuracy.shape, bool)),
            "best_line": ("pattern", [0.63, 0.67]),
        },
        {
            "activation": list(_NAMES),
            "pixels": ["raw", "scaled"],
            "pattern": ["ring", "xor"],
            "seed": np.arange(seeds),
            "plane_seed": np.arange(seeds),
            "epoch": [1, 2],
        },
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # no better than a line; sigmoid, ReLU learn both; sigmoid better than none; ReLU better, raw and scaled
        (([0.5, 0.99, 0.99], [0.7, 0.8, 0.85], [0.7, 0.6, 0.9]), "holds holds holds holds holds holds"),
        (([0.8, 0.9, 0.9], [0.9, 0.8, 0.2], [0.9, 0.8, 0.7]), "fails fails fails fails fails fails"),
        (([0.64, 0.951, 0.99], [0.8] * 3, [0.8] * 3), "undecided fails holds undecided undecided undecided"),
    ],
    ids=["helps", "harms", "between"],
)
def test_claims(given, expected):
    assert [verdict.status for _, verdict in judge(CLAIMS, population(*given))] == expected.split()


def test_a_run_that_diverged_in_the_plane_is_left_out():
    dataset = population([0.5, 0.99, 0.99], [0.8] * 3, [0.8] * 3)
    gone = dataset["plane_diverged"].copy()
    gone[1, 0, :10] = True
    broken = dataset["plane_accuracy"].where(~gone, 0.1)
    _, (_, sigmoid), (_, relu), *_ = judge(CLAIMS, dataset.assign(plane_diverged=gone, plane_accuracy=broken))
    assert (sigmoid.status, sigmoid.n, relu.n) == ("holds", 50, 60)
