"""Every network by name. A new one is a row here (and a family, where its anatomy is new)."""

from __future__ import annotations

from pipeline.models.family import Family
from pipeline.models.figures import FIGURES
from pipeline.models.image import IMAGE
from pipeline.models.video import VIDEO

NETWORKS: dict[str, Family] = {**FIGURES, **VIDEO, **IMAGE}
