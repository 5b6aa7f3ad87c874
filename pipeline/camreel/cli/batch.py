"""Many inputs, one after the other: one that fails does not stop the others, a signal stops all of them in good order."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from camreel.cli.outputs import Job
from camreel.cli.terminal import Terminal, lines_of
from camreel.errors import INTERRUPTED, SOME_FAILED, TERMINATED, CamreelError, ConfigError, DeviceError, ModelError

GRACE = 0.5
"""Seconds in which a second signal counts as the first one heard twice (a shell and a wrapper both pass Ctrl-C on)."""

PATIENCE = 2.0
"""Seconds that a signal waits for the next frame at most."""

HOPELESS = (ConfigError, ModelError, DeviceError)
"""What would befall every other input too."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: to be stopped like Ctrl-C, but with another exit code."""


class Stop:
    """What a signal asked for, and when that is granted: at once, or where somebody is patient, between two frames."""

    def __init__(self) -> None:
        self._asked: int | None = None
        self._when = 0.0
        self._patience = 0.0

    def hear(self, number: int, frame: FrameType | None) -> None:
        """The signal handler: the first signal stops in good order, a later one ends the process."""
        if self._asked is None:
            self._asked, self._when = number, time.monotonic()
            if not self._patience:
                raise self._error()
            signal.setitimer(signal.ITIMER_REAL, self._patience)
        elif time.monotonic() - self._when > GRACE:
            os._exit(exit_code(self._error()))

    def lose_patience(self, number: int, frame: FrameType | None) -> None:
        """The handler of the timer: no frame came, so the flow is waiting and can be stopped where it is."""
        raise self._error()

    def check(self) -> None:
        """Stops here if a signal came; to be called between two frames.

        Raises:
            KeyboardInterrupt: one came.
        """
        if self._asked is not None:
            _cancel_timer()
            raise self._error()

    @contextmanager
    def between_frames(self, patience: float | None = None) -> Iterator[None]:
        """Holds signals back until `check`, at most for `patience` seconds (`PATIENCE`): a frame goes to all outputs or to none."""
        self.check()
        if hasattr(signal, "setitimer"):
            self._patience = PATIENCE if patience is None else patience
        try:
            yield
            self.check()
        finally:
            self._patience = 0.0
            _cancel_timer()

    def _error(self) -> KeyboardInterrupt:
        return Terminated() if self._asked == signal.SIGTERM else KeyboardInterrupt()


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Hears SIGINT and SIGTERM inside; outside the main thread it hears nothing."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    handlers = {signal.SIGINT: stop.hear, signal.SIGTERM: stop.hear}
    if hasattr(signal, "SIGALRM"):
        handlers[signal.SIGALRM] = stop.lose_patience
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cancel_timer() -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def run_jobs(jobs: Sequence[Job], work: Callable[[Job], None], terminal: Terminal) -> int:
    """Works on every job.

    Args:
        jobs: what to do, in order.
        work: does one.
        terminal: hears of failures.

    Returns:
        The exit code.

    Raises:
        CamreelError: the only job failed, or one failed in a way that would stop the others too.
        KeyboardInterrupt: a signal came; `work` has finished its outputs.
    """
    if len(jobs) == 1:
        work(jobs[0])
        return 0
    failures: list[tuple[str, str]] = []
    for job in jobs:
        try:
            work(job)
        except HOPELESS:
            raise
        except Exception as error:
            terminal.error(error)
            failures.append((job.uri, lines_of(error)[0]))
    _sum_up(failures, len(jobs), terminal)
    return SOME_FAILED if failures else 0


def exit_code(error: BaseException) -> int:
    """What the process ends with when this error ends it."""
    if isinstance(error, KeyboardInterrupt):
        return TERMINATED if isinstance(error, Terminated) else INTERRUPTED
    return error.exit_code if isinstance(error, CamreelError) else CamreelError.exit_code


def _sum_up(failures: Sequence[tuple[str, str]], total: int, terminal: Terminal) -> None:
    if failures:
        terminal.note(f"{len(failures)} of {total} inputs failed:")
        for uri, what in failures:
            terminal.note(f"  {what}" if uri in what else f"  {uri}: {what}")
