"""A loop in a thread, as brokers have it in a lab, for tests that are not asynchronous."""

import asyncio
import gc
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from labkit.system.broker import Address, Broker

T = TypeVar("T")


class Background:
    """Runs coroutines on a selector loop in a thread, and remembers what that loop complains of."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.loop = asyncio.SelectorEventLoop()
        self.loop.set_exception_handler(lambda _, about: self.complaints.append(about["message"]))
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], within_seconds: float = 15) -> T:
        """The result of a coroutine."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(within_seconds)

    def close(self) -> None:
        """End the loop; whatever is still pending on it then complains of being destroyed."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        gc.collect()
        self.loop.close()
        gc.collect()


@contextmanager
def background() -> Iterator[Background]:
    """A background that must not have complained of anything in the end."""
    here = Background()
    try:
        yield here
    finally:
        here.close()
    assert here.complaints == []


@contextmanager
def running(broker: Broker) -> Iterator[Address]:
    """A broker that is started on a background of its own, and stopped in the end."""
    with background() as here:
        address = here.run(broker.start())
        try:
            yield address
        finally:
            here.run(broker.stop())
