"""Call every public function with one bad argument: `python -m tests.bad_values --examples 5000`.

In a process of its own, because the type checker of the tests would refuse most bad values before jaxreg does.
"""

import argparse
import contextlib
import io
import itertools
import os
import signal
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jaxreg.errors import JaxregError
from jaxreg.nets import History
from jaxreg.study.compiled import keep_programs
from tests.bad_values.calls import CALLS, METHODS, call_of
from tests.bad_values.values import is_finite, make, recipes

_SECONDS = 60  # on a busy machine


class _HangError(Exception):
    pass


def _stop(number: int, frame: Any) -> None:
    raise _HangError(f"did not return within {_SECONDS} s")


def judge(name: str, argument: str, recipe: str) -> str | None:
    """What is wrong with how a function takes a bad argument, or None: refused by name, or taken."""
    function, arguments = call_of(name)
    value = make(recipe)
    signal.alarm(_SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = function(**(arguments | {argument: value}))
            jax.block_until_ready([leaf for leaf in jax.tree.leaves(result) if isinstance(leaf, jax.Array)])
    except JaxregError as error:
        str(error)
        return None
    except Exception as error:
        return f"{type(error).__module__}.{type(error).__name__}: {str(error)[:160]!r}"
    finally:
        signal.alarm(0)
    if is_finite(value) and is_finite([v for v in arguments.values() if isinstance(v, np.ndarray | float)]):
        return _find_nonsense(result)
    return None


def _find_nonsense(result: Any) -> str | None:
    """NaN in a result that has no status which says so, and no count of runs which is 0."""
    for flag in ("status", "diverged"):
        marks = getattr(result, flag, None)
        if marks is not None and np.asarray(marks).any():
            return None
    if isinstance(result, History):
        return None  # a training whose numbers say that it diverged
    if isinstance(result, xr.Dataset | xr.DataArray):
        dataset = result.to_dataset(name="result") if isinstance(result, xr.DataArray) else result
        if not all(dataset[count].all() for count in ("n", "n_first", "n_second") if count in dataset):
            return None
        result = {name: variable.values for name, variable in dataset.variables.items()}
    for leaf in jax.tree.leaves(result):
        numbers = np.asarray(leaf) if isinstance(leaf, jax.Array | np.ndarray | float) else np.zeros(0)
        if numbers.dtype.kind == "f" and np.isnan(numbers).any():
            return f"NaN out of finite numbers: {result!r:.100}"
    return None


def main() -> None:
    """Try so many bad arguments, and print each kind of failure once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--only", default="", help="a part of the functions' names")
    parser.add_argument("--random", action="store_true", help="draw others each time: the same arguments by default")
    parser.add_argument("--each", nargs="+", metavar="VALUE", help="give every argument these, as 2**63, and draw none")
    parser.add_argument("--valid", action="store_true", help="make the valid calls first")
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, _stop)
    os.chdir(tempfile.mkdtemp())
    os.environ["HOME"] = str(Path.cwd())
    names = [name for name in (*CALLS, *METHODS) if options.only in name]
    failures: dict[tuple[str, str, str], str] = {}
    if options.valid:
        for name in names:
            function, arguments = call_of(name)
            try:
                if arguments:  # without any, there is nothing to spoil
                    function(**arguments)
            except Exception as error:
                if type(error).__name__ != "AcceleratorError":  # what compiles for the chip is not installed
                    failures[name, "", "a valid call"] = f"{type(error).__name__}: {str(error)[:200]}"
                    print(f"{name}: a valid call raises {failures[name, '', 'a valid call']}", flush=True)
    places = [(name, argument) for name in names for argument in call_of(name)[1]]
    tried = 0

    def spoil(place: tuple[str, str], recipe: str) -> None:
        nonlocal tried
        tried += 1
        wrong = judge(*place, recipe)
        if wrong is not None and (kind := (*place, wrong.split(":")[0])) not in failures:
            failures[kind] = f"{recipe}: {wrong}"
            print(f"{place[0]}({place[1]} = {recipe}: {wrong}", flush=True)

    @settings(
        max_examples=options.examples,
        deadline=None,
        derandomize=not options.random,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(places), recipes)
    def draw(place: tuple[str, str], recipe: str) -> None:
        spoil(place, recipe)

    if options.each:
        for place, recipe in itertools.product(places, options.each):
            spoil(place, recipe)
    else:
        draw()
    print(f"{tried} bad arguments of {len(names)} functions, {len(failures)} failures")
    sys.exit(bool(failures))


if __name__ == "__main__":
    with keep_programs():
        main()
