"""The action world: procedural films of people doing things, with perfect truth.

Articulated figures of capsules (forward kinematics for trunk and legs, two-bone inverse kinematics for arms) with random bodies,
clothes, views and tempos. Nothing in it is copied from anywhere.
"""

from __future__ import annotations

from camreel.synthetic.actions import ACTIONS
from camreel.synthetic.recipes import SPLITS
from camreel.synthetic.world import Film, film

__all__ = ["ACTIONS", "SPLITS", "Film", "film"]
