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

_RATES = np.array([0.1, 0.3, 0.9])
_STEPS = 5
_EDGES = np.linspace(-7, 7, 29)


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    fates = random.choice(4, (500, 3), p=[0.5, 0.1, 0.2, 0.2])
    centres = np.array([0.045, -4.17, 4.25, np.inf])[fates]
    with np.errstate(invalid="ignore"):
        weight = centres + random.normal(0, 0.1, fates.shape)
    cells = ("seed", "learning_rate")
    x = np.linspace(-10, 10, 40)
    survived = np.where(fates == 3, random.integers(0, _STEPS, fates.shape), _STEPS)
    count = random.multinomial(600, [0.4, 0.1, 0.2, 0.3], (3, 3, 2))
    balls, beyond, lost = np.zeros((_STEPS + 1, 4, 28), int), np.zeros((_STEPS + 1, 4), int), np.arange(_STEPS + 1) * 10
    balls[0, 2, 21] = 1000
    for moment in range(1, _STEPS + 1):
        balls[moment, 0, 12:16], balls[moment, 1, 5], balls[moment, 2, 20] = moment, 7, 2 * moment
        beyond[moment, 1] = 3
        balls[moment, 2, 21] = 1000 - balls[moment].sum() - beyond[moment].sum() - lost[moment]
    refits = T2_LANDSCAPE.coefficients + random.normal(0, 1e-3, (_STEPS, 7))
    return xr.Dataset(
        {
            "fate": (cells, fates.astype(np.int32)),
            "weight": (cells, weight.astype(np.float32)),
            "diverged": (cells, fates == 3),
            "control": (
                ("learning_rate", "step"),
                np.array([[4.0] * 4 + [4.25], [4.0] * 4 + [4.25], [4.0] * 4 + [0.1]], np.float32),
            ),
            "survived": (cells, survived),
            "stayed": (cells, survived // 2),
            "fate_count": (("batch_size", "learning_rate", "initial_weight", "outcome"), count),
            "control_fate": (("learning_rate", "initial_weight"), [[0, 2], [0, 2], [0, 0]]),
            "balls": (("moment", "outcome", "bin"), balls),
            "beyond": (("moment", "outcome"), beyond),
            "lost": ("moment", lost),
            "member": 42,
            "member_path": ("step", np.array([3.0, -1.0, 30.0, 0.5, 0.25])),
            "member_points": (
                ("step", "draw"),
                np.array([random.choice(40, 10, replace=False) for _ in range(_STEPS)]),
            ),
            "member_refit": (("step", "power"), refits),
            "x": ("point", x),
            "y": ("point", np.polynomial.polynomial.polyval(x, T2_LANDSCAPE.coefficients)),
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


def _texts(axes):
    legend = axes.get_legend()
    own = [*axes.texts, axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
    return " ".join(text.get_text() for text in [*own, *(legend.get_texts() if legend else [])])


def test_landscape_data_minima_and_start_are_drawn(panels, dataset):
    landscape = panels[0]
    data, curve, *points = landscape.lines
    np.testing.assert_array_equal(data.get_xdata(), dataset["x"])
    np.testing.assert_array_equal(data.get_ydata(), dataset["y"])
    np.testing.assert_allclose(
        curve.get_ydata(), np.polynomial.polynomial.polyval(curve.get_xdata(), T2_LANDSCAPE.coefficients)
    )
    minima, start = points[:3], points[3]
    np.testing.assert_allclose([float(point.get_xdata()[0]) for point in minima], T2_LANDSCAPE.minima)
    assert float(start.get_xdata()[0]) == 3.5
    assert len({to_hex(point.get_color()) for point in minima}) == 3


def test_ends_are_a_histogram_of_the_runs_that_did_not_diverge(panels, dataset):
    ends = panels[2 if panels[2].get_xlabel().startswith("weight") else 1]
    total = sum(patch.get_height() for patch in ends.patches)
    assert ends.get_xlabel() == "weight $w$"
    alive = (dataset["fate"].sel(learning_rate=0.3) != 3).mean()
    np.testing.assert_allclose(total, 100 * alive, rtol=1e-6)
    gone = float((dataset["fate"].sel(learning_rate=0.3) == 3).mean())
    assert f"α = 0.3: {100 * gone:.0f} % diverged" in _texts(ends)


def _fates(panels):
    return next(axes for axes in panels if "Fate" in _texts(axes))


def test_lines_and_bands_are_wilsons(panels, dataset):
    axes = _fates(panels)
    for number in range(4):
        summary = stats.proportion(dataset, "fate", dim="seed", value=number, count_diverged=True)
        line, area = axes.lines[number], axes.collections[number]
        np.testing.assert_allclose(line.get_xdata(), _RATES)
        np.testing.assert_allclose(line.get_ydata(), summary["proportion"])
        heights = area.get_paths()[0].vertices[:, 1]
        assert heights.min() == pytest.approx(float(summary["low"].min()))
        assert heights.max() == pytest.approx(float(summary["high"].max()))
    drawn = np.sum([line.get_ydata() for line in axes.lines[:4]], axis=0)
    np.testing.assert_allclose(drawn, 1.0)


def test_fates_are_named_with_their_n_and_the_tutorials_rate(panels):
    axes = _fates(panels)
    assert axes.get_legend().get_title().get_text() == "n = 500 runs each"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["global minimum, 0.04", "left, −4.17", "right, 4.25", "diverged"]
    assert "after 5 steps" in _texts(axes)
    assert "T2: α = 0.3" in _texts(axes)
    assert any(set(np.asarray(line.get_xdata()).ravel()) == {0.3} for line in axes.lines)


def test_control_is_coloured_by_its_fate(panels, dataset):
    axes = next(axes for axes in panels if "all the data" in _texts(axes))
    points = axes.collections[0]
    np.testing.assert_allclose(points.get_offsets(), np.stack([_RATES, [4.25, 4.25, 0.1]], axis=1), rtol=1e-6)
    lines = {label.get_text(): to_hex(line.get_color()) for label, line in _legend(panels).items()}
    colors = [to_hex(color) for color in points.get_facecolors()]
    assert colors == [lines["right, 4.25"], lines["right, 4.25"], lines["global minimum, 0.04"]]


def _legend(panels):
    legend = _fates(panels).get_legend()
    return dict(zip(legend.get_texts(), legend.get_lines(), strict=True))


def _panel(panels, letter):
    return next(axes for axes in panels if axes.get_title(loc="left").startswith(f"({letter})"))


def test_survival_is_the_share_of_runs_that_outlived_each_step(panels, dataset):
    axes = _panel(panels, "c")
    curves = [line for line in axes.lines if len(line.get_xdata()) == _STEPS + 1]
    assert len(curves) == 6
    for curve, (name, rate) in zip(curves, [(n, r) for n in ("survived", "stayed") for r in _RATES], strict=True):
        values = dataset[name].sel(learning_rate=rate).values
        np.testing.assert_array_equal(curve.get_xdata(), np.arange(_STEPS + 1))
        np.testing.assert_allclose(curve.get_ydata(), [(values >= step).mean() for step in range(_STEPS + 1)])
        assert curve.get_ydata()[0] == 1
    for curve, rate in zip(curves[:3], _RATES, strict=True):
        gone = float(dataset["diverged"].sel(learning_rate=rate).mean())
        assert curve.get_ydata()[-1] == pytest.approx(1 - gone)
    runs = xr.Dataset({"alive": ("seed", dataset["survived"].values[:, 1] >= _STEPS)})
    wilson = stats.proportion(runs, "alive", dim="seed")
    band = axes.collections[1].get_paths()[0].vertices
    last = band[band[:, 0] == _STEPS, 1]
    assert {round(last.min(), 9), round(last.max(), 9)} == {round(float(wilson[end]), 9) for end in ("low", "high")}
    assert len({curve.get_linestyle() for curve in curves[:3]}) == 3
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["α = 0.1", "α = 0.3", "α = 0.9"]


def test_heat_maps_hold_the_shares_and_the_control(panels, dataset):
    share = (dataset["fate_count"] / 600).isel(outcome=0)
    batches, starts = _panel(panels, "d"), _panel(panels, "e")
    drawn = batches.collections[0].get_array()
    np.testing.assert_allclose(drawn[:3], share.sel(initial_weight=3.5).transpose("batch_size", "learning_rate"))
    np.testing.assert_array_equal(drawn[3], [0, 0, 1])
    assert [text.get_text() for text in batches.get_yticklabels()] == ["8", "10", "20", "all"]
    drawn = starts.collections[0].get_array()
    np.testing.assert_allclose(drawn, share.sel(batch_size=10).transpose("initial_weight", "learning_rate"))
    for axes in (batches, starts):
        assert axes.get_xscale() == "log"
        assert axes.collections[0].get_clim() == (0, 1)
    assert "10 points per step" in _texts(starts)
    assert "Start at 3.5" in _texts(batches)
    assert [text.get_text() for text in batches.get_legend().get_texts()] == ["10 % diverged", "50 % diverged"]


def test_one_batch_size_is_drawn_without_contours(dataset):
    plt.close(draw(dataset.isel(batch_size=[1])))


def test_the_run_shows_each_step_with_its_curve_and_its_point(dataset):
    animation = animations(dataset)["run"]
    assert (animation.frames, animation.interval_ms) == (_STEPS, 300)
    weights = [3.5, *dataset["member_path"].values]
    for k in (0, 1, 2, _STEPS - 1):
        chosen, curve, move, origin, ball, text = animation.draw_frame(k)
        points = dataset["member_points"].values[k]
        np.testing.assert_array_equal(chosen.get_xdata(), dataset["x"].values[points])
        np.testing.assert_array_equal(chosen.get_ydata(), dataset["y"].values[points])
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
        assert clock.get_text() == f"step {k} of 5"
        totals = balls.sum(1) + dataset["beyond"].values[k]
        for text, total in ((optimum, totals[0]), (left, totals[1]), (right, totals[2]), (gone, 10 * k)):
            assert text.get_text().endswith(f": {total:,}")
        assert gone.get_text().startswith("diverged")
        assert rest.get_text() == ("3 beyond the edges" if k else "")
        assert totals.sum() + 10 * k == 1000


def test_animations_can_be_rendered_even_with_a_run_that_diverges(dataset):
    path = dataset["member_path"].copy(data=[3.0, -1.0, np.inf, np.inf, np.inf])
    frames = render(animations(dataset.assign(member_path=path))["run"])
    assert len(frames) == _STEPS
    assert len({frame.tobytes() for frame in frames}) == _STEPS
