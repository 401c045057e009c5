"""What does an activation buy? Classes that no straight line separates, the derivatives, the network of tutorial T5."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.networks import tutorial_network as t5
from jaxreg.checks import NOT_NEGATIVE, check_choice
from jaxreg.nets import ACTIVATIONS, LOSSES, MLP, optimizers
from jaxreg.study import Above, Below, Claim, Estimate, estimate, gain, share
from jaxreg.study.settings import Holds, Ordered, Seeds

TUTORIAL = ("sigmoid", "relu")
NONE = "identity"
PATTERNS = ("ring", "xor")
_COMMON = (NONE, "sigmoid", "tanh", "softplus", "relu", "leaky_relu", "elu", "gelu")
SOLVED = 0.95
_POINTS = {"train": 400, "test": 1000}
_PLANE_RATE = 0.03  # of Adam
_INPUTS = np.linspace(-4, 4, 161, dtype=np.float32)
_GRID = np.linspace(-1, 1, 41, dtype=np.float32)
_RADIUS = np.sqrt(2 / np.pi)  # of the circle with half of the square's area
_ANGLES = 180


@dataclass(frozen=True, kw_only=True)
class Config(t5.Config):
    """Settings of the study: a small network on points of the plane, and the network of tutorial T5 on images."""

    seeds: Seeds = 16
    """Number of runs of each activation on the images; a seed has the same batches and dropout for each."""
    plane_seeds: Seeds = 64
    """Number of runs of each activation on each pattern of points; a seed has the same points for each."""
    activations: Annotated[tuple[str, ...], Holds((NONE, *TUTORIAL)), Ordered()] = _COMMON
    """Activations of the hidden layers; with "identity" and the tutorial's "sigmoid" and "relu" among them."""
    hidden: tuple[int, ...] = t5.HIDDEN
    """Units of each hidden layer of the network for the images."""
    plane_hidden: tuple[int, ...] = (16,)
    """Units of each hidden layer of the network for the plane."""
    plane_steps: int = 600
    """Steps of Adam on all 400 points of the plane."""
    learning_rate: Annotated[float, NOT_NEGATIVE] = t5.LEARNING_RATE
    """Learning rate of stochastic gradient descent on the images."""


