"""Running a coroutine from plain code, also inside a running event loop, with Ctrl-C and SIGTERM forwarded to it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

REASONS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


def run_interruptibly(work: Callable[[], Coroutine[Any, Any, None]], stop: Callable[[str], None]) -> None:
    """Run `work()` to its end in an event loop of its own, in a thread of its own.

    The first signal calls `stop` with "interrupted" or "terminated" inside that loop, a second one cancels the work.
    Notebooks have an event loop running in the main thread; it is neither needed nor patched.

    Raises:
        KeyboardInterrupt: the work was cancelled by a second signal.
    """
    thread = _Worker(work)
    received: list[int] = []

    def on_signal(number: int, _frame: FrameType | None = None) -> None:
        received.append(number)
        if len(received) == 1:
            thread.call(stop, REASONS[signal.Signals(number)])
        else:
            thread.cancel()

    handlers = _install(on_signal)
    try:
        thread.start()
        while thread.is_alive():
            try:
                thread.join(0.2)  # a join without a timeout cannot be interrupted on Windows
            except KeyboardInterrupt:
                on_signal(signal.SIGINT)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if thread.error is not None:
        if isinstance(thread.error, asyncio.CancelledError):
            raise KeyboardInterrupt from None
        raise thread.error


class _Worker(threading.Thread):
    """An event loop in a thread, with its outcome."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        super().__init__(name="selfinstruct", daemon=True)
        self.error: BaseException | None = None
        self._work = work
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = threading.Event()

    def run(self) -> None:
        try:
            _run(self._main())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
            self.error = error
        finally:
            self._ready.set()

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call inside the loop, as soon as there is one; not at all when it has ended."""
        self._ready.wait(1.0)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def cancel(self) -> None:
        """Cancel the work."""
        if self._task is not None:
            self.call(self._task.cancel)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._work())
        self._ready.set()
        await self._task


def _run(main: Coroutine[Any, Any, None]) -> None:
    """Run in a new event loop: uvloop's where it is installed, which takes less of the processor."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


def _install(on_signal: Callable[[int, FrameType | None], None]) -> dict[signal.Signals, Any]:
    """Handle the signals, where that is possible, and return the handlers that were there."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, on_signal) for number in REASONS}
