"""Starts the segmentation node, and RViz, bag playback and bag recording where asked for."""
import json
import os
import re

from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
)
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessIO
from launch.events.process import ProcessIO
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
import yaml

SHARE = get_package_share_directory('tdnet_ros')
CONFIG = os.path.join(SHARE, 'config')
ACTIVE = b'active: labels'
RECORDER_S = '3'
RESPAWN_S = 2.0
# As tdnet_ros/ros/fastdds.py: the first is set, all are read. Later ROS warns of the old name.
# Not imported from there: what the package sets for itself would go to all that launch starts.
OLD_PROFILE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
PROFILES = ((OLD_PROFILE,) if os.environ.get('ROS_DISTRO', 'jazzy') in ('humble', 'iron', 'jazzy')
            else ('FASTDDS_DEFAULT_PROFILES_FILE', OLD_PROFILE))

# Parameters that arguments set.
TEXTS = 'model', 'weights', 'device', 'engine', 'precision', 'image_transport', 'points_source'
FLAGS = 'autostart', 'use_sim_time', 'points'
PATHS = 'params_file', 'bag', 'record', 'fastdds_profile'
# Empty: the parameter file decides.
ARGUMENTS = {
    'namespace': ('', 'Namespace of the node.'),
    'use_sim_time': ('', 'Take the time from /clock; empty: as in params_file, and with a bag.'),
    'params_file': (os.path.join(CONFIG, 'tdnet.yaml'), 'Parameters of the node.'),
    'autostart': ('', 'Configure and activate at start; empty: as in params_file.'),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
    'use_respawn': ('false', 'Start the node again when its process dies.'),
    'image_topic': ('image', 'Topic of the camera images, of the base name if compressed.'),
    'image_transport': ('', 'raw or compressed; empty: as in params_file.'),
    'points': ('', 'Publish labels in space; empty: as in params_file.'),
    'points_source': ('', 'depth or cloud: what points are made of; empty: as in params_file.'),
    'depth_topic': ('depth', 'Topic of the depth images, with points and points_source depth.'),
    'cloud_topic': ('cloud_in', 'Topic of the clouds, with points and points_source cloud.'),
    'model': ('', 'Model to run; empty: as in params_file.'),
    'weights': ('', 'Weights file (.safetensors); empty: as in params_file.'),
    'device': ('', 'auto, cpu, cuda or cuda:N; empty: as in params_file.'),
    'engine': ('', 'torch, eager, onnxruntime, tensorrt or reference; empty: as in params_file.'),
    'precision': ('', 'float32, bfloat16, float16 or int8; empty: as in params_file.'),
    'rviz': ('false', 'Start RViz with the camera image, overlay, labels and points.'),
    'rviz_frame': ('', "Fixed frame of RViz, such as the camera's frame_id; empty: map."),
    'bag': ('', 'Directory of a bag to play, with --clock and simulated time.'),
    'rate': ('1.0', 'Speed of the playback.'),
    'loop': ('false', 'Play the bag over and over.'),
    'record': ('', 'Directory of a bag to record inputs and results into.'),
    'fastdds_profile': (next((path for name in PROFILES
                              if os.path.isfile(path := os.environ.get(name, ''))),
                             os.path.join(CONFIG, 'fastdds.xml')),
                        'Fast DDS profile that lets large images through; none: only what the '
                        'environment names, and no configuration for Cyclone DDS either.'),
}


def generate_launch_description() -> LaunchDescription:
    arguments = [DeclareLaunchArgument(name, default_value=default, description=description)
                 for name, (default, description) in ARGUMENTS.items()]
    return LaunchDescription([*arguments, OpaqueFunction(function=_actions)])


def _actions(context: LaunchContext) -> list:
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    # Shells leave ~ alone behind :=, and a recorder would make a folder of that name.
    given |= {name: os.path.expanduser(given[name]) for name in PATHS}
    if given['fastdds_profile'] == 'none':  # `ros2 launch` takes no empty value
        given['fastdds_profile'] = ''
    # Where an including file pushed a namespace, launch_ros puts it before that of the node.
    pushed = context.launch_configurations.get('ros_namespace', '')
    given['full_namespace'] = (given['namespace'] if given['namespace'].startswith('/')
                               else f'{pushed}/{given["namespace"]}')
    _check_paths(given)
    node = _node(given)
    bags = ([_record(given)] if given['record'] else []) + ([_play(given)] if given['bag'] else [])
    # Loading takes seconds that a bag must not run on in; a quieter log does not tell when.
    if bags and given['log_level'].lower() in ('debug', 'info'):
        bags = [_once_active(node, bags)]
    rviz = [_rviz(given)] if _is_true(given, 'rviz') else []
    return [*bags, node, *rviz]


def _check_paths(given: dict) -> None:
    """Refuse what would be noticed late: launch_ros starts the node without a file that is not."""
    for name in 'params_file', 'bag', 'fastdds_profile':
        if given[name] and not os.path.exists(given[name]):
            raise ValueError(f"{name}: there is no '{given[name]}'")
    if given['record'] and os.path.exists(given['record']):
        raise ValueError(f"record: '{given['record']}' exists already")


def _once_active(node: Node, actions: list) -> RegisterEventHandler:
    """Start the actions when the node says that it is active."""
    waiting = list(actions)

    def on_output(event: ProcessIO) -> list:
        started = waiting.copy() if ACTIVE in event.text else []
        del waiting[:len(started)]
        return started

    return RegisterEventHandler(OnProcessIO(
        target_action=node, on_stdout=on_output, on_stderr=on_output))


