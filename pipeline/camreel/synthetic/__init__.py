"""The action world: synthetic films of drawn people who perform actions, with complete ground truth.

People are articulated figures of capsules (forward kinematics for legs and torso, two-bone inverse kinematics for arms)
with random bodies, clothes, viewpoints and tempos. Everything is drawn by this package; nothing is copied from other
data sets.

From the joints to the file: `poses` -> `actions` -> `body` -> `people` -> `scene` (with `camera`) -> `rendering` (with
`background`) -> `films` -> `write`.
"""

from __future__ import annotations

from camreel.synthetic.actions import ACTIONS
from camreel.synthetic.films import Film, film
from camreel.synthetic.scene import SPLITS

__all__ = ["ACTIONS", "SPLITS", "Film", "film"]
