"""`python -m jaxreg data list | fetch NAME ... | verify [NAME ...]`: the data sets of `jaxreg.datasets`."""

import argparse
import sys
from collections.abc import Sequence

from jaxreg.datasets.loading import load
from jaxreg.datasets.locating import NAMES, locate
from jaxreg.errors import JaxregError


def data_command(arguments: Sequence[str]) -> int:
    """List data sets, download them, or compare what is here with published checksums.

    Exit codes: 0 all is well; 1 something is not the original, or was asked for and is not here.
    """
    parser = argparse.ArgumentParser(prog="python -m jaxreg data", description=data_command.__doc__)
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND")
    commands.add_parser("list", help="which there are, and where they lie")
    for command, count, about in (
        ("fetch", "+", "download, unless they are here"),
        ("verify", "*", "check those here"),
    ):
        commands.add_parser(command, help=about).add_argument(
            "names", nargs=count, metavar="NAME", help=", ".join(NAMES)
        )
    given = parser.parse_args(arguments)
    if given.command == "list":
        print("\n".join(describe_data()))
        return 0
    for name in given.names:
        if name not in NAMES:
            parser.error(f"NAME = {name}: must be one of {', '.join(NAMES)}")
    names = given.names or [name for name in NAMES if locate(name)]
    return max([_check(name, given.command == "fetch") for name in names], default=0)


def describe_data() -> list[str]:
    """A line on each data set: its name and where it is."""
    places = {"digits": "part of the package"} | {name: str(locate(name) or "not here") for name in NAMES}
    width = max(map(len, places))
    return [f"{name:<{width}}  {place}" for name, place in places.items()]


def _check(name: str, fetch: bool) -> int:
    """Load one, which compares checksums; say what came out."""
    folder = locate(name)
    if folder is None and not fetch:
        print(f"{name}: not here; python -m jaxreg data fetch {name}", file=sys.stderr)
        return 1
    try:
        load(name, directory=folder)  # from a folder that is given, nothing is downloaded
    except JaxregError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    print(f"{name}: the original, in {folder or locate(name)}")
    return 0
