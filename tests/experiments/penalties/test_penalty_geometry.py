"""Shapes of penalties: touching points against SLSQP, closed forms, claims that can fall either way; the figure."""

import dataclasses

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from scipy.optimize import minimize
from sklearn.linear_model import ElasticNet

import jaxreg as jr
from experiments.penalties.penalty_geometry import CLAIMS, Config, count_sparse
from experiments.penalties.penalty_geometry.own import add_penalty, check_own
from experiments.penalties.penalty_geometry.pictures import GRAM, OPTIMUM, pose_pair
from experiments.penalties.penalty_geometry.shapes import PENALTIES, draw_loss
from jaxreg import stats
from jaxreg.errors import ArgumentError
from jaxreg.values import register_value
from paper_figures.penalties.penalty_geometry import draw
from tests.figures.drawn import find, find_band, read
from tests.populations import population, verdicts

SMALL = Config(seeds=400, dimensions=(2, 5), shares=(0.1, 0.5, 0.9))
DIVERGED = {"seed": 4}


def _size(w, ratio):
    return ratio * abs(w).sum(-1) + (1 - ratio) / 2 * (w * w).sum(-1)


def _slsqp(gram, optimum, size, ratio):
    """The constrained minimum in the positive and negative parts of the weights, where everything is smooth."""
    p = len(optimum)

    def loss(v):
        away = v[:p] - v[p:] - optimum
        return away @ gram @ away / 2

    def slack(v):
        return size - ratio * v.sum() - _size(v[:p] - v[p:], 0) * (1 - ratio)

    settings = {"method": "SLSQP", "bounds": [(0, None)] * 2 * p, "options": {"ftol": 1e-16, "maxiter": 500}}
    inside = {"type": "ineq", "fun": slack}
    found = minimize(loss, np.full(2 * p, 0.1 * size), jac="3-point", constraints=inside, **settings)
    return found.x[:p] - found.x[p:]


def test_the_drawn_loss_is_that_of_the_data(result):
    X, y = pose_pair()
    np.testing.assert_allclose(X.T @ X / 2, GRAM, atol=1e-14)
    np.testing.assert_allclose(np.linalg.solve(X, y), OPTIMUM)
    at = {"first": 40, "second": 90}
    w = np.array([result["first"][40], result["second"][90]])
    np.testing.assert_allclose(result["loss"].isel(at), ((y - X @ w) ** 2).sum() / 4, rtol=1e-12)


@pytest.mark.parametrize("penalty", list(PENALTIES))
def test_touching_points_are_those_of_slsqp(result, penalty):
    for alpha in SMALL.alphas:
        cell = result.sel(penalty=penalty, alpha=alpha)
        other = _slsqp(np.array(GRAM), np.array(OPTIMUM), float(cell["size"]), PENALTIES[penalty])
        np.testing.assert_allclose(cell["touch"], other, atol=1e-6)
        np.testing.assert_allclose(_size(cell["touch"].values, PENALTIES[penalty]), cell["size"], rtol=1e-12)


def test_population_is_that_of_scikit_learn(result):
    assert float(result["gap"].max()) < 1e-10
    shares = np.array(SMALL.shares)
    for k, dimension in enumerate(SMALL.dimensions):
        with jax.enable_x64(True):
            X, y = map(np.asarray, draw_loss(jr.seeds(9).key(7), dimension, 1.0, 5))
        X, y = X[: 2 * dimension, :dimension], y[: 2 * dimension]
        scale = abs(X.T @ y).max()
        for penalty in ("L1", "elastic net"):
            ratio = PENALTIES[penalty]
            for share in shares:
                settings = {"fit_intercept": False, "tol": 1e-12, "max_iter": 10**6}
                w = ElasticNet(alpha=share * scale / len(y), l1_ratio=ratio, **settings).fit(X, y).coef_
                cell = result.isel(dimension=k).sel(loss_kind="random", seed=7, penalty=penalty, share=share)
                assert int(cell["kept"]) == (w != 0).sum()
                np.testing.assert_allclose(cell["size_at"], _size(w, ratio), rtol=1e-7)


