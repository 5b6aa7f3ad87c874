"""The stage: clips in batches through the network, or sample by sample where it remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from pipeline.recognize.backend import Backend
from pipeline.recognize.network import Network, Selection
from pipeline.recognize.steps import HOLD, Advance, go_on
from pipeline.structures import Clip, ClipActivation, Grid

if TYPE_CHECKING:
    from pipeline.models import Recognizer
    from pipeline.recognize.network import MapMethod, See


def recognize(
    clips: Iterable[Clip],
    recognizer: Recognizer,
    maps: MapMethod,
    selection: Selection,
    grid: Grid,
    *,
    backend: Backend,
    complete: bool = True,
    notify: Callable[[str], None] = lambda _: None,
    see: See | None = None,
    take: Advance | None = None,
    streams: bool = False,
) -> Iterator[ClipActivation]:
    """Runs the network on clips, several at a time where they are equally long; or on steps, as soon as they come.

    Args:
        clips: clips in order.
        recognizer: the network, on `backend.device`.
        maps: (recognizer, features, class ids [S]) -> signed maps [B, S, T', h, w] in logits.
        selection: the classes to map.
        grid: where the maps' cells lie on the displayed picture.
        backend: device, number format and clips per forward pass.
        complete: the method's maps add up to the logit, so the error of that sum is reported.
        notify: takes sentences about what was done otherwise than asked for.
        see: runs the backbone; None: at once. Several videos may share one that runs it for all who wait.
        take: takes a step, likewise.
        streams: the clips are those that `steps` cuts, and the network remembers.

    Yields:
        One activation per clip with samples, in order; of steps as soon as the network knows it, `margin` samples late at most.

    Raises:
        DeviceError: one clip alone does not fit into memory.
    """
    network = Network(recognizer, maps, selection, backend, grid, complete, notify, hold=HOLD if streams else 1, see=see)
    if streams:
        yield from go_on(clips, network, take)
        return
    for batch in _batches(clips, network):
        yield from network.run(batch)


def _batches(clips: Iterable[Clip], network: Network) -> Iterator[list[Clip]]:
    """Clips alike in length and valid samples in a row, at most as many as the network takes now."""
    for _, equal in groupby(clips, key=lambda clip: (len(clip.sampled), network.keep(clip))):
        batch: list[Clip] = []
        for clip in equal:
            batch.append(clip)
            if len(batch) >= network.batch:
                yield batch
                batch = []
        if batch:
            yield batch
