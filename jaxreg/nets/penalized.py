"""Which penalties act on which parameters of a network, through their gradient or their proximal step."""

import dataclasses
import fnmatch
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from jaxreg.checks import describe_cause, is_flag
from jaxreg.errors import ArgumentError
from jaxreg.nets.model import UNIT_AXIS
from jaxreg.nets.networks import name_leaves, parameters_of, widen
from jaxreg.penalties import Box, Mask, MaxNorm, kernels_only
from jaxreg.penalties.own import check_prox

_REMEDY = 'Give penalties.L2(1e-3), nets.On(penalty, "hidden_0/*"), or {"hidden_0/*": penalty}'

_OF_HEADS = ("key", "query", "value")  # as attention in Flax calls its kernels (in, heads, features)


class On(NamedTuple):
    """A penalty, the parameters that it acts on, and how.

    Args:
        penalty: a value of `jaxreg.penalties`, whose strengths may be traced, or one of your own as `linear.solve`
            takes it, with `value(w)` and `prox(w, step)` of one array, called for each leaf; or with
            `value(params, mask)` and `prox(params, step, mask)` of all of them.
        where: a path such as "hidden_0/weight" with `*` and `?` as in a shell, several of these, a function
            `(path, leaf) -> bool`, or a mask of `jaxreg.penalties`. None: all kernels, that is leaves of two or more
            dimensions.
        proximal: act by `prox` after each step, with the learning rate as its step, which makes exact zeros; else by
            the gradient of `value`. None: by the gradient, but for what is a constraint, such as `MaxNorm`.

    >>> from jaxreg import penalties
    >>> On(penalties.L1(1e-4), "hidden_0/*", proximal=True).where
    'hidden_0/*'
    """

    penalty: Any
    where: Any = None
    proximal: bool | None = None


class Term(NamedTuple):
    """A penalty with its mask for the parameters at hand."""

    penalty: Any
    mask: Mask
    proximal: bool
    is_constraint: bool
    takes_mask: bool = True

    def value(self, params: PyTree) -> Float[Array, ""]:
        """What it adds to the objective."""
        params = widen(params)
        if self.takes_mask:
            return self.penalty.value(params, self.mask)
        leaves = zip(*map(jax.tree.leaves, (params, self.mask)), strict=True)
        return jnp.asarray(sum(self.penalty.value(w) for w, acts in leaves if acts))

    def prox(self, params: PyTree, step: Any) -> PyTree:
        """Its proximal step."""
        wide = widen(params)
        if self.takes_mask:
            moved = self.penalty.prox(wide, step, self.mask)
        else:
            moved = jax.tree.map(lambda w, acts: self.penalty.prox(w, step) if acts else w, wide, self.mask)
        return jax.tree.map(lambda w, z: jnp.asarray(z).astype(w.dtype), params, moved)


def read_penalties(given: Any, params: PyTree, unit_axis: int | None = None) -> list[Term]:
    """The penalties as terms; refuse what is none, and what acts on nothing.

    Args:
        given: what `train` takes as `penalties`.
        params: the parameters, or their shapes.
        unit_axis: of the model's kernels, for penalties that go by units and do not say it.
    """
    if isinstance(given, Mapping):
        given = [_as_on(one)._replace(where=where) for where, several in given.items() for one in _as_list(several)]
    return [_read_term(_as_on(one), params, unit_axis) for one in _as_list(given)]


def _as_list(given: Any) -> Sequence[Any]:
    return given if isinstance(given, list | tuple) and not isinstance(given, On) else [given]


def _as_on(given: Any) -> On:
    return given if isinstance(given, On) else On(given)


def _read_term(on: On, params: PyTree, unit_axis: int | None) -> Term:
    penalty = on.penalty
    if isinstance(penalty, type) or not all(callable(getattr(penalty, name, None)) for name in ("value", "prox")):
        raise ArgumentError("penalties", penalty, "must have value(w) and prox(w, step)", _REMEDY)
    is_constraint = isinstance(penalty, MaxNorm | Box) or bool(getattr(penalty, "is_constraint", False))
    mask = _read_mask(on.where, params)
    acted_on = [leaf for leaf, acts in zip(*map(jax.tree.leaves, (params, mask)), strict=True) if acts]
    if not acted_on:
        known = ", ".join(name_leaves(params))
        if on.where is None:
            constraint = "must have a kernel to act on, a parameter of two or more dimensions"
            raise ArgumentError("penalties", penalty, constraint, 'Say where, by nets.On(penalty, "*")')
        raise ArgumentError("penalties", on.where, "must match some parameters", f"There are {known}")
    for leaf in acted_on:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            constraint = "must act on floating-point parameters"
            raise ArgumentError("penalties", on.where, constraint, "Leave integers out by `where`")
    if hasattr(penalty, "unit_axis"):
        _check_units(penalty, params, mask)
        if penalty.unit_axis is None and unit_axis == UNIT_AXIS:  # elsewhere the last, as None has it
            penalty = dataclasses.replace(penalty, unit_axis=unit_axis)
    if on.proximal is not None and not is_flag(on.proximal):
        raise ArgumentError("proximal", on.proximal, "must be True, False or None", "True makes exact zeros")
    proximal = is_constraint if on.proximal is None else bool(on.proximal)
    term = Term(penalty, mask, proximal, is_constraint, len(inspect.signature(penalty.value).parameters) > 1)
    _check_term(term, params)
    return term


