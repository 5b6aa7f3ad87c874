"""Where results go: the header before the first frame, localizations one by one, the summary at the end."""

from __future__ import annotations

from typing import Protocol

from pipeline.structures import Localization, Summary


class Sink(Protocol):
    """Opened with its header by its constructor; writes under a partial name until it is closed."""

    fallbacks: list[str]
    """What was done otherwise than asked for, as sentences for the user."""

    def write(self, localization: Localization) -> None:
        """Takes the next frame.

        Raises:
            OutputError: it cannot be written.
        """
        ...

    def close(self, summary: Summary) -> None:
        """Finishes the output and gives it its final name."""
        ...

    def abandon(self) -> None:
        """After an error: makes what was written so far valid, under the partial name. Never raises; may follow `close`."""
        ...
