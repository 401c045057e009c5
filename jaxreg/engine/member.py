"""A member: one run at one point as a program, traced anew unless nothing that the run reads can have changed."""

import collections
import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax._src import config as _config
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from jaxreg.engine.axes import derive_key
from jaxreg.engine.describing import without_addresses
from jaxreg.engine.exact import sort_of
from jaxreg.engine.fingerprint import Fingerprint, opaque_key, take_fingerprint, without_dead_code
from jaxreg.engine.in_turn import uses_lapack
from jaxreg.engine.known import known_values
from jaxreg.engine.provenance import fingerprint_data
from jaxreg.engine.reads import read_key
from jaxreg.engine.returned import as_arrays
from jaxreg.engine.surroundings import find_changes
from jaxreg.errors import JaxregError, SweepError

Statics = tuple[tuple[str, Any], ...]
_MOST_KEPT = 64
_NOT_TRACEABLE = (  # JAX's errors where Python asks for a traced number; for shapes it is a plain TypeError
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)
_Looked = dict[int, str]
_kept: "collections.OrderedDict[Any, tuple[Member, _Looked]]" = collections.OrderedDict()
"""Members by all that their traces read; with each, hashes of the arrays of `args` whose numbers a check looked at."""


@dataclasses.dataclass(frozen=True, eq=False)
class Member:
    """One run as a program; two are equal if they compute the same, so that JAX compiles it once.

    `mark` tells the state of what it reads, `dims` are the names of its outputs' dimensions, where the run says them.
    """

    jaxpr: ClosedJaxpr
    shapes: dict[str, jax.ShapeDtypeStruct]
    fingerprint: Fingerprint
    uses_lapack: bool
    mark: str = ""
    dims: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def __call__(self, args: Any, traced: Mapping[str, Any]) -> dict[str, jax.Array]:
        """Outputs by name, and whether any of them is not finite."""
        # What does not depend on the run comes out as the number that it is.
        outputs = map(jnp.asarray, jaxpr_as_fun(self.jaxpr)(*jax.tree.leaves((args, dict(traced)))))
        return dict(zip(sorted([*self.shapes, "diverged"]), outputs, strict=True))

    def compiling(self) -> contextlib.AbstractContextManager[Any]:
        """Within it the program is compiled: rules that are called only then find what was there when it was traced."""
        return _marked(self.mark) if self.fingerprint.has_rules else contextlib.nullcontext()

    def _key(self) -> tuple[Any, ...]:
        opaque = tuple(map(opaque_key, self.fingerprint.opaque))  # held by the member: addresses stay theirs
        return self.fingerprint.printed, opaque, tuple(self.shapes), tuple(map(str, self.jaxpr.in_avals))

    def __hash__(self) -> int:
        """Of what it computes."""
        return hash(self._key())

    def __eq__(self, other: object) -> bool:
        """Whether it computes the same."""
        return isinstance(other, Member) and self._key() == other._key()


def trace_member(
    run: Callable[..., Any], args: Sequence[Any], traced: Mapping[str, Any], static: Statics, keys: Sequence[str]
) -> Member:
    """Trace one run, or find the trace of before; nothing is compiled. Keywords in `keys` are seeds.

    Raises:
        SweepError: what it returns, or what it does with traced values, cannot be used.
    """
    read = read_key(run, args, static)
    key = read and (read, tuple((name, v.shape, v.dtype) for name, v in sorted(traced.items())), tuple(keys))
    member, looked = _kept.pop(key, (None, {})) if key else (None, {})
    if member is None or looked != _hash_leaves(args, looked):
        member, looked = _trace(run, args, traced, static, keys)
    if key and not member.fingerprint.calls_host:  # which holds that function, and not another of the same
        _kept[key] = member, looked
        if len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return member


