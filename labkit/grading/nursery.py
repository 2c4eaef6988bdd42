"""The process in which learners' code runs: it does what it is told, and hands back only data.

It is started with an empty environment, and has never seen what anybody handed in. On POSIX it
stays warm and forks a child for each submission; elsewhere it is itself the child.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from typing import Any

from labkit.grading import walls
from labkit.grading.originals import Originals
from labkit.system.service import reason
from labkit.teaching.judge import Outcome, live, missing
from labkit.teaching.record import data
from labkit.teaching.task import Answers, Trial, exercises

NEXT, END = b"+", b"-"
WALLS, FENCE, UNREADABLE = b"w", b"f", b"u"

# Python gets quicker at what it has done some times; so a shop is busy before the first child.
A_DAY = """
from contextlib import suppress
import labkit
from labkit.shop import careful
shop = careful.Payment, careful.Inventory, careful.Shipping, careful.OrderOrchestrator
for seed in range(12):
    lost = labkit.reply_lost(careful.Payment.charge, chance=0.5)
    async with labkit.Lab(*shop, faults=[lost], simulate=seed) as lab:
        for number in range(5):
            with suppress(labkit.CommandFailed):
                order = {"order_id": f"o-{number}", "amount": 1}
                await lab.call(careful.OrderOrchestrator.place_order, timeout_seconds=99, **order)
        await lab.quiet()
"""


class Child:
    """One submission's cells and days, as its grader asks for them, a line of JSON each."""

    def __init__(self, shell: Any, asked: socket.socket) -> None:
        self._shell, self._originals = shell, Originals()
        self._asked, self._lines = asked, asked.makefile("r", encoding="utf-8")
        self._tasks = {task.id: task for tasks in exercises().values() for task in tasks}
        self._days = {task.id: [t.day for t in task.trials] for task in self._tasks.values()}

    def work(self) -> None:
        """Answer until nobody asks any more."""
        with asyncio.Runner() as runner:
            for line in self._lines:
                wish, given = json.loads(line)
                answer = runner.run(self.day(*given)) if wish == "day" else self._do(wish, *given)
                self._asked.sendall(json.dumps(answer).encode() + b"\n")

    def _do(self, wish: str, given: str) -> dict[str, Any]:
        return self.cell(given) if wish == "cell" else self.end(given)

    def cell(self, source: str) -> dict[str, Any]:
        ran = self._shell.run_cell(source, store_history=False)
        error = ran.error_before_exec or ran.error_in_exec
        self._originals.put_back()
        return {"error": None if error is None else reason(error)}

    async def day(self, id: str, trial: int, seed: int) -> dict[str, Any]:
        task, names = self._tasks[id], dict(self._shell.user_ns)
        if (absent := missing(task, names)) is not None:
            return told(absent)
        run = await live(task, Trial(self._days[id][trial], claims=()), Answers(names), seed)
        return told(run) if isinstance(run, Outcome) else {"run": data(run)}

    def end(self, id: str) -> dict[str, Any]:
        """After a task's last day: whether labkit is still what it was."""
        changed = ", ".join(self._originals.put_back()[:3])
        words = f"It changes labkit itself while it runs: {changed}."
        look = "what your code sets: what is labkit's stays as it is"
        wrong = Outcome("error in your code", self._tasks[id], words, look)
        return told(wrong) if changed else {}


def told(outcome: Outcome) -> dict[str, Any]:
    return {"kind": outcome.kind, "words": outcome.words, "look": outcome.look}


def warm() -> Any:
    """All that a child needs, loaded once: an IPython that keeps no history, and the exercises."""
    from IPython.core.history import HistoryManager
    from IPython.core.interactiveshell import InteractiveShell

    import labkit

    class Shell(InteractiveShell):
        def init_history(self) -> None:
            self.history_manager = HistoryManager(shell=self, parent=self, enabled=False)

    for name in labkit.__all__:
        getattr(labkit, name)
    for name in ("labkit.shop", "asyncio", "statistics", "sqlite3"):
        import_module(name)
    exercises()
    shell: Any = Shell.instance()
    # As ipykernel names its cells, so that an error tells the learner's line.
    shell.compile.get_code_name = lambda raw, code, number: f"ipykernel_/{number}.py"
    shell.showtraceback = shell.showsyntaxerror = lambda *_, **__: None  # nobody reads it
    shell.run_cell(A_DAY, store_history=False)
    shell.reset()
    return shell


def contained(
    shell: Any, asked: socket.socket, hidden: list[str], uid: int | None, alone: bool
) -> None:
    """Go on as a learner's process: in a folder of its own, limited, with nobody to talk to."""
    with open(os.devnull, "r+b") as nowhere:
        for number in (0, 1, 2):
            os.dup2(nowhere.fileno(), number)
    walls.limit(uid, alone)
    walls.fence(hidden)
    with suppress(BaseException):
        Child(shell, asked).work()
    os._exit(0)


def serve(control: socket.socket, hidden: list[str]) -> None:
    """Fork a child for each NEXT and pass its line to the grader; at END, end it and its own."""
    uid = walls.own_uid(os.getpid())
    alone = walls.enclosed(hidden)
    if uid is not None and not walls.readable():
        return control.sendall(UNREADABLE)
    shell = warm()
    control.sendall(WALLS if alone else FENCE)
    child, folder = 0, ""
    while wish := control.recv(1):
        if wish == NEXT:
            folder = tempfile.mkdtemp(prefix="labkit-answer-")
            if uid is not None:
                os.chown(folder, uid, uid)
            graders, childs = socket.socketpair()
            if (child := os.fork()) == 0:
                control.close()
                graders.close()
                os.chdir(folder)
                os.environ.update(HOME=folder, TMPDIR=folder)
                tempfile.tempdir = None  # it has remembered another one
                contained(shell, childs, hidden, uid, alone)
            childs.close()
            socket.send_fds(control, [NEXT], [graders.fileno()])
            graders.close()
        elif child:
            walls.sweep(child, uid, alone)
            with suppress(ChildProcessError):  # with what was left to it by those that ended
                while os.waitpid(-1 if alone else child, 0)[0]:
                    pass
            shutil.rmtree(folder, ignore_errors=True)
            control.sendall(END)
            child = 0


def main() -> None:
    handle, *hidden = sys.argv[1:]
    if hasattr(os, "fork") and not handle.startswith("fresh:"):
        return serve(socket.socket(fileno=int(handle)), hidden)
    asked = socket.create_connection(("127.0.0.1", int(handle.removeprefix("fresh:"))))
    asked.sendall(sys.stdin.buffer.readline())  # the word by which its grader knows it
    contained(warm(), asked, hidden, None, alone=False)


if __name__ == "__main__":
    main()
