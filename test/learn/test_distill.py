"""The grouped teacher is exactly the teacher, cut."""
from dataclasses import replace

import pytest
import torch

from tdnet_ros.learn.distill import GroupedTeacher, divergence, group_channels, load_teacher
from tdnet_ros.nets.card import save_card, untrained_card
from tdnet_ros.nets.checkpoint import save_weights
from tdnet_ros.nets.classes import CAMVID
from tdnet_ros.nets.pyramid import upsample
from tdnet_ros.nets.variants import VARIANTS
from tdnet_ros.nets.zoo import build

PSP = replace(VARIANTS['psp18'], width=0.25)


@pytest.mark.parametrize('teacher', [PSP, *(replace(VARIANTS[name], width=0.25)
                                             for name in ('bise18', 'fa18'))])
@pytest.mark.parametrize('student', ['td2-psp50', 'td4-psp18', 'td2-fa18'])
def test_groups_sum_to_the_teacher(teacher, student):
    network = build(teacher, 5)
    grouped = GroupedTeacher(network, VARIANTS[student])
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        stages = network.backbone(image)
        features = network.context(stages)
        whole = network.head.conv[0](features)
        parts = grouped.split(features)
        assert len(parts) == VARIANTS[student].paths
        torch.testing.assert_close(sum(parts), whole, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(grouped(image).whole, network(image)[0], rtol=1e-3, atol=1e-3)


def test_several_scales_teach_the_mean_of_what_is_seen_mirrored_and_not():
    network, student = build(replace(VARIANTS['bise18'], width=0.25), 5), VARIANTS['td2-psp50']
    once, larger = (GroupedTeacher(network, student, scales) for scales in ((1,), (1.5,)))
    both = GroupedTeacher(network, student, (1, 1.5))
    image = torch.randn(1, 3, 65, 97)
    first, second, lesson = once(image), larger(image.flip(-1)), both(image)
    for one, two, mean in zip((first.whole, *first.groups), (second.whole, *second.groups),
                              (lesson.whole, *lesson.groups)):
        assert one.shape == mean.shape != two.shape
        resized = upsample(two.flip(-1), (one.shape[-2], one.shape[-1]))
        torch.testing.assert_close((one + resized) / 2, mean)
    torch.testing.assert_close(both.whole(image), lesson.whole)


@pytest.mark.parametrize(('paths', 'groups'), [(4, 2), (6, 2), (3, 1), (17, 1)])
def test_every_channel_teaches_one_path(paths, groups):
    student = replace(VARIANTS['td4-psp18'], paths=paths, groups=groups)
    channels = torch.cat([group_channels(PSP, student, path) for path in range(paths)])
    assert sorted(channels.tolist()) == list(range(PSP.feature_channels))


def test_a_path_learns_from_its_own_half_of_the_pyramid():
    student = VARIANTS['td4-psp18']
    last = PSP.stage_channels[-1]
    quarters = [group_channels(PSP, student, path)[0].item() // (last // 4) for path in range(4)]
    assert quarters == [0, 2, 1, 3]


def test_divergence_is_that_of_the_distributions():
    teacher, student = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    p, q = torch.softmax(teacher, 1), torch.softmax(student, 1)
    torch.testing.assert_close(divergence(teacher, student), (p * (p / q).log()).sum(1).mean())


def test_only_a_trained_per_frame_network_teaches(tmp_path):
    student = VARIANTS['td4-psp18']
    with pytest.raises(ValueError, match='is a TDNet'):
        load_teacher('td2-tiny', student, CAMVID)
    with pytest.raises(ValueError, match='no weights'):
        load_teacher('bise18-half', student, CAMVID)
    weights = tmp_path / 'w.safetensors'
    weights.touch()
    card = replace(untrained_card('psp18'), weights=weights)
    save_card(card, tmp_path / 'w.yaml')
    with pytest.raises(ValueError, match='not a safetensors file'):
        load_teacher(str(tmp_path / 'w.yaml'), student, CAMVID)


def test_a_teacher_wants_as_many_paths_in_each_group(tmp_path):
    weights = tmp_path / 'w.safetensors'
    card = replace(untrained_card('bise18-half', CAMVID), weights=weights)
    save_weights(build(card.architecture, len(CAMVID)), weights)
    save_card(card, tmp_path / 'w.yaml')
    student = VARIANTS['td4-psp18']
    load_teacher(str(weights), student, CAMVID)
    with pytest.raises(ValueError, match='cannot teach 3 paths in 2 groups'):
        load_teacher(str(weights), replace(student, paths=3), CAMVID)
