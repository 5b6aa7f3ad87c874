"""What figures do: fifteen actions, and movements and postures that are none of them.

A program gets the pose of someone who stands, the cycles done so far [T] and a style, and changes the pose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from camreel.synthetic.poses import DEGREE, F64, SIDES, Pose, Style, bump, legs, place, plateau, swing, through

Program = Callable[[Pose, F64, Style], None]
TURN = 2 * np.pi


@dataclass(frozen=True, slots=True)
class Move:
    """A way of moving."""

    program: Program
    period: float
    """Seconds per cycle."""
    yaw: float = 180.0
    """How far people who do it turn away from the camera at most, in degrees: what their body would hide cannot be learned."""
    speed: float = 0.0
    """Metres per second over the ground."""
    spin: float = 0.0
    """Turns per cycle."""
    once: bool = False
    """Begins at the start of its cycle, not anywhere."""
    prop: str = ""
    """What it needs: "stool" or "ball"."""


def _raise_wave(pose: Pose, side: str, cycles: F64, style: Style, shift: float = 0.0) -> None:
    lift = (12 + 32 * style.variant) * DEGREE
    angle = 42 * DEGREE * style.amplitude * np.sin(TURN * cycles + shift)
    reach = 0.5 * np.cos(lift), 0.5 * np.sin(lift)
    hand = (reach[0] + 0.46 * np.sin(angle), reach[1] + 0.46 * np.cos(angle), 0.12 + 0.0 * cycles)
    place(pose, side, hand, (1.0, -0.5, 0.05))


def wave_one(pose: Pose, cycles: F64, style: Style) -> None:
    """One raised hand swings from side to side."""
    _raise_wave(pose, style.side, cycles, style)


def wave_both(pose: Pose, cycles: F64, style: Style) -> None:
    """Both raised hands swing, together or against each other."""
    for side, shift in zip(SIDES, (0.0, np.pi if style.other > 0 else 0.0), strict=True):
        _raise_wave(pose, side, cycles, style, shift)


def clap(pose: Pose, cycles: F64, style: Style) -> None:
    """Hands meet in front of the chest, or above the head."""
    apart = 0.5 - 0.5 * np.cos(TURN * cycles)
    height, forward = (0.75, 0.35) if style.variant > 0.7 else (-0.25 + 0.2 * style.variant, 0.68)
    for side in SIDES:
        place(pose, side, (-0.33 + 0.62 * style.amplitude * apart, height, forward - 0.12 * apart), (0.8, -1.0, 0.0))


def jumping_jack(pose: Pose, cycles: F64, style: Style) -> None:
    """Arms and legs open and close in jumps."""
    opening = 0.5 - 0.5 * np.cos(TURN * cycles)
    angle = (12 + 155 * opening) * DEGREE
    for side in SIDES:
        place(pose, side, (0.97 * np.sin(angle), -0.97 * np.cos(angle), 0.06), (0.2, 0.0, -1.0))
    legs(pose, 0.0, 6 * DEGREE, (3 + 24 * opening * style.amplitude) * DEGREE)
    pose["air"] = pose["air"] + 0.13 * np.abs(np.sin(TURN * cycles))


def jump(pose: Pose, cycles: F64, style: Style) -> None:
    """Crouches and leaps straight up, arms swinging."""
    phase = cycles % 1
    crouch, flight = bump(phase, 0.0, 0.42) + 0.7 * bump(phase, 0.72, 1.0), bump(phase, 0.32, 0.8)
    legs(pose, 48 * DEGREE * crouch, 85 * DEGREE * crouch)
    for side in SIDES:
        swing(pose, side, (-45 * crouch + 140 * flight) * DEGREE)
    pose["pitch"] = pose["pitch"] + 26 * DEGREE * crouch
    pose["back"] = pose["back"] + 0.1 * crouch
    pose["air"] = pose["air"] + 0.42 * style.amplitude * flight


def squat(pose: Pose, cycles: F64, style: Style) -> None:
    """Down on bent knees and up, arms held forwards."""
    down = (0.5 - 0.5 * np.cos(TURN * cycles)) * (0.88 + 0.12 * style.variant)
    legs(pose, 95 * DEGREE * down, 115 * DEGREE * down, (8 + 6 * style.other) * DEGREE)
    for side in SIDES:
        swing(pose, side, 88 * DEGREE * down if style.other > -0.5 else 20 * DEGREE * down, bend=0.15)
    pose["pitch"] = pose["pitch"] + 28 * DEGREE * down
    pose["back"] = pose["back"] + 0.16 * down


def _stride(
    pose: Pose, cycles: F64, thigh: tuple[float, float], knee: tuple[float, float], arm: float, bend: float
) -> None:
    for i, (leg, hand) in enumerate((("r", "l"), ("l", "r"))):
        angle = TURN * cycles + np.pi * i
        pose[f"thigh_{leg}"] = (thigh[0] + thigh[1] * np.sin(angle)) * DEGREE
        pose[f"knee_{leg}"] = (knee[0] + knee[1] * np.maximum(0, np.cos(angle))) * DEGREE
        pose[f"spread_{leg}"] = np.full(len(cycles), 1.0 * DEGREE)
        swing(pose, hand, arm * DEGREE * np.sin(angle), bend=bend * DEGREE)


def walk(pose: Pose, cycles: F64, style: Style) -> None:
    """Steps with swinging arms."""
    _stride(pose, cycles, (3, 27 * style.amplitude), (8, 36), 26 * style.amplitude, 16)


def run(pose: Pose, cycles: F64, style: Style) -> None:
    """Fast steps, elbows bent, leaning forwards."""
    _stride(pose, cycles, (16, 46 * style.amplitude), (22, 80), 48 * style.amplitude, 88)
    pose["pitch"] = pose["pitch"] + 13 * DEGREE
    pose["air"] = pose["air"] + 0.1 * np.abs(np.cos(TURN * cycles))


def kick(pose: Pose, cycles: F64, style: Style) -> None:
    """One leg swings back, then high forwards."""
    phase, leg = cycles % 1, style.side
    wind, strike = bump(phase, 0.0, 0.4), bump(phase, 0.25, 0.85)
    pose[f"thigh_{leg}"] = (-32 * wind + 88 * style.amplitude * strike) * DEGREE
    pose[f"knee_{leg}"] = (65 * wind + 8 * strike) * DEGREE
    pose["pitch"] = pose["pitch"] - 14 * DEGREE * strike
    for side in SIDES:
        swing(pose, side, 20 * DEGREE * strike, (10 + 40 * strike) * DEGREE, 0.5)


def punch(pose: Pose, cycles: F64, style: Style) -> None:
    """Fists in front of the chin strike forwards in turn."""
    for i, side in enumerate(SIDES):
        strike = bump((cycles + 0.5 * i) % 1, 0.0, 0.5)
        hand = (-0.12 - 0.14 * strike, 0.0 + 0.1 * style.variant + 0.0 * strike, 0.32 + 0.66 * strike)
        place(pose, side, hand, (0.6, -1.0, -0.2))
    pose["twist"] = pose["twist"] + 22 * DEGREE * np.sin(TURN * cycles)
    pose["thigh_r"], pose["thigh_l"] = pose["thigh_r"] + 16 * DEGREE, pose["thigh_l"] - 14 * DEGREE
    pose["knee_r"], pose["knee_l"] = pose["knee_r"] + 18 * DEGREE, pose["knee_l"] + 10 * DEGREE


def bend(pose: Pose, cycles: F64, style: Style) -> None:
    """Folds forwards at the hips, hands towards the ground, and comes up."""
    down = (0.5 - 0.5 * np.cos(TURN * cycles)) * (0.92 + 0.08 * style.variant)
    pose["pitch"] = pose["pitch"] + 92 * DEGREE * down
    pose["back"] = pose["back"] + 0.16 * down
    for side in SIDES:
        swing(pose, side, 78 * DEGREE * down, bend=0.1)
    legs(pose, 6 * DEGREE * down, 14 * DEGREE * down)


def throw(pose: Pose, cycles: F64, style: Style) -> None:
    """One hand goes far back, then over the shoulder and forwards."""
    phase, side = cycles % 1, style.side
    keys = (
        (0.14, -0.9, 0.1),
        (0.75, 0.1, -0.5),
        (0.3, 0.75, -0.35),
        (-0.1, 0.25, 0.93),
        (-0.3, -0.65, 0.5),
        (0.14, -0.9, 0.1),
    )
    hand = through(phase, (0.0, 0.28, 0.42, 0.56, 0.74, 1.0), keys)
    place(pose, side, hand, (0.9, -0.2, -0.4))
    turn = through(phase, (0.0, 0.3, 0.58, 1.0), ((0,), (-38,), (40,), (0,)))[0] * DEGREE
    pose["twist"] = pose["twist"] + turn * (1 if side == "l" else -1)
    pose["pitch"] = pose["pitch"] + 20 * DEGREE * bump(phase, 0.35, 0.95) - 8 * DEGREE * bump(phase, 0.0, 0.5)
    lead = "l" if side == "r" else "r"
    swing(pose, lead, 55 * DEGREE * bump(phase, 0.05, 0.65), 0.3, 0.4)
    pose[f"thigh_{lead}"] = pose[f"thigh_{lead}"] + 34 * DEGREE * bump(phase, 0.12, 0.95)
    pose[f"knee_{lead}"] = pose[f"knee_{lead}"] + 24 * DEGREE * bump(phase, 0.12, 0.95)


def sit_down(pose: Pose, cycles: F64, style: Style) -> None:
    """Sits down on a stool, stays, and gets up."""
    phase = cycles % 1
    down = plateau(phase, (0.02, 0.34), (0.66, 0.98))
    legs(pose, 84 * DEGREE * down, 86 * DEGREE * down, (6 + 4 * style.other) * DEGREE)
    lean = bump(phase, 0.0, 0.36) + bump(phase, 0.64, 1.0)
    pose["pitch"] = pose["pitch"] + (34 * lean + 4 * down) * DEGREE
    pose["back"] = pose["back"] + 0.4 * down
    for side in SIDES:
        swing(pose, side, (38 * down + 20 * lean) * DEGREE, bend=0.5 * down)


def fall(pose: Pose, cycles: F64, style: Style) -> None:
    """Collapses to the ground, lies, and gets up."""
    phase = cycles % 1
    down = plateau(phase, (0.02, 0.26), (0.72, 0.98))
    if abs(style.variant) > 0.4:
        pose["tip"] = pose["tip"] + 86 * DEGREE * down * np.sign(style.variant)
    else:
        pose["keel"] = pose["keel"] + 86 * DEGREE * down * (1 if style.other > 0 else -1)
    buckle = bump(phase, 0.0, 0.3) + 0.8 * bump(phase, 0.7, 1.0)
    legs(pose, (40 * buckle + 4 * down) * DEGREE, (75 * buckle + 10 * down) * DEGREE, 6 * DEGREE * down)
    for side in SIDES:
        # Past the head: spread arms would hold the body up.
        swing(pose, side, (152 + 12 * style.other) * DEGREE * down, 10 * DEGREE, 0.3)


def spin(pose: Pose, cycles: F64, style: Style) -> None:
    """Turns around on the spot with small steps, arms a little or far out."""
    out = (26 + 24 * style.variant + 14 * style.amplitude) * DEGREE
    for side in SIDES:
        swing(pose, side, 0.1, out, 0.25)
    for i, side in enumerate(SIDES):
        pose[f"thigh_{side}"] = pose[f"thigh_{side}"] + 10 * DEGREE * np.maximum(
            0, np.sin(2 * TURN * cycles + np.pi * i)
        )
        pose[f"knee_{side}"] = pose[f"knee_{side}"] + 22 * DEGREE * np.maximum(0, np.sin(2 * TURN * cycles + np.pi * i))


MOVES: dict[str, Move] = {
    "wave one hand": Move(wave_one, 0.65, yaw=100),
    "wave both hands": Move(wave_both, 0.7, yaw=100),
    "clap": Move(clap, 0.5, yaw=80),
    "jumping jack": Move(jumping_jack, 0.95),
    "jump": Move(jump, 1.15),
    "squat": Move(squat, 1.7),
    "walk": Move(walk, 1.05, speed=1.15),
    "run": Move(run, 0.68, speed=2.4),
    "kick": Move(kick, 1.1, yaw=140),
    "punch": Move(punch, 0.75, yaw=105),
    "bend": Move(bend, 1.9),
    "throw": Move(throw, 1.35, yaw=140, once=True, prop="ball"),
    "sit down": Move(sit_down, 3.0, once=True, prop="stool"),
    "fall": Move(fall, 2.6, once=True),
    "spin": Move(spin, 1.5, spin=1.0),
}
"""Every action by its label, in the order of the class ids."""
ACTIONS: tuple[str, ...] = tuple(MOVES)


def scratch(pose: Pose, cycles: F64, style: Style) -> None:
    """Scratches the head."""
    x = -0.22 + 0.05 * np.sin(TURN * 3 * cycles)
    place(pose, style.side, (x, 0.62 + 0.03 * np.cos(TURN * 3 * cycles), 0.1), (1.0, 0.3, 0.2))


def stretch(pose: Pose, cycles: F64, style: Style) -> None:
    """Slowly raises both arms, holds them and lowers them."""
    up = plateau(cycles % 1, (0.05, 0.4), (0.6, 0.95)) * (150 + 20 * style.variant) * DEGREE
    for side in SIDES:
        place(pose, side, (0.3 * np.sin(up), -0.95 * np.cos(up), 0.5 * np.sin(up)), (0.6, 0.0, -0.8))


def look_around(pose: Pose, cycles: F64, style: Style) -> None:
    """Turns head and torso slowly."""
    pose["twist"] = pose["twist"] + 32 * DEGREE * np.sin(TURN * cycles)
    pose["look"] = pose["look"] + 40 * DEGREE * np.sin(TURN * cycles + 0.5)


def shift_weight(pose: Pose, cycles: F64, style: Style) -> None:
    """Leans from one leg to the other."""
    lean = np.sin(TURN * cycles)
    pose["keel"] = pose["keel"] + 5 * DEGREE * lean
    pose["roll"] = pose["roll"] - 8 * DEGREE * lean
    for sign, side in zip((1, -1), SIDES, strict=True):
        pose[f"knee_{side}"] = pose[f"knee_{side}"] + 14 * DEGREE * np.maximum(0, sign * lean)


def point(pose: Pose, cycles: F64, style: Style) -> None:
    """Raises an arm, holds it still and lowers it."""
    up = plateau(cycles % 1, (0.05, 0.25), (0.7, 0.95)) * (85 + 20 * style.variant) * DEGREE
    swing(pose, style.side, up * (style.other > 0), 0.12 + up * (style.other <= 0), 0.1)


def fidget(pose: Pose, cycles: F64, style: Style) -> None:
    """Hands wander in front of the belly."""
    for i, side in enumerate(SIDES):
        x = -0.1 + 0.14 * np.sin(TURN * cycles * (1 + 0.3 * i) + i)
        place(pose, side, (x, -0.55 + 0.1 * np.sin(TURN * 0.7 * cycles + 2 * i), 0.4), (0.9, -0.8, -0.3))


OTHERS: dict[str, Move] = {
    "scratch": Move(scratch, 1.2),
    "stretch": Move(stretch, 4.0),
    "look around": Move(look_around, 3.0),
    "shift weight": Move(shift_weight, 2.2),
    "point": Move(point, 3.5),
    "fidget": Move(fidget, 1.6),
}
"""Movements that are none of the actions."""


def hang(pose: Pose, cycles: F64, style: Style) -> None:
    """Arms hang."""


def hands_on_hips(pose: Pose, cycles: F64, style: Style) -> None:
    """Both hands on the hips."""
    for side in SIDES:
        place(pose, side, (0.02, -0.72, 0.1), (1.0, 0.0, -0.35))


def phone(pose: Pose, cycles: F64, style: Style) -> None:
    """One hand at the ear."""
    place(pose, style.side, (-0.16, 0.42, 0.14), (0.8, -0.8, 0.3))


def read(pose: Pose, cycles: F64, style: Style) -> None:
    """Holds something in front with both hands and looks at it."""
    for side in SIDES:
        place(pose, side, (-0.24, -0.3, 0.5), (0.7, -1.0, -0.2))
    pose["nod"] = pose["nod"] + 22 * DEGREE


def crossed(pose: Pose, cycles: F64, style: Style) -> None:
    """Arms crossed."""
    for side in SIDES:
        place(pose, side, (-0.42, -0.36, 0.34), (0.9, -0.6, 0.0))


POSTURES: tuple[Program, ...] = (hang, hang, hands_on_hips, phone, read, crossed)
"""How people stand who do nothing."""
