"""A headless Chromium for the tests of pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, CHROMEDRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")  # as Debian's packages install them
FLAGS = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """Selenium's driver of a new Chromium. Skips the test if selenium or Chromium is missing.

    Args:
        profile: an empty folder for the browser's files.
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium: pip install 'tracking-env[dev]'")
    from selenium.webdriver.chrome.service import Service

    if not (CHROMIUM.exists() and CHROMEDRIVER.exists()):
        pytest.skip("no Chromium; type: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in f"{FLAGS} disable-component-update disable-sync disable-dev-shm-usage".split():
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(CHROMEDRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def resize(browser: Any, width: int, height: int = 900) -> None:
    """Show the page as on a screen of this size in pixels. A screen narrower than 500 pixels counts as a phone."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
