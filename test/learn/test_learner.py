"""A training step sees what the stream will see."""
from dataclasses import replace

import pytest
import torch

from tdnet_ros.learn.config import LossWeights, Stage, TrainConfig
from tdnet_ros.learn.distill import GroupedTeacher, divergence
from tdnet_ros.learn.learner import Learner, Passes
from tdnet_ros.learn.losses import ohem_cross_entropy
from tdnet_ros.learn.samples import Clip
from tdnet_ros.nets.variants import VARIANTS
from tdnet_ros.nets.zoo import build

CONFIG = TrainConfig((Stage('one', 1, (65, 97), 2, (1e-3, 0)),))
TERMS = {'full', 'sub', 'agreement', 'total'}


def clip(frames, still=False):
    images = torch.randint(0, 256, (2, frames, 3, 64, 96), dtype=torch.uint8)
    if still:
        images = images[:, :1].repeat(1, frames, 1, 1, 1)
    labels = torch.randint(0, 3, (2, frames, 64, 96), dtype=torch.uint8)
    return Clip(images, labels, torch.tensor([still, still]))


def learner(architecture=VARIANTS['td4-tiny'], **settings):
    torch.manual_seed(0)
    network = build(architecture, 3)
    for parameter in network.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)
    return Learner(network, replace(CONFIG, **settings), 3).eval()


def terms_of(model, sample, step=0, passes=None):
    return model(sample, step, passes or Passes.of(sample))


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
    terms = terms_of(model, sample, step)
    full, own = streamed(model, sample.images, step)
    torch.testing.assert_close(terms['full'], ohem_cross_entropy(full, sample.labels[:, 3]))
    torch.testing.assert_close(terms['sub'], ohem_cross_entropy(own, sample.labels[:, 3]))


@pytest.mark.parametrize('still', [True, False])
def test_terms_are_the_same_for_every_clip(still):
    terms = terms_of(learner(), clip(4, still))
    assert terms.keys() == TERMS
    assert (terms['agreement'] > 0) == still


def test_total_is_the_weighted_sum():
    weights = LossWeights(sub=0.25, agreement=3)
    terms = terms_of(learner(loss=weights), clip(4, still=True))
    torch.testing.assert_close(
        terms['total'], terms['full'] + 0.25 * terms['sub'] + 3 * terms['agreement'])


@pytest.fixture(scope='module')
def taught():
    """A learner with all terms of the paper, its class weights and its teacher."""
    student = learner(label_stride=2, ohem_threshold=0.35, loss=LossWeights(auxiliary=0.1))
    teacher = GroupedTeacher(learner(replace(VARIANTS['psp18'], width=0.125)).network,
                             student.network.architecture)
    weights = torch.tensor([0.5, 1.0, 1.5])
    return Learner(student.network, student.config, 3, weights, teacher).eval(), weights, teacher


def test_the_terms_of_a_clip_are_those_of_the_paper(taught):
    model, weights, teacher = taught
    network, sample = model.network, clip(4)

    def loss(logits, t):
        return ohem_cross_entropy(logits, sample.labels[:, t, ::2, ::2], weights, threshold=0.35)

    images = (sample.images / 255 - model.mean) / model.std
    paths = 2, 3, 0, 1  # in step 2
    frames = [network.encode(images[:, t], path) for t, path in enumerate(paths)]
    features = [frame.features for frame in frames]
    outputs = [network.decode(frames[t], paths[t], features[t + 1:] + features[:t])
               for t in range(4)]
    own = network.decode(frames[3], 1, [])
    lesson = teacher(images[:, 3])
    expected = {
        'full': sum(loss(outputs[t], t) for t in range(4)) / 4,
        'sub': loss(own, 3),
        'auxiliary': sum(loss(model.auxiliary(frames[t].stages, paths[t]), t)
                         for t in range(4)) / 4,
        'distillation': divergence(lesson.whole, outputs[3]),
        'grouped': divergence(lesson.groups[1], own)}
    terms = terms_of(model, sample, step=2)
    torch.testing.assert_close({name: terms[name] for name in expected}, expected)


def test_the_terms_of_a_single_picture(taught):
    model, weights, teacher = taught
    sample = clip(1)
    image, labels = (sample.images[:, 0] / 255 - model.mean) / model.std, sample.labels[:, 0]
    frame = model.network.encode(image, 0)
    output = model.network.decode(frame, 0, [])
    expected = {
        name: ohem_cross_entropy(logits, labels[:, ::2, ::2], weights, threshold=0.35)
        for name, logits in (('full', output), ('auxiliary', model.auxiliary(frame.stages, 0)))}
    expected['distillation'] = divergence(teacher(image).whole, output)
    terms = terms_of(model, sample)
    assert terms.keys() == {*expected, 'total'}
    torch.testing.assert_close({name: terms[name] for name in expected}, expected)


@pytest.mark.parametrize('name', ['td4-tiny', 'td2-bise18-half'])
def test_a_still_clip_costs_the_trunk_once_but_means_the_same(name):
    model = learner(VARIANTS[name])
    sample = clip(len(model.network.paths), still=True)
    moving = sample._replace(still=torch.tensor([True, False]))
    torch.testing.assert_close(terms_of(model, sample)['full'], terms_of(model, moving)['full'])


def test_processes_pass_norms_together_whatever_their_clips_are():
    """Shared batch norms hang or mix up where one process passes them more often."""
    model = learner(VARIANTS['td2-bise18-half'], loss=LossWeights(auxiliary=0.1)).train()
    still, moving = clip(2, still=True), clip(2)
    still.labels[:, :1] = 255
    moving.labels[:, 1:] = 255
    assert Passes.of(still) == (False, (False, True))
    assert Passes.of(moving) == (True, (True, False))
    both = Passes(True, (True, True))
    passed = []
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(lambda norm, *_: passed.append(id(norm)))
    orders = []
    for sample in (still, moving):
        passed.clear()
        terms_of(model, sample, passes=both)
        orders.append(list(passed))
    assert orders[0] == orders[1]


def test_every_labelled_frame_counts_alike():
    """A clip of real video has often one, a made clip has as many as there are paths."""
    model, sample = learner(ohem_threshold=1.0), clip(4)
    sample.labels[0, :3] = 255
    alone = []
    for place in (sample.labels != 255).flatten(2).any(2).nonzero():
        labels = torch.full_like(sample.labels, 255)
        labels[tuple(place)] = sample.labels[tuple(place)]
        alone.append(terms_of(model, sample._replace(labels=labels))['full'])
    assert len(alone) == 5
    torch.testing.assert_close(terms_of(model, sample)['full'], torch.stack(alone).mean())


def test_frames_that_another_process_has_labelled_do_not_count():
    model, sample = learner(VARIANTS['td2-bise18-half']), clip(2)
    sample.labels[:, :1] = 255
    more = terms_of(model, sample, passes=Passes(True, (True, True)))
    torch.testing.assert_close(more['full'], terms_of(model, sample)['full'])
