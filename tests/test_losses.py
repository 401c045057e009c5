"""Losses against SciPy and scikit-learn, their gradients against closed forms and finite differences."""

import inspect

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics

import jaxreg as jr
from jaxreg import losses
from jaxreg.errors import ArgumentError

ELEMENTWISE = {
    "squared": losses.squared,
    "absolute": losses.absolute,
    "huber": losses.huber,
    "binary_cross_entropy": losses.binary_cross_entropy,
    "binary_cross_entropy_from_logits": losses.binary_cross_entropy_from_logits,
}


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def example(name, shape=(7,), dtype=np.float64):
    """Predictions and targets in the domain of a loss, away from its kinks."""
    rng = np.random.default_rng(0)
    if name == "binary_cross_entropy":
        return jnp.asarray(rng.uniform(0.05, 0.95, shape), dtype), jnp.asarray(rng.random(shape) < 0.5, dtype)
    if name == "binary_cross_entropy_from_logits":
        return jnp.asarray(3 * rng.normal(size=shape), dtype), jnp.asarray(rng.random(shape) < 0.5, dtype)
    return jnp.asarray(2 * rng.normal(size=shape), dtype), jnp.asarray(rng.normal(size=shape), dtype)


def test_a_far_component_of_a_mixture_has_no_share_in_value_or_slope():
    """In float32, at widths whose inverse overflows; the other component alone is the answer."""
    right = np.log(2) + 0.125 + np.log(2 * np.pi) / 2
    for log_scale in (-10.0, -44.0, -90.0, -300.0, -3e38):
        value, slopes = jax.value_and_grad(lambda *given: losses.gaussian_mixture(*given)[0], (0, 1, 2, 3))(
            jnp.zeros((1, 2)), jnp.array([[-1.0, 1.0]]), jnp.array([[log_scale, 0.0]]), jnp.array([1.5])
        )
        np.testing.assert_allclose(value, right, 1e-6)
        for slope, expected in zip(slopes, ([[0.5, -0.5]], [[0, -0.5]], [[0, 0.75]], [0.5]), strict=True):
            np.testing.assert_allclose(slope, expected, 1e-6, 1e-7)


@pytest.mark.parametrize("log_scale", [-90.0, -40.0, 0.0, 40.0, 90.0])
def test_a_component_on_its_target_is_finite_at_every_width(log_scale):
    value, slopes = jax.value_and_grad(
        lambda m, s: losses.gaussian_mixture(jnp.zeros(2), m, s, jnp.float32(2.0)), (0, 1)
    )(jnp.array([2.0, 2.0]), jnp.array([log_scale, log_scale]))
    np.testing.assert_allclose(value, log_scale + np.log(2 * np.pi) / 2, 1e-6)
    np.testing.assert_allclose(slopes[0], 0)
    np.testing.assert_allclose(slopes[1], 0.5, 1e-6)


@pytest.mark.parametrize(("density", "power"), [(losses.gaussian, 2), (losses.laplace, 1)])
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e30])
def test_densities_of_any_width_have_their_slopes(density, power, scale):
    """Of an exact prediction, and of one that is half a width off: 1/scale, and (1 - |z|**power) / scale."""
    for z in (0.0, 0.5):
        value, slope = jax.value_and_grad(lambda s, z=z: density(jnp.zeros(()), jnp.float32(z * scale), s))(
            jnp.float32(scale)
        )
        constant = np.log(2 * np.pi) / 2 if power == 2 else np.log(2)
        np.testing.assert_allclose(value, z**power / power + np.log(scale) + constant, 1e-5)
        np.testing.assert_allclose(slope, (1 - z**power) / scale, 1e-5)


def test_squares_of_errors_overflow_no_earlier_than_their_half():
    value = losses.gaussian(jnp.zeros(()), jnp.float32(2.0e19), 1.0)
    np.testing.assert_allclose(value, 2e38, 1e-6)


_RAW = {
    name: getattr(function, "__wrapped__", function) for name, function in vars(losses).items() if callable(function)
}


@pytest.mark.parametrize(
    "name", [*ELEMENTWISE, "gaussian", "laplace", "softmax_cross_entropy", "softmax_cross_entropy_one_hot"]
)
@pytest.mark.parametrize("wrong", ["text", None, np.ones((2, 3, 4)), [[1.0], [1.0, 2.0]], np.ones(3, complex), {}])
def test_what_no_loss_can_take_is_refused(name, wrong):
    good = jnp.ones((2, 3))
    for given in ((wrong, good), (good, wrong)):
        with pytest.raises(ArgumentError):
            _RAW[name](*given)


