"""What is read from the node's diagnostics."""
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from demo.material import diagnostics
from tdnet_ros.demo.counters import NodeReport


def test_counters_and_state_are_read() -> None:
    report = NodeReport.of(diagnostics(received=9, processed=5, overwritten=3, failed=1))
    assert report.counts == (9, 5, 3, 1)
    assert report.settled
    assert report.problem == ''
    assert report.values['model'] == 'td2-tiny'


def test_an_image_that_waits_is_not_settled() -> None:
    assert not NodeReport.of(diagnostics(received=9, processed=8)).settled


def test_errors_are_problems() -> None:
    report = NodeReport.of(diagnostics(level=DiagnosticStatus.ERROR, message='no such model'))
    assert report.problem == 'no such model'


def test_diagnostics_of_others_are_passed_over() -> None:
    assert NodeReport.of(DiagnosticArray(status=[DiagnosticStatus(name='motor')])) is None
