"""The study of initial weights: a run that is the training it says, and verdicts on populations that are known."""

from pathlib import Path

import numpy as np
import pytest

from tests.experiments.networks.alone import train_alone
from tests.experiments.networks.example.figure import draw
from tests.experiments.networks.example.study import CLAIMS, Config, run
from tests.figures.drawn import find
from tests.populations import population, verdicts

_KINDS = ("glorot_uniform", "he_normal")


def test_a_run_is_the_training_it_says():
    result = run(Config(seeds=2, initializers=_KINDS, epochs=1, hidden=(6,)), progress=False)
    alone = train_alone(1, initializer="he_normal", learning_rate=0.1, dropout=0.5, hidden=(6,), epochs=1)
    np.testing.assert_allclose(result["test_accuracy"][1, 1], alone["test_accuracy"], atol=0.21)
    find(draw(result).axes[0], result["test_accuracy"].mean("seed")[1], label="he_normal")


@pytest.mark.parametrize(("first", "last", "expected"), [(5, 0.2, "hh"), (-5, 3, "ff"), (0, 1, "uu")])
def test_claims(first, last, expected):
    means = {"test_accuracy": np.array([[[60, 80]], [[60 + first, 80 + last]]])}
    dims = {"initializer": _KINDS, "seed": 40, "epoch": [1, 2]}
    assert verdicts(CLAIMS, population(dims, means, spread=0.5, shared=5)) == expected


def test_a_study_of_the_family_takes_so_many_lines():
    assert sum(len(path.read_text("utf-8").splitlines()) for path in Path(__file__).parent.glob("*.py")) <= 110
