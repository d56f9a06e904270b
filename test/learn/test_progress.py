"""What a run says while it learns."""
import resource

import pytest

from tdnet_ros.learn.config import Stage, TrainConfig
from tdnet_ros.learn.progress import Progress


def test_a_validation_is_one_line_where_there_is_no_terminal(tmp_path, capsys):
    config = TrainConfig((Stage('all', 2, (33, 33), 1, (0.1, 0.0)),))
    ious = {f'class {number}': 0.5 for number in range(20)}
    with Progress(tmp_path, config, 0, active=True) as progress:
        progress.validated(1, {'miou': 0.5, **ious}, 0.5, [])
    line, = capsys.readouterr().out.splitlines()
    assert line.endswith('class 19 0.50')


@pytest.mark.filterwarnings('error')  # so pytest tells what a thread raises
def test_a_disk_that_fills_up_is_named_once(tmp_path):
    def show(count):
        with Progress(tmp_path, config, 0, active=True) as progress:
            for step in range(1, count):
                progress.step(step, {'total': 1.0}, 1e-3)

    config = TrainConfig((Stage('one', 9000, (65, 97), 1, (1e-3, 0)),), log_every=1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files fails as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        for count in (9000, 20):  # more than the writer buffers, and less
            with pytest.raises(OSError, match=f'cannot write {tmp_path}: File too large'):
                show(count)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
