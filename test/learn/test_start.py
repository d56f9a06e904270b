"""A network that starts from another computes what that one does."""
from dataclasses import replace
import shutil

import pytest
import torch

from learn.runs import command, write_config
from tdnet_ros.learn.start import start_from
from tdnet_ros.learn.train import main as train
from tdnet_ros.nets.card import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ModelCard,
    find_model,
    load_card,
    save_card,
)
from tdnet_ros.nets.checkpoint import load_network, save_weights
from tdnet_ros.nets.classes import ClassSet
from tdnet_ros.nets.variants import variant
from tdnet_ros.nets.zoo import build

# Channel counts are kept a multiple of 8, so 64 in place of 32 for this width to divide.
SMALL = replace(variant('td2-bise18-half'), width=0.125, key_channels=8, raised_channels=64)
THREE = ClassSet('three', ('road', 'tree', 'car'), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))


def trained_card(folder, architecture, classes=THREE) -> ModelCard:
    """Make up weights that leave no part without effect."""
    network = build(architecture, len(classes))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for value in network.state_dict().values():
            if value.is_floating_point() and value.dim() == 1:
                value.uniform_(0.5, 1.5)
    save_weights(network, folder / 'w.safetensors')
    save_card(ModelCard('small', architecture, classes, (65, 97), IMAGENET_MEAN,
                        IMAGENET_STD, weights=folder / 'w.safetensors'), folder / 'w.yaml')
    return load_card(folder / 'w.yaml')


def stream(network, frames):
    memory, outputs = [], []
    paths = network.architecture.paths
    with torch.inference_mode():
        for number, frame in enumerate(frames):
            logits, features = network(frame, number % paths, memory)
            memory = [*memory, features][1 - paths:]
            outputs.append(logits)
    return outputs


@pytest.fixture
def frames():
    return torch.randn((6, 1, 3, 65, 97), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize('changes', [
    {}, {'width': 0.25}, {'width': 0.375, 'key_channels': 16}, {'paths': 4},
    {'shared_stages': 0, 'shared_head': False},
    {'width': 0.25, 'paths': 4, 'key_channels': 32, 'shared_stages': 1, 'shared_head': False}])
def test_a_grown_network_streams_as_the_small_one_did(tmp_path, frames, changes):
    card = trained_card(tmp_path, SMALL)
    grown = build(replace(SMALL, **changes), len(THREE))
    assert start_from(grown, card, THREE) == []
    full = grown.architecture.paths - 1  # before, nothing is carried
    expected = stream(load_network(card), frames)[full:]
    for ours, theirs in zip(stream(grown, frames)[full:], expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * theirs.abs().max())


BISE = replace(variant('bise18'), width=0.125, raised_channels=SMALL.raised_channels)
PSP = replace(variant('psp18'), width=0.125)


@pytest.mark.parametrize(('per_frame', 'wanted'), [
    (BISE, SMALL),
    (BISE, replace(SMALL, paths=3, width=0.25, shared_stages=0, shared_head=False)),
    (PSP, replace(variant('td4-psp18'), width=0.125, key_channels=8)),
])
@torch.no_grad()
def test_a_per_frame_network_starts_every_path(tmp_path, frames, per_frame, wanted):
    card = trained_card(tmp_path, per_frame)
    grown, small = build(wanted, len(THREE)), load_network(card)
    assert start_from(grown, card, THREE) == []
    image = frames[0]
    stages = small.backbone(image)
    whole = small.head.conv[0](small.context(stages))
    parts = []
    for path in range(wanted.paths):
        frame, head = grown.encode(image, path), grown.heads[path % len(grown.heads)]
        parts.append(head.conv[0](frame.value))
        logits = grown.decode(frame, path, [frame.features] * (wanted.paths - 1))
        assert torch.equal(logits, grown.decode(frame, path, []))  # nothing is carried
        assert torch.equal(head.classifier[-1].bias, small.head.classifier[-1].bias)
    convolved = torch.stack(parts).sum(0) * wanted.groups / wanted.paths
    copies = convolved.shape[1] // whole.shape[1]
    torch.testing.assert_close(convolved, whole.repeat_interleave(copies, 1), rtol=1e-3,
                               atol=1e-4 * whole.abs().max())


def test_a_head_of_other_widths_is_new(tmp_path, frames):
    wanted = replace(variant('td2-psp50'), width=0.125)
    card = trained_card(tmp_path, replace(variant('psp50'), width=0.125))
    grown, small, fresh = build(wanted, 3), load_network(card), build(wanted, 3)
    assert start_from(grown, card, THREE) == []
    for path, head in enumerate(grown.heads):
        stages = small.backbone(frames[0])
        assert torch.equal(grown.paths[path].backbone(frames[0])[-1], stages[-1])
        assert torch.equal(head.classifier[-1].weight, fresh.heads[path].classifier[-1].weight)


def test_a_memory_of_another_stride_starts_with_the_same_weights(tmp_path):
    card = trained_card(tmp_path, SMALL)
    coarser = build(replace(SMALL, memory_stride=2 * SMALL.memory_stride), len(THREE))
    assert start_from(coarser, card, THREE) == []
    theirs = load_network(card).state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in coarser.state_dict().items())


