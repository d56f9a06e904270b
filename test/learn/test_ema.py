"""The average of the weights against its formula."""
import torch
from torch import nn

from tdnet_ros.learn.ema import WeightAverage


def test_average_moves_by_the_decay_and_faster_when_young():
    network = nn.BatchNorm1d(1)
    average = WeightAverage(network, decay=0.9)
    expected = 1.0
    for step in (0, 1, 5, 200):
        with torch.no_grad():
            network.weight.fill_(step)
            network.running_mean.fill_(-step)
        average.update(network, step)
        decay = min(0.9, (step + 1) / (step + 10))
        expected = decay * expected + (1 - decay) * step
        torch.testing.assert_close(average.network.weight.item(), expected)
    assert average.network.running_mean.item() < -10
    assert not average.network.weight.requires_grad
