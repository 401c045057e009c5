"""How much the benchmark measures, once for all that it measures."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, get_args

import jaxreg as jr
from jaxreg.datasets import Dataset

Row = dict[str, Any]
Rows = Iterator[Row]
Entry = Literal[
    "machine",
    "engine",
    "descents",
    "network",
    "nets",
    "scratch",
    "linear",
    "forward",
    "reverse",
    "influence",
    "tuning",
    "strengths",
    "gauge",
]


@dataclasses.dataclass(frozen=True)
class Config:
    """What is measured, and how often."""

    only: tuple[Entry, ...] = get_args(Entry)
    """Entries to measure, beside the machine's own limit; those measured before are kept."""
    dataset: Literal["digits", "mnist"] = "mnist"
    """Data of the network: the first 6,000 and 1,000 images of MNIST, or the embedded digits."""
    seeds: int = 32
    """Networks in the population, and runs of each rival."""
    epochs: int = 3
    """Passes through the training data."""
    runs: int = 131_072
    """Runs of the landscape at each of 8 learning rates; a power of two, so that chunks are whole."""
    descents: int = 262_144
    """Runs of the landscape at one learning rate; a quarter of them with added noise."""
    tutorial: int = 40
    """How many of them the tutorial's loop follows; its time is scaled up."""
    batched: int = 4096
    """How many of them batched least squares follow; their time is scaled up."""
    memory: int = 1_000_000
    """Runs of the landscape in a process of their own, whose peak memory is measured."""
    repeats: int = 5
    """Measurements of each time; the median counts."""
    torch: bool = True
    """Whether to measure PyTorch loops, where PyTorch is installed."""
    keras: bool = True
    """Whether to measure a Keras loop, where Keras and TensorFlow are installed."""
    deep: int = 16
    """Networks of five hidden layers in the population."""
    online: int = 64
    """Networks in the population that learns from one image at a time."""
    scratch: int = 10_000
    """Networks with back-propagation written out."""
    scratch_loop: int = 10
    """How many of them the NumPy loop trains; its time is scaled up."""
    linear: int = 1000
    """Datasets of the linear models; they are measured where scikit-learn is installed."""
    loop: int = 20
    """How many of them the scikit-learn loops fit, or twice as many; their time is scaled up."""
    columns: int = 5000
    """Columns of the one large lasso; a model with a strength for each has a twenty-fifth of them."""
    refits: int = 50
    """Trainings without an example, beside which its influence is put."""
    gauged: int = 2000
    """Settings of small networks whose derivatives are gauged."""
    root: int = 2026
    """Seed of these settings."""


PRESETS = {
    "quick": Config(
        dataset="digits",
        seeds=8,
        epochs=2,
        runs=8192,
        descents=4096,
        tutorial=2,
        batched=64,
        memory=4096,
        repeats=3,
        torch=False,
        keras=False,
        deep=2,
        online=2,
        scratch=64,
        scratch_loop=1,
        linear=64,
        loop=2,
        columns=500,
        refits=4,
        gauged=40,
    ),
    "laptop": Config(),
    "paper": Config(seeds=128, runs=1_048_576, repeats=9, loop=100),
}


def load_data(config: Config) -> Dataset:
    """The images of the networks."""
    is_mnist = config.dataset == "mnist"
    return jr.datasets.load(config.dataset, train=6000 if is_mnist else None, test=1000 if is_mnist else None)
