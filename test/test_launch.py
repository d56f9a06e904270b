"""The launch file: what it starts for which arguments."""
from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tdnet_ros.ros.cyclonedds import URI
from tdnet_ros.ros.fastdds import NEW, OLD

WHERE = 'is not installed (it comes with ROS 2, not with the wheels)'
launch = pytest.importorskip('launch', reason=f'launch {WHERE}')
launch_ros = pytest.importorskip('launch_ros.actions', reason=f'launch_ros {WHERE}')

pytestmark = pytest.mark.usefixtures('installed')

ROOT = Path(__file__).parents[1]
DOCUMENTED = {
    'namespace', 'use_sim_time', 'params_file', 'autostart', 'log_level', 'image_topic', 'model',
    'weights', 'device', 'rviz', 'rviz_frame', 'bag', 'record', 'rate', 'loop', 'fastdds_profile',
    'depth_topic', 'cloud_topic', 'image_transport', 'points', 'points_source', 'engine',
    'precision', 'use_respawn'}


def load() -> ModuleType:
    spec = spec_from_file_location('tdnet_launch', ROOT / 'launch/tdnet.launch.py')
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def actions(**given: str) -> list[Any]:
    """What the launch file starts, arguments given as on the command line."""
    context = launch.LaunchContext()
    context.launch_configurations.update(given)
    found = []
    for entity in load().generate_launch_description().entities:
        produced = entity.visit(context) or []
        found += [] if isinstance(entity, launch.actions.DeclareLaunchArgument) else produced
    return found


def command(action: Any) -> str:
    context = launch.LaunchContext()
    return ' '.join(''.join(part.perform(context) for part in word) for word in action.cmd)


def nodes(found: list[Any]) -> dict[str, Any]:
    return {node.node_executable: node for node in found if isinstance(node, launch_ros.Node)}


def processes(found: list[Any]) -> list[Any]:
    """The programs that are not nodes."""
    return [action for action in found if type(action) is launch.actions.ExecuteProcess]


def test_arguments_are_the_documented_ones() -> None:
    declared = {entity.name for entity in load().generate_launch_description().entities
                if isinstance(entity, launch.actions.DeclareLaunchArgument)}
    assert declared == DOCUMENTED


def test_node_parameters_come_from_the_file_alone() -> None:
    module = load()
    node_parameter_names = yaml.safe_load((ROOT / 'config/tdnet.yaml').read_text())
    names = set(node_parameter_names['/**']['ros__parameters'])
    assert all(default == '' for name, (default, _) in module.ARGUMENTS.items() if name in names)


def overrides(**given: str) -> dict[str, Any]:
    module = load()
    defaults = {name: default for name, (default, _) in module.ARGUMENTS.items()}
    return module._overrides({**defaults, **given})


def test_only_given_arguments_override_the_file() -> None:
    assert overrides() == {}
    assert overrides(model='td2-tiny', autostart='false') == {
        'model': 'td2-tiny', 'autostart': False}
    assert overrides(points='true', points_source='cloud', engine='tensorrt') == {
        'points': True, 'points_source': 'cloud', 'engine': 'tensorrt'}


def test_a_bag_means_simulated_time() -> None:
    assert overrides(bag='drive') == {'use_sim_time': True}
    assert overrides(bag='drive', use_sim_time='false') == {'use_sim_time': False}


@pytest.mark.parametrize(('distro', 'variable', 'chosen'), [
    ('jazzy', OLD, (OLD,)), ('kilted', NEW, (NEW, OLD))])
