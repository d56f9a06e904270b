"""Why nothing comes in or goes out: what the ROS graph knows about a camera's topics."""
from __future__ import annotations

from collections.abc import Callable, Mapping

from rclpy.node import Node
from rclpy.qos import QoSProfile

from tdnet_ros.ros import cyclonedds
from tdnet_ros.ros.diagnostics import ERROR, WARN, Finding
from tdnet_ros.ros.errors import MAX_NAME, printable
from tdnet_ros.ros.names import COMPRESSED, like_a_camera, like_depth, made_by_node
from tdnet_ros.ros.parameters import TRANSPORTS
from tdnet_ros.ros.qos import Mismatch, mismatches

MAX_CANDIDATES = 8
IMAGE = 'image'
UNKNOWN = '_NODE_NAME_UNKNOWN_'
'''What rmw says of a node of which it knows the topics so far.'''


def silence(node: Node, name: str, topic: str, kind: str, since_s: float,
            pause: Finding | None = None, what: str = IMAGE, alone: bool = True) -> Finding:
    """Why nothing came on a topic of a type such as sensor_msgs/msg/Image.

    name: what the topic is remapped from, without the transport. pause: why nobody expects
    anything. what: an image of the camera, which may come in another transport, or other things.
    alone: whether the node has no other camera.
    """
    # Unlike counting them, asking for them remaps the topic once more: to another's, if swapped.
    senders = node.get_publishers_info_by_topic(topic) if node.count_publishers(topic) else []
    wrong = sorted({sender.topic_type for sender in senders} - {kind})
    remedy = _other_transport(node, name, topic, kind) if what == IMAGE else ''
    if 'image_transport' in remedy and not alone:
        remedy += '; cameras of the other transport need a node of their own'
    if wrong:
        return Finding(ERROR, f'{topic} is published as {", ".join(wrong)}, expected {kind}'
                              f'{remedy and f": {remedy}"}')
    if senders:
        lossy = '' if kind.endswith('/CameraInfo') else cyclonedds.may_lose_all()
        return pause or Finding(ERROR, f'no {what} on {topic} for {since_s:.1f} s, although '
                                       f'{_name(senders[0])} publishes it{lossy and f"; {lossy}"}')
    if remedy:
        return Finding(ERROR, f'no publisher on {topic}: {remedy}')
    likely = like_depth if what == 'depth image' else like_a_camera
    others = _candidates(node, kind, likely)[:MAX_CANDIDATES]
    found = f'; {kind} is published on {", ".join(others)}' if others else ''
    base = '' if kind != TRANSPORTS['compressed'] else f' to its name without {COMPRESSED}'
    return Finding(
        ERROR, f"no publisher on {topic}: start the camera or remap '{name}'{base}{found}")


def _candidates(node: Node, kind: str, likely: Callable[[str], bool]) -> list[str]:
    """Topics of a type that a camera may publish, the likeliest first."""
    name = node.get_name(), node.get_namespace()
    ours = {topic for topic, _ in (*node.get_publisher_names_and_types_by_node(*name),
                                   *node.get_subscriber_names_and_types_by_node(*name))}
    found = [topic for topic, kinds in node.get_topic_names_and_types()
             if kind in kinds and node.count_publishers(topic)
             and topic not in ours and not made_by_node(topic)]
    return sorted(found, key=lambda topic: (not likely(topic), topic))


def _other_transport(node: Node, name: str, topic: str, kind: str) -> str:
    """What to set so that images are taken that come on these names in another way, or nothing."""
    wants_raw = kind == TRANSPORTS['raw']
    base = topic if wants_raw else topic.removesuffix(COMPRESSED)
    is_base = wants_raw or base != topic  # else image/compressed itself was remapped
    for place in filter(None, (topic, base, base + COMPRESSED)):
        kinds = {sender.topic_type for sender in node.get_publishers_info_by_topic(place)}
        for transport, found in TRANSPORTS.items():
            if found not in kinds or (place, found) == (topic, kind):
                continue
            steps = [] if found == kind else [f'set image_transport to {transport}']
            bare = place if found == TRANSPORTS['raw'] else place.removesuffix(COMPRESSED)
            if transport == 'compressed' and bare == place:
                steps.append(f"remap '{name}{COMPRESSED}' to {place}")
            elif bare != base or not is_base:
                steps.append(f"remap '{name}' to {bare}")
            return ' and '.join(steps)
    return ''


def incompatible_senders(node: Node, topic: str, qos: QoSProfile) -> list[Finding]:
    """Publishers whose quality of service our subscription cannot take."""
    return [
        Finding(ERROR, f'{_name(sender)} publishes {topic} with QoS that does not match: we ask '
                       f'for {item}; {item.override(topic, "subscription")}')
        for sender in node.get_publishers_info_by_topic(topic)
        for item in mismatches(sender.qos_profile, qos)]


def rivals(node: Node, topic: str) -> list[Finding]:
    """Several publishers of a topic whose images do not follow one another."""
    senders = node.get_publishers_info_by_topic(topic)
    if len(senders) < 2:
        return []
    names = ', '.join(sorted(map(_name, senders))[:MAX_CANDIDATES])
    return [Finding(WARN, f'{len(senders)} publishers on {topic}, whose images mix: {names}')]


def incompatible_receivers(node: Node, topics: Mapping[str, QoSProfile]) -> list[Finding]:
    """Subscribers that asked for more than our outputs offer."""
    return [
        Finding(WARN, f'{_name(receiver)} subscribes {topic} with QoS that does not match: it '
                      f'asks for {item}; change it there{_or_here(topic, item)}')
        for topic, qos in topics.items()
        for receiver in node.get_subscriptions_info_by_topic(topic)
        for item in mismatches(qos, receiver.qos_profile)]


def namesakes(node: Node) -> list[Finding]:
    """Other nodes of our full name: their topics and services cannot be told from ours.

    The log says so once. One that died without a word is on the graph until its lease ends, 20 s
    by default.
    """
    ours = node.get_name(), node.get_namespace()
    if node.get_node_names_and_namespaces().count(ours) < 2:
        return []
    name = printable(node.get_fully_qualified_name(), MAX_NAME)
    text = (f'another node is named {name}, so topics, services and diagnostics mix: give one a '
            'namespace (-r __ns:=/NAME) or another name (-r __node:=NAME)')
    node.get_logger().warning(text, once=True)
    return [Finding(WARN, text)]


def _or_here(topic: str, item: Mismatch) -> str:
    override = item.override(topic, 'publisher')
    return override and f', or {override}'


def _name(endpoint: object) -> str:
    name = getattr(endpoint, 'node_name', '')
    if name == UNKNOWN:
        return 'a node'
    namespace = str(getattr(endpoint, 'node_namespace', '')).rstrip('/')
    return printable(f'{namespace}/{name}', MAX_NAME)
