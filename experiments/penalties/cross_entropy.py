"""What does the clip of cross-entropy do, why does squared error stall through a sigmoid, and is the loss smooth?"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from jaxreg import losses
from jaxreg.checks import POSITIVE, SHARE, Domain
from jaxreg.errors import ArgumentError
from jaxreg.study import Above, Below, Claim, Estimate, at, exactly, mean, ratio, share
from jaxreg.study.report import describe
from jaxreg.study.settings import Numbers, Ordered, Seeds, check_settings

CLASSES = 10
LOSSES = ("cross-entropy", "squared error")
UNITS = ("sigmoid", "ReLU", "ReLU, one silent")
"""Hidden units of the networks whose weights are moved; a silent one has zero weights, as after pruning."""
_SHAPE = (8, 5, 4, 3)  # examples, features, units and classes of these networks
_MOVE = 1e-5  # of a weight, to either side


@dataclass(frozen=True)
class Config:
    """Settings of the study."""

    probabilities: Annotated[Numbers, SHARE] = (0.9, 0.2, 0.4, 0.0)
    """Predicted probabilities of the worked example, from 0 to 1."""
    targets: tuple[int, ...] = (1, 0, 1, 1)
    """Their targets, 0 or 1."""
    epsilons: Annotated[Numbers, Domain(0, 0.5, "()"), Ordered()] = (1e-15, 1e-12, 1e-10, 1e-7, 1e-5, 1e-3, 1e-2, 0.1)
    """Where probabilities are clipped, each in (0, 0.5)."""
    seeds: Seeds = 2000
    """Number of starts per scale."""
    scales: Annotated[Numbers, POSITIVE, Ordered()] = (1.0, 2.0, 4.0)
    """Standard deviations of the logits that runs start from, on the wrong side."""
    learning_rate: Annotated[float, POSITIVE] = 0.1
    """Step size on the logit."""
    steps: Annotated[int, Domain(1, 2**31 - 2, whole=True)] = 20_000
    """Steps after which a run that has not come to the right side counts as stuck."""
    networks: int = 200
    """Number of networks whose weights are moved, and of logits whose softmax is differentiated."""


PRESETS = {
    "quick": Config(seeds=500, steps=5000, networks=100),
    "laptop": Config(),
    "paper": Config(seeds=20_000, scales=(0.5, 1.0, 2.0, 3.0, 4.0), steps=100_000, networks=2000),
}


def run(config: Config, store: str | Path | None = None, progress: bool = True) -> xr.Dataset:
    """Compute the worked example over ε, descend from wrong starts with both losses, and differentiate softmaxes.

    Returns:
        Dataset of the worked example: `example_loss` over `epsilon` and `example` and their sum `example_sum`, with
        `probability` and `target`. Of a true example, over its probability `p` the clipped loss `curve`, and over its
        logit `z` the `slope` of each `loss`, by automatic differentiation. Over `seed` and `scale` the `start`, the
        number of `escape_steps` from there to the right side for each `loss` (`steps` + 1 where stuck), and
        `exact_time`, that of gradient flow.
        Over `network` the derivative `autodiff` of softmax cross-entropy in the logit of each `class`, beside its
        `formula`, and for each kind of `units` the largest `jump` between the slopes on the two sides of a weight.
    """
    _check(config)
    escapes = jr.sweep(
        partial(escape, steps=config.steps),
        {"seed": jr.seeds(config.seeds), "scale": np.array(config.scales)},
        args=(config.learning_rate,),
        dims={"escape_steps": {"loss": np.array(LOSSES)}},
        store=store,
        x64=True,
        progress=progress,
    )
    kinds = zip(UNITS, (1.0, 0.0, 0.0), (1.0, 1.0, 0.0), strict=True)
    networks = jr.sweep(
        differentiate,
        {
            "network": jr.seeds(config.networks),
            "units": jr.cases({name: {"is_sigmoid": smooth, "first": first} for name, smooth, first in kinds}),
        },
        dims={name: {"class": np.arange(CLASSES)} for name in ("autodiff", "formula")},
        store=jr.study.beside(store, "networks"),
        x64=True,
        progress=progress,
    )
    exact = xr.concat([xr.apply_ufunc(partial(flow_time, loss=loss), escapes["start"]) for loss in LOSSES], "loss")
    softmaxes = networks[["autodiff", "formula"]].isel(units=0, drop=True)
    return escapes.assign(softmaxes.data_vars).assign(
        exact_time=exact.assign_coords(loss=list(LOSSES)),
        jump=networks["jump"],
        **_work_example(config),
        steps=config.steps,
        learning_rate=config.learning_rate,
    )


def _check(config: Config) -> None:
    check_settings(config)
    if not config.probabilities:
        raise ArgumentError("probabilities", config.probabilities, "must hold at least one number", "Name some")
    if len(config.targets) != len(config.probabilities) or not set(config.targets) <= {0, 1}:
        constraint = f"must be 0 or 1 for each of the {len(config.probabilities)} probabilities"
        raise ArgumentError("targets", config.targets, constraint, "Give one per probability")


def _work_example(config: Config) -> dict[str, Any]:
    """The losses that need no population, in float64."""
    logits = np.linspace(-10, 10, 201)
    probabilities = np.geomspace(1e-16, 1, 321)
    epsilons = sorted(config.epsilons)
    y = np.array(config.targets)

    def compute(p: Any, grid: Any, z: Any) -> tuple[Any, ...]:
        example = jnp.stack([losses.binary_cross_entropy(p, jnp.asarray(y), e) for e in epsilons])
        curve = jnp.stack([losses.binary_cross_entropy(grid, jnp.ones_like(grid), e) for e in epsilons])
        return example, curve, jnp.stack([jax.vmap(jax.grad(_loss(name)))(z) for name in LOSSES])

    with jax.enable_x64(True):
        inputs = (jnp.asarray(part, float) for part in (config.probabilities, probabilities, logits))
        example, curve, slopes = map(np.asarray, jax.jit(compute)(*inputs))
    return {
        "probability": ("example", np.array(config.probabilities, float)),
        "target": ("example", y),
        "example_loss": (("epsilon", "example"), example),
        "example_sum": ("epsilon", example.sum(-1)),
        "curve": (("epsilon", "p"), curve),
        "slope": (("loss", "z"), slopes),
        "epsilon": epsilons,
        "p": probabilities,
        "z": logits,
    }


def _loss(name: str) -> Callable[[Any], Any]:
    """A loss of one true example as a function of its logit."""
    if name == LOSSES[0]:
        return lambda z: losses.binary_cross_entropy_from_logits(z, jnp.ones_like(z))
    return lambda z: losses.squared(jax.nn.sigmoid(z), jnp.ones_like(z))


def escape(learning_rate: Any, *, seed: Any, scale: Any, steps: int) -> dict[str, Any]:
    """Gradient descent with each loss on the logit of a true example from below 0: the start, and steps until 0."""
    start = -jnp.abs(jax.random.normal(seed)) * scale
    slopes = [jax.grad(_loss(name)) for name in LOSSES]

    def step(state: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
        z, count = state
        moved = z - learning_rate * jnp.stack([slope(at) for slope, at in zip(slopes, z, strict=True)])
        return (moved, count + (z < 0).astype(int)), None

    begin = jnp.full(len(LOSSES), start)
    (end, count), _ = jax.lax.scan(step, (begin, jnp.zeros(len(LOSSES), int)), length=steps)
    return {"start": start, "escape_steps": count + (end < 0).astype(int)}


def flow_time(start: Any, loss: str) -> Any:
    r"""Time that gradient flow takes from the logit z = `start` < 0 of a true example to 0.

    $dz/dt = 1 - p$ of cross-entropy, and $2 p (1-p)^2$ of squared error, with $p = 1/(1 + e^{-z})$, are solved by

    $$t = 1 - e^z - z, \qquad t = \tfrac12 \left( e^{-z} - 1 - 3z + 3 (1 - e^z) + \tfrac12 (1 - e^{2z}) \right):$$

    the wait grows in proportion to how wrong the start is with the one, and exponentially with the other.

    >>> [round(float(flow_time(-8.0, loss)), 1) for loss in LOSSES]
    [9.0, 1503.7]
    """
    z = np.asarray(start, float)
    if loss == LOSSES[0]:
        return 1 - np.exp(z) - z
    return (np.exp(-z) - 1 - 3 * z + 3 * (1 - np.exp(z)) + (1 - np.exp(2 * z)) / 2) / 2


def differentiate(*, network: Any, is_sigmoid: Any, first: Any) -> dict[str, Any]:
    """The derivative of a softmax loss in random logits, and the largest kink of a random network's loss.

    `is_sigmoid` is 1 for sigmoid units and 0 for ReLU; the weights of the first unit are multiplied by `first`.
    """
    examples, features, hidden, classes = _SHAPE
    shapes = ((2, CLASSES), (examples, features), (examples, classes), (features * hidden + hidden * classes,))
    sizes = np.cumsum([math.prod(shape) for shape in shapes])
    drawn = jax.random.normal(network, (sizes[-1],))  # at once: every draw of its own compiles for long
    logits, x, scores, weights = map(jnp.reshape, jnp.split(drawn, sizes[:-1]), shapes)
    z, label, y = 3.0 * logits[0], logits[1].argmax(), scores.argmax(-1)
    inner = features * hidden
    weights = weights * _first_unit(first)

    def loss(weights: Any) -> Any:
        at = x @ weights[:inner].reshape(features, hidden)
        out = jnp.where(is_sigmoid > 0, jax.nn.sigmoid(at), jnp.maximum(at, 0.0))
        return losses.softmax_cross_entropy(out @ weights[inner:].reshape(hidden, classes), y).mean()

    moves = _MOVE * jnp.concatenate([jnp.eye(len(weights)), -jnp.eye(len(weights))])
    right, left = jnp.split(jax.vmap(lambda move: loss(weights + move))(moves), 2)
    return {
        "autodiff": jax.grad(losses.softmax_cross_entropy)(z, label),
        "formula": jax.nn.softmax(z) - jax.nn.one_hot(label, CLASSES, dtype=z.dtype),
        "jump": jnp.abs(right + left - 2 * loss(weights)).max() / _MOVE,
    }


def _first_unit(value: Any) -> Any:
    """`value` at the weights into the first unit and 1 at the others, for all weights in a row."""
    _, features, hidden, classes = _SHAPE
    is_first = np.zeros((features + classes, hidden), bool)
    is_first[:features, 0] = True
    return jnp.where(is_first.ravel(), value, 1.0)


def table(dataset: xr.Dataset) -> str:
    """The worked example as a Markdown table: the loss of each example and their sum, for every ε."""
    names = [f"y={int(y)}, p={float(p):g}" for y, p in zip(dataset["target"], dataset["probability"], strict=True)]
    lines = [f"| ε | {' | '.join(names)} | sum |", "| ---: |" + " ---: |" * (len(names) + 1)]
    for epsilon in dataset["epsilon"].values:
        row = dataset.sel(epsilon=epsilon)
        values = [*row["example_loss"].values, float(row["example_sum"])]
        lines.append(f"| {epsilon:g} | {' | '.join(f'{value:.4f}' for value in values)} |")
    return "\n".join(lines)


def report(dataset: xr.Dataset) -> str:
    """How many runs there are, the worked example over ε, and the dataset."""
    title = "Binary cross-entropy of the worked example, in nats:"
    return f"{describe(dataset)}\n\n{title}\n\n{table(dataset)}\n\n{dataset}"


_KINK = 1e-3  # slopes of the two sides that differ by more are those of a kink: a smooth loss leaves some 1e-5
_EXACT = 1e-12
_DIFFERENCE = "largest difference"
_CONFIDENT = 0.01  # probability of what is true, below which a start is confidently wrong


def _spread_of_sums(dataset: xr.Dataset) -> Estimate | None:
    """Sums of the one example over the clips that are in use, 1e-15 to 1e-7; nothing in it is random."""
    sums = dataset["example_sum"].sel(epsilon=slice(None, 1.001e-7)).values
    if not len(sums):
        return None
    spread = 100 * float(sums.max() / sums.min() - 1)
    return exactly(spread, len(sums), "% between the largest and the smallest sum")


def _ratio_of_steps(dataset: xr.Dataset) -> Estimate | None:
    """Geometric mean, over starts with p below 1 %, of the steps of squared error over those of cross-entropy.

    A stuck run counts as one that would escape with the next step.
    """
    widest = dataset[["escape_steps", "start", "diverged"]].isel(scale=int(np.argmax(dataset["scale"].values)))
    wrong = widest["start"] < math.log(_CONFIDENT / (1 - _CONFIDENT))
    widest = widest.assign(steps=widest["escape_steps"].clip(min=1).where(wrong))
    found = ratio("steps", "loss", LOSSES[1], LOSSES[0], unit="× the steps of cross-entropy")(widest)
    return found if found is not None and found.n else None


def _escapes_as_flow(runs: xr.Dataset) -> xr.DataArray:
    """Whether a run escapes when gradient flow does, to two steps and 2 %; a stuck one where flow takes longer, too."""
    rate, last = float(runs["learning_rate"]), int(runs["steps"])
    expected = runs["exact_time"] / rate
    return abs(np.minimum(runs["escape_steps"], last) - np.minimum(expected, last)) <= 2 + 0.02 * expected


_share_smooth = partial(share, lambda runs: runs["jump"] < _KINK, dim="network", of="networks")
_TEXTBOOK = "Goodfellow, Bengio and Courville, Deep Learning (2016), section 6.2.2"
CLAIMS = (
    Claim(
        "The clip only guards against log 0: sums of the worked example, in which one prediction is 0 where 1 is true, "
        "differ by less than 1 % over the ε in use (1e-15 to 1e-7)",
        "tutorial T4, which does not discuss its ε",
        _spread_of_sums,
        Below(1),
    ),
    Claim(
        "Through a sigmoid, squared error takes more than ten times the steps of cross-entropy from confidently wrong "
        "starts (p below 1 %; geometric mean at the widest scale)",
        _TEXTBOOK,
        _ratio_of_steps,
        Above(10),
    ),
    Claim(
        "Escapes take as long as gradient flow says (to two steps and 2 %, in more than 99 % of runs)",
        "closed form",
        share(_escapes_as_flow, dim=("seed", "scale", "loss"), of="runs"),
        Above(99),
    ),
    Claim(
        "The derivative of softmax and cross-entropy is p − y",
        "tutorial T4",
        mean(lambda runs: abs(runs["autodiff"] - runs["formula"]).max("class"), dim="network", unit=_DIFFERENCE),
        Below(_EXACT),
    ),
    Claim(
        "Softmax and cross-entropy are smooth, so every weight has a derivative (sigmoid units)",
        "tutorial T4",
        _share_smooth(runs=partial(at, units=UNITS[0])),
        Above(95),
    ),
    *(
        Claim(
            f"So every weight has a derivative (ReLU units, {which})",
            "tutorial T4, carried over",
            _share_smooth(runs=partial(at, units=units)),
            Above(95),
        )
        for units, which in zip(UNITS[1:], ("at random weights", "one of them with zero weights"), strict=True)
    ),
)
