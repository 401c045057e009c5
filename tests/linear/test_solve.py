"""Losses with penalties: optimality in the textbook's terms, other libraries, reductions, batches, statuses."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from jaxreg import linear, penalties
from jaxreg.errors import ArgumentError
from jaxreg.linear import Huber, Logistic, Multinomial, Poisson, Squared, Status, solve, solve_alpha_max, solve_path
from jaxreg.linear.held import wrap
from jaxreg.penalties import L1, L2, MCP, SCAD, Box, ElasticNet, GroupLasso, SparseGroupLasso, Weighted, positive
from jaxreg.values import register_value
from tests.marks import slow

N, P = 40, 6
GROUPS = [[0, 3], [1, 2, 5], [4]]
FACTORS = np.array([0.0, 1.0, 2.0, 0.5, 0.0, 3.0])


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _data(seed=0):
    random = np.random.default_rng(seed)
    X = random.normal(size=(N, P)) @ (np.eye(P) + 0.3)
    eta = X @ np.array([1.0, -1.0, 0.5, 0.0, 0.0, 0.0]) * 0.5
    return X, {
        "squared": eta + random.normal(size=N),
        "huber": eta + random.standard_t(2, size=N),
        "logistic": (random.random(N) < 1 / (1 + np.exp(-eta))).astype(float),
        "poisson": random.poisson(np.exp(eta)).astype(float),
    }


LOSSES = {"squared": Squared(), "huber": Huber(0.8), "logistic": Logistic(), "poisson": Poisson()}
SLOPES = {
    "squared": lambda eta, y: eta - y,
    "huber": lambda eta, y: np.clip(eta - y, -0.8, 0.8),
    "logistic": lambda eta, y: 1 / (1 + np.exp(-eta)) - y,
    "poisson": lambda eta, y: np.exp(eta) - y,
}


def _off_l1(b, g, alpha):
    return np.where(b != 0, np.abs(g + alpha * np.sign(b)), np.maximum(np.abs(g) - alpha, 0))


def _off_groups(b, g, alpha, rho=0.0):
    worst = []
    for group in GROUPS:
        w, slope, size = b[group], g[group], alpha * (1 - rho) * np.sqrt(len(group))
        if (w == 0).all():
            shrunk = np.sign(slope) * np.maximum(np.abs(slope) - alpha * rho, 0)
            worst.append(max(np.linalg.norm(shrunk) - size, 0))
        else:
            worst.append(np.abs(_off_l1(w, slope + size * w / np.linalg.norm(w), alpha * rho)).max())
    return np.array(worst)


def _off_mcp(b, g, alpha, gamma):
    size = np.abs(b)
    slope = np.sign(b) * np.where(size <= gamma * alpha, alpha - size / gamma, 0)
    return np.where(b != 0, np.abs(g + slope), np.maximum(np.abs(g) - alpha, 0))


def _off_scad(b, g, alpha, a):
    size = np.abs(b)
    slope = np.where(size <= alpha, alpha, np.maximum(a * alpha - size, 0) / (a - 1)) * np.sign(b)
    return np.where(b != 0, np.abs(g + slope), np.maximum(np.abs(g) - alpha, 0))


def _off_box(b, g, low, high):
    return np.where(b == low, np.maximum(-g, 0), np.where(b == high, np.maximum(g, 0), np.abs(g)))


CASES = {
    "L1": (L1(0.05), lambda b, g: _off_l1(b, g, 0.05)),
    "L2": (L2(0.1), lambda b, g: np.abs(g + 0.1 * b)),
    "elastic net": (ElasticNet(0.1, 0.4), lambda b, g: _off_l1(b, g + 0.06 * b, 0.04)),
    "groups": (GroupLasso(0.06, groups=GROUPS), lambda b, g: _off_groups(b, g, 0.06)),
    "sparse groups": (SparseGroupLasso(0.08, 0.5, groups=GROUPS), lambda b, g: _off_groups(b, g, 0.08, 0.5)),
    "positive": (positive(L1(0.02)), lambda b, g: np.where(b > 0, np.abs(g + 0.02), np.maximum(-g - 0.02, 0))),
    "box": (Box(-0.2, 0.3), lambda b, g: _off_box(b, g, -0.2, 0.3)),
    "factors": (Weighted(L1(0.05), FACTORS), lambda b, g: _off_l1(b, g, 0.05 * FACTORS)),
    "MCP": (MCP(0.08, 3.0), lambda b, g: _off_mcp(b, g, 0.08, 3.0)),
    "SCAD": (SCAD(0.08, 3.7), lambda b, g: _off_scad(b, g, 0.08, 3.7)),
}


@pytest.mark.slow
@pytest.mark.parametrize("penalty", CASES)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_and_penalty_is_at_rest(loss, penalty):
    X, targets = _data()
    y, weight, offset = targets[loss], np.linspace(1, 3, N), 0.1 * X[:, 0]
    chosen, distance = CASES[penalty]
    fit = solve(X, y, LOSSES[loss], chosen, sample_weight=weight, offset=offset)
    coef, intercept = np.asarray(fit.coef), float(fit.intercept)
    residual = weight / weight.sum() * SLOPES[loss](X @ coef + intercept + offset, y)
    assert abs(residual.sum()) < 1e-9
    assert np.abs(distance(coef, X.T @ residual)).max() < 1e-9
    assert int(fit.status) == 0
    assert float(fit.residual) < 1e-9
    assert (float(fit.gap) < 1e-10) if penalty not in ("MCP", "SCAD") else np.isinf(float(fit.gap))
    if penalty == "L1":
        assert 0 < (coef == 0).sum() < P


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_the_gap_bounds_the_distance_from_the_minimum(loss):
    """At a point that is not optimal, against the difference of objectives."""
    from jaxreg.linear.certificate import certify
    from jaxreg.linear.proximal_newton import Problem, Setting

    X, targets = _data()
    y, kind, penalty = jnp.asarray(targets[loss]), LOSSES[loss], L1(0.05)
    fit = solve(X, y, kind, penalty, fit_intercept=False)
    problem = Problem(jnp.asarray(X), y, jnp.full(N, 1 / N), jnp.zeros(N))
    setting = Setting((P,), False, None, True)

    def objective(coef):
        return float(kind.value(jnp.asarray(X @ coef), y).mean() + penalty.value(jnp.asarray(coef)))

    for scale in (1e-1, 1e-3):
        coef = np.asarray(fit.coef) + scale * np.random.default_rng(1).normal(size=P)
        gap, _ = certify(problem, kind, penalty, jnp.asarray(coef), jnp.ones(()), setting)
        excess = objective(coef) - objective(np.asarray(fit.coef))
        assert excess <= float(gap) < 40 * scale


@pytest.mark.parametrize("normalize", [slow(None), slow("l2"), "std"])
def test_squared_with_l1_is_the_lasso(normalize):
    X, targets = _data()
    y, alphas = targets["squared"], np.array([0.01, 0.3, 0.1])
    ours = solve_path(X, y, alphas, "squared", L1(1.0), normalize=normalize)
    theirs = linear.lasso_path(X, y, alphas, normalize=normalize)
    np.testing.assert_allclose(ours.coef, theirs.coef, atol=1e-10)
    np.testing.assert_allclose(ours.intercept, theirs.intercept, atol=1e-10)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_more_columns_than_rows_are_solved_on_the_way_through_larger_supports(noise):
    """Of more coefficients than rows, Newton steps go far along what the data do not see."""
    random = np.random.default_rng(2)
    X = random.normal(size=(8, 14))
    y = X[:, :3].sum(1) + noise * random.normal(size=8)
    for alpha in (1e-1, 1e-2, 1e-3):
        fit = solve(X, y, "squared", L1(alpha))
        assert fit.status == Status.OK, (alpha, fit.gap)
        np.testing.assert_allclose(fit.coef, linear.lasso(X, y, alpha).coef, atol=1e-6)


def test_squared_with_an_elastic_net_is_the_elastic_net():
    X, targets = _data()
    y = targets["squared"]
    ours = solve(X, y, Squared(), ElasticNet(0.1, 0.3), fit_intercept=False)
    np.testing.assert_allclose(ours.coef, linear.elastic_net(X, y, 0.1, 0.3, fit_intercept=False).coef, atol=1e-10)


def test_logistic_and_multinomial_and_poisson_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.linear_model")
    X, targets = _data()
    y = targets["logistic"]
    rival = sklearn.LogisticRegression(C=1 / (0.05 * N), l1_ratio=1, solver="saga", tol=1e-12, max_iter=100_000)
    fit = solve(X, y, Logistic(), L1(0.05))
    np.testing.assert_allclose(fit.coef, rival.fit(X, y).coef_[0], atol=1e-7)
    np.testing.assert_allclose(fit.intercept, rival.intercept_[0], atol=1e-7)
    labels = np.digitize(targets["squared"], [-0.5, 0.5])
    rival = sklearn.LogisticRegression(C=1 / (0.05 * N), tol=1e-12, max_iter=10_000)
    fit = solve(X, labels, Multinomial(3), L2(0.05))
    np.testing.assert_allclose(fit.coef, rival.fit(X, labels).coef_.T, atol=1e-6)
    np.testing.assert_allclose(fit.intercept, rival.intercept_, atol=1e-6)
    assert int(fit.status) == 0
    assert float(fit.gap) < 1e-10
    assert abs(float(fit.intercept.sum())) < 1e-9
    rival = sklearn.PoissonRegressor(alpha=0.1, tol=1e-12, max_iter=10_000)
    fit = solve(X, targets["poisson"], "poisson", L2(0.1))
    np.testing.assert_allclose(fit.coef, rival.fit(X, targets["poisson"]).coef_, atol=1e-6)


def test_groups_and_folded_penalties_are_those_of_skglm():
    skglm = pytest.importorskip("skglm")
    X, targets = _data()
    X, y = X - X.mean(0), targets["squared"] - targets["squared"].mean()
    rival = skglm.GroupLasso(
        groups=GROUPS, alpha=0.06, weights=np.sqrt([2.0, 3.0, 1.0]), fit_intercept=False, tol=1e-13
    )
    np.testing.assert_allclose(
        solve(X, y, Squared(), GroupLasso(0.06, groups=GROUPS), fit_intercept=False).coef,
        rival.fit(X, y).coef_,
        atol=1e-6,
    )


@pytest.mark.slow
def test_multinomial_rows_live_or_die_together():
    X, targets = _data()
    labels = np.digitize(targets["squared"], [-0.5, 0.5])
    fit = solve(X, labels, Multinomial(3), GroupLasso(0.04))
    coef = np.asarray(fit.coef)
    dead = (coef == 0).all(1)
    assert 0 < dead.sum() < P
    assert ((coef == 0).any(1) == dead).all()
    eta = X @ coef + np.asarray(fit.intercept)
    share = np.exp(eta) / np.exp(eta).sum(1, keepdims=True)
    g = X.T @ (share - np.eye(3)[labels]) / N
    alive = coef[~dead]
    pull = 0.04 * np.sqrt(3) * alive / np.linalg.norm(alive, axis=1, keepdims=True)
    np.testing.assert_allclose(g[~dead], -pull, atol=1e-9)
    assert (np.linalg.norm(g[dead], axis=1) <= 0.04 * np.sqrt(3) + 1e-9).all()


@pytest.mark.parametrize(("loss", "shift"), [("logistic", -20.0), ("poisson", -14.0), ("poisson", 300.0)])
def test_an_offset_for_all_moves_the_intercept_alone(loss, shift):
    """However far from what the data say, as exposures in another unit are."""
    X, y = np.random.default_rng(2).normal(size=(30, 2)), np.tile([0.0, 1.0, 1.0], 10)
    fits = [solve(X, y, loss, L1(0.01), offset=np.full(30, far)) for far in (0.0, shift)]
    assert [int(fit.status) for fit in fits] == [0, 0]
    np.testing.assert_allclose(fits[1].coef, fits[0].coef, rtol=1e-6)
    np.testing.assert_allclose(fits[1].intercept + shift, fits[0].intercept, rtol=1e-6)


def test_weights_count_rows_and_offsets_count_coefficients():
    X, targets = _data()
    y, penalty = targets["logistic"], L1(0.03)
    times = np.arange(N) % 3
    weighted = solve(X, y, Logistic(), penalty, sample_weight=times)
    repeated = solve(np.repeat(X, times, 0), np.repeat(y, times), Logistic(), penalty)
    np.testing.assert_allclose(weighted.coef, repeated.coef, atol=1e-10)
    free = Weighted(L1(0.03), np.array([0.0, 1, 1, 1, 1, 1]))
    whole = solve(X, y, Logistic(), free)
    rest = solve(X[:, 1:], y, Logistic(), L1(0.03), offset=X[:, 0] * float(whole.coef[0]))
    np.testing.assert_allclose(whole.coef[1:], rest.coef, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "penalty",
    [
        L1(1.0),
        ElasticNet(1.0, 0.5),
        Weighted(L1(1.0), FACTORS),
        GroupLasso(1.0, groups=2),
        GroupLasso(1.0, groups=2, factors=np.array([0.0, 1, 2])),
        positive(L1(1.0)),
        SCAD(1.0),
    ],
    ids=lambda penalty: type(penalty).__name__,
)
def test_paths_begin_at_alpha_max(penalty):
    X, targets = _data()
    y = targets["logistic"]
    most = float(solve_alpha_max(X, y, Logistic(), penalty))
    path = solve_path(X, y, most * np.array([0.9, 1.000001]), Logistic(), penalty)
    factors = getattr(penalty, "factors", None)
    held = np.repeat(1 if factors is None else factors, P if factors is None else P // len(factors)) > 0
    assert (np.asarray(path.coef[1])[held] == 0).all()
    assert (np.asarray(path.coef[0])[held] != 0).any()
    alone = solve(X, y, Logistic(), penalty.at(0.9 * most))
    np.testing.assert_allclose(path.coef[0], alone.coef, atol=1e-9)


def test_outliers_with_weights_converge():
    random = np.random.default_rng(9)
    X = random.normal(size=(60, 8))
    y, times = X[:, :3].sum(1) + random.standard_t(1.5, size=60), random.integers(0, 4, 60).astype(float)
    fit = solve(X, y, Huber(0.5), L1(0.02), sample_weight=times)
    assert int(fit.status) == 0
    assert float(fit.gap) < 1e-10


def test_a_batch_is_its_members_and_one_bad_member_harms_no_other():
    X, targets = _data()
    Y = np.stack([targets["logistic"], 1 - targets["logistic"], np.full(N, 0.5), targets["logistic"]])
    alphas = np.array([0.02, 0.05, 0.05, np.nan])
    fits = jax.vmap(lambda y, alpha: solve(X, y, Logistic(), L1(alpha)))(Y, alphas)
    assert fits.status.tolist() == [0, 0, int(Status.INVALID), int(Status.INVALID)]
    for i in (0, 1):
        alone = solve(X, Y[i], Logistic(), L1(alphas[i]))
        np.testing.assert_allclose(fits.coef[i], alone.coef, atol=1e-10)
    assert np.isnan(fits.coef[2:]).all()


def test_separable_data_have_a_status_unless_a_penalty_holds():
    X, _ = _data()
    y = (X[:, 0] > 0).astype(float)
    free = solve(X, y, Logistic(), L1(0.0))
    assert int(free.status) & Status.SEPARABLE
    held = solve(X, y, Logistic(), L1(0.01))
    assert int(held.status) == 0
    one_class = solve(X, np.ones(N), Logistic(), L1(0.5))
    assert int(one_class.status) & Status.SEPARABLE


@register_value()
@dataclasses.dataclass(frozen=True)
class Own:
    """The L1 norm again, as a user would write it."""

    alpha: float

    def value(self, w):
        """A sum."""
        return self.alpha * jnp.abs(w).sum()

    def prox(self, w, step):
        """Soft thresholding."""
        return w - jnp.clip(w, -step * self.alpha, step * self.alpha)


class Plain(Own):
    """The same, as an object that is no pytree, with an own distance."""

    def subdifferential_distance(self, w, g):
        """That of minus the gradient."""
        at_zero = jnp.maximum(jnp.abs(g) - self.alpha, 0)
        return jnp.where(w != 0, jnp.abs(g + self.alpha * jnp.sign(w)), at_zero)


def test_a_penalty_of_ones_own_is_solved_and_followed():
    X, targets = _data()
    y, alphas = targets["logistic"], np.array([0.1, 0.05])
    theirs = solve_path(X, y, alphas, Logistic(), L1(1.0))
    np.testing.assert_allclose(solve_path(X, y, alphas, Logistic(), Own(1.0)).coef, theirs.coef, atol=1e-9)
    fit = solve(X, y, Logistic(), Plain(0.05))
    np.testing.assert_allclose(fit.coef, theirs.coef[1], atol=1e-9)
    assert np.isinf(float(fit.gap))
    assert float(fit.residual) < 1e-9
    with pytest.raises(ArgumentError, match="alpha"):
        solve_path(X, y, alphas, Logistic(), penalties.MaxNorm(1.0))
    for traced in (
        lambda: solve_path(X, y, alphas, Logistic(), Plain(1.0)),
        lambda: jax.jit(lambda alpha: solve(X, y, Logistic(), Plain(alpha)))(0.05),
    ):
        with pytest.raises(ArgumentError, match=r"must be a pytree where .* decorated by jaxreg.values.register_value"):
            traced()


class Lopsided(Own):
    """Negative coefficients cost twice, which the inherited step does not know."""

    separable = True

    def value(self, w):
        """A sum."""
        return self.alpha * jnp.where(w > 0, w, -2 * w).sum()


def test_a_step_that_is_wrong_for_one_sign_is_refused():
    X, targets = _data()
    with pytest.raises(ArgumentError, match=r"it makes -1.85 of -2 where -1.75 has less"):
        solve(X, targets["squared"], "squared", Lopsided(0.3))


@pytest.mark.slow
def test_a_penalty_of_ones_own_is_differentiated():
    X, targets = _data()
    y = targets["logistic"]
    slope = jax.jacfwd(lambda alpha: solve(X, y, Logistic(), Own(alpha)).coef)(0.05)
    np.testing.assert_allclose(
        slope, jax.jacfwd(lambda alpha: solve(X, y, Logistic(), L1(alpha)).coef)(0.05), atol=1e-8
    )


class Cosh(linear.DataLoss):
    """A loss of one's own, log cosh, from its value alone."""

    def value(self, eta, y):
        """Like the absolute error, but smooth."""
        return jnp.logaddexp(eta - y, y - eta) - jnp.log(2.0)


