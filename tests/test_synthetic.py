"""The action world: bodies obey mechanics, and films agree with their ground truth."""

from __future__ import annotations

import time

import numpy as np
import pytest

from camreel.synthetic import ACTIONS, SPLITS, film
from camreel.synthetic.actions import ACTION_MOVEMENTS, OTHER_MOVEMENTS, POSTURES
from camreel.synthetic.body import FINGERS, pose_body, random_body
from camreel.synthetic.camera import random_camera, random_camera_motion
from camreel.synthetic.people import random_performance, random_person, random_schedule
from camreel.synthetic.poses import (
    Style,
    blend,
    bump,
    interpolate_keys,
    place_hand,
    plateau,
    standing_pose,
    swing_arm,
)
from camreel.synthetic.rendering import compress

FRAMES = 48
STYLE = Style("r", 1.0, 0.2, 0.5)
FOREARM, UPPER_ARM, CROWN = -5, -6, 11
"""Indices of capsules: right forearm, right upper arm, top of the head."""


def acted(name, *, cycles=1.0, style=STYLE, seed=0):
    """Return the capsules of a body that performs cycles of a movement, facing away from the camera."""
    pose = standing_pose(FRAMES)
    ({**ACTION_MOVEMENTS, **OTHER_MOVEMENTS})[name].program(pose, np.linspace(0, cycles, FRAMES), style)
    return pose_body(random_body(np.random.default_rng(seed)), pose, np.zeros(FRAMES), np.zeros((FRAMES, 2)))


def lowest(capsules):
    """Return the height of the lowest point at each time [T]."""
    return np.minimum(capsules.start[..., 1] - capsules.radii[:, 0], capsules.end[..., 1] - capsules.radii[:, 1]).min(
        axis=1
    )


def test_there_are_fifteen_actions_and_no_other_movement_has_the_name_of_an_action():
    assert len(set(ACTIONS)) == len(ACTIONS) == 15
    assert not set(ACTIONS) & set(OTHER_MOVEMENTS)


@pytest.mark.parametrize("name", [*ACTION_MOVEMENTS, *OTHER_MOVEMENTS])
def test_bones_keep_their_lengths_and_bodies_stay_above_the_ground(name):
    capsules = acted(name, cycles=2.0)
    lengths = np.linalg.norm(capsules.end - capsules.start, axis=-1)
    # The neck stretches when the head turns; all other bones are rigid.
    rigid = np.delete(lengths, CROWN - 1, axis=1)
    np.testing.assert_allclose(rigid, np.broadcast_to(rigid[:1], rigid.shape), atol=1e-9)
    assert lowest(capsules).min() > -1e-9


@pytest.mark.parametrize("name", sorted(set(ACTION_MOVEMENTS) - {"jump", "jumping jack", "run"}))
def test_a_body_that_does_not_jump_touches_the_ground(name):
    np.testing.assert_allclose(lowest(acted(name)), 0, atol=1e-9)


def test_postures_keep_their_feet_on_the_ground():
    for posture in POSTURES:
        pose = standing_pose(4)
        posture(pose, np.zeros(4), STYLE)
        body = pose_body(random_body(np.random.default_rng(1)), pose, np.zeros(4), np.zeros((4, 2)))
        np.testing.assert_allclose(lowest(body), 0, atol=1e-9)


def test_hands_feet_and_head_move_as_the_names_of_the_actions_say():
    head = {name: acted(name).end[:, CROWN, 1] for name in ACTION_MOVEMENTS}
    standing = acted("point").end[0, CROWN, 1]
    hands = {name: {side: acted(name).end[:, FINGERS[side]] for side in "rl"} for name in ACTION_MOVEMENTS}
    assert hands["wave one hand"]["r"][:, 1].min() > standing > hands["wave one hand"]["l"][:, 1].max()
    assert min(hands["wave both hands"][side][:, 1].min() for side in "rl") > 0.9 * standing
    apart = np.linalg.norm(hands["clap"]["r"] - hands["clap"]["l"], axis=-1)
    assert apart.min() < 0.15 < 0.4 < apart.max()
    assert lowest(acted("jump")).max() > 0.3
    assert head["squat"].min() < 0.75 * standing
    assert head["sit down"].min() < 0.85 * standing
    assert head["fall"].min() < 0.3 * standing
    assert head["bend"].min() < 0.7 * standing
    foot = acted("kick").end[:, 2]
    assert foot[:, 1].max() > 0.5
    assert foot[foot[:, 1].argmax(), 2] > 0.3  # forward
    reach = [hands["punch"][side][:, 2].max() for side in "rl"]
    assert min(reach) > 0.5
    assert hands["throw"]["r"][:, 1].max() > standing
    assert acted("jumping jack").end[:, FINGERS["r"], 1].max() > standing


