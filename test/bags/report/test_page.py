"""The page as headless Chromium shows it: whole, silent, and with the figures of the JSON."""
from collections.abc import Iterator
import json
from pathlib import Path
import shutil
from typing import Any

import numpy as np
import pytest

from bags.labelled_material import names, png, raw, stamp_ns
from bags.material import write_bag
from bags.report.browser import chromium
from tdnet_ros.bags.label_record import LabelRecord, TopicRecord
from tdnet_ros.bags.report.writing import write_report

pytest.importorskip('vision_msgs.msg', reason='the bags name their classes in a LabelInfo')
NAMES = ('road', '<b>car</b>', 'sky')
PALETTE = ((128, 64, 128), (0, 0, 142), (70, 130, 180))
SIZES = {'desk': {'width': 1200, 'height': 900}, 'phone': {'width': 390, 'height': 800}}


@pytest.fixture(scope='module')
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bags that have everything a report can show, and one that cannot be read."""
    folder = tmp_path_factory.mktemp('run')
    generator = np.random.default_rng(0)
    frames = {ms: generator.integers(0, 3, (60, 80), np.uint8) for ms in range(0, 3000, 100)}
    for name in ('first', 'second'):
        bag = write_bag(folder / name, {
            '/tdnet/labels/compressed': [png(ms, pixels) for ms, pixels in frames.items()],
            '/tdnet/confidence/compressed': [png(ms, 80 * pixels)
                                             for ms, pixels in frames.items()],
            '/front/ground_truth': [raw(0, frames[0]), raw(500, frames[0])],
            '/tdnet/label_info': [names(*NAMES)]})
        spread = {'p50': 12.34, 'p95': 23.4, 'p99': 345.6, 'max': 400.0}
        LabelRecord(
            input='<script>alert(1)</script>', model='street-small', engine='torch', device='cpu',
            input_size=(360, 480), classes=NAMES, palette=PALETTE, options={}, complete=True,
            topics={'/front/image_raw': TopicRecord(
                labels='/tdnet/labels/compressed', label_info='/tdnet/label_info',
                resets=[{'stamp_ns': stamp_ns(1000), 'reason': 'gap of 2 s > <max_gap_s>'}],
                failed=[{'stamp_ns': stamp_ns(50), 'why': 'no <whole> JPEG'}],
                latency_ms=spread, network_ms=spread)}).write(bag)
    write_report([folder / 'first', folder / 'second', folder / 'missing'],
                 folder / 'report.html')
    for name in ('first', 'second'):  # the page stands alone
        shutil.rmtree(folder / name)
    return folder / 'report.html'


@pytest.fixture(scope='module')
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


def shown(browser: Any, report: Path, problems: list[str], **options: Any) -> Any:
    """The page, loaded; whatever goes wrong is added to the problems."""
    page = browser.new_context(offline=True, **options).new_page()
    page.on('console', lambda message: problems.append(message.text))
    page.on('pageerror', lambda error: problems.append(str(error)))
    page.on('requestfailed', lambda request: problems.append(request.url))
    page.on('dialog', lambda dialog: problems.append(dialog.message))
    page.goto(report.as_uri(), wait_until='load')
    return page


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('size', SIZES)
def test_page_is_whole_and_silent(browser: Any, report: Path, size: str, scheme: str) -> None:
    problems: list[str] = []
    page = shown(browser, report, problems, viewport=SIZES[size], color_scheme=scheme)
    widths = page.evaluate('[...document.images].map(image => image.naturalWidth)')
    assert len(widths) == 2 * (2 + 8)  # of each bag the plots, for two themes, and the strip
    assert min(widths) > 0
    sources = page.evaluate('[...document.images].map(image => image.currentSrc.slice(0, 10))')
    assert set(sources) == {'data:image'}
    assert problems == []
    # Only tables and plots may scroll sideways, never the page.
    assert page.evaluate('document.documentElement.scrollWidth') <= SIZES[size]['width']


@pytest.mark.parametrize(('media', 'scheme', 'theme', 'background'), [
    ('screen', 'light', 'light', 'rgb(255, 255, 255)'),
    ('screen', 'dark', 'dark', 'rgb(20, 23, 28)'),
    ('print', 'dark', 'light', 'rgb(255, 255, 255)')])
def test_plots_fit_the_page(browser: Any, report: Path, media: str, scheme: str, theme: str,
                            background: str) -> None:
    page = shown(browser, report, [])
    page.emulate_media(media=media, color_scheme=scheme)
    seen = page.evaluate('[...document.querySelectorAll(".plot img")].filter('
                         'image => image.offsetWidth).map(image => image.className)')
    assert seen == [theme] * 2
    assert page.evaluate('getComputedStyle(document.body).backgroundColor') == background


def cells(page: Any, table: str) -> list[list[str]]:
    return page.evaluate(
        f'[...document.querySelectorAll("{table} tbody tr")].map('
        'row => [...row.cells].map(cell => cell.innerText.trim()))')


def test_tables_have_the_figures_of_the_json(browser: Any, report: Path) -> None:
    content = json.loads(report.with_suffix('.json').read_text())
    page = shown(browser, report, [])
    rows = cells(page, '.summary')
    assert [row[0] for row in rows] == ['first', 'second', 'missing']
    camera = content['bags'][0]['cameras'][0]
    assert rows[0] == [
        'first', '/tdnet', f'{content["bags"][0]["duration_s"]:.1f} s', '30', '1',
        f'{100 * camera["flip_rate"]["mean"]:.2f} %',
        f'{100 * camera["confidence"]["mean"]:.1f} %', '1', '12 ms', '346 ms',
        f'{100 * camera["truth"]["miou"]:.1f} %']
    assert 'does not exist' in rows[2][1]
    assert cells(page, 'section:first-of-type .classes') == [
        [item['name'], f'{100 * item["share"]:.1f} %', f'{100 * item["iou"]:.1f} %']
        for item in camera['classes']]
    assert cells(page, 'section:first-of-type .resets') == [
        ['1.0 s', 'gap of 2 s > <max_gap_s>']]
    assert cells(page, 'section:first-of-type .failures') == [
        [f'{stamp_ns(50)} ns', 'no <whole> JPEG']]
    assert cells(page, 'section:first-of-type .times') == [
        [stage, '12 ms', '23 ms', '346 ms', '400 ms'] for stage in ('latency', 'network')]


def test_title_says_what_and_by_which_model(browser: Any, report: Path) -> None:
    page = shown(browser, report, [])
    assert page.title() == 'Labels of 3 bags'
    assert 'street-small, engine torch, on cpu, network input 360 × 480' in (
        page.inner_text('header'))
    assert 'labelled from <script>alert(1)</script>' in page.inner_text('section >> nth=0')


def test_links_lead_to_the_cameras(browser: Any, report: Path) -> None:
    page = shown(browser, report, [])
    targets = page.evaluate('[...document.querySelectorAll(".summary a")].map('
                            'link => document.querySelector(link.hash).innerText)')
    assert [target.split()[0] for target in targets] == ['first', 'second']
