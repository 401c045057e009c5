"""Everything that decides a training, read and checked before anything is traced."""

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from jaxreg.checks import MOST, NOT_NEGATIVE, check_choice, check_flag, check_same_shape, read_jax
from jaxreg.engine.known import find_values
from jaxreg.errors import ArgumentError
from jaxreg.nets import boundary, optimizers, targets
from jaxreg.nets import stopping as rules
from jaxreg.nets.augmentation import Augmentation
from jaxreg.nets.evaluation import LOSSES
from jaxreg.nets.model import ACTIVATIONS, INITIALIZERS, MLP
from jaxreg.nets.networks import Network, from_mlp, name_leaves, parameters_of, read_model
from jaxreg.nets.options import Options
from jaxreg.nets.penalized import On, Term, read_penalties
from jaxreg.nets.stopping_rule import EarlyStopping
from jaxreg.nets.trial import check_functions, name_model, trace_model
from jaxreg.penalties import L1, L2, MaxNorm

_DEFAULTS: dict[str, Any] = dict.fromkeys(Options.__annotations__) | {
    "schedule": "constant",
    "evaluate_every": 1,
    "evaluate_train": True,
    "drop_last": False,
    "return_params": False,
}
_STRENGTHS = ("l1", "l2", "proximal_l1", "weight_decay", "decoupled_weight_decay", "max_norm")
_NUMBERS = ("momentum", *_STRENGTHS, "input_dropout", "label_smoothing", "gradient_noise", "input_noise")
_MLP: dict[str, Any] = {"hidden": (256, 128), "classes": 10, "activation": "sigmoid", "initializer": "glorot_uniform"}
_NAMED = ("seed", "learning_rate", "model", "loss", "optimizer", "penalties", "batch_size", "epochs")
_STREAMS = ("init", "order", "dropout", "augment", "noise")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A training, ready to be traced. `numbers` are those by name, `sets` the data sets that are there."""

    network: Network
    aim: targets.Aim
    terms: tuple[Term, ...]
    descent: optimizers.Descent
    numbers: Any
    augmentation: Augmentation | None
    sets: Mapping[str, tuple[Any, Array]]
    weights: Array | None
    streams: Mapping[str, Key[Array, ""]]
    batch_size: int
    drop_last: bool
    epochs: int
    evaluate_every: int
    record: Collection[str]
    record_steps: int | None
    stopping: EarlyStopping | None
    return_params: bool
    dtype: Any
    block: int
    last_batch: int | None

    @property
    def size(self) -> int:
        """Training examples."""
        return int(self.sets["train"][1].shape[0])

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.size // self.batch_size if self.drop_last else -(-self.size // self.batch_size)

    @property
    def changes_inputs(self) -> bool:
        """Whether inputs are changed at random."""
        of_numbers = self.numbers.input_noise is not None or self.numbers.input_dropout is not None
        return of_numbers or self.augmentation is not None


def read_settings(
    given: Mapping[str, tuple[Any, Any]],
    *,
    seed: Any,
    learning_rate: Any,
    model: Any,
    loss: Any,
    optimizer: Any,
    penalties: Any,
    batch_size: Any,
    epochs: Any,
    options: Mapping[str, Any],
) -> Settings:
    """The settings of `train`; refuse what is outside its domain, does not fit, or is not known."""
    optimizer = optimizers.as_transformation(optimizer)
    takes_more = callable(optimizer) and not isinstance(optimizer, tuple)  # an Optax transformation is a tuple
    asked = parameters_of(optimizer) if takes_more else ()  # what the optimizer asks for by name is its own
    own = {name: value for name, value in options.items() if name not in _DEFAULTS or name in asked}
    for name in own:
        if not takes_more or (
            name not in asked and difflib.get_close_matches(name, [*_NAMED, *_DEFAULTS, *asked], 1, 0.8)
        ):
            raise _unknown(name, own)
    chosen = _DEFAULTS | {name: value for name, value in options.items() if name not in own}
    is_mlp = model is None or isinstance(model, MLP)
    sets = boundary.read_sets(given, is_mlp)
    x, n = sets["train"][0], sets["train"][1].shape[0]
    floats = [part.dtype for part in jax.tree.leaves(x) if jnp.issubdtype(part.dtype, jnp.floating)]
    dtype = floats[0] if floats else jnp.result_type(float)
    _check_counts(n, batch_size, epochs, chosen)
    _check_single(x, chosen)
    _check_optimizer(optimizer, chosen, takes_more)
    rate = {} if learning_rate is None and not isinstance(optimizer, str) else {"learning_rate": learning_rate}
    numbers = boundary.read_numbers(dtype, **rate, **{name: chosen[name] for name in _NUMBERS})

    read = _read_mlp if is_mlp else _read_model
    network, draws = read(model, loss, sets, batch_size, chosen, dtype)
    streams = _read_streams(seed, chosen, numbers, draws)
    params, outputs, block, keeps_state = trace_model(network, x, batch_size, None if is_mlp else name_model(model))
    aim = targets.read_aim(
        loss, chosen["metrics"], outputs, {f"y_{name}": y for name, (_, y) in sets.items()}, numbers.label_smoothing
    )
    check_functions(loss, chosen["metrics"], aim, outputs, sets["train"][1], batch_size)
    steps = n // batch_size if chosen["drop_last"] else -(-n // batch_size)
    schedule = chosen["schedule"]
    rate_at = optimizers.make_schedule(schedule, numbers.learning_rate, epochs * steps) if rate else None
    own = {name: boundary.read_own(name, value, dtype) for name, value in own.items()}
    descent = optimizers.read_optimizer(optimizer, params, rate_at, schedule == "constant", numbers, own)
    terms = _read_terms(numbers, penalties, params, network.unit_axis)
    if any(term.proximal for term in terms) and rate_at is None:
        remedy = "Give optimizer=lambda learning_rate: optax... and learning_rate, or proximal=False"
        raise ArgumentError("learning_rate", None, "is the step of proximal penalties", remedy)
    return Settings(
        network=network,
        aim=aim,
        terms=terms,
        descent=descent,
        numbers=numbers,
        augmentation=chosen["augmentation"],
        sets=sets,
        weights=_read_weights(chosen["sample_weight"], chosen["class_weight"], sets["train"][1], aim, dtype),
        streams=streams,
        batch_size=batch_size,
        drop_last=bool(chosen["drop_last"]),
        epochs=epochs,
        evaluate_every=chosen["evaluate_every"],
        record=_read_record(chosen, sets, aim, params),
        record_steps=chosen["record_steps"],
        stopping=chosen["stopping"],
        return_params=chosen["return_params"],
        dtype=dtype,
        block=block,
        # What counts over the examples of a batch, as BatchNorm does, must not see any that fill up a short one.
        last_batch=(n % batch_size or None) if keeps_state and not chosen["drop_last"] else None,
    )


def _unknown(name: str, own: Mapping[str, Any]) -> ArgumentError:
    near = difflib.get_close_matches(name, [*_NAMED, *_DEFAULTS], 1)
    remedy = f"Write {near[0]}" if near else "See nets.Options; numbers of your own go to optimizer=lambda ..."
    value = "swept" if isinstance(own[name], jax.core.Tracer) else own[name]
    return ArgumentError(name, value, "is not an option of train", remedy)


def _check_counts(n: int, batch_size: Any, epochs: Any, chosen: Mapping[str, Any]) -> None:
    boundary.check_integer("batch_size", batch_size, 1, n, "Give 1 for online learning, n for the full batch")
    for name in ("drop_last", "evaluate_train", "return_params"):
        check_flag(name, chosen[name])
    each = n // batch_size if chosen["drop_last"] else -(-n // batch_size)
    boundary.check_integer("epochs", epochs, 1, MOST // each, "Give at least one pass through the data")
    boundary.check_record(chosen["evaluate_every"], epochs)
    steps = epochs * each
    if chosen["record_steps"] is not None:
        boundary.check_integer("record_steps", chosen["record_steps"], 1, steps, "Give 1 for each step")
    boundary.check_kind("stopping", chosen["stopping"], EarlyStopping)
    boundary.check_kind("augmentation", chosen["augmentation"], Augmentation)


def _check_single(x: Any, chosen: Mapping[str, Any]) -> None:
    """Refuse to change inputs of which there are several, or that are whole numbers."""
    several = boundary.name_inputs(x)
    for name in ("augmentation", "input_noise", "input_dropout"):
        if several and chosen[name] is not None:
            constraint = f"is for one input, and there are {', '.join(several)}"
            raise ArgumentError(name, chosen[name], constraint, "Leave it out")
        if not several and chosen[name] is not None and not jnp.issubdtype(x.dtype, jnp.floating):
            constraint = f"is for floating-point inputs, and x_train is {x.dtype}"
            raise ArgumentError(name, chosen[name], constraint, "Convert images, or leave it out")


def _check_optimizer(optimizer: Any, chosen: Mapping[str, Any], takes_more: bool) -> None:
    if not takes_more and not isinstance(optimizer, tuple):
        check_choice("optimizer", optimizer, sorted(optimizers.OPTIMIZERS))
        optimizers.check_optimizer(optimizer, chosen["momentum"], chosen["decoupled_weight_decay"])
    if isinstance(optimizer, tuple) and chosen["schedule"] != "constant":
        remedy = "Make it part of the optimizer, or give lambda learning_rate: optax...(learning_rate)"
        raise ArgumentError("schedule", chosen["schedule"], "is for optimizers that take a learning rate", remedy)
    if not callable(chosen["schedule"]):
        check_choice("schedule", chosen["schedule"], sorted(optimizers.SCHEDULES))


def _read_mlp(
    model: MLP | None, loss: Any, sets: Mapping[str, Any], batch_size: int, chosen: Mapping[str, Any], dtype: Any
) -> tuple[Network, bool]:
    """The built-in model, made of the options that are its own, and whether it draws at random."""
    given = {name: chosen[name] for name in _MLP if chosen[name] is not None}
    if model is not None:
        for name, value in given.items():
            raise ArgumentError(name, value, "is part of the model that is given", "Give either")
        given = {name: getattr(model, name) for name in _MLP}
    y = sets["train"][1]
    are_classes = loss in LOSSES if isinstance(loss, str) else y.ndim == 1 and jnp.issubdtype(y.dtype, jnp.integer)
    known = _MLP | ({} if are_classes else {"classes": max(1, math.prod(y.shape[1:]))}) | given
    boundary.check_integer("classes", known["classes"], 2 if are_classes else 1, MOST, "Give the number of classes")
    boundary.check_hidden(known["hidden"])
    check_choice("activation", known["activation"], sorted(ACTIVATIONS))
    check_choice("initializer", known["initializer"], sorted(INITIALIZERS))
    rates = boundary.read_dropout(chosen["dropout"], len(known["hidden"]), dtype)
    return from_mlp(MLP(**known), rates, batch_size), any(rate is not None for rate in rates)


def _read_model(
    model: Any, loss: Any, sets: Mapping[str, Any], batch_size: int, chosen: Mapping[str, Any], dtype: Any
) -> tuple[Network, bool]:
    """A model of the user's, which may draw at random."""
    for name in (*_MLP, "dropout"):
        if chosen[name] is not None:
            raise ArgumentError(name, chosen[name], "is of the built-in MLP", "Make it part of your model")
    return read_model(model), True


