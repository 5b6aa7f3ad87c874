"""Predictions against truth: metrics, baselines beside them, thresholds from validation videos, a report."""

from __future__ import annotations

from pipeline.evaluate.calibration import Calibration, calibrate, calibrate_scores, fold_calibration
from pipeline.evaluate.data import DATA
from pipeline.evaluate.report.html import page
from pipeline.evaluate.report.lesson import lesson_page
from pipeline.evaluate.report.report import Exhibit, Report
from pipeline.evaluate.report.table import render
from pipeline.evaluate.run import evaluate

__all__ = [
    "DATA",
    "Calibration",
    "Exhibit",
    "Report",
    "calibrate",
    "calibrate_scores",
    "evaluate",
    "fold_calibration",
    "lesson_page",
    "page",
    "render",
]
