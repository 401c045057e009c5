"""Any model, loss, optimizer and weights of the user's through the same training as the built-in ones."""

import functools
import pickle

import flax.linen as linen
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optax
import pytest
import xarray as xr
from flax import nnx

import jaxreg as jr
from jaxreg import losses
from jaxreg.errors import ArgumentError, JaxregError
from jaxreg.nets import MLP, Augmentation, EarlyStopping, train
from tests.marks import slow

_RANDOM = np.random.default_rng(0)
_N, _M, _CLASSES = 24, 10, 3
_X, _V = (jnp.asarray(_RANDOM.normal(size=(n, 6)).astype(np.float32)) for n in (_N, _M))
_Y, _W = (jnp.asarray(_RANDOM.integers(0, _CLASSES, n)) for n in (_N, _M))
_KEY = jax.random.key(1)
_MLP = MLP((5,), _CLASSES)
_PAIR = (lambda key, x: _MLP.init(key, x), lambda params, x: _MLP.apply(params, x))


def _train(x=_X, y=_Y, v=_V, w=_W, **settings):
    known = {"seed": _KEY, "learning_rate": 0.3, "model": _PAIR, "batch_size": 8, "epochs": 2}
    return train(x, y, v, w, **(known | settings))


def _same(run, other, rtol=2e-6):
    assert set(run) == set(other)
    for name, value in run.items():
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=rtol, atol=1e-6), value, other[name])


class Wrapped(linen.Module):
    """The built-in network as somebody's module."""

    @linen.compact
    def __call__(self, x):
        """Logits."""
        return MLP((5,), _CLASSES, name="inner")(x)


class Convolution(linen.Module):
    """Images, with all that a module may keep and draw."""

    rate: float = 0.5

    @linen.compact
    def __call__(self, x, train: bool):
        """Logits."""
        x = linen.relu(linen.Conv(4, (3, 3))(x))
        x = linen.BatchNorm(use_running_average=not train, momentum=0.5)(x)
        x = linen.Dropout(self.rate, deterministic=not train)(x.reshape(x.shape[0], -1))
        return linen.Dense(_CLASSES)(x)


class Normalized(nnx.Module):
    """A residual block of NNX."""

    def __init__(self, width=6, *, rngs):
        """Make it."""
        self.block = nnx.List([nnx.Linear(width, width, rngs=rngs) for _ in range(2)])
        self.norm = nnx.BatchNorm(width, momentum=0.5, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.out = nnx.Linear(width, _CLASSES, rngs=rngs)

    def __call__(self, x):
        """Logits."""
        for layer in self.block:
            x = x + nnx.relu(layer(self.norm(x)))
        return self.out(self.dropout(x))


@pytest.mark.parametrize(
    "settings", [{}, slow({"l2": 0.1, "proximal_l1": 1e-3}), slow({"optimizer": "adam", "evaluate_every": 2})]
)
def test_a_pair_of_functions_trains_as_the_built_in_network(settings):
    own = {"hidden": (5,), "classes": _CLASSES, "model": None}
    _same(_train(**settings), _train(**settings, **own))


def test_a_module_trains_as_what_it_wraps():
    seeds = {"seed": None, "init_seed": _KEY, "order_seed": _KEY, "dropout_seed": _KEY}
    wrapped = _train(model=Wrapped(), return_params=True, **seeds)
    start = jr.randomness.split(_KEY, "init")["init"]
    inner = {"params": Wrapped().init({"params": start, "dropout": start}, _X[:1])["params"]["inner"]}
    alone = _train(model=(lambda key, x: inner, _PAIR[1]), return_params=True, **seeds)
    np.testing.assert_allclose(wrapped["test_loss"], alone["test_loss"], rtol=2e-6)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-5),
        wrapped["params"]["params"]["inner"],
        alone["params"]["params"],
    )


def test_running_means_are_carried_and_used():
    """One full batch an epoch: after two, the mean is the old one, a quarter, and the two batch means."""
    images = _RANDOM.normal(size=(_N, 4, 4, 1)).astype(np.float32)
    model = Convolution(rate=0.0)
    run = train(images, _Y, seed=_KEY, learning_rate=0.0, model=model, batch_size=_N, epochs=2, return_params=True)
    variables = run["params"]
    first = linen.Conv(4, (3, 3)).apply({"params": variables["params"]["Conv_0"]}, images)
    mean = np.asarray(linen.relu(first)).mean((0, 1, 2))
    np.testing.assert_allclose(variables["batch_stats"]["BatchNorm_0"]["mean"], 0.75 * mean, rtol=1e-4)
    logits = model.apply(variables, images, train=False)
    expected = losses.softmax_cross_entropy(logits, _Y).mean()
    np.testing.assert_allclose(run["train_loss"][-1], expected, rtol=1e-5)


