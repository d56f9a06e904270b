"""The README and the page on models say what the code does."""
from __future__ import annotations

import dataclasses
from pathlib import Path
import re
from typing import Any

import pytest
import yaml

from tdnet_ros.nets import DEFAULT_MODEL
from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.card import ModelCard, find_model
from tdnet_ros.nets.classes import ClassSet
from tdnet_ros.nets.variants import FOR_USERS

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()
MODELS = (ROOT / 'docs' / 'models.md').read_text()


def table_rows(heading: str, page: str = README) -> list[list[str]]:
    """Cells of the first table below a heading, code marks and header left out."""
    lines = page.partition(f'# {heading}\n')[2].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith('|'))
    rows = []
    for line in lines[start + 2:]:
        if not line.startswith('|'):
            break
        rows.append([cell.strip().strip('`') for cell in line.strip('|').split('|')])
    return rows


def test_parameters_and_defaults() -> None:
    parameters = pytest.importorskip('tdnet_ros.ros.parameters', reason='rclpy is missing')
    declared = {field.name: list(field.default) if isinstance(field.default, tuple)
                else field.default
                for field in dataclasses.fields(parameters.NodeParameters)}
    assert {name: yaml.safe_load(default or "''") for name, default, _ in
            table_rows('Parameters')} == declared


def test_models() -> None:
    listed = {row[0] for row in table_rows('Models', MODELS)}
    assert set(FOR_USERS) <= listed


@pytest.mark.parametrize(('heading', 'kind'), [
    ('Model cards', ModelCard), ('Classes', ClassSet), ('Architecture', Architecture)])
def test_fields_of_a_model_card(heading: str, kind: type) -> None:
    def shown(field: dataclasses.Field[Any]) -> object:
        if field.default_factory is not dataclasses.MISSING:
            return 'empty'
        return {dataclasses.MISSING: 'required', None: 'none', '': 'empty'}.get(
            field.default, list(field.default) if isinstance(field.default, tuple)
            else field.default)

    assert {name: yaml.safe_load(default) for name, default, _ in
            table_rows(heading, MODELS)} == {field.name: shown(field) for field in
                                           dataclasses.fields(kind)}


@pytest.mark.parametrize('page', [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))],
                         ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, section in re.findall(r'\]\((?!http)([^)#]*)#?([^)]*)\)', page.read_text()):
        linked = page.parent / target if target else page
        assert linked.is_file(), target
        headings = re.findall(r'^#+ (.*)$', linked.read_text() if section else '', re.MULTILINE)
        anchors = {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-')
                   for heading in headings}
        assert not section or section in anchors, f'{target}#{section}'


def test_figures_of_the_default_model_are_those_of_its_card() -> None:
    metrics = find_model(DEFAULT_MODEL).metrics
    streaming, alone = metrics['streaming'], metrics['per-frame']['miou']
    told = ' '.join(README.split())
    assert f'{100 * streaming["miou"]:.1f} % mIoU streaming, {100 * alone:.1f} % with' in told
    assert f'{100 * streaming["flip_rate"]:.1f} % of pixels flip' in told
    row = '| streaming | ' + ' | '.join(f'{100 * streaming[name]:.1f}' for name in (
        'miou', 'flip_rate', 'vc8', 'vc16', 'tc'))
    assert row in (ROOT / 'docs' / 'street-small.md').read_text()
