"""Labelling by chunks, done by workers of this process in place of Ray's."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bags.label_material import drive, write_bag
from tdnet_ros.bags.label import cluster
from tdnet_ros.bags.label.chunk import Labeller
from tdnet_ros.bags.label.options import LabelOptions

PATHS = 2


def test_an_output_that_cannot_be_written_any_more_is_told_and_the_others_go_on(
        tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pool:
        size = 9

        def __init__(self, options: LabelOptions, _: cluster.Cluster) -> None:
            self._options = options

        def run(self, tasks: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
            with Labeller(self._options) as labeller:
                for task in tasks:
                    job, = task.arguments
                    result = labeller.label(job)
                    if 'first' in job.name:
                        (job.out / '.metadata.yaml.partial').mkdir(exist_ok=True)
                    yield task, result

    monkeypatch.setattr(cluster, '_Pool', Pool)
    bags = [str(write_bag(tmp_path / name, drive(6))) for name in ('first', 'second')]
    options = LabelOptions(model=str(model), device='cpu', chunk_frames=2)
    first, second = cluster.label_on_cluster(bags, str(tmp_path / 'out'), options,
                                             cluster.Cluster())
    part = tmp_path / 'out' / 'first.part'
    assert first.problems == [f'cannot write {part}/metadata.yaml: Is a directory']
    assert (second.problems, second.frames, second.output) == ([], 6, tmp_path / 'out' / 'second')