def test_a_hand_reaches_its_position_if_the_arm_is_long_enough():
    rng = np.random.default_rng(3)
    body = random_body(rng)
    arm = (0.172 + 0.157) * body.build[1] * body.height
    for target, reached in (((0.3, 0.2, 0.5), True), ((0.0, 0.0, 1.5), False)):
        pose = standing_pose(1)
        place_hand(pose, "r", target, (0.5, -1.0, -0.3))
        parts = pose_body(body, pose, np.zeros(1), np.zeros((1, 2)))
        shoulder, wrist = parts.start[0, UPPER_ARM], parts.end[0, FOREARM]
        wanted = shoulder + np.array(target) * arm
        assert np.allclose(wrist, wanted, atol=1e-6) == reached
        assert np.linalg.norm(wrist - shoulder) <= arm


def test_a_bent_arm_has_the_given_angle():
    pose = standing_pose(1)
    swing_arm(pose, "r", flex=0.0, abduct=0.0, bend=np.pi / 2)
    body = random_body(np.random.default_rng(0))
    parts = pose_body(body, pose, np.zeros(1), np.zeros((1, 2)))
    fore = parts.end[0, FOREARM] - parts.start[0, FOREARM]
    assert fore[2] > 0.9 * np.linalg.norm(fore)  # forward, level


def test_curves_have_the_expected_values():
    phase = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(bump(phase, 0.0, 1.0), [0, 0.5, 1, 0.5, 0], atol=1e-12)
    np.testing.assert_allclose(plateau(phase, (0.0, 0.25), (0.75, 1.0)), [0, 1, 1, 1, 0], atol=1e-12)
    np.testing.assert_allclose(
        interpolate_keys(phase, (0, 0.5, 1), ((0,), (2,), (1,)))[0], [0, 1, 2, 1.5, 1], atol=1e-12
    )
    first, second = standing_pose(3), standing_pose(3)
    second["air"] = np.ones(3)
    np.testing.assert_allclose(blend(first, second, np.array([0, 0.5, 1]))["air"], [0, 0.5, 1])


def test_walking_people_stay_in_their_range_and_face_their_direction():
    rng = np.random.default_rng(5)
    for _ in range(20):
        walker = random_person(rng, (0.3, 0.0), (1.0, 1.0), (random_performance(rng, "walk", -1, 20),))
        times = np.linspace(0, 12, 600)
        yaw, position = walker.path(times)
        if walker.treadmill:
            continue
        assert np.linalg.norm(position - (0.3, 0.0), axis=-1).max() <= walker.walk_range + 1e-6
        step = np.diff(position, axis=0)
        ahead = (step * np.stack([np.sin(yaw), np.cos(yaw)], -1)[:-1]).sum(-1)
        assert np.mean(ahead > 0) > 0.85  # except while they turn around


def test_rests_separate_successive_performances():
    schedule = random_schedule(np.random.default_rng(2), ["jump", "bend"], 30.0, continuous=False)
    assert [performance.name for performance in schedule[:4]] == ["jump", "bend", "jump", "bend"]
    assert all(later.start - earlier.end >= 0.7 for earlier, later in zip(schedule, schedule[1:], strict=False))


def test_a_camera_projects_the_center_of_the_scene_to_the_center_of_the_picture():
    camera = random_camera(np.random.default_rng(0), (640, 360), 0.5)
    point = np.array([0.0, camera.height - camera.distance * np.tan(camera.tilt), 0.0])
    xy, depth = camera.project(point)
    np.testing.assert_allclose(xy, [320, 180], atol=1e-9)
    np.testing.assert_allclose(depth, camera.distance / np.cos(camera.tilt))
    feet, head = camera.project(np.array([[0.0, 0, 0], [0, 1.72, 0]]))[0]
    assert feet[1] > head[1]
    assert 0.38 < (feet[1] - head[1]) / 360 < 0.56


