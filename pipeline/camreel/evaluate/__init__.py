"""Predictions against truth: metrics, baselines beside them, thresholds from validation videos, a report."""

from __future__ import annotations

from camreel.evaluate.calibration import Calibration, calibrate, calibrate_scores, fold_calibration
from camreel.evaluate.datasets import DATA
from camreel.evaluate.run import evaluate
from camreel.reports.evaluation_page import page
from camreel.reports.evaluation_report import Exhibit, Report
from camreel.reports.table import render
from camreel.reports.training_page import lesson_page

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
