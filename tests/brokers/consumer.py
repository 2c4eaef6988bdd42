"""A consumer in a process of its own: counts what it handles, and may die in the middle.

python consumer.py URL SESSION DIES_AFTER: prints each number when its work is done.
"""

import asyncio
import os
import sys

from labkit import Event, Service, on
from labkit.system.broker import Address
from labkit.system.ledger import Ledger
from labkit.system.mqtt import Mqtt


class Counted(Event):
    number: int


class Consumer(Service):
    at_once = 1

    def __init__(self, dies_after: int) -> None:
        self.left = dies_after

    @on(Counted)
    async def count(self, counted):
        if self.left == 0:
            os._exit(9)
        self.left -= 1
        print(counted.number, flush=True)


async def main(url: str, session: str, dies_after: int) -> None:
    wire = Mqtt(Address.parse(url), "Consumer", session)
    await Consumer(dies_after).join(wire, Ledger())
    await wire.open()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    loop = asyncio.SelectorEventLoop()
    loop.run_until_complete(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