@pytest.mark.parametrize("scale", [10**400, "wide", np.ones(5), -1.0, 1e-60, np.nan])
def test_widths_that_float32_has_not_are_refused(scale):
    for name in ("gaussian", "laplace"):
        with pytest.raises(ArgumentError, match="scale"):
            _RAW[name](jnp.zeros(2), jnp.zeros(2), scale)
    if np.ndim(scale) == 0:
        with pytest.raises(ArgumentError, match="delta"):
            _RAW["huber"](jnp.zeros(2), jnp.zeros(2), scale)


def difference_quotient(function, x, h=1e-6):
    """Central differences of a scalar function, entry by entry."""
    x = np.asarray(x)
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        gradient[i] = (function(jnp.asarray(x + step)) - function(jnp.asarray(x - step))) / (2 * h)
    return gradient


def gradient_of(loss, predictions, targets, **options):
    return jax.grad(lambda p: loss(p, targets, **options).sum())(predictions)


# ------------------------------------------------------------------ values


def test_values_are_the_formulas(x64):
    p, y = (np.asarray(v) for v in example("squared"))
    e = p - y
    np.testing.assert_allclose(losses.squared(jnp.asarray(p), jnp.asarray(y)), e * e, rtol=1e-15)
    np.testing.assert_allclose(losses.absolute(jnp.asarray(p), jnp.asarray(y)), np.abs(e), rtol=1e-15)
    for delta in (0.5, 1.0, 2.5):
        expected = scipy.special.huber(delta, e)
        np.testing.assert_allclose(losses.huber(jnp.asarray(p), jnp.asarray(y), delta), expected, rtol=1e-14)


def test_cross_entropies_are_sklearns(x64):
    p, y = example("binary_cross_entropy", (50,))
    expected = sklearn.metrics.log_loss(y, p)
    assert float(losses.binary_cross_entropy(p, y).mean()) == pytest.approx(expected, rel=1e-12)
    logits = jnp.asarray(scipy.special.logit(np.asarray(p)))
    assert float(losses.binary_cross_entropy_from_logits(logits, y).mean()) == pytest.approx(expected, rel=1e-12)

    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(50, 4)) * 3, rng.integers(0, 4, 50)
    expected = sklearn.metrics.log_loss(labels, scipy.special.softmax(logits, 1), labels=range(4))
    values = losses.softmax_cross_entropy(jnp.asarray(logits), jnp.asarray(labels))
    assert values.shape == (50,)
    assert float(values.mean()) == pytest.approx(expected, rel=1e-12)


def test_labels_and_one_hot_targets_agree(x64):
    rng = np.random.default_rng(2)
    logits, labels = jnp.asarray(rng.normal(size=(3, 5, 4))), jnp.asarray(rng.integers(0, 4, (3, 5)))
    expected = losses.softmax_cross_entropy(logits, labels)
    for dtype in (bool, int, np.float32, np.float64):
        targets = jax.nn.one_hot(labels, 4).astype(dtype)
        np.testing.assert_allclose(losses.softmax_cross_entropy_one_hot(logits, targets), expected, rtol=1e-13)
    np.testing.assert_array_equal(losses.softmax_cross_entropy(logits, labels.astype(np.uint8)), expected)


def test_soft_targets_mix_the_losses_of_the_classes(x64):
    logits = jnp.asarray(np.random.default_rng(3).normal(size=(1, 3)))
    mixed = losses.softmax_cross_entropy_one_hot(logits, jnp.asarray([[0.2, 0.3, 0.5]]))
    single = [losses.softmax_cross_entropy(logits, jnp.asarray([k]))[0] for k in range(3)]
    np.testing.assert_allclose(mixed[0], np.dot([0.2, 0.3, 0.5], single), rtol=1e-13)


def test_truth_values_and_integers_are_targets_too():
    p, y = example("binary_cross_entropy", dtype=np.float32)
    for loss in (losses.binary_cross_entropy, losses.binary_cross_entropy_from_logits):
        for dtype in (bool, np.int32, np.uint8):
            np.testing.assert_array_equal(loss(p, y.astype(dtype)), loss(p, y))


# ------------------------------------------------------------------ gradients


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_gradients_are_difference_quotients(name, x64):
    p, y = example(name)
    expected = difference_quotient(lambda q: float(ELEMENTWISE[name](q, y).sum()), p)
    np.testing.assert_allclose(gradient_of(ELEMENTWISE[name], p, y), expected, rtol=1e-7, atol=1e-8)