def _read_streams(seed: Any, chosen: Mapping[str, Any], numbers: Any, draws: bool) -> dict[str, Key[Array, ""]]:
    uses = {
        "dropout": draws or numbers.input_dropout is not None,
        "augment": chosen["augmentation"] is not None,
        "noise": not (numbers.gradient_noise is None and numbers.input_noise is None),
    }
    unused = [name for name, is_used in uses.items() if not is_used]
    return boundary.read_streams(seed, unused, **{name: chosen[f"{name}_seed"] for name in _STREAMS})


def _read_terms(numbers: Any, penalties: Any, params: PyTree, unit_axis: int | None) -> tuple[Term, ...]:
    """All penalties, those by name first; a projection comes last."""
    given = [On(kind(alpha)) for kind, alpha in ((L1, numbers.l1), (L2, numbers.l2)) if alpha is not None]
    given += [On(L1(numbers.proximal_l1), None, True)] if numbers.proximal_l1 is not None else []
    given += [On(MaxNorm(numbers.max_norm, unit_axis))] if numbers.max_norm is not None else []
    terms = read_penalties(given, params)
    return tuple(sorted([*terms, *read_penalties(penalties, params, unit_axis)], key=lambda term: term.is_constraint))


def _read_weights(sample_weight: Any, class_weight: Any, y: Array, aim: targets.Aim, dtype: Any) -> Array | None:
    """The weight of each training example, or None."""
    weights = None
    if sample_weight is not None:
        NOT_NEGATIVE.check_all(
            "sample_weight", sample_weight, "Give 0 for an example that does not count", kinds="biuf"
        )
        weights = read_jax("sample_weight", sample_weight).astype(dtype)
        weights = jnp.where(weights >= 0, weights, jnp.nan)  # traced ones cannot be looked at
        check_same_shape("sample_weight", weights.shape, "the training examples", y.shape[:1])
        known = find_values(weights)
        if known is not None and not known.any():
            raise ArgumentError("sample_weight", 0.0, "must not be 0 for all", "Give some examples a weight")
    if class_weight is None:
        return weights
    classes, is_row = aim.classes, aim.classes is not None and y.shape[1:] == (aim.classes,)
    is_binary = aim.is_binary and math.prod(y.shape[1:]) == 1
    if not (is_binary or is_row or (classes is not None and y.ndim == 1)):
        raise ArgumentError("class_weight", class_weight, "is for one class an example", "Give sample_weight")
    classes = 2 if classes is None else classes
    if isinstance(class_weight, Mapping):
        for label in class_weight:
            boundary.check_integer("class_weight", label, 0, classes - 1, "Name classes")
        class_weight = [class_weight.get(label, 1.0) for label in range(classes)]
    NOT_NEGATIVE.check_all("class_weight", class_weight, "Give a weight for each class", kinds="biuf")
    of_class = read_jax("class_weight", class_weight).astype(dtype)
    check_same_shape("class_weight", of_class.shape, "the classes", (classes,))
    if is_binary:  # y may be probabilities, here and in rows
        share = y.reshape(-1).astype(dtype)
        own = (1 - share) * of_class[0] + share * of_class[1]
    else:
        own = y.astype(dtype) @ of_class if is_row else of_class[y]
    weights = own if weights is None else weights * own
    known = find_values(weights)
    if known is not None and not known.any():
        raise ArgumentError("class_weight", class_weight, "must not leave all examples without weight", "Weigh some")
    return weights


def _read_record(chosen: Mapping[str, Any], sets: Collection[str], aim: targets.Aim, params: PyTree) -> list[str]:
    """The names of the records to compute."""
    scores = [f"{name}_{score}" for name in sets for score in aim.scores]
    of_params = ["penalty", *(["weight_norm", "zero_fraction"] if find_kernels(params) else [])]
    record, stopping = chosen["record"], chosen["stopping"]
    if record is None:
        left_out = [] if chosen["evaluate_train"] else [name for name in scores if name.startswith("train_")]
        names = [name for name in (*scores, *of_params) if name not in left_out]
    else:
        if isinstance(record, str) or not isinstance(record, Sequence) or not all(isinstance(n, str) for n in record):
            raise ArgumentError("record", record, "must be names", 'Give a tuple such as ("test_accuracy",)')
        for name in record:
            check_choice("record", name, sorted({*scores, *of_params}))
        names = list(record)
    if stopping is not None:
        rules.check_monitor(stopping, [name for name in {*names, *scores, "penalty"} if name != "weight_norm"])
    return names


def find_kernels(params: PyTree) -> list[Any]:
    """The leaves of two or more dimensions, layer by layer."""
    return [leaf for leaf in name_leaves(params).values() if leaf.ndim >= 2]
