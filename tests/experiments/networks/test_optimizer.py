"""The experiment on optimizers: its population, and its claims on results with a known answer."""

import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.networks.optimizer import CLAIMS, DEFAULTS, PRESETS, Config, run
from experiments.networks.tuned_rates import find_best_rates, half_decades
from jaxreg.claims import find_claim, judge
from jaxreg.nets import train
from jaxreg.nets.optimizers import OPTIMIZERS

_SMALL = Config(
    optimizers=("nesterov", "adamw"), learning_rates=(0.001, 0.01), seeds=4, epochs=1, hidden=(6,), momentum=0.7
)


@pytest.fixture(scope="module")
def result():
    return run(_SMALL, progress=False).load()


def test_presets_keep_to_the_tutorial():
    assert PRESETS["paper"].dataset == "mnist"
    assert set(Config().optimizers) == set(DEFAULTS) == set(OPTIMIZERS)
    for config in PRESETS.values():
        assert (config.hidden, config.activation, config.dropout, config.batch_size) == ((256, 128), "sigmoid", 0.5, 32)
        assert {DEFAULTS[name] for name in config.optimizers} <= set(config.learning_rates)


def test_result_is_labelled(result):
    assert dict(result["test_loss"].sizes) == {"optimizer": 2, "seed": 4, "learning_rate": 2, "epoch": 1}
    assert result["default_rate"].values.tolist() == [0.01, 0.001]
    xr.testing.assert_equal(result["best_rate"], find_best_rates(result))
    assert not result["diverged"].any()


@pytest.mark.parametrize(
    ("name", "options"), [("nesterov", {"momentum": 0.7}), ("adamw", {"decoupled_weight_decay": 0.004})]
)
def test_a_run_is_the_training_it_says(result, name, options):
    data = jr.datasets.load("digits", scale=False)
    settings = {"dropout": 0.5, "hidden": (6,), "epochs": 1, "optimizer": name}
    alone = train(*data[:4], seed=jr.seeds(4).key(2), learning_rate=0.01, **settings, **options)
    here = result.sel(optimizer=name, seed=2, learning_rate=0.01)
    np.testing.assert_allclose(here["test_loss"], alone["test_loss"], rtol=1e-4)


# --- Claims, on accuracies whose verdict is known ---------------------------------------------------------------------

_RATES = half_decades(-8, 0)


def _population(peaks, best=None, names=tuple(DEFAULTS), seeds=20):
    """Accuracies that fall by a tenth per decade from the peak of each optimizer, which lies at its best rate."""
    random = np.random.default_rng(0)
    best = DEFAULTS | (best or {})
    peak = np.array([peaks.get(name, 0.8) for name in names])
    away = abs(np.log10(_RATES) - np.log10([best[name] for name in names])[:, None])
    shared = random.normal(0, 0.05, (1, seeds, 1))
    own = random.normal(0, 0.001, (len(names), seeds, len(_RATES)))
    accuracy = peak[:, None, None] - 0.1 * away[:, None] + shared + own
    cells = ("optimizer", "seed", "learning_rate")
    dataset = xr.Dataset(
        {
            "test_accuracy": ((*cells, "epoch"), accuracy[..., None]),
            "diverged": (cells, np.zeros(accuracy.shape, bool)),
            "default_rate": ("optimizer", [DEFAULTS[name] for name in names]),
        },
        {"optimizer": list(names), "seed": np.arange(seeds), "learning_rate": np.array(_RATES), "epoch": [1]},
    )
    return dataset.assign(best_rate=find_best_rates(dataset))


@pytest.mark.parametrize(
    ("claim", "peaks", "best", "status"),
    [
        ("at its default", {"adam": 0.85}, {}, "holds"),
        ("at its default", {"sgd": 0.85}, {}, "fails"),
        ("at its default", {"adam": 0.85}, {"adam": 0.1}, "fails"),
        ("at its best", {"adam": 0.85}, {"adam": 0.1}, "holds"),
        ("at its best", {"sgd": 0.85}, {}, "fails"),
        ("at its best", {}, {}, "undecided"),
        ("Adam needs little", {}, {}, "holds"),
        ("Adam needs little", {}, {"adam": 0.1}, "fails"),
        ("Tuned, momentum is", {}, {}, "holds"),
        ("Tuned, momentum is", {"momentum": 0.78}, {}, "fails"),
        ("Nesterov's momentum is", {"nesterov": 0.81}, {}, "holds"),
        ("Nesterov's momentum is", {"momentum": 0.81}, {}, "fails"),
        ("AdamW is more", {"adamw": 0.81}, {}, "holds"),
        ("AdamW is more", {"adam": 0.81}, {}, "fails"),
        ("Lion's best learning", {}, {"adamw": 0.0031623, "lion": 0.0005}, "holds"),
        ("Lion's best learning", {}, {}, "fails"),
    ],
)
def test_claims_can_fall_either_way(claim, peaks, best, status):
    assert find_claim(CLAIMS, claim).judge(_population(peaks, best)).status == status


def test_optimizers_that_were_not_tried_leave_claims_undecided():
    judged = judge(CLAIMS, _population({"adam": 0.85}, names=("sgd", "adam")))
    assert [verdict.status for _, verdict in judged] == ["holds", "holds", "holds", *["undecided"] * 4]
    assert {verdict.n for _, verdict in judged[3:]} == {0}
