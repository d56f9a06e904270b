"""What the options of `tdnet_bag label` change, and work that is not continued under others."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
import shutil

import numpy as np
import pytest
import torch

from bags.label_material import drive, read_labels, scene, write_bag
from bags.material import label_command
from tdnet_ros.bags.label.bag_job import prepare
from tdnet_ros.bags.label.chunk import Labeller
from tdnet_ros.bags.label.job import Place
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.output import Output
from tdnet_ros.bags.label_record import LabelRecord
from tdnet_ros.nets.card import untrained_card
from tdnet_ros.nets.checkpoint import load_network, save_weights
from tdnet_ros.stream import flight
from tdnet_ros.stream.classify import classify

LABELS = '/tdnet/labels/compressed'
Run = Callable[..., tuple[int, list[str]]]


@pytest.mark.parametrize(('arguments', 'reasons'), [
    ((), ['scene']), (('--no-scene-cut',), []), (('--max-gap', 0.15), ['scene', 'gap']),
    (('--max-gap', 0.15, '--no-scene-cut'), ['gap'])])
def test_memory_is_emptied_by_the_rules_that_are_asked_for(
        tmp_path: Path, run: Run, arguments: tuple[object, ...], reasons: list[str]) -> None:
    messages = drive(12)
    del messages[8:11]  # a pause of 0.2 s
    for item in messages[:4]:
        item.message.data = scene(7).reshape(-1)
    assert run(write_bag(tmp_path / 'drive', messages), *arguments) == (0, [])
    record = LabelRecord.read(tmp_path / 'out' / 'drive').topics['/front/image_raw']
    assert [entry['reason'].split(' ')[0] for entry in record.resets] == reasons


def test_frames_that_are_skipped_are_told(tmp_path: Path, model: Path,
                                           tdnet_bag: Callable[..., tuple[int, str, str]]) -> None:
    """A driver whose clock stands gives all images one stamp."""
    messages = drive(6)
    for item in messages[2:]:
        item.message.header = messages[1].message.header
    bag = write_bag(tmp_path / 'drive', messages)
    for _ in range(2):  # the second finds it labelled
        status, out, errors = tdnet_bag(*label_command(model, tmp_path, bag))
        assert (status, errors) == (0, '')
        assert out.endswith(
            f' in {tmp_path}/out/drive; 4 frames skipped, same stamp as the image before\n')


def test_weights_are_those_that_are_named(tmp_path: Path, run: Run, model: Path) -> None:
    network = load_network(untrained_card('td4-tiny'))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.neg_()
    save_weights(network, tmp_path / 'other.safetensors')
    bag = write_bag(tmp_path / 'drive', drive(2))
    found = []
    for weights in (model.with_suffix('.safetensors'), tmp_path / 'other.safetensors'):
        assert run(bag, '--weights', weights) == (0, [])
        labels, _ = read_labels(tmp_path / 'out' / 'drive', LABELS).values()
        digest = LabelRecord.read(tmp_path / 'out' / 'drive').options['weights_sha256']
        found.append((labels, digest))
        shutil.rmtree(tmp_path / 'out')
    assert not np.array_equal(found[0][0], found[1][0])
    assert found[0][1] != found[1][1]


def test_work_of_another_bag_or_under_other_rules_is_not_continued(tmp_path: Path,
                                                                   model: Path) -> None:
    options = LabelOptions(model=str(model), device='cpu', chunk_frames=2)
    messages = drive(4)
    same = write_bag(tmp_path / 'same' / 'drive', messages)
    job = prepare(same, options)
    with Output(tmp_path / 'out', 'drive') as output, Labeller(options) as labeller:
        output.open(job.identity)
        result = labeller.label(job.chunk(output, 0, job.first_place()))
        output.publish([result], job.record([result], 1.0))

    def continued(bag: Path, options: LabelOptions) -> int:
        copy = shutil.copytree(tmp_path / 'out', tmp_path / 'copy')
        with Output(copy, 'drive') as output:
            count = len(output.open(prepare(bag, options).identity))
        shutil.rmtree(copy, ignore_errors=True)
        return count

    assert continued(same, options) == 1
    for rules in ({'max_gap_s': 2.0}, {'scene_cut': False}, {'class_remap': ('car:road',)},
                  {'keep_classes': ('road',)}, {'every': 2}, {'chunk_frames': 3}):
        assert continued(same, replace(options, **rules)) == 0, rules
    late = [replace(item, logged_ns=item.logged_ns + 1) for item in messages]
    for name, others in {'start': [late[0], *messages[1:]], 'end': [*messages[:3], late[3]],
                         'size': [*drive(4, '/front/image_rAw')[:3], messages[3]]}.items():
        bag = write_bag(tmp_path / name / 'drive', others)
        assert continued(bag, options) == 0, name


def test_clearing_work_of_other_options_can_be_interrupted(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    bag = write_bag(tmp_path / 'drive', drive(4))
    assert run(bag) == (0, [])
    part = (tmp_path / 'out' / 'drive').rename(tmp_path / 'out' / 'drive.part')
    unlink = Path.unlink

    def interrupted(path: Path, **options: bool) -> None:
        if path.suffix in ('.mcap', '.yaml'):
            raise KeyboardInterrupt
        unlink(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, 'unlink', interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(bag, '--every', 2)
    assert part.exists()
    assert run(bag, '--every', 2) == (0, [])


def test_a_frame_that_failed_ends_the_memory_of_the_next_chunk(
        tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = LabelOptions(model=str(model), device='cpu', chunk_frames=3)
    job = prepare(write_bag(tmp_path / 'drive', drive(5)), options)
    calls = count()
    monkeypatch.setattr(flight, 'classify', lambda *arguments: classify(*arguments)
                        if next(calls) != 2 else 1 / 0)
    with Output(tmp_path / 'out', 'drive') as output:
        output.open(job.identity)
        place: Place | None = job.first_place()
        tallies = []
        for number in range(2):
            assert place is not None
            with Labeller(options) as labeller:  # as after an interruption
                result = labeller.label(job.chunk(output, number, place))
            tallies.append(result.topics['/front/image_raw'])
            place = result.next
    assert [tally.frames for tally in tallies] == [2, 2]
    failed, = tallies[0].failed
    assert failed['why'] == 'ZeroDivisionError: division by zero'
    assert [reset['reason'] for reset in tallies[1].resets] == ['the frame before failed']
