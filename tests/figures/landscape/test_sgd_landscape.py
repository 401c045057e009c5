"""The figure of the landscape and its fates: what it shows is what the dataset says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from jaxreg import stats
from jaxreg.landscape import T2_LANDSCAPE
from jaxreg.plotting.animation import render
from paper_figures.landscape.sgd_landscape import animations, draw
from tests.figures.drawn import find, find_band, read

_RATES = np.array([0.1, 0.3, 0.9])
_STEPS = 5
_EDGES = np.linspace(-7, 7, 29)
_NAMES = ["global minimum, 0.04", "left, −4.17", "right, 4.25", "diverged"]
_HEIGHT = np.polynomial.Polynomial(T2_LANDSCAPE.coefficients)


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    fates = random.choice(4, (500, 3), p=[0.5, 0.1, 0.2, 0.2])
    cells, x = ("seed", "learning_rate"), np.linspace(-10, 10, 40)
    survived = np.where(fates == 3, random.integers(0, _STEPS, fates.shape), _STEPS)
    balls, beyond, lost = np.zeros((_STEPS + 1, 4, 28), int), np.zeros((_STEPS + 1, 4), int), np.arange(_STEPS + 1) * 10
    balls[0, 2, 21] = 1000
    for moment in range(1, _STEPS + 1):
        balls[moment, 0, 12:16], balls[moment, 1, 5], balls[moment, 2, 20] = moment, 7, 2 * moment
        beyond[moment, 1] = 3
        balls[moment, 2, 21] = 1000 - balls[moment].sum() - beyond[moment].sum() - lost[moment]
    control = np.full((3, _STEPS), 4.0, np.float32)
    control[:, -1] = [4.25, 4.25, 0.1]
    places = np.array([0.045, -4.17, 4.25, np.inf], np.float32)[fates]
    return xr.Dataset(
        {
            "fate": (cells, fates.astype(np.int32)),
            "weight": (cells, places + random.normal(0, 0.1, fates.shape).astype(np.float32)),
            "diverged": (cells, fates == 3),
            "control": (("learning_rate", "step"), control),
            "control_end": ("learning_rate", [2, 2, 0]),
            "survived": (cells, survived),
            "stayed": (cells, survived // 2),
            "fate_count": (
                ("batch_size", "learning_rate", "initial_weight", "outcome"),
                random.multinomial(600, [0.4, 0.1, 0.2, 0.3], (3, 3, 2)),
            ),
            "control_fate": (("learning_rate", "initial_weight"), [[0, 2], [0, 2], [0, 0]]),
            "balls": (("moment", "outcome", "bin"), balls),
            "beyond": (("moment", "outcome"), beyond),
            "lost": ("moment", lost),
            "member": 42,
            "member_path": ("step", np.array([3.0, -1.0, 30.0, 0.5, 0.25])),
            "member_points": (("step", "draw"), random.permuted(np.tile(np.arange(40), (_STEPS, 1)), axis=1)[:, :10]),
            "member_refit": (("step", "power"), T2_LANDSCAPE.coefficients + random.normal(0, 1e-3, (_STEPS, 7))),
            "x": ("point", x),
            "y": ("point", _HEIGHT(x)),
            "start": 3.5,
        },
        {
            "seed": np.arange(500),
            "learning_rate": _RATES,
            "step": np.arange(1, _STEPS + 1),
            "batch_size": [8, 10, 20],
            "initial_weight": [0.0, 3.5],
            "bin": (_EDGES[1:] + _EDGES[:-1]) / 2,
        },
    )


def _panel(panels, words):
    return next(axes for axes in panels if words in read(axes))


def test_landscape_data_minima_start_and_ends_are_drawn(panels, dataset):
    find(panels[0], dataset["y"], dataset["x"])
    curve, *places = panels[0].lines[1:6]
    np.testing.assert_allclose(curve.get_ydata(), _HEIGHT(curve.get_xdata()))
    np.testing.assert_allclose([float(p.get_xdata()[0]) for p in places], [*T2_LANDSCAPE.minima, 3.5])
    ends = _panel(panels, "weight $w$")
    gone = float((dataset["fate"].sel(learning_rate=0.3) == 3).mean())
    np.testing.assert_allclose(sum(patch.get_height() for patch in ends.patches), 100 * (1 - gone), rtol=1e-6)
    assert f"α = 0.3: {100 * gone:.0f} % diverged" in read(ends)


def test_fates_have_wilsons_bands_and_the_control_is_coloured_by_its_own(panels, dataset):
    axes, colors = _panel(panels, "Fate"), {}
    for number, name in enumerate(_NAMES):
        summary = stats.proportion(dataset, "fate", dim="seed", value=number, count_diverged=True)
        colors[name] = to_hex(find_band(axes, summary, _RATES, name).get_color())
    words = read(axes)
    assert [text in words for text in ("n = 500 runs each", "after 5 steps", "T2: α = 0.3")] == [True] * 3
    control = _panel(panels, "all the data").collections[0]
    np.testing.assert_allclose(control.get_offsets(), np.stack([_RATES, [4.25, 4.25, 0.1]], axis=1), rtol=1e-6)
    assert [to_hex(color) for color in control.get_facecolors()] == [colors[_NAMES[k]] for k in (2, 2, 0)]


def test_survival_is_the_share_of_runs_that_outlived_each_step(panels, dataset):
    axes, steps = _panel(panels, "(c)"), xr.DataArray(np.arange(_STEPS + 1), dims="moment")
    for rate in _RATES:
        runs = dataset[["survived", "stayed"]].sel(learning_rate=rate) >= steps
        find_band(axes, stats.proportion(runs, "survived", dim="seed"), steps)
        find(axes, runs["stayed"].mean("seed"), steps)
        assert f"α = {rate:g}" in read(axes)


def test_heat_maps_hold_the_shares_and_the_control(panels, dataset):
    share = (dataset["fate_count"] / 600).isel(outcome=0)
    batches, starts = _panel(panels, "(d)"), _panel(panels, "(e)")
    drawn = batches.collections[0].get_array()
    np.testing.assert_allclose(drawn[:3], share.sel(initial_weight=3.5).transpose("batch_size", "learning_rate"))
    np.testing.assert_array_equal(drawn[3], [0, 0, 1])
    assert [text.get_text() for text in batches.get_yticklabels()] == ["8", "10", "20", "all"]
    drawn = starts.collections[0].get_array()
    np.testing.assert_allclose(drawn, share.sel(batch_size=10).transpose("initial_weight", "learning_rate"))
    assert all(axes.collections[0].get_clim() == (0, 1) for axes in (batches, starts))
    assert ("Start at 3.5" in read(batches), "10 points per step" in read(starts)) == (True, True)


def test_one_batch_size_is_drawn_without_contours(dataset):
    plt.close(draw(dataset.isel(batch_size=[1])))


def test_the_run_shows_each_step_with_its_curve_and_its_point(dataset):
    animation = animations(dataset)["run"]
    assert (animation.frames, animation.interval_ms) == (_STEPS, 300)
    weights = [3.5, *dataset["member_path"].values]
    for k in range(_STEPS):
        chosen, curve, move, origin, ball, text = animation.draw_frame(k)
        points = dataset["member_points"].values[k]
        np.testing.assert_array_equal(chosen.get_data(), (dataset["x"].values[points], dataset["y"].values[points]))
        refit = np.polynomial.Polynomial(dataset["member_refit"].values[k])
        np.testing.assert_allclose(curve.get_ydata(), refit(curve.get_xdata()))
        assert (origin.get_xdata()[0], ball.get_xdata()[0]) == (weights[k], weights[k + 1])
        assert origin.get_ydata()[0] == pytest.approx(np.clip(refit(weights[k]), -4.7, 9.7))
        np.testing.assert_array_equal(move.get_xdata(), weights[k : k + 2])
        assert text.get_text().startswith(f"step {k + 1} of 5: ")
    assert text.get_text().endswith("= 0.50 → 0.25")
    assert "seed 42, α = 0.3, 10 of 40 points" in animation.figure.axes[0].get_title(loc="left")


def test_the_population_shows_how_many_are_where(dataset):
    animation = animations(dataset)["population"]
    assert (animation.frames, animation.interval_ms) == (_STEPS + 1, 300)
    assert "1,000 runs" in animation.title
    for k in range(_STEPS + 1):
        *bars, clock, rest, optimum, left, right, gone = animation.draw_frame(k)
        balls = dataset["balls"].values[k]
        tops = np.array([bar.get_data().values for bar in bars])
        bottoms = np.array([np.broadcast_to(bar.get_data().baseline, 28) for bar in bars])
        counts = np.where(bottoms < 1, np.where(tops < 1, 0, tops), tops - bottoms)  # an empty bar ends below one run
        np.testing.assert_array_equal(counts, balls[:3])
        np.testing.assert_allclose(bars[0].get_data().edges, _EDGES)
        totals = balls.sum(1) + dataset["beyond"].values[k]
        for text, total in ((optimum, totals[0]), (left, totals[1]), (right, totals[2]), (gone, 10 * k)):
            assert text.get_text().endswith(f": {total:,}")
        assert gone.get_text().startswith("diverged")
        assert (clock.get_text(), rest.get_text()) == (f"step {k} of 5", "3 beyond the edges" if k else "")
        assert totals.sum() + 10 * k == 1000


def test_animations_can_be_rendered_even_with_a_run_that_diverges(dataset):
    path = dataset["member_path"].copy(data=[3.0, -1.0, np.inf, np.inf, np.inf])
    frames = render(animations(dataset.assign(member_path=path))["run"])
    assert len({frame.tobytes() for frame in frames}) == len(frames) == _STEPS