@pytest.mark.slow
def test_a_loss_of_ones_own_is_solved():
    X, targets = _data()
    y = targets["squared"]
    fit = solve(X, y, Cosh(), L2(0.1))
    slope = np.tanh(X @ np.asarray(fit.coef) + float(fit.intercept) - y) / N
    np.testing.assert_allclose(X.T @ slope, -0.1 * np.asarray(fit.coef), atol=1e-9)
    assert np.isinf(float(fit.gap))
    assert int(fit.status) == 0


@pytest.mark.slow
def test_cross_validation_averages_the_loss_held_out():
    X, targets = _data()
    y, alphas = targets["logistic"], np.array([0.3, 0.05, 0.01])
    path = functools.partial(solve_path, loss=Logistic(), penalty=L1(1.0))
    scores = linear.cross_validate(path, X, y, alphas, folds=4)
    test = np.arange(10)
    fit = solve_path(X[10:], y[10:], alphas, Logistic(), L1(1.0))
    eta = np.asarray(fit.predict(X[test]))
    expected = (np.logaddexp(0, eta) - y[test] * eta).mean(1)
    np.testing.assert_allclose(scores.fold_errors[0], expected, atol=1e-9)
    assert float(scores.one_standard_error.alpha) >= float(scores.best.alpha)


