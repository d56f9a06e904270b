"""ResNet features, dilated to stride 8 or plain to stride 32 or 64 (He et al. 2016, PSPNet)."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from tdnet_ros.nets.architecture import EXPANSION, Architecture

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
MULTI_GRID = (4, 8, 16)
'''Dilations of the successive blocks of the last stage of a dilated ResNet.'''


def activation(architecture: Architecture) -> nn.Module:
    """Build what follows a convolution and its batch norm."""
    return nn.LeakyReLU() if architecture.around.leaky else nn.ReLU()


def conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1,
              dilation: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Return a convolution without bias that keeps the size, and its batch norm."""
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
    return conv, nn.BatchNorm2d(outputs)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a residual."""

    def __init__(self, inputs: int, planes: int, stride: int, dilation: int,
                 second_dilation: int, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation
        self.conv1, self.bn1 = conv_norm(inputs, planes, 3, stride, dilation)
        self.conv2, self.bn2 = conv_norm(planes, planes, 3, 1, second_dilation)
        self.downsample = _downsample(inputs, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C', h/stride, w/stride]."""
        out = self.activation(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return torch.relu(out + self.downsample(x))


class Bottleneck(nn.Module):
    """A 3x3 convolution between two 1x1, and a residual; four times `planes` come out."""

    def __init__(self, inputs: int, planes: int, stride: int, dilation: int,
                 second_dilation: int, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation
        self.conv1, self.bn1 = conv_norm(inputs, planes, 1)
        self.conv2, self.bn2 = conv_norm(planes, planes, 3, stride, dilation)
        self.conv3, self.bn3 = conv_norm(planes, planes * EXPANSION[50], 1)
        self.downsample = _downsample(inputs, planes * EXPANSION[50], stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C', h/stride, w/stride]."""
        out = self.activation(self.bn1(self.conv1(x)))
        out = self.activation(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return torch.relu(out + self.downsample(x))


def _downsample(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(*conv_norm(inputs, outputs, 1, stride))


class Stem(nn.Module):
    """Image to stride 4: one 7x7 convolution, or three 3x3 (deep stem), then a max pool."""

    def __init__(self, outputs: int, deep: bool, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation
        self.conv: nn.Module
        if deep:
            half = outputs // 2
            self.conv = nn.Sequential(
                *conv_norm(3, half, 3, stride=2), activation,
                *conv_norm(half, half, 3), activation, conv_norm(half, outputs, 3)[0])
        else:
            self.conv = conv_norm(3, outputs, 7, stride=2)[0]
        self.norm = nn.BatchNorm2d(outputs)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Map [B, 3, h, w] to [B, C, h/4, w/4]."""
        pooled: Tensor = self.pool(self.activation(self.norm(self.conv(image))))
        return pooled


class Backbone(nn.Module):
    """A run of consecutive stages of a ResNet: stage 0 is the stem, 1 to 4 are the layers.

    Cut in two, the first run can be shared by all paths and the second be each path's own.
    """

    def __init__(self, architecture: Architecture, first: int = 0, last: int = 5) -> None:
        super().__init__()
        self.stages = nn.ModuleList(_stage(architecture, index) for index in range(first, last))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map an image (or the last shared stage) to the outputs of all its stages."""
        return run_stages(self.stages, x)


def run_stages(stages: nn.ModuleList, x: Tensor) -> list[Tensor]:
    """Run stages one after the other; return the outputs of all."""
    outputs = []
    for stage in stages:
        x = stage(x)
        outputs.append(x)
    return outputs


def _stage(architecture: Architecture, index: int) -> nn.Module:
    depth = architecture.depth
    channels = architecture.stage_channels
    if index == 0:
        return Stem(channels[0], EXPANSION[depth] > 1, activation(architecture))
    block = BasicBlock if EXPANSION[depth] == 1 else Bottleneck
    planes = channels[index] // EXPANSION[depth]
    around = architecture.around
    stride = around.strides[index - 1]
    count = BLOCKS[depth][index - 1]
    blocks = []
    for number in range(count):
        first, second = _dilations(index, number) if around.dilated else (1, 1)
        inputs = channels[index - 1] if number == 0 else channels[index]
        blocks.append(block(inputs, planes, stride if number == 0 else 1, first, second,
                            activation(architecture)))
    return nn.Sequential(*blocks)


def _dilations(stage: int, number: int) -> tuple[int, int]:
    """Dilations of the first and (basic block) second 3x3 of a block, as the authors set them."""
    if stage == 3:
        return (1 if number == 0 else 2), 2
    if stage == 4:
        return MULTI_GRID[number], 4
    return 1, 1
