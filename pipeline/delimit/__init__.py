"""How far whoever acts extends: what moves by itself, is evidence of anything, or has the colours of what does."""

from pipeline.delimit.stage import delimit

__all__ = ["delimit"]
