"""Evaluation of networks: predictions against ground truth, baselines beside them, thresholds from validation videos.

    datasets -> EvalVideo* -> runner (flow.localize -> collector) -> VideoResult* -> summary -> reports

`evaluation` does it all for `camreel evaluate`. `calibration` uses the same runner to calibrate a checkpoint. A data
set is one file and one line in `datasets.DATASETS`.
"""
