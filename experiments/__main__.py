"""The command line of the experiments: `python -m experiments NAME [--preset laptop] [--FIELD VALUE]`."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import tyro

import jaxreg
from jaxreg.claims import format_ledger, judge, ledger
from jaxreg.errors import JaxregError

from .catalogue import list_modules, load
from .report import describe, is_watched

_USAGE = "usage: python -m experiments NAME [--preset PRESET] [--store PATH] [--FIELD VALUE ...]"


def main(arguments: Sequence[str] | None = None, package: str = "experiments") -> int:
    """Run the experiment that `arguments` name, print its result and its claims; return the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    known = list_modules(package, "run")
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_list(known))
        return 0
    try:
        jaxreg.use_all_cores()
        module = load(package, arguments[0], known)
        command = _parse(module, arguments[0], arguments[1:])
        dataset = module.run(command.config, store=command.store, progress=is_watched())
        judged = judge(getattr(module, "CLAIMS", ()), dataset)
    except JaxregError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(module.report(dataset) if hasattr(module, "report") else f"{describe(dataset)}\n\n{dataset}")
    if judged:
        print(f"\n{format_ledger(ledger(judged))}")
    return 0


def _list(known: dict[str, str]) -> str:
    """What is shown to whoever names no experiment."""
    width = max(map(len, known), default=0)
    lines = [f"  {name:<{width}}  {summary}" for name, summary in known.items()]
    return "\n".join([_USAGE, "", *lines, "", "python -m experiments NAME --help lists the fields of an experiment."])


def _parse(module: ModuleType, name: str, arguments: Sequence[str]) -> Any:
    """The values of `preset`, `store` and `config`; the preset, read first, gives the defaults of the fields."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default="laptop")
    chosen = first.parse_known_args(arguments)[0].preset
    presets = module.PRESETS

    def option(kind: Any, default: Any, explanation: str) -> tuple[Any, Any]:
        return Annotated[kind, tyro.conf.arg(help=explanation)], dataclasses.field(default=default)

    command = dataclasses.make_dataclass(
        "Command",
        [
            ("preset", *option(Literal[tuple(presets)], "laptop", "where the values of the fields start from")),
            ("store", *option(Path | None, None, "zarr folder that keeps the result; the next call goes on from it")),
            ("config", module.Config, dataclasses.field(default=presets.get(chosen, presets["laptop"]))),
        ],
        frozen=True,
    )
    return tyro.cli(
        command,
        prog=f"python -m experiments {name}",
        description=module.__doc__,
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes,),
    )


if __name__ == "__main__":
    sys.exit(main())
