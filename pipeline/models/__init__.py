"""Action networks behind one contract: a name or a checkpoint in, a `Recognizer` out."""

from __future__ import annotations

from pipeline.models.catalog import ModelCard, catalog
from pipeline.models.contract import Features, Geometry, LinearHead, Recognizer
from pipeline.models.load import load
from pipeline.models.memory import Memory

__all__ = ["Features", "Geometry", "LinearHead", "Memory", "ModelCard", "Recognizer", "catalog", "load"]
