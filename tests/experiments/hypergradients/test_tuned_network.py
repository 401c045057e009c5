"""Tuned network: budgets are equal, what is found is what was tuned, claims fall either way; the figure."""

import jax
import numpy as np
import pytest

import jaxreg as jr
from experiments.hypergradients import tuned_network as study
from tests.populations import along, population, verdicts

SMALL = study.Config(seeds=2, gradients=4, hidden=4, epochs=4)
_VALUES = np.float32([1e-3, 2e-3, 3e-3, 0.2, 1.0, 2.0, 3.0, 4.0])


def test_digits_are_tuned_and_tested_on_others_than_those_trained_on():
    numbers = np.arange(1297)
    parts = [set(np.asarray(x)) for x, y in study.draw_digits(numbers, numbers, jax.random.key(0))]
    assert [len(part) for part in parts] == [256, 200, 500]
    assert len(set.union(*parts)) == 956


def test_eight_numbers_there_and_back():
    assert len(study.NAMES) == len(_VALUES)
    np.testing.assert_array_equal(study.pack_start(study.unpack(_VALUES)), _VALUES)


@pytest.mark.slow
def test_a_rate_for_each_quarter_is_a_rate_for_each_epoch():
    """As `nets.train` has it, in as many epochs and in half of them."""
    data = jr.datasets.load("digits")[:2]
    for epochs, factors in ((4, [1.0, 2.0, 3.0, 4.0]), (2, [1.0, 3.0])):
        made = {"budget": epochs, "hidden": 4, "learning_rate": 0.05}
        problem = study.problem_of(*data, seed=jax.random.key(0), **made)
        inner = problem.training
        assert problem.steps == 8 * epochs
        rates = jax.numpy.asarray(factors)
        history = jr.nets.train(
            inner.x_train,
            inner.y_train,
            inner.x_validation,
            inner.y_validation,
            seed=inner.seed,
            schedule=lambda _, rates=rates: lambda step: rates[step // 8],
            dropout=_VALUES[3],
            penalties=study.unpack(_VALUES)["penalties"],
            **inner.options,
        )
        at = study.unpack(jax.numpy.asarray(_VALUES))
        np.testing.assert_allclose(problem.evaluate(at).value, history["test_loss"][-1], rtol=1e-5)


@pytest.mark.slow
def test_searches_cost_the_same_and_find_what_is_better_than_the_start(tmp_path):
    result = study.run(SMALL, store=tmp_path / "tuned", progress=False).load()
    steps = result["training_steps"].isel(seed=0).values
    assert steps[0] == steps[1] == 4 * 4 * 32
    assert abs(steps[2] / steps[0] - 1) < 0.1
    validation = result["validation_loss"]
    assert (validation[:, :3] <= validation[:, 3:]).all()
    for place in range(2):
        np.testing.assert_allclose(result["on_the_way"][place, :, -1], validation[:, place])
    assert result["test_loss"].notnull().all()
    assert "provenance" in result.attrs  # which the page of figures shows


def _made_up(test_loss=(0.3, 0.5, 0.4, 0.9), validation_loss=(0.29, 0.3, 0.3, 0.9)):
    """A population of which every claim holds, but for what is changed, by method."""
    dims = {
        "seed": 20,
        "method": study.METHODS,
        "search": study.METHODS[:2],
        "trained": range(1, 6),
        "name": study.NAMES,
    }
    means = {"test_loss": (("seed", "method"), test_loss), "validation_loss": (("seed", "method"), validation_loss)}
    means["hyperparameter"] = (("seed", "method", "name"), along("method", [2, 1.5, 0.8, 1]))
    means["on_the_way"] = (("search", "seed", "trained"), 1 / along("trained", range(1, 6)))
    return population(dims, means, shared=0.01, spread=1e-3, records=tuple(dims)[1:])


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "hhhhh"),
        ({"test_loss": [1.0, 0.5, 0.4, 0.9]}, "fffhf"),
        ({"test_loss": [0.6, 0.5, 0.4, 0.9]}, "hffhf"),
        ({"test_loss": [0.45, 0.5, 0.4, 0.9]}, "hhfhf"),
        ({"test_loss": [0.3, 0.5, 0.6, 0.9]}, "hhhfh"),
        ({"test_loss": [0.5, 0.5, 0.4, 0.9]}, "hufhf"),
    ],
)
def test_claims_can_fall_either_way(changed, expected):
    assert verdicts(study.CLAIMS, _made_up(**changed)) == expected


# --- Figure -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset():
    return _made_up()


def test_ways_are_means_over_seeds(panels, dataset):
    for place in range(2):
        np.testing.assert_allclose(panels[0].lines[place].get_ydata(), dataset["on_the_way"][place].mean("seed"))
    np.testing.assert_allclose(panels[0].lines[2].get_ydata(), [dataset["validation_loss"][:, 2].mean()])


def test_worth_is_paired(panels, dataset):
    loss = dataset["test_loss"]
    drawn = [float(bars.lines[0].get_xdata()[0]) for bars in panels[1].containers]
    np.testing.assert_allclose(drawn, [float((loss[:, k] - loss[:, 1]).mean()) for k in (0, 2)])


def test_what_is_found_is_over_the_start(panels, dataset):
    found = dataset["hyperparameter"]
    expected = np.log10(found[:, 0] / found[:, 3]).mean("seed")
    np.testing.assert_allclose(panels[2].containers[0].lines[0].get_xdata(), expected)
