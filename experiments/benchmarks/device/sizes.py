"""How much the benchmark of an accelerator measures."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    populations: tuple[int, ...] = (100, 10_000, 262_144, 1_000_000)
    """Runs on landscapes."""
    networks: tuple[int, ...] = (100, 1000, 10_000)
    """Networks of tutorial T5."""
    examples: int = 6000
    """Images that they are trained on."""
    tested: int = 1000
    """Images that they are tested on."""
    epochs: int = 3
    """Passes through the former."""
    compared: int = 64
    """Networks of each precision whose accuracies are compared."""
    datasets: int = 1000
    """Of the linear models."""
    loop: int = 10
    """How many of them the scikit-learn loops fit; their time is scaled up."""
    fits: int = 100_000
    """Ridge fits in one population."""
    functional: int = 1000
    """Networks that `torch.func.vmap` trains at once."""
    trained: int = 3
    """Networks that the PyTorch loop trains."""


TINY = Sizes((64,), (2,), 128, 64, 1, 2, 8, 2, 64, 2, 1)
"""Enough to see that everything runs."""
