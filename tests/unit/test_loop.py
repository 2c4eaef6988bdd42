"""One background thread for all labs, which a learner's code can neither end nor hold for good."""

import asyncio
import threading

import pytest

from labkit.system.loop import HANDLING, Loop, the_loop


@pytest.fixture
def loop():
    loop = Loop()
    yield loop
    loop.loop.call_soon_threadsafe(loop.loop.stop)


async def where():
    return threading.current_thread().name


def test_all_labs_share_one_loop():
    assert the_loop() is the_loop()


def test_work_runs_on_the_background_thread_and_its_result_comes_back():
    assert asyncio.run(the_loop().run(where())) == "labkit"


def test_work_that_is_there_already_runs_where_it_is():
    async def nested():
        return await the_loop().run(where())

    assert asyncio.run(the_loop().run(nested())) == "labkit"


def test_an_error_comes_back_to_the_caller():
    async def fails():
        raise LookupError("not here")

    with pytest.raises(LookupError, match="not here"):
        asyncio.run(the_loop().run(fails()))


def test_who_stops_waiting_stops_the_work():
    begun, ended = threading.Event(), threading.Event()

    async def work():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def impatient():
        task = asyncio.create_task(the_loop().run(work()))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(impatient())
    assert ended.wait(5)


def test_a_handler_that_holds_the_loop_is_named(loop):
    let_go = threading.Event()

    async def hold():
        asyncio.current_task().set_name(f"Payment{HANDLING}Payment.charge")
        # Held until it is noticed, so the machine may be as slow as it likes.
        let_go.wait(10)

    held = loop.start(hold())
    try:
        _until(lambda: loop.blocked)
    finally:
        let_go.set()
    held.result(5)
    [told] = loop.blocked
    assert told.startswith("Payment, handling Payment.charge, blocks all services")
    assert "asyncio.sleep" in told


def test_work_that_is_no_handler_is_not_blamed(loop):
    async def hold():
        missed.wait(1)

    missed = threading.Event()
    loop.start(hold()).result(10)
    assert loop.blocked == []


def test_a_loop_that_gives_way_is_not_blamed(loop):
    async def busy():
        asyncio.current_task().set_name(f"Payment{HANDLING}Payment.charge")
        for _ in range(100):
            await asyncio.sleep(0.01)

    loop.start(busy()).result(20)
    assert loop.blocked == []


def _until(condition):
    """Look again and again, as long as another thread needs."""
    ticks = threading.Event()
    for _ in range(1000):
        if condition():
            return
        ticks.wait(0.01)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (asyncio.CancelledError(), False),
        (OSError(9, "Bad file descriptor"), False),
        (ZeroDivisionError("yours"), True),
    ],
)
def test_what_a_lost_connection_leaves_behind_is_no_ones_mistake(error, told, caplog):
    async def fail_in_a_callback():
        def fail():
            raise error

        loop, over = asyncio.get_running_loop(), asyncio.Event()
        loop.call_soon(fail)
        loop.call_soon(over.set)
        await over.wait()

    asyncio.run(the_loop().run(fail_in_a_callback()))
    assert ("Exception in callback" in caplog.text) is told