def test_every_process_gets_the_dds_profile_under_the_name_that_ros_reads(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path, distro: str, variable: str,
        chosen: tuple[str, ...], without_profile: None) -> None:
    """Also those that start later, when the scope of an including file is gone."""
    monkeypatch.setenv('ROS_DISTRO', distro)

    def profiles(**given: str) -> list[dict[str, str]]:
        context = launch.LaunchContext()
        return [{name[0].perform(context): path[0].perform(context)
                 for name, path in action.additional_env or ()}
                for action in actions(**given, bag='drive', record='out', rviz='true',
                                      log_level='warn')]

    assert len(profiles()) == 4
    for profile in profiles():
        assert set(profile) == {variable, URI}
        for path in profile.values():
            assert Path(path.removeprefix('file://')).read_text().startswith('<?xml')
    assert profiles(fastdds_profile='none') == profiles(fastdds_profile='') == [{}] * 4
    for name in chosen:
        mine = tmp_path / f'{name}.xml'
        monkeypatch.setenv(name, str(mine))
        assert Path(profiles()[0][variable]).name == 'fastdds.xml', 'Fast DDS skips what is not'
        mine.touch()
        assert profiles()[0][variable] == str(mine)
        monkeypatch.delenv(name)
    monkeypatch.setenv(URI, 'file:///etc/mine.xml')
    assert profiles()[0][URI] == 'file:///etc/mine.xml'


def test_rviz_is_optional() -> None:
    assert set(nodes(actions())) == {'tdnet_node'}
    assert set(nodes(actions(rviz='true'))) == {'tdnet_node', 'rviz2'}


@pytest.mark.parametrize(('distro', 'option'), [('humble', ''), ('jazzy', '--topics ')])
def test_bag_and_record_run_ros2_bag(
        monkeypatch: pytest.MonkeyPatch, distro: str, option: str) -> None:
    monkeypatch.setenv('ROS_DISTRO', distro)
    found = actions(bag='drive', record='out', rate='0.5', loop='true', log_level='warn',
                    image_topic='/camera/image_raw', namespace='robot')
    record, play = (command(action) for action in processes(found))
    assert play == 'ros2 bag play drive --clock --rate 0.5 --loop --delay 3'
    assert record == (
        f'ros2 bag record --output out --use-sim-time {option}/camera/image_raw '
        '/camera/camera_info /robot/tdnet/labels/compressed /robot/tdnet/label_info '
        '/robot/tdnet/overlay/compressed /diagnostics')


def test_a_missing_rviz_is_named_before_anything_starts(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path / 'prefix'))
    (tmp_path / 'prefix/share/ament_index/resource_index/packages/rviz2').unlink()
    with pytest.raises(ValueError, match='there is no package rviz2: install ros-'):
        actions(rviz='true')


def test_rviz_takes_the_frame_of_a_camera_alone() -> None:
    def arguments(**given: str) -> list[str]:
        cmd = nodes(actions(rviz='true', **given))['rviz2'].cmd
        return [part.text for word in cmd for part in word if hasattr(part, 'text')]

    assert '--fixed-frame' not in arguments()
    given = arguments(rviz_frame='camera_link')
    assert given[given.index('--fixed-frame') + 1] == 'camera_link'


@pytest.mark.parametrize(('shown', 'topic'), [
    ('/image', '/camera/image_raw'), ('/tdnet/overlay', '/robot/tdnet/overlay')])
def test_a_display_finds_the_compressed_images_of_its_topic(shown: str, topic: str) -> None:
    rviz = nodes(actions(rviz='true', image_topic='/camera/image_raw', namespace='robot'))['rviz2']
    context = launch.LaunchContext()
    rviz._perform_substitutions(context)
    rules = dict(rviz.expanded_remapping_rules)
    assert (rules[shown], rules[f'{shown}/compressed']) == (topic, f'{topic}/compressed')


def test_a_namespace_that_an_including_file_pushed_comes_first() -> None:
    given = {'record': 'out', 'log_level': 'warn', 'rviz': 'true', 'ros_namespace': '/fleet'}
    found = actions(**given, namespace='robot')
    record = command(processes(found)[0])
    assert ' /fleet/robot/image /fleet/robot/camera_info /fleet/robot/tdnet/labels' in record
    assert ' /robot/tdnet/labels' in command(processes(actions(**given, namespace='/robot'))[0])