def test_gradients_are_the_closed_forms(x64):
    p, y = example("squared")
    e = np.asarray(p - y)
    np.testing.assert_allclose(gradient_of(losses.squared, p, y), 2 * e, rtol=1e-14)
    np.testing.assert_array_equal(gradient_of(losses.absolute, p, y), np.sign(e))
    np.testing.assert_allclose(gradient_of(losses.huber, p, y, delta=0.7), np.clip(e, -0.7, 0.7), rtol=1e-14)
    z, y = example("binary_cross_entropy_from_logits")
    closed = scipy.special.expit(z) - y
    np.testing.assert_allclose(gradient_of(losses.binary_cross_entropy_from_logits, z, y), closed, rtol=1e-12)
    p, y = example("binary_cross_entropy")
    closed = (p - y) / (p * (1 - p))
    np.testing.assert_allclose(gradient_of(losses.binary_cross_entropy, p, y), closed, rtol=1e-12)


def test_softmax_gradient_is_probability_minus_target(x64):
    rng = np.random.default_rng(4)
    logits, labels = jnp.asarray(rng.normal(size=(6, 4)) * 3), jnp.asarray(rng.integers(0, 4, 6))
    one_hot = np.eye(4)[np.asarray(labels)]
    closed = scipy.special.softmax(np.asarray(logits), 1) - one_hot
    by_label = gradient_of(losses.softmax_cross_entropy, logits, labels)
    by_target = gradient_of(losses.softmax_cross_entropy_one_hot, logits, jnp.asarray(one_hot))
    quotient = difference_quotient(lambda z: float(losses.softmax_cross_entropy(z, labels).sum()), logits)
    np.testing.assert_allclose(by_label, closed, atol=1e-14)
    np.testing.assert_allclose(by_target, closed, atol=1e-14)
    np.testing.assert_allclose(quotient, closed, atol=1e-8)


def test_an_impossible_class_without_weight_costs_nothing(x64):
    """Value and slopes are those of the softmax over the other classes."""
    logits = jnp.asarray([[0.3, -jnp.inf, 1.1]])
    for targets in ([[1.0, 0.0, 0.0]], [[0.25, 0.0, 0.75]]):
        y = jnp.asarray(targets)
        finite, weights = logits[:, ::2], y[:, ::2]
        loss = losses.softmax_cross_entropy_one_hot
        np.testing.assert_allclose(loss(logits, y), loss(finite, weights), rtol=1e-14)
        slope = gradient_of(loss, logits, y)
        np.testing.assert_allclose(slope[:, ::2], scipy.special.softmax(np.asarray(finite), 1) - weights, atol=1e-14)
        assert slope[0, 1] == 0
    assert loss(logits, jnp.asarray([[0.0, 1.0, 0.0]])) == np.inf
    by_target = jax.grad(lambda y: loss(finite, y).sum())(jnp.asarray([[1.0, 0.0]]))
    np.testing.assert_allclose(by_target, -jax.nn.log_softmax(finite), rtol=1e-14)  # also where the weight is 0


def test_care_for_unlikely_classes_adds_nothing_to_the_gradient():
    """Trainings have the very bytes that Optax's cross-entropy gives."""
    logits, targets = jax.random.normal(jax.random.key(0), (8, 10)), jax.nn.one_hot(jnp.arange(8), 10)
    ours, theirs = (
        jax.jit(jax.grad(lambda z, loss=loss: loss(z, targets).mean())).lower(logits).as_text()
        for loss in (losses.softmax_cross_entropy_one_hot, optax.losses.softmax_cross_entropy)
    )
    assert len(ours.splitlines()) == len(theirs.splitlines())
    assert ours.count("select") == theirs.count("select")


def test_an_exact_prediction_has_gradient_zero():
    zero = jnp.zeros(3)
    for loss in (losses.squared, losses.absolute, losses.huber):
        np.testing.assert_array_equal(gradient_of(loss, zero, zero), 0.0)


# ------------------------------------------------------------------ the clip


@pytest.mark.parametrize("epsilon", [1e-7, 1e-4, 0.3])
def test_the_clip_bounds_the_loss_and_stops_the_gradient(epsilon):
    p, y = jnp.array([0.0, 1.0, 0.0, 1.0]), jnp.array([1.0, 0.0, 0.0, 1.0])
    values = losses.binary_cross_entropy(p, y, epsilon)
    np.testing.assert_allclose(values, -np.log([epsilon, epsilon, 1 - epsilon, 1 - epsilon]), rtol=1e-6, atol=6e-8)
    np.testing.assert_array_equal(gradient_of(losses.binary_cross_entropy, p, y, epsilon=epsilon), 0.0)


