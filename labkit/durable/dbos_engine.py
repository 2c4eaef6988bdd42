"""DBOS behind the same interface: an engine that others wrote, on SQLite or on PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from labkit.durable.alone import alone, place, unusable
from labkit.durable.engine import (
    Workflow,
    as_json,
    name_of,
    other_code,
    other_version,
    outcome,
    told,
)
from labkit.system.errors import LabError

T = TypeVar("T")
INSTALL = 'pip install "orchestration-or-choreography[dbos]"'
POLLING_SECONDS = 0.01  # its own is a second
APPLICATION, PLAY = "labkit", "labkit.play"
# How DBOS names a run that has not ended: under way, or to be taken up again.
OPEN = ["PENDING", "ENQUEUED"]


class Abandoned(BaseException):
    """Leaves a run open: what is an Exception, DBOS writes down as the end of a run or a step."""


class DbosEngine:
    """DBOS 3, the extra `dbos`. It wants a process of its own, as `process(…)` gives to a service.

    url: "sqlite:///orders.db", or "postgresql://user:password@host/name"; a path is a SQLite file.
    executor: its name, which one living process may have; it recovers the runs of that name.
    version: of the workflows. DBOS's own choice, a hash of their source, changes with each cell.
    patience_seconds: how long another one that holds a SQLite file is waited for.
    """

    _here: ClassVar[DbosEngine | None] = None  # the one that is open in this process

    def __init__(
        self,
        url: str | Path,
        *,
        executor: str = "conductor",
        version: str = "1",
        patience_seconds: float = 1.0,
    ) -> None:
        if not re.fullmatch(r"[\w-]+", executor):
            raise LabError(
                f"An executor can't be called {executor!r}: its name becomes part of a file's.\n"
                "Use letters, digits, - and _."
            )
        text = str(url)
        self.url = text if "://" in text else f"sqlite:///{text}"
        self.executor, self.version, self._patience = executor, version, patience_seconds
        self._known: dict[str, Workflow] = {}
        self._abandoned: dict[str, Exception] = {}
        self._dbos: Any = None
        self._played: Any = None
        self._lock: Any = None
        self._opening: asyncio.Lock | None = None
        self._home: asyncio.AbstractEventLoop | None = None

    # What an engine promises

    async def run(self, workflow: Workflow, id: str, /, **given: Any) -> Any:
        kept = as_json(given)
        dbos = await self._opened(workflow)
        from dbos import SetWorkflowID

        with SetWorkflowID(id):
            await dbos.start_workflow_async(self._played, name_of(workflow), kept)
        return told(await self._end_of(id))

    async def recover(self, *workflows: Workflow) -> dict[str, Any]:
        await self._opened(*workflows)
        names = {name_of(workflow) for workflow in workflows}
        found = [
            run.workflow_id
            for run in await self._open_runs()
            if (run.app_version, run.executor_id) == (self.version, self.executor)
            if run.input is not None and run.input["args"][0] in names
        ]
        ends = await asyncio.gather(*map(self._answer_of, found))
        return dict(zip(found, ends, strict=True))

    async def waiting(self) -> dict[str, str]:
        await self._opened()
        return {run.workflow_id: run.app_version or "" for run in await self._open_runs()}

    async def close(self) -> None:
        if self._dbos is not None:
            await asyncio.to_thread(self._dbos.destroy, destroy_registry=True)
            self._lock.close()
            self._dbos = self._lock = DbosEngine._here = None

    # How DBOS is told to keep it

    async def _opened(self, *workflows: Workflow) -> Any:
        self._known.update({name_of(workflow): workflow for workflow in workflows})
        self._opening = self._opening or asyncio.Lock()
        async with self._opening:
            if self._dbos is None:
                self._home = asyncio.get_running_loop()
                self._dbos = await asyncio.to_thread(self._launched)
        return self._dbos

    def _launched(self) -> Any:
        try:
            from dbos import DBOS
        except ImportError:
            raise LabError(
                f"DBOS is not installed. To install it:\n{INSTALL}\n"
                "Or use labkit's own engine, which needs nothing: Journal(path)."
            ) from None
        if DbosEngine._here is not None:
            raise LabError(
                f"DBOS is at work in this process already, on {place(DbosEngine._here.url)}, and "
                "can be there only once.\nClose that engine first, or give this one a process of "
                "its own."
            )
        self._lock = alone(self.url, self.executor, self._patience)
        try:

            async def play(name: str, given: str) -> str:
                return await self._play(DBOS.workflow_id or "", name, given)

            self._played = DBOS.workflow(name=PLAY)(play)
            DBOS(
                config={
                    "name": APPLICATION,
                    "system_database_url": self.url,
                    "executor_id": self.executor,
                    "application_version": self.version,
                    "notification_listener_polling_interval_sec": POLLING_SECONDS,
                    "run_admin_server": False,
                    "log_level": "CRITICAL",
                }  # type: ignore[typeddict-unknown-key]
            )
            DBOS.launch()
        except Exception as error:
            DBOS.destroy(destroy_registry=True)
            self._lock.close()
            raise unusable(self.url, error, self._patience) from None
        DbosEngine._here = self
        return DBOS

    # How runs are played

    async def _play(self, id: str, name: str, given: str) -> str:
        self._abandoned.pop(id, None)
        workflow = await self._workflow(name)
        run = DbosRun(self, id, await self._recorded(id))
        try:
            return await outcome(workflow(run, **json.loads(given)))
        except Exception as error:
            self._abandoned[id] = error
            raise Abandoned from None

    async def _workflow(self, name: str) -> Workflow:
        # DBOS recovers by itself as soon as it is launched, before `recover` has said which ones.
        while True:
            if name in self._known:
                return self._known[name]
            await asyncio.sleep(POLLING_SECONDS)

    async def _recorded(self, id: str) -> dict[int, str]:
        from dbos import DBOS  # not self._dbos: it may recover before its launch has returned

        # In a thread that knows of no run: DBOS would count the question as the run's first step.
        loop = asyncio.get_running_loop()
        steps = await loop.run_in_executor(None, DBOS.list_workflow_steps, id)
        return {step["function_id"]: step["function_name"] for step in steps}

    async def at_home(self, work: Awaitable[T]) -> T:
        """Do it on the loop where the engine was first used: what it awaits lives there."""
        if asyncio.get_running_loop() is self._home:
            return await work
        assert self._home is not None

        async def there() -> T:
            return await work

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there(), self._home))

    async def _end_of(self, id: str) -> str:
        while True:
            status = await self._dbos.get_workflow_status_async(id)
            if status.status not in OPEN:
                handle = await self._dbos.retrieve_workflow_async(id)
                return str(await handle.get_result(polling_interval_sec=POLLING_SECONDS))
            if status.app_version != self.version:
                raise other_version(id, status.app_version, self.version)
            if id in self._abandoned:
                raise self._abandoned[id]
            await asyncio.sleep(POLLING_SECONDS)

    async def _answer_of(self, id: str) -> Any:
        try:
            return told(await self._end_of(id))
        except Exception as error:  # one that can't go on must not keep the others from it
            return error

    async def _open_runs(self) -> list[Any]:
        return list(await self._dbos.list_workflows_async(status=OPEN, name=PLAY))

    def __getstate__(self) -> dict[str, Any]:
        """What is copied of it: what it was made with, and no connection."""
        kept = {name: getattr(self, name) for name in ("url", "executor", "version", "_patience")}
        nothing = dict.fromkeys(("_dbos", "_played", "_lock", "_opening", "_home"))
        return {**kept, **nothing, "_known": {}, "_abandoned": {}}


class DbosRun:
    """A run in DBOS's own terms; what it has recorded is compared before DBOS would judge it."""

    def __init__(self, engine: DbosEngine, id: str, recorded: dict[int, str]) -> None:
        self._engine, self.id, self._recorded, self._number = engine, id, recorded, 0

    async def step(self, name: str, do: Callable[[str], Awaitable[T]]) -> T:
        from dbos import DBOS

        key = f"{self.id}:{self._next(name)}"

        async def done() -> str:
            try:
                return await self._engine.at_home(outcome(do(key)))
            except Exception as error:
                raise Wrong(error) from None

        try:
            answer: T = told(await DBOS.run_step_async({"name": name}, done))
        except Wrong as wrong:
            raise wrong.error from None
        return answer

    async def sleep(self, seconds: float) -> None:
        from dbos import DBOS

        if seconds > 0:  # DBOS writes nothing else down
            self._next("DBOS.sleep")
            await DBOS.sleep_async(seconds)

    async def sleep_until(self, when: float) -> None:
        import time

        await asyncio.sleep(max(0.0, when - time.time()))

    async def patched(self, name: str) -> bool:
        from dbos import DBOS

        new = await DBOS.patch_async(name)
        self._number += new
        return new

    def _next(self, name: str) -> int:
        self._number += 1
        recorded = self._recorded.get(self._number, name)
        if recorded != name:
            raise other_code(self.id, self._number, recorded, name)
        return self._number


class Wrong(BaseException):
    """Carries an error through a step of DBOS unrecorded: nothing that the world has said."""

    def __init__(self, error: Exception) -> None:
        self.error = error