@pytest.mark.slow
def test_a_module_of_nnx_keeps_its_state_and_draws_by_its_seed():
    settings = {"model": Normalized, "epochs": 3, "learning_rate": 0.01}
    run, again = _train(**settings), _train(**settings)
    _same(run, again, rtol=0)
    other = _train(**settings, seed=None, init_seed=_KEY, order_seed=_KEY, dropout_seed=jax.random.key(5))
    assert run["test_loss"][0] != other["test_loss"][0]
    np.testing.assert_allclose(run["test_loss"][0], other["test_loss"][0], rtol=0.5)
    assert run["weight_norm"].shape == (3, 3)
    module = Normalized(rngs=nnx.Rngs(0))
    held = _train(**settings | {"model": module, "learning_rate": 0.0, "return_params": True})["params"]
    np.testing.assert_array_equal(held["out"]["kernel"], module.out.kernel[...])


def test_a_module_that_exists_draws_by_the_seed_and_gives_back_its_means():
    module = Normalized(rngs=nnx.Rngs(0))
    seeds = {"init_seed": _KEY, "order_seed": _KEY, "return_params": True, "learning_rate": 0.1}
    first, second = (_train(model=module, seed=jax.random.key(draw), **seeds) for draw in (0, 1))
    assert first["test_loss"][0] != second["test_loss"][0]
    assert np.abs(first["params"]["norm"]["mean"]).max() > 0


class Quiet(nnx.Module):
    """One that is told by an argument whether it trains."""

    def __init__(self, *, rngs):
        """Make it."""
        self.out = nnx.Linear(6, _CLASSES, rngs=rngs)

    def __call__(self, x, *, deterministic=False):
        """Logits, and nonsense in training."""
        return self.out(x) * (1.0 if deterministic else 0.0)


def test_a_module_that_is_told_whether_it_trains_is_told():
    run = _train(model=Quiet, learning_rate=0.0)
    assert abs(run["train_loss"][0] - np.log(_CLASSES)) > 1e-3  # of the logits, which are 0 in training only


@pytest.mark.slow
def test_a_population_of_modules_is_its_members():
    images = _RANDOM.normal(size=(_N, 4, 4, 1)).astype(np.float32)
    run = functools.partial(train, model=Convolution(), batch_size=8, epochs=2, record=("train_loss",))
    result = jr.sweep(
        run, {"seed": jr.seeds(2), "learning_rate": [0.01, 0.1], "l2": [0.0, 1e-2]}, args=(images, _Y), progress=False
    )
    assert result["train_loss"].dims == ("seed", "learning_rate", "l2", "epoch")
    assert set(result.data_vars) == {"train_loss", "diverged"}
    alone = run(images, _Y, seed=jr.seeds(2).key(1), learning_rate=0.1, l2=1e-2)["train_loss"]
    np.testing.assert_allclose(result["train_loss"][1, 1, 1], alone, rtol=1e-4)


def test_images_and_colour_are_augmented_as_planes():
    """One channel: as rows. Three: each moves like the others."""
    augment = jax.jit(jr.nets.augment)
    change = Augmentation(shift=1.0, rotation=10.0, erasing=0.5)
    images = jax.random.uniform(_KEY, (5, 6, 4, 3))
    grey = augment(_KEY, images[..., 1], change)
    rows = augment(_KEY, images[..., 1].reshape(5, -1), Augmentation(**_fields(change), shape=(6, 4)))
    np.testing.assert_array_equal(grey.reshape(5, -1), rows)
    np.testing.assert_allclose(augment(_KEY, images, change)[..., 1], grey, atol=1e-6)
    noisy = augment(_KEY, images, Augmentation(noise=1.0)) - images
    assert abs(np.corrcoef(noisy[..., 0].ravel(), noisy[..., 1].ravel())[0, 1]) < 0.5
    with pytest.raises(ArgumentError, match="must be"):
        jr.nets.augment(_KEY, images, Augmentation(shift=1.0, shape=(4, 6)))


def _fields(change):
    return {name: getattr(change, name) for name in ("shift", "rotation", "erasing")}


class Counting(linen.Module):
    """One whose running means are those of the last batch, unless they are frozen, with its flags as attributes."""

    deterministic: bool | None = None
    frozen: bool = False

    @linen.compact
    def __call__(self, x):
        """Logits."""
        x = linen.Dropout(0.5, deterministic=self.deterministic)(x)
        held = self.frozen or self.deterministic
        return linen.Dense(_CLASSES)(linen.BatchNorm(use_running_average=held, momentum=0.0)(x))


def test_statistics_of_a_short_last_batch_are_those_of_its_examples():
    """Five examples in batches of four: the last batch is one of them, and drawn noise does not change that."""
    still = {"learning_rate": 0.0, "batch_size": 4, "epochs": 1, "return_params": True, "record_steps": 1}
    run = _train(_X[:5], _Y[:5], None, None, model=Normal(), input_noise=0.0, **still)
    mean = run["params"]["batch_stats"]["BatchNorm_0"]["mean"]
    assert np.abs(_X[:5] - mean[None]).max(1).min() < 1e-6
    assert run["step_loss"].shape == (2,)
    assert np.isfinite(run["step_loss"]).all()


class Normal(linen.Module):
    """Nothing but statistics of a batch."""

    @linen.compact
    def __call__(self, x, *, use_running_average=False):
        """Logits."""
        return linen.Dense(_CLASSES)(linen.BatchNorm(use_running_average=use_running_average, momentum=0.0)(x))


