"""The network from scratch as a population: the tutorial's run, shares, tables, claims, benchmark; the figure."""

import dataclasses

import jax
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.benchmarks import scratch as scratch_benchmark
from experiments.benchmarks.settings import PRESETS
from experiments.penalties.network_from_scratch import CLAIMS, TOY_INPUTS, TOY_TARGETS, Config, assess, report
from experiments.penalties.network_from_scratch import table as tabulate
from jaxreg import stats
from jaxreg.nets import scratch
from tests.figures.drawn import find, find_band
from tests.populations import along, population, verdicts

SMALL = Config(seeds=40, learning_rates=(0.1, 1.0, 30.0))


def test_the_run_of_seed_0_learns_the_table(result):
    one = result.sel(seed=0, learning_rate=1.0, least_weight=0.0)
    start = scratch.draw_weights(jr.seeds(1).key(0))
    alone = scratch.train(start, TOY_INPUTS, TOY_TARGETS, steps=1500, record_every=25)
    np.testing.assert_allclose(one["loss"], alone.loss, rtol=1e-3)
    assert one["step"].values[[0, -1]].tolist() == [0, 1500]
    np.testing.assert_allclose(one["prediction"], [0, 1, 1, 0], atol=0.05)
    assert (np.diff(one["loss"]) < 0).all()
    assert int(one["rises"]) == 0
    text = tabulate(result)
    assert "| 0 1 1 | 1 | 0.97" in text
    assert len(text.splitlines()) == 6
    assert text in report(result)


def test_runs_are_assessed_by_their_predictions(result):
    close = result["close"].sel(least_weight=0.0)
    assert float(close.sel(learning_rate=1.0).mean()) > 0.9
    assert float(close.sel(learning_rate=30.0).mean()) < 0.5
    predictions = [[0.05, 0.95, 0.91, 0.09], [0.2, 0.6, 0.9, 0.4], [0.6, 0.9, 0.9, 0.1]]
    made = {"prediction": (("seed", "example"), predictions), "target": ("example", TOY_TARGETS[:, 0])}
    ends = assess(xr.Dataset(made | {"rises": ("seed", [0, 1, 0])}))
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
    population = result.sel(learning_rate=[1.0], least_weight=[0.0])
    monkeypatch.setattr(scratch_benchmark, "train_population", lambda runs: population.isel(seed=slice(runs)))
    monkeypatch.setattr(scratch_benchmark, "measure_sigmoids", lambda repeats: 1e9)
    config = dataclasses.replace(PRESETS["quick"], scratch=20, scratch_loop=2, repeats=2)
    rows = [*scratch_benchmark.measure_scratch(config, 1e11)]
    assert [row["unit"] for row in rows] == ["runs/s", "x", "share"]
    assert [row["target"] for row in rows] == [None, 100.0, None]
    assert rows[0]["value"] == pytest.approx(20 / rows[0]["seconds"])
    assert "their loop over 2 of 20, scaled up" in rows[1]["note"]
    assert rows[1]["rival_seconds"] > 0
    assert rows[2]["value"] == pytest.approx(20 * 1500 * (396 / 1e11 + 20 / 1e9) / rows[0]["seconds"])


# --- Figure -----------------------------------------------------------------------------------------------------------


def test_losses_are_one_run_and_medians(panels, dataset):
    losses = dataset["loss"].sel(least_weight=0.0)
    find(panels[0], losses.sel(seed=0, learning_rate=1.0), label="1, one run")
    for label in ("0.1", "1", "30"):
        find(panels[0], losses.sel(learning_rate=float(label)).median("seed"), label=label)


def test_the_table_holds_the_predictions(panels, dataset):
    rows = [[text.get_text() for text in panels[1].texts[k : k + 4]] for k in range(0, 20, 4)]
    runs = dataset["prediction"].sel(learning_rate=1.0, least_weight=0.0).values
    expected = [["input", "target", "prediction", "median (5–95 %)"]]
    for k, (inputs, target) in enumerate((("0 0 1", "0"), ("0 1 1", "1"), ("1 0 1", "1"), ("1 1 1", "0"))):
        low, middle, high = np.quantile(runs[:, k], [0.05, 0.5, 0.95])
        expected.append([inputs, target, f"{runs[0, k]:.3f}", f"{middle:.3f} ({low:.3f}–{high:.3f})"])
    assert rows == expected
    assert panels[1].texts[-1].get_text() == "n = 40 initialisations"


def test_shares_over_the_learning_rate(panels, dataset):
    for axes, name in ((panels[2], "close"), (panels[3], "monotone")):
        for label, least in (("0 to 1", 0.0), ("-1 to 1", -1.0)):
            shares = stats.proportion(dataset.sel(least_weight=least), name, dim="seed")
            find_band(axes, shares, SMALL.learning_rates, label)
        assert find(axes, x=[1, 1]).get_linestyle() == ":"
        assert axes.get_xlabel() == "learning rate\nn = 40 initialisations"
