"""Live runs: the flow of files with cameras as sources, a policy for too many frames, and displays that never wait.

    capture lane           network lane, one per camera              main lane
    connections --+-> display channel ------------------------------> newest frame ---------+
                  +-> network channel -> load shedding -> the flow -> newest localization --+-> renderer -> displays,
                                                                      all localizations ----> records      recordings

Both channels are bounded in frames and bytes; the policy and the age of a frame decide which frames are dropped.
`session.watch` is the entry; `camera` has the two lanes of a camera, `display` and `outputs` receive what the main lane
takes from them.

A display is one function in `display` and one line in `DISPLAYS`. Importable without OpenCV and torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from camreel.runtime.registry import load_entry


@dataclass(frozen=True, slots=True)
class DisplayType:
    """A kind of live display."""

    entry: str
    """Import path of the function that creates it: (`DisplaySetup`) -> `LiveDisplay`."""
    title: str
    """Its name for people, with an article."""
    check: str = ""
    """Import path of a function that returns whether this machine has such a display; empty: every machine has."""
    served: bool = False
    """The display is a page at an address, and can show the camera of its visitor."""


DISPLAYS: dict[str, DisplayType] = {
    "window": DisplayType("camreel.live.display:create_window", "a window", check="camreel.sinks.window:has_screen"),
    "web": DisplayType("camreel.live.display:create_page", "the page", served=True),
}
"""Name -> kind of display, in the order in which `--show auto` tries them."""


def is_available(name: str) -> bool:
    """Return whether this machine has the display."""
    check = DISPLAYS[name].check
    return not check or bool(load_entry(check)())


def served_display() -> str:
    """Return the name of the display that is a page at an address."""
    return next(name for name, kind in DISPLAYS.items() if kind.served)
