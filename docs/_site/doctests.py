"""Sessions (`>>> ...`) in docstrings, which stand there bare, are shown as code: an extension of griffe."""

import re
from typing import Any

import griffe

_SESSION = re.compile(r"^>>> .*(?:\n.+)*", flags=re.MULTILINE)


class Doctests(griffe.Extension):
    """Puts every session into a fence."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring before it is parsed."""
        if obj.docstring is not None:
            obj.docstring.value = fence(obj.docstring.value)


def fence(text: str) -> str:
    """The docstring with its sessions in fences; what is in a fence already stays."""
    return text if "```" in text else _SESSION.sub(lambda session: f"```pycon\n{session[0]}\n```", text)