def test_isotropic_losses_meet_the_closed_form(result):
    for name in ("corner", "zero"):
        exact, hit = result[f"{name}_exact"], result[name].sel(loss_kind="isotropic", penalty="L1")
        error = np.sqrt(exact * (1 - exact) / SMALL.seeds)
        assert (abs(hit.mean("seed") - exact) <= 4 * error + 1e-9).all()


def test_paths_run_from_nothing_to_the_minimum(result):
    for penalty in PENALTIES:
        cell = result.sel(penalty=penalty)
        np.testing.assert_allclose(cell["trace"].isel(fine_share=0), OPTIMUM, atol=1e-3)
        assert (np.diff(cell["path_size"]) < 1e-12).all()
        assert float(cell["path_size"][0]) > 0.99
        assert float(cell["path_size"][-1]) < 1e-3
    assert (result["trace"].sel(penalty="L1").isel(fine_share=-1) == 0).all()
    zeros = (result["path"] == 0).any(("fine_share", "path_weight"))
    np.testing.assert_array_equal(zeros, [True, True, False])


@register_value()
@dataclasses.dataclass(frozen=True)
class _Absolute:
    """L1 as a penalty of somebody else's."""

    alpha: float
    separable = True

    def value(self, w):
        return self.alpha * abs(w).sum()

    def prox(self, w, step):
        return jax.numpy.sign(w) * jax.numpy.maximum(abs(w) - step * self.alpha, 0)


@pytest.fixture(scope="module")
def with_own(result):
    few = result.isel(seed=slice(8)).drop_vars(("corner", "zero"))
    settings = {"seeds": 8, "path_seed": SMALL.path_seed, "progress": False}
    return count_sparse(add_penalty(few, "own", _Absolute(1.0), **settings))


@pytest.mark.slow
def test_a_penalty_of_ones_own_that_is_l1_is_l1(with_own):
    assert list(with_own["penalty"].values) == [*PENALTIES, "own"]
    own, l1 = (with_own.sel(penalty=name, drop=True) for name in ("own", "L1"))
    np.testing.assert_array_equal(own["kept"], l1["kept"])
    for name in ("height", "size", "touch", "size_at"):
        np.testing.assert_allclose(own[name], l1[name], atol=1e-6, rtol=1e-6)
    assert (own["trace"].isel(fine_share=-1) == 0).all()
    order = np.argsort(l1["path_size"].values)
    for k in range(5):  # its strengths are others, beyond those of L1: the same path
        known = np.interp(own["path_size"], l1["path_size"].values[order], l1["path"].values[order, k])
        np.testing.assert_allclose(own["path"][:, k], known, atol=5e-3)
    assert float(own["gap"].max()) < 1e-10
    assert not with_own["diverged"].any()


def test_what_is_no_penalty_is_refused():
    for own, message in (
        ([_Absolute(1.0)], "must hold penalties by name"),
        ({"L1": _Absolute(1.0)}, "is in the study already"),
        ({"own": 3}, "must have a method value"),
        ({"own": jr.penalties.MaxNorm(1.0)}, "must have a strength alpha"),
    ):
        with pytest.raises(ArgumentError, match=message):
            check_own(own, PENALTIES)


def test_claims(result):
    assert verdicts(CLAIMS, result) == "hffhhhhhh"


def _made_up(corner=0.99, zero=1.0, l2_zero=False, grows=False, off=0.0):
    """1000 losses in dimensions 2 and 5; the same share of corners and zeros at every strength."""
    n = 1000
    kept = np.full((2, 2, n, 3, 2), 2)
    kept[:, 1] = 5
    kept[0, 0, : round(0.7 * n), :2] = 1
    kept[:, 1, : round(zero * n), :2] = 3
    kept[1, :, : round(corner * n), 0] = 1
    kept[1, 0, :: 10 if l2_zero else n + 1, 2] = 1 if l2_zero else 2
    kept[0, 1, 0, 0] = 1
    size = np.broadcast_to([2.0, 1.0], kept.shape).copy()
    size[1, 0, :: 3 if grows else n + 1, 0, 1] = 2.5 if grows else 1.0
    dims = {"loss_kind": ["isotropic", "random"], "dimension": [2, 5], "seed": n, "penalty": PENALTIES}
    exact = ("dimension", "share")
    means = {
        "kept": kept,
        "size_at": size,
        "corner_exact": (exact, np.array([[0.7, 0.7], [1e-3, 1e-3]]) + off),
        "zero_exact": (exact, [[0.7, 0.7], [zero - 1e-3, zero - 1e-3]]),
    }
    return count_sparse(population(dims | {"share": [0.5, 0.9]}, means, records=("penalty", "share")))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "hhhhhhhhh"),
        ({"corner": 0.5}, "ufuhhhhhh"),
        ({"corner": 0.2}, "fffhhhhhh"),
        ({"corner": 0.95}, "huhhhhhhh"),
        ({"corner": 0.9, "zero": 0.2}, "hfhfffhhh"),
        ({"zero": 0.5}, "hhhhfuhhh"),
        ({"zero": 0.2}, "hhhhffhhh"),
        ({"l2_zero": True}, "hhhhhhfhh"),
        ({"grows": True}, "hhhhhhhfh"),
        ({"off": 0.2}, "hhhhhhhhf"),
    ],
)
def test_claims_can_fall_either_way(changed, expected):
    assert verdicts(CLAIMS, _made_up(**changed)) == expected


