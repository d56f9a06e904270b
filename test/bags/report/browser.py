"""A headless Chromium to look at a page with, where the machine has one."""
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import shutil
from typing import Any

import pytest

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of Playwright's; skips the test where there is none."""
    api = pytest.importorskip('playwright.sync_api', reason='no browser test without it: '
                                                            'pip install playwright')
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with api.sync_playwright() as playwright:
        path = found or playwright.chromium.executable_path
        if not Path(path).exists():
            pytest.skip('no Chromium: apt install chromium, or playwright install chromium')
        browser = playwright.chromium.launch(executable_path=path, args=['--no-sandbox'])
        yield browser
        browser.close()
