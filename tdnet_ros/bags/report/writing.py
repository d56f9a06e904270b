"""One HTML page and one JSON file about the labelled bags of a run."""
from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.label_record import write_json
from tdnet_ros.bags.progress import Update
from tdnet_ros.bags.report.collect import VERSION
from tdnet_ros.bags.report.kept import kept_summary
from tdnet_ros.bags.report.page import Detail, data_uri, write_page
from tdnet_ros.bags.report.plots import THEMES, timeline
from tdnet_ros.bags.report.strip import strip
from tdnet_ros.nets.writing import alone_in, check_folder, naming, replacing

MAX_DETAILED = 24
'''Cameras that the page shows with pictures; each is some 500 kB.'''


def write_report(bag_dirs: Sequence[Path], out: Path, truth: Sequence[str] = (),
                 update: Update = lambda frames, text: None,
                 told: Collection[Path] | None = None) -> list[str]:
    """Write `out` (HTML) and the same as JSON beside it.

    `truth` names topics with a ground truth; without, those called ground_truth are taken.
    Returns one line for each bag that cannot be read, which the report names, and for all that
    is damaged in the others; if `told` is given, of those bags. BagError where none can be read:
    then nothing is written.
    """
    if out.is_dir() or out.suffix == '.json':
        raise BagError(f'--out {out}: expected the name of a page, such as report.html')
    check_folder(out.parent)
    bags = [_summary(path, truth, update) for path in bag_dirs]
    if all('error' in bag for bag in bags):
        raise BagError('\n'.join(bag['error'] for bag in bags))
    cameras = [(bag, camera) for bag in bags for camera in bag.get('cameras', ())]
    detailed = _most_interesting(cameras)
    for index, (_, camera) in enumerate(detailed, 1):
        camera['anchor'] = f'camera-{index}'
    report = {'version': VERSION, 'cameras': len(cameras), 'detailed': len(detailed),
              'created': datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC'), 'bags': bags}
    figures = out.with_suffix('.json')
    with naming(figures):
        out.parent.mkdir(parents=True, exist_ok=True)
    with alone_in(out.parent):
        write_json(figures, report, indent=1)
        with replacing(out) as partial, partial.open('w', encoding='utf-8') as file:
            write_page(file, report, (_detail(bag, camera) for bag, camera in detailed))
    return [line for path, bag in zip(bag_dirs, bags) if told is None or path in told
            for line in bag.get('damage', [bag.get('error')])]


def _summary(path: Path, truth: Sequence[str], update: Update) -> dict[str, Any]:
    try:
        return kept_summary(path, truth, update)
    except BagError as error:
        why = str(error)
    except OSError as error:
        why = f'{path} cannot be read: {error.strerror or error}'
    return {'path': str(path), 'name': path.resolve().name, 'error': why}


def _most_interesting(cameras: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The cameras with failed frames and those that flip most, in the order given."""
    def interest(item: tuple[Any, Any]) -> tuple[int, float]:
        camera = item[1]
        return camera['unlabelled'].get('failed', 0), (camera['flip_rate'] or {'mean': 0})['mean']

    chosen = sorted(range(len(cameras)), key=lambda index: interest(cameras[index]), reverse=True)
    return [cameras[index] for index in sorted(chosen[:MAX_DETAILED])]


def _detail(bag: dict[str, Any], camera: dict[str, Any]) -> Detail:
    plots = {name: data_uri(timeline(camera, theme), 'image/svg+xml')
             for name, theme in THEMES.items() if camera['frames']}
    pictures = strip(Path(bag['path']), camera)
    return Detail(bag, camera, plots, [
        {'uri': data_uri(picture.jpeg, 'image/jpeg'), 'time_s': picture.time_s}
        for picture in pictures])
