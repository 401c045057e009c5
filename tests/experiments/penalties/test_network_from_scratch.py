"""The network from scratch as a population: the tutorial's run, the shares, the tables, the claims, the benchmark."""

import jax
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.benchmarks import scratch as scratch_benchmark
from experiments.penalties.network_from_scratch import (
    CLAIMS,
    TOY_INPUTS,
    TOY_TARGETS,
    Config,
    assess,
    curve,
    report,
    table,
)
from jaxreg.nets import scratch
from tests.populations import along, population, verdicts

SMALL = Config(seeds=40, learning_rates=(1.0, 30.0), least_weights=(0.0,))


def test_the_run_of_seed_0_learns_the_table(result):
    one = result.sel(seed=0, learning_rate=1.0, least_weight=0.0)
    start = scratch.draw_weights(jr.seeds(1).key(0))
    alone = scratch.train(start, TOY_INPUTS, TOY_TARGETS, steps=1500, record_every=25)
    np.testing.assert_allclose(one["loss"], alone.loss, rtol=1e-3)
    assert one["step"].values[[0, -1]].tolist() == [0, 1500]
    np.testing.assert_allclose(one["prediction"], [0, 1, 1, 0], atol=0.05)
    assert (np.diff(one["loss"]) < 0).all()
    assert int(one["rises"]) == 0
    text = table(result)
    assert "| 0 1 1 | 1 | 0.97" in text
    assert len(text.splitlines()) == 6
    steps = [line.split("|")[1].strip() for line in curve(result, lines=4).splitlines()[2:]]
    assert steps == ["0", "500", "1000", "1500"]
    assert table(result) in report(result)
    assert curve(result) in report(result)


def test_runs_are_assessed_by_their_predictions(result):
    ends = assess(result)
    assert float(ends["close"].sel(learning_rate=1.0).mean()) > 0.9
    assert float(ends["close"].sel(learning_rate=30.0).mean()) < 0.5
    made = xr.Dataset(
        {
            "prediction": (("seed", "example"), [[0.05, 0.95, 0.91, 0.09], [0.2, 0.6, 0.9, 0.4], [0.6, 0.9, 0.9, 0.1]]),
            "target": ("example", TOY_TARGETS[:, 0]),
            "rises": ("seed", [0, 1, 0]),
            "diverged": ("seed", [False] * 3),
        }
    )
    ends = assess(made)
    assert ends["solved"].values.tolist() == [True, True, False]
    assert ends["close"].values.tolist() == [True, False, False]
    assert ends["monotone"].values.tolist() == [True, False, True]


# --- Claims, on populations whose verdict is known --------------------------------------------------------------------


def _population(error=0.03, rising=(0, 0, 0), losses=(1.0, 1e-3, 1e-2), seeds=20_000):
    """All predictions off by `error`; of the runs at each rate, the first few rise."""
    dims = {"seed": seeds, "learning_rate": [0.1, 1.0, 10.0], "least_weight": [0.0], "step": [0, 1500], "example": 4}
    cells = tuple(dims)[:3]
    noise = xr.DataArray(np.random.default_rng(1).normal(0, 0.1, (seeds, 3)), dims=cells[:2])
    means = {
        "prediction": ((*cells, "example"), abs(TOY_TARGETS[:, 0] - error)),
        "target": (("example",), TOY_TARGETS[:, 0]),
        "rises": (cells, along("seed", np.arange(seeds)) < along("learning_rate", rising)),
        "loss": ((*cells, "step"), np.exp(along("step", [0, 1]) * (np.log(along("learning_rate", losses)) + noise))),
    }
    return population(dims, means, records=("step", "example"))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"seeds": 50_000}, "hhhhhf"),
        ({"error": 0.2}, "hfhuhf"),
        ({"error": 0.7}, "ffhuhf"),
        ({"rising": (0, 100, 9000)}, "hhhfff"),
        ({"rising": (9000, 9000, 0)}, "hhffff"),
        ({"losses": (1.0, 1e-3, 1e-4)}, "hhhuhh"),
        ({"losses": (1e-3,) * 3, "seeds": 20}, "uuuuuu"),
    ],
    ids=["as told", "not close", "wrong side", "rises at 10", "rises at 1", "10 is better", "few"],
)
def test_claims(settings, expected):
    assert verdicts(CLAIMS, assess(_population(**settings))) == expected


# --- Benchmark --------------------------------------------------------------------------------------------------------


def test_the_loop_computes_what_the_population_does(result):
    loop = scratch_benchmark.train_loop(scratch_benchmark._draw(3))
    ours = result["prediction"].sel(learning_rate=1.0, least_weight=0.0).values[:3]
    assert scratch_benchmark.check_same(ours, loop) < 1e-4
    for other in (ours + 0.01, np.where(ours > 0.5, np.nan, ours)):
        with pytest.raises(AssertionError, match="predictions differ"):
            scratch_benchmark.check_same(other, loop)


def test_the_work_of_a_step_is_counted():
    """Against XLA's own count of a step, to which its comparisons and the like add little."""
    start = scratch.draw_weights(jax.random.key(0))

    def step(weights):
        _, slopes = scratch.backpropagate(weights, TOY_INPUTS, TOY_TARGETS)
        return jax.tree.map(lambda w, g: w - 0.5 * g, weights, slopes)

    counted = jax.jit(step).lower(start).compile().cost_analysis()["flops"]
    work = scratch_benchmark.count_work()
    assert work.sigmoids == 20
    assert 0.8 * work.operations < counted < 1.6 * work.operations + 10 * work.sigmoids


def test_rows_of_the_benchmark(monkeypatch, result):
    population = result.sel(learning_rate=[1.0])
    monkeypatch.setattr(scratch_benchmark, "train_population", lambda runs: population.isel(seed=slice(runs)))
    monkeypatch.setattr(scratch_benchmark, "measure_sigmoids", lambda repeats: 1e9)
    said = []
    rows = scratch_benchmark.measure_scratch(20, 2, 1e11, 2, said.append)
    assert [row["unit"] for row in rows] == ["runs/s", "x", "share"]
    assert [row["target"] for row in rows] == [None, 100.0, None]
    assert rows[0]["value"] == pytest.approx(20 / rows[0]["seconds"])
    assert "their loop over 2 of 20, scaled up" in rows[1]["note"]
    assert rows[1]["rival_seconds"] > 0
    assert rows[2]["value"] == pytest.approx(20 * 1500 * (396 / 1e11 + 20 / 1e9) / rows[0]["seconds"])
    assert said
