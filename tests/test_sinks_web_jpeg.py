"""JPEG encoding: colors of every matrix and range, and the maximum width."""

from __future__ import annotations

import numpy as np
import pytest

from camreel.sinks.web.jpeg import MAX_WIDTH_PIXELS, encode_jpeg
from tests.webpage import RED, decoded, plain


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("color", [(200, 40, 30), (20, 180, 60), (30, 60, 220), (250, 250, 250), (5, 5, 5)])
def test_the_jpeg_has_the_colors_of_the_picture(color, matrix, full):
    assert np.abs(decoded(encode_jpeg(plain(color, matrix=matrix, full=full)))[24, 32] - color).max() <= 5


def test_wide_pictures_are_made_smaller():
    small = decoded(encode_jpeg(plain(RED, (1920, 1080))))
    assert small.shape == (720, MAX_WIDTH_PIXELS, 3)
    assert np.abs(small - RED).max() <= 4
