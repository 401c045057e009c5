"""Derivatives of linear criteria against central differences, leave-one-out against refits, and the status of kinks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.errors import ArgumentError
from jaxreg.hypergrad import LinearCriterion, Status, gradient, hessian_vector_product, influence, refit_without, tune
from jaxreg.hypergrad.prepared import follow_shares
from jaxreg.linear import lars_path, lasso
from jaxreg.penalties import L1, L2, MCP, SCAD, Box, ElasticNet, GroupLasso, SparseGroupLasso, Weighted

N, P = 16, 6
_RNG = np.random.default_rng(5)
X = _RNG.normal(size=(N, P))
Y = X @ np.array([2.0, -1.0, 1.5, 0.0, 0.0, 0.0]) + _RNG.normal(size=N)
BEYOND = {"X_validation": _RNG.normal(size=(7, P)), "y_validation": _RNG.normal(size=7)}
PAIRS = [[0, 3], [1, 4], [2, 5]]
LABELS = (Y > 0).astype(float)
SIGNS = {"X_validation": BEYOND["X_validation"], "y_validation": (BEYOND["y_validation"] > 0).astype(float)}
ONES = np.ones(N)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def compare(criterion, at, rtol=1e-6):
    """The derivative in each hyperparameter, along a random direction, is that of differences."""
    at = {name: jnp.asarray(value, float) for name, value in at.items()}

    @jax.jit
    def both(at):
        found = gradient(criterion, at, mode="reverse")
        slopes = {}
        for number, name in enumerate(at):
            way = jax.random.normal(jax.random.key(number), at[name].shape, float) * jnp.abs(at[name]).max()
            size = 1e-5 * jnp.array([1.0, -1.0])
            ends = jax.lax.map(lambda s, name=name, way=way: criterion(at | {name: at[name] + s * way}), size)
            slopes[name] = ((found.gradient[name] * way).sum(), (ends[0] - ends[1]) / (size[0] - size[1]))
        return slopes, found.status

    slopes, status = both(at)
    for name, (slope, expected) in slopes.items():
        assert abs(expected) > 1e-6, name
        np.testing.assert_allclose(slope, expected, rtol, 1e-9, err_msg=name)
    assert status == 0
    return slopes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("criterion", "at"),
    [
        (LinearCriterion(X, Y, penalty=L1(0.1), **BEYOND), {"alpha": 0.2, "X": X, "y": Y, "sample_weight": ONES}),
        (LinearCriterion(X, Y, penalty=ElasticNet(0.1, 0.5), criterion="gcv"), {"alpha": 0.2, "l1_ratio": 0.7}),
        (
            LinearCriterion(X, Y, penalty=GroupLasso(0.1, groups=PAIRS, factors=np.ones(3)), **BEYOND),
            {"alpha": 0.1, "factors": [1.0, 0.5, 2.0]},
        ),
        (LinearCriterion(X, Y, penalty=MCP(0.2, 3.0), **BEYOND), {"alpha": 0.3, "gamma": 9.0}),
        (LinearCriterion(X, LABELS, "logistic", L1(0.05), criterion="cv", folds=3), {"alpha": 0.02}),
        (
            LinearCriterion(X, LABELS, "logistic", Weighted(L2(0.1), ONES[:P]), criterion="loo"),
            {"factors": np.linspace(0.5, 2, P), "sample_weight": ONES},
        ),
        (LinearCriterion(X, Y, penalty=L2(0.1), criterion="loo"), {"alpha": 0.1}),
        (LinearCriterion(X, Y, penalty=SCAD(0.2), **BEYOND), {"alpha": 0.3, "a": 5.0}),
        (
            LinearCriterion(X, Y, "huber", SparseGroupLasso(0.1, 0.5, groups=PAIRS), **BEYOND),
            {"alpha": 0.1, "l1_ratio": 0.4, "delta": 0.8, "offset": np.linspace(-1, 1, N)},
        ),
        (LinearCriterion(X, Y, penalty=Box(-0.5, 1.0, L2(0.1)), **BEYOND), {"alpha": 0.1, "low": -0.4, "high": 0.9}),
        (
            LinearCriterion(X, LABELS, "logistic", L2(0.1), **SIGNS),
            {"alpha": 0.1, "X": X, "sample_weight": ONES},
        ),
    ],
    ids=[
        *("lasso", "elastic net", "groups", "mcp", "logistic cv", "logistic loo", "ridge"),
        *("scad", "sparse groups", "box", "logistic"),
    ],
)
def test_derivatives_are_central_differences(criterion, at):
    compare(criterion, at)


@pytest.mark.slow
def test_leaving_out_is_refitting():
    alpha, refits = 0.1, []
    rng = np.random.default_rng(6)
    X = rng.normal(size=(N, 3))
    y = X @ np.array([2.0, -1.0, 1.5]) + 0.1 * rng.normal(size=N)
    for i in range(N):
        rest = np.arange(N) != i
        fit = lasso(X[rest], y[rest], alpha * N / (N - 1))
        assert (fit.coef != 0).all()  # as in the fit of all rows: else the formula is not exact
        refits.append(float((y[i] - fit.predict(X[i : i + 1])[0]) ** 2 / 2))
    found = LinearCriterion(X, y, penalty=L1(1.0), criterion="loo")({"alpha": jnp.asarray(alpha)})
    np.testing.assert_allclose(found, np.mean(refits), 1e-9)


@pytest.mark.slow
def test_the_fast_ridge_is_the_general_one_in_a_batch_too():
    alphas = jnp.array([0.05, 0.4])
    for kind in ("loo", "gcv"):
        fast, general = (
            jax.vmap(
                lambda alpha, penalty=penalty, kind=kind: gradient(
                    LinearCriterion(X, Y, penalty=penalty, criterion=kind), {"alpha": alpha}, transforms={}
                )
            )(alphas)
            for penalty in (L2(1.0), Weighted(L2(1.0), np.ones(P)))
        )
        np.testing.assert_allclose(fast.value, general.value, 1e-9)
        np.testing.assert_allclose(fast.gradient["alpha"], general.gradient["alpha"], 1e-7)


def test_a_hessian_product_is_the_difference_of_gradients():
    criterion = LinearCriterion(X, Y, penalty=L2(1.0), **BEYOND)
    at = {"alpha": jnp.asarray(0.3)}

    @jax.jit
    def both(at):
        ends = jax.lax.map(lambda s: jax.grad(criterion)({"alpha": at["alpha"] + s})["alpha"], jnp.array([1e-5, -1e-5]))
        return hessian_vector_product(criterion, at, {"alpha": 1.0})["alpha"], ends

    found, ends = both(at)
    np.testing.assert_allclose(found, (ends[0] - ends[1]) / 2e-5, 1e-6)


def test_knots_and_flat_regions_have_one_sided_derivatives_and_say_so():
    design = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    criterion = LinearCriterion(
        design, np.array([4.0, -2.0, 1.5, 0.5]), penalty=L1(1.0), X_validation=design[:1], y_validation=np.array([4.0])
    )
    at = jax.jit(lambda alpha: gradient(criterion, {"alpha": alpha}))  # |x'y| / n are 1.5 and 0.25
    statuses = [Status(int(at(jnp.asarray(alpha)).status)) for alpha in (0.1, 0.25, 1.0, 1.5, 2.0)]
    assert statuses == [Status.OK, Status.KNOT, Status.OK, Status.KNOT | Status.FLAT, Status.FLAT]
    assert at(jnp.asarray(2.0)).gradient["alpha"] == 0
    np.testing.assert_allclose(
        at(jnp.asarray(0.25)).gradient["alpha"],
        at(jnp.asarray(0.3)).gradient["alpha"] * (at(jnp.asarray(0.25)).value / at(jnp.asarray(0.3)).value) ** 0.5,
        1e-6,
    )


@pytest.mark.slow
def test_influences_of_a_linear_model_are_exact_and_foretell_refits():
    criterion = LinearCriterion(X, Y, penalty=L2(0.1), **BEYOND)
    compare(criterion, {"sample_weight": np.linspace(0.5, 1.5, N)})
    found = jax.jit(lambda: influence(criterion).influence)()
    refits = jax.jit(lambda found: refit_without(criterion, np.arange(N), influence=found))(found)
    assert refits.rank_correlation > 0.9
    assert 0.5 < refits.slope < 2.0


def test_refits_rank_influences_whose_squares_are_no_floats_and_refuse_equal_ones():
    with jax.enable_x64(False):
        criterion = LinearCriterion(X, Y, penalty=L2(0.1), **BEYOND)
        found = np.asarray(influence(criterion).influence)[:3]
        like = refit_without(criterion, [0, 1, 2], influence=jnp.asarray(np.resize(found, N)))
        for unit in (1e-25, 1e25):
            refits = refit_without(criterion, [0, 1, 2], influence=jnp.asarray(np.resize(found * np.float32(unit), N)))
            np.testing.assert_allclose(refits.slope * unit, like.slope, 1e-5)
            np.testing.assert_allclose(refits.rank_correlation, like.rank_correlation, 1e-6)
        for equal in (jnp.zeros(N), jnp.ones(N), jnp.full(N, 1e-39, jnp.float16)):
            with pytest.raises(ArgumentError, match=r"^influence = .*must differ between the examples"):
                refit_without(criterion, [0, 1], influence=equal)


def test_influences_on_any_function_need_weights_and_are_its_derivatives():
    weights = np.linspace(0.5, 1.5, N)
    found = influence(lambda h: (h["sample_weight"] ** 2).sum(), sample_weight=weights)
    np.testing.assert_allclose(found.influence, 2 * weights)
    with pytest.raises(ArgumentError, match="must be given for a function"):
        influence(lambda h: (h["sample_weight"] ** 2).sum())
    with pytest.raises(ArgumentError, match="must have one axis"):
        influence(lambda h: (h["sample_weight"] ** 2).sum(), sample_weight=np.ones((2, 2)))


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"penalty": "l2"}, "must have value"),
        ({"criterion": "aic"}, "must be one of validation, loo, gcv, cv"),
        ({"criterion": "validation"}, "X_validation"),
        ({"criterion": "gcv", "loss": "logistic", "y": LABELS}, "squared"),
        ({"X_validation": X[:3, :2], "y_validation": Y[:3]}, "X_validation"),
        ({"X_validation": X[:3], "y_validation": Y[:2]}, "y_validation"),
        ({"criterion": "cv", "folds": 1}, "folds"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(given, word):
    with pytest.raises(ArgumentError, match=word):
        LinearCriterion(**({"X": X, "y": Y, "penalty": L1(0.1)} | given))


def test_names_are_those_of_the_numbers_and_others_are_refused_with_them():
    criterion = LinearCriterion(X, Y, "huber", Box(0.0, 1.0, Weighted(L1(0.1), np.ones(P))), **BEYOND)
    assert criterion.names[:4] == ("low", "high", "factors", "alpha")
    for name in ("alhpa", "folds", "normalize"):
        with pytest.raises(ArgumentError, match="Differentiable are low, high, factors, alpha, delta, X"):
            gradient(criterion, {name: 1.0})
    with pytest.raises(ArgumentError, match="must be a float"):
        gradient(criterion, {"alpha": 1})
    for name, shape in (("alpha", (P,)), ("factors", (2,)), ("factors", (2, P))):
        for search in (gradient, partial(tune, progress=False)):
            with pytest.raises(ArgumentError, match=f"{name} = .*must be one number"):
                search(criterion, {name: np.ones(shape)})


@pytest.mark.parametrize(
    "criterion",
    ["loo", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gcv", "cv", "validation"))],
)
def test_a_lasso_prepared_for_its_strength_is_the_same(criterion):
    of = LinearCriterion(X, Y, penalty=L1(0.1), criterion=criterion, folds=3, normalize="std", **BEYOND)
    knot = lars_path(X, Y, normalize="std").alphas[2]
    prepared = of.prepare(("alpha",))
    assert prepared is not of
    assert of.prepare(("alpha", "y")) is of

    def both(alpha):
        return gradient(of, {"alpha": alpha}), gradient(prepared, {"alpha": alpha})

    plain, fast = jax.jit(lambda alphas: jax.lax.map(both, alphas))(jnp.stack([0.01, 0.2, knot, 9.0]))
    apart = np.array([0, 1, 3])  # at a knot leave-one-out itself jumps
    np.testing.assert_allclose(fast.value[apart], plain.value[apart], 1e-9)
    np.testing.assert_allclose(fast.gradient["alpha"][apart], plain.gradient["alpha"][apart], 1e-7, 1e-12)
    np.testing.assert_array_equal(fast.status, plain.status)


@pytest.mark.parametrize(
    "criterion",
    ["validation", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gcv", "loo", "cv"))],
)
def test_a_lasso_prepared_for_many_strengths_is_the_same_from_any_start(criterion):
    penalty = Weighted(L1(0.1), np.ones(P))
    of = LinearCriterion(X, Y, penalty=penalty, criterion=criterion, folds=3, normalize="std", **BEYOND)
    prepared = of.prepare(("factors",))
    assert prepared is not of
    assert of.prepare(("factors", "y")) is of
    factors = np.random.default_rng(0).uniform(0.5, 2.0, (4, P)) * np.array([[0.1], [1.0], [3.0], [99.0]])
    factors[1, 2] = 0.0  # no penalty

    def follow(memory, factors):
        plain = gradient(of, {"factors": factors}, mode="reverse")
        value, status, after = prepared.evaluate({"factors": factors}, memory)
        slope = jax.grad(lambda f: prepared.evaluate({"factors": f}, memory).value)(factors)
        return after, (plain, value, slope, status)

    plain, value, slope, status = jax.jit(lambda f: jax.lax.scan(follow, prepared.begin(), f)[1])(jnp.asarray(factors))
    np.testing.assert_allclose(value, plain.value, 1e-9)
    np.testing.assert_allclose(slope, plain.gradient["factors"], 1e-7, 1e-10)
    np.testing.assert_array_equal(status, plain.status)


def test_shares_of_a_path_with_columns_that_leave_are_those_of_the_projector():
    design = np.random.default_rng(0).normal(size=(9, 4))
    moves = jnp.array([2, 4, 1, -4, 3, -2, 4, 0], jnp.int32)
    shares = jax.jit(follow_shares)(jnp.asarray(design), moves)
    used = []
    for move, share in zip(moves.tolist(), np.asarray(shares), strict=True):
        used = [j for j in used if j != abs(move)] + ([move] if move > 0 else [])
        columns = design[:, np.array(used) - 1]
        np.testing.assert_allclose(share, np.diag(columns @ np.linalg.pinv(columns)), 1e-10)


def _leave_out_wide(noise):
    """Leave-one-out of two lassos of 14 columns and 8 rows, and by what was prepared for them."""
    random = np.random.default_rng(1)
    wide = random.normal(size=(8, 14))
    target = wide[:, 0] + wide[:, 5] + noise * random.normal(size=8)
    criterion = LinearCriterion(wide, target, penalty=L1(0.1), criterion="loo")
    both = lambda at: [gradient(of, at) for of in (criterion, criterion.prepare(("alpha",)))]  # noqa: E731
    alphas = jnp.array([0.3, 1e-5])
    found, prepared = jax.jit(lambda alphas: jax.lax.map(lambda alpha: both({"alpha": alpha}), alphas))(alphas)
    assert 0 < found.value[0] < 100
    np.testing.assert_allclose(prepared.value[0], found.value[0], 1e-8)
    np.testing.assert_allclose(prepared.gradient["alpha"][0], found.gradient["alpha"][0], 1e-6)
    return found, prepared


def test_leaving_out_a_row_of_a_fit_with_as_many_coefficients_is_invalid_not_huge():
    for way in _leave_out_wide(0.1):
        assert jnp.isnan(way.value[1])
        assert way.status[1] & Status.INVALID


def test_leaving_out_a_row_of_a_fit_of_the_two_columns_that_suffice_is_exact():
    for way in _leave_out_wide(0.0):
        assert way.status[1] == 0
        assert way.value[1] < 1e-8
