"""The case study of T3: cases, early stopping on the baseline's curves, table, claims on known results; the figure."""

import inspect
from functools import partial

import jax
import numpy as np
import pytest

import jaxreg as jr
from experiments.networks import mnist_regularizers as study
from experiments.networks.mnist_regularizers.claims import TUTORIAL_CASES
from jaxreg import stats
from jaxreg.claims import judge
from jaxreg.nets import Options, train
from jaxreg.nets.augmentation import Augmentation
from jaxreg.nets.stopping import from_keras
from jaxreg.nets.whitening import fit_whitening
from tests.experiments.networks.alone import key
from tests.figures.drawn import find_band, points
from tests.populations import along, diverge, population, verdicts

SMALL = study.Config(seeds=3, hidden=(6,), epochs=6, batch_size=64, patience=1, max_norm=0.5, l2=0.1, l1=0.01)
DIVERGED = {"case": 2, "seed": 0}
_CASES = (*study.make_cases(SMALL, Augmentation()), "early stopping")


def test_strengths_are_those_of_the_tutorial(result):
    assert (tuple(result["case"].values), result.attrs["test_images"]) == (_CASES, 500)
    for config in study.PRESETS.values():
        # Keras' l2(λ) is λ Σw², twice ours.
        assert (config.l2, config.l1, config.dropout, config.patience) == (2e-4, 1e-4, 0.25, 2)


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
    settings = {"hidden": (6,), "activation": "relu", "optimizer": "adam", "epochs": 6, "batch_size": 64}
    rule = from_keras("val_accuracy", patience=1)
    sets = (x, y, data.x_test, data.y_test, x_validation, y_validation)
    alone = jax.jit(partial(train, *sets, learning_rate=0.001, stopping=rule, **settings))(seed=key(1))
    stopped = result.sel(case="early stopping", seed=1)
    assert int(stopped["last_epoch"]) == (int(alone["stopped_epoch"]) or 6)
    for name in study.CURVES:
        factor = 1 if name.endswith("loss") else 100
        np.testing.assert_allclose(stopped[name], factor * alone[name], rtol=1e-4, atol=0.0021 * factor)


@pytest.mark.parametrize("case", _CASES[:-1])
def test_a_case_trains_with_what_its_name_says(case, monkeypatch):
    seen = {}

    def record(*data, **settings):
        seen.update(settings, data=data)
        return dict.fromkeys(study.CURVES, 0.0)

    monkeypatch.setattr(jr.nets, "train", record)
    changes = Augmentation(shift=1.0)
    point = {
        name: value.values[0] if hasattr(value, "values") else value
        for name, value in study.make_cases(SMALL, changes)[case].items()
    }
    known = {*inspect.signature(study.learn).parameters, *inspect.signature(train).parameters, *Options.__annotations__}
    assert set(point) <= known
    images, labels = {"plain": ("p", "pv", "pt"), "whitened": ("w", "wv", "wt")}, ("y", "yv", "yt")
    study.learn(images, labels, hidden=(5, 6), **point)
    kind = "w" if "ZCA" in case else "p"
    assert seen["data"] == (kind, "y", f"{kind}t", "yt", f"{kind}v", "yv")
    assert seen["dropout"] == [0.25 if "dropout" in case else 0.0] * 2
    assert seen["augmentation"] == (changes if "augmentation" in case else None)
    assert seen["l2"] == (0.1 if case == "L2" else 0)
    assert seen["l1"] == (0.01 if case == "L1" else 0)
    assert seen["proximal_l1"] == (0.01 if case == "proximal L1" else 0)
    assert seen["max_norm"] == (0.5 if case == "max-norm" else np.inf)


def test_the_table_holds_accuracies_and_paired_gains(result):
    text, last = study.table(result), result.isel(epoch=-1)
    names, _, *rows = ([cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines())
    assert tuple(row[0] for row in rows) == _CASES
    for case, *cells in rows:
        own, told = last.sel(case=case), dict(zip(names[1:], cells, strict=True))
        gain = own["test_accuracy"] - last["test_accuracy"].sel(case="baseline")
        wanted = {
            "validation, %": own["validation_accuracy"].mean(),
            "test, %": own["test_accuracy"].mean(),
            "weights at 0, %": own["zero_fraction"].mean(),
            "gain on test, points": gain.mean(),
            "seeds with a gain": (gain > 0).mean(),
            "n": 3,
        }
        assert told.keys() == wanted.keys()
        for name, number in wanted.items():
            digits = told[name].split()[0]
            assert abs(float(digits) - float(number)) <= 0.501 * 10.0 ** -len(digits.partition(".")[2]), (case, name)
    assert text in study.report(result)
    assert f"ends after {float(result['last_epoch'].mean()):.1f} of 6 epochs" in study.report(result)


def _population(gains, zeros=(0, 20), stop=5, spread=0.2, seeds=40):
    """Curves that rise to epoch `stop` - 2, fall, and end 5 points higher; gains in points at the last epoch."""
    epochs, of_l1 = np.arange(1, 11), dict(zip(("L1", "proximal L1"), zeros, strict=True))
    dims = {"case": _CASES, "seed": seeds, "epoch": epochs}
    at_end = along("epoch", epochs == 10)
    own = population(
        dims, {"own": (("case", "seed"), along("case", [gains.get(case, 0) for case in _CASES]))}, spread=spread
    )
    curve = along("epoch", np.where(epochs == 10, 90, 85 - abs(epochs - (stop - 2))))
    means = dict.fromkeys(study.CURVES[:-1], curve + own["own"] * at_end)
    means["zero_fraction"] = along("case", [of_l1.get(case, 0) for case in _CASES])
    made = population(dims, means, shared=dict.fromkeys(study.CURVES[:-1], 2), root=1)
    return made.assign(last_epoch=("seed", np.full(seeds, stop)))


_ALL = dict.fromkeys(TUTORIAL_CASES, 2) | {"augmentation": 1, "augmentation + dropout": 2}
_WORSE = {"gains": dict.fromkeys(_CASES[1:], -1), "zeros": (20, 0), "stop": 8}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # L2, L1, dropout, leap, every time, ZCA's, stops at 5, stopping, all, augmentation, both, zeros, zeros
        ({"gains": _ALL | {"L1": 0, "ZCA + dropout": 4}}, "hhhhuhhhuhhhh"),
        ({"gains": _ALL}, "hfhhuuhhhhhhh"),
        ({"gains": _ALL, "seeds": 200}, "hfhhhuhhhhhhh"),  # many seeds decide whether it works every time
        (_WORSE, "fhfffuffffuff"),
    ],
    ids=["as_in_the_tutorial", "everything_helps", "many_seeds", "everything_hurts"],
)
def test_claims(given, expected):
    assert verdicts(study.CLAIMS, _population(**given)) == expected


