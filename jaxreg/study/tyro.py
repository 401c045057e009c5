"""The library that makes command lines of dataclasses, which the extra `study` brings along."""

import importlib
from typing import Any

from jaxreg.errors import ArgumentError


def import_tyro() -> Any:
    """The module `tyro`.

    Raises:
        ArgumentError: it is not installed.
    """
    try:
        return importlib.import_module("tyro")
    except ImportError as error:
        remedy = "Install the command lines: python3 -m pip install 'jaxreg[study]'"
        raise ArgumentError("tyro", None, "is needed to read the settings", remedy) from error