@hypothesis.settings(deadline=None, max_examples=50)
@hypothesis.given(
    hnp.arrays(np.float32, 5, elements=st.floats(0, 1, width=32)), hnp.arrays(bool, 5), st.floats(1e-30, 0.49)
)
def test_clipped_cross_entropy_is_the_formula_in_double_precision(p, y, epsilon):
    of_the_target = np.where(y, p.astype(np.float64), 1 - p.astype(np.float64))
    expected = -np.log(np.clip(of_the_target, epsilon, 1 - epsilon))
    got = losses.binary_cross_entropy(jnp.asarray(p), jnp.asarray(y), epsilon)
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("epsilon", [0.0, 0.5, -0.1, 1.0, float("nan"), 1e-50])
def test_a_clip_outside_its_domain_is_refused(epsilon):
    with pytest.raises(ArgumentError, match="epsilon"):
        losses.binary_cross_entropy(jnp.ones(1), jnp.ones(1), epsilon)


@pytest.mark.parametrize("delta", [0.0, -1.0, float("nan")])
def test_a_huber_delta_that_is_not_positive_is_refused(delta):
    with pytest.raises(ArgumentError, match="delta"):
        losses.huber(jnp.ones(1), jnp.ones(1), delta)


# ------------------------------------------------------------------ extremes


def test_large_logits_do_not_overflow():
    z, y = jnp.array([1e4, -1e4, 1e4, -1e4]), jnp.array([1.0, 0.0, 0.0, 1.0])
    np.testing.assert_array_equal(losses.binary_cross_entropy_from_logits(z, y), [0.0, 0.0, 1e4, 1e4])
    assert jnp.isfinite(gradient_of(losses.binary_cross_entropy_from_logits, z, y)).all()
    logits = jnp.array([[1e4, 0.0, -1e4]] * 3)
    np.testing.assert_array_equal(losses.softmax_cross_entropy(logits, jnp.arange(3)), [0.0, 1e4, 2e4])


def test_a_label_that_is_no_class_gives_nan_and_leaves_its_neighbours():
    logits = jnp.array(np.random.default_rng(5).normal(size=(4, 3)), jnp.float32)
    values = jax.jit(losses.softmax_cross_entropy)(logits, jnp.array([1, 3, -1, 2]))
    np.testing.assert_array_equal(jnp.isnan(values), [False, True, True, False])
    np.testing.assert_array_equal(values[0], losses.softmax_cross_entropy(logits, jnp.array([1, 0, 0, 0]))[0])


@pytest.mark.parametrize(
    "labels", [[0, 3], [-1, 0], np.array([0, 3], np.uint8), np.array([0, 2**40]), [0.0, 1.0], "ab"]
)
def test_labels_that_are_no_classes_are_refused_where_they_are_known(labels, monkeypatch):
    monkeypatch.setattr(losses, "softmax_cross_entropy", inspect.unwrap(losses.softmax_cross_entropy))
    with pytest.raises(ArgumentError, match=r"^labels"):
        losses.softmax_cross_entropy(jnp.ones((2, 3)), labels)


def test_labels_of_a_sweep_are_refused_before_it_runs():
    def run(labels, *, size):
        return {"loss": losses.softmax_cross_entropy(size * jnp.ones((2, 3)), labels).mean()}

    with pytest.raises(ArgumentError, match=r"^labels\[1\] = 3"):
        jr.sweep(run, {"size": [1.0, 2.0]}, args=(np.array([0, 3]),), progress=False)


@pytest.mark.parametrize("loss", [losses.binary_cross_entropy, losses.binary_cross_entropy_from_logits])
def test_targets_that_are_no_probabilities_are_refused(loss):
    with pytest.raises(ArgumentError, match=r"^targets\[1\] = 2"):
        loss(jnp.array([0.5, 0.5]), jnp.array([1.0, 2.0]))


def test_shapes_that_differ_are_refused():
    with pytest.raises((ValueError, TypeError)):
        losses.squared(jnp.ones(3), jnp.ones((3, 1)))


