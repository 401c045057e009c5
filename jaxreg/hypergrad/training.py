"""Training as an objective: a loss after it, as a function of its numbers by name, forward and in bounded memory."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from jaxreg.checks import check_flag, check_integer, check_key, check_kind, read_array
from jaxreg.errors import ArgumentError
from jaxreg.hypergrad.objective import Outcome
from jaxreg.hypergrad.status import Status
from jaxreg.hypergrad.walks import Walk, checkpointed, cut
from jaxreg.nets.augmentation import Augmentation
from jaxreg.nets.networks import parameters_of
from jaxreg.nets.settings import Settings, read_settings
from jaxreg.nets.training import follow, scan_steps

NUMBERS = (
    *("learning_rate", "momentum", "l1", "l2", "proximal_l1", "weight_decay", "decoupled_weight_decay", "max_norm"),
    *("dropout", "input_dropout", "label_smoothing", "gradient_noise", "input_noise", "augmentation", "penalties"),
    *("sample_weight", "class_weight", "schedule", "initial_scale"),
)
"""What of `nets.train` has a derivative: its numbers, the factors of a schedule, and the scale of the first weights."""

_SEVERAL = ("dropout", "augmentation", "penalties", "sample_weight", "class_weight", "schedule")
_DRAWN = ("dropout", "input_dropout")  # which units are kept jumps with the rate
_JUMPS = ("flip", "erasing")  # probabilities of augmentation: what they do jumps, and nothing else changes
_FIXED = ("seed", "init_seed", "order_seed", "dropout_seed", "augment_seed", "noise_seed")
_MORE = 1.2  # as much memory, at the most, for segments of equal length
_TAKEN = ("record", "evaluate_every", "evaluate_train", "return_params", "record_steps")


@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    r"""A loss after `nets.train`, $L(\theta_T(h))$, as a function of the hyperparameters $h$ of the training.

    Call it with a dict from name to numbers. Any number of `nets.train` is a name (`names` lists them), and so are

    - "schedule": factors of the learning rate, one for each epoch or each step, in place of the option;
    - "penalties": the argument of that name, whose strengths are differentiated: `{"hidden_*": L2(a), "output/*":
      L2(b)}` is a strength per layer, `Weighted(L2(1.0), factors)` one for each weight;
    - "sample_weight": one for each training example;
    - "initial_scale": what the first weights are multiplied with;
    - the numbers that an optimizer of one's own asks for.

    The steps are those of `nets.train` itself. Forward derivatives (`jax.jvp`) take memory that does not depend on the
    steps; reverse ones keep the state at the beginning of each segment of `segment` steps and compute the steps within
    again: with segments of about $\sqrt T$ steps, memory grows with $\sqrt T$.

    A derivative holds the orders, masks and normal numbers that were drawn. In a rate of dropout that leaves out that
    other units would be kept, which the status HELD says (`smooth_gradient` does see it). Probabilities of augmentation
    and early stopping act by jumps alone and are refused.

    Args:
        x_train: as `nets.train` takes it: an array, or several in dicts and tuples for a model of several inputs.
        y_train: its targets.
        x_validation: what the loss is measured on.
        y_validation: its targets.
        seed: a typed PRNG key; `evaluate` takes another.
        objective: the record to differentiate (static): "validation_loss", "train_loss", "penalty".
        average: the mean of the record over epochs in place of the last one (static).
        horizon: a derivative sees the last so many steps before each record, and what was before is held: 1 is the
            one-step estimator; with `average` and the steps of an epoch it is that of online tuning. None: all steps,
            the only unbiased choice (static).
        segment: steps that reverse mode computes again at once; None: those of least memory, about the root; as many
            as there are steps: none, and all is kept (static).
        options: all else that `nets.train` takes by name.

    Raises:
        ArgumentError: as `nets.train`, a record that is piecewise constant, or early stopping.

    >>> x, y = jnp.eye(4), jnp.arange(4) % 2
    >>> settings = {"hidden": (8,), "classes": 2, "batch_size": 2, "epochs": 5, "learning_rate": 1.0}
    >>> training = Training(x, y, x, y, seed=jax.random.key(0), options=settings)
    >>> slope = jax.grad(training)({"learning_rate": jnp.float32(1.0)})["learning_rate"]
    >>> bool(slope < 0), training.steps, training.chosen_segment
    (True, 10, 2)

    Source: Franceschi et al., Forward and reverse gradient-based hyperparameter optimization, ICML 2017; Griewank,
    Optim. Methods Softw. 1 (1992) 35-54.
    """

    x_train: Any
    y_train: Any
    x_validation: Any
    y_validation: Any
    seed: Key[Array, ""]
    objective: str = "validation_loss"
    average: bool = False
    horizon: int | None = None
    segment: int | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what has no derivative."""
        check_kind("options", self.options, Mapping, "Give a dict of what nets.train takes by name")
        y = read_array("y_train", self.y_train)
        if not y.ndim or not y.shape[0]:
            raise ArgumentError("y_train", y.shape, "must hold at least one target", "Give one for each example")
        if self.x_validation is None and self.objective == "validation_loss":
            raise ArgumentError("x_validation", None, "is what the loss is measured on", "Give validation data")
        check_integer("batch_size", self.options.get("batch_size", 32), 1, y.shape[0], "Give n for the full batch")
        check_integer("epochs", self.epochs, 1, math.inf, "Give at least one pass through the data")
        check_flag("average", self.average)
        check_key("seed", self.seed)
        check_kind("objective", self.objective, str, "Give validation_loss")
        for name in (*_FIXED[:1], *_TAKEN):
            if name in self.options:
                raise ArgumentError(f"options[{name!r}]", self.options[name], "is set by Training itself", "Drop it")
        if self.options.get("stopping") is not None:
            remedy = "Give epochs; tune stops its own steps early"
            raise ArgumentError("stopping", self.options["stopping"], "jumps from epoch to epoch", remedy)
        if not self.objective.endswith(("_loss", "penalty")):
            remedy = "Give validation_loss, train_loss or penalty, or a loss of your own as loss="
            raise ArgumentError("objective", self.objective, "must have a derivative other than 0", remedy)
        if self.horizon is not None:
            most = self.steps // self.epochs if self.average else self.steps
            check_integer("horizon", self.horizon, 1, most, "Give 1 for one step, None for all")
        if self.segment is not None:
            check_integer("segment", self.segment, 1, self.steps, "Give None for about the root of the steps")

    @property
    def names(self) -> tuple[str, ...]:
        """What can be differentiated."""
        optimizer: Any = self.options.get("optimizer")
        takes_more = callable(optimizer) and not isinstance(optimizer, tuple)
        own = [name for name in parameters_of(optimizer) if name in self.options] if takes_more else []
        return (*NUMBERS, *(name for name in own if name not in NUMBERS))

    @property
    def steps(self) -> int:
        """Steps of the training."""
        n, size = np.shape(self.y_train)[0], self.options.get("batch_size", 32)
        return int(self.epochs * (n // size if self.options.get("drop_last") else -(-n // size)))

    @property
    def chosen_segment(self) -> int:
        """Steps that reverse mode computes again at once."""
        if self.segment is not None:
            return self.segment

        def kept(length: int) -> float:
            """States at the beginning of segments, and what each step of the one computed again keeps: two."""
            return self.steps / length + 2 * length

        root = max(1, round(math.sqrt(self.steps / 2)))
        whole = max(1, np.shape(self.y_train)[0] // self.options.get("batch_size", 32))
        # Segments that fill an epoch are one program; what is left over of it would be another.
        even = min((length for length in range(1, whole + 1) if whole % length == 0), key=kept)
        return even if kept(even) <= _MORE * kept(root) else root

    def __call__(self, at: Mapping[str, PyTree], seed: Key[Array, ""] | None = None) -> Float[Array, ""]:
        """The loss after a training with these hyperparameters."""
        return self.evaluate(at, seed).value

    def evaluate(self, at: Mapping[str, PyTree], seed: Key[Array, ""] | None = None) -> Outcome:
        """The loss and its status."""
        settings = self.read(at, seed)
        per_epoch = settings.steps
        walk: Walk = scan_steps
        across: Walk = scan_steps
        if self.horizon is not None:
            walk = cut(walk, self.horizon, per_epoch if self.average else self.steps)
        if self.chosen_segment < per_epoch:
            walk = checkpointed(walk, self.chosen_segment)
        elif self.chosen_segment < self.steps:
            across = checkpointed(across, self.chosen_segment // per_epoch)
        values = follow(settings, walk, across)[self.objective]
        held = Status.HELD if any(name in at for name in _DRAWN) else Status.OK
        return Outcome(values.mean() if self.average else values[-1], jnp.int32(held))

    def read(self, at: Mapping[str, PyTree], seed: Key[Array, ""] | None = None) -> Settings:
        """The settings of the training with these hyperparameters; refuse what has no derivative."""
        listed = f"Differentiable are {', '.join(self.names)}"
        for name in at:
            if name not in self.names:
                raise ArgumentError("hyperparameters", name, "cannot be differentiated here", listed)
            if name not in _SEVERAL and np.shape(at[name]):
                remedy = "Take an axis of tune for several runs, schedule= for several rates"
                raise ArgumentError(name, np.shape(at[name]), "must be one number", remedy)
        options: dict[str, Any] = {"batch_size": 32, "epochs": 3, "loss": "cross_entropy", "optimizer": "sgd"}
        options |= {"model": None, "penalties": (), "learning_rate": None, **self.options}
        options |= {name: value for name, value in at.items() if name not in ("schedule", "initial_scale")}
        if "schedule" in at:
            options["schedule"] = make_schedule(jnp.asarray(at["schedule"]), options["epochs"], self.steps)
        if isinstance(at.get("augmentation"), Augmentation):
            for name in _JUMPS:
                if getattr(at["augmentation"], name) is not None:
                    remedy = "Leave it in options, or take smooth_gradient"
                    raise ArgumentError(f"augmentation.{name}", "given", "is a probability: it acts by jumps", remedy)
        named = ("learning_rate", "model", "loss", "optimizer", "penalties", "batch_size", "epochs")
        settings = read_settings(
            {
                "train": (self.x_train, self.y_train),
                "validation": (self.x_validation, self.y_validation),
                "test": (None, None),
            },
            seed=self.seed if seed is None else seed,
            **{name: options.pop(name) for name in named},
            options=options | {"record": (self.objective,), "evaluate_every": 1 if self.average else self.epochs},
        )
        if "initial_scale" not in at:
            return settings
        init = _scaled(settings.network.init, jnp.asarray(at["initial_scale"]))
        return dataclasses.replace(settings, network=settings.network._replace(init=init))

    @property
    def epochs(self) -> int:
        """Passes through the data."""
        return self.options.get("epochs", 3)


def make_schedule(factors: Float[Array, " parts"], epochs: int, steps: int) -> Callable[[int], Callable[[Any], Array]]:
    """A schedule from factors of the rate, one for each epoch or each step."""
    if factors.ndim != 1 or factors.shape[0] not in (epochs, steps):
        constraint = f"must be one factor for each of the {epochs} epochs or {steps} steps"
        raise ArgumentError("schedule", factors.shape, constraint, "Give jnp.ones(epochs)")
    length = steps // factors.shape[0]
    return lambda _: lambda step: factors[jnp.asarray(step) // length]


def _scaled(init: Callable[..., Any], scale: Float[Array, ""]) -> Callable[..., Any]:
    def start(keys: Any, x: Any) -> tuple[PyTree, PyTree]:
        params, state = init(keys, x)
        return jax.tree.map(lambda w: w * scale.astype(w.dtype), params), state

    return start
