"""`python -m jaxreg verify STORE [--repair]`: whether a store is what was written, file by file."""

import argparse
import sys
from collections.abc import Sequence

from jaxreg.engine.catalog import open_catalog
from jaxreg.engine.integrity import examine, repair
from jaxreg.engine.lock import hold_lock
from jaxreg.engine.store import as_store_error, resolve_path
from jaxreg.errors import JaxregError, StoreError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 where all is well (or was repaired), 1 where files are damaged, 2 where nothing can be said."""
    parser = argparse.ArgumentParser(prog="python -m jaxreg", description="Stores of jaxreg.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("verify", help="look at every file of a store", description=verify.__doc__)
    command.add_argument("store", metavar="STORE", help="the folder of the store")
    command.add_argument("--repair", action="store_true", help="put right what can be, and mark lost runs as not done")
    given = parser.parse_args(arguments)
    try:
        return verify(given.store, given.repair)
    except JaxregError as error:
        print(error, file=sys.stderr)
        return 2


def verify(store: str, mend: bool = False) -> int:
    """Name every file of a store that is damaged, missing or from elsewhere.

    Metadata, labels and the marks of done runs are repaired from what the store holds twice. Lost results are marked as
    not done, so that the same sweep computes them again, and only them.
    """
    path = resolve_path(store)
    with as_store_error(path):
        if not path.is_dir() or not any(path.iterdir()):
            raise StoreError("store", str(path), "holds nothing", "Give the folder that a sweep wrote")
        with hold_lock(path):
            catalog = open_catalog(path)
            found = examine(catalog)
            print(f"{path}: {int(found.held.sum()):,} of {found.held.size:,} cells hold a run")
            print("\n".join(map(str, found.damage)) or "Every file is what was written there.")
            if found.damage:
                print(f"{int(found.lost.sum()):,} runs are lost.", end=" ")
                print("The same sweep again, or --repair, mends the store." if not mend else "Mended what was not.")
            if mend:
                repair(catalog, found)
    return int(bool(found.damage) and not mend)


if __name__ == "__main__":
    sys.exit(main())
