"""What a sweep says on standard error while it runs: never a reason for it to stop."""

import contextlib
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from jaxreg.checks import is_flag
from jaxreg.errors import SweepError

if find_spec("ipywidgets"):
    from tqdm.auto import tqdm
else:  # there, without widgets, tqdm.auto warns in every notebook ("IProgress not found") and draws a plain bar
    from tqdm.std import tqdm


class Report:
    """A progress bar and lines of text; silent once nobody listens (a closed or broken standard error).

    Raises:
        SweepError: `progress` is neither true nor false.
    """

    def __init__(self, is_on: bool) -> None:
        if not is_flag(is_on):
            raise SweepError("progress", is_on, "must be True or False", "Leave it out to see it")
        stream = sys.stderr
        self.is_on = is_on and stream is not None and not getattr(stream, "closed", False)
        self._bar: Any = None

    @contextlib.contextmanager
    def counting(self, runs: int) -> Iterator[None]:
        """Show a bar of so many runs within the block."""
        if self.is_on:
            with self._listened_to():
                self._bar = tqdm(total=runs, unit="run", leave=False)
        try:
            yield
        finally:
            bar, self._bar = self._bar, None
            if bar is not None:
                with self._listened_to():
                    bar.close()

    def advance(self, runs: int, diverged: int) -> None:
        """Move the bar by finished runs."""
        if self._bar is not None and self.is_on:
            with self._listened_to():
                self._bar.update(runs)
                self._bar.set_postfix(diverged=diverged, refresh=False)

    def say(self, text: str) -> None:
        """Write one line."""
        if self.is_on:
            with self._listened_to():
                tqdm.write(text, file=sys.stderr)

    @contextlib.contextmanager
    def _listened_to(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, AttributeError):  # a broken pipe, a closed file, no file at all
            self.is_on = False