@pytest.mark.slow
def test_flags_that_are_attributes_are_set_and_what_is_frozen_stays():
    still = {"learning_rate": 0.0, "epochs": 1, "return_params": True}
    told, frozen = (_train(model=Counting(True, held), **still) for held in (False, True))
    means = [run["params"]["batch_stats"]["BatchNorm_0"]["mean"] for run in (told, frozen)]
    assert np.abs(means[0]).max() > 0
    np.testing.assert_array_equal(means[1], 0)

    def make(rngs):
        module = Normalized(rngs=rngs)
        module.norm.use_running_average = True
        return module

    np.testing.assert_array_equal(_train(model=make, **still)["params"]["norm"]["mean"], 0)


# --- Losses, targets, metrics -----------------------------------------------------------------------------------------

_LINE = (lambda key, x: {"w": jnp.zeros((x.shape[1], 1)), "b": jnp.zeros(1)}, lambda p, x: x @ p["w"] + p["b"][None])


def test_regression_reaches_least_squares():
    target = (np.asarray(_X) @ np.arange(1, 7) + 2).astype(np.float32)
    run = train(
        _X,
        target,
        seed=_KEY,
        learning_rate=0.1,
        model=_LINE,
        loss="squared",
        metrics=("absolute",),
        batch_size=_N,
        epochs=400,
        return_params=True,
    )
    np.testing.assert_allclose(run["params"]["w"][:, 0], np.arange(1, 7), atol=1e-3)
    np.testing.assert_allclose(run["params"]["b"], [2.0], atol=1e-3)
    assert run["train_absolute"][-1] < 1e-2
    assert "train_accuracy" not in run


@pytest.mark.parametrize("loss", ["absolute", "huber", "squared", lambda out, y: abs(out[:, 0] - y)])
def test_losses_of_numbers_are_those_of_the_package(loss):
    target = jnp.asarray(_RANDOM.normal(size=_N).astype(np.float32))
    run = train(
        _X, target, seed=_KEY, learning_rate=0.0, loss=loss, epochs=1, batch_size=8, hidden=(4,), return_params=True
    )
    outputs = MLP((4,), 1).apply(run["params"], _X)[:, 0]
    function = getattr(losses, loss) if isinstance(loss, str) else losses.absolute
    np.testing.assert_allclose(run["train_loss"][0], function(outputs, target).mean(), rtol=1e-5)


def _joined(x):
    return jnp.concatenate(jax.tree.leaves(x), -1)


class Joining(linen.Module):
    """A module of one input or several."""

    @linen.compact
    def __call__(self, x):
        """Logits."""
        return linen.Dense(_CLASSES)(_joined(x))


class JoiningOfNnx(nnx.Module):
    """The same of NNX."""

    def __init__(self, *, rngs):
        """Make it."""
        self.out = nnx.Linear(6, _CLASSES, rngs=rngs)

    def __call__(self, x):
        """Logits."""
        return self.out(_joined(x))


_JOINED_PAIR = (lambda key, x: _MLP.init(key, _joined(x)), lambda params, x: _MLP.apply(params, _joined(x)))
_SPLITS = {
    "by name": lambda x: {"high": x[:, :2], "low": x[:, 2:]},
    "by place": lambda x: (x[:, :1], x[:, 1:]),
    "nested": lambda x: (x[:, :1], {"a": x[:, 1:2], "b": (x[:, 2:3], x[:, 3:])}),
}


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (_JOINED_PAIR, "by name"),
        (Joining(), "by place"),
        (JoiningOfNnx, "nested"),
        slow(_JOINED_PAIR, "nested"),
        slow(Joining(), "by name"),
        slow(JoiningOfNnx, "by place"),
    ],
)
def test_several_inputs_train_as_the_array_that_they_are_parts_of(model, kind):
    settings = {"model": model, "batch_size": 7, "epochs": 1}
    _same(_train(_SPLITS[kind](_X), v=_SPLITS[kind](_V), **settings), _train(**settings))


_INPUTS_REFUSED = {
    "none": ({}, {}, {}, "x_train = []: must hold arrays by name"),
    "others": ({"a": _X}, {"b": _V}, {}, "x_test = ['b']: must hold the inputs of x_train, ['a']"),
    "an array": ({"a": _X}, _V, {}, "x_test = 'one array'"),
    "lengths": ({"a": _X, "b": _X[:3]}, {"a": _V, "b": _V}, {}, "y_train"),
    "noise": ({"a": _X}, {"a": _V}, {"input_noise": 0.1}, "input_noise = 0.1: is for one input, and there are a"),
    "rows": ({"a": _X}, {"a": _V}, {"model": None}, "must be floating-point numbers of shape (examples, features)"),
    "a name for a place": ((_X, _X), {"a": _V}, {}, "x_test = ['a']: must hold the inputs of x_train, [0, 1]"),
    "fewer": ((_X, _X), (_V,), {}, "x_test = [0]: must hold the inputs of x_train, [0, 1]"),
    "another shape": ((_X, _X), (_V, _V[:, :3]), {}, "x_test[1] = 'float32[10, 3]': must have the 6 features"),
    "another shape within": (({"a": (_X,)},), ({"a": (_V[:, :3],)},), {}, "x_test[0]['a'][0] = 'float32[10, 3]'"),
    "lengths of a tuple": ((_X, _X[:3]), (_V, _V), {}, "must be one target for each of the 3 examples of x_train[1]"),
    "what augments": ((_X, _X), (_V, _V), {"input_dropout": 0.1}, "is for one input, and there are 0, 1"),
    "a model of two arguments": (
        (_X, _X),
        (_V, _V),
        {"model": (_PAIR[0], lambda p, x, other: x)},
        "Let it take one argument that holds all of 0, 1",
    ),
    "other names": ({"a": _X}, {"a": _V}, {"model": (_PAIR[0], lambda p, x: x["b"])}, "a: float32[batch, 6]"),
}


