"""The pictures of the dashboard's page: a report, opened in Chromium.

`python -m docs.site.page_pictures report.html` writes them into docs/images. The report is that of
a sweep (`sweeps/<name>/report.html` of a storage), or `raycl dashboard STORAGE --export FILE`.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

FOLDER = Path(__file__).parents[1] / "images"
PICTURES = {"page-overview": ("light", "view=overview"), "page-fields": ("dark", "view=fields")}
"""Name -> (light or dark, the view as the page's address has it)."""
_WIDTH, _HEIGHT = 1280, 1000


def take(browser: webdriver.Chrome, address: str, mode: str) -> bytes:
    """A PNG of the upper part of a view of the page at this address."""
    size = {"width": _WIDTH, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    features = [{"name": "prefers-color-scheme", "value": mode}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get("about:blank")  # another fragment alone would not load the page anew
    browser.get(address)
    return base64.b64decode(str(browser.execute_cdp_cmd("Page.captureScreenshot", {})["data"]))


def main(report: Path) -> None:
    """Write all pictures of a report."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    with tempfile.TemporaryDirectory() as profile:
        for flag in ("headless", "no-sandbox", "disable-gpu", f"user-data-dir={profile}"):
            options.add_argument(f"--{flag}")
        with webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver")) as browser:
            for name, (mode, view) in PICTURES.items():
                picture = take(browser, f"{report.resolve().as_uri()}#{view}", mode)
                (FOLDER / f"{name}.png").write_bytes(picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
