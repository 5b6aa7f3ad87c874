"""Clip* -> ClipActivation*: the stage `recognize`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from camreel.interfaces import Note
from camreel.recognize.batches import Network, NetworkPlan, RunBackbone, recognize_clips
from camreel.recognize.streaming import HOLD_SAMPLES, RunStep, recognize_stream
from camreel.structures import Clip, ClipActivation


@dataclass(frozen=True, slots=True)
class Batching:
    """Functions that run the network for several videos at once; None: each video for itself."""

    run_backbone: RunBackbone | None = None
    run_step: RunStep | None = None


def recognize(
    clips: Iterable[Clip],
    plan: NetworkPlan,
    note: Note = lambda sentence: None,
    *,
    streams: bool = False,
    batching: Batching | None = None,
) -> Iterator[ClipActivation]:
    """Run the network on clips, in batches of equal length; or on streams, sample by sample.

    Args:
        clips: clips in order, from `windows`.
        plan: the network and how it is run.
        note: take run notes.
        streams: the clips are those of `stream_steps`, and the network has stream state.
        batching: run the network for several videos at once.

    Yields:
        One activation per clip with samples, in order; of a stream as soon as the network knows it, `margin` samples
        late at most.

    Raises:
        DeviceError: a single clip does not fit into memory.
        ModelError: the maps do not add up to the logits.
    """
    batching = batching or Batching()
    if streams:
        network = Network(replace(plan, hold=HOLD_SAMPLES), note, batching.run_backbone)
        yield from recognize_stream(clips, network, batching.run_step)
    else:
        yield from recognize_clips(clips, Network(plan, note, batching.run_backbone))