def test_claims_are_undecided_where_noise_hides_the_gain():
    told = verdicts(study.CLAIMS, _population(_ALL, spread=20))
    assert sum(a == b for a, b in zip(told, "uuuuuuhuuuuhh", strict=True)) >= 11
    assert told[4] != "h"


def test_effects_are_gains_in_points():
    measured = [verdict for _, verdict in judge(study.CLAIMS, _population(_ALL))]
    expected = {0: 2, 1: 2, 2: 2, 3: 2, 7: 2, 10: 1, 12: 20}
    np.testing.assert_allclose([measured[place].effect for place in expected], list(expected.values()), atol=0.3)
    assert measured[4].effect == 100


def test_a_regularizer_that_diverged_in_every_run_is_not_passed_over():
    assert verdicts(study.CLAIMS, diverge(_population(_ALL), *study.CURVES, case=5))[8] != "h"


def test_a_case_wins_in_no_pair_of_which_one_diverged():
    gone = study.find_wins(diverge(_population(_ALL), case=5, seed=slice(5)))["diverged"]
    assert int(gone.sel(case="dropout").sum()) == 5


# --- Figure -----------------------------------------------------------------------------------------------------------


def test_a_sample_is_shown_with_its_label(panels, dataset):
    for axes, picture in zip(panels[:5], dataset["sample"].values, strict=True):
        np.testing.assert_allclose(axes.images[0].get_array(), picture)
    assert [axes.get_title() for axes in panels[:3]] == [f'label "{dataset.label}"', "whitened", "augmented 1"]


def test_accuracies_are_those_of_all_seeds_and_their_means(panels, dataset):
    axes = panels[5]
    last = dataset.isel(epoch=-1)
    means = stats.mean(last, "test_accuracy", dim="seed")["mean"]
    seeds = [line for line in axes.lines if line.get_marker() == "."]
    bars = [line for line in axes.lines if line.get_marker() == "|"]
    for place, (dots, bar) in enumerate(zip(seeds, bars, strict=True)):
        values = last["test_accuracy"].isel(case=place).values
        kept = values[~last["diverged"].isel(case=place).values]
        np.testing.assert_allclose(dots.get_xdata(), kept)
        assert abs(dots.get_ydata() - place).max() < 0.5
        np.testing.assert_allclose(bar.get_xdata(), [means[place]])
        assert bar.get_ydata() == [place]
    assert tuple(label.get_text() for label in axes.get_yticklabels()) == _CASES


def test_gains_are_paired_differences_with_their_intervals(panels, dataset):
    gain = stats.paired_difference(dataset.isel(epoch=-1), "test_accuracy", "seed", "case", "baseline")
    for case, drawn in zip(gain["case"], points(panels[6]), strict=True):
        expected = gain.sel(case=case)[["difference", "low", "high"]].to_array()
        np.testing.assert_allclose([end.item() for end in (drawn.x, drawn.low, drawn.high)], expected)
    assert panels[6].get_ylim() == panels[5].get_ylim()


def test_curves_are_means_over_the_epochs(panels, dataset):
    for case in ("baseline", "L2", "L1", "dropout", "ZCA + dropout", "augmentation"):
        find_band(panels[7], stats.mean(dataset.sel(case=case), "test_accuracy", dim="seed"), label=case)


def test_ticks_mark_where_early_stopping_ends(panels, dataset):
    (marks,) = (line for line in panels[7].lines if line.get_marker() == "|")
    assert sorted(marks.get_xdata()) == sorted(dataset["last_epoch"].values)
    titles = [axes.get_title(loc="left") for axes in panels[5:]]
    assert titles == ["(a) Digits", "(b) Against the baseline", "(c) In training"]
    assert panels[5].get_xlabel() == "test accuracy, %\nn = 2–3 seeds\n(up to 1 diverged, left out)"
    assert panels[6].get_xlabel() == "gain, percentage points\nn = 2–3 pairs\n(up to 1 diverged, left out)"