def _check_term(term: Term, params: PyTree) -> None:
    """Refuse a penalty whose value is not one float, or whose proximal step changes shapes."""
    try:
        value, moved = jax.eval_shape(
            lambda params: (term.value(params), term.prox(params, 1.0) if term.proximal else params), params
        )
    except ArgumentError:
        raise
    except Exception as error:  # whatever a penalty of somebody else's raises
        constraint = f"must take the parameters that it acts on ({describe_cause(error)})"
        raise ArgumentError("penalties", term.penalty, constraint, "Leave others out by nets.On(...)") from error
    if value.shape or not jnp.issubdtype(value.dtype, jnp.floating):
        constraint = f"must have one float as its value, not {value.dtype}{list(value.shape)}"
        raise ArgumentError("penalties", term.penalty, constraint, "Sum over the entries of w")
    if any(a.shape != b.shape for a, b in zip(*map(jax.tree.leaves, (params, moved)), strict=True)):
        constraint = "must keep the shape of w in its proximal step"
        raise ArgumentError("penalties", term.penalty, constraint, "Return an array like w")
    if term.proximal and not term.takes_mask:
        for leaf, acts in zip(*map(jax.tree.leaves, (params, term.mask)), strict=True):
            if acts:
                check_prox("penalties", term.penalty, leaf.shape)


def _check_units(penalty: Any, params: PyTree, mask: PyTree) -> None:
    """Refuse kernels whose units lie along two axes."""
    marks = name_leaves(mask)
    for name, leaf in name_leaves(params).items():
        if marks[name] and leaf.ndim > 2 and name.split("/")[-2:-1] and name.split("/")[-2] in _OF_HEADS:
            constraint = f"goes by units along one axis, and those of {name} {leaf.shape} lie along two"
            raise ArgumentError("penalties", penalty, constraint, "Leave it out by nets.On(penalty, where)")


def _read_mask(where: Any, params: PyTree) -> PyTree[bool]:
    """A truth value for each leaf."""
    if where is None:
        return kernels_only(params)
    names = list(name_leaves(params))
    if isinstance(where, str) or (isinstance(where, tuple | list) and all(isinstance(one, str) for one in where)):
        patterns = [where] if isinstance(where, str) else where
        for pattern in patterns:
            if not fnmatch.filter(names, pattern):
                raise ArgumentError("penalties", pattern, "must match some parameters", f"There are {', '.join(names)}")
        return _mark(params, lambda name, _: any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))
    try:
        if callable(where) and sum(one.default is one.empty for one in parameters_of(where).values()) == 2:
            return _mark(params, where)
        prefix = where(params) if callable(where) else where
    except Exception as error:  # whatever a function of somebody else's raises
        constraint = f"must say of each path and the shape of its leaf whether it is meant ({describe_cause(error)})"
        raise ArgumentError("penalties", where, constraint, "Return True or False") from error
    if not all(map(is_flag, jax.tree.leaves(prefix))):
        raise ArgumentError("penalties", where, "must be a mask of truth values", _REMEDY)
    try:
        return jax.tree.map(lambda acts, part: jax.tree.map(lambda _: bool(acts), part), prefix, params)
    except (ValueError, TypeError) as error:
        raise ArgumentError("penalties", where, "must be a mask that fits the parameters", _REMEDY) from error


def _mark(params: PyTree, acts: Callable[[str, Any], Any]) -> PyTree[bool]:
    """The parameters with whether each is meant, by its path."""
    places = jax.tree.unflatten(jax.tree.structure(params), range(len(jax.tree.leaves(params))))
    marks = {place: bool(acts(name, jax.tree.leaves(params)[place])) for name, place in name_leaves(places).items()}
    return jax.tree.map(marks.__getitem__, places)
