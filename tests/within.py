"""What tests of readers share: a time limit for what must not hang, and the words of a refusal."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sealkit.finding import ReadError


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in a block that takes longer, also where it waits for the system. No limit where there are no timers."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def refusal(read: Callable[[], Any]) -> ReadError:
    """The ReadError that a call raises."""
    with pytest.raises(ReadError) as caught:
        read()
    return caught.value


def value_or_refusal(read: Callable[[], Any]) -> Any:
    """What a call returns, or the ReadError that it raises; any other error passes through, as does a wait of over 10 s."""
    with within(10):
        try:
            return read()
        except ReadError as error:
            assert error.message and error.at.path
            return error