# ------------------------------------------------------------------ batches and platforms


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_member_of_a_population_has_its_loss_alone(name):
    p, y = example(name, (6, 5), np.float32)
    together = jax.jit(jax.vmap(ELEMENTWISE[name]))(p, y)
    alone = jnp.stack([ELEMENTWISE[name](p[i], y[i]) for i in range(6)])
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_huber_delta_may_be_swept():
    p, y = example("huber", dtype=np.float32)
    deltas = jnp.array([0.5, 1.0, 2.0])
    together = jax.vmap(lambda delta: losses.huber(p, y, delta))(deltas)
    for delta, row in zip((0.5, 1.0, 2.0), together, strict=True):
        np.testing.assert_allclose(row, losses.huber(p, y, delta), rtol=1e-6)


@pytest.mark.parametrize("loss", [losses.softmax_cross_entropy, *ELEMENTWISE.values()])
def test_losses_and_gradients_lower_for_every_platform(loss):
    by_label = loss is losses.softmax_cross_entropy
    p = jnp.full((4, 3) if by_label else 4, 0.25)
    y = jnp.zeros(4, int) if by_label else jnp.zeros(4)
    function = jax.jit(jax.value_and_grad(lambda p, y: loss(p, y).mean()))
    exported = jax.export.export(function, platforms=("cpu", "cuda", "tpu"))(p, y)
    assert exported.platforms == ("cpu", "cuda", "tpu")


# ------------------------------------------------------------------ likelihoods


def test_likelihoods_are_scipys(x64):
    p, y = example("squared")
    for scale in (0.3, 1.0, 2.0):
        expected = -scipy.stats.norm.logpdf(y, p, scale)
        np.testing.assert_allclose(losses.gaussian(p, y, scale), expected, rtol=1e-13)
        expected = -scipy.stats.laplace.logpdf(y, p, scale)
        np.testing.assert_allclose(losses.laplace(p, y, scale), expected, rtol=1e-13)
    scales = jnp.linspace(0.5, 2.0, len(y))
    np.testing.assert_allclose(losses.gaussian(p, y, scales), -scipy.stats.norm.logpdf(y, p, scales), rtol=1e-13)


def test_mixture_is_the_sum_of_scipys_densities(x64):
    rng = np.random.default_rng(3)
    logits, means, log_scales = rng.normal(size=(3, 6, 4))
    y = rng.normal(size=6)
    weights = scipy.special.softmax(logits, 1)
    density = (weights * scipy.stats.norm.pdf(y[:, None], means, np.exp(log_scales))).sum(1)
    values = losses.gaussian_mixture(*map(jnp.asarray, (logits, means, log_scales, y)))
    np.testing.assert_allclose(values, -np.log(density), rtol=1e-12)


def test_mixture_far_away_is_finite_with_its_gradient():
    def loss(means):
        return losses.gaussian_mixture(jnp.zeros((1, 2)), means, jnp.full((1, 2), -3.0), jnp.array([100.0])).sum()

    value, gradient = jax.value_and_grad(loss)(jnp.array([[-1.0, 1.0]]))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_mixture_of_one_is_a_gaussian(x64):
    p, y = example("squared")
    values = losses.gaussian_mixture(jnp.full((7, 1), 3.0), p[:, None], jnp.full((7, 1), np.log(0.5)), y)
    np.testing.assert_allclose(values, losses.gaussian(p, y, 0.5), rtol=1e-12)


@pytest.mark.parametrize(("density", "error"), [(losses.gaussian, losses.squared), (losses.laplace, losses.absolute)])
def test_likelihoods_of_fixed_scale_have_the_gradients_of_their_errors(x64, density, error):
    p, y = example("squared")
    scale = 0.7
    factor = 1 / (2 * scale**2) if error is losses.squared else 1 / scale
    expected = factor * gradient_of(error, p, y)
    np.testing.assert_allclose(gradient_of(density, p, y, scale=scale), expected, rtol=1e-12)


@pytest.mark.parametrize(("density", "power"), [(losses.gaussian, 2), (losses.laplace, 1)])
def test_the_best_scale_is_the_one_of_the_formula(x64, density, power):
    p, y = example("squared")
    best = float((abs(p - y) ** power).mean() ** (1 / power))
    slope = jax.grad(lambda scale: density(p, y, scale).mean())
    assert abs(float(slope(best))) < 1e-12
    assert float(slope(0.9 * best)) < 0 < float(slope(1.1 * best))


@pytest.mark.parametrize("density", [losses.gaussian, losses.laplace])
@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_scales_that_are_none_are_refused(density, scale):
    with pytest.raises(ArgumentError, match=r"scale = .*: must be positive"):
        density(jnp.zeros(2), jnp.zeros(2), scale)
