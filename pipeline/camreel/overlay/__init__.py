"""The annotated picture: heat, boxes, panels and the strip of scores, drawn on the YUV planes of a picture.

`annotate.Overlay` composes the picture, as a pure function of a localization and the scores before it. The parts:
`heat` (saliency on the picture), `panels` (text, list of actions, legend, labels), `strip` (scores over time), `layer`
(drawing on YUV planes), `color` (palettes).
"""

from camreel.overlay.annotate import Overlay

__all__ = ["Overlay"]
