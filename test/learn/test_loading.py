"""How a step's batch is cut into parts."""
import pytest
import torch

from tdnet_ros.learn.config import Stage, TrainConfig
from tdnet_ros.learn.loading import check_batches, fewest_clips
from tdnet_ros.nets.zoo import VARIANTS, build


def config(batch, accumulate):
    stage = Stage('all', 1, (65, 97), batch, (0.1, 0.0), accumulate)
    return TrainConfig((stage,))


@pytest.mark.parametrize('model', ['td2-tiny', 'bise18-half', 'td2-fa18'])
def test_a_network_learns_from_as_few_clips_as_it_says(model):
    network = build(VARIANTS[model], 3).train()
    fewest = fewest_clips(network.architecture, shared_norms=False)
    network(torch.zeros(fewest, 3, 65, 97), 0, [])
    check_batches(config(4 * fewest, 2), 2, fewest)
    if fewest > 1:
        with pytest.raises(ValueError, match='more than 1 value per channel'):
            network(torch.zeros(1, 3, 65, 97), 0, [])
        with pytest.raises(ValueError, match=r'a batch of 4 in 4 parts \(2 processes, acc'):
            check_batches(config(4, 2), 2, fewest)


def test_processes_that_share_statistics_need_one_clip_each():
    assert fewest_clips(VARIANTS['td2-tiny'], shared_norms=True) == 1
