"""The case study of T3: its cases, early stopping on the baseline's curves, its table, and claims on known results."""

import inspect
import zlib
from functools import partial

import jax
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.networks.mnist_regularizers import (
    CLAIMS,
    CURVES,
    PRESETS,
    Config,
    find_wins,
    learn,
    make_cases,
    measure_gain,
    report,
    run,
    stop_early,
    table,
)
from experiments.networks.mnist_regularizers.claims import TUTORIAL_CASES
from jaxreg.claims import find_claim, judge
from jaxreg.errors import ArgumentError
from jaxreg.nets import EarlyStopping, Options, train
from jaxreg.nets.augmentation import Augmentation
from jaxreg.nets.stopping import from_keras
from jaxreg.nets.whitening import fit_whitening

_SMALL = Config(seeds=3, hidden=(6,), epochs=6, batch_size=64, patience=1, max_norm=0.5, l2=0.1, l1=0.01)
_CASES = (
    "baseline",
    "L2",
    "L1",
    "proximal L1",
    "max-norm",
    "dropout",
    "ZCA",
    "ZCA + dropout",
    "augmentation",
    "augmentation + dropout",
    "early stopping",
)


@pytest.fixture(scope="module")
def result():
    return run(_SMALL, progress=False)


def test_presets_keep_to_the_tutorial():
    assert PRESETS["laptop"].seeds >= 32
    for config in PRESETS.values():
        # Keras' l2(λ) is λ Σw², twice ours.
        assert (config.l2, config.l1, config.dropout, config.patience) == (2e-4, 1e-4, 0.25, 2)
    paper = PRESETS["paper"]
    assert (paper.dataset, paper.hidden, paper.batch_size, paper.epochs) == ("mnist", (500,) * 5, 128, None)
    assert (paper.train, paper.test) == (60_000, 10_000)


def test_result_is_labelled(result):
    assert {name: result.sizes[name] for name in ("case", "seed", "epoch")} == {"case": 11, "seed": 3, "epoch": 6}
    assert tuple(result["case"].values) == _CASES
    assert set(TUTORIAL_CASES) < set(_CASES)
    assert not result["diverged"].any()
    sizes = [result.attrs[f"{part}_images"] for part in ("train", "validation", "test")]
    assert sizes == [907, 390, 500]


def test_the_sample_is_a_training_image_with_its_label(result):
    data = jr.datasets.load("digits")
    original = result["sample"].sel(version="original").values
    place = (data.x_train.reshape(-1, 8, 8) == original).all((1, 2))
    assert data.y_train[place].tolist() == [int(result.attrs["label"])]
    x, *_ = jr.datasets.split(data.x_train, data.y_train, seed=0)
    white = fit_whitening(x, 0.01).apply(original.reshape(1, -1)).reshape(8, 8)
    np.testing.assert_allclose(result["sample"].sel(version="whitened"), white)
    versions = result["sample"].values[[0, 2, 3, 4]]
    assert all((a != b).any() for i, a in enumerate(versions) for b in versions[:i])


def test_every_case_differs_from_every_other(result):
    """But for the early stopping, which is the baseline's beginning."""
    losses = result["test_loss"].sel(seed=0).values[:-1]
    assert all((a != b).any() for i, a in enumerate(losses) for b in losses[:i])


def test_early_stopping_is_what_training_with_it_gives(result):
    data = jr.datasets.load("digits")
    x, y, x_validation, y_validation = jr.datasets.split(data.x_train, data.y_train, seed=0)
    seed = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), zlib.crc32(b"seed")), 1)
    settings = {"hidden": (6,), "activation": "relu", "optimizer": "adam", "epochs": 6, "batch_size": 64}
    rule = from_keras("val_accuracy", patience=1)
    sets = (x, y, data.x_test, data.y_test, x_validation, y_validation)
    alone = jax.jit(partial(train, *sets, learning_rate=0.001, stopping=rule, **settings))(seed=seed)
    stopped = result.sel(case="early stopping", seed=1)
    assert int(stopped["last_epoch"]) == (int(alone["stopped_epoch"]) or 6)
    for name in CURVES:
        np.testing.assert_allclose(stopped[name], alone[name], rtol=1e-4, atol=0.0021)


