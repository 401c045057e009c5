"""Training as one pure function: a scan over records, over epochs, and over the steps of each."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Key, PyTree, Shaped

from jaxreg import objectives, sampling
from jaxreg.nets import stopping as rules
from jaxreg.nets.boundary import take
from jaxreg.nets.evaluation import average
from jaxreg.nets.history import History
from jaxreg.nets.networks import widen
from jaxreg.nets.options import Options
from jaxreg.nets.perturbation import perturb_gradient, perturb_inputs
from jaxreg.nets.settings import Settings, find_kernels, read_settings
from jaxreg.penalties import Scalar

Examples = Shaped[Array | np.ndarray, "..."]
Inputs = Examples | Mapping[str, Any] | tuple[Any, ...]


def train(
    x_train: Inputs,
    y_train: Examples,
    x_test: Inputs | None = None,
    y_test: Examples | None = None,
    x_validation: Inputs | None = None,
    y_validation: Examples | None = None,
    *,
    seed: Key[Array, ""] | None = None,
    learning_rate: Scalar | None = None,
    model: Any = None,
    loss: str | Callable[..., Array] = "cross_entropy",
    optimizer: str
    | optax.GradientTransformation
    | optax.MultiSteps
    | Callable[..., optax.GradientTransformation] = "sgd",
    penalties: Any = (),
    batch_size: int = 32,
    epochs: int = 3,
    **options: Unpack[Options],
) -> History:
    r"""Train a model by steps $\theta \leftarrow \Pi(\theta - \eta_t\, d_t)$, $d_t$ made from $\nabla J_B(\theta)$.

    $J_B$ is the mean loss over the batch B, with whatever the model draws at random, plus the penalties; the optimizer
    makes $d_t$ from its gradient, and $\Pi$ is the proximal steps, then the projections, of those penalties that act by
    them. Every epoch passes once through all n examples in a new order. Numbers may be traced and swept. What decides
    about shapes or the program is static.

    Losses, penalty and norms may be differentiated in every traced number: the derivative is that of the run at hand,
    its orders, masks and normal numbers held fixed. In a dropout rate that is the path through $1/k$ alone; that other
    units are kept at another rate has no derivative in one run (see `nets.multiplier`). What comes in whole numbers,
    accuracies, `zero_fraction` and epochs, has the derivative 0, as it has between its jumps.

    Args:
        x_train: inputs of any shape, one example each: rows for the built-in model, images, sequences of integers; or a
            dict or tuple of several inputs, for a model that takes such a one.
        y_train: labels from 0 to classes - 1, one-hot rows or probabilities; for a loss that is not of classes,
            numbers: one or more for each example.
        x_test: inputs that are not trained on, or None.
        y_test: their targets.
        x_validation: inputs to stop or choose by, or None; `datasets.split` makes them.
        y_validation: their targets.
        seed: a typed PRNG key; its streams are "init", "order", "dropout", "augment" and "noise".
        learning_rate: $\eta \ge 0$; None only with an Optax transformation, which has its own.
        model: what is trained (static). None: an `MLP` made of the options `hidden`, `classes`, `activation` and
            `initializer`; or an `MLP`; a Flax module, linen or NNX, an NNX class or function that takes `rngs`; a pair
            of functions `init(key, x) -> params` and `apply(params, x, *, key, train) -> outputs`, of which `apply` may
            leave out `key` and `train`. Running means and all else that a module keeps are carried along.
        loss: of classes, from logits: `cross_entropy`, or `mean_squared_error` of the softmax, the mean over classes;
            of numbers: `squared`, `absolute`, `huber` or `binary_cross_entropy`, which is from logits and for several
            labels at once too; or a function (outputs, targets) with one value per example, such as those of
            `jaxreg.losses` (static); a model may return several outputs to it.
        optimizer: a key of `OPTIMIZERS`, see `optimizers.build`; an Optax transformation; or a function of numbers that
            makes one, such as `lambda learning_rate, clip: optax.chain(...)`, whose numbers are then options of `train`
            and may be swept (static). With a schedule, `learning_rate` comes to it as a function of the step.
        penalties: values of `jaxreg.penalties`, or your own, whose strengths may be traced: one, several, or a dict
            from paths to penalties, `{"hidden_*": L2(1e-3), "output/weight": L1(1e-4)}`; `nets.On` says where and how.
        batch_size: examples per step, from 1 (online) to n (full batch) (static).
        epochs: passes through the training data (static).
        **options: all else by name, see `nets.Options`: regularizers such as `l2` and `dropout`, augmentation,
            schedule, weights of examples and classes, early stopping, metrics and records, seeds of single streams.

    Returns:
        Records of shape (epochs / evaluate_every,), each taken at the end of an epoch with the model not training:
        for `train`, `validation` and `test` data where there are such, `..._loss`, always without penalty, smoothing
        and weights, and the metrics, by default `..._accuracy` for classes; `penalty`; `weight_norm` (records,
        kernels), the Euclidean norm of each kernel; `zero_fraction`, the share of their weights that are exactly 0.
        With `stopping`, `stopped_epoch` and `best_epoch`, counted from 1, 0 where there is none: after the former,
        parameters stay and records repeat. With `record_steps`, `step_loss` and `step_gradient_norm`, which after a
        stop are those of steps that are not taken. With `return_params`, `params` after the last epoch (and what else a
        linen module keeps), and with `stopping` also `best_params`, the initial ones where no epoch was the best. A
        sweep of `train` names their dimensions epoch, layer and step.

    Raises:
        ArgumentError: an argument is outside its domain, or does not fit another.

    >>> x, y = jnp.eye(4), jnp.arange(4) % 2
    >>> settings = {"hidden": (8,), "classes": 2, "batch_size": 2, "epochs": 50}
    >>> run = train(x, y, x, y, seed=jax.random.key(0), learning_rate=1.0, **settings)
    >>> run["test_accuracy"][-1], run["test_loss"].shape
    (Array(1., dtype=float32), (50,))
    """
    settings = read_settings(
        {"train": (x_train, y_train), "validation": (x_validation, y_validation), "test": (x_test, y_test)},
        seed=seed,
        learning_rate=learning_rate,
        model=model,
        loss=loss,
        optimizer=optimizer,
        penalties=penalties,
        batch_size=batch_size,
        epochs=epochs,
        options=options,
    )
    return follow(settings)


class Pass(NamedTuple):
    """One pass through the data, ready to be walked: what `step` is given first, and at each of its steps.

    `step` goes from parameters, the model's state, the optimizer's memory and `drawn`, what is random at the step, to
    the same, and to what is seen of it. `whole` holds the numbers of the steps and their batches, `last` those of a
    short last one that is a step of its own size, or None.
    """

    step: Callable[[PyTree, tuple[Array, sampling.Batches]], tuple[PyTree, PyTree]]
    drawn: PyTree
    whole: tuple[Array, sampling.Batches]
    last: tuple[Array, sampling.Batches] | None


Walk = Callable[[Callable[..., Any], PyTree, PyTree, Array], tuple[PyTree, PyTree]]


def scan_steps(step: Callable[..., Any], carry: PyTree, given: PyTree, first: Array) -> tuple[PyTree, PyTree]:
    """Steps one after the other, keeping for a derivative in reverse all that each has computed."""
    return jax.lax.scan(step, carry, given)


def prepare(of: Settings) -> Callable[[Array], Pass]:
    """From the number of an epoch to its pass through the data."""
    x, steps, numbers = of.sets["train"][0], of.steps, of.numbers
    # Labels of many places in each example are made to rows batch by batch: there may be much of them.
    ahead = of.sets["train"][1].ndim == 1 or of.aim.classes is None
    targets = of.aim.encode(of.sets["train"][1]) if ahead else of.sets["train"][1]
    in_loss = [term for term in of.terms if not term.proximal]
    after_step = [term for term in of.terms if term.proximal]

    def objective(
        params: PyTree, state: PyTree, x: Any, y: Array, weights: Array, drawn: PyTree
    ) -> tuple[Array, PyTree]:
        outputs, state = of.network.apply(params, state, x, drawn, True)
        data = objectives.average(of.aim.loss(outputs, y if ahead else of.aim.encode(y)), weights)
        values = [term.value(params) for term in in_loss]
        return (data + sum(values[1:], start=values[0]) if values else data), state

    def make(number: Array) -> Pass:
        keys = {name: jax.random.fold_in(key, number) for name, key in of.streams.items()}
        batches = sampling.shuffled_epoch(keys["order"], of.size, of.batch_size, drop_last=of.drop_last)
        draw_model = of.network.draw(keys)

        def draw(step: Any) -> tuple[PyTree, Array | None]:
            """What the model draws at a step, and its inputs where they are changed at random."""
            drawn = draw_model(step)
            if not of.changes_inputs:
                return drawn, None
            index = batches.index[jnp.minimum(step, steps - 1)]
            options = {"noise": numbers.input_noise, "dropout": numbers.input_dropout}
            return drawn, perturb_inputs(keys, x[index], step, augmentation=of.augmentation, **options)

        def step(carried: PyTree, this: tuple[Array, sampling.Batches]) -> tuple[PyTree, PyTree]:
            (params, state, memory, (drawn, inputs)), (number, batch) = carried, this
            inputs = take(x, batch.index) if inputs is None else inputs[: len(batch.index)]  # a last one may be short
            weights = batch.valid if of.weights is None else jnp.where(batch.valid, of.weights[batch.index], 0)
            given = inputs, targets[batch.index], weights, drawn
            (value, state_after), gradient = jax.value_and_grad(objective, has_aux=True)(params, state, *given)
            if numbers.gradient_noise is not None:
                gradient = perturb_gradient(keys["noise"], gradient, number, numbers.gradient_noise)
            look = (lambda params: objective(params, state, *given)[0]), value
            params, memory, rate = of.descent.step(params, memory, gradient, first + number, look)
            for term in after_step:
                params = term.prox(params, 1.0 if rate is None else rate)
            # What is random is drawn a step ahead: what a loop carries is computed once, not wherever it is used.
            following = draw(number + 1) if steps > 1 else (drawn, inputs if of.changes_inputs else None)
            seen = None if of.record_steps is None else (value, optax.tree.norm(gradient))
            return (params, state_after, memory, following), seen

        first, rest = number * steps, of.last_batch
        whole = steps if rest is None else steps - 1
        full = batches if rest is None else jax.tree.map(lambda part: part[:whole], batches)
        last = None if rest is None else jax.tree.map(lambda part: part[whole, :rest], batches)
        return Pass(step, draw(0), (jnp.arange(whole), full), None if last is None else (jnp.asarray(whole), last))

    return make


def make_epoch(of: Settings, walk: Walk = scan_steps) -> Callable[[PyTree, Array], tuple[PyTree, PyTree]]:
    """An epoch, from parameters, the model's state and the optimizer's memory to these."""
    make = prepare(of)

    def epoch(carried: PyTree, number: Array) -> tuple[PyTree, PyTree]:
        this = make(number)
        first = number * of.steps
        carry, seen = walk(this.step, (*carried, this.drawn), this.whole, first)
        if this.last is not None:
            whole = jax.tree.map(lambda part: part[None], this.last)
            carry, one = walk(this.step, carry, whole, first)
            seen = jax.tree.map(lambda *parts: jnp.concatenate(parts), seen, one)
        return carry[:3], seen

    return epoch


def make_record(of: Settings) -> Callable[[PyTree, PyTree], dict[str, Array]]:
    """What is recorded of parameters and the model's state, by name."""
    wanted = {*of.record, *([] if of.stopping is None else [str(of.stopping.monitor)])}

    def record(params: PyTree, state: PyTree) -> dict[str, Array]:
        values: dict[str, Array] = {}
        for name, data in of.sets.items():
            scores = {score: make for score, make in of.aim.scores.items() if f"{name}_{score}" in wanted}
            if scores:
                means = average(
                    _together(scores), lambda x: of.network.apply(params, state, x, None, False)[0], *data, of.block
                )
                values |= {f"{name}_{score}": mean for score, mean in means.items()}
        kernels = find_kernels(params)
        if "penalty" in wanted:
            paid = [term.value(params) for term in of.terms if not term.is_constraint]
            values["penalty"] = sum(paid, jnp.zeros((), of.dtype))
        if "weight_norm" in wanted:
            wide = widen(kernels)
            values["weight_norm"] = jnp.sqrt(jnp.stack([jnp.vdot(kernel, kernel) for kernel in wide]))
        if "zero_fraction" in wanted:
            zeros = jnp.asarray(sum((kernel == 0).sum() for kernel in kernels))
            values["zero_fraction"] = zeros.astype(of.dtype) / sum(kernel.size for kernel in kernels)
        return values

    return record


