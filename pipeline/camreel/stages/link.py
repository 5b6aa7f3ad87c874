"""Localization* -> Localization*: link boxes to tubes, and scores to segments."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from camreel.stages.options import LinkOptions
from camreel.structures import Action, Box, Localization, Segment, Tube


def link(localizations: Iterable[Localization], options: LinkOptions) -> Iterator[Localization]:
    """Give boxes track ids, and report the segments and tubes that ended on the frame where that is known.

    Yields:
        Every localization one frame late, so that what the end of the video ends can ride on the last frame.
    """
    yield from Linker(options)(localizations)


@dataclass(slots=True, eq=False)
class _Open:
    """A tube or segment that may continue."""

    class_id: int
    label: str
    start: float
    last: float
    """Time of the last frame with evidence."""
    until: float = 0.0
    """Time of the frame after that one."""
    total: float = 0.0
    count: int = 0
    track: int | None = None
    """Id of a tube; None for a segment."""
    box: Box | None = None

    def extend(self, time: float, score: float) -> None:
        self.last = time
        self.total += score
        self.count += 1

    def end(self) -> Segment | Tube:
        score = self.total / self.count
        if self.track is None:
            return Segment(self.class_id, self.label, self.start, self.until, score)
        return Tube(self.track, self.class_id, self.label, self.start, self.until, score)


@dataclass(slots=True)
class Linker:
    """The stage with its state, for callers that need what is still open when the flow is stopped half-way."""

    options: LinkOptions
    tubes: list[_Open] = field(default_factory=list)
    segments: dict[int, _Open] = field(default_factory=dict)
    tracks: int = 0
    latest: float = -1.0
    """Time of the frame before."""

    def __call__(self, localizations: Iterable[Localization]) -> Iterator[Localization]:
        """Yield as `link` does."""
        held: Localization | None = None
        interval = 0.0
        for localization in localizations:
            if held is not None:
                interval = localization.frame.time - held.frame.time
                yield held
            held = self._link(localization)
        if held is not None:
            # The last frame is shown as long as the one before it.
            yield dataclasses.replace(held, ended=(*held.ended, *self.close(held.frame.time + interval)))

    def _link(self, localization: Localization) -> Localization:
        time = localization.frame.time
        self._continue_until(time)
        ended = self._expire(time)
        actions = tuple(self._track(action, time) for action in localization.actions)
        self._extend_segments(actions, time)
        self.latest = time
        return dataclasses.replace(localization, actions=actions, ended=tuple(ended))

    def _continue_until(self, time: float) -> None:
        """Extend everything that had evidence on the frame before to `time`."""
        for item in (*self.tubes, *self.segments.values()):
            if item.last == self.latest:
                item.until = time

    def _expire(self, time: float) -> list[Segment | Tube]:
        """End everything that had no evidence for longer than the gap."""
        over = [item for item in (*self.segments.values(), *self.tubes) if time - item.last > self.options.gap]
        self.tubes = [tube for tube in self.tubes if tube not in over]
        self.segments = {key: segment for key, segment in self.segments.items() if segment not in over}
        return self._finished(over)

    def _finished(self, over: list[_Open]) -> list[Segment | Tube]:
        return [x.end() for x in over if x.track is not None or x.until - x.start >= self.options.min_length]

    def _track(self, action: Action, time: float) -> Action:
        """Add boxes to the tubes of their class, best overlap first; the others start new tubes."""
        candidates = [tube for tube in self.tubes if tube.class_id == action.class_id and tube.last < time]
        pairs = [
            (overlap, i, j)
            for i, box in enumerate(action.boxes)
            for j, tube in enumerate(candidates)
            if tube.box is not None and (overlap := iou(box, tube.box)) >= self.options.iou
        ]
        matched: dict[int, _Open] = {}
        used: set[int] = set()
        for _, i, j in sorted(pairs, reverse=True):
            if i not in matched and j not in used:
                matched[i] = candidates[j]
                used.add(j)
        boxes = []
        for i, box in enumerate(action.boxes):
            tube = matched.get(i) or self._start_tube(action, time)
            tube.box = box
            tube.extend(time, box.score)
            boxes.append(dataclasses.replace(box, track=tube.track))
        return dataclasses.replace(action, boxes=tuple(boxes))

    def _start_tube(self, action: Action, time: float) -> _Open:
        tube = _Open(action.class_id, action.label, time, time, track=self.tracks)
        self.tracks += 1
        self.tubes.append(tube)
        return tube

    def _extend_segments(self, actions: tuple[Action, ...], time: float) -> None:
        """Apply hysteresis to the scores: a segment starts at `enter` and lasts while the score is at least `leave`."""
        for action in actions:
            segment = self.segments.get(action.class_id)
            if segment is None and action.score >= self.options.enter:
                segment = self.segments[action.class_id] = _Open(action.class_id, action.label, time, time)
            if segment is not None and action.score >= self.options.leave:
                segment.extend(time, action.score)

    def close(self, time: float) -> list[Segment | Tube]:
        """End everything that is open at `time`, in seconds."""
        self._continue_until(time)
        still_open = [*self.segments.values(), *self.tubes]
        self.segments, self.tubes = {}, []
        return self._finished(still_open)


def iou(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes."""
    width = min(a.xyxy[2], b.xyxy[2]) - max(a.xyxy[0], b.xyxy[0])
    height = min(a.xyxy[3], b.xyxy[3]) - max(a.xyxy[1], b.xyxy[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a.xyxy, b.xyxy))
    return shared / (areas - shared)