@pytest.mark.parametrize("case", _CASES[:-1])
def test_a_case_trains_with_what_its_name_says(case, monkeypatch):
    seen = {}

    def record(*data, **settings):
        seen.update(settings, data=data)
        return dict.fromkeys(CURVES, 0.0)

    monkeypatch.setattr(jr.nets, "train", record)
    changes = Augmentation(shift=1.0)
    point = {
        name: value.values[0] if hasattr(value, "values") else value
        for name, value in make_cases(_SMALL, changes)[case].items()
    }
    known = {*inspect.signature(learn).parameters, *inspect.signature(train).parameters, *Options.__annotations__}
    assert set(point) <= known
    images, labels = {"plain": ("p", "pv", "pt"), "whitened": ("w", "wv", "wt")}, ("y", "yv", "yt")
    learn(images, labels, hidden=(5, 6), **point)
    kind = "w" if "ZCA" in case else "p"
    assert seen["data"] == (kind, "y", f"{kind}t", "yt", f"{kind}v", "yv")
    assert seen["dropout"] == [0.25 if "dropout" in case else 0.0] * 2
    assert seen["augmentation"] == (changes if "augmentation" in case else None)
    assert seen["l2"] == (0.1 if case == "L2" else 0)
    assert seen["l1"] == (0.01 if case == "L1" else 0)
    assert seen["proximal_l1"] == (0.01 if case == "proximal L1" else 0)
    assert seen["max_norm"] == (0.5 if case == "max-norm" else np.inf)


def test_the_table_holds_accuracies_and_paired_gains(result):
    text = table(result)
    rows = {row.split("|")[1].strip(): row.split("|")[2:-1] for row in text.splitlines()[2:]}
    assert tuple(rows) == _CASES
    last = result.isel(epoch=-1)
    for case, row in rows.items():
        for cell, name in zip(row[:2], ("validation_accuracy", "test_accuracy"), strict=True):
            assert abs(float(cell) - 100 * float(last[name].sel(case=case).mean())) < 0.006
        gain = 100 * (last["test_accuracy"].sel(case=case) - last["test_accuracy"].sel(case="baseline"))
        assert abs(float(row[2].split("[")[0]) - float(gain.mean())) < 0.006
        assert float(row[3]) == round(100 * float((gain > 0).mean()))
    assert text in report(result)
    assert f"ends after {float(result['last_epoch'].mean()):.1f} of 6 epochs" in report(result)


# --- Early stopping and claims, on curves whose verdict is known ------------------------------------------------------


def _population(gains, zeros=(0.0, 0.2), stop=5, spread=0.002, seeds=40):
    """Curves that rise to epoch `stop` - 2, fall, and end 0.05 higher; gains in percentage points at the last epoch."""
    random = np.random.default_rng(0)
    cases, epochs = list(_CASES), np.arange(1, 11)
    dims, shape = ("case", "seed", "epoch"), (len(cases), seeds, len(epochs))
    shared, own = random.normal(0, 0.02, (1, seeds, 1)), random.normal(0, spread, (*shape[:2], 1))
    gain = np.array([gains.get(case, 0.0) for case in cases])[:, None, None] / 100
    rise = np.where(epochs == len(epochs), 0.9, 0.85 - 0.01 * abs(epochs - (stop - 2)))
    accuracy = np.where(epochs == len(epochs), rise + gain + own, rise) + shared
    fraction = np.zeros(shape)
    fraction[cases.index("L1")], fraction[cases.index("proximal L1")] = zeros
    return xr.Dataset(
        dict.fromkeys(CURVES[:-1], (dims, accuracy))
        | {
            "zero_fraction": (dims, fraction),
            "diverged": (dims[:2], np.zeros(shape[:2], bool)),
            "last_epoch": ("seed", np.full(seeds, stop)),
        },
        {"case": cases, "seed": np.arange(seeds), "epoch": epochs},
    )