# --- Figure ---


def test_points_lie_on_their_shapes_and_contours_pass_through_them(panels, dataset):
    for axes, (penalty, ratio) in zip(panels[:3], PENALTIES.items(), strict=True):
        marks = [line for line in axes.lines if line.get_marker() == "o"]
        edges = axes.collections[1:]
        touches = dataset["touch"].sel(penalty=penalty).values
        for mark, edge, touched in zip(marks, edges, touches, strict=True):
            np.testing.assert_allclose(np.ravel(mark.get_data()), touched)
            (w,) = (path.vertices for path in edge.get_paths())
            size = dataset["size"].sel(penalty=penalty).values[edges.index(edge)]
            np.testing.assert_allclose(_size(w, ratio), size, atol=1.5e-3)  # between the points of the grid
            assert np.hypot(*(w - touched).T).min() < 0.1
            assert (abs(w[:, 0]) < 1e-12).sum() >= 2  # a vertex where a shape may have a corner
            np.testing.assert_array_equal(to_hex(edge.get_edgecolor()[0]), to_hex(mark.get_color()))
            assert (to_hex(mark.get_markerfacecolor()) == "#ffffff") != (touched == 0).any()
        away = touches - np.array(OPTIMUM)
        expected = np.sort(np.einsum("ai,ij,aj->a", away, GRAM, away) / 2)
        np.testing.assert_allclose(axes.collections[0].levels, expected, atol=0.02)
        assert axes.get_aspect() == 1


def test_paths_are_drawn_over_the_size_of_the_shape(panels, dataset):
    for axes, penalty in zip(panels[3:6], PENALTIES, strict=True):
        for path in dataset["path"].sel(penalty=penalty).transpose():
            find(axes, path, dataset["path_size"].sel(penalty=penalty))


def test_shares_are_wilsons_with_the_closed_form_beside_them(panels, dataset):
    for axes, name, place in (
        (panels[6], "corner", {"dimension": 0}),
        (panels[7], "corner", {"share": 1}),
        (panels[8], "zero", {"share": 1}),
    ):
        summary = stats.proportion(dataset, name, dim="seed").isel(place)
        for penalty in PENALTIES:
            find_band(axes, summary.sel(loss_kind="random", penalty=penalty))
        find(axes, dataset[f"{name}_exact"].isel(place))
        circles = find(axes, summary["proportion"].sel(loss_kind="isotropic", penalty="L1"))
        assert circles.get_marker() == "o"
    assert "n = 399 losses (1 diverged, left out)" in read(panels[8])


@pytest.mark.slow
def test_a_penalty_of_ones_own_has_a_column_of_its_own(with_own):
    figure = draw(with_own)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title.split()[0] for title in titles] == [f"({letter})" for letter in "abcdefghijk"]
    assert titles[3] == "(d) own"
    assert titles[7].startswith("(h) own, ")
    drawn, l1 = (figure.axes[place].collections[-1].get_paths()[0].vertices for place in (3, 0))
    np.testing.assert_allclose(drawn, l1, atol=1e-5)
    assert figure.axes[-1].get_legend_handles_labels()[1] == [*PENALTIES, "own", "L1, isotropic"]
    plt.close(figure)