PRESETS = {
    "quick": Config(seeds=8, plane_seeds=40, activations=(NONE, "sigmoid", "relu"), epochs=4, plane_steps=400),
    "laptop": Config(),
    "paper": Config(dataset="mnist", seeds=128, plane_seeds=1000, plane_steps=2000),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Of each `activation` its `value` and `slope`, over `input`; what it learns in the plane, and on images.

    In the plane, over `pattern` ("ring" or "xor") and `plane_seed`: `plane_accuracy`, the share of new points that are
    classified right, whether that is `solved`, and `region`, the probability of class 1 over `horizontal` and
    `vertical`, both from -1 to 1; `best_line`, the share that the best straight line can classify right, over
    `pattern`; `plane_diverged`. Of the images, over `pixels` and `seed`: `test_accuracy` after each `epoch`; a network
    that has overflowed says the first class of every image, and counts as doing so.
    """
    for name in config.activations:
        check_choice("activations", name, sorted(ACTIVATIONS))
    data = t5.load_images(config.dataset)
    axes = {"activation": jr.static(list(config.activations))}
    on_images = axes | {"pixels": t5.pixels(data), "seed": jr.seeds(config.seeds)}
    images = t5.train(config, on_images, store, progress, data=data, learn=learn_images, dropout=t5.DROPOUT)
    plane = jr.sweep(
        partial(learn_plane, hidden=config.plane_hidden, steps=config.plane_steps),
        axes
        | {
            "pattern": jr.cases({name: {"is_ring": float(name == "ring")} for name in PATTERNS}),
            "plane_seed": jr.seeds(config.plane_seeds),
        },
        dims={"region": {"horizontal": _GRID, "vertical": _GRID}},
        store=jr.study.beside(store, "plane"),
        progress=progress,
    )
    value, slope = differentiate(config.activations)
    functions = xr.Dataset(
        {
            "value": (("activation", "input"), value),
            "slope": (("activation", "input"), slope),
            "best_line": ("pattern", [100 * find_best_line(pattern == "ring") for pattern in PATTERNS]),
        },
        {"input": _INPUTS},
    )
    parts = [images, score_plane(plane.rename(diverged="plane_diverged")), functions]
    return xr.merge(parts, join="exact", combine_attrs="override")


def learn_images(*data: Any, **settings: Any) -> dict[str, Any]:
    """Test accuracy after each epoch of one training of the tutorial's network."""
    return {name: t5.count_overflow(accuracy, data[3]) for name, accuracy in t5.follow(*data, **settings).items()}


def score_plane(plane: xr.Dataset) -> xr.Dataset:
    """The same with `plane_accuracy` in per cent, and whether it is enough."""
    percent = (100 * plane["plane_accuracy"]).assign_attrs(units="%", long_name="accuracy")
    return plane.assign(plane_accuracy=percent, solved=plane["plane_accuracy"] >= SOLVED)


def label(points: Any, is_ring: Any) -> Any:
    """Class of each point: inside a circle that holds half of the square, or where both coordinates have one sign."""
    inside = jnp.sum(points**2, -1) < _RADIUS**2
    return jnp.where(is_ring > 0, inside, points[..., 0] * points[..., 1] > 0).astype(jnp.int32)


def learn_plane(
    *, plane_seed: Any, is_ring: Any, hidden: tuple[int, ...], activation: str, steps: int
) -> dict[str, Any]:
    """Accuracy on new points, and the probability of class 1 on a grid, of a small network trained on all points."""
    streams = jr.randomness.split(plane_seed, "init", "points")
    # In one draw: most of the compiling is random numbers.
    points = jax.random.uniform(streams["points"], (sum(_POINTS.values()), 2), minval=-1, maxval=1)
    train, test = points[: _POINTS["train"]], points[_POINTS["train"] :]
    model = MLP(hidden, 2, activation)
    targets = jax.nn.one_hot(label(train, is_ring), 2)
    adam = optimizers.build("adam", None, None, None)

    def lose(params: Any) -> Any:
        return LOSSES["cross_entropy"](jnp.asarray(model.apply(params, train)), targets).mean()

    def step(state: Any, _: None) -> tuple[Any, None]:
        params, memory = state
        direction, memory = adam.update(jax.grad(lose)(params), memory, params)
        return (jax.tree.map(lambda w, d: w - _PLANE_RATE * d, params, direction), memory), None

    params = model.init(streams["init"], train)
    (params, _), _ = jax.lax.scan(step, (params, adam.init(params)), length=steps)
    right = jnp.asarray(model.apply(params, test)).argmax(-1) == label(test, is_ring)
    grid = jnp.stack(jnp.meshgrid(jnp.asarray(_GRID), jnp.asarray(_GRID), indexing="ij"), -1)
    logits = jnp.asarray(model.apply(params, grid.reshape(-1, 2)))
    region = jax.nn.softmax(logits)[:, 1].reshape(grid.shape[:2])
    return {"plane_accuracy": right.mean(), "region": region}


def differentiate(activations: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Each activation and its derivative, at the inputs that the figure shows."""
    functions = [ACTIVATIONS[name] for name in activations]
    both = jax.jit(lambda z: [[f(z) for f in functions], [jax.vmap(jax.grad(f))(z) for f in functions]])
    value, slope = both(_INPUTS)
    return np.array(value), np.array(slope)


def find_best_line(is_ring: bool) -> float:
    """Largest share of the square that a straight line can classify right, by a search over its angle and offset.

    >>> round(find_best_line(False), 2)
    0.67
    """
    side = (np.arange(200) + 0.5) / 100 - 1
    points = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    right = 2 * np.asarray(jax.jit(label)(points, float(is_ring))) - 1
    best = 0.5
    for angle in np.arange(_ANGLES) * np.pi / _ANGLES:
        order = np.argsort(points @ np.array([np.cos(angle), np.sin(angle)]), kind="stable")
        behind = np.cumsum(right[order])
        # Class 1 behind the line and 0 beyond it, or the other way round.
        best = max(best, 0.5 + abs(behind - behind[-1] / 2).max() / len(points))
    return float(best)


def _plane(dataset: xr.Dataset, activation: str) -> xr.Dataset:
    """The runs in the plane of one activation, for both patterns."""
    runs = dataset[["plane_accuracy", "solved", "plane_diverged"]].sel(activation=activation)
    return runs.rename(plane_seed="seed", plane_diverged="diverged")


def _excess_over_a_line(dataset: xr.Dataset) -> Estimate:
    """Accuracy without activation minus that of the best line, where it is the larger, at half the error level."""
    runs = _plane(dataset, NONE)
    runs = runs.assign(excess=runs["plane_accuracy"] - dataset["best_line"])
    excess = jr.stats.mean(runs, "excess", dim="seed", level=0.975)
    return estimate(excess.isel(pattern=int(excess["mean"].argmax("pattern"))), t5.POINTS)


def _share_solving(dataset: xr.Dataset, activation: str) -> Estimate:
    """Share of seeds in which it solves both patterns."""
    runs = _plane(dataset, activation)
    both = {"solved": runs["solved"].all("pattern"), "diverged": runs["diverged"].any("pattern")}
    return share("solved")(xr.Dataset(both))


_gain = partial(gain, "test_accuracy", "activation")
_raw, _scaled = (partial(t5.last, pixels=kind) for kind in ("raw", "scaled"))


CLAIMS = (
    Claim(
        "Without an activation, a network separates a ring, or an exclusive or, no better than the best straight line",
        "tutorial T5",
        _excess_over_a_line,
        Below(1),
    ),
    *(
        Claim(
            f"With {name}, it learns both (95 % of new points right in more than 90 % of seeds)",
            "tutorial T5",
            partial(_share_solving, activation=activation),
            Above(90),
        )
        for activation, name in (("sigmoid", "sigmoid"), ("relu", "ReLU"))
    ),
    Claim(
        "The network of T5 is more accurate with sigmoid than without an activation (raw pixels)",
        "tutorial T5, whose network has sigmoid",
        _gain("sigmoid", NONE, runs=_raw),
        Above(0),
    ),
    Claim(
        "The network of T5 is more accurate with ReLU than with sigmoid (raw pixels)",
        "tutorial T5, which draws both and compares neither",
        _gain("relu", "sigmoid", runs=_raw),
        Above(0),
    ),
    Claim(
        "The network of T5 is more accurate with ReLU than with sigmoid (pixels from 0 to 1)",
        "tutorial T5, carried over to the usual preparation",
        _gain("relu", "sigmoid", runs=_scaled),
        Above(0),
    ),
)