@pytest.mark.parametrize(("x", "v", "settings", "message"), _INPUTS_REFUSED.values(), ids=_INPUTS_REFUSED)
def test_several_inputs_are_refused(x, v, settings, message):
    with pytest.raises(ArgumentError) as refusal:
        _train(x, v=v, **({"model": (_PAIR[0], lambda p, x: x["a"] @ p)} | settings))
    assert message in str(refusal.value)


def test_penalties_on_paths_can_be_the_values_of_an_axis():
    arms = {"none": {"penalties": ()}, "first": {"penalties": {"hidden_0/weight": jr.penalties.L2(0.1)}}}
    result = jr.sweep(
        functools.partial(train, model=_PAIR, batch_size=8, epochs=1, learning_rate=0.1),
        {"seed": jr.seeds(1), "arm": jr.cases(arms)},
        args=(_X, _Y),
        progress=False,
    )
    alone = _train(
        v=None, w=None, epochs=1, learning_rate=0.1, seed=jr.seeds(1).key(0), penalties=arms["first"]["penalties"]
    )
    np.testing.assert_allclose(result["penalty"].sel(arm="first")[0], alone["penalty"], rtol=1e-5)
    assert (result["penalty"].sel(arm="none") == 0).all()


def test_several_outputs_and_a_loss_of_them():
    """The mean and the spread of a normal distribution, whose likelihood is that of the package."""

    def apply(params, x):
        return {"mean": x @ params["w"], "log": jnp.broadcast_to(params["s"], x.shape[:1])}

    def loss(outputs, y):
        return 0.5 * ((y - outputs["mean"]) / jnp.exp(outputs["log"])) ** 2 + outputs["log"]

    model = (lambda key, x: {"w": jnp.zeros(6), "s": jnp.ones(())}, apply)
    target = np.asarray(_X)[:, 0]
    settings = {"model": model, "seed": _KEY, "learning_rate": 0.1, "batch_size": 8, "epochs": 2}
    run = train(_X, target, loss=loss, metrics={"error": lambda out, y: abs(out["mean"] - y)}, **settings)
    assert run["train_loss"][1] < run["train_loss"][0]
    assert run["train_error"][1] < abs(target).mean()
    with pytest.raises(ArgumentError, match="is of one array of outputs"):
        train(_X, target, loss="squared", **settings)


def test_a_loss_of_all_pairs_is_refused():
    """Outputs in a column, targets in a row: their difference is a matrix."""
    settings = {"seed": _KEY, "learning_rate": 0.1, "model": _LINE, "batch_size": 8}
    refused = pytest.raises(ArgumentError, match="must return a float for each of the examples")
    with jax.numpy_rank_promotion("allow"), refused:
        train(_X, _X[:, 0], loss=lambda out, y: (out - y) ** 2, **settings)


def test_quantiles_are_the_optimum_of_their_loss():
    target = np.arange(1.0, 10.0, dtype=np.float32)
    constant = (lambda key, x: {"q": jnp.zeros(1)}, lambda p, x: jnp.broadcast_to(p["q"], x.shape[:1]))
    run = train(
        target[:, None],
        target,
        seed=_KEY,
        learning_rate=0.05,
        model=constant,
        loss=functools.partial(losses.quantile, level=0.75),
        batch_size=9,
        epochs=600,
        return_params=True,
    )
    np.testing.assert_allclose(run["params"]["q"], 7.0, atol=0.1)


def test_several_labels_at_once():
    target = np.stack([_X[:, 0] > 0, _X[:, 1] > 0], 1)
    settings = {"loss": "binary_cross_entropy", "hidden": (), "epochs": 80, "batch_size": 8}
    run = train(_X, target, seed=_KEY, learning_rate=1.0, **settings)
    assert run["train_accuracy"][-1] == 1
    with pytest.raises(ArgumentError, match=r"y_train\[0, 0\] = [23]"):
        train(_X, target + 2.0, seed=_KEY, learning_rate=1.0, **settings)


@pytest.mark.parametrize("smoothing", [slow(None), 0.1])
def test_one_hot_rows_train_as_labels(smoothing):
    rows = np.eye(_CLASSES, dtype=np.float32)
    _same(_train(label_smoothing=smoothing), _train(y=rows[_Y], w=rows[_W], label_smoothing=smoothing))