def test_early_stopping_repeats_the_records_of_the_last_epoch():
    trained = _population({}, stop=5).drop_sel(case="early stopping").drop_vars("last_epoch")
    trained["diverged"][0, 2] = True
    broken = trained["test_loss"].copy()
    broken[0, 2, 3:] = np.nan
    both = stop_early(trained.assign(test_loss=broken), EarlyStopping("validation_accuracy", patience=1))
    assert tuple(both["case"].values) == _CASES
    assert (both["last_epoch"] == 5).all()
    baseline, stopped = (both["test_accuracy"].sel(case=case) for case in ("baseline", "early stopping"))
    np.testing.assert_array_equal(stopped.sel(epoch=slice(5)), baseline.sel(epoch=slice(5)))
    np.testing.assert_array_equal(stopped.sel(epoch=slice(5, None)), baseline.sel(epoch=[5] * 6))
    assert np.flatnonzero(both["diverged"].sel(case="early stopping")).tolist() == [2]
    xr.testing.assert_equal(both.drop_sel(case="early stopping")["zero_fraction"], trained["zero_fraction"])


_ALL = dict.fromkeys(TUTORIAL_CASES, 2.0) | {"augmentation": 1.0, "augmentation + dropout": 2.0}
_H, _F, _U = "holds", "fails", "undecided"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # L2, L1, dropout, leap, every time, ZCA's, stops at 5, stopping, all, augmentation, both, zeros, zeros
        (
            {"gains": _ALL | {"L1": 0.0, "ZCA + dropout": 4.0}},
            (_H, _H, _H, _H, _U, _H, _H, _H, _U, _H, _H, _H, _H),
        ),
        ({"gains": _ALL}, (_H, _F, _H, _H, _U, _U, _H, _H, _H, _H, _H, _H, _H)),
        (
            {"gains": dict.fromkeys(_CASES[1:], -1.0), "zeros": (0.2, 0.0), "stop": 8},
            (_F, _H, _F, _F, _F, _U, _F, _F, _F, _F, _U, _F, _F),
        ),
        ({"gains": _ALL, "spread": 0.2}, (_U,) * 6 + (_H,) + (_U,) * 4 + (_H, _H)),
    ],
    ids=["as_in_the_tutorial", "everything_helps", "everything_hurts", "noise"],
)
def test_claims(arguments, expected):
    statuses = tuple(verdict.status for _, verdict in judge(CLAIMS, _population(**arguments)))
    if "spread" in arguments:
        assert sum(a == b for a, b in zip(statuses, expected, strict=True)) >= 11
        assert statuses[4] != "holds"
    else:
        assert statuses == expected


def test_many_seeds_decide_whether_it_works_every_time():
    verdict = find_claim(CLAIMS, "with dropout works").judge(_population(_ALL, seeds=200))
    assert (verdict.status, verdict.effect, verdict.n) == ("holds", 100.0, 200)


def test_effects_are_gains_in_points():
    dataset = _population(_ALL)
    verdicts = [verdict for _, verdict in judge(CLAIMS, dataset)]
    for place in (0, 1, 2, 3, 7):
        assert abs(verdicts[place].effect - 2) < 0.3
        assert verdicts[place].interval[0] < 2 < verdicts[place].interval[1]
    assert abs(verdicts[10].effect - 1) < 0.3
    assert abs(verdicts[12].effect - 20) < 1e-9
    assert float(measure_gain(dataset)["difference"].sel(case="baseline")) == 0


def test_diverged_runs_are_left_out():
    dataset = _population(_ALL)
    gone = dataset["diverged"].copy()
    gone[_CASES.index("dropout"), :5] = True
    dataset = dataset.assign(diverged=gone)
    assert (
        find_claim(CLAIMS, "Dropout is better").judge(dataset).status,
        find_claim(CLAIMS, "Dropout is better").judge(dataset).n,
    ) == ("holds", 35)
    assert int(find_wins(dataset)["diverged"].sel(case="dropout").sum()) == 5


def test_claims_need_the_cases_of_the_tutorial():
    with pytest.raises(ArgumentError, match="must hold dropout"):
        find_claim(CLAIMS, "Dropout is better").judge(_population(_ALL).drop_sel(case="dropout"))
