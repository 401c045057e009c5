"""The scatter over seeds: its runs, its statistics, its claims on results with a known answer; the figure."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from matplotlib.container import BarContainer, ErrorbarContainer
from scipy import stats as laws

import jaxreg as jr
from experiments.networks.seed_variance import CLAIMS, SETTINGS, Config, variances
from jaxreg import stats
from jaxreg.claims import find_claim
from tests.experiments.networks.alone import key
from tests.figures.drawn import find
from tests.populations import diverge, verdicts

SMALL = Config(seeds=4, levels=3, epochs=2, hidden=(12,))


def test_a_run_is_the_training_it_says(result):
    """But for an image or two on the edge, which rounding may move."""
    data = jr.datasets.load("digits", scale=False)

    @jax.jit
    def learn(init, order, dropout, rate):
        keys = {"init_seed": init, "order_seed": order, "dropout_seed": dropout, "seed": init}
        settings = {"learning_rate": 0.1, "dropout": rate, "hidden": (12,), "epochs": 2, "evaluate_train": False}
        return jr.nets.train(*data[:4], **keys, **settings)["test_accuracy"][-1]

    for seed in (0, 1):
        alone = 100 * learn(*[key(seed)] * 3, jnp.float32(0.4))
        np.testing.assert_allclose(result["test_accuracy"].sel(setting="dropout 0.4", seed=seed), alone, atol=0.41)
    levels = {"init_seed": 0, "order_seed": 1, "dropout_seed": 1}
    alone = 100 * learn(*[key(level, axis) for axis, level in levels.items()], jnp.float32(0.5))
    np.testing.assert_allclose(result["crossed_accuracy"].sel(levels), alone, atol=0.41)


def test_every_source_changes_the_runs(result):
    accuracy = result["crossed_accuracy"]
    for source in variances.SOURCES:
        assert (accuracy.isel({source: 0}) != accuracy.isel({source: 1})).any()


# --- Statistics, on runs that are drawn -------------------------------------------------------------------------------


def _draw(seeds=64, examples=400, shared=0.0, own=1.0, sources=(1.0, 1.0, 1.0, 1.0), difficulty=2.0, levels=(6, 6, 6)):
    """Runs that get an example right by a score: its difficulty, `shared` by a run, and by setting `own` noise.

    Noise is common to the settings but for the part `own`. The crossed accuracies have effects of the given standard
    deviations in points: of the three sources and of what is left.
    """
    random = np.random.default_rng(0)
    hard = np.linspace(-0.5, 1, examples) * difficulty
    common = random.normal(size=(1, seeds, examples)) * np.sqrt(1 - own)
    noise = common + random.normal(size=(4, seeds, examples)) * np.sqrt(own)
    correct = hard + noise + shared * random.normal(size=(4, seeds, 1)) > 0
    init, order, dropout, rest = sources
    grid = random.normal(size=levels) * rest
    for axis, spread in enumerate((init, order, dropout)):
        shape = [1, 1, 1]
        shape[axis] = levels[axis]
        grid = grid + spread * random.normal(size=shape)
    dataset = xr.Dataset(
        {
            "test_correct": (("setting", "seed", "example"), correct),
            "diverged": (("setting", "seed"), np.zeros((4, seeds), bool)),
            "crossed_accuracy": (variances.SOURCES, 90 + grid),
        },
        {"setting": list(SETTINGS), "seed": np.arange(seeds)},
    )
    return dataset.assign(variances.split_variances(dataset))


def test_seeds_needed_have_the_power_they_promise():
    """Of many t-tests on so many pairs, about 80 % see the difference (the z in place of t costs a little)."""
    needed = float(variances.count_seeds(0.5, 2 * 1.0**2))
    assert needed == pytest.approx((1.959964 + 0.841621) ** 2 * 2 / 0.25, rel=1e-5)
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 4000, int(np.ceil(needed))))
    seen = laws.ttest_ind(a + 0.5, b, axis=1).pvalue < 0.05
    assert abs(seen.mean() - 0.8) < 0.03


def test_differences_are_plain_variances_on_the_test_set_at_hand():
    runs = variances.list_runs(_draw(own=0.3))
    accuracy = 100 * runs.mean(-1)
    paired, unpaired = variances.measure_differences(runs)
    expected = np.mean([np.var(a - accuracy[0], ddof=1) for a in accuracy[1:]])
    np.testing.assert_allclose(paired, expected)
    each = accuracy.var(-1, ddof=1)
    np.testing.assert_allclose(unpaired, each[0] + each[1:].mean())
    assert paired < 0.6 * unpaired


@pytest.mark.parametrize("shared", [0.0, 0.3])
def test_a_larger_test_set_is_foretold(shared):
    """From every tenth image, the variance on all of them, but for the sampling error of a variance."""
    runs = variances.list_runs(_draw(seeds=1000, examples=1000, shared=shared))
    at_hand = variances.measure_differences(runs[..., ::10])[1]
    foretold = variances.measure_differences(runs[..., ::10], images=1000)[1]
    measured = variances.measure_differences(runs)[1]
    assert abs(foretold - measured) < 4 * np.sqrt(2 / 1000) * at_hand
    assert shared > 0 or measured < 0.2 * at_hand


def test_table_of_seeds_is_that_of_each_pair():
    dataset = _draw(own=0.3)
    table = variances.tabulate_seeds(dataset, full=1000)
    runs = variances.list_runs(dataset)
    for place, name in enumerate(SETTINGS):
        if place:
            for images in (400, 1000):
                for design, variance in zip(
                    ("paired", "unpaired"), variances.measure_differences(runs[[0, place]], images), strict=True
                ):
                    cell = table.sel(setting=name, test_images=images, design=design)
                    np.testing.assert_allclose(cell, variances.count_seeds(np.array([0.1, 0.5, 1.0]), variance))


def test_split_is_the_identity_with_the_interval_of_a_variance():
    dataset = _draw(shared=0.2)
    parts = variances.split_variances(dataset)
    accuracy = 100 * dataset["test_correct"].mean("example")
    np.testing.assert_allclose(parts["total"], accuracy.var("seed", ddof=1))
    np.testing.assert_allclose(parts["bernoulli"] + parts["covariance"], parts["total"])
    for end, tail in (("low", 0.975), ("high", 0.025)):
        np.testing.assert_allclose(parts[end], 63 * parts["total"] / laws.chi2.ppf(tail, 63))


def test_jackknife_of_a_mean_is_the_t_interval():
    runs = np.random.default_rng(0).integers(0, 2, (1, 20, 5)).astype(bool)
    found = variances.jackknife(lambda runs: float(runs.mean()), runs)
    centre, interval, n = found.effect, found.interval, found.n
    means = runs.mean((0, 2))
    expected = laws.t.interval(0.95, 19, means.mean(), means.std(ddof=1) / np.sqrt(20))
    assert n == 20
    np.testing.assert_allclose(centre, means.mean())
    np.testing.assert_allclose(interval, expected)


def test_seeds_that_diverge_at_one_setting_are_left_out_of_all():
    dataset = _draw()
    gone = dataset["diverged"].copy()
    gone[2, :5] = True
    assert variances.list_runs(dataset.assign(diverged=gone)).shape == (4, 59, 400)


# --- Claims -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        # like coins; 32 seeds; one seed; paired; comparable sources; the weights most of it; a dot is not looked at
        ({"shared": 0.0}, "h.f..."),
        ({"shared": 0.5}, "fff..."),
        ({"own": 0.1, "examples": 2000, "difficulty": 60.0}, "h.hh.."),
        ({"own": 1.0, "shared": 0.3}, "...u.."),
        ({"sources": (1.0, 1.0, 0.1, 0.1), "levels": (200, 200, 2)}, "....hu"),
        ({"sources": (2.0, 0.5, 0.1, 0.1), "levels": (100, 100, 2)}, "....fh"),
        ({"sources": (0.3, 1.0, 1.0, 1.0), "levels": (100, 100, 2)}, "....ff"),
        ({"sources": (0.0, 0.0, 1.0, 1.0)}, "....uf"),
    ],
    ids=["coins", "together", "precise", "no_gain", "comparable", "weights", "order", "neither"],
)
def test_claims(drawn, expected):
    assert re.fullmatch(expected, verdicts(CLAIMS, _draw(**drawn)))


def test_seeds_for_a_tenth_of_a_point_on_ten_thousand_images():
    """Coins with p(1 - p) of 0.02 ask for 2.80² · 2 · 0.02 / 10,000 / 0.001² = 31 seeds."""
    random = np.random.default_rng(0)
    correct = random.uniform(size=(4, 50, 10_000)) > 0.0204
    dataset = _draw(seeds=50).drop_vars("test_correct")
    made = dataset.assign(test_correct=(("setting", "seed", "example"), correct))
    verdict = find_claim(CLAIMS, "About 32 seeds").judge(made)
    assert (verdict.status, verdict.n) == ("holds", 50)
    assert abs(verdict.effect - 31) < 4 * 31 * np.sqrt(2 / 50) / np.sqrt(2)


def test_nobody_needs_fewer_than_no_seeds():
    """Runs that get the same number right, each in its own way, foretell a negative variance."""
    correct = np.stack([np.random.default_rng(seed).permutation(np.arange(50) > 5) for seed in range(160)])
    dataset = _draw(seeds=40).drop_vars("test_correct")
    made = dataset.assign(test_correct=(("setting", "seed", "example"), correct.reshape(4, 40, 50)))
    verdict = find_claim(CLAIMS, "About 32 seeds").judge(made)
    assert (verdict.status, verdict.effect, verdict.interval[0]) == ("fails", 0, 0)


# --- Figure -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset(result):
    """One run diverged of those whose weights, batches and dropout are crossed, and one of the others."""
    crossed = result["crossed_accuracy"].copy(deep=True)
    crossed[0, 0, 0] = np.nan
    return diverge(result.assign(crossed_accuracy=crossed), setting=2, seed=3)


def _bars(axes):
    return [part for part in axes.containers if isinstance(part, BarContainer)]


def test_components_are_bars_with_their_standard_errors(panels, dataset):
    axes = panels[0]
    parts = stats.variance_components(dataset, "crossed_accuracy", variances.SOURCES)
    (bars,) = _bars(axes)
    np.testing.assert_allclose([bar.get_width() for bar in bars], parts["variance"])
    (segments,) = (part.get_segments() for part in bars.errorbar[2])
    for segment, variance, error in zip(segments, parts["variance"], parts["standard_error"], strict=True):
        np.testing.assert_allclose(segment[:, 0], [variance - error, variance + error])
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[:4] == ["init", "order", "dropout", "init × order"]
    assert names[-1] == "residual"
    assert axes.yaxis_inverted()
    assert axes.get_xlabel() == "variance, points²\nn = 18 runs (1 diverged, left out)"


def test_parts_add_up_to_the_variance_and_its_interval(panels, dataset):
    axes = panels[1]
    coins, covariances = _bars(axes)
    np.testing.assert_allclose([bar.get_height() for bar in coins], dataset["bernoulli"])
    np.testing.assert_allclose([bar.get_y() + bar.get_height() for bar in covariances], dataset["total"])
    (whiskers,) = (part for part in axes.containers if isinstance(part, ErrorbarContainer))
    ends = np.array([segment[:, 1] for segment in whiskers[2][0].get_segments()])
    np.testing.assert_allclose(ends, np.stack([dataset["low"], dataset["high"]], 1))
    assert [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()] == list(SETTINGS)
    assert axes.get_ylim()[0] <= min(0, float(dataset["covariance"].min()))
    assert axes.get_xlabel() == "n = 3 seeds (1 diverged, left out)"
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert all(left.x1 <= right.x0 + 1 for left, right in itertools.pairwise(boxes))


def test_seeds_are_those_of_the_dataset_and_at_least_one(panels, dataset):
    needed = dataset["seeds_needed"].clip(min=1)
    for images, label in ((500, "own seeds, 500 images"), (10_000, "own seeds, 10,000 images")):
        find(panels[2], needed.sel(test_images=images, design="unpaired").mean("setting"), label=label)
    for name in list(SETTINGS)[1:]:
        common = needed.sel(test_images=500, design="paired", setting=name)
        find(panels[2], common, dataset["difference"], f"common seeds, {name}")
    assert len(panels[2].lines) == 5
    assert (panels[2].get_xscale(), panels[2].get_yscale()) == ("log", "log")
