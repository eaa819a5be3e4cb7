"""A headless Chromium that opens reports and the page of a server, and what it says about them."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# Every text on the page: its colour and the first opaque background behind it
TEXTS = """
const shown = (e) => e.getClientRects().length && getComputedStyle(e).visibility === "visible";
const clear = (c) => c === "transparent" || /, 0\\)$/.test(c);
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor;
    if (!clear(c)) return c;
  }
  return "rgb(255, 255, 255)";
};
return [...document.body.querySelectorAll("*:not(script)")]
  .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && shown(e)
    && !e.closest(".heatmaplayer, .barlayer, .unseen"))
  .map((e) => [e.textContent.trim().slice(0, 40),
    e.ownerSVGElement ? getComputedStyle(e).fill : getComputedStyle(e).color, behind(e)]);
"""


class Browser:
    """Chromium without a network; see https://chromedevtools.github.io/devtools-protocol."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def run(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def devtools(self, command: str, **settings: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, settings)

    def scheme(self, name: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.devtools("Emulation.setEmulatedMedia", features=features)

    def motion(self, wanted: str) -> None:
        """Ask for movement: `reduce` or `no-preference`."""
        features = [{"name": "prefers-reduced-motion", "value": wanted}]
        self.devtools("Emulation.setEmulatedMedia", features=features)

    def latency(self, seconds: float) -> None:
        """Delay every answer of the network."""
        self.devtools("Network.enable")
        self.devtools(
            "Network.emulateNetworkConditions",
            offline=False,
            latency=1000 * seconds,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def drop(self, file: Path, onto: str) -> None:
        """Drag a file onto the middle of an element, and drop it there."""
        at = self.run(
            "const e = document.querySelector(arguments[0]); e.scrollIntoView({block: 'center'}); "
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]",
            onto,
        )
        data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.devtools("Input.dispatchDragEvent", type=kind, x=at[0], y=at[1], data=data)

    def width(self, pixels: int) -> None:
        size = {"width": pixels, "height": 900, "deviceScaleFactor": 1}
        self.devtools("Emulation.setDeviceMetricsOverride", mobile=pixels < 500, **size)

    def open(self, page: Path) -> None:
        """Open a page and wait until its plots are drawn."""
        self.messages()
        self.requests()
        self.driver.get(page.as_uri())
        self.until(
            "!document.querySelector('.plot') || 'drawn' in document.documentElement.dataset"
        )

    def until(self, condition: str) -> None:
        end = time.monotonic() + 60
        while not self.run(f"return {condition}"):
            assert time.monotonic() < end, f"never became true: {condition}"
            time.sleep(0.02)

    def messages(self) -> list[str]:
        """What the console has said since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last call, outside of the page itself."""
        log = [
            json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")
        ]
        sent = [entry["params"] for entry in log if entry["method"] == "Network.requestWillBeSent"]
        urls = [entry["request"]["url"] for entry in sent]
        return [url for url in urls if not url.startswith(("data:", "blob:"))]

    def press(self, key: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(key).perform()


@contextmanager
def chromium(*extra: str) -> Iterator[Browser]:
    """Start Chromium, with further options; skip the test where it is not installed."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    always = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
    for option in (*always, *extra):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(driver)
    with webdriver.Chrome(options=options, service=service) as started:
        yield Browser(started)
