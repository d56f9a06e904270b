"""The bag writer: a bounded queue, a full disk, an existing output."""
from pathlib import Path
import subprocess
import sys
import threading
from typing import Any

import pytest
from rosbags.rosbag2 import Reader, Writer

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.writing import BagWriter

FLOAT = 'std_msgs/msg/Float32'
CDR = b'\x00\x01\x00\x00\x00\x00\x80\x3f'


def test_messages_are_read_back_as_they_were_put(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as writer:
        topic = writer.add_topic('/x', FLOAT, [])
        for stamp_ns in (30, 10, 20):
            writer.put(topic, stamp_ns, CDR)
    assert writer.counts == {'/x': 3}
    with Reader(tmp_path / 'bag') as reader:
        assert [(item.topic, stamp, cdr) for item, stamp, cdr in reader.messages()] == [
            ('/x', stamp, CDR) for stamp in (10, 20, 30)]


def test_the_file_is_named_as_ros2_bag_reindex_wants_it(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'run1.5') as writer:
        names = [path.name for path in writer.path.iterdir()]
        writer.put(writer.add_topic('/x', FLOAT, []), 1, CDR)
    assert names == ['run1.5_0.mcap']
    with Reader(writer.path) as reader:
        assert [cdr for _, _, cdr in reader.messages()] == [CDR]


def test_full_queue_drops_and_counts(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag', queue_bytes=len(CDR) - 1) as writer:
        topic = writer.add_topic('/x', FLOAT, [])
        writer.put(topic, 1, CDR)
        writer.put(topic, 2, CDR[:-1])
    assert writer.dropped == 1
    assert writer.counts == {'/x': 1}


def test_put_does_not_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go, in_time = threading.Event(), threading.Event(), []
    write = Writer.write

    def slow(*arguments: Any) -> None:
        begun.set()
        in_time.append(go.wait(5))
        write(*arguments)

    monkeypatch.setattr(Writer, 'write', slow)
    with BagWriter(tmp_path / 'bag') as writer:
        topic = writer.add_topic('/x', FLOAT, [])
        writer.put(topic, 1, CDR)
        assert begun.wait(5)
        writer.put(topic, 2, CDR)
        assert writer.counts == {'/x': 0}
        go.set()
    assert in_time == [True, True]
    assert writer.counts == {'/x': 2}


def test_existing_output_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / 'bag').mkdir()
    with pytest.raises(BagError, match='exists already'):
        BagWriter(tmp_path / 'bag')
    assert list((tmp_path / 'bag').iterdir()) == []


def test_output_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(BagError, match=r'cannot create .*Not a directory'):
        BagWriter(tmp_path / 'file' / 'bag')


def test_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    # A limit on the size of files fails as a full disk does, and needs no disk.
    program = f'''
import resource
from pathlib import Path
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.writing import BagWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    with BagWriter(Path({str(tmp_path)!r}, 'bag')) as writer:
        topic = writer.add_topic('/x', {FLOAT!r}, [])
        for stamp in range(8):
            writer.put(topic, stamp, bytes(1 << 19))
except BagError as error:
    print(error)
'''
    result = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True,
                            check=True)
    assert result.stdout == f'cannot write {tmp_path}/bag: File too large\n'
    assert result.stderr == ''
    assert not (tmp_path / 'bag' / 'metadata.yaml').exists()
