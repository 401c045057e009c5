"""Errors raised at the boundary: each names the argument, its value, the constraint and the remedy.

Below the message, a traceback names the page that explains errors of its kind. An argument outside its domain needs
none: the docstring of the function says what the domain is.
"""

import reprlib
from typing import Any, ClassVar


class _Repr(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        """An integer, also one of more digits than Python writes."""
        return super().repr_int(x, level) if x.bit_length() < 2**12 else f"an integer of {x.bit_length()} bits"


_short = _Repr()
_short.maxstring = _short.maxother = 120


DOCUMENTATION = "docs/"
"""Where the pages are: in the repository and the source archive."""


class JaxregError(ValueError):
    """Base of every error that jaxreg raises on purpose.

    Args:
        argument: name of what was wrong (a parameter, a file, an axis).
        value: what it was.
        constraint: what it must be, as the end of a sentence.
        remedy: what to do now, as a sentence without its full stop.

    >>> print(SweepError("chunk_size", 0, "must be a positive integer", 'Leave it at "auto"'))
    chunk_size = 0: must be a positive integer. Leave it at "auto".

    Attributes:
        page: the page that explains errors of this class, if one does.
    """

    page: ClassVar[str] = ""

    def __init__(self, argument: str, value: object, constraint: str, remedy: str) -> None:
        super().__init__(argument, value, constraint, remedy)
        self.argument, self.value, self.constraint, self.remedy = argument, value, constraint, remedy
        if self.page:
            self.add_note(f"More about it: {DOCUMENTATION}{self.page}")

    def __str__(self) -> str:
        """The four parts as one line."""
        return f"{self.argument} = {_short.repr(self.value)}: {self.constraint}. {self.remedy}."


class SweepError(JaxregError):
    """A sweep, its axes or its run function cannot be used as given.

    Attributes:
        partial: the dataset of the cases that did finish, where others failed in a sweep without a store; its variable
            `done` says which. None otherwise.
    """

    page = "faq.md#sweeps"
    partial: Any = None


class StoreError(JaxregError):
    """A results store cannot be written, or holds something else than this sweep."""

    page = "stores.md#when-a-store-is-refused"


class StoreWarning(UserWarning):
    """A results store was damaged: which files, and what was computed again; the result itself is right."""


class DataError(JaxregError):
    """A data file is missing, damaged or not what its name promises."""

    page = "data.md"


class ArgumentError(JaxregError):
    """An argument of a numerical function is outside its domain."""


class AcceleratorError(JaxregError):
    """There is no such accelerator to compile for, or its compiler is not installed."""

    page = "accelerators.md#before-opening-colab-a-plan-for-a-chip-that-is-not-there"
