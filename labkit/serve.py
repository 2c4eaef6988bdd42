"""Serving: one service, run from a terminal, for whoever shares its broker and its namespace."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from labkit.system.books import LastingBooks
from labkit.system.broker import FORM, Address
from labkit.system.errors import BrokerError, LabError, NotAService
from labkit.system.ledger import Books, Ledger
from labkit.system.message import Message, did_you_mean
from labkit.system.mqtt import Mqtt
from labkit.system.service import Service
from labkit.trace import Recorded


def serve(target: str, broker: str | None, session: str | None, ledger: Path | None) -> None:
    """Serve until Ctrl-C, which lets it finish its work."""
    address = meeting_place(broker or os.environ.get("LABKIT_BROKER"))
    service = named(target)
    books = Ledger() if ledger is None else LastingBooks(ledger)
    # Two namespaces of one broker shall not take each other's sessions.
    session = session or address.namespace.replace("/", "-")
    # By name, since aiomqtt can't work on the loop that Windows prefers.
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(_serve(service, address, session, books))


def meeting_place(url: str | None) -> Address:
    """The address in a URL, where a lab can meet the service.

    Raises:
        BrokerError: there is no URL, it has another form, or it names no namespace.
    """
    if not url:
        raise BrokerError(
            "No broker is named, and a served service needs one that is running.\n"
            f"Write --broker {FORM}, or set LABKIT_BROKER to that."
        )
    address = Address.parse(url)
    if not address.namespace:
        raise BrokerError(
            f"{address.url} names no namespace, so no lab would meet the service there.\n"
            f"Write one behind it, for example {address.url}/shop, here and in Lab(broker=…)."
        )
    return address


def named(target: str) -> Service:
    """The service that `module:Service` means, made.

    Raises:
        LabError: there is no such module, or nothing of that name in it.
        NotAService: it is something else.
    """
    module_name, _, name = target.partition(":")
    if not module_name or not name:
        raise LabError(f"{target!r} names no service. Write module:Service, such as shop:Payment.")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = import_module(module_name)
    except Exception as error:
        raise LabError(_not_imported(module_name, error)) from error
    known = [name for name, found in vars(module).items() if _is_service(found)]
    if not hasattr(module, name):
        raise LabError(
            f"{module_name} has no {name}{did_you_mean(name, known)}; "
            f"its services are {', '.join(known) or 'none'}."
        )
    return _made(name, getattr(module, name), known)


def _not_imported(module: str, error: Exception) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and f"{module}.".startswith(f"{missing}."):
        return (
            f"There is no module {missing}, neither in {Path.cwd()} nor installed.\n"
            f"Change to the folder that holds {missing.partition('.')[0]}.py, and try again."
        )
    at = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{module} can't be imported: {type(error).__name__}: {error}\n"
        f"Mend that first; it happened in {at.filename}, line {at.lineno}."
    )


def _made(name: str, found: Any, known: list[str]) -> Service:
    if not _is_service(found):
        there = ", ".join(known) or "no service"
        raise NotAService(
            f"{name} is no service, but {found!r:.60}; there is {there}.\n"
            f"Write `class {name}(Service):`."
        )
    if isinstance(found, Service):
        return found
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        raise NotAService(
            f"{name} needs settings ({error}).\nMake one in the module, `mine = {name}(…)`, and "
            "serve that: module:mine."
        ) from None
    made: Service = found()
    return made


def _is_service(found: object) -> bool:
    is_class = inspect.isclass(found) and issubclass(found, Service) and found is not Service
    return is_class or isinstance(found, Service)


async def _serve(service: Service, address: Address, session: str, books: Books) -> None:
    wire = Mqtt(address, service.name, session)
    await service.join(Recorded(wire, service.name, _tell_of_failures), books)
    await wire.open()
    print(f"{service.name} listens at {address.url}. To end it: Ctrl-C.", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await wire.sleep()


def _tell_of_failures(
    what: str, who: str, topic: str, message: Message | None = None, note: str = ""
) -> None:
    if what == "failed" and message is not None:
        print(f"{who} could not handle {message.type}: {note}", flush=True)
