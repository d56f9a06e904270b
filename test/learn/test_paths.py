"""Paths that start as copies of the first one."""
from dataclasses import replace

import pytest
import torch

from tdnet_ros.learn.auxiliary import AuxiliaryHeads
from tdnet_ros.learn.config import Stage, TrainConfig
from tdnet_ros.learn.learner import Learner
from tdnet_ros.learn.paths import start_paths
from tdnet_ros.nets.variants import VARIANTS
from tdnet_ros.nets.zoo import build

IMAGE = torch.randn((1, 3, 65, 97), generator=torch.Generator().manual_seed(3))
OWN = replace(VARIANTS['td2-bise18-half'], width=0.125, paths=4, shared_stages=2,
              shared_head=False)
DEEP = replace(VARIANTS['td2-tiny'], depth=50, head_reduction=2)
THREE = replace(VARIANTS['td4-tiny'], paths=3, groups=4, shared_stages=3, memory_stride=2)


@pytest.mark.parametrize('architecture', [
    OWN, VARIANTS['td2-tiny'], VARIANTS['td4-tiny'], DEEP, THREE])
def test_all_paths_start_as_the_first_and_propagate_nothing(architecture):
    """Those that keep other channels, too: they get them in another order."""
    network, auxiliary = build(architecture, 3), AuxiliaryHeads(architecture, 3).eval()
    learning = torch.nn.ModuleList([network, auxiliary])
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for value in learning.state_dict().values():
            if value.dim() == 1:
                value.uniform_(0.5, 1.5)
    optimizer = torch.optim.AdamW(learning.parameters())
    firsts = [network.paths[0], network.heads[0], auxiliary.heads[0]]
    for parameter in torch.nn.ModuleList(firsts).parameters():
        optimizer.state[parameter] = {'step': torch.tensor(3.0), 'exp_avg': parameter.clone()}
    start_paths(network, auxiliary, optimizer)
    memory = []
    for path in range(architecture.paths):
        frame, first = network.encode(IMAGE, path), network.encode(IMAGE, 0)
        torch.testing.assert_close(network.decode(frame, path, memory),
                                   network.decode(first, 0, []))
        torch.testing.assert_close(auxiliary(frame.stages, path), auxiliary(first.stages, 0))
        memory.append(frame.features)
    for name, parameter in learning.named_parameters():
        if '.hops.' not in name and 'trunk' not in name:
            state = optimizer.state[parameter]
            assert state['step'] == 3
            assert torch.equal(state['exp_avg'], parameter)


def test_paths_that_cannot_be_copies_learn_no_solo_stage():
    network = build(replace(VARIANTS['td2-tiny'], shared_stages=5), 3)
    stage = Stage('one', 1, (65, 97), 2, (1e-3, 0))
    Learner(network, TrainConfig((stage,)), 3)
    with pytest.raises(ValueError, match='solo stages need paths with a stage 4 of their own'):
        Learner(network, TrainConfig((stage, replace(stage, solo=True))), 3)