@pytest.mark.slow
def test_single_precision_is_certified_too():
    with jax.enable_x64(False):
        X, targets = _data()
        for loss in ("squared", "logistic"):
            fit = solve(X, targets[loss], LOSSES[loss], L1(0.05))
            assert fit.coef.dtype == jnp.float32
            assert int(fit.status) == 0
            assert float(fit.gap) < 1e-6


class _Own:
    """A penalty of somebody else's."""

    def __init__(self, value=lambda w: (w * w).sum() / 2, prox=lambda w, step: w / (1 + step)):
        self.value, self.prox = value, prox


class _Mean(linear.DataLoss):
    def value(self, eta, y):
        return ((eta - y) ** 2).mean()


class _Fails(linear.DataLoss):
    def value(self, eta, y):
        return eta.none


BAD = {
    "labels": ({"y": np.full(N, 2.0)}, "y"),
    "a proximal step of another value": ({"penalty": _Own(prox=lambda w, step: w / (1 + 2 * step))}, "penalty"),
    "a proximal step without its size": ({"penalty": _Own(prox=lambda w, step: w / 2)}, "penalty"),
    "counts": ({"y": np.full(N, -1.0), "loss": Poisson()}, "y"),
    "classes": ({"y": np.full(N, 3), "loss": Multinomial(3)}, "y"),
    "loss": ({"loss": "probit"}, "loss"),
    "penalty": ({"penalty": 0.1}, "penalty"),
    "negative weights": ({"sample_weight": -np.ones(N)}, "sample_weight"),
    "no weight": ({"sample_weight": np.zeros(N)}, "sample_weight"),
    "too few weights": ({"sample_weight": np.ones(3)}, "sample_weight"),
    "offset": ({"offset": np.ones(3)}, "offset"),
    "rows": ({"y": np.zeros(3)}, "y"),
    "groups that do not cover": ({"penalty": GroupLasso(0.1, groups=[[0, 1], [2, 3]])}, "groups"),
    "factors": ({"penalty": Weighted(L1(0.1), np.ones(4))}, "factors"),
    "a penalty's class": ({"penalty": L1}, "penalty"),
    "a value for each": ({"penalty": _Own(value=lambda w: w)}, "penalty"),
    "a step that sums": ({"penalty": _Own(prox=lambda w, step: w.sum())}, "penalty"),
    "a penalty that fails": ({"penalty": _Own(value=lambda w: w.none)}, "penalty"),
    "a loss of several numbers": ({"loss": linear.Huber(jnp.ones(3))}, "loss"),
    "a loss that is averaged": ({"loss": _Mean()}, "loss"),
    "a loss that fails": ({"loss": _Fails()}, "loss"),
    "bounds": ({"penalty": Box(np.zeros(4), np.ones(4))}, "low"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_by_name(name):
    X, targets = _data()
    change, argument = BAD[name]
    given = {"y": targets["logistic"], "loss": Logistic(), "penalty": L1(0.1)} | change
    with pytest.raises(ArgumentError) as caught:
        solve(X, given.pop("y"), given.pop("loss"), given.pop("penalty"), **given)
    assert caught.value.argument.startswith(argument)


def test_predictions_of_other_data_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users have it
    fit = linear.Solution(jnp.ones(3), jnp.zeros(()), *[jnp.zeros(())] * 3, wrap(Logistic()))
    np.testing.assert_allclose(fit.predict(np.ones((2, 3)), offset=np.array([0.0, 1.0])), [3.0, 4.0])
    for call, argument in (
        (lambda: fit.predict(np.ones((2, 4))), "X"),
        (lambda: fit.predict(np.ones(3)), "X"),
        (lambda: fit.predict("rows"), "X"),
        (lambda: fit.predict(np.ones((2, 3)), offset=np.ones(3)), "offset"),
        (lambda: fit.cost(np.ones((2, 3)), np.ones(3)), "y"),
    ):
        with pytest.raises(ArgumentError) as caught:
            call()
        assert caught.value.argument == argument
