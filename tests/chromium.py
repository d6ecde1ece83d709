"""A headless Chromium over its DevTools protocol: what a page logs, what it shows, and a picture of it."""

from __future__ import annotations

import base64
import contextlib
import itertools
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import aiohttp
import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions")


class Page:
    """One page of the browser. `complaints` collects errors, warnings and exceptions that the page logs."""

    def __init__(self, socket):
        self._socket, self._numbers = socket, itertools.count(1)
        self.complaints, self.requests = [], []

    async def send(self, method, **params):
        """Call a method of the protocol and return its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            told = await self._socket.receive_json(timeout=60)
            self._note(told)
            if told.get("id") == number:
                assert "error" not in told, told["error"]
                return told["result"]

    def _note(self, told):
        params = told.get("params", {})
        if told.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"].get("exception", {}).get("description", "exception"))
        if told.get("method") == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        if told.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(params["args"]))
        if told.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    async def evaluate(self, expression):
        """The value of an expression in the page, awaited where it is a promise."""
        told = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, expression, seconds=30):
        """Wait until an expression is true, and return how long that took."""
        start = time.perf_counter()
        while not await self.evaluate(expression):
            assert time.perf_counter() - start < seconds, f"never true: {expression}"
        return time.perf_counter() - start

    async def open(self, path):
        """Open an absolute path and wait until the report is ready; returns the seconds."""
        start = time.perf_counter()
        await self.send("Page.navigate", url=Path(path).as_uri())
        await self.until("document.documentElement?.dataset.ready === 'yes'")
        return time.perf_counter() - start

    async def size(self, width, height, *, dark=False, media=""):
        """Take the shape of a device, light or dark."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])

    async def picture(self, *, whole=False):
        """A PNG of what is seen, or of the whole page."""
        return base64.b64decode((await self.send("Page.captureScreenshot", captureBeyondViewport=whole))["data"])

    async def printed(self):
        """The page as it would be printed: PDF."""
        return base64.b64decode((await self.send("Page.printToPDF", printBackground=False))["data"])


@contextlib.asynccontextmanager
async def browsing():
    """A page of a browser of its own."""
    with _browser() as port:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                target = next(one for one in await answer.json() if one["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await page.send(f"{domain}.enable")
                yield page


@contextlib.contextmanager
def _browser():
    """A browser with a profile of its own; gives the port that it listens at."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [BROWSER, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield _port(Path(profile))
        finally:
            process.terminate()
            process.wait(timeout=20)


def _port(profile):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int((profile / "DevToolsActivePort").read_text().splitlines()[0])
        time.sleep(0.05)
    raise AssertionError("the browser does not start")