def test_a_label_for_each_place_of_a_sequence():
    """Tokens: the network may copy what it is given."""
    tokens = _RANDOM.integers(0, 5, (_N, 7))
    model = (lambda key, x: {"table": 0.1 * jax.random.normal(key, (5, 5))}, lambda p, x: p["table"][x])
    run = train(tokens, tokens, seed=_KEY, learning_rate=2.0, model=model, batch_size=8, epochs=30)
    assert run["train_accuracy"][-1] == 1
    assert run["train_loss"][0] > run["train_loss"][-1]


def test_weights_of_examples_are_repetitions_of_them():
    weights = np.arange(_N) % 3
    repeated = np.repeat(np.arange(_N), weights)
    whole = {"epochs": 3, "record": ("test_loss", "test_accuracy")}
    _same(
        _train(sample_weight=weights, batch_size=_N, **whole),
        _train(x=_X[repeated], y=_Y[repeated], batch_size=len(repeated), **whole),
        rtol=1e-5,
    )
    _same(_train(class_weight={1: 0.5}), _train(sample_weight=np.where(_Y == 1, 0.5, 1.0)))


@pytest.mark.slow
def test_weights_of_classes_in_rows_and_of_two_classes_are_those_of_their_examples():
    rows = np.eye(_CLASSES, dtype=np.float32)
    halved = _train(class_weight=[1.0, 0.5, 1.0], y=rows[_Y], w=rows[_W])
    _same(halved, _train(sample_weight=np.where(_Y == 1, 0.5, 1.0)))
    binary = functools.partial(_train, loss="binary_cross_entropy", model=_LINE, y=_Y > 0, w=_W > 0)
    _same(binary(class_weight={0: 0.25}), binary(sample_weight=np.where(_Y > 0, 1.0, 0.25)))


def test_metrics_of_the_users_own_and_records_that_are_asked_for():
    metrics = {"top": lambda out, y: jax.nn.softmax(out).max(-1), "accuracy": "accuracy"}
    run = _train(metrics=metrics, record=("test_top", "test_accuracy", "penalty"))
    assert set(run) == {"test_top", "test_accuracy", "penalty"}
    assert 1 / _CLASSES <= run["test_top"][-1] <= 1
    assert run.dims["test_top"] == ("epoch",)
    stopped = _train(stopping=EarlyStopping("test_loss", patience=0), record=("test_accuracy",))
    assert set(stopped) == {"test_accuracy", "stopped_epoch", "best_epoch"}


def test_steps_are_recorded():
    run = _train(record_steps=2, epochs=4, learning_rate=0.0, batch_size=_N)
    assert run["step_loss"].shape == (2,)
    np.testing.assert_allclose(run["step_loss"], run["train_loss"][1::2], rtol=1e-5)
    gradient = jax.grad(lambda p: losses.softmax_cross_entropy(_PAIR[1](p, _X), _Y).mean())
    start = _PAIR[0](jr.randomness.split(_KEY, "init")["init"], _X[:1])
    np.testing.assert_allclose(run["step_gradient_norm"], optax.tree.norm(gradient(start)), rtol=1e-5)


# --- Optimizers -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_transformations_of_optax_are_those_by_name():
    _same(_train(optimizer=optax.sgd(0.3), learning_rate=None), _train(), rtol=1e-5)
    _same(_train(optimizer=lambda learning_rate: optax.adam(learning_rate)), _train(optimizer="adam"), rtol=1e-4)
    scheduled = _train(schedule="cosine", epochs=3)

    def make(learning_rate, /, scale=1.0):
        return optax.sgd((0.25 * learning_rate + learning_rate / 4) ** scale * 2)

    for optimizer in (optax.sgd, make):
        _same(_train(optimizer=optimizer, schedule="cosine", epochs=3), scheduled, rtol=1e-5)


def test_objects_with_the_two_functions_of_an_optimizer():
    settings = {"learning_rate": None, "record": ("test_loss",)}
    _same(_train(optimizer=optax.MultiSteps(optax.sgd(0.3), 1), **settings), _train(record=("test_loss",)), rtol=1e-5)
    adversary = optax.chain(optax.contrib.normalize(), optax.sgd(0.05))
    sharp = optax.contrib.sam(optax.sgd(0.3), adversary, sync_period=2, opaque_mode=True)
    run = _train(optimizer=sharp, epochs=8, **settings)
    assert run["test_loss"].shape == (8,)
    assert np.isfinite(run["test_loss"]).all()


def test_layouts_paths_and_copies():
    """Penalties go by the units of the built-in network; `params` may be a name; a history's copy names dimensions."""
    own = {"hidden": (5,), "classes": _CLASSES, "model": None}
    _same(_train(**own, penalties=jr.penalties.MaxNorm(0.5)), _train(**own, max_norm=0.5))
    pair = (
        lambda key, x: {"params": jnp.zeros((6, 3)), "w": jnp.ones((3,))},
        lambda p, x, key, train, /: x @ p["params"] + p["w"][None],
    )

    def ends(path, leaf, end="params"):
        return path.endswith(end) and leaf.ndim

    run = _train(model=pair, penalties=jr.nets.On(jr.penalties.L2(1.0), ends), epochs=1, learning_rate=0.0)
    assert run["penalty"][-1] == 0
    assert run.copy().dims == pickle.loads(pickle.dumps(run)).dims == ({} | run).dims == run.dims


