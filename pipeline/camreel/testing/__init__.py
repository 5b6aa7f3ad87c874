"""Contract suites for plug-ins: run them on your own network, CAM method, smoother, source or sink.

    from camreel.testing import check_recognizer

    def test_my_network_follows_the_contract():
        check_recognizer(my_factory())

Each suite is a tuple of functions (`RECOGNIZER_CHECKS`, `SMOOTHER_CHECKS`, ...); each function is one rule, raises
`AssertionError` where it is broken, and can be a parameter of a test of its own. Rules that do not apply to a plug-in
pass.
"""

from __future__ import annotations

from camreel.testing.cam_methods import CAM_METHOD_CHECKS, check_cam_method
from camreel.testing.recognizers import RECOGNIZER_CHECKS, check_recognizer
from camreel.testing.sinks import SINK_CHECKS, check_sink
from camreel.testing.smoothers import SMOOTHER_CHECKS, check_smoother
from camreel.testing.sources import SOURCE_CHECKS, check_source

__all__ = [
    "CAM_METHOD_CHECKS",
    "RECOGNIZER_CHECKS",
    "SINK_CHECKS",
    "SMOOTHER_CHECKS",
    "SOURCE_CHECKS",
    "check_cam_method",
    "check_recognizer",
    "check_sink",
    "check_smoother",
    "check_source",
]