def test_compressed_images_are_labelled_and_recorded_as_such() -> None:
    given = {'image_topic': '/camera/image_raw', 'image_transport': 'compressed'}
    assert overrides(**given) == {'image_transport': 'compressed'}
    record = command(processes(actions(record='out', log_level='warn', **given))[0])
    assert ' /camera/image_raw/compressed /camera/camera_info ' in record


def test_recorder_and_rviz_do_as_the_parameter_file_says(tmp_path: Path) -> None:
    path = tmp_path / 'mine.yaml'
    path.write_text(
        'robot: {tdnet: {ros__parameters: {image_transport: compressed, use_sim_time: true}}}\n'
        '/**/amcl: {ros__parameters: {image_transport: raw, use_sim_time: false}}\n'
        '/rear/tdnet: {ros__parameters: {image_transport: raw, use_sim_time: false}}')
    given = {'params_file': str(path), 'record': 'out', 'log_level': 'warn', 'namespace': 'robot'}
    record = command(processes(actions(**given))[0])
    assert ' --use-sim-time ' in record
    assert ' /robot/image/compressed ' in record
    for others in {'image_transport': 'raw', 'use_sim_time': 'false'}, {'namespace': 'rear'}:
        record = command(processes(actions(**{**given, **others}))[0])
        assert ' --use-sim-time ' not in record
        assert '/image ' in record


@pytest.mark.parametrize('content', ['', '/**:', '/**:\n  ros__parameters:', 'robot: {tdnet: }',
                                     'model: td2-tiny', '[model]', '1: {ros__parameters: }',
                                     '/**: {ros__parameters: [1]}'])
def test_what_is_no_section_of_the_parameter_file_is_left_to_the_node(
        tmp_path: Path, content: str) -> None:
    """An empty one sets nothing, and of all others the node says what is wrong with them."""
    path = tmp_path / 'mine.yaml'
    path.write_text(content)
    given = {'params_file': str(path), 'record': 'out', 'log_level': 'warn', 'rviz': 'true'}
    assert ' /image ' in command(processes(actions(**given))[0])


def test_playback_without_a_recording_starts_at_once() -> None:
    assert command(processes(actions(bag='drive', log_level='warn'))[0]) == (
        'ros2 bag play drive --clock --rate 1.0')


@pytest.mark.parametrize('level', ['info', 'DEBUG'])
def test_a_bag_waits_until_the_node_is_active(level: str) -> None:
    found = actions(bag='drive', log_level=level)
    handlers = [action for action in found
                if isinstance(action, launch.actions.RegisterEventHandler)]
    assert len(handlers) == 1
    assert not processes(found)


@pytest.mark.parametrize('argument', [
    'rviz', 'loop', 'autostart', 'use_sim_time', 'points', 'use_respawn'])
def test_a_wrong_flag_is_named(argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument}: 'maybe': expected true or false"):
        actions(**{argument: 'maybe', 'bag': 'drive'})


@pytest.mark.parametrize(('argument', 'path', 'words'), [
    ('params_file', 'mine.yaml', "params_file: there is no 'mine.yaml'"),
    ('fastdds_profile', 'mine.xml', "fastdds_profile: there is no 'mine.xml'"),
    ('bag', '~/drive', "bag: there is no '/robot/drive'"),
    ('record', 'drive', "record: 'drive' exists already")])
def test_a_path_that_cannot_be_used_is_named_before_anything_starts(
        monkeypatch: pytest.MonkeyPatch, argument: str, path: str, words: str) -> None:
    monkeypatch.setenv('HOME', '/robot')
    with pytest.raises(ValueError, match=words):
        actions(**{argument: path})


def test_a_home_folder_is_no_folder_named_tilde(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'mine.yaml').write_text('/**: {ros__parameters: {image_transport: compressed}}')
    record = command(processes(actions(
        params_file='~/mine.yaml', record='~/out', log_level='warn'))[0])
    assert f' --output {tmp_path}/out ' in record
    assert ' /image/compressed ' in record
