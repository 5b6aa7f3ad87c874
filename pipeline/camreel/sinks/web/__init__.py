"""A live picture in the browser: `WebPage`."""

from __future__ import annotations

from camreel.errors import ConfigError

try:
    from camreel.sinks.web.messages import CameraStatus, Command, Delay, Rates, Record, Status, ViewChanged
    from camreel.sinks.web.page import WebPage
except ModuleNotFoundError as missing:
    todo = 'install what it needs: pip install "camreel[web]"'
    raise ConfigError(
        "the browser page needs packages that are not installed", f"there is no {missing.name}", todo
    ) from None

__all__ = ["CameraStatus", "Command", "Delay", "Rates", "Record", "Status", "ViewChanged", "WebPage"]
