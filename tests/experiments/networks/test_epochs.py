"""The experiment on the number of epochs of T5: its population, and its claims on curves with a known answer."""

import zlib
from functools import partial

import jax
import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from experiments.networks.epochs import CLAIMS, CURVES, PRESETS, Config, find_best, find_turn, run
from jaxreg.claims import find_claim, judge
from jaxreg.errors import ArgumentError
from jaxreg.nets import train

_SMALL = Config(seeds=2, epochs=60, hidden=(4,), batch_size=300)


@pytest.fixture(scope="module")
def result():
    return run(_SMALL, progress=False)


def test_presets_keep_to_the_tutorial():
    assert PRESETS["paper"].dataset == "mnist"
    for config in PRESETS.values():
        assert (config.activation, config.learning_rate, config.batch_size) == ("sigmoid", 0.1, 32)
        assert config.epochs >= 60
    assert PRESETS["paper"].hidden == PRESETS["laptop"].hidden == (256, 128)


def test_result_is_labelled(result):
    assert dict(result.sizes) == {"pixels": 2, "seed": 2, "epoch": 60}
    assert result["pixels"].values.tolist() == ["raw", "scaled"]
    assert result["epoch"].values.tolist() == list(range(1, 61))
    assert (result.attrs["dataset"], result.attrs["train_images"], result.attrs["test_images"]) == ("digits", 1297, 500)
    assert set(CURVES) <= set(result.data_vars)
    assert not result["diverged"].any()


def test_a_shorter_training_is_the_beginning_of_the_longer_one(result):
    data = jr.datasets.load("digits", scale=False)
    seed = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), zlib.crc32(b"seed")), 1)
    settings = {"learning_rate": 0.1, "hidden": (4,), "batch_size": 300, "epochs": 5}
    alone = jax.jit(partial(train, *data[:4], **settings))(seed=seed)
    for name in CURVES:
        long = result[name].sel(pixels="raw", seed=1, epoch=slice(5))
        np.testing.assert_allclose(long, alone[name], rtol=1e-3, atol=0.002)


def test_scaled_pixels_are_other_ones(result):
    assert (result["train_loss"].sel(pixels="raw") != result["train_loss"].sel(pixels="scaled")).all()


# --- Claims, on curves whose verdict is known -------------------------------------------------------------------------

_EPOCHS = np.arange(1, 81)


def _peak(at, height=0.9, slope=0.004):
    """An accuracy that rises fast to its peak and falls slowly."""
    return height - np.where(at > _EPOCHS, 0.02 * (at - _EPOCHS), slope * (_EPOCHS - at))


def _valley(at):
    return 0.3 + 0.001 * (_EPOCHS - at) ** 2


def _population(test_accuracy, test_loss, train_accuracy, scaled=None, spread=0.001, seeds=40):
    """Curves around the given ones; what a seed adds is shared by all its epochs, as it mostly is in one run."""
    random = np.random.default_rng(0)
    scaled = test_accuracy if scaled is None else scaled

    def spread_out(raw, other):
        noise = random.normal(0, 0.02, (2, seeds, 1)) + random.normal(0, spread, (2, seeds, len(_EPOCHS)))
        return ("pixels", "seed", "epoch"), np.stack([raw, other])[:, None] + noise

    return xr.Dataset(
        {
            "test_accuracy": spread_out(test_accuracy, scaled),
            "test_loss": spread_out(test_loss, test_loss),
            "train_accuracy": spread_out(train_accuracy, train_accuracy),
            "train_loss": spread_out(test_loss, test_loss),
            "diverged": (("pixels", "seed"), np.zeros((2, seeds), bool)),
        },
        {"pixels": ["raw", "scaled"], "seed": np.arange(seeds), "epoch": _EPOCHS},
    )


_RISE, _FALL, _FLAT = 0.5 + 0.005 * _EPOCHS, 0.9 - 0.005 * _EPOCHS, np.full(len(_EPOCHS), 0.8)
_H, _F, _U = "holds", "fails", "undecided"


@pytest.mark.parametrize(
    ("curves", "expected"),
    [
        # few ×2, many ×2, training rises, loss turns, loss first, ten is best, stopping ×2
        ((_peak(12), _valley(8), _RISE), (_H, _H, _H, _H, _H, _H, _H, _H, _H, _H)),
        ((_RISE, 1 - _RISE, _FALL), (_H, _H, _F, _F, _F, _F, _U, _F, _F, _F)),
        ((_peak(12), _valley(30), _FALL, _RISE), (_H, _H, _H, _F, _F, _H, _F, _H, _H, _F)),
        ((_FALL, _valley(8), _RISE), (_F, _F, _H, _H, _H, _H, _F, _F, _H, _H)),
    ],
    ids=["over_learning", "never_too_many", "not_over_learning", "falls_from_the_start"],
)
def test_claims(curves, expected):
    judged = judge(CLAIMS, _population(*curves))
    assert tuple(verdict.status for _, verdict in judged) == expected


def test_claims_are_undecided_where_noise_hides_the_difference():
    """But for the least of 59 noisy losses, which is chosen and measured on different seeds, all are about pairs."""
    dataset = _population(_FLAT, _FLAT, _FLAT, spread=0.05)
    statuses = [verdict.status for _, verdict in judge(CLAIMS, dataset)]
    assert statuses.count("undecided") >= 8


def test_effects_are_those_of_the_tutorials_epochs():
    verdicts = [verdict for _, verdict in judge(CLAIMS, _population(_peak(12), _valley(8), _RISE))]
    for place, expected in ((0, 10.0), (2, -100 * (0.004 * 48 - 0.04)), (4, 25.0)):
        assert abs(verdicts[place].effect - expected) < 0.2
    assert abs(verdicts[5].effect - 0.001 * 52**2) < 0.01


def test_runs_that_have_not_turned_by_the_last_epoch_have_no_turn():
    dataset = _population(_RISE, 1 - _RISE, _RISE, spread=0).sel(pixels="raw")
    assert np.isnan(find_turn(dataset, "test_loss")).all()
    assert np.isnan(find_turn(dataset, "test_accuracy")).all()


def test_turns_are_those_of_each_run():
    dataset = _population(_peak(12), _valley(30), _RISE, spread=0).sel(pixels="raw")
    dataset["diverged"][3] = True
    turns = find_turn(dataset, "test_loss")
    assert np.isnan(turns[3])
    assert (turns.drop_isel(seed=3) == 30).all()
    assert (find_turn(dataset, "test_accuracy").drop_isel(seed=3) == 12).all()


def test_the_best_epoch_is_measured_on_other_seeds_than_it_was_chosen_on():
    dataset = _population(_FLAT, _FLAT, _FLAT)
    lucky = dataset["test_accuracy"].copy()
    lucky[{"pixels": 0, "seed": slice(0, None, 2), "epoch": 6}] += 0.5
    dataset = dataset.assign(test_accuracy=lucky)
    assert find_best(dataset.sel(pixels="raw"), "test_accuracy") == 7
    verdict = find_claim(CLAIMS, "Stop in time: some number").judge(dataset)
    assert verdict.n == 20
    assert abs(verdict.effect) < 5


def test_claims_need_the_epochs_of_the_tutorial():
    with pytest.raises(ArgumentError, match="must reach 60"):
        judge(CLAIMS, _population(_RISE, _FALL, _RISE).sel(epoch=slice(59)))