def _trace(
    run: Callable[..., Any], args: Sequence[Any], traced: Mapping[str, Any], static: Statics, keys: Sequence[str]
) -> tuple[Member, _Looked]:
    """The member, and hashes of those arrays of `args` that checks looked at: with other numbers it may be another."""

    def member(args: Any, traced: dict[str, Any]) -> dict[str, jax.Array]:
        point = {name: derive_key(value, name) if name in keys else value for name, value in traced.items()}
        returned = run(*args, **point, **dict(static))
        named = None if "dims" in getattr(returned, "_fields", ()) else getattr(returned, "dims", None)
        dims.update(named if isinstance(named, Mapping) else {})
        outputs = as_arrays(returned)
        floats = [value for value in outputs.values() if jnp.issubdtype(value.dtype, jnp.inexact)]
        finite = jnp.array([jnp.isfinite(value).all() for value in floats]).all() if floats else jnp.array(True)
        return {**outputs, "diverged": ~finite}

    def watched(args: Any, traced: dict[str, Any]) -> dict[str, jax.Array]:
        with known_values(args, shared, looked_at):
            return member(args, traced)

    shared, looked_at, dims = tuple(args), list[Any](), dict[str, tuple[str, ...]]()
    mark = ",".join(sort_of(value) for _, value in static).strip(",") + find_changes(run, *dict(static).values())
    with _marked(mark):
        jaxpr, shapes = _make_jaxpr(watched, shared, dict(traced))
    if any(isinstance(constant, jax.core.Tracer) for constant in jaxpr.consts):
        raise SweepError("run", "a traced value", "must not be closed over", "Pass it as an axis or in args")
    jaxpr = without_dead_code(jaxpr)
    names = [*(f"args{i}" for i in range(len(jax.tree.leaves(shared)))), *sorted(traced)]
    with _marked(mark):
        fingerprint = take_fingerprint(jaxpr, names, len(names) - len(traced))
    structs = {name: jax.ShapeDtypeStruct(s.shape, s.dtype) for name, s in shapes.items() if name != "diverged"}
    leaves = jax.tree.leaves(shared)
    looked = _hash_leaves(args, [i for i, leaf in enumerate(leaves) if any(leaf is value for value in looked_at)])
    return Member(jaxpr, structs, fingerprint, uses_lapack(jaxpr.jaxpr), mark, dims), looked


def _hash_leaves(args: Sequence[Any], numbers: Iterable[int]) -> _Looked:
    """Hashes of some of the arrays of `args`, by their numbers among all."""
    leaves = jax.tree.leaves(tuple(args))
    return {number: fingerprint_data([leaves[number]]) for number in numbers}


def _marked(mark: str) -> contextlib.AbstractContextManager[Any]:
    """JAX keeping apart what is traced here: functions by what they read, and by what they are called with.

    It keeps the functions that a run calls by what they are called with: 1, True and 1.0 are equal there, and what they
    read beside counts for nothing. This setting is part of what it looks them up by and decides nothing else (private:
    only so does it hold for one thread).
    """
    return _config.hlo_source_file_canonicalization_regex(f"(?!)sweep {re.escape(mark)}")


def _unplaced(values: Any) -> Any:
    """What arrays are to a program that may run anywhere: wherever they lie, it is not part of it."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=leaf.weak_type),
        jax.eval_shape(lambda: values),
    )


def _make_jaxpr(member: Callable[..., Any], args: Any, traced: Any) -> tuple[ClosedJaxpr, Any]:
    try:
        return jax.make_jaxpr(member, return_shape=True)(*map(_unplaced, (args, traced)))
    except JaxregError as error:
        if not isinstance(error.value, jax.core.Tracer) or isinstance(error, SweepError):
            raise  # the engine's own are about what a run returns, which no static axis mends
        raise SweepError(
            "run", error.argument, f"is traced, and {error.constraint}", "Sweep it as jaxreg.static([...])"
        ) from error
    except (*_NOT_TRACEABLE, TypeError) as error:
        if not isinstance(error, _NOT_TRACEABLE) and not str(error).startswith("Shapes must be 1D sequences of concre"):
            _refuse_as_key(error, traced)
            raise
        names = sorted(set(re.findall(r"traced\['(\w+)'\]|(args\[\d+\])", str(error))))
        culprits = [swept or shared for swept, shared in names] or ["an argument"]
        raise SweepError(
            "run",
            ", ".join(culprits),
            "is traced, and must not decide Python control flow or a shape",
            f"Sweep it as jaxreg.static([...]), or use jnp.where ({without_addresses(str(error)).splitlines()[0]})",
        ) from error


def _refuse_as_key(error: TypeError, traced: Mapping[str, Any]) -> None:
    """Name the axes of numbers where JAX was handed a number for a key."""
    numbers = sorted(name for name, value in traced.items() if not np.shape(value))
    if numbers and str(error).startswith("JAX encountered invalid PRNG key data"):
        constraint = "are axes of numbers, and the run takes a number for a PRNG key"
        raise SweepError("axes", numbers, constraint, "Write jaxreg.seeds(n) for the axis that is a key") from error
