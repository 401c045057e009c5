"""Derivatives through training: both modes and differences, memory of segments, truncation, influence, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg.errors import ArgumentError
from jaxreg.hypergrad import Status, Training, gradient, influence, refit_without
from jaxreg.nets import Augmentation, EarlyStopping
from jaxreg.penalties import L1, L2, Weighted

_RNG = np.random.default_rng(0)
DATA = (_RNG.uniform(size=(10, 9)), _RNG.integers(0, 3, 10), _RNG.uniform(size=(8, 9)), _RNG.integers(0, 3, 8))
MLP = {"hidden": (4,), "classes": 3, "activation": "tanh", "batch_size": 3, "epochs": 2, "learning_rate": 0.3}
KEY = jax.random.key(1)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def of(**options):
    own = {name: options.pop(name) for name in ("average", "horizon", "segment", "objective") if name in options}
    return Training(*DATA, seed=KEY, options=MLP | options, **own)


CASES = {
    "numbers": (
        of(optimizer="nesterov", l1=0.0),
        {"learning_rate": 0.2, "momentum": 0.6, "l2": 0.03, "label_smoothing": 0.1, "gradient_noise": 0.1},
    ),
    "layers": (
        of(optimizer="adam"),
        {"penalties": {"hidden_*": L2(0.05), "output/*": L2(0.02)}, "schedule": np.linspace(1.0, 0.5, 8)},
    ),
    "weights": (of(average=True), {"sample_weight": np.ones(10), "initial_scale": 1.1, "schedule": np.ones(2)}),
    "each weight": (
        of(l1=0.01),
        {"penalties": {"hidden_0/weight": Weighted(L2(1.0), np.full((4, 9), 0.05))}, "l1": 0.02, "weight_decay": 0.01},
    ),
    "after the step": (
        of(optimizer="momentum", decoupled_weight_decay=0.0),
        {"proximal_l1": 0.003, "decoupled_weight_decay": 0.05, "class_weight": np.array([1.0, 2.0, 0.5])},
    ),
    "own": (
        of(optimizer=lambda learning_rate, decay: optax.sgd(learning_rate, decay), decay=0.5, momentum=None),
        {"decay": 0.4, "input_noise": 0.1, "augmentation": Augmentation(shift=0.5)},
    ),
}


def _differences(objective, at, names):
    """Along a random direction of each hyperparameter, by central differences of the fourth order."""
    slopes, step = {}, 3e-5
    for number, name in enumerate(names):
        leaves, structure = jax.tree.flatten(at[name])
        keys = jax.random.split(jax.random.key(number), len(leaves))
        ways = [jax.random.normal(key, leaf.shape, leaf.dtype) for key, leaf in zip(keys, leaves, strict=True)]

        def along(size, name=name, leaves=leaves, ways=ways, structure=structure):
            moved = [leaf + size * way for leaf, way in zip(leaves, ways, strict=True)]
            return objective(at | {name: jax.tree.unflatten(structure, moved)})

        ends = jax.lax.map(along, step * jnp.array([2.0, 1.0, -1.0, -2.0]))
        slopes[name] = ((8 * (ends[1] - ends[2]) - (ends[0] - ends[3])) / (12 * step), ways)
    return slopes


@pytest.mark.parametrize("case", [pytest.param(case, marks=[pytest.mark.slow] * (case != "weights")) for case in CASES])
def test_forward_reverse_and_differences_agree(case):
    training, at = CASES[case]
    at = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), at)

    @jax.jit
    def all_three(at):
        both = [gradient(training, at, mode=mode).gradient for mode in ("forward", "reverse")]
        return both, _differences(training, at, at)

    (forward, reverse), slopes = all_three(at)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-9, 1e-12), forward, reverse)
    for name, (slope, ways) in slopes.items():
        found = sum((g * way).sum() for g, way in zip(jax.tree.leaves(reverse[name]), ways, strict=True))
        assert abs(slope) > 1e-6, name
        np.testing.assert_allclose(found, slope, 1e-6, 1e-9, err_msg=name)


def _bowl(rate, horizon=None, average=False, epochs=5):
    """Descent on (w - 1)²/2 at w = 0, one step an epoch, measured by w²/2: all in closed form."""
    model = (lambda key, x: {"w": jnp.zeros(1)}, lambda params, x: x @ params["w"])
    options = {"model": model, "loss": lambda out, y: (out - y) ** 2 / 2, "batch_size": 2, "epochs": epochs}
    data = (jnp.ones((2, 1)), jnp.ones(2), jnp.ones((2, 1)), jnp.zeros(2))
    training = Training(*data, seed=KEY, horizon=horizon, average=average, options=options)
    return gradient(training, {"learning_rate": rate}).gradient["learning_rate"]


def test_truncated_one_step_and_online_estimators_have_the_bias_of_their_closed_forms():
    rate, epochs = 0.2, 5
    keep = 1 - rate  # w after t steps is 1 - keep^t
    weight = [1 - keep**t for t in range(epochs + 1)]
    full = epochs * keep ** (epochs - 1)
    seen = {k: sum(keep ** (epochs - 1) for _ in range(k)) for k in (1, 2)}  # each step adds keep^j (1 - w_t)
    np.testing.assert_allclose(_bowl(rate), weight[-1] * full, 1e-12)
    for horizon, slope in seen.items():
        np.testing.assert_allclose(_bowl(rate, horizon), weight[-1] * slope, 1e-12)
    online = np.mean([weight[t + 1] * keep**t for t in range(epochs)])
    np.testing.assert_allclose(_bowl(rate, 1, average=True), online, 1e-12)


def test_segments_change_the_memory_of_a_reverse_pass_and_not_its_numbers():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(size=(64, 9)), rng.integers(0, 3, 64)
    options = MLP | {"hidden": (32,), "batch_size": 1, "epochs": 3}
    found = {}
    for segment in (None, 192):
        training = Training(x, y, *DATA[2:], seed=KEY, segment=segment, options=options)
        program = jax.jit(lambda rate, training=training: gradient(training, {"learning_rate": rate}, mode="reverse"))
        compiled = program.lower(jnp.asarray(0.1)).compile()
        found[segment] = (compiled(jnp.asarray(0.1)).gradient["learning_rate"], compiled.memory_analysis())
    np.testing.assert_allclose(found[None][0], found[192][0], 1e-12)
    assert found[None][1].temp_size_in_bytes < found[192][1].temp_size_in_bytes / 4
    assert (
        Training(x, y, *DATA[2:], seed=KEY, options=options).chosen_segment == 8
    )  # a divisor of the 64 of an epoch, near the root


def test_influences_through_training_are_those_of_differences_and_foretell_refits():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(60, 9)), rng.integers(0, 3, 60)
    training = Training(x, y, *DATA[2:], seed=KEY, options=MLP | {"epochs": 4, "batch_size": 10})
    found = jax.jit(lambda: influence(training))()
    weights = jnp.ones((2, 60)).at[:, 3].add(jnp.array([1e-5, -1e-5]))
    ends = jax.jit(lambda weights: jax.lax.map(lambda w: training({"sample_weight": w}), weights))(weights)
    np.testing.assert_allclose(found.influence[3], (ends[0] - ends[1]) / 2e-5, 1e-6)
    refits = jax.jit(lambda found: refit_without(training, np.arange(20), influence=found))(found.influence)
    assert refits.rank_correlation > 0.9
    assert 0.8 < refits.slope < 1.3


def test_a_model_of_several_inputs_is_differentiated_as_one_of_them_joined():
    def model(join):
        return (lambda key, x: {"w": jnp.full((9, 3), 0.1)}, lambda params, x: join(x) @ params["w"])

    cut = lambda x: {"left": x[:, :4], "rest": (x[:, 4:], x[:, :0])}  # noqa: E731
    join = lambda x: jnp.concatenate([x["left"], *x["rest"]], 1)  # noqa: E731
    (x, y, ahead, after), options = DATA, {"batch_size": 5, "epochs": 2, "learning_rate": 0.3}
    several = Training(cut(x), y, cut(ahead), after, seed=KEY, options=options | {"model": model(join)})
    one = Training(*DATA, seed=KEY, options=options | {"model": model(lambda x: x)})
    assert several.steps == one.steps == 4
    found = jax.jit(lambda: [influence(of).influence for of in (several, one)])()
    np.testing.assert_allclose(found[0], found[1], 1e-12)


@pytest.mark.parametrize("name", ["dropout", "input_dropout"])
def test_derivatives_in_rates_of_dropout_are_those_of_its_masks_and_say_so(name):
    training, step = of(), 2.0**-16  # rates come in steps of so much: at neighbouring ones the same units are kept
    loss = jax.jit(lambda rate: training({name: rate}))
    ends = [loss(0.3125 + steps * step) for steps in (2, 1, -1, -2)]
    slope = (8 * (ends[1] - ends[2]) - (ends[0] - ends[3])) / (12 * step)
    for mode in ("forward", "reverse"):
        found = gradient(training, {name: 0.3125}, mode=mode)
        assert Status(int(found.status)) == Status.HELD
        np.testing.assert_allclose(found.gradient[name], slope, 1e-6)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ({"epochs": 2.0}, "Differentiable are learning_rate, momentum"),
        ({"batch_size": 2.0}, "Differentiable are"),
        ({"learing_rate": 0.1}, "Differentiable are"),
        ({"learning_rate": 1}, "must be a float: integers"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"augmentation": Augmentation(flip=0.5)}, "acts by jumps"),
        ({"learning_rate": np.ones(2)}, r"learning_rate = \(2,\): must be one number"),
        ({"initial_scale": np.ones(2)}, "initial_scale"),
        ({"schedule": np.ones(3)}, "one factor for each of the 2 epochs or 8 steps"),
        ({}, "at least one"),
    ],
)
def test_what_has_no_derivative_is_refused_by_name(at, words):
    with pytest.raises(ArgumentError, match=words):
        gradient(of(), at)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stopping": EarlyStopping("validation_loss")}, "jumps from epoch to epoch"),
        ({"objective": "validation_accuracy"}, "a derivative other than 0"),
        ({"record": ("validation_loss",)}, "set by Training itself"),
        ({"horizon": 0}, "horizon"),
        ({"segment": 9}, "segment"),
    ],
)
def test_trainings_without_a_derivative_are_refused(options, words):
    with pytest.raises(ArgumentError, match=words):
        of(**options)


def test_crossed_bounds_and_starts_outside_are_refused_and_edges_said():
    square = lambda h: h["a"] ** 2  # noqa: E731
    for bounds, words in (((2.0, 1.0), "cross"), ((0.0, 1.0), "log"), ((0.5, 1.0), "within its bounds")):
        with pytest.raises(ArgumentError, match=words):
            gradient(square, {"a": 2.0}, transforms={"a": "log"}, bounds={"a": bounds})
    found = gradient(square, {"a": 2.0}, bounds={"a": (1.0, 2.0)})
    assert Status(int(found.status)) == Status.AT_BOUND
    assert found.gradient["a"] == 4


def test_penalties_of_other_kinds_can_be_hyperparameters():
    assert of().read({"penalties": {"hidden_*": L1(0.1)}}).terms[0].penalty.alpha == 0.1
