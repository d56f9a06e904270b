"""Finding the places where a bag's chunks start, so that many workers can label it.

The path that labels a frame, and what is in the memory then, depend on all frames since the last
reset. So the bag is read once without the network, by the rules that label it: admission,
memory and chunk ends. Every chunk then starts with each camera's exact state, and fills its
memory by running the last N-1 frames of that state again.
"""
from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.label.bag_job import BagJob
from tdnet_ros.bags.label.camera import CameraTrack
from tdnet_ros.bags.label.job import ChunkEnd, ChunkJob, Place
from tdnet_ros.bags.label.output import Output
from tdnet_ros.bags.label.reader import THREADS, Item, read_ahead
from tdnet_ros.nets.card import find_model
from tdnet_ros.stream import FrameMemory


def survey(job: BagJob, output: Output, number: int, place: Place) -> Iterator[ChunkJob]:
    """Yield the chunks from `number` on, which starts at `place`, each once its start is known."""
    first = job.chunk(output, number, place)
    yield first
    options = job.options
    paths = find_model(options.model, options.weights).architecture.paths
    tracks = [CameraTrack(FrameMemory(paths, options.max_gap_s, options.scene_cut), state)
              for state in place.states]
    bag = Bag(job.bag)
    with ThreadPoolExecutor(THREADS, 'bag images') as pool:
        reader = read_ahead(bag, first, pool)
        try:
            end = ChunkEnd(options.chunk_frames)
            for item in reader:
                logged_ns = item.message.logged_ns
                if not item.warm:
                    if end.before(logged_ns):
                        number += 1
                        yield job.chunk(output, number, Place(logged_ns, tuple(
                            track.state(seen) for track, seen in zip(tracks, item.seen))))
                        end = ChunkEnd(options.chunk_frames)
                    end.passed(logged_ns, item.camera is not None)
                if item.camera is not None:
                    _pass(item, tracks[item.camera])
        finally:
            reader.close()
            bag.close()


def _pass(item: Item, track: CameraTrack) -> None:
    """Do to a camera's state what labelling the frame will do."""
    assert item.image is not None
    logged_ns, image = item.message.logged_ns, item.image.result()
    if item.warm:
        if image.frame is not None and track.replays(logged_ns, image.stamp_ns):
            track.memory.prepare(image.frame)
            track.memory.push(None)
    elif track.stale_reason(image.stamp_ns) is None and image.frame is not None:
        track.survey(image.frame, logged_ns)