def _together(scores: Mapping[str, Callable[[Array, Array], Array]]) -> Callable[[Array, Array], dict[str, Array]]:
    return lambda outputs, y: {name: score(outputs, y) for name, score in scores.items()}


def begin(of: Settings) -> PyTree:
    """The first parameters, the model's state and the optimizer's memory."""
    params, state = of.network.init(of.streams, take(of.sets["train"][0], slice(1)))
    return params, state, of.descent.init(params)


def follow(of: Settings, walk: Walk = scan_steps, across: Walk = scan_steps) -> History:
    """All epochs, their records, and when to stop; `walk` takes the steps of an epoch, `across` the epochs."""
    stopping, keeps_best = of.stopping, of.return_params
    epoch, record = make_epoch(of, walk), make_record(of)

    def take_record(carry: PyTree, numbers: Array) -> tuple[PyTree, tuple[dict[str, Array], PyTree]]:
        (before, watch), epoch_number = carry, numbers[-1] + 1
        after, seen = across(epoch, before, numbers, numbers[0])
        if stopping is None:
            return (after, watch), (record(*after[:2]), seen)
        after = _choose(watch.rule.stopped_epoch == 0, after, before)
        values = record(*after[:2])
        rule = rules.update(stopping, watch.rule, values[stopping.monitor], epoch_number)
        best = _choose(rule.best_epoch == epoch_number, after[:2], watch.best) if keeps_best else None
        return (after, _Watch(rule, best)), (values, seen)

    start = begin(of)
    watch: Any = None
    if stopping is not None:
        watch = _Watch(rules.start(stopping, dtype=of.dtype), start[:2] if keeps_best else None)
    grouped = jnp.arange(of.epochs).reshape(-1, of.evaluate_every)
    ((params, state, _), watch), (records, seen) = jax.lax.scan(take_record, (start, watch), grouped)
    history = {name: values for name, values in records.items() if name in of.record}
    dims = {name: ("epoch", "layer")[: values.ndim] for name, values in history.items()}
    if of.record_steps is not None:
        parts = zip(("step_loss", "step_gradient_norm"), seen, strict=True)
        steps = {name: values.reshape(-1)[of.record_steps - 1 :: of.record_steps] for name, values in parts}
        history, dims = history | steps, dims | dict.fromkeys(steps, ("step",))
    if stopping is not None:
        history |= {"stopped_epoch": watch.rule.stopped_epoch, "best_epoch": watch.rule.best_epoch}
    if of.return_params:
        history["params"] = of.network.export(params, state)
        if stopping is not None:
            history["best_params"] = of.network.export(*watch.best)
    return History(history, dims=dims)


class _Watch(NamedTuple):
    """What early stopping remembers: the rule's state and, where they are to be returned, the best parameters."""

    rule: rules.StoppingState
    best: PyTree


def _choose(condition: Array, yes: PyTree, no: PyTree) -> PyTree:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)
