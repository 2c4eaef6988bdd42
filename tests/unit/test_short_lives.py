"""A process that ends before its lab looks at it is missed all the same."""

import asyncio
import subprocess
import sys
import time

import pytest

from labkit.system.broker import Address
from labkit.system.errors import LabError
from labkit.system.faults import Fault, Luck
from labkit.system.process import DIED_OF, Letter, Process

FAULT = Fault("before_publish", "Payment")


class ShortLived(Process):
    """The lab comes to look when the program has ended; perhaps it was ready before that."""

    def __init__(self, folder, code, *, was_ready):
        self.missed = []
        letter = Letter(b"", Address("nowhere", 1), "session", 1, 0.0, folder)
        super().__init__("Payment", letter, Luck("Payment", [FAULT], 1), self.missed.append)
        self.code, self.was_ready = code, was_ready

    def _launch(self):
        self._log.touch()
        command = [sys.executable, "-c", f"raise SystemExit({self.code})"]
        return subprocess.Popen(command, stdin=subprocess.PIPE)

    def _send(self, _):  # on a thread of its own
        while not self._gone.is_set():
            time.sleep(0.001)
        if self.was_ready:
            self._ready.set()


@pytest.mark.parametrize(
    ("code", "was_ready", "missed"),
    [(DIED_OF, True, [FAULT]), (DIED_OF, False, [FAULT]), (1, True, [None])],
)
def test_a_process_that_lived_for_a_moment_is_missed(tmp_path, code, was_ready, missed):
    process = ShortLived(tmp_path, code, was_ready=was_ready)
    asyncio.run(process.open())
    assert process.missed == missed


def test_one_that_was_never_ready_and_died_of_no_fault_did_not_start(tmp_path):
    with pytest.raises(LabError, match="which ended"):
        asyncio.run(ShortLived(tmp_path, 1, was_ready=False).open())
