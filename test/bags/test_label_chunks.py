"""Chunks in any order and by any worker are the bag labelled in one go."""
from __future__ import annotations

from contextlib import ExitStack, nullcontext
import os
from pathlib import Path
import pickle
import random
import threading
from typing import Any

import pytest

from bags.label_material import (
    assert_same,
    drive,
    eventful,
    expected,
    read_labels,
    write_bag,
)
from tdnet_ros.bags.label import run
from tdnet_ros.bags.label.bag_job import prepare
from tdnet_ros.bags.label.chunk import Labeller
from tdnet_ros.bags.label.job import ChunkResult
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.output import Output
from tdnet_ros.bags.label.run import BagRun, label_bag
from tdnet_ros.bags.label.survey import survey

TOPICS = {'/front/image_raw': '/tdnet/front/labels/compressed',
          '/rear/image_raw/compressed': '/tdnet/rear/labels/compressed'}

ZSTD = b'\x28\xb5\x2f\xfd'  # what it begins with


@pytest.mark.parametrize(('every', 'frames', 'count'), [(1, 2, 26), (2, 5, 6)])
def test_chunks_in_any_order_are_the_whole(tmp_path: Path, model: Path, every: int, frames: int,
                                           count: int) -> None:
    bag = write_bag(tmp_path / 'drive', eventful())
    options = LabelOptions(model=str(model), device='cpu', every=every, copy_input=True)
    with Labeller(options) as labeller:
        label_bag(bag, tmp_path / 'whole', labeller, threading.Event())
    whole = {topic: read_labels(tmp_path / 'whole' / 'drive', topic) for topic in TOPICS.values()}

    small = LabelOptions(**{**vars(options), 'chunk_frames': frames})
    job = prepare(bag, small)
    with Output(tmp_path / 'chunks', 'drive') as output:
        output.open(job.identity)
        chunks = list(survey(job, output, 0, job.first_place()))
        assert len(chunks) == count
        random.Random(1).shuffle(chunks)
        with Labeller(small) as labeller:
            results = [labeller.label(pickle.loads(pickle.dumps(chunk))) for chunk in chunks]
        results.sort(key=lambda result: result.number)
        output.publish(results, job.record(results, 1.0))
        output.finish()
    for topic, labels in whole.items():
        assert_same(read_labels(tmp_path / 'chunks' / 'drive', topic), labels)
    resets = [[(entry['stamp_ns'], entry['reason']) for result in results
               for entry in result.topics[topic].resets] for topic in TOPICS]
    with Labeller(options) as labeller:
        again = label_bag(bag, tmp_path / 'whole', labeller, threading.Event())
    assert again.skipped and again.record is not None
    assert resets == [[(entry['stamp_ns'], entry['reason']) for entry in
                       again.record.topics[topic].resets] for topic in TOPICS]


@pytest.mark.parametrize('rules', [{}, {'max_gap_s': 2.0}, {'scene_cut': False}])
def test_places_of_labelling_are_those_of_the_survey(
        tmp_path: Path, model: Path, rules: dict[str, Any]) -> None:
    bag = write_bag(tmp_path / 'drive', eventful())
    options = LabelOptions(model=str(model), device='cpu', chunk_frames=2, **rules)
    job = prepare(bag, options)
    with Output(tmp_path / 'out', 'drive') as output, Labeller(options) as labeller:
        output.open(job.identity)
        planned = list(survey(job, output, 0, job.first_place()))
        results: list[ChunkResult] = []
        for chunk in planned:
            assert chunk.place == (results[-1].next if results else job.first_place())
            results.append(labeller.label(chunk))
        assert results[-1].next is None
        assert ChunkResult.read(output.part / 'drive_1.json') == results[1]


def test_holes_that_a_cluster_left_are_labelled_again(tmp_path: Path, model: Path) -> None:
    bag = write_bag(tmp_path / 'drive', eventful())
    options = LabelOptions(model=str(model), device='cpu', chunk_frames=9)
    job = prepare(bag, options)
    with Labeller(options) as labeller:
        with Output(tmp_path / 'out', 'drive') as output:
            output.open(job.identity)
            chunks = list(survey(job, output, 0, job.first_place()))
            results = [labeller.label(chunks[number]) for number in (0, 3)]
            output.publish(results, job.record(results, 1.0))
        stop = threading.Event()
        stop.set()  # the hole gets a chunk that is shorter than planned
        with Output(tmp_path / 'out', 'drive') as output:
            assert [result.number for result in output.open(job.identity)] == [0]
            short = labeller.label(chunks[1], stop=stop)
            output.publish([results[0], short], job.record([results[0], short], 1.0))
        outcome = label_bag(bag, tmp_path / 'out', labeller, threading.Event())
    assert outcome.error == ''
    assert len(list((tmp_path / 'out' / 'drive').glob('*.mcap'))) == 7
    for image, labels in expected(bag, model).items():
        assert_same(read_labels(tmp_path / 'out' / 'drive', TOPICS[image]), labels)


@pytest.mark.parametrize('resumed', [True, False])
def test_messages_that_cannot_be_read_are_one_line_of_all_chunks(
        tmp_path: Path, model: Path, resumed: bool) -> None:
    bag = write_bag(tmp_path / 'drive', drive(24), 'zstd-message')
    file = bag / 'drive.mcap'
    start, *frames = file.read_bytes().split(ZSTD)
    for index in range(2, 24, 5):
        frames[index] = b'\xff' * 4 + frames[index][4:]
    file.write_bytes(ZSTD.join([start, *frames]))
    options = LabelOptions(model=str(model), device='cpu', chunk_frames=4)
    with ExitStack() as stack:
        output = stack.enter_context(Output(tmp_path / 'out', 'drive'))
        run = BagRun(prepare(bag, options), output)
        labeller = stack.enter_context(Labeller(options))
        while run.next is not None:
            if resumed:
                labeller = stack.enter_context(Labeller(options))
            run.add(labeller.label(run.job.chunk(output, *run.next)))
        problem, = run.finish().problems
    assert problem.startswith(f'{bag}: 5 messages of /front/image_raw cannot be read, first')


def test_a_bag_of_which_nothing_can_be_read_any_more_says_why(
        tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = write_bag(tmp_path / 'drive', drive(6))

    def emptied(*_: object) -> Any:  # once it is planned
        os.truncate(bag / 'drive.mcap', 0)
        return nullcontext(lambda done, text: None)

    monkeypatch.setattr(run, 'progress', emptied)
    with Labeller(LabelOptions(model=str(model), device='cpu')) as labeller:
        outcome = label_bag(bag, tmp_path / 'out', labeller, threading.Event())
    assert outcome.error == (
        f'{bag}: there is no image between --start and --duration; '
        f'{bag}/drive.mcap: offset 0: the file is empty')
