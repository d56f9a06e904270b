"""What the publishers of a topic offered, of recordings that were cut off too."""
from __future__ import annotations

from contextlib import closing
import os
from pathlib import Path

import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from bags.label_material import IMAGE, START_NS, Logged, cdr_of, drive, header, types, write_bag
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.offers import offer

STATIC = Logged('/tf_static', 'std_msgs/msg/Header', START_NS, header(START_NS))
LATCHED = offer(depth=1, latched=True)


def recorded(folder: Path, kind: str) -> Path:
    """A storage file with many images after what was latched."""
    if kind == 'ros1':
        return write_bag(folder / 'drive', [STATIC, *drive(200)], 'ros1')
    with Writer(folder / 'drive', version=8, storage_plugin=(
            StoragePlugin.SQLITE3 if kind == 'db3' else StoragePlugin.MCAP)) as writer:
        static = writer.add_connection(STATIC.topic, STATIC.msgtype, typestore=types(),
                                       offered_qos_profiles=(LATCHED,))
        images = writer.add_connection('/front/image_raw', IMAGE, typestore=types())
        writer.write(static, STATIC.logged_ns, cdr_of(STATIC))
        for item in drive(200):
            writer.write(images, item.logged_ns, cdr_of(item))
    return folder / 'drive' / f'drive.{kind}'


@pytest.mark.parametrize('share', [1, 0.8])
@pytest.mark.parametrize('kind', ['mcap', 'db3', 'ros1'])
def test_what_was_latched_is_known(tmp_path: Path, kind: str, share: float) -> None:
    file = recorded(tmp_path, kind)
    os.truncate(file, int(file.stat().st_size * share))
    with closing(Bag(file)) as bag:
        assert bool(bag.problems) == (share < 1)
        assert bag.topics['/front/image_raw'].offers == ()
        found, = bag.topics['/tf_static'].offers
    assert (found.durability, found.reliability) == (LATCHED.durability, LATCHED.reliability)
