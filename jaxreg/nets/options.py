"""Options of a training, beside the arguments that `train` names."""

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from jaxtyping import Array, Float, Key

from jaxreg.nets import optimizers
from jaxreg.nets.augmentation import Augmentation
from jaxreg.nets.stopping_rule import EarlyStopping
from jaxreg.penalties import Scalar


class Options(TypedDict, total=False):
    r"""What `train` takes beside the fifteen arguments that it names. Numbers may be traced and swept.

    Regularizers by name; None leaves their code out, and strength 0 (`max_norm` infinite) gives the very same bytes.
    They act on kernels, leaves of two or more dimensions, not on biases.

    Args:
        l1: strength $\alpha$ of $\alpha \sum |w|$ in the loss, subgradient 0 at 0 (Keras' number); no exact zeros.
        l2: strength $\alpha$ of $\tfrac12 \alpha \sum w^2$ in the loss (twice Keras' number).
        proximal_l1: strength $\alpha$ of $\alpha \sum |w|$ by soft thresholding at $\eta_t \alpha$ after the step:
            exact zeros. For `sgd` the proximal gradient method; adaptive optimizers take the same threshold.
        weight_decay: coupled decay $c$: $c\,w$ joins the gradient before the optimizer sees it.
        decoupled_weight_decay: $\lambda$: $\lambda w$ joins the direction, after the optimizer; AdamW's.
        max_norm: largest Euclidean norm of the incoming weights of a unit.
        dropout: of the built-in `MLP`: rate in [0, 1) at which outputs of the last hidden layer are dropped, or for
            each hidden layer a rate or None.
        input_dropout: rate in [0, 1) at which inputs are dropped.
        label_smoothing: $\epsilon$ in [0, 1): targets become $(1 - \epsilon) e_y + \epsilon / \text{classes}$.
        gradient_noise: standard deviation of normal noise on every entry of the gradient, at each step.
        input_noise: standard deviation of normal noise on every input, at each step.
        augmentation: random changes of the training images, with strengths that may be traced.
        momentum: $\beta$ in [0, 1), for the optimizers `momentum` and `nesterov`; None is 0.9.
        schedule: a key of `SCHEDULES`, or a function; see `optimizers.make_schedule` (static).
        sample_weight: $w_i \ge 0$ for each training example: a batch's loss is $\sum w_i \ell_i / \sum w_i$.
        class_weight: $\ge 0$ for each class, or a dict from class to weight (others 1); multiplies `sample_weight`.
            Of probabilities, rows or the one of `binary_cross_entropy`, it is their mean.
        init_seed: the key of initial weights, in place of `seed`.
        order_seed: the key of the order of examples, in place of `seed`.
        dropout_seed: the key of dropout, and of all else that a model draws, in place of `seed`.
        augment_seed: the key of augmentation, in place of `seed`.
        noise_seed: the key of gradient and input noise, in place of `seed`.
        hidden: units of each hidden layer of the built-in `MLP` (static), by default (256, 128).
        classes: its outputs (static), by default 10, or one for each number of a target that is no class.
        activation: a key of `ACTIVATIONS` (static), by default "sigmoid".
        initializer: a key of `INITIALIZERS` (static), by default "glorot_uniform".
        metrics: recorded beside the loss: names, or a dict from name to a function (outputs, targets) that gives one
            value per example (static). None: the accuracy, where the targets are classes.
        record: names of the records to return (static); None: all. What is not asked for is not computed.
        record_steps: every so many steps, `step_loss`, the objective before the step, and `step_gradient_norm`
            (static).
        evaluate_every: epochs from one record to the next; divides `epochs` (static).
        evaluate_train: whether to evaluate on the training data too, at about a third of the training's cost (static).
        drop_last: leave out a last short batch; by default it is kept, as Keras does (static).
        stopping: when to stop early; its numbers may be traced.
        return_params: whether to return the parameters (static).
    """

    l1: Scalar | None
    l2: Scalar | None
    proximal_l1: Scalar | None
    weight_decay: Scalar | None
    decoupled_weight_decay: Scalar | None
    max_norm: Scalar | None
    dropout: Scalar | Float[Array | np.ndarray, " layers"] | Sequence[Scalar | None] | None
    input_dropout: Scalar | None
    label_smoothing: Scalar | None
    gradient_noise: Scalar | None
    input_noise: Scalar | None
    augmentation: Augmentation | None
    momentum: Scalar | None
    schedule: str | optimizers.Schedule
    sample_weight: Any
    class_weight: Any
    init_seed: Key[Array, ""] | None
    order_seed: Key[Array, ""] | None
    dropout_seed: Key[Array, ""] | None
    augment_seed: Key[Array, ""] | None
    noise_seed: Key[Array, ""] | None
    hidden: tuple[int, ...]
    classes: int
    activation: str
    initializer: str
    metrics: Any
    record: Sequence[str] | None
    record_steps: int | None
    evaluate_every: int
    evaluate_train: bool
    drop_last: bool
    stopping: EarlyStopping | None
    return_params: bool
