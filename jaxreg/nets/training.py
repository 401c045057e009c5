"""Training of a classifier as one pure function: a scan over records, over epochs, and over the steps of each."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key, PyTree

from jaxreg import objectives, sampling
from jaxreg.nets import boundary, optimizers
from jaxreg.nets import stopping as rules
from jaxreg.nets.augmentation import Augmentation
from jaxreg.nets.dropout import keep_mask, multiplier
from jaxreg.nets.evaluation import LOSSES, evaluate, one_hot
from jaxreg.nets.model import ACTIVATIONS, INITIALIZERS, MLP, UNIT_AXIS
from jaxreg.nets.perturbation import perturb_gradient, perturb_inputs
from jaxreg.penalties import L1, L2, MaxNorm, Scalar, kernels_only


def train(
    x_train: Float[Array | np.ndarray, "n features"],
    y_train: Integer[Array | np.ndarray, " n"],
    x_test: Float[Array | np.ndarray, "m features"] | None = None,
    y_test: Integer[Array | np.ndarray, " m"] | None = None,
    x_validation: Float[Array | np.ndarray, "v features"] | None = None,
    y_validation: Integer[Array | np.ndarray, " v"] | None = None,
    *,
    seed: Key[Array, ""] | None = None,
    init_seed: Key[Array, ""] | None = None,
    order_seed: Key[Array, ""] | None = None,
    dropout_seed: Key[Array, ""] | None = None,
    augment_seed: Key[Array, ""] | None = None,
    noise_seed: Key[Array, ""] | None = None,
    learning_rate: Scalar,
    momentum: Scalar | None = None,
    l1: Scalar | None = None,
    l2: Scalar | None = None,
    proximal_l1: Scalar | None = None,
    weight_decay: Scalar | None = None,
    decoupled_weight_decay: Scalar | None = None,
    max_norm: Scalar | None = None,
    dropout: Scalar | Float[Array | np.ndarray, " layers"] | Sequence[Scalar | None] | None = None,
    input_dropout: Scalar | None = None,
    label_smoothing: Scalar | None = None,
    gradient_noise: Scalar | None = None,
    input_noise: Scalar | None = None,
    augmentation: Augmentation | None = None,
    hidden: tuple[int, ...] = (256, 128),
    classes: int = 10,
    activation: str = "sigmoid",
    initializer: str = "glorot_uniform",
    loss: str = "cross_entropy",
    optimizer: str = "sgd",
    schedule: str | optimizers.Schedule = "constant",
    batch_size: int = 32,
    drop_last: bool = False,
    epochs: int = 3,
    evaluate_every: int = 1,
    evaluate_train: bool = True,
    stopping: rules.EarlyStopping | None = None,
    return_params: bool = False,
) -> dict[str, Any]:
    r"""Train an `MLP` by steps $\theta \leftarrow \Pi(\theta - \eta_t\, d_t)$, $d_t$ made from $\nabla J_B(\theta)$.

    $J_B$ is the mean loss over the batch B, with dropout, plus the penalties `l1` and `l2`; the optimizer makes $d_t$
    from its gradient, and $\Pi$ is the proximal step of `proximal_l1`, then the projection of `max_norm`. All of these
    act on weights, not on biases. Every epoch passes once through all n examples in a new order. Numbers may be traced
    and swept; None leaves their code out, and strength 0 (`max_norm` infinite) gives the very same bytes. What decides
    about shapes or the program is static.

    Losses, penalty and norms may be differentiated in every traced number: the derivative is that of the run at hand,
    its orders, masks and normal numbers held fixed. In a dropout rate that is the path through $1/k$ alone; that other
    units are kept at another rate has no derivative in one run (see `nets.multiplier`). What comes in whole numbers,
    accuracies, `zero_fraction` and epochs, has the derivative 0, as it has between its jumps.

    Args:
        x_train: inputs.
        y_train: labels, from 0 to classes - 1.
        x_test: inputs that are not trained on, or None.
        y_test: their labels.
        x_validation: inputs to stop or choose by, or None; `datasets.split` makes them.
        y_validation: their labels.
        seed: a typed PRNG key; its streams are "init", "order", "dropout", "augment" and "noise".
        init_seed: the key of initial weights, in place of `seed`.
        order_seed: the key of the order of examples, in place of `seed`.
        dropout_seed: the key of dropout, in place of `seed`.
        augment_seed: the key of augmentation, in place of `seed`.
        noise_seed: the key of gradient and input noise, in place of `seed`.
        learning_rate: $\eta \ge 0$.
        momentum: $\beta$ in [0, 1), for the optimizers `momentum` and `nesterov`; None is 0.9.
        l1: strength $\alpha$ of $\alpha \sum |w|$ in the loss, subgradient 0 at 0 (Keras' number); no exact zeros.
        l2: strength $\alpha$ of $\tfrac12 \alpha \sum w^2$ in the loss (twice Keras' number).
        proximal_l1: strength $\alpha$ of $\alpha \sum |w|$ by soft thresholding at $\eta_t \alpha$ after the step:
            exact zeros. For `sgd` the proximal gradient method; adaptive optimizers take the same threshold.
        weight_decay: coupled decay $c$: $c\,w$ joins the gradient before the optimizer sees it.
        decoupled_weight_decay: $\lambda$: $\lambda w$ joins the direction, after the optimizer; AdamW's.
        max_norm: largest Euclidean norm of the incoming weights of a unit.
        dropout: rate in [0, 1) at which outputs of the last hidden layer are dropped, or for each hidden layer a rate
            or None.
        input_dropout: rate in [0, 1) at which inputs are dropped.
        label_smoothing: $\epsilon$ in [0, 1): targets become $(1 - \epsilon) e_y + \epsilon / \text{classes}$.
        gradient_noise: standard deviation of normal noise on every entry of the gradient, at each step.
        input_noise: standard deviation of normal noise on every input, at each step.
        augmentation: random changes of the training images, with strengths that may be traced.
        hidden: units of each hidden layer (static).
        classes: number of classes (static).
        activation: a key of `ACTIVATIONS` (static).
        initializer: a key of `INITIALIZERS` (static).
        loss: `cross_entropy`, or `mean_squared_error` of the softmax against one-hot labels, the mean over examples and
            classes (static).
        optimizer: a key of `OPTIMIZERS`; see `optimizers.build` (static).
        schedule: a key of `SCHEDULES`, or a function; see `optimizers.make_schedule` (static).
        batch_size: examples per step, from 1 (online) to n (full batch) (static).
        drop_last: leave out a last short batch; by default it is kept, as Keras does (static).
        epochs: passes through the training data (static).
        evaluate_every: epochs from one record to the next; divides `epochs` (static).
        evaluate_train: whether to evaluate on the training data too, at about a third of the training's cost (static).
        stopping: when to stop early; its numbers may be traced.
        return_params: whether to return the parameters (static).

    Returns:
        Records of shape (epochs / evaluate_every,), each taken at the end of an epoch with dropout off:
        `train_loss` and `train_accuracy` with `evaluate_train`, the same for `validation` and `test` where there are
        such data, always without penalty and smoothing; `penalty`; `weight_norm` (records, layers), the Euclidean norm
        of each layer's weights; `zero_fraction`, the share of weights that are exactly 0. With `stopping`,
        `stopped_epoch` and `best_epoch`, counted from 1, 0 where there is none: after the former, parameters stay and
        records repeat. With `return_params`, `params` after the last epoch, and with `stopping` also `best_params`, the
        initial ones where no epoch was the best.

    Raises:
        ArgumentError: an argument is outside its domain.

    >>> x, y = jnp.eye(4), jnp.arange(4) % 2
    >>> settings = {"hidden": (8,), "classes": 2, "batch_size": 2, "epochs": 50}
    >>> run = train(x, y, x, y, seed=jax.random.key(0), learning_rate=1.0, **settings)
    >>> run["test_accuracy"][-1], run["test_loss"].shape
    (Array(1., dtype=float32), (50,))
    """
    given = {"train": (x_train, y_train), "validation": (x_validation, y_validation), "test": (x_test, y_test)}
    sets = boundary.read_sets(given, classes)
    x, y = sets["train"]
    n, dtype = x.shape[0], x.dtype
    boundary.check_hidden(hidden)
    boundary.check_integer("batch_size", batch_size, 1, n, "Give 1 for online learning, n for the full batch")
    boundary.check_integer("epochs", epochs, 1, math.inf, "Give at least one pass through the data")
    boundary.check_record(evaluate_every, epochs)
    boundary.check_name("activation", activation, ACTIVATIONS)
    boundary.check_name("initializer", initializer, INITIALIZERS)
    boundary.check_name("loss", loss, LOSSES)
    boundary.check_name("optimizer", optimizer, optimizers.OPTIMIZERS)
    if not callable(schedule):
        boundary.check_name("schedule", schedule, optimizers.SCHEDULES)
    optimizers.check_optimizer(optimizer, momentum, decoupled_weight_decay)
    boundary.check_kind("stopping", stopping, rules.EarlyStopping)
    boundary.check_kind("augmentation", augmentation, Augmentation)
    rates = boundary.read_dropout(dropout, len(hidden), dtype)
    numbers = boundary.read_numbers(
        dtype,
        learning_rate=learning_rate,
        momentum=momentum,
        l1=l1,
        l2=l2,
        proximal_l1=proximal_l1,
        weight_decay=weight_decay,
        decoupled_weight_decay=decoupled_weight_decay,
        max_norm=max_norm,
        input_dropout=input_dropout,
        label_smoothing=label_smoothing,
        gradient_noise=gradient_noise,
        input_noise=input_noise,
    )
    uses = {
        "dropout": any(rate is not None for rate in (*rates, numbers.input_dropout)),
        "augment": augmentation is not None,
        "noise": not (numbers.gradient_noise is None and numbers.input_noise is None),
    }
    unused = [name for name, is_used in uses.items() if not is_used]
    streams = boundary.read_streams(
        seed, unused, init=init_seed, order=order_seed, dropout=dropout_seed, augment=augment_seed, noise=noise_seed
    )

    model = MLP(hidden, classes, activation, initializer)
    steps = n // batch_size if drop_last else -(-n // batch_size)
    rate_at = optimizers.make_schedule(schedule, numbers.learning_rate, epochs * steps)
    descent = optimizers.build(optimizer, numbers.momentum, numbers.weight_decay, numbers.decoupled_weight_decay)
    in_loss = [kind(alpha) for kind, alpha in ((L1, numbers.l1), (L2, numbers.l2)) if alpha is not None]
    radius = None if numbers.max_norm is None else MaxNorm(numbers.max_norm, UNIT_AXIS)
    proximal = None if numbers.proximal_l1 is None else L1(numbers.proximal_l1)
    is_changed = not (augmentation is None and numbers.input_noise is None and numbers.input_dropout is None)

    def predict(params: PyTree, x: Array, multipliers: Sequence[Array | None] = ()) -> Array:
        return jnp.asarray(model.apply(params, x, multipliers))

    objective = objectives.build(predict, LOSSES[loss], in_loss, [kernels_only] * len(in_loss))
    targets = one_hot(y, classes, dtype)
    if numbers.label_smoothing is not None:
        targets = (1 - numbers.label_smoothing) * targets + numbers.label_smoothing / classes

    def epoch(state: PyTree, number: Array) -> tuple[PyTree, None]:
        keys = {name: jax.random.fold_in(key, number) for name, key in streams.items()}
        batches = sampling.shuffled_epoch(keys["order"], n, batch_size, drop_last=drop_last)
        layer_keys = [jax.random.fold_in(keys["dropout"], layer) for layer in range(len(hidden)) if uses["dropout"]]

        def draw(step: Any) -> tuple[list[Any], Array | None]:
            """Dropout masks of a step, and its inputs where they are changed at random."""
            masks = [
                None if rate is None else keep_mask(layer_keys[layer], rate, (batch_size, units), step)
                for layer, (rate, units) in enumerate(zip(rates, hidden, strict=True))
            ]
            if not is_changed:
                return masks, None
            index = batches.index[jnp.minimum(step, steps - 1)]
            options = {"noise": numbers.input_noise, "dropout": numbers.input_dropout}
            return masks, perturb_inputs(keys, x[index], step, augmentation=augmentation, **options)

        def step(state: PyTree, drawn: tuple[Array, sampling.Batches]) -> tuple[PyTree, None]:
            (params, memory, (kept, inputs)), (number, batch) = state, drawn
            multipliers = [
                None if rate is None else multiplier(mask, rate) for mask, rate in zip(kept, rates, strict=True)
            ]
            inputs = x[batch.index] if inputs is None else inputs
            gradient, _ = jax.grad(objective, has_aux=True)(
                params, inputs, targets[batch.index], weights=batch.valid, multipliers=multipliers
            )
            if numbers.gradient_noise is not None:
                gradient = perturb_gradient(keys["noise"], gradient, number, numbers.gradient_noise)
            direction, memory = descent.update(gradient, memory, params)
            rate = rate_at(first + number)
            params = jax.tree.map(lambda w, d: w - rate * d, params, direction)
            params = params if proximal is None else proximal.prox(params, rate, kernels_only)
            params = params if radius is None else _project(params, radius)
            # What is random is drawn a step ahead: what a loop carries is computed once, not wherever it is used.
            following = draw(number + 1) if steps > 1 else (kept, inputs if is_changed else None)
            return (params, memory, following), None

        first = number * steps
        (params, memory, _), _ = jax.lax.scan(step, (*state, draw(0)), (jnp.arange(steps), batches))
        return (params, memory), None

    def record(params: PyTree) -> dict[str, Array]:
        values: dict[str, Array] = {}
        for name, data in sets.items():
            if evaluate_train or name != "train":
                score = evaluate(predict, params, *data, loss=loss)
                values |= {f"{name}_{part}": value for part, value in score._asdict().items()}
        layers = [*(f"hidden_{i}" for i in range(len(hidden))), "output"]
        kernels = [params["params"][layer]["weight"] for layer in layers]
        zeros = sum((kernel == 0).sum() for kernel in kernels)
        paid = [*in_loss, *([] if proximal is None else [proximal])]
        return values | {
            "penalty": sum((penalty.value(params, kernels_only) for penalty in paid), jnp.zeros((), dtype)),
            "weight_norm": jnp.sqrt(jnp.stack([jnp.vdot(kernel, kernel) for kernel in kernels])),
            "zero_fraction": zeros.astype(dtype) / sum(kernel.size for kernel in kernels),
        }

    def take_record(carry: PyTree, numbers: Array) -> tuple[PyTree, dict[str, Array]]:
        (before, watch), epoch_number = carry, numbers[-1] + 1
        state, _ = jax.lax.scan(epoch, before, numbers)
        if stopping is None:
            return (state, watch), record(state[0])
        state = _choose(watch.rule.stopped_epoch == 0, state, before)
        values = record(state[0])
        rule = rules.update(stopping, watch.rule, values[stopping.monitor], epoch_number)
        best = _choose(rule.best_epoch == epoch_number, state[0], watch.best) if return_params else None
        return (state, _Watch(rule, best)), values

    params = model.init(streams["init"], x[:1])
    if stopping is not None:
        recorded = jax.eval_shape(record, params)
        rules.check_monitor(stopping, [name for name, value in recorded.items() if value.ndim == 0])
    watch: Any = (
        None if stopping is None else _Watch(rules.start(stopping, dtype=dtype), params if return_params else None)
    )
    grouped = jnp.arange(epochs).reshape(-1, evaluate_every)
    ((params, _), watch), history = jax.lax.scan(take_record, ((params, descent.init(params)), watch), grouped)
    if stopping is not None:
        history |= {"stopped_epoch": watch.rule.stopped_epoch, "best_epoch": watch.rule.best_epoch}
    if return_params:
        history |= {"params": params} | ({} if stopping is None else {"best_params": watch.best})
    return history


def _project(params: PyTree, radius: MaxNorm) -> PyTree:
    """The incoming weights of every unit no longer than the radius."""
    return radius.prox(params, 1.0, kernels_only)


class _Watch(NamedTuple):
    """What early stopping remembers: the rule's state and, where they are to be returned, the best parameters."""

    rule: rules.StoppingState
    best: PyTree


def _choose(condition: Array, yes: PyTree, no: PyTree) -> PyTree:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)
