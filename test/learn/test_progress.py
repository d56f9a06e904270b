"""What a run says while it learns."""
from tdnet_ros.learn.config import Stage, TrainConfig
from tdnet_ros.learn.progress import Progress


def test_a_validation_is_one_line_where_there_is_no_terminal(tmp_path, capsys):
    config = TrainConfig((Stage('all', 2, (33, 33), 1, (0.1, 0.0)),))
    ious = {f'class {number}': 0.5 for number in range(20)}
    with Progress(tmp_path, config, 0, active=True) as progress:
        progress.validated(1, {'miou': 0.5, **ious}, 0.5, [])
    line, = capsys.readouterr().out.splitlines()
    assert line.endswith('class 19 0.50')
