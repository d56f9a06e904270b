"""A training step sees what the stream will see."""
from dataclasses import replace

import pytest
import torch

from tdnet_ros.learn.config import LossWeights, Stage, TrainConfig
from tdnet_ros.learn.learner import Learner, start_paths
from tdnet_ros.learn.losses import ohem_cross_entropy
from tdnet_ros.learn.samples import Clip
from tdnet_ros.nets.zoo import VARIANTS, build

CONFIG = TrainConfig((Stage('one', 1, (64, 96), 2, (1e-3, 0)),))
TERMS = {'full', 'sub', 'agreement', 'total'}


def clip(frames, still=False):
    images = torch.randint(0, 256, (2, frames, 3, 64, 96), dtype=torch.uint8)
    if still:
        images = images[:, :1].repeat(1, frames, 1, 1, 1)
    labels = torch.randint(0, 3, (2, frames, 64, 96), dtype=torch.uint8)
    return Clip(images, labels, torch.tensor([still, still]))


def learner(name='td4-tiny', **settings):
    torch.manual_seed(0)
    network = build(VARIANTS[name], 3)
    for parameter in network.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)
    return Learner(network, replace(CONFIG, **settings), 3).eval()


def streamed(model, images, first):
    """Feed the frames one after the other; return the last logits and those without memory."""
    memory = []
    for t in range(images.shape[1]):
        image = (images[:, t].float() / 255 - model.mean) / model.std
        path = (first + t) % images.shape[1]
        logits, features = model.network(image, path, memory)
        memory.append(features)
    return logits, model.network(image, path, [])[0]


@pytest.mark.parametrize('step', range(4))
def test_the_last_frame_is_labelled_as_in_the_stream(step):
    model, sample = learner(), clip(4)
    sample.labels[:, :3] = 255
    terms = model(sample, step)
    full, own = streamed(model, sample.images, step)
    torch.testing.assert_close(terms['full'], ohem_cross_entropy(full, sample.labels[:, 3]))
    torch.testing.assert_close(terms['sub'], ohem_cross_entropy(own, sample.labels[:, 3]))


@pytest.mark.parametrize('still', [True, False])
def test_terms_are_the_same_for_every_clip(still):
    terms = learner()(clip(4, still), 0)
    assert terms.keys() == TERMS
    assert (terms['agreement'] > 0) == still


def test_total_is_the_weighted_sum():
    weights = LossWeights(sub=0.25, agreement=3)
    terms = learner(loss=weights)(clip(4, still=True), 0)
    torch.testing.assert_close(
        terms['total'], terms['full'] + 0.25 * terms['sub'] + 3 * terms['agreement'])


@pytest.mark.parametrize('name', ['td4-tiny', 'td2-bise18-half'])
def test_a_still_clip_costs_the_trunk_once_but_means_the_same(name):
    model = learner(name)
    sample = clip(len(model.network.paths), still=True)
    moving = sample._replace(still=torch.tensor([True, False]))
    torch.testing.assert_close(model(sample, 0)['full'], model(moving, 0)['full'])


def test_all_paths_start_as_the_first_and_propagate_nothing():
    model = learner('td2-tiny')
    optimizer = torch.optim.AdamW(model.parameters())
    sample = clip(1)
    model(sample, 0)['total'].backward()
    optimizer.step()
    start_paths(model.network, optimizer)
    first, second = (list(model.network.path(p).parameters()) for p in (0, 1))
    for one, other in zip(first, second):
        assert torch.equal(one, other)
        if one in optimizer.state:
            assert torch.equal(optimizer.state[one]['exp_avg'], optimizer.state[other]['exp_avg'])
    image = torch.randn(1, 3, 64, 96)
    alone, features = model.network(image, 0, [])
    torch.testing.assert_close(model.network(image, 0, [features])[0], alone)
