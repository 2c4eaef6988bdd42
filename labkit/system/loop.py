"""The one background thread on which brokers and services live."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
TICK_SECONDS = 0.1
TICKS_MISSED = 6
STUCK_SECONDS = 5.0
# What the name of a handler's task holds.
HANDLING = ", handling "


class Loop:
    """An event loop in a thread of its own.

    The notebook's loop stays free: a busy cell stops no service, a blocking service stops no
    cell. It is a selector loop by name, since aiomqtt can't work on the one that Windows prefers.
    """

    def __init__(self) -> None:
        self.loop = asyncio.SelectorEventLoop()
        self.loop.set_exception_handler(_complain)
        self.blocked: list[str] = []
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._live, name="labkit", daemon=True)
        self._thread.start()
        threading.Thread(target=self._watch, name="labkit watches", daemon=True).start()

    async def run(
        self, work: Coroutine[Any, Any, T], meanwhile: Callable[[], None] | None = None
    ) -> T:
        """Await something that runs on this thread, from another loop.

        meanwhile: what to do each second while one waits.
        """
        if threading.current_thread() is self._thread:
            return await work
        future = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))
        try:
            while meanwhile and not (await asyncio.wait([future], timeout=1.0))[0]:
                meanwhile()
        except asyncio.CancelledError:
            future.cancel()
            raise
        return await future

    def start(self, work: Coroutine[Any, Any, T]) -> Any:
        """Run something on this thread, from a place that can't await; a concurrent Future."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    @property
    def stuck(self) -> bool:
        """Whether a handler has held the loop for long, and may hold it for ever."""
        return time.monotonic() - self._beat > STUCK_SECONDS

    def _live(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def _watch(self) -> None:
        missed = 0
        while self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._alive)
            beat = self._beat
            time.sleep(TICK_SECONDS)
            # Counted in ticks of this thread: on a busy machine it is starved as the loop is.
            missed = missed + 1 if self._beat == beat else 0
            task = asyncio.current_task(self.loop)
            if missed == TICKS_MISSED and task is not None and HANDLING in task.get_name():
                self.blocked.append(self._culprit(task.get_name()))

    def _alive(self) -> None:
        self._beat = time.monotonic()

    def _culprit(self, name: str) -> str:
        frame = sys._current_frames().get(self._thread.ident or 0)
        own = [step for step in traceback.extract_stack(frame) if "ipykernel_" in step.filename]
        place = f" (line {own[-1].lineno} of {own[-1].name})" if own else ""
        return (
            f"{name}{place}, blocks all services: it does not give way.\n"
            "Use `await asyncio.sleep(…)` in place of `time.sleep(…)`, and "
            "`await asyncio.to_thread(…)` for long work."
        )


def _complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    # A socket that was closed before it could be watched; its connection is being made anew.
    if isinstance(error, OSError | ValueError) and "file descriptor" in str(error):
        return
    # A connection that was left while it was being made: aiomqtt asks why it was never there.
    if isinstance(error, asyncio.CancelledError):
        return
    loop.default_exception_handler(context)


_current: list[Loop] = []


def the_loop() -> Loop:
    """The loop of this process; a fresh one where a handler has blocked the last for good."""
    if not _current or _current[-1].stuck:
        _current.append(Loop())
    return _current[-1]
