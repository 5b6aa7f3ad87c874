"""Contract suites for plug-ins: run them on your own network, CAM method, smoother, source or sink.

    from camreel.testing import check_recognizer

    def test_my_network_follows_the_contract():
        check_recognizer(my_factory())

Each suite is a tuple of functions (`RECOGNIZER_CHECKS`, `SMOOTHER_CHECKS`, ...); each function is one rule, raises
`AssertionError` where it is broken, and can be a parameter of a test of its own. Rules that do not apply to a plug-in
pass.
"""

from __future__ import annotations

from camreel.testing.inputs_outputs import SINK_CHECKS, SOURCE_CHECKS, check_sink, check_source
from camreel.testing.maps import CAM_METHOD_CHECKS, SMOOTHER_CHECKS, check_cam_method, check_smoother
from camreel.testing.recognizers import RECOGNIZER_CHECKS, check_recognizer

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
