"""What is read from the node's diagnostics."""
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from demo.material import diagnostics
from tdnet_ros.demo.counters import NodeReport


def test_counters_and_state_are_read() -> None:
    report = NodeReport.of(diagnostics(
        received=15, processed=5, failed=4, skipped=3, overwritten=2, throttled=1))
    assert report.counts == {'received': 15, 'processed': 5, 'failed': 4, 'skipped': 3,
                             'overwritten': 2, 'throttled': 1}
    assert report.waiting == 0
    assert report.problem == ''
    assert report.values['model'] == 'td2-tiny'


def test_an_image_that_waits_is_counted() -> None:
    assert NodeReport.of(diagnostics(received=9, processed=8)).waiting == 1


def test_errors_are_problems() -> None:
    report = NodeReport.of(diagnostics(level=DiagnosticStatus.ERROR, message='no such model'))
    assert report.problem == 'no such model'


def test_diagnostics_of_others_are_passed_over() -> None:
    assert NodeReport.of(DiagnosticArray(status=[DiagnosticStatus(name='motor')])) is None
