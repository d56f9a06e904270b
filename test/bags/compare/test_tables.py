"""What the terminal shows of a comparison."""
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from tdnet_ros.bags.compare.tables import print_comparison


@pytest.mark.parametrize(('share', 'shown'), [
    (1.0, '100.00 %'), (0.999999, '99.99 %'), (0.12344, '12.34 %'), (None, '-')])
def test_a_share_is_never_rounded_up_to_all(share: float | None, shown: str) -> None:
    figures = {'name': 'road', 'pixels_a': 4, 'pixels_b': 2, 'agreement': share, 'iou': 0.5,
               'mostly_instead': None}
    content: dict[str, Any] = {
        'a': 'first', 'b': 'second', 'topics_only_a': [], 'topics_only_b': [], 'cameras': [{
            'topics': ['/x', '/y'], 'frames': {'both': 1, 'only_a': 0, 'only_b': 0}, 'pixels': 8,
            'frame_agreement': {'median': 0.3, 'p5': 0.2, 'min': 0.1}, 'classes': [figures],
            'agreement': 0.75, 'miou': 0.5}]}
    file = StringIO()
    print_comparison(content, Console(file=file, width=120))
    row, = (line.split('  ') for line in file.getvalue().splitlines() if 'road' in line)
    assert [cell.strip() for cell in row if cell.strip()] == [
        'road', '50.00 %', '25.00 %', shown, '50.00 %']
