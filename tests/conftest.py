"""Shared fixtures: real footage, small videos made on the spot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real footage beside the checkout: must be there in CI, skips with a reason elsewhere."""
    if not SHARED.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{SHARED} is missing, and CI must have it")
        pytest.skip(f"no real footage: {SHARED} is missing")
    return SHARED
