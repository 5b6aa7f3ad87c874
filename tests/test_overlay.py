"""The annotated picture, pixel by pixel."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import cv2
import numpy as np
import pytest

from camreel.imageops.color import rgb_to_yuv
from camreel.overlay.annotate import Overlay
from camreel.overlay.heat import CLASS_COLORS, SaliencyField, draw_heat, gate, heat_rgb, palette
from camreel.overlay.panels import fit_text, text_mask, text_width
from camreel.overlay.strip import LIVE_SECONDS, MAX_CURVES, Timeline, strip_height
from camreel.sinks.options import STYLES
from camreel.structures import F32, Action, Box, Frame, Grid, Localization, Matrix, Picture


def noise(width: int, height: int, *, matrix: Matrix = "bt601", full_range: bool = False, seed: int = 0) -> Picture:
    rng = np.random.default_rng(seed)
    half = (height + 1) // 2, (width + 1) // 2
    y, u, v = (rng.integers(16, 235, shape, dtype=np.uint8) for shape in ((height, width), half, half))
    return Picture(y, u, v, matrix, full_range)


def blank(width: int, height: int, like: Picture | None = None, luma: int = 0) -> Picture:
    matrix, full_range = (like.matrix, like.full_range) if like else ("bt601", False)
    half = (height // 2, width // 2)
    return Picture(
        np.full((height, width), luma, np.uint8),
        np.full(half, 128, np.uint8),
        np.full(half, 128, np.uint8),
        matrix,
        full_range,
    )


def action(saliency: F32 | None, grid: Grid, **kw: object) -> Action:
    made = Action(0, "waving", 1.0, 4.0, saliency, 8.0, grid, None, ())
    return dataclasses.replace(made, **kw)  # type: ignore[arg-type]


def tiling(width: int, height: int, rows: int, columns: int) -> Grid:
    jump = height / rows, width / columns
    return Grid(((jump[0] - 1) / 2, (jump[1] - 1) / 2), jump)


def localization(picture: Picture, *actions: Action, time: float = 0.0, index: int = 0) -> Localization:
    return Localization(Frame(index, index, time, Fraction(1, 25), picture), actions)


def drawn(overlay: Overlay, item: Localization) -> Picture:
    timeline, out = overlay.timeline(), blank(*overlay.size, like=item.frame.picture)
    timeline.add(item.frame.time, item.actions)
    overlay.draw(item, timeline, out)
    return out


def scene(width: int, height: int) -> tuple[Action, ...]:
    """Return three actions with everything that can be drawn, partly at the edge of the picture."""
    rng = np.random.default_rng(1)
    grid = tiling(width, height, 7, 9)
    boxes = (
        Box((0.0, 0.0, width * 0.4, height * 0.5), 0.9, 12),
        Box((width * 0.7, height * 0.6, float(width), float(height)), 0.6, None),
    )
    return tuple(
        Action(
            n,
            label,
            0.9 - 0.3 * n,
            3.0,
            rng.random((7, 9), dtype=np.float32),
            10.4,
            grid,
            (width - 1.0, height - 1.0),
            boxes,
        )
        for n, label in enumerate(("juggling a ball, and a label that does not end here " * 3, "打鼓 çé\n\x00", ""))
    )


# Heat


@pytest.mark.parametrize("style", ["heatmap", "contour", "side-by-side"])
def test_no_evidence_leaves_the_picture_untouched_above_the_strip(style: str) -> None:
    picture = noise(640, 360)
    item = localization(picture, action(np.zeros((14, 25), np.float32), tiling(640, 360, 14, 25), label="x"))
    out = drawn(Overlay(640, 360, style), item)
    left, bottom = out.width - 640, 360 - strip_height(360) - 60
    assert np.array_equal(out.y[60:bottom, left:], picture.y[60:bottom])
    assert np.array_equal(out.u[30 : bottom // 2, left // 2 :], picture.u[30 : bottom // 2])
    assert np.array_equal(out.v[30 : bottom // 2, left // 2 :], picture.v[30 : bottom // 2])


def test_without_actions_only_the_strip_is_drawn() -> None:
    picture = noise(640, 360)
    out = drawn(Overlay(640, 360), localization(picture))
    assert np.array_equal(out.y[: 360 - strip_height(360)], picture.y[: 360 - strip_height(360)])


def test_style_none_passes_the_picture() -> None:
    picture = noise(161, 121)
    out = drawn(Overlay(161, 121, "none"), localization(picture, *scene(161, 121)))
    assert np.array_equal(out.y[:121, :161], picture.y)
    assert np.array_equal(out.u, picture.u)
    assert np.array_equal(out.y[121, :161], picture.y[120])
    assert np.array_equal(out.y[:121, 161], picture.y[:, 160])


@pytest.mark.parametrize(
    ("start", "jump"), [((15.5, 15.5), (32.0, 32.0)), ((3.0, 10.0), (24.7, 31.3)), ((-20.0, -7.0), (48.0, 50.0))]
)
@pytest.mark.parametrize("cell", [(2, 3), (5, 9), (6, 4)])
def test_the_heat_peaks_at_the_cells_true_place(
    start: tuple[float, float], jump: tuple[float, float], cell: tuple[int, int]
) -> None:
    saliency = np.zeros((12, 20), np.float32)
    saliency[cell] = 1
    saliency[cell[0] - 1 : cell[0] + 2, cell[1] - 1 : cell[1] + 2] += 0.3
    picture = blank(640, 360)
    draw_heat(
        picture, SaliencyField(action(saliency.clip(0, 1), Grid(start, jump)), 640, 360), 1.0, palette("bt601", False)
    )
    truth = start[0] + jump[0] * cell[0], start[1] + jump[1] * cell[1]
    for plane, scale in ((picture.y, 1), (255 - picture.u, 2)):
        weight = plane.astype(float) - np.percentile(plane, 20)
        weight[weight < weight.max() * 0.9] = 0
        rows, columns = np.indices(plane.shape)
        found = (weight * rows).sum() / weight.sum(), (weight * columns).sum() / weight.sum()
        assert [f * scale + (scale - 1) / 2 for f in found] == pytest.approx(truth, abs=1.5)


def test_a_field_passes_through_its_cells_and_is_held_at_the_edge() -> None:
    saliency = np.random.default_rng(0).random((6, 8), dtype=np.float32)
    grid = Grid((41.5, 33.5), (56.0, 76.0))
    field = SaliencyField(action(saliency, grid), 640, 360)
    for (j, i), value in np.ndenumerate(saliency):
        row, column = (
            (s + g * n + 0.5) / field.step - 0.5 for s, g, n in zip(grid.start, grid.jump, (j, i), strict=True)
        )
        near = field.values[int(row) : int(row) + 2, int(column) : int(column) + 2]
        assert near.min() - 0.08 <= value <= near.max() + 0.08
    assert field.values[0, 0] == pytest.approx(saliency[0, 0], abs=1e-5)
    assert field.values[-1, -1] == pytest.approx(saliency[-1, -1], abs=1e-5)
    assert field.values.min() >= 0 and field.values.max() <= 1


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("full_range", [False, True])
def test_the_heat_has_the_colors_of_the_color_map_in_every_matrix_and_range(matrix: Matrix, full_range: bool) -> None:
    picture = blank(320, 240, like=noise(2, 2, matrix=matrix, full_range=full_range))
    saliency = np.linspace(0.2, 1, 20, dtype=np.float32)[None].repeat(4, axis=0)
    field = SaliencyField(action(saliency, tiling(320, 240, 4, 20)), 320, 240)
    draw_heat(picture, field, 1.0, palette(matrix, full_range))
    for column in (40, 100, 200, 312):
        level = field.upsample((slice(60, 61), slice(column // 2, column // 2 + 1)), 2)[0, 0]
        alpha = level / 255
        yuv = np.array([picture.y[120, column], picture.u[60, column // 2], picture.v[60, column // 2]], float)
        ground = np.array([0.0, 128, 128])
        shown = ground + (yuv - ground) / alpha
        expected = rgb_to_yuv(heat_rgb()[level][None], matrix, full_range)[0]
        assert shown == pytest.approx(expected.astype(float), abs=2 + 2 / alpha)


@pytest.mark.parametrize(
    ("matrix", "full_range", "white", "red"),
    [
        ("bt601", False, (235, 128, 128), (81, 90, 240)),
        ("bt709", False, (235, 128, 128), (63, 102, 240)),
        ("bt601", True, (255, 128, 128), (76, 85, 255)),
        ("bt709", True, (255, 128, 128), (54, 99, 255)),
    ],
)
def test_rgb_becomes_the_yuv_of_the_standard(
    matrix: Matrix, full_range: bool, white: tuple[int, ...], red: tuple[int, ...]
) -> None:
    made = rgb_to_yuv(np.array([[255, 255, 255], [255, 0, 0]], np.uint8), matrix, full_range)
    assert np.abs(made.astype(int) - [white, red]).max() <= 1


def test_the_heats_colors_rise_in_lightness() -> None:
    lightness = rgb_to_yuv(heat_rgb(), "bt709", True)[:, 0].astype(int)
    assert np.diff(lightness).min() >= 0
    assert lightness[-1] - lightness[0] > 150


def test_more_evidence_and_more_score_are_more_heat() -> None:
    grid, picture = tiling(320, 240, 4, 4), noise(320, 240)

    def change(saliency: float, score: float) -> float:
        out = drawn(
            Overlay(320, 240),
            localization(picture, action(np.full((4, 4), saliency, np.float32), grid, score=score, label="")),
        )
        return float(np.abs(out.v.astype(int) - picture.v)[60:80].mean())

    assert 0 == change(0.0, 1.0) < change(0.3, 1.0) < change(0.6, 1.0) < change(1.0, 1.0)
    assert 0 < change(1.0, 0.1) < change(1.0, 0.3) < change(1.0, 1.0)
    assert (gate(0.0), gate(1.0)) == (0, 1)


def test_an_opacity_of_zero_colors_nothing() -> None:
    picture = noise(320, 240)
    out = drawn(
        Overlay(320, 240, opacity=0), localization(picture, action(np.ones((4, 4), np.float32), tiling(320, 240, 4, 4)))
    )
    assert np.array_equal(out.u[40:80], picture.u[40:80])


def test_isolines_follow_the_level() -> None:
    rows, columns = np.indices((18, 32))
    saliency = np.clip(1 - np.hypot(rows - 8.5, columns - 15.5) / 8, 0, 1).astype(np.float32)
    field = SaliencyField(action(saliency, tiling(640, 360, 18, 32)), 640, 360)
    pieces = field.isolines(0.5)
    assert len(pieces) > 50
    distance = np.hypot(*(pieces.reshape(-1, 2) - (319.5, 179.5)).T)
    assert distance == pytest.approx(np.full(len(distance), 80.0), abs=2.5)
    assert len(field.isolines(1.01)) == 0


# The whole picture


@pytest.mark.parametrize("size", [(16, 16), (160, 120), (240, 426), (640, 360), (853, 479), (3840, 2160)])
@pytest.mark.parametrize("style", STYLES)
def test_every_style_draws_at_every_size_and_never_writes_to_the_source(style: str, size: tuple[int, int]) -> None:
    picture = noise(*size)
    for plane in (picture.y, picture.u, picture.v):
        plane.setflags(write=False)
    overlay = Overlay(*size, style, random_weights=True)
    width, height = overlay.size
    assert (width % 2, height % 2) == (0, 0)
    assert (width, height) == ((size[0] + size[0] % 2) * (2 if style == "side-by-side" else 1), size[1] + size[1] % 2)
    first, second = (drawn(overlay, localization(picture, *scene(*size))) for _ in range(2))
    assert np.array_equal(first.y, second.y) and np.array_equal(first.u, second.u) and np.array_equal(first.v, second.v)


def test_turned_pictures_are_drawn_as_their_copies() -> None:
    stored = noise(360, 640)
    for turns in (0, 1, 2, 3):
        planes = [np.rot90(plane, turns) for plane in (stored.y, stored.u, stored.v)]
        view, straight = Picture(*planes), Picture(*(plane.copy() for plane in planes))
        overlay = Overlay(view.width, view.height)
        one, other = (drawn(overlay, localization(p, *scene(view.width, view.height))) for p in (view, straight))
        assert np.array_equal(one.y, other.y) and np.array_equal(one.u, other.u) and np.array_equal(one.v, other.v)


def test_planes_with_padded_lines_are_drawn_into() -> None:
    item = localization(noise(320, 240), *scene(320, 240))
    overlay = Overlay(320, 240)
    wide = np.zeros((240, 384), np.uint8), np.zeros((120, 192), np.uint8), np.zeros((120, 192), np.uint8)
    out = Picture(wide[0][:, :320], wide[1][:, :160], wide[2][:, :160])
    timeline = overlay.timeline()
    timeline.add(0.0, item.actions)
    overlay.draw(item, timeline, out)
    assert np.array_equal(out.y, drawn(overlay, item).y)
    assert not wide[0][:, 320:].any() and not wide[1][:, 160:].any()


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="320x240"):
        drawn(Overlay(160, 120), localization(noise(320, 240)))


def test_side_by_side_keeps_the_original_on_the_left() -> None:
    picture = noise(320, 240)
    out = drawn(Overlay(320, 240, "side-by-side"), localization(picture, *scene(320, 240)))
    assert np.array_equal(out.y[:, :320], picture.y) and np.array_equal(out.u[:, :160], picture.u)
    assert not np.array_equal(out.y[:, 320:], picture.y)


def test_boxes_are_drawn_at_their_position_in_the_color_of_their_class() -> None:
    picture = blank(640, 360, luma=120)
    box = Box((100.0, 80.0, 301.0, 201.0), 0.7, 3)
    out = drawn(
        Overlay(640, 360, "boxes"),
        localization(picture, action(None, tiling(640, 360, 7, 7), class_id=2, boxes=(box,))),
    )
    y, u, v = palette("bt601", False).color(CLASS_COLORS[2])
    for row, column in ((150, 100), (150, 300), (80, 290), (200, 200)):
        assert (out.y[row, column], out.u[row // 2, column // 2], out.v[row // 2, column // 2]) == (y, u, v)
    assert out.y[150, 200] == 120 and out.y[220, 200] == 120


@pytest.mark.parametrize("size", [(160, 120), (640, 360), (1280, 720)])
def test_text_is_inside_the_picture_and_random_weights_are_noted(size: tuple[int, int]) -> None:
    picture = blank(*size, luma=120)
    plain, said = (drawn(Overlay(*size, random_weights=random), localization(picture)) for random in (False, True))
    rows, columns = np.nonzero(said.y != plain.y)
    assert rows.size > 200
    assert rows.min() >= 2 and columns.min() >= 2
    assert rows.max() < size[1] // 2 and columns.max() < size[0] - 2


# Text


def test_text_is_shortened_to_the_available_width() -> None:
    long = "playing a very long instrument"
    short = fit_text(long, 12, 80)
    assert short != long and long.startswith(short.rstrip(".…"))
    assert text_width(short, 12) <= 80 < text_width(long, 12)
    assert fit_text("ab", 12, 80) == "ab"
    assert fit_text("abc", 12, 1) == ""


def test_text_that_cannot_be_shown_degrades() -> None:
    for text in ("", "\x00\n\t", "日本語 ελ", "a\nb", "\U0010ffff"):
        mask = text_mask(text, 14)
        assert mask.shape[0] == text_mask("ab", 14).shape[0]
    assert text_mask("a\nb", 14).shape == text_mask("a b", 14).shape


def test_without_truetype_text_is_drawn_with_strokes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camreel.overlay.panels._font_face", lambda: None)
    mask = text_mask.__wrapped__("héllo", 14)
    assert mask.shape[1] > 20 and mask.max() > 100
    assert cv2.countNonZero(mask[:, -2:]) <= mask.shape[0]


# Strip


def scored(class_id: int, score: float) -> Action:
    return Action(class_id, str(class_id), score, 1.0, None, 1.0, Grid((0, 0), (1, 1)), None, ())


def strip(timeline: Timeline, width: int = 320, height: int = 240) -> Picture:
    out = blank(width, height, luma=120)
    timeline.draw(out, palette("bt601", False))
    return out


def head(out: Picture, height: int = 240) -> int:
    """Column of the play head."""
    band = out.y[height - strip_height(height) :]
    return int(np.argmax((band == 235).mean(axis=0) > 0.6))


def test_the_play_head_crosses_the_picture_in_the_videos_time() -> None:
    timeline = Timeline(320, 240, (10.0, 20.0))
    for second in (10.0, 12.5, 15.0, 19.99, 25.0):
        timeline.add(second, (scored(0, 0.5),))
        assert head(strip(timeline)) == pytest.approx(min((second - 10) * 32, 318), abs=2)


def test_a_live_strip_shows_the_last_half_minute() -> None:
    timeline = Timeline(320, 240)
    for n in range(1000):
        timeline.add(100 + n * 0.1, (scored(0, 1.0 if 898 <= n <= 902 else 0.1),))
    out = strip(timeline)
    assert head(out) == 318
    top = 240 - strip_height(240)
    color = palette("bt601", False).color(timeline.color(0))
    columns = np.flatnonzero((np.abs(out.y[top : top + 7, :310].astype(int) - color[0]) < 60).any(axis=0))
    assert columns.mean() == pytest.approx(318 - 9.9 / LIVE_SECONDS * 320, abs=4)


@pytest.mark.parametrize("span", [(0.0, 20.0), None])
def test_drawing_step_by_step_equals_drawing_once(span: tuple[float, float] | None) -> None:
    steps, once = Timeline(320, 240, span), Timeline(320, 240, span)
    rng = np.random.default_rng(3)
    for n in range(450):
        actions = tuple(scored(c, float(rng.uniform(0.2, 0.9))) for c in (3, 7) if (n // 40 + c) % 3)
        for timeline in (steps, once):
            timeline.add(n / 25, actions)
        shown = strip(steps)
    difference = np.abs(shown.y.astype(int) - strip(once).y)
    # Anti-aliased joints, and the last column, whose score may change after it is painted.
    assert np.mean(difference > 24) < 0.01


def test_memory_and_curves_are_bounded() -> None:
    timeline = Timeline(320, 240)
    for n in range(4000):
        timeline.add(n * 0.5, tuple(scored((n // 10 + k) % 400, 0.5) for k in range(3)))
        if n % 50 == 0:
            strip(timeline)
    assert all(len(levels) <= 320 for levels in timeline._levels.values())
    assert len(timeline._levels) < 30
    assert len(timeline._shown) <= MAX_CURVES


def test_time_may_jump_or_stand_still() -> None:
    timeline = Timeline(320, 240)
    for second in (0.0, 0.0, 5.0, 4.0, 1e6, 1e6 + 1):
        timeline.add(second, (scored(1, 0.5),))
        strip(timeline)
    assert set(timeline._levels) == {1}


def test_classes_have_different_colors() -> None:
    timeline = Timeline(320, 240, (0.0, 10.0))
    timeline.add(0.0, (scored(5, 0.9),))
    before = timeline.color(5)
    timeline.add(0.1, (scored(15, 0.9), scored(5, 0.5), scored(25, 0.3)))
    assert timeline.color(5) == before == CLASS_COLORS[5]
    assert len({timeline.color(c) for c in (5, 15, 25)}) == 3


def test_every_sure_action_is_drawn_with_heat_and_box():
    """Two actions happen at once: both are drawn in full, a third unsure one only as a line."""
    picture = noise(320, 240, seed=3)

    def acting(class_id: int, column: int, score: float) -> Action:
        saliency = np.zeros((15, 20), np.float32)
        saliency[5:9, column : column + 3] = 1
        return action(saliency, tiling(320, 240, 15, 20), class_id=class_id, label=str(class_id), score=score)

    out = drawn(Overlay(320, 240), localization(picture, acting(0, 1, 0.9), acting(1, 9, 0.8), acting(2, 15, 0.3)))

    def changed(column: int) -> float:
        """Return the share of the pixels inside the evidence that differ from the source."""
        where = np.s_[90:136, 16 * column + 8 : 16 * column + 40]
        return float((out.y[where] != picture.y[where]).mean())

    assert changed(1) > 0.9
    assert changed(9) > 0.9
    assert changed(15) < 0.5