def test_every_number_of_an_optimizer_can_be_swept():
    def make(learning_rate, clip, b1):
        return optax.chain(optax.clip_by_global_norm(clip), optax.adam(learning_rate, b1=b1))

    run = functools.partial(train, model=_PAIR, optimizer=make, batch_size=8, epochs=2)
    axes = {"learning_rate": [0.1], "clip": [0.01, 10.0], "b1": [0.0, 0.9]}
    result = jr.sweep(run, axes | {"seed": jr.seeds(1)}, args=(_X, _Y), progress=False)
    assert isinstance(result, xr.Dataset)
    alone = _train(
        optimizer=optax.chain(optax.clip_by_global_norm(0.01), optax.adam(0.1, b1=0.9)),
        learning_rate=None,
        seed=jr.seeds(1).key(0),
    )
    np.testing.assert_allclose(result["train_loss"].sel(clip=0.01, b1=0.9)[0, 0], alone["train_loss"], rtol=1e-5)
    assert len(np.unique(result["train_loss"])) == 8


@pytest.mark.parametrize("optimizer", [optax.polyak_sgd(max_learning_rate=0.5), slow(optax.lbfgs())])
def test_an_optimizer_that_looks_at_the_loss(optimizer):
    run = _train(optimizer=optimizer, learning_rate=None, epochs=10, batch_size=_N)
    assert run["train_loss"][-1] < run["train_loss"][0]


@pytest.mark.slow
def test_what_an_optimizer_asks_for_is_its_own():
    _same(_train(optimizer=optax.sgd, momentum=0.5), _train(optimizer="momentum", momentum=0.5), rtol=1e-5)
    decayed = _train(optimizer=optax.adamw, weight_decay=0.1)
    _same(decayed, _train(optimizer=optax.adamw(0.3, weight_decay=0.1), learning_rate=None), rtol=1e-5)


def test_double_precision_stays():
    with jax.enable_x64(True):
        run = _train(x=np.asarray(_X, float), v=np.asarray(_V, float))
    assert run["test_loss"].dtype == np.float64


class Attention(nnx.Module):
    """Attention that is not told whether it is trained."""

    def __init__(self, *, rngs):
        """Make it."""
        self.attention = nnx.MultiHeadAttention(2, 6, decode=False, dropout_rate=0.5, rngs=rngs)
        self.out = nnx.Linear(6, _CLASSES, rngs=rngs)

    def __call__(self, x):
        """Logits."""
        return self.out(self.attention(x[:, None])[:, 0])


def test_attention_that_was_not_told_is_trained():
    jax.eval_shape(lambda: dict(_train(model=Attention)))


_HALF = (
    lambda key, x: {"w": jax.random.normal(key, (6, 3)).astype(jnp.bfloat16)},
    lambda p, x: x.astype(jnp.bfloat16) @ p["w"],
)