def test_a_fixed_camera_moves_no_points():
    motion = random_camera_motion(np.random.default_rng(0), np.arange(5) / 12, (64, 48), 0.0)
    points = np.random.default_rng(1).uniform(0, 48, (5, 3, 2))
    np.testing.assert_array_equal(motion.apply(points), points)
    np.testing.assert_allclose(motion.matrices[:, :, :2], np.broadcast_to(np.eye(2), (5, 2, 2)))


@pytest.mark.parametrize("split", [*SPLITS, "train", "mixed"])
def test_a_film_agrees_with_its_truth(split):
    for seed in range(3):
        made = film(seed, split=split, size=(160, 96), frames=20)
        truth = made.truth
        people = truth.actions.shape[1]
        assert made.pictures.shape == (20, 96, 160, 3)
        assert truth.masks is not None and truth.masks.max() <= people
        for p in range(people):
            for t in (0, 19):
                ys, xs = np.nonzero(truth.masks[t] == p + 1)
                if not len(xs):
                    assert np.isnan(truth.boxes[t, p]).all()
                    continue
                np.testing.assert_array_equal(truth.boxes[t, p], [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])


def test_splits_contain_the_promised_people_and_actions():
    assert film(1, split="single", frames=4).truth.actions.shape[1] == 1
    assert film(1, split="crowd", frames=4).truth.actions.shape[1] in (3, 4)
    for seed in range(4):
        actions = film(seed, split="pair", size=(160, 96), frames=100, masks=False).truth.actions
        kinds = [set(column[column >= 0]) for column in actions.T]
        assert len(kinds) == 2 and not kinds[0] & kinds[1]
    sequence = film(3, split="sequence", size=(160, 96), frames=150, rate=12, masks=False).truth.actions[:, 0]
    assert len(set(sequence)) >= 4 and -1 in sequence


def test_the_same_seed_makes_the_same_film_and_another_one_another():
    first, second, third = (film(seed, split="pair", frames=6) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.pictures, second.pictures)
    np.testing.assert_array_equal(first.truth.boxes, second.truth.boxes)
    assert (first.pictures[0] != third.pictures[0]).mean() > 0.5


def test_the_world_does_not_depend_on_the_frame_rate():
    slow = film(8, split="sequence", frames=48, rate=12, masks=False).truth
    fast = film(8, split="sequence", frames=96, rate=24, masks=False).truth
    np.testing.assert_array_equal(slow.actions, fast.actions[::2])
    np.testing.assert_allclose(slow.boxes, fast.boxes[::2], atol=1.0)


def test_boxes_without_masks_contain_the_boxes_of_the_masks():
    rough, exact = (film(2, split="single", frames=8, masks=masks).truth for masks in (False, True))
    seen = ~np.isnan(exact.boxes[..., 0])
    low, high = exact.boxes[seen][:, :2] - rough.boxes[seen][:, :2], rough.boxes[seen][:, 2:] - exact.boxes[seen][:, 2:]
    assert low.min() > -1.5 and high.min() > -1.5


def test_a_person_outside_the_picture_has_no_action():
    for seed in range(8):
        truth = film(seed, split="moving", size=(96, 96), frames=30).truth
        assert (truth.actions[np.isnan(truth.boxes[..., 0])] == -1).all()


def test_compression_error_grows_with_the_rate_factor():
    pictures = film(0, split="single", frames=12).pictures
    errors = []
    for crf in (15, 38):
        coded = compress(pictures, crf)
        assert coded.shape == pictures.shape
        errors.append(np.abs(coded.astype(int) - pictures).mean())
    assert errors[0] < errors[1] < 30


def test_films_are_made_faster_than_training_consumes_them():
    best = min(_seconds_per_frame(seed) for seed in range(4))
    assert best < 1 / 300


def _seconds_per_frame(seed):
    begin = time.process_time()
    film(seed, split="single", frames=60)
    return (time.process_time() - begin) / 60
