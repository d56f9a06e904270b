"""The report as one HTML file that needs no network and no script."""
from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from jinja2 import Environment, FileSystemLoader

from tdnet_ros.ros.texts import counted

MISSING = '–'


class Detail(NamedTuple):
    """What is shown of one camera beside its row in the summary."""

    bag: dict[str, Any]
    camera: dict[str, Any]
    plots: dict[str, str]
    '''Data URIs by theme; empty where no frame has labels.'''
    strip: list[dict[str, Any]]
    '''`uri` and `time_s` of each picture.'''


def write_page(file: TextIO, report: dict[str, Any], details: Iterable[Detail]) -> None:
    """Write the page; `details` are taken one by one, so that few pictures are held."""
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    environment.filters |= {'percent': percent, 'ms': milliseconds, 'mean': _mean,
                            'length_of_time': length_of_time, 'origin': _origin,
                            'topics': _topics}
    template = environment.get_template('page.html.jinja')
    for part in template.generate(report=report, details=details, title=_title(report),
                                  subtitle=_subtitle(report)):
        file.write(part)


def data_uri(content: bytes, kind: str) -> str:
    """Content that stands in the page itself; kind is image/jpeg, image/svg+xml, ..."""
    return f'data:{kind};base64,{b64encode(content).decode()}'


def percent(share: float | None, digits: int) -> str:
    """A share of 1 in percent."""
    return MISSING if share is None else f'{100 * share:.{digits}f} %'


def milliseconds(value: Any) -> str:
    """A time in ms, with more digits below 10."""
    if not isinstance(value, (int, float)):
        return MISSING
    return f'{value:.{1 if value < 10 else 0}f} ms'


def length_of_time(seconds: float | None) -> str:
    """Seconds up to two minutes, h:mm:ss above."""
    if seconds is None:
        return MISSING
    return f'{seconds:.1f} s' if seconds < 120 else str(timedelta(seconds=round(seconds)))


def _mean(spread: dict[str, float] | None) -> float | None:
    return spread['mean'] if spread else None


def _title(report: dict[str, Any]) -> str:
    bags = report['bags']
    return f'Labels of {bags[0]["name"] if len(bags) == 1 else f"{len(bags)} bags"}'


def _subtitle(report: dict[str, Any]) -> str:
    """Who made the labels, where all bags agree on it, and when this was written."""
    makers = {_maker(bag) for bag in report['bags'] if 'error' not in bag}
    maker = makers.pop() if len(makers) == 1 else ''
    return ' · '.join(filter(None, [maker, f'report of {report["created"]}']))


def _maker(bag: dict[str, Any]) -> str:
    parts = [bag.get('model', '')]
    if 'engine' in bag:
        parts.append(f'engine {bag["engine"]}')
    if 'device' in bag:
        parts.append(f'on {bag["device"]}')
    if 'input_size' in bag:
        parts.append(f'network input {bag["input_size"].replace("x", "×")}')
    return ', '.join(filter(None, parts))


def _origin(bag: dict[str, Any]) -> str:
    how = f'labelled from {bag["input"]}' if bag['source'] == 'offline' else 'recorded live'
    parts = [how, _maker(bag), f'starts {bag["start"]}', length_of_time(bag['duration_s'])]
    if bag.get('frames_per_second'):
        parts.append(f'{bag["frames_per_second"]:.1f} frames a second')
    return ' · '.join(filter(None, parts))


def _topics(camera: dict[str, Any]) -> str:
    sizes = ', '.join(f'{width} × {height}' for height, width in camera['sizes'])
    source = f'{camera["image"]} → ' if camera['image'] else ''
    counts = ', '.join(f'{count} {why}' for why, count in camera['unlabelled'].items() if count)
    return ' · '.join(filter(None, [f'{source}{camera["labels"]}', sizes,
                                    counted(camera['frames'], 'frame'), counts]))
