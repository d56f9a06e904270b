"""The files in config/: keys that their readers know, topics that the node has."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tdnet_ros.nets import DEFAULT_MODEL
from tdnet_ros.nets.card import find_model
from tdnet_ros.ros.label_map import LabelMap

CONFIG = Path(__file__).parents[1] / 'config'

# The properties of each display, as its documentation in RViz names them.
DISPLAY = {'Class', 'Enabled', 'Name', 'Topic', 'Value'}
KEYS = {
    'rviz_default_plugins/Image':
        DISPLAY | {'Max Value', 'Min Value', 'Median window', 'Normalize Range'},
    'rviz_default_plugins/PointCloud2':
        DISPLAY | {'Alpha', 'Color Transformer', 'Decay Time', 'Position Transformer',
                   'Selectable', 'Size (Pixels)', 'Size (m)', 'Style', 'Use Fixed Frame',
                   'Use rainbow'},
}
POLICIES = {
    'History Policy': {'System Default', 'Keep Last', 'Keep All'},
    'Reliability Policy': {'System Default', 'Reliable', 'Best Effort'},
    'Durability Policy': {'System Default', 'Transient Local', 'Volatile'},
}
SHOWN = {'Camera': '/image', 'Overlay': '/tdnet/overlay', 'Labels': '/tdnet/labels/color',
         'Points': '/tdnet/points'}


# What stands around the displays, with the properties of each class, as RViz's sources name them.
AROUND = {
    'rviz_common/Displays': {'Class', 'Name', 'Property Tree Widget'},
    'rviz_common/Time': {'Class', 'Name'},
    'rviz_default_plugins/Interact': {'Class', 'Hide Inactive Objects'},
    'rviz_default_plugins/MoveCamera': {'Class'},
    'rviz_default_plugins/Orbit': {'Class', 'Name', 'Target Frame', 'Value'},
}
GLOBAL = {'Background Color', 'Fixed Frame', 'Frame Rate'}


def displays() -> list[dict[str, Any]]:
    content = yaml.safe_load((CONFIG / 'tdnet.rviz').read_text())
    return content['Visualization Manager']['Displays']


def test_rviz_shows_camera_overlay_labels_and_points() -> None:
    assert {display['Name']: display['Topic']['Value'] for display in displays()} == SHOWN
    assert all(display['Enabled'] for display in displays())


@pytest.mark.parametrize('display', displays(), ids=SHOWN)
def test_rviz_knows_every_key(display: dict[str, Any]) -> None:
    assert set(display) <= KEYS[display['Class']]
    topic = display['Topic']
    assert set(topic) - {'Filter size'} == {'Depth', 'Value', *POLICIES}
    for policy, values in POLICIES.items():
        assert topic[policy] in values


def test_rviz_knows_panels_tools_and_view() -> None:
    content = yaml.safe_load((CONFIG / 'tdnet.rviz').read_text())
    manager = content['Visualization Manager']
    for item in (*content['Panels'], *manager['Tools'], manager['Views']['Current']):
        assert set(item) <= AROUND[item['Class']]
    assert set(manager['Global Options']) <= GLOBAL
    panels = {item['Name'] for item in (*content['Panels'], *displays())}
    shown = {name for name, value in content['Window Geometry'].items() if isinstance(value, dict)}
    assert shown <= panels


def test_rviz_asks_outputs_for_what_they_offer() -> None:
    for display in displays():
        reliability = 'Best Effort' if display['Name'] == 'Camera' else 'Reliable'
        assert display['Topic']['Reliability Policy'] == reliability
        assert display['Topic']['Durability Policy'] == 'Volatile'


def test_diagnostics_are_grouped_by_the_names_that_the_node_gives() -> None:
    content = yaml.safe_load((CONFIG / 'diagnostics.yaml').read_text())
    analyzer = content['/**']['ros__parameters']['segmentation']
    assert analyzer['type'] == 'diagnostic_aggregator/GenericAnalyzer'
    for name in ('tdnet: device', 'tdnet: image', 'robot/tdnet: front'):
        assert any(part in name for part in analyzer['contains'])


def test_the_costmap_has_a_cost_for_every_class_that_is_published() -> None:
    content = yaml.safe_load((CONFIG / 'nav2_costmap.yaml').read_text())
    node = content['/**/tdnet']['ros__parameters']
    assert node['points']
    classes = find_model(node.get('model', DEFAULT_MODEL)).classes
    published = LabelMap(classes, node['keep_classes'], node['class_remap']).names.values()
    costmap = content['local_costmap']['local_costmap']['ros__parameters']
    assert costmap['plugins'] == ['voxel_layer', 'semantic_layer', 'inflation_layer']
    layer = costmap['semantic_layer']
    camera = layer[layer['observation_sources']]
    priced = [name for kind in camera['class_types'] for name in camera[kind]['classes']]
    assert sorted(priced) == sorted(published)
    assert {camera[f'{name}_topic'] for name in (
        'segmentation', 'confidence', 'labels', 'pointcloud')} == {
        f'/tdnet/{name}' for name in ('labels', 'confidence', 'label_info', 'points')}


def test_rviz_has_a_place_for_each_panel() -> None:
    """Qt finds panels by their names, written two bytes a letter."""
    window = yaml.safe_load((CONFIG / 'tdnet.rviz').read_text())['Window Geometry']
    panels = {name for name, value in window.items() if isinstance(value, dict)}
    places = bytes.fromhex(window['QMainWindow State'])
    for name in panels:
        text = name.encode('utf-16-be')
        assert len(text).to_bytes(4, 'big') + text in places
