"""Films drawn by processes of their own, ahead of their use.

Films come through a pipe for each process, as bytes: a process that dies closes its pipe, and nobody waits for it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camreel.errors import CamreelError, DeviceError
from camreel.runtime.concurrency import prefetch
from camreel.structures import U8

FRAMES, RATE = 40, 12.0
"""Frames of a film, and frames per second."""
SHAPES = ((136, 136), (116, 174), (106, 184))
"""(height, width) of films, in turn."""
TRAINING, HELD_OUT = 1 << 40, 1 << 41
"""First seeds. A run has `RUN` films to itself; no run gets as far as the films held out."""
RUN, RUNS = 1 << 24, 1 << 15
EASY = 1200
"""So many films of one person in front of a camera that holds still come first."""
AHEAD = 32
"""Films that wait in each process."""

Render = Callable[..., Any]
"""`camreel.synthetic.film`, or something like it; must have a name to import it by."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A film as the training sees it."""

    number: int
    """In its run."""
    pictures: U8
    """RGB [T, H, W, 3]."""
    actions: NDArray[np.int16]
    """What each actor does [T, P]: a class id, -1: nothing."""


def shoot(render: Render, number: int, first: int) -> Shot:
    """Renders one film; where its actors stand is not asked for.

    Args:
        render: makes films.
        number: of the film.
        first: seed of film 0.
    """
    height, width = SHAPES[number % len(SHAPES)]
    kind = "easy" if number < EASY else "train"
    made = render(first + number, split=kind, size=(width, height), frames=FRAMES, rate=RATE, masks=False)
    return Shot(number, made.pictures, made.truth.actions)


def first_seed(run: int) -> int:
    """Seed of the first training film of a run with this seed."""
    return TRAINING + run % RUNS * RUN


class Studio:
    """Processes that render training films; to be closed.

    Args:
        render: makes films.
        seed: of the run.
        start: number of the first film.
        workers: how many processes.
    """

    def __init__(self, render: Render, seed: int, start: int, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._crew: dict[Connection, BaseProcess] = {}
        for worker in range(workers):
            receiver, sender = context.Pipe(duplex=False)
            arguments = (sender, render, first_seed(seed), start + worker, workers)
            process = context.Process(target=_work, args=arguments, daemon=True, name=f"camreel-films-{worker}")
            process.start()
            sender.close()
            self._crew[receiver] = process

    def take(self, limit: int, patience: float) -> list[Shot]:
        """Films that are ready.

        Args:
            limit: at most so many.
            patience: seconds to wait for the next one.

        Raises:
            CamreelError: a film cannot be made.
            DeviceError: a process died.
        """
        shots: list[Shot] = []
        while len(shots) < limit and (ready := wait(list(self._crew), patience)):
            shots += [
                self._receive(connection)
                for connection in ready[: limit - len(shots)]
                if isinstance(connection, Connection)
            ]
        return shots

    def _receive(self, connection: Connection) -> Shot:
        try:
            head = json.loads(connection.recv_bytes())
            if "error" in head:
                raise CamreelError(
                    f"film {head['number']} cannot be made", head["error"], "report this with the seed of the run"
                )
            pictures, actions = (np.frombuffer(connection.recv_bytes(), dtype) for dtype in (np.uint8, np.int16))
        except (EOFError, OSError) as error:
            process = self._crew[connection]
            process.join(1)
            raise DeviceError(
                "a process that makes films died",
                f"its exit code is {process.exitcode}; most often memory ran out",
                "free some memory and go on with --resume",
            ) from error
        return Shot(head["number"], pictures.reshape(head["pictures"]), actions.reshape(head["actions"]))

    def close(self) -> None:
        """Ends the processes."""
        for connection, process in self._crew.items():
            connection.close()
            process.terminate()
        for process in self._crew.values():
            process.join()


def _work(sender: Connection, render: Render, first: int, start: int, step: int) -> None:
    """Renders every `step`-th film from `start` on, until nobody listens."""
    # Ctrl-C reaches all processes of a terminal; the training decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    with suppress(BrokenPipeError):
        for message in prefetch(_messages(render, first, start, step), AHEAD * 3):
            sender.send_bytes(message)
    # The thread that renders ahead may be in the middle of a film.
    os._exit(0)


def _messages(render: Render, first: int, start: int, step: int) -> Iterator[bytes]:
    """Films, each as three messages: what it is, its pictures, its actions; at an error one that says so."""
    number = start
    while True:
        try:
            shot = shoot(render, number, first)
        except Exception as error:
            yield json.dumps({"number": number, "error": f"{type(error).__name__}: {error}"}).encode()
            return
        yield json.dumps({"number": number, "pictures": shot.pictures.shape, "actions": shot.actions.shape}).encode()
        yield shot.pictures.tobytes()
        yield shot.actions.astype(np.int16).tobytes()
        number += step
