"""What several tests of learning share."""
import pytest

from learn.synthetic import write_folder
from tdnet_ros.learn.export import export
from tdnet_ros.nets.card import IMAGENET_MEAN, IMAGENET_STD, ModelCard
from tdnet_ros.nets.classes import ClassSet
from tdnet_ros.nets.variants import VARIANTS
from tdnet_ros.nets.zoo import build

CLASSES = ClassSet('squares', ('sky', 'ground', 'square'), ((0, 0, 255), (0, 99, 0), (255, 9, 0)))


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp('data') / 'squares', videos=8, frames=1)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp('model') / 'tiny.yaml'
    architecture = VARIANTS['td2-tiny']
    card = ModelCard('tiny', architecture, CLASSES, (65, 97), IMAGENET_MEAN, IMAGENET_STD)
    export(build(architecture, 3), card, path)
    return path
