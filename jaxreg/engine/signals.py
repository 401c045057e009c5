"""Ctrl-C and SIGTERM while a store is written: what is computed is kept, and neither is ever lost on the way."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_ENDING = {"SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL, "SIGINT": signal.default_int_handler}


@contextlib.contextmanager
def answer_signals(farewell: Callable[[], str]) -> Iterator[Callable[[], None]]:
    """Turn SIGTERM and SIGHUP into SystemExit(128 + number), as shells count; yield a function that raises again.

    An exception that a signal raises can be swallowed: Python ignores those within destructors and callbacks of the
    garbage collector. What is yielded raises it again, and so does the end of the block. Handlers that a program has
    set itself stay, and so does everything outside the main thread. `farewell` is printed on standard error last,
    unless it is empty.
    """
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        received.append(number)
        heed()

    def heed() -> None:
        if received:
            raise KeyboardInterrupt if received[-1] == signal.SIGINT else SystemExit(128 + received[-1])

    replaced = {}
    if threading.current_thread() is threading.main_thread():
        for name, usual in _ENDING.items():
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == usual:
                replaced[number] = signal.signal(number, end)
    try:
        yield heed
        heed()
    finally:
        for number, usual in replaced.items():
            signal.signal(number, usual)
        if received and (text := farewell()):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                print(text, file=sys.stderr)
