"""A real, headless Chromium with a profile of its own, driven by selenium; it finds this machine and nothing else."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.servers import program, require

PHONE, DESKTOP = (320, 640), (1280, 900)
"""Widths and heights. A window is never as narrow as a phone: it shows its page as one that is."""

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_NO_SCRIPTS = {"profile.managed_default_content_settings.javascript": 2}


class Chromium(Chrome):
    """A browser with one page."""

    def wide(self, size: tuple[int, int], *, dark: bool = False) -> None:
        width, height = size
        phone = size == PHONE
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})

    def overflows(self) -> bool:
        """Whether the page is wider than its window, and would scroll from side to side."""
        metrics: Any = self.execute_cdp_cmd("Page.getLayoutMetrics", {})
        return bool(metrics["cssContentSize"]["width"] > metrics["cssLayoutViewport"]["clientWidth"])


@contextmanager
def chromium(*, scripts: bool = False) -> Iterator[Chromium]:
    """Starts in a second or two. `scripts`: whether pages may run JavaScript."""
    require("chromium", "chromedriver")
    profile = Path(tempfile.mkdtemp(prefix="collima-browser-"))
    options = ChromeOptions()
    options.binary_location = program("chromium")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    if not scripts:
        options.add_experimental_option("prefs", _NO_SCRIPTS)
    try:
        browser = Chromium(options, Service(program("chromedriver")))
        try:
            browser.wide(PHONE)
            yield browser
        finally:
            browser.quit()
    finally:
        shutil.rmtree(profile, ignore_errors=True)
