"""FrameActivation* -> FrameActivation*: smooth logits and signed maps in time.

Most flicker is not motion, and the maps of neighboring frames are several measurements of the same thing: averaging
them along the motion in the picture makes them both calmer and more accurate.

A smoother is one file here and one line in `SMOOTHERS`; `camreel.interfaces.Smoother` is the contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from camreel.errors import ConfigError
from camreel.runtime.registry import load_entry

if TYPE_CHECKING:
    from camreel.interfaces import Smoother

SMOOTHERS: dict[str, str] = {
    "none": "camreel.stages.smooth.averages:Unsmoothed",
    "gaussian": "camreel.stages.smooth.averages:GaussianSmoother",
    "ema": "camreel.stages.smooth.averages:EmaSmoother",
    "flow": "camreel.stages.smooth.flow:FlowSmoother",
}
"""Name -> class, created with (time constant in seconds, causal)."""


def make_smoother(name: str, seconds: float, causal: bool = False) -> Smoother:
    """Create a smoother.

    Args:
        name: key of `SMOOTHERS`.
        seconds: time constant.
        causal: look back only.

    Raises:
        ConfigError: the smoother looks ahead although `causal` is set.

    Example:
        >>> make_smoother("ema", 0.25, causal=True).lag
        0.0
    """
    smoother: Smoother = load_entry(SMOOTHERS[name])(seconds, causal)
    if causal and smoother.lag > 0:
        raise ConfigError(
            f"smoothing {name} cannot be causal",
            f"it looks {smoother.lag:g} s ahead",
            "use --smooth flow or --smooth ema, or --no-causal for files",
        )
    return smoother
