"""A real browser for tests: Debian's Chromium without a window, driven by selenium."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
NO_BROWSER = "" if CHROMIUM and DRIVER else "no browser: apt-get install chromium chromium-driver"
needs_browser = pytest.mark.skipif(bool(NO_BROWSER), reason=NO_BROWSER)
_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--lang=en-US",
    "--force-prefers-reduced-motion",
]


@contextmanager
def chromium(profile: Path, size: tuple[int, int] = (1180, 900)) -> Iterator[webdriver.Chrome]:
    """A browser with a profile of its own and a window of this size in pixels; its console is kept for get_log."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*_FLAGS, f"--window-size={size[0]},{size[1]}", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()