def test_copies_of_a_channel_learn_different_things(tmp_path, frames):
    grown = build(replace(SMALL, width=0.25), len(THREE))
    start_from(grown, trained_card(tmp_path, SMALL), THREE)
    stem = grown.trunk.stages[0].conv.weight
    assert torch.equal(stem[0::2], stem[1::2])
    grown(frames[0], 0, [])[0].square().mean().backward()
    assert not torch.allclose(stem.grad[0::2], stem.grad[1::2], rtol=0.1)


def test_classes_start_as_those_of_the_same_name(tmp_path, frames):
    card = trained_card(tmp_path, SMALL)
    other = ClassSet('other', ('car', 'robot', 'road'), ((0, 0, 0),) * 3)
    network = build(SMALL, 3)
    assert start_from(network, card, other) == ['robot']
    ours, theirs = stream(network, frames)[0], stream(load_network(card), frames)[0]
    torch.testing.assert_close(ours[:, [0, 2]], theirs[:, [2, 0]])
    assert not torch.allclose(ours[:, 1], theirs[:, 1])


def test_the_shipped_model_starts_a_larger_one(frames):
    card = find_model('street-small')
    grown = build(variant('td4-bise18'), len(card.classes))
    assert start_from(grown, card, card.classes) == []
    ours, theirs = stream(grown, frames)[3:], stream(load_network(card), frames)[3:]
    for one, other in zip(ours, theirs, strict=True):
        assert (one.argmax(1) == other.argmax(1)).float().mean() > 0.99


@pytest.mark.parametrize(('changes', 'message'), [
    ({'depth': 34, 'output_stride': 8},
     'has depth 18, output_stride 4, expected depth 34, output_stride 8'),
    ({'paths': 1}, 'has paths 2, expected paths 1'),
    ({'value_channels': 128}, 'has value_channels 256, expected value_channels 128'),
    ({'width': 0.1875}, 'no whole multiple of'),
])
def test_what_does_not_fit_is_one_clear_error(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        start_from(build(replace(SMALL, **changes), 3), trained_card(tmp_path, SMALL), THREE)


def test_a_card_without_weights_or_of_other_colours_starts_nothing(tmp_path):
    network = build(SMALL, 3)
    card = trained_card(tmp_path, SMALL)
    with pytest.raises(ValueError, match='has no weights to start from'):
        start_from(network, replace(card, weights=None), THREE)
    with pytest.raises(ValueError, match='another normalisation'):
        start_from(network, replace(card, mean=(0.0, 0.0, 0.0)), THREE)


def test_a_run_starts_from_another_of_other_classes(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}], calibrate=False)
    assert train(command(data, config, tmp_path / 'base', '--set', 'stages.0.solo=true')) == 0
    own = shutil.copytree(data, tmp_path / 'own')
    classes = own / 'classes.yaml'
    classes.write_text(classes.read_text().replace('square', 'robot'))
    capsys.readouterr()
    arguments = ['--dataset', 'folder', '--root', str(own), '--accelerator', 'cpu',
                 '--config', str(config), '--init', str(tmp_path / 'base/best.yaml'),
                 '--input-size', '97', '193', '--out', str(tmp_path / 'mine')]
    assert train(arguments) == 0
    assert 'base/best.yaml does not know robot: it starts from nothing' in capsys.readouterr().out
    base, mine = (find_model(tmp_path / run / 'best.yaml') for run in ('base', 'mine'))
    assert mine.architecture == base.architecture
    assert mine.classes.names == ('sky', 'ground', 'robot')
    assert mine.input_size == (97, 193)
    assert mine.source.startswith('started from base (trained from scratch on ')
    assert train([*arguments, '--resume', '--length', '2']) == 0
    assert 'does not know' not in capsys.readouterr().out


def test_terms_of_the_first_model_stay(data, tmp_path):
    """Also where there is no validation before the run stops."""
    config = write_config(tmp_path / 'c.yaml', [{'steps': 2}], calibrate=False)
    arguments = command(data, config, tmp_path / 'run', '--model', 'td2-bise18-half')
    assert train([*arguments, '--init', 'street-small', '--max-minutes', '0']) == 75
    assert train([*arguments, '--resume']) == 0
    card = find_model(tmp_path / 'run/best.yaml')
    assert card.training['step'] == 2
    assert card.source.startswith('started from street-small (')
    assert 'research use' in card.licence


def test_a_folder_of_results_is_called_as_the_model_is(data, tmp_path, monkeypatch):
    """Or as the one that it starts from."""
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}])
    monkeypatch.chdir(tmp_path)
    arguments = command(data, config, '')
    where = arguments.index('--out')
    del arguments[where:where + 2]
    assert train(arguments) == 0
    where = arguments.index('--model')
    arguments[where:where + 2] = ['--init', 'street-small']
    assert train(arguments) == 0
    assert find_model('runs/td2-tiny/best.yaml').name == 'td2-tiny'
    assert find_model('runs/street-small/best.yaml').source.startswith('started from street-small')