def test_parameters_of_half_precision():
    """They stay so beside numbers in float32; sums over examples and weights are not of 8 bits."""
    strengths = {"l1": 0.1, "proximal_l1": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": 0.1, "max_norm": 1.0}
    for optimizer, rate in (("momentum", 0.1), ("adam", 0.1), (optax.adam(0.1), None)):
        own = {} if rate else {"l2": 0.1}
        settings = {"optimizer": optimizer, "learning_rate": rate, "gradient_noise": 0.1, "return_params": True}
        run = jax.eval_shape(lambda s=settings | (own or strengths): dict(_train(model=_HALF, **s)))
        assert run["params"]["w"].dtype == jnp.bfloat16
    x, y = np.ones((999, 6), np.float32), np.zeros(999, int)
    model = (lambda key, x: {"w": jnp.eye(6, 3, dtype=jnp.bfloat16)}, _HALF[1])
    settings = {"seed": jax.random.key(0), "learning_rate": 0.0, "batch_size": 999, "epochs": 1, "l2": 1.0}
    run = jr.nets.train(x, y, model=model, **settings)
    assert run["train_loss"].dtype == jnp.float32
    np.testing.assert_allclose(run["train_loss"], np.log(3), rtol=1e-6)
    np.testing.assert_allclose([run["train_accuracy"], run["penalty"]], [[1.0], [1.5]])


# --- Refusals ---------------------------------------------------------------------------------------------------------


class Wanting(nnx.Module):
    """A module that cannot be made of random streams alone."""

    def __init__(self, width, *, rngs):
        """Make it."""
        self.out = nnx.Linear(width, _CLASSES, rngs=rngs)


class Drawing(linen.Module):
    """A module that is not told that it is evaluated."""

    @linen.compact
    def __call__(self, x):
        """Logits."""
        return linen.Dense(_CLASSES)(linen.Dropout(0.5, deterministic=False)(x))


_GROWS = optax.GradientTransformation(lambda p: jnp.zeros(1), lambda g, s, p=None: (g, jnp.concatenate([s, s])))


_REFUSED = {
    "no model": ({"model": 3}, "model = 3: must be something that trains"),
    "a module for other inputs": ({"model": Convolution()}, "must take inputs float32[batch, 6]"),
    "outputs for other examples": ({"model": (_PAIR[0], lambda p, x: x[:2])}, "for each of the 8 examples of a batch"),
    "outputs that are no floats": ({"model": (_PAIR[0], lambda p, x: (x > 0).astype(int))}, "floating-point numbers"),
    "the class of a module": ({"model": Convolution}, "Give Convolution(), an instance"),
    "an optimizer with other parameters": (
        {"optimizer": lambda learning_rate: optax.lookahead(optax.sgd(learning_rate), 5, 0.5)},
        "must take the parameters and a gradient like them (AttributeError",
    ),
    "no parameters": ({"model": (lambda key, x: {}, lambda p, x: x)}, "must have parameters"),
    "integers as parameters": (
        {"model": (lambda key, x: {"w": jnp.ones((6, 3)), "n": jnp.ones(2, int)}, lambda p, x: x @ p["w"])},
        "floating-point parameters, and n is int",
    ),
    "not finite at first": (
        {"model": (lambda key, x: {"w": jnp.full((6, 3), jnp.nan)}, lambda p, x: x @ p["w"])},
        "must be finite for x_train[0] before it is trained",
    ),
    "not finite in training": (
        {"model": (_PAIR[0], lambda p, x, train: _PAIR[1](p, x) * (jnp.nan if train else 1.0))},
        "must be finite in training before it is trained",
    ),
    "a module that needs more": ({"model": Wanting}, "needs width beside rngs. Give functools.partial(..., width=...)"),
    "a module that draws in evaluation": ({"model": Drawing()}, "must neither draw nor change in evaluation"),
    "units along two axes": (
        {
            "model": linen.MultiHeadDotProductAttention(num_heads=2),
            "x": _X[:, None],
            "v": _V[:, None],
            "max_norm": 1.0,
            "loss": lambda out, y: out.sum((1, 2)),
        },
        "those of key/kernel (6, 2, 3) lie along two",
    ),
    "a slip beside an optimizer that takes all": (
        {"optimizer": lambda learning_rate, **more: optax.sgd(learning_rate), "epoch": 3},
        "epoch = 3: is not an option of train. Write epochs",
    ),
    "what an optimizer does not take": (
        {"optimizer": lambda learning_rate, **more: optax.sgd(learning_rate, **more), "beta": 0.5},
        "optimizer = ",
    ),
    "a schedule in a function of its own": (
        {"optimizer": lambda learning_rate: optax.sgd(jnp.sqrt(learning_rate)), "schedule": "cosine"},
        "with a schedule, learning_rate is a function of the step",
    ),
    "weights of classes for several labels": (
        {"loss": "binary_cross_entropy", "y": np.eye(3)[_Y], "w": np.eye(3)[_W], "class_weight": {0: 1.0}},
        "is for one class an example",
    ),
    "settings of another model": ({"dropout": 0.5}, "dropout = 0.5: is of the built-in MLP"),
    "a loss that is averaged": ({"loss": lambda out, y: out.mean()}, "must return a float for each of the examples"),
    "a loss that fails": ({"loss": lambda out, y: out.none}, "must take outputs and targets (AttributeError"),
    "a schedule that fails": ({"optimizer": "sgd", "schedule": lambda steps: steps.none}, "must make a schedule"),
    "a schedule of several": (
        {"optimizer": "sgd", "schedule": lambda steps: lambda step: jnp.ones(2)},
        "must make one factor of a step (shape (2,))",
    ),
    "updates that are broadcast": (
        {
            "optimizer": optax.stateless(lambda g, _: jax.tree.map(jnp.sum, g)),
            "learning_rate": None,
        },
        "must have the shape of the parameters, (5,)",
    ),
    "a mask that is none": ({"penalties": jr.nets.On(jr.penalties.L2(0.1), 3)}, "must be a mask of truth values"),
    "no rows": ({"x": 3.0}, "x_train = 'float32[]': must hold examples"),
    "a loss of other arguments": ({"loss": lambda out: out}, "must take outputs and targets"),
    "numbers for a loss of classes": ({"y": _X[:, 0], "w": _V[:, 0]}, "must be one integer label for each of the 24"),
    "rows that are no probabilities": ({"y": np.ones((_N, 3)), "w": np.ones((_M, 3))}, "must sum to 1"),
    "rows of NaN": ({"y": np.full((_N, 3), np.nan), "w": np.eye(3)[_W]}, "y_train[0] = [nan, nan, nan]: must be 0 or"),
    "rows below 0": ({"y": np.tile([2.0, -1.0, 0.0], (_N, 1)), "w": np.eye(3)[_W]}, "must be 0 or more, and must sum"),
    "numbers that are none": (
        {"loss": "squared", "y": np.full((_N, 3), np.inf), "w": np.ones((_M, 3))},
        "y_train[0, 0] = inf: must be finite",
    ),
    "noise on whole numbers": (
        {"x": np.ones((_N, 6), np.uint8), "v": np.ones((_M, 6), np.uint8), "input_noise": 0.1},
        "input_noise = 0.1: is for floating-point inputs, and x_train is uint8",
    ),
    "no kernel": (
        {"model": (lambda key, x: {"w": jnp.ones(6)}, lambda p, x: x * p["w"][None]), "l2": 0.1},
        "must have a kernel to act on",
    ),
    "no class that counts": ({"class_weight": [0, 0, 0]}, "must not leave all examples without weight"),
    "labels of one and rows of another": ({"w": np.eye(3)[_W]}, "y_test = 'float"),
    "targets of another width": ({"loss": "squared"}, "must have the shape of the outputs, (3,)"),
    "an option that there is not": ({"learning_rat": 0.1}, "is not an option of train. Write learning_rate"),
    "a number that the optimizer does not take": (
        {"optimizer": lambda learning_rate: optax.sgd(learning_rate), "clip": 1.0},
        "clip = 'given': is not taken by the optimizer, which takes learning_rate",
    ),
    "a number that the optimizer wants": (
        {"optimizer": lambda learning_rate, clip: optax.sgd(learning_rate)},
        "clip = None: is asked for by the optimizer",
    ),
    "two learning rates": ({"optimizer": optax.sgd(0.1)}, "is part of the optimizer already"),
    "a loss of pairs": ({"loss": lambda out, y: out @ out.T}, "must return a float for each of the examples"),
    "a loss that is broadcast to pairs": (
        {"loss": lambda out, y: ((out[:, :1] - y) ** 2).mean(-1)},
        "must be of each example alone, and makes a table of all pairs from (8, 3) and (8,)",
    ),
    "a metric that is broadcast to pairs": (
        {"metrics": {"error": lambda out, y: ((out[:, :1] - y) ** 2).mean(-1)}},
        "metrics['error'] = ",
    ),
    "a schedule beside a transformation": (
        {"optimizer": optax.sgd(0.1), "learning_rate": None, "schedule": "cosine"},
        "is for optimizers that take a learning rate",
    ),
    "outputs of two shapes": (
        {"model": (_PAIR[0], lambda p, x, train: _PAIR[1](p, x)[:, : 3 if train else 2])},
        "must return the same in training",
    ),
    "no learning rate": ({"learning_rate": None}, "learning_rate = None"),
    "momentum beside a transformation": (
        {"optimizer": optax.sgd(0.1), "learning_rate": None, "momentum": 0.9},
        "is for optimizers by name",
    ),
    "an optimizer that is none": ({"optimizer": 3}, "must be one of adagrad"),
    "what makes no optimizer": ({"optimizer": lambda learning_rate: 3}, "must make an Optax transformation"),
    "a state that grows": (
        {"optimizer": _GROWS, "learning_rate": None},
        "must keep the shapes and types of its state",
    ),
    "proximal steps without a size": (
        {"optimizer": optax.sgd(0.1), "learning_rate": None, "proximal_l1": 1e-3},
        "is the step of proximal penalties",
    ),
    "weights of others": ({"sample_weight": np.ones(3)}, "sample_weight"),
    "negative weights": ({"sample_weight": -np.ones(_N)}, "sample_weight[0] = -1.0"),
    "no weight at all": ({"sample_weight": np.zeros(_N)}, "must not be 0 for all"),
    "classes that there are not": ({"class_weight": {3: 1.0}}, "class_weight = 3"),
    "an unknown record": ({"record": ("test_acuracy",)}, "record = 'test_acuracy': must be one of"),
    "an unknown metric": ({"metrics": ("f1",)}, "metrics = 'f1'"),
    "more steps than there are": ({"record_steps": 100}, "record_steps = 100: must be an integer from 1 to 6"),
    "smoothing of numbers": ({"loss": "squared", "label_smoothing": 0.1}, "must be given for a loss of classes"),
}


@pytest.mark.parametrize(("settings", "message"), _REFUSED.values(), ids=_REFUSED)
def test_refused(settings, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users have it
    with jax.numpy_rank_promotion("allow"), pytest.raises(ArgumentError) as refusal:
        _train(**settings)
    assert message in str(refusal.value)


def test_a_model_that_is_nan_at_first_is_refused_in_a_sweep_too():
    hollow = (lambda key, x: {"w": jnp.full((6, 3), jnp.nan)}, lambda p, x: x @ p["w"])
    with pytest.raises(JaxregError, match="before it is trained"):
        jr.sweep(
            functools.partial(train, model=hollow, batch_size=8, epochs=1, learning_rate=0.1),
            {"seed": jr.seeds(2)},
            args=(_X, _Y),
            progress=False,
        )


@pytest.mark.slow
def test_refused_in_a_sweep_too():
    with pytest.raises(JaxregError, match="must take inputs"):
        jr.sweep(
            functools.partial(train, model=Convolution(), batch_size=8),
            {"seed": jr.seeds(2), "learning_rate": [0.1]},
            args=(_X, _Y),
        )
