"""Synthetic films rendered by worker processes, ahead of their use.

Films come as bytes through one pipe per process: a process that dies closes its pipe, so that the trainer never waits
for it.
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
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from camreel.errors import CamreelError, DeviceError
from camreel.runtime.concurrency import prefetch
from camreel.structures import U8

if TYPE_CHECKING:
    from camreel.synthetic import Film

FILM_FRAMES, FILM_RATE = 40, 12.0
"""Frames of a film, and frames per second."""
FILM_SIZES = ((136, 136), (116, 174), (106, 184))
"""(height, width) of films, in turn."""
TRAINING_SEED, VALIDATION_SEED = 1 << 40, 1 << 41
"""First seeds of training films and held-out films."""
SEEDS_PER_RUN, MAX_RUNS = 1 << 24, 1 << 15
"""Seeds of one run, and number of runs before seeds repeat: no run reaches the held-out films."""
EASY_FILMS = 1200
"""Number of films at the start that show one person in front of a still camera."""
FILMS_AHEAD = 32
"""Maximum number of films that wait in each process."""

Renderer = Callable[..., "Film"]
"""`camreel.synthetic.film`, or a function like it that can be imported by name."""


@dataclass(frozen=True, slots=True)
class SyntheticClip:
    """A rendered film as the training sees it."""

    number: int
    """Position in the run, from 0."""
    pictures: U8
    """RGB [T, H, W, 3]."""
    actions: NDArray[np.int16]
    """Class id of each actor in each frame [T, P]; -1: none."""


def render_clip(render: Renderer, number: int, first_seed: int) -> SyntheticClip:
    """Render one film, without the positions of its actors.

    Args:
        render: renders films.
        number: position of the film in the run.
        first_seed: seed of film 0.
    """
    height, width = FILM_SIZES[number % len(FILM_SIZES)]
    split = "easy" if number < EASY_FILMS else "train"
    film = render(
        first_seed + number, split=split, size=(width, height), frames=FILM_FRAMES, rate=FILM_RATE, masks=False
    )
    return SyntheticClip(number, film.pictures, film.truth.actions)


def first_training_seed(run_seed: int) -> int:
    """Return the seed of the first training film of a run."""
    return TRAINING_SEED + run_seed % MAX_RUNS * SEEDS_PER_RUN


class RenderPool:
    """Processes that render training films. Close it after use.

    Args:
        render: renders films.
        seed: seed of the run.
        start: number of the first film.
        workers: number of processes.

    Example:
        >>> with closing(RenderPool(film, seed=0, start=0, workers=2)) as pool:
        ...     clips = pool.take(limit=4, timeout=10.0)
    """

    def __init__(self, render: Renderer, seed: int, start: int, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._processes: dict[Connection, BaseProcess] = {}
        for worker in range(workers):
            receiver, sender = context.Pipe(duplex=False)
            arguments = (sender, render, first_training_seed(seed), start + worker, workers)
            process = context.Process(target=_work, args=arguments, daemon=True, name=f"camreel-films-{worker}")
            process.start()
            sender.close()
            self._processes[receiver] = process

    def take(self, limit: int, timeout: float) -> list[SyntheticClip]:
        """Return films that are ready.

        Args:
            limit: maximum number of films.
            timeout: seconds to wait for each film.

        Raises:
            CamreelError: a film cannot be rendered.
            DeviceError: a process died.
        """
        clips: list[SyntheticClip] = []
        while len(clips) < limit and (ready := wait(list(self._processes), timeout)):
            connections = [connection for connection in ready if isinstance(connection, Connection)]
            clips += [self._receive(connection) for connection in connections[: limit - len(clips)]]
        return clips

    def _receive(self, connection: Connection) -> SyntheticClip:
        try:
            head = json.loads(connection.recv_bytes())
            if "error" in head:
                what = f"film {head['number']} cannot be made"
                raise CamreelError(what, head["error"], "report this with the seed of the run")
            pictures, actions = (np.frombuffer(connection.recv_bytes(), dtype) for dtype in (np.uint8, np.int16))
        except (EOFError, OSError) as error:
            process = self._processes[connection]
            process.join(1)
            why = f"its exit code is {process.exitcode}; most often memory ran out"
            todo = "free some memory and go on with --resume"
            raise DeviceError("a process that makes films died", why, todo) from error
        return SyntheticClip(head["number"], pictures.reshape(head["pictures"]), actions.reshape(head["actions"]))

    def close(self) -> None:
        """End the processes."""
        for connection, process in self._processes.items():
            connection.close()
            process.terminate()
        for process in self._processes.values():
            process.join()


def _work(sender: Connection, render: Renderer, first_seed: int, start: int, step: int) -> None:
    """Render every `step`-th film from `start` on, until the pipe is closed."""
    # Ctrl-C reaches all processes of a terminal; the trainer decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    with suppress(BrokenPipeError):
        for message in prefetch(_messages(render, first_seed, start, step), FILMS_AHEAD * 3):
            sender.send_bytes(message)
    # The thread that renders ahead may be in the middle of a film.
    os._exit(0)


def _messages(render: Renderer, first_seed: int, start: int, step: int) -> Iterator[bytes]:
    """Yield each film as three messages: a JSON header, the pictures, the actions; an error as one message."""
    number = start
    while True:
        try:
            clip = render_clip(render, number, first_seed)
        except Exception as error:
            yield json.dumps({"number": number, "error": f"{type(error).__name__}: {error}"}).encode()
            return
        yield json.dumps({"number": number, "pictures": clip.pictures.shape, "actions": clip.actions.shape}).encode()
        yield clip.pictures.tobytes()
        yield clip.actions.astype(np.int16).tobytes()
        number += step
