"""A conductor in a process of its own, which may die at a named point: `python conductor.py JSON`.

It recovers what earlier ones have left, then plays its orders, and prints a line of JSON: what
became of each, or the error that stopped it.
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from labkit.durable.dbos_engine import DbosEngine
from labkit.durable.journal import Journal
from labkit.durable.rehearsal import Shop
from labkit.system.books import LastingBooks
from labkit.system.errors import CommandFailed, LabError


def kill():
    """A real end, without a last word: no `finally`, no `atexit`, no flushed buffer."""
    sys.stdout.flush()
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(137)


async def main(job):
    begun = time.perf_counter()
    shop = Shop(LastingBooks(Path(job["ledger"])), vans=job.get("vans", 1_000_000), kill=kill)
    keyed = job.get("keys", True)

    def by(act, order_id):
        return lambda key: act(order_id, key if keyed else "")

    async def place_order(run, order_id):
        try:
            await run.step("charge", by(shop.charge, order_id))
            shop.reach("between charge and reserve")
            await run.step("reserve", by(shop.reserve, order_id))
            shop.reach("between reserve and ship")
            await run.step("ship", by(shop.ship, order_id))
            return "confirmed"
        except CommandFailed:
            await run.step("release", by(shop.release, order_id))
            shop.reach("between release and refund")
            await run.step("refund", by(shop.refund, order_id))
            return "rejected"

    async def changed_order(run, order_id):
        """Version 2: a check stands before the payment."""
        if not job.get("patched") or await run.patched("check"):
            await run.step("check", checked)
        return await place_order(run, order_id)

    async def checked(_):
        return "no fraud"

    async def wait_then_ship(run, order_id):
        """A timer between two effects; it may die as soon as it has begun to wait."""
        await run.step("charge", by(shop.charge, order_id))
        if job.get("dies_asleep"):
            asyncio.sleep = dies_asleep
        await run.sleep(job["seconds"])
        await run.step("ship", by(shop.ship, order_id))
        return "confirmed"

    sleeps = asyncio.sleep

    async def dies_asleep(seconds, *more):
        if seconds > 1:  # no poll of an engine's own
            kill()
        return await sleeps(seconds, *more)

    async def step_by_step(run, order_id):
        """Tells of each of its steps, and does the next one when it is told to."""

        async def told(key):
            print("at", key, flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            return await by(shop.charge if key.endswith(":1") else shop.reserve, order_id)(key)

        await run.step("first", told)
        await run.step("second", told)
        return "confirmed"

    workflow = {
        "place_order": place_order,
        "changed": changed_order,
        "wait": wait_then_ship,
        "step by step": step_by_step,
    }[job.get("workflow", "place_order")]
    # One name, whatever the code: that is what a new version is.
    workflow.__name__ = "place_order"
    kinds = {"journal": Journal, "dbos": DbosEngine}
    engine = kinds[job["engine"]](job["database"], **job.get("settings", {}))
    ends = {}
    try:
        shop.dies_at = job.get("dies_again_at", "")
        ends.update(await engine.recover(workflow))
        recovered_seconds = time.perf_counter() - begun
        for order_id, point in job.get("orders", []):
            shop.dies_at = point
            ends[order_id] = await engine.run(workflow, order_id, order_id=order_id)
        told = {id: end if isinstance(end, str) else repr(end) for id, end in ends.items()}
        waiting = await engine.waiting()
        print(json.dumps({"ends": told, "waiting": waiting, "seconds": recovered_seconds}))
    except LabError as error:
        print(json.dumps({"error": type(error).__name__, "words": str(error)}))
    sys.stdout.flush()
    await engine.close()


if __name__ == "__main__":
    # Whatever a test has broken: it ends, and the test fails instead of waiting for ever.
    end = threading.Timer(60, os._exit, (99,))
    end.daemon = True
    end.start()
    asyncio.run(main(json.loads(sys.argv[1])))
