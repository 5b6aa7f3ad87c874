"""Movements of the drawn people: the fifteen actions (classes), other movements, and postures.

A movement program gets the pose of a standing person, the number of completed cycles [T] and a style, and changes the
pose in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from camreel.synthetic.poses import (
    DEGREE,
    F64,
    SIDES,
    Pose,
    Style,
    bend_legs,
    bump,
    interpolate_keys,
    place_hand,
    plateau,
    swing_arm,
)

Program = Callable[[Pose, F64, Style], None]
TURN = 2 * np.pi
"""One full turn in radians."""


@dataclass(frozen=True, slots=True)
class Movement:
    """A cyclic movement."""

    program: Program
    period: float
    """Seconds per cycle."""
    max_yaw: float = 180.0
    """Largest angle in degrees by which the person turns away from the camera: a hidden movement cannot be learned."""
    speed: float = 0.0
    """Meters per second over the ground."""
    spin: float = 0.0
    """Turns per cycle."""
    from_start: bool = False
    """A performance begins at the start of the cycle, not at a random phase."""
    prop: str = ""
    """Object that the movement needs: "stool", "ball" or none."""


def _wave_raised_hand(pose: Pose, side: str, cycles: F64, style: Style, shift: float = 0.0) -> None:
    lift = (12 + 32 * style.variant) * DEGREE
    angle = 42 * DEGREE * style.amplitude * np.sin(TURN * cycles + shift)
    reach = 0.5 * np.cos(lift), 0.5 * np.sin(lift)
    hand = (reach[0] + 0.46 * np.sin(angle), reach[1] + 0.46 * np.cos(angle), 0.12 + 0.0 * cycles)
    place_hand(pose, side, hand, (1.0, -0.5, 0.05))


def wave_one(pose: Pose, cycles: F64, style: Style) -> None:
    """Swing one raised hand from side to side."""
    _wave_raised_hand(pose, style.side, cycles, style)


def wave_both(pose: Pose, cycles: F64, style: Style) -> None:
    """Swing both raised hands, mirrored or in the same direction."""
    for side, shift in zip(SIDES, (0.0, np.pi if style.other > 0 else 0.0), strict=True):
        _wave_raised_hand(pose, side, cycles, style, shift)


def clap(pose: Pose, cycles: F64, style: Style) -> None:
    """Clap the hands in front of the chest, or above the head."""
    apart = 0.5 - 0.5 * np.cos(TURN * cycles)
    height, forward = (0.75, 0.35) if style.variant > 0.7 else (-0.25 + 0.2 * style.variant, 0.68)
    for side in SIDES:
        place_hand(
            pose, side, (-0.33 + 0.62 * style.amplitude * apart, height, forward - 0.12 * apart), (0.8, -1.0, 0.0)
        )


def jumping_jack(pose: Pose, cycles: F64, style: Style) -> None:
    """Open and close arms and legs in jumps."""
    opening = 0.5 - 0.5 * np.cos(TURN * cycles)
    angle = (12 + 155 * opening) * DEGREE
    for side in SIDES:
        place_hand(pose, side, (0.97 * np.sin(angle), -0.97 * np.cos(angle), 0.06), (0.2, 0.0, -1.0))
    bend_legs(pose, 0.0, 6 * DEGREE, (3 + 24 * opening * style.amplitude) * DEGREE)
    pose["air"] = pose["air"] + 0.13 * np.abs(np.sin(TURN * cycles))


def jump(pose: Pose, cycles: F64, style: Style) -> None:
    """Crouch and leap straight up with swinging arms."""
    phase = cycles % 1
    crouch, flight = bump(phase, 0.0, 0.42) + 0.7 * bump(phase, 0.72, 1.0), bump(phase, 0.32, 0.8)
    bend_legs(pose, 48 * DEGREE * crouch, 85 * DEGREE * crouch)
    for side in SIDES:
        swing_arm(pose, side, (-45 * crouch + 140 * flight) * DEGREE)
    pose["pitch"] = pose["pitch"] + 26 * DEGREE * crouch
    pose["back"] = pose["back"] + 0.1 * crouch
    pose["air"] = pose["air"] + 0.42 * style.amplitude * flight


def squat(pose: Pose, cycles: F64, style: Style) -> None:
    """Bend the knees and rise again, arms held forward."""
    down = (0.5 - 0.5 * np.cos(TURN * cycles)) * (0.88 + 0.12 * style.variant)
    bend_legs(pose, 95 * DEGREE * down, 115 * DEGREE * down, (8 + 6 * style.other) * DEGREE)
    for side in SIDES:
        swing_arm(pose, side, 88 * DEGREE * down if style.other > -0.5 else 20 * DEGREE * down, bend=0.15)
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
        swing_arm(pose, hand, arm * DEGREE * np.sin(angle), bend=bend * DEGREE)


def walk(pose: Pose, cycles: F64, style: Style) -> None:
    """Take steps with swinging arms."""
    _stride(pose, cycles, (3, 27 * style.amplitude), (8, 36), 26 * style.amplitude, 16)


def run(pose: Pose, cycles: F64, style: Style) -> None:
    """Take fast steps with bent elbows, leaning forward."""
    _stride(pose, cycles, (16, 46 * style.amplitude), (22, 80), 48 * style.amplitude, 88)
    pose["pitch"] = pose["pitch"] + 13 * DEGREE
    pose["air"] = pose["air"] + 0.1 * np.abs(np.cos(TURN * cycles))


def kick(pose: Pose, cycles: F64, style: Style) -> None:
    """Swing one leg back, then high forward."""
    phase, leg = cycles % 1, style.side
    wind, strike = bump(phase, 0.0, 0.4), bump(phase, 0.25, 0.85)
    pose[f"thigh_{leg}"] = (-32 * wind + 88 * style.amplitude * strike) * DEGREE
    pose[f"knee_{leg}"] = (65 * wind + 8 * strike) * DEGREE
    pose["pitch"] = pose["pitch"] - 14 * DEGREE * strike
    for side in SIDES:
        swing_arm(pose, side, 20 * DEGREE * strike, (10 + 40 * strike) * DEGREE, 0.5)


def punch(pose: Pose, cycles: F64, style: Style) -> None:
    """Strike forward with alternating fists from in front of the chin."""
    for i, side in enumerate(SIDES):
        strike = bump((cycles + 0.5 * i) % 1, 0.0, 0.5)
        hand = (-0.12 - 0.14 * strike, 0.0 + 0.1 * style.variant + 0.0 * strike, 0.32 + 0.66 * strike)
        place_hand(pose, side, hand, (0.6, -1.0, -0.2))
    pose["twist"] = pose["twist"] + 22 * DEGREE * np.sin(TURN * cycles)
    pose["thigh_r"], pose["thigh_l"] = pose["thigh_r"] + 16 * DEGREE, pose["thigh_l"] - 14 * DEGREE
    pose["knee_r"], pose["knee_l"] = pose["knee_r"] + 18 * DEGREE, pose["knee_l"] + 10 * DEGREE


def bend(pose: Pose, cycles: F64, style: Style) -> None:
    """Bend forward at the hips, hands towards the ground, and rise again."""
    down = (0.5 - 0.5 * np.cos(TURN * cycles)) * (0.92 + 0.08 * style.variant)
    pose["pitch"] = pose["pitch"] + 92 * DEGREE * down
    pose["back"] = pose["back"] + 0.16 * down
    for side in SIDES:
        swing_arm(pose, side, 78 * DEGREE * down, bend=0.1)
    bend_legs(pose, 6 * DEGREE * down, 14 * DEGREE * down)


def throw(pose: Pose, cycles: F64, style: Style) -> None:
    """Move one hand far back, then over the shoulder and forward."""
    phase, side = cycles % 1, style.side
    keys = (
        (0.14, -0.9, 0.1),
        (0.75, 0.1, -0.5),
        (0.3, 0.75, -0.35),
        (-0.1, 0.25, 0.93),
        (-0.3, -0.65, 0.5),
        (0.14, -0.9, 0.1),
    )
    hand = interpolate_keys(phase, (0.0, 0.28, 0.42, 0.56, 0.74, 1.0), keys)
    place_hand(pose, side, hand, (0.9, -0.2, -0.4))
    turn = interpolate_keys(phase, (0.0, 0.3, 0.58, 1.0), ((0,), (-38,), (40,), (0,)))[0] * DEGREE
    pose["twist"] = pose["twist"] + turn * (1 if side == "l" else -1)
    pose["pitch"] = pose["pitch"] + 20 * DEGREE * bump(phase, 0.35, 0.95) - 8 * DEGREE * bump(phase, 0.0, 0.5)
    lead = "l" if side == "r" else "r"
    swing_arm(pose, lead, 55 * DEGREE * bump(phase, 0.05, 0.65), 0.3, 0.4)
    pose[f"thigh_{lead}"] = pose[f"thigh_{lead}"] + 34 * DEGREE * bump(phase, 0.12, 0.95)
    pose[f"knee_{lead}"] = pose[f"knee_{lead}"] + 24 * DEGREE * bump(phase, 0.12, 0.95)


def sit_down(pose: Pose, cycles: F64, style: Style) -> None:
    """Sit down on a stool, stay, and get up."""
    phase = cycles % 1
    down = plateau(phase, (0.02, 0.34), (0.66, 0.98))
    bend_legs(pose, 84 * DEGREE * down, 86 * DEGREE * down, (6 + 4 * style.other) * DEGREE)
    lean = bump(phase, 0.0, 0.36) + bump(phase, 0.64, 1.0)
    pose["pitch"] = pose["pitch"] + (34 * lean + 4 * down) * DEGREE
    pose["back"] = pose["back"] + 0.4 * down
    for side in SIDES:
        swing_arm(pose, side, (38 * down + 20 * lean) * DEGREE, bend=0.5 * down)


def fall(pose: Pose, cycles: F64, style: Style) -> None:
    """Collapse to the ground, lie, and get up."""
    phase = cycles % 1
    down = plateau(phase, (0.02, 0.26), (0.72, 0.98))
    if abs(style.variant) > 0.4:
        pose["tip"] = pose["tip"] + 86 * DEGREE * down * np.sign(style.variant)
    else:
        pose["keel"] = pose["keel"] + 86 * DEGREE * down * (1 if style.other > 0 else -1)
    buckle = bump(phase, 0.0, 0.3) + 0.8 * bump(phase, 0.7, 1.0)
    bend_legs(pose, (40 * buckle + 4 * down) * DEGREE, (75 * buckle + 10 * down) * DEGREE, 6 * DEGREE * down)
    for side in SIDES:
        # Arms reach past the head: spread arms would touch the ground first and hold the body up.
        swing_arm(pose, side, (152 + 12 * style.other) * DEGREE * down, 10 * DEGREE, 0.3)


def spin(pose: Pose, cycles: F64, style: Style) -> None:
    """Turn around on the spot with small steps, arms spread."""
    out = (26 + 24 * style.variant + 14 * style.amplitude) * DEGREE
    for side in SIDES:
        swing_arm(pose, side, 0.1, out, 0.25)
    for i, side in enumerate(SIDES):
        pose[f"thigh_{side}"] = pose[f"thigh_{side}"] + 10 * DEGREE * np.maximum(
            0, np.sin(2 * TURN * cycles + np.pi * i)
        )
        pose[f"knee_{side}"] = pose[f"knee_{side}"] + 22 * DEGREE * np.maximum(0, np.sin(2 * TURN * cycles + np.pi * i))


ACTION_MOVEMENTS: dict[str, Movement] = {
    "wave one hand": Movement(wave_one, 0.65, max_yaw=100),
    "wave both hands": Movement(wave_both, 0.7, max_yaw=100),
    "clap": Movement(clap, 0.5, max_yaw=80),
    "jumping jack": Movement(jumping_jack, 0.95),
    "jump": Movement(jump, 1.15),
    "squat": Movement(squat, 1.7),
    "walk": Movement(walk, 1.05, speed=1.15),
    "run": Movement(run, 0.68, speed=2.4),
    "kick": Movement(kick, 1.1, max_yaw=140),
    "punch": Movement(punch, 0.75, max_yaw=105),
    "bend": Movement(bend, 1.9),
    "throw": Movement(throw, 1.35, max_yaw=140, from_start=True, prop="ball"),
    "sit down": Movement(sit_down, 3.0, from_start=True, prop="stool"),
    "fall": Movement(fall, 2.6, from_start=True),
    "spin": Movement(spin, 1.5, spin=1.0),
}
"""Movement of every action by its label, in the order of the class ids."""
ACTIONS: tuple[str, ...] = tuple(ACTION_MOVEMENTS)
"""Class names."""


def scratch(pose: Pose, cycles: F64, style: Style) -> None:
    """Scratch the head."""
    x = -0.22 + 0.05 * np.sin(TURN * 3 * cycles)
    place_hand(pose, style.side, (x, 0.62 + 0.03 * np.cos(TURN * 3 * cycles), 0.1), (1.0, 0.3, 0.2))


def stretch(pose: Pose, cycles: F64, style: Style) -> None:
    """Slowly raise both arms, hold them and lower them."""
    up = plateau(cycles % 1, (0.05, 0.4), (0.6, 0.95)) * (150 + 20 * style.variant) * DEGREE
    for side in SIDES:
        place_hand(pose, side, (0.3 * np.sin(up), -0.95 * np.cos(up), 0.5 * np.sin(up)), (0.6, 0.0, -0.8))


def look_around(pose: Pose, cycles: F64, style: Style) -> None:
    """Turn head and torso slowly."""
    pose["twist"] = pose["twist"] + 32 * DEGREE * np.sin(TURN * cycles)
    pose["look"] = pose["look"] + 40 * DEGREE * np.sin(TURN * cycles + 0.5)


def shift_weight(pose: Pose, cycles: F64, style: Style) -> None:
    """Lean from one leg to the other."""
    lean = np.sin(TURN * cycles)
    pose["keel"] = pose["keel"] + 5 * DEGREE * lean
    pose["roll"] = pose["roll"] - 8 * DEGREE * lean
    for sign, side in zip((1, -1), SIDES, strict=True):
        pose[f"knee_{side}"] = pose[f"knee_{side}"] + 14 * DEGREE * np.maximum(0, sign * lean)


def point(pose: Pose, cycles: F64, style: Style) -> None:
    """Raise an arm, hold it still and lower it."""
    up = plateau(cycles % 1, (0.05, 0.25), (0.7, 0.95)) * (85 + 20 * style.variant) * DEGREE
    swing_arm(pose, style.side, up * (style.other > 0), 0.12 + up * (style.other <= 0), 0.1)


def fidget(pose: Pose, cycles: F64, style: Style) -> None:
    """Move the hands irregularly in front of the belly."""
    for i, side in enumerate(SIDES):
        x = -0.1 + 0.14 * np.sin(TURN * cycles * (1 + 0.3 * i) + i)
        place_hand(pose, side, (x, -0.55 + 0.1 * np.sin(TURN * 0.7 * cycles + 2 * i), 0.4), (0.9, -0.8, -0.3))


OTHER_MOVEMENTS: dict[str, Movement] = {
    "scratch": Movement(scratch, 1.2),
    "stretch": Movement(stretch, 4.0),
    "look around": Movement(look_around, 3.0),
    "shift weight": Movement(shift_weight, 2.2),
    "point": Movement(point, 3.5),
    "fidget": Movement(fidget, 1.6),
}
"""Movements that belong to no class."""


def hang_arms(pose: Pose, cycles: F64, style: Style) -> None:
    """Let the arms hang."""


def hands_on_hips(pose: Pose, cycles: F64, style: Style) -> None:
    """Put both hands on the hips."""
    for side in SIDES:
        place_hand(pose, side, (0.02, -0.72, 0.1), (1.0, 0.0, -0.35))


def hold_phone(pose: Pose, cycles: F64, style: Style) -> None:
    """Hold one hand at the ear."""
    place_hand(pose, style.side, (-0.16, 0.42, 0.14), (0.8, -0.8, 0.3))


def read(pose: Pose, cycles: F64, style: Style) -> None:
    """Hold an object in front with both hands and look down at it."""
    for side in SIDES:
        place_hand(pose, side, (-0.24, -0.3, 0.5), (0.7, -1.0, -0.2))
    pose["nod"] = pose["nod"] + 22 * DEGREE


def cross_arms(pose: Pose, cycles: F64, style: Style) -> None:
    """Cross the arms."""
    for side in SIDES:
        place_hand(pose, side, (-0.42, -0.36, 0.34), (0.9, -0.6, 0.0))


POSTURES: tuple[Program, ...] = (hang_arms, hang_arms, hands_on_hips, hold_phone, read, cross_arms)
"""Postures of people between movements; one that is listed twice is chosen twice as often."""
