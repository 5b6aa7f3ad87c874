"""Localization* -> Localization*: tubes in space, segments in time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pipeline.structures import Action, Box, Localization, Segment, Tube


@dataclass(frozen=True, slots=True)
class LinkRules:
    """When boxes are one tube and scores one segment."""

    iou: float = 0.3
    gap: float = 0.5
    """Seconds without evidence that a tube or a segment survives."""
    enter: float = 0.5
    leave: float = 0.3
    min_length: float = 0.2
    """Seconds a segment lasts at least."""


def link(localizations: Iterable[Localization], rules: LinkRules) -> Iterator[Localization]:
    """Gives boxes track ids and reports, on the frame where it is known, which segments and tubes ended.

    Yields:
        Every localization one frame late, so that what the end of the video ends can ride on the last frame.
    """
    yield from Linker(rules)(localizations)


@dataclass(slots=True, eq=False)
class _Open:
    """A tube or segment that may go on."""

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
    box: Box | None = None

    def extend(self, time: float, score: float) -> None:
        self.last = time
        self.total += score
        self.count += 1

    @property
    def score(self) -> float:
        return self.total / self.count

    def end(self) -> Segment | Tube:
        if self.track is None:
            return Segment(self.class_id, self.label, self.start, self.until, self.score)
        return Tube(self.track, self.class_id, self.label, self.start, self.until, self.score)


@dataclass(slots=True)
class Linker:
    """The stage with its state, for who must know what is still open when the flow is stopped half-way."""

    rules: LinkRules
    tubes: list[_Open] = field(default_factory=list)
    segments: dict[int, _Open] = field(default_factory=dict)
    tracks: int = 0
    latest: float = -1.0
    """Time of the frame before."""

    def __call__(self, localizations: Iterable[Localization]) -> Iterator[Localization]:
        """Yields as `link` does."""
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
        self._reach(time)
        ended = self._expire(time)
        actions = tuple(self._track(action, time) for action in localization.actions)
        self._extend_segments(actions, time)
        self.latest = time
        return dataclasses.replace(localization, actions=actions, ended=tuple(ended))

    def _reach(self, time: float) -> None:
        """What had evidence on the frame before lasts until this one."""
        for open_one in (*self.tubes, *self.segments.values()):
            if open_one.last == self.latest:
                open_one.until = time

    def _expire(self, time: float) -> list[Segment | Tube]:
        """Ends what had no evidence for too long."""
        over = [x for x in (*self.segments.values(), *self.tubes) if time - x.last > self.rules.gap]
        self.tubes = [tube for tube in self.tubes if tube not in over]
        self.segments = {key: segment for key, segment in self.segments.items() if segment not in over}
        return self._worth_telling(over)

    def _worth_telling(self, over: list[_Open]) -> list[Segment | Tube]:
        return [x.end() for x in over if x.track is not None or x.until - x.start >= self.rules.min_length]

    def _track(self, action: Action, time: float) -> Action:
        """Joins boxes to the tubes of their class, best overlap first; the rest start new ones."""
        mine = [tube for tube in self.tubes if tube.class_id == action.class_id and tube.last < time]
        pairs = [
            (overlap, i, j)
            for i, box in enumerate(action.boxes)
            for j, tube in enumerate(mine)
            if tube.box is not None and (overlap := iou(box, tube.box)) >= self.rules.iou
        ]
        taken: dict[int, _Open] = {}
        used: set[int] = set()
        for _, i, j in sorted(pairs, reverse=True):
            if i not in taken and j not in used:
                taken[i] = mine[j]
                used.add(j)
        boxes = []
        for i, box in enumerate(action.boxes):
            tube = taken.get(i) or self._begin(action, time)
            tube.box = box
            tube.extend(time, box.score)
            boxes.append(dataclasses.replace(box, track=tube.track))
        return dataclasses.replace(action, boxes=tuple(boxes))

    def _begin(self, action: Action, time: float) -> _Open:
        tube = _Open(action.class_id, action.label, time, time, track=self.tracks)
        self.tracks += 1
        self.tubes.append(tube)
        return tube

    def _extend_segments(self, actions: tuple[Action, ...], time: float) -> None:
        """Hysteresis on the score: starts at `enter`, lives while it is at least `leave`."""
        for action in actions:
            running = self.segments.get(action.class_id)
            if running is None and action.score >= self.rules.enter:
                running = self.segments[action.class_id] = _Open(action.class_id, action.label, time, time)
            if running is not None and action.score >= self.rules.leave:
                running.extend(time, action.score)

    def close(self, time: float) -> list[Segment | Tube]:
        """Ends everything that is open at `time`, in seconds."""
        self._reach(time)
        still_open = [*self.segments.values(), *self.tubes]
        self.segments, self.tubes = {}, []
        return self._worth_telling(still_open)


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a.xyxy[2], b.xyxy[2]) - max(a.xyxy[0], b.xyxy[0])
    height = min(a.xyxy[3], b.xyxy[3]) - max(a.xyxy[1], b.xyxy[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a.xyxy, b.xyxy))
    return shared / (areas - shared)