def _environment(given: dict) -> dict:
    """Point DDS at its profile, here and in no other process of an including file."""
    profile = given['fastdds_profile']
    cyclone = os.environ.get('CYCLONEDDS_URI') or f'file://{CONFIG}/cyclonedds.xml'
    return {PROFILES[0]: profile, 'CYCLONEDDS_URI': cyclone} if profile else {}


def _node(given: dict) -> Node:
    overrides = _overrides(given)
    # Of the sections that fit a node the last counts, and one that is in several files stands
    # where it came first. So arguments go both into the node's own section and, by -p, into /**.
    everywhere = [word for name, value in overrides.items()
                  for word in ('-p', f'{name}:={json.dumps(value, ensure_ascii=False)}')]
    return Node(
        package='tdnet_ros', executable='tdnet_node', name='tdnet', namespace=given['namespace'],
        parameters=[given['params_file'], overrides],
        remappings=[('image', given['image_topic']), ('depth', given['depth_topic']),
                    ('cloud_in', given['cloud_topic']),
                    ('camera_info', _camera_info(given['image_topic']))],
        arguments=['--ros-args', '--log-level', given['log_level'], *everywhere], output='screen',
        emulate_tty=True, respawn=_is_true(given, 'use_respawn'), respawn_delay=RESPAWN_S,
        additional_env=_environment(given))


def _rviz(given: dict) -> Node:
    try:
        get_package_prefix('rviz2')
    except PackageNotFoundError:  # noticed later, launch would end and leave the node behind
        distro = os.environ.get('ROS_DISTRO', '$ROS_DISTRO')
        raise ValueError(f'rviz: there is no package rviz2: install ros-{distro}-rviz2') from None
    outputs = [f'tdnet/{name}' for name in ('overlay', 'labels/color', 'points')]
    shown = {'/image': given['image_topic'], **{f'/{name}': name for name in outputs}}
    # The topic of a transport is one of its own: who appends it to that of a display gets it.
    remappings = [(f'{name}{transport}', f'{_in_namespace(given, topic)}{transport}')
                  for name, topic in shown.items() for transport in ('', '/compressed')]
    frame = ['--fixed-frame', given['rviz_frame']] if given['rviz_frame'] else []
    return Node(
        package='rviz2', executable='rviz2',
        arguments=['-d', os.path.join(CONFIG, 'tdnet.rviz'), *frame],
        parameters=[{'use_sim_time': _uses_sim_time(given)}],
        remappings=remappings,
        additional_env=_environment(given))


def _play(given: dict) -> ExecuteProcess:
    loop = ['--loop'] if _is_true(given, 'loop') else []
    # A recorder in simulated time subscribes when it gets /clock, which comes meanwhile.
    delay = ['--delay', RECORDER_S] if given['record'] else []
    return ExecuteProcess(
        cmd=['ros2', 'bag', 'play', given['bag'], '--clock', '--rate', given['rate'], *loop,
             *delay],
        output='screen', additional_env=_environment(given))


def _record(given: dict) -> ExecuteProcess:
    image = _in_namespace(given, given['image_topic'])
    compressed = _settings(given)['image_transport'] == 'compressed'
    camera = f'{image}/compressed' if compressed else image
    # Pictures are large: the overlay goes as JPEG, labels go as PNG that loses nothing.
    outputs = [_in_namespace(given, f'tdnet/{name}')
               for name in ('labels/compressed', 'label_info', 'overlay/compressed')]
    topics = [camera, _camera_info(image), *outputs, '/diagnostics']
    # Later than these, topics without the option are out of use.
    option = [] if os.environ.get('ROS_DISTRO') in ('humble', 'iron') else ['--topics']
    sim_time = ['--use-sim-time'] if _uses_sim_time(given) else []
    return ExecuteProcess(
        cmd=['ros2', 'bag', 'record', '--output', given['record'], *sim_time, *option,
             *topics],
        output='screen', additional_env=_environment(given))


def _overrides(given: dict) -> dict:
    """The parameters that arguments set on top of the file."""
    texts = {name: given[name] for name in TEXTS if given[name]}
    flags = {name: _is_true(given, name) for name in FLAGS if given[name]}
    return {**({'use_sim_time': True} if given['bag'] else {}), **texts, **flags}


def _settings(given: dict) -> dict:
    """The parameters of the node: what its file says, and arguments on top."""
    node = _in_namespace(given, 'tdnet')
    with open(given['params_file']) as file:
        entries = [('', yaml.safe_load(file))]
    settings = {'image_transport': 'raw', 'use_sim_time': False}
    for name, content in entries:  # grows: namespaces may be nested
        if not isinstance(content, dict):
            continue  # empty, or the node says what is wrong with it
        if 'ros__parameters' not in content:
            entries += [(f'{name}/{str(inner).strip("/")}', found)
                        for inner, found in content.items()]
        elif re.fullmatch(name.replace('/**', r'(/\w+)*').replace('/*', r'/\w+'), node):
            own = content['ros__parameters']
            settings |= own if isinstance(own, dict) else {}
    return {**settings, **_overrides(given)}


def _uses_sim_time(given: dict) -> bool:
    return _settings(given)['use_sim_time']


def _camera_info(image: str) -> str:
    """The topic that drivers publish beside the images."""
    folder, separator, _ = image.rpartition('/')
    return f'{folder}{separator}camera_info'


def _in_namespace(given: dict, topic: str) -> str:
    return topic if topic.startswith('/') else '/'.join(
        ['', *filter(None, [given['full_namespace'].strip('/')]), topic])


def _is_true(given: dict, name: str) -> bool:
    text = given[name].lower()
    if text not in ('true', 'false'):
        raise ValueError(f"{name}: '{given[name]}': expected true or false")
    return text == 'true'
