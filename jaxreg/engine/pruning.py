"""A program without what decides none of its outputs: dead code at any depth, turns of loops' unused values, prints."""

from collections.abc import Sequence
from typing import Any

from jax.extend.core import ClosedJaxpr, Var

from jaxreg.programs import count_scan

CALLS = {  # equations that only wrap a program, and where they keep it
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
    "custom_vmap_call": "call",
}
_PROGRAMS = CALLS | {"remat": "jaxpr", "remat2": "jaxpr", "checkpoint": "jaxpr"}


def prune(program: ClosedJaxpr) -> ClosedJaxpr:
    """What of a program decides its outputs, to be read and not to be run; its inputs stay.

    JAX's own pass leaves what a `while` loop carries for nothing, and whatever is printed.

    >>> import jax
    >>> def turn(state):
    ...     jax.debug.print("{}", state[1].sum())
    ...     return 2 * state[0], state[1] + 1
    >>> run = lambda x: jax.lax.while_loop(lambda state: state[0] < 9, turn, (x, x))[0]
    >>> str(prune(jax.make_jaxpr(run)(1.0))).count("add")
    0
    """
    return _Pruner().prune(program, [True] * len(program.jaxpr.outvars), [True] * len(program.jaxpr.invars))[0]


class _Pruner:
    def __init__(self) -> None:
        self._done: dict[Any, Any] = {}

    def prune(self, program: Any, wanted: Sequence[bool], held: Sequence[bool] | None = None) -> tuple[Any, list[bool]]:
        """The program of the outputs `wanted`, and which inputs it has: those that it needs and those `held`."""
        key = id(program), tuple(wanted), None if held is None else tuple(held)
        if key not in self._done:
            self._done[key] = self._prune(program, wanted, held)
        return self._done[key]

    def _prune(self, program: Any, wanted: Sequence[bool], held: Sequence[bool] | None) -> tuple[Any, list[bool]]:
        jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
        outvars = _those(jaxpr.outvars, wanted)
        alive = {v for v in outvars if isinstance(v, Var)}
        equations = []
        for equation in reversed(jaxpr.eqns):
            outs = [v in alive for v in equation.outvars]
            if _acts(equation) or any(outs):
                equation = equation if _acts(equation) else self._shorten(equation, outs)
                equations.append(equation)
                alive |= {v for v in equation.invars if isinstance(v, Var)}
        used = [v in alive or bool(held and held[i]) for i, v in enumerate(jaxpr.invars)]
        kept = [v in alive for v in jaxpr.constvars]
        shorter = jaxpr.replace(
            invars=_those(jaxpr.invars, used),
            constvars=_those(jaxpr.constvars, kept),
            outvars=outvars,
            eqns=equations[::-1],
        )
        return (ClosedJaxpr(shorter, _those(program.consts, kept)) if jaxpr is not program else shorter), used

    def _shorten(self, equation: Any, outs: list[bool]) -> Any:
        kind, params = equation.primitive.name, equation.params
        if kind in _PROGRAMS:
            inner, used = self.prune(params[_PROGRAMS[kind]], outs)
            return _replaced(equation, used, outs, {_PROGRAMS[kind]: inner})
        if kind == "cond":
            used = [any(of) for of in zip(*(self.prune(b, outs)[1] for b in params["branches"]), strict=True)]
            branches = tuple(self.prune(branch, outs, used)[0] for branch in params["branches"])
            return _replaced(equation, [True, *used], outs, {"branches": branches})
        if kind == "while":
            return self._shorten_while(equation, outs)
        if kind == "scan" and "num_carry" in params:
            return self._shorten_scan(equation, outs)
        return equation

    def _shorten_while(self, equation: Any, carried: list[bool]) -> Any:
        test, body = equation.params["cond_jaxpr"], equation.params["body_jaxpr"]
        tests, turns = equation.params["cond_nconsts"], equation.params["body_nconsts"]
        by_test = self.prune(test, [True])[1]
        carried = _either(carried, by_test[tests:])
        while (more := _either(carried, self.prune(body, carried)[1][turns:])) != carried:
            carried = more
        by_turn = self.prune(body, carried)[1]
        changed = {
            "cond_jaxpr": self.prune(test, [True], [*by_test[:tests], *carried])[0],
            "body_jaxpr": self.prune(body, carried, [*by_turn[:turns], *carried])[0],
            "cond_nconsts": sum(by_test[:tests]),
            "body_nconsts": sum(by_turn[:turns]),
        }
        return _replaced(equation, [*by_test[:tests], *by_turn[:turns], *carried], carried, changed)

    def _shorten_scan(self, equation: Any, outs: list[bool]) -> Any:
        body = equation.params["jaxpr"]
        fixed, count = count_scan(equation)
        carried, collected = outs[:count], outs[count:]
        while True:
            used = self.prune(body, [*carried, *collected])[1]
            if (more := _either(carried, used[fixed : fixed + count])) == carried:
                break
            carried = more
        used = [*used[:fixed], *carried, *used[fixed + count :]]
        shorter = self.prune(body, [*carried, *collected], used)[0]
        changed = {"jaxpr": shorter, "num_consts": sum(used[:fixed]), "num_carry": sum(carried)}
        return _replaced(equation, used, [*carried, *collected], changed)


def _acts(equation: Any) -> bool:
    """Whether an equation does more than to compute and to print."""
    return any("Debug" not in type(effect).__name__ for effect in equation.effects)


def _replaced(equation: Any, used: Sequence[bool], outs: Sequence[bool], params: dict[str, Any]) -> Any:
    return equation.replace(
        invars=_those(equation.invars, used), outvars=_those(equation.outvars, outs), params=equation.params | params
    )


def _those(items: Sequence[Any], chosen: Sequence[bool]) -> list[Any]:
    return [item for item, is_chosen in zip(items, chosen, strict=True) if is_chosen]


def _either(some: Sequence[bool], others: Sequence[bool]) -> list[bool]:
    return [a or b for a, b in zip(some, others, strict=True)]
