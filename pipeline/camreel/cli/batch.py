"""Many inputs, one after another: an input that fails does not stop the others, a signal stops all of them in order."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from camreel.cli.outputs import Job
from camreel.cli.terminal import Terminal, error_lines
from camreel.errors import INTERRUPTED, SOME_FAILED, TERMINATED, CamreelError, ConfigError, DeviceError, ModelError

DUPLICATE_SECONDS = 0.5
"""Time in which a second signal counts as a duplicate of the first: a shell and a wrapper may both pass Ctrl-C on."""
MAX_WAIT_SECONDS = 2.0
"""Maximum time that a signal waits for the end of a frame."""
FATAL_ERRORS = (ConfigError, ModelError, DeviceError)
"""Errors that every other input would fail with, too."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: stops a run like Ctrl-C, but with another exit code."""


class StopRequest:
    """A request to stop, made by a signal.

    It is granted at once, or inside `between_frames` at the next call of `check`, so that a frame is written to all
    outputs or to none.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._time = 0.0
        self._max_wait = 0.0

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGINT or SIGTERM: the first one stops the run in order, a later one ends the process at once.

        Raises:
            KeyboardInterrupt: this is the first signal, and it need not wait for the end of a frame.
        """
        if self._signal is None:
            self._signal, self._time = number, time.monotonic()
            if not self._max_wait:
                raise self._error()
            signal.setitimer(signal.ITIMER_REAL, self._max_wait)
        elif time.monotonic() - self._time > DUPLICATE_SECONDS:
            os._exit(exit_code(self._error()))

    def on_timeout(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGALRM: no frame has ended in time, so the run is waiting for its source and can be stopped anywhere.

        Raises:
            KeyboardInterrupt: always.
        """
        raise self._error()

    def check(self) -> None:
        """Stop here if a signal has arrived; to be called between two frames.

        Raises:
            KeyboardInterrupt: a signal has arrived.
        """
        if self._signal is not None:
            _cancel_timer()
            raise self._error()

    @contextmanager
    def between_frames(self, max_wait: float | None = None) -> Iterator[None]:
        """Defer signals to the next call of `check`.

        Args:
            max_wait: maximum time in seconds that a signal is deferred; None: `MAX_WAIT_SECONDS`.

        Raises:
            KeyboardInterrupt: a signal arrived before, or inside after the last call of `check`.
        """
        self.check()
        if hasattr(signal, "setitimer"):
            self._max_wait = MAX_WAIT_SECONDS if max_wait is None else max_wait
        try:
            yield
            self.check()
        finally:
            self._max_wait = 0.0
            _cancel_timer()

    def _error(self) -> KeyboardInterrupt:
        return Terminated() if self._signal == signal.SIGTERM else KeyboardInterrupt()


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Handle SIGINT and SIGTERM inside the block, in the main thread only: Python allows handlers in no other.

    Example:
        >>> with stop_signals() as stop, stop.between_frames():
        ...     for frame in frames:
        ...         write(frame)
        ...         stop.check()
    """
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    handlers = {signal.SIGINT: stop.on_signal, signal.SIGTERM: stop.on_signal}
    if hasattr(signal, "SIGALRM"):
        handlers[signal.SIGALRM] = stop.on_timeout
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
    """Do all jobs, one after another.

    Args:
        jobs: jobs in order.
        work: does one job.
        terminal: where failures are reported.

    Returns:
        The exit code.

    Raises:
        CamreelError: the only job failed, or a job failed with an error that would stop the others, too.
        KeyboardInterrupt: a signal arrived; `work` has finished its outputs.
    """
    if len(jobs) == 1:
        work(jobs[0])
        return 0
    failures: list[tuple[str, str]] = []
    for job in jobs:
        try:
            work(job)
        except FATAL_ERRORS:
            raise
        except Exception as error:
            terminal.error(error)
            failures.append((job.uri, error_lines(error)[0]))
    _report_failures(failures, len(jobs), terminal)
    return SOME_FAILED if failures else 0


def exit_code(error: BaseException) -> int:
    """Return the exit code of a process that this error ends."""
    if isinstance(error, KeyboardInterrupt):
        return TERMINATED if isinstance(error, Terminated) else INTERRUPTED
    return error.exit_code if isinstance(error, CamreelError) else CamreelError.exit_code


def _report_failures(failures: Sequence[tuple[str, str]], total: int, terminal: Terminal) -> None:
    if failures:
        terminal.note(f"{len(failures)} of {total} inputs failed:")
        for uri, message in failures:
            terminal.note(f"  {message}" if uri in message else f"  {uri}: {message}")
