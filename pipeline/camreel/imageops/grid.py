"""Cells that tile a picture: their number and their position."""

from __future__ import annotations

from camreel.structures import Grid


def fit_cells(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Scale a picture of width x height pixels to `long_side` cells.

    Returns:
        (rows, columns): at least 1, and never more than there are pixels.
    """
    scale = min(1.0, long_side / max(width, height))
    return max(1, round(height * scale)), max(1, round(width * scale))


def tiling(cells: tuple[int, int], picture: tuple[int, int]) -> Grid:
    """Return the grid of cells that tile a picture.

    Args:
        cells: (rows, columns).
        picture: (width, height) in pixels.

    Example:
        >>> tiling((2, 4), (80, 40))
        Grid(start=(9.5, 9.5), jump=(20.0, 20.0))
    """
    jump = picture[1] / cells[0], picture[0] / cells[1]
    return Grid(((jump[0] - 1) / 2, (jump[1] - 1) / 2), jump)
