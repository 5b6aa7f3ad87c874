"""The action world: procedural films of people doing things, with perfect truth.

Articulated figures of capsules (forward kinematics for trunk and legs, two-bone inverse kinematics for arms) with random bodies,
clothes, views and tempos. Nothing in it is copied from anywhere.
"""

from __future__ import annotations

from pipeline.figures.actions import ACTIONS
from pipeline.figures.recipes import SPLITS
from pipeline.figures.world import Film, film

__all__ = ["ACTIONS", "SPLITS", "Film", "film"]
