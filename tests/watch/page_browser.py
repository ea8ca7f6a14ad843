"""A browser, and what the tests of the page ask it: which text is hard to read, or too wide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

VIEWS = ("overview", "tree", "runs", "curves", "fields", "compare", "facts")

FAINT_TEXT = """
const parts = (text) => text.match(/[\\d.]+/g).map(Number);
const linear = (c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = (rgb) => [0.2126, 0.7152, 0.0722] // of the rules for accessible content of the web
  .reduce((sum, share, i) => sum + share * linear(rgb[i] / 255), 0);
function behind(node) { // the nearest colour that is not transparent
  for (let at = node; at; at = at.parentElement) {
    const colour = parts(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] > 0.9) return colour;
  }
  return [255, 255, 255];
}
const faint = [];
for (const node of document.querySelectorAll("body *")) {
  const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  const box = node.getBoundingClientRect();
  const svg = node.closest("svg");
  if (!own || !box.width || !box.height) continue;
  if (node.closest(".unseen, .skip, script, style, noscript, option")) continue;
  // These stand on colours of the figure itself.
  if (svg && node.closest(".bartext, .bars, .heatmap, .hm, .annotation, .heatmap-label")) continue;
  const style = getComputedStyle(node);
  const one = light(parts(svg ? style.fill : style.color));
  const other = light(behind(svg ? svg.parentElement : node));
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (ratio < 4.5) faint.push(`${node.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
}
return faint;
"""

TOO_WIDE = """
const wide = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= wide) return [];
return [...document.querySelectorAll("body *")]
  .filter((node) => node.getBoundingClientRect().right > wide + 1)
  .map((node) => node.tagName + "." + node.className).slice(0, 5);
"""

SMALL_TARGETS = """
return [...document.querySelectorAll("a[href], button, select, input, summary")].filter((node) => {
  const label = node.closest("label") || node;
  const box = label.getBoundingClientRect();
  return box.width && node.id !== "skip" && (box.height < 24 || box.width < 24);
}).map((node) => (node.textContent || node.ariaLabel || node.type).slice(0, 40));
"""


def open_browser(folder: Path):  # type: ignore[no-untyped-def]
    """Debian's chromium, quiet and with a fresh profile."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    quiet = ["gpu", "quic", "background-networking", "component-update", "sync"]
    flags = ["headless", "no-sandbox", "no-first-run", f"user-data-dir={folder / 'profile'}"]
    for flag in [*flags, *(f"disable-{name}" for name in quiet)]:
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


def look_as(browser: Any, width: int, mode: str) -> None:
    """A window of this width, for somebody who prefers `light` or `dark`."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    features = [{"name": "prefers-color-scheme", "value": mode}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def show_view(browser: Any, fragment: str) -> None:
    """Go to a view of the page that is open."""
    browser.execute_script(
        "location.hash = arguments[0]; dispatchEvent(new HashChangeEvent('hashchange'))", fragment
    )


def columns_of(browser: Any, place: int) -> list[str]:
    """The texts of a column of the table of runs; 0 are the names."""
    script = """return [...document.querySelectorAll('.runs tbody tr')].map((row) =>
      (arguments[0] ? row.children[arguments[0]] : row.querySelector('.name')).textContent);"""
    found: list[str] = browser.execute_script(script, place)
    return found


def save_page(folder: Path, page: bytes) -> str:
    """The address of the page as a file."""
    path = folder / "page.html"
    path.write_bytes(page)
    return path.as_uri()
