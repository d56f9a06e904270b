"""The report of one camera in plain types: what was counted, recorded and compared."""
from __future__ import annotations

from typing import Any

from tdnet_ros.bags.label_record import TopicRecord
from tdnet_ros.bags.labelled import LabelledBag
from tdnet_ros.bags.pair_counts import number
from tdnet_ros.bags.report.live import LiveCamera
from tdnet_ros.bags.report.series import pick
from tdnet_ros.bags.report.tally import CameraTally
from tdnet_ros.bags.report.truth import Score
from tdnet_ros.ros.meter import LATENCY

LISTED = 500  # resets and failures that are listed one by one
PICTURES = 8


def camera_summary(bag: LabelledBag, tally: CameraTally, live: LiveCamera | None,
                   score: Score | None) -> dict[str, Any]:
    """Everything about one camera, as docs/bags.md has it."""
    camera, record = tally.camera, tally.camera.record
    iou = score.counts.iou() if score else None
    shares = tally.class_shares(bag.classes)
    return {
        'name': camera.name, 'labels': camera.labels,
        'image': camera.image or (live.image_topic if live else ''),
        **tally.figures(),
        **(_recorded(record, tally) if record else _observed(live or LiveCamera())),
        'truth': score.as_dict() if score else None,
        'pictures_ns': [tally.logged_ns[index] for index in pick(tally.frames, PICTURES)],
        'classes': [{'id': label, 'name': bag.classes.name(label),
                     'color': list(bag.classes.color(label)), 'share': share,
                     'iou': None if iou is None else number(iou[label])}
                    for label, share in shares.items()],
        'series': tally.series([label for label, share in shares.items() if share])}


def _recorded(record: TopicRecord, tally: CameraTally) -> dict[str, Any]:
    """What the record of labelling says of the frames that are not labels."""
    times_ms = {LATENCY: record.latency_ms, 'network': record.network_ms}
    return {
        'unlabelled': {'failed': len(record.failed), 'skipped': len(record.skipped)},
        'failures': record.failed[:LISTED], 'reset_count': len(record.resets),
        'resets': [{'time_s': tally.reset_time_s.get(reset['stamp_ns']), 'count': 1, **reset}
                   for reset in record.resets[:LISTED]],
        'times_ms': {stage: values for stage, values in times_ms.items() if values}}


def _observed(live: LiveCamera) -> dict[str, Any]:
    """What a running node said of them."""
    return {'unlabelled': live.unlabelled, 'failures': [],
            'reset_count': sum(reset['count'] for reset in live.resets),
            'resets': live.resets[:LISTED]}
