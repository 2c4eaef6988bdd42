"""A service: what others may tell it to do, and what it does when something happened."""

from __future__ import annotations

import asyncio
import inspect
import typing
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from functools import cached_property
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, TypeVar, overload

from pydantic import (
    BaseModel,
    ConfigDict,
    PydanticSchemaGenerationError,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticSerializationError, to_jsonable_python

from labkit.system.errors import (
    BadMessage,
    CommandFailed,
    LabError,
    NoReply,
    NotAService,
    Refused,
    Unavailable,
)
from labkit.system.ledger import Books, Entry
from labkit.system.message import Event, Message, complaint, did_you_mean, say, spelled
from labkit.system.transport import Transport

P = ParamSpec("P")
R = TypeVar("R")
Reaction = Callable[[Any, Any], Coroutine[Any, Any, None]]

# The cause of a message is the one being handled when it is said; nobody passes ids by hand.
_handling: ContextVar[Message | None] = ContextVar("handling", default=None)


def handled() -> Message | None:
    """The message that is being handled here and now."""
    return _handling.get()


UNNAMED = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)
# What `join` gives a service.
OF_THE_LAB = (
    "_transport",
    "_ledger",
    "_runs_on",
    "_clock",
    "_said",
    "_waiting",
    "_hears_replies",
    "_opening",
    "_free",
)
# What `call` takes for itself.
RESERVED = ("timeout_seconds", "idempotency_key")


class Command(Generic[P, R]):
    """A method that others may ask for: `await self.call(Payment.charge, order_id="o-1")`."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> None:
        if not inspect.iscoroutinefunction(method):
            name = getattr(method, "__name__", repr(method))
            raise NotAService(f"@command needs a method; write `async def {name}(self, …):`.")
        for parameter in list(inspect.signature(method).parameters.values())[1:]:
            if parameter.name in RESERVED or parameter.kind in UNNAMED:
                raise NotAService(
                    f"@command {method.__qualname__}: {parameter} can't be an argument.\n"
                    "Arguments are told by name, and `timeout_seconds` and `idempotency_key` are "
                    "what a caller says about the call itself."
                )
        self.method = method
        self.__name__, self.__qualname__ = method.__name__, method.__qualname__
        self.__doc__ = method.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.service, self.name = owner.__name__, name
        # How the command is called in a message, `Payment.charge`, and where it is sent.
        self.message_type = f"{self.service}.{name}"
        self.topic = f"command/{self.service}/{name}"

    @overload
    def __get__(self, of: None, owner: type) -> Command[P, R]: ...
    @overload
    def __get__(self, of: object, owner: type) -> Callable[P, Coroutine[Any, Any, R]]: ...
    def __get__(self, of: object | None, owner: type) -> object:
        if of is not None:
            return self.method.__get__(of, owner)
        if owner.__name__ == self.service:
            return self
        inherited = Command(self.method)
        inherited.__set_name__(owner, self.name)
        setattr(owner, self.name, inherited)  # made once for each class, with its contract
        return inherited

    def __call__(self, *_: object, **__: object) -> object:
        raise BadMessage(
            f"{self.message_type} is told to a service that runs, through the lab or a service:\n"
            f"`await lab.call({self.message_type}, …)`, with its arguments after the comma."
        )

    def __repr__(self) -> str:
        return f"{self.message_type}{inspect.signature(self.method)}".replace("(self, ", "(")

    @cached_property
    def contract(self) -> type[BaseModel]:
        """The arguments it takes, as a model."""
        hints = _hints(self.method)
        fields: dict[str, Any] = {
            name: (
                hints.get(name, Any),
                ... if parameter.default is parameter.empty else parameter.default,
            )
            for name, parameter in list(inspect.signature(self.method).parameters.items())[1:]
        }
        try:
            return create_model(self.message_type, __config__=ConfigDict(extra="forbid"), **fields)
        except PydanticSchemaGenerationError:
            raise NotAService(self._untellable(hints)) from None

    @cached_property
    def result(self) -> TypeAdapter[R]:
        """The type of what it answers."""
        hints = _hints(self.method)
        try:
            return TypeAdapter(hints.get("return", Any))
        except PydanticSchemaGenerationError:
            raise NotAService(self._untellable(hints)) from None

    def _untellable(self, hints: dict[str, Any]) -> str:
        types = ", ".join(f"{name}: {spelled(hint)}" for name, hint in hints.items())
        return (
            f"{self.message_type} has a type that can't travel as JSON ({types}).\n"
            "Use numbers, texts, lists, dicts or an Event."
        )

    def arguments(self, given: dict[str, Any]) -> BaseModel:
        """Check arguments against the contract; BadMessage says what is wrong with them."""
        try:
            checked: BaseModel = self.contract.__pydantic_validator__.validate_python(given)
            return checked
        except ValidationError as error:
            raise BadMessage(complaint(self.contract, error)) from None


def command(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]] | None = None,
) -> Command[P, R]:
    """Mark a method as a command: one receiver, may be refused, is answered."""
    if method is None:
        raise NotAService("@command stands without parentheses, above `async def …(self, …):`.")
    return Command(method)


def on(*events: type[Event]) -> Callable[[Reaction], Reaction]:
    """Mark a method as a reaction to an event; the publisher does not know of it."""
    for event in events:
        if not (isinstance(event, type) and issubclass(event, Event)):
            raise NotAService(
                f"@on needs an event class, such as OrderPlaced, and was given {event!r}.\n"
                "Write the class itself, without quotes and without parentheses."
            )
    if not events:
        raise NotAService("@on needs the event to react to: `@on(OrderPlaced)`.")

    def mark(method: Reaction) -> Reaction:
        parameters = inspect.signature(method).parameters if callable(method) else ()
        if not inspect.iscoroutinefunction(method) or len(parameters) != 2:
            name = getattr(method, "__name__", repr(method))
            raise NotAService(
                f"@on({events[0].__name__}) needs a method of one argument, the event:\n"
                f"`async def {name}(self, event: {events[0].__name__}):`."
            )
        method._reacts_to = events  # type: ignore[attr-defined]
        return method

    return mark


class Service:
    """A participant in the system. Subclass it, mark methods with `@command` and `@on(Event)`.

    at_once: how many messages it handles at the same time.
    retries: how often a reaction that failed is tried again before the event is a dead letter.
    retry_seconds: how long it waits before the first of these; twice as long before each next one.
    """

    at_once: ClassVar[int] = 100
    retries: ClassVar[int] = 2
    retry_seconds: ClassVar[float] = 0.02
    commands: ClassVar[dict[str, Command[Any, Any]]] = {}
    reactions: ClassVar[dict[str, list[tuple[type[Event], str]]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        members = {name: inspect.getattr_static(cls, name) for name in dir(cls)}
        cls.commands = {n: getattr(cls, n) for n, m in members.items() if isinstance(m, Command)}
        cls.reactions = {}
        for name, member in members.items():
            for event in getattr(member, "_reacts_to", ()):
                cls.reactions.setdefault(event.__name__, []).append((event, name))
        handlers = {*cls.commands, *(name for known in cls.reactions.values() for _, name in known)}
        for name in sorted(handlers & set(dir(Service))):
            raise NotAService(
                f"{cls.__name__}.{name}: every service has a `{name}` already, for the lab's use.\n"
                "Call your method something else."
            )

    @property
    def name(self) -> str:
        """How it is called by others: the name of its class."""
        return type(self).__name__

    @name.setter
    def name(self, value: object) -> None:
        raise NotAService(
            f"A service is called by its class, {type(self).__name__}, not {value!r}.\n"
            "Keep that in an attribute with another name, such as `self.title`."
        )

    @property
    def topics(self) -> list[str]:
        """What it listens to."""
        told = [f"command/{self.name}/+"] if self.commands else []
        again = [f"retry/{self.name}"] if self.reactions else []
        return told + [f"event/{event}" for event in self.reactions] + again

    # What a handler may do

    async def publish(self, event: Event) -> None:
        """Tell everybody who wants to know that something has happened.

        Raises:
            BadMessage: that is not an event, or it is too large.
            BrokerError: there is no broker to take it.
        """
        if not isinstance(event, Event):
            raise BadMessage(
                f"publish takes an event that you made, and was given {event!r:.60}.\n"
                "Write for example `await self.publish(OrderPlaced(order_id=…))`."
            )
        kind = type(event).__name__
        data = event.__pydantic_serializer__.to_python(event, mode="json")
        await self._wire.publish(f"event/{kind}", self._say("event", kind, data))

    async def call(
        self,
        command: Command[Any, R],
        /,
        *,
        timeout_seconds: float = 5.0,
        idempotency_key: str | None = None,
        **arguments: Any,
    ) -> R:
        """Tell one service to do something, and wait for its answer (*request-reply*).

        idempotency_key: says that two calls are one and the same wish; see `idempotency_key`.

        Raises:
            BadMessage: the arguments are not those of the command.
            Refused: the service said no.
            CommandFailed: its handler failed.
            NoReply: no answer within `timeout_seconds`; whether it was done is not known.
        """
        if not isinstance(command, Command):
            raise BadMessage(
                f"call takes a command, such as Payment.charge, and was given {command!r:.60}.\n"
                "Name the method without parentheses, and mark it with @command."
            )
        if not timeout_seconds > 0:
            raise BadMessage(
                f"{command.message_type} can't be awaited for {timeout_seconds:g} seconds.\n"
                "timeout_seconds says how long you wait for the answer: for example 5."
            )
        given = command.arguments(arguments)
        data = given.__pydantic_serializer__.to_python(given, mode="json")
        wire = self._wire
        more = {"replyto": self.name}
        if idempotency_key is not None:
            more["idempotencykey"] = str(idempotency_key)
        # Said before it waits for anything: so what is asked at once is numbered as it was asked.
        message = self._say("command", command.message_type, data, **more)
        await self._listen_for_replies()
        answer = self._waiting[message.id] = self._runs_on.create_future()
        try:
            async with asyncio.timeout(timeout_seconds):
                await wire.publish(command.topic, message)
                reply: Message = await answer
        except TimeoutError:
            raise NoReply(
                f"{command.message_type} gave {self.name} no reply within {timeout_seconds:g} s.\n"
                f"Is {command.service} in the lab and awake? Whether it did its work is not known."
            ) from None
        finally:
            del self._waiting[message.id]
        return _result(command, reply)

    def effect(
        self, effect: str, key: str, amount: int | None = None, *, once: str | None = None
    ) -> bool:
        """Do something to the world that a message can't take back: it is written in the ledger.

        once: an idempotency key. What was done under it already is not done again; then False.
        """
        _, cause = self._wire, _handling.get()
        because = cause.id if cause else ""
        return self._ledger.write(
            Entry(self.name, effect, str(key), amount, because, "" if once is None else str(once))
        )

    def done(self, effect: str, key: str) -> Entry | None:
        """What this service has done for this order, as its books say; None where it has not.

        Its books are in the ledger, and outlive it: one that has crashed finds what it did before.
        """
        _ = self._wire
        return self._ledger.find(self.name, effect, str(key))

    def times(self, effect: str) -> int:
        """How often this service has done that, as its books say."""
        _ = self._wire
        return self._ledger.count(self.name, effect)

    @property
    def idempotency_key(self) -> str:
        """The key of the wish that is being handled: the caller's, or else the message's id.

        The id is the same when the broker delivers a message again; only a caller's key is the
        same when the caller asks again (IETF draft *The Idempotency-Key HTTP Header Field*).
        """
        message = _handling.get()
        if message is None:
            raise LabError(
                f"{self.name} handles no message just now, so there is no idempotency key.\n"
                "Read `self.idempotency_key` in a method with @command or @on."
            )
        return message.idempotencykey or message.id

    # What the lab does with it

    _transport: Transport | None = None

    async def join(
        self, transport: Transport, ledger: Books, clock: Callable[[], str] | None = None
    ) -> None:
        """Take part: subscribe to what it listens to, and handle what comes.

        clock: tells the time that messages carry, where it is not that of the world.
        """
        # Asked once: before Python 3.12 the answer costs a call of the operating system.
        self._runs_on, self._clock = asyncio.get_running_loop(), clock
        for command in self.commands.values():
            # Made now, so that a type which can't travel is found before the work is done.
            _ = command.contract, command.result
        self._transport, self._ledger = transport, ledger
        self._said: dict[tuple[str, str], int] = {}
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._hears_replies, self._opening = False, asyncio.Lock()
        self._free = asyncio.Semaphore(self.at_once)
        for topic in self.topics:
            await transport.subscribe(topic, self.handle)

    def __getstate__(self) -> dict[str, Any]:
        """What is copied of it: its own, and nothing of the lab in which it takes part."""
        return {name: value for name, value in vars(self).items() if name not in OF_THE_LAB}

    async def handle(self, message: Message) -> None:
        """Do what a message asks for; a failure is answered or buried, then raised."""
        async with self._free:
            token = _handling.set(message)
            try:
                if message.kind == "command":
                    await self._obey(message)
                elif message.kind == "unreadable":
                    raise BadMessage(message.reason or "")
                else:
                    await self._react(message)
            except Exception as error:
                if message.kind != "command":
                    await self._bury(message, error)
                raise
            finally:
                _handling.reset(token)

    async def _obey(self, message: Message) -> None:
        try:
            reply = self._answer(message, "done", await self._carry_out(message))
            _ = reply.payload  # too large an answer is a failure, and the caller hears of it
        except Exception as error:
            failure = self._answer(message, "failed", reason(error), reason=_outcome(error))
            await self._reply(message, failure)
            raise
        await self._reply(message, reply)

    async def _carry_out(self, message: Message) -> object:
        name = message.type.rpartition(".")[2]
        command = self.commands.get(name)
        if command is None:
            known = ", ".join(self.commands)
            near = did_you_mean(name, self.commands)
            raise BadMessage(f"{self.name} has no command {name}{near}; it has {known}.")
        if not isinstance(message.data, dict):
            raise BadMessage(f"{command.message_type} needs an object with its arguments as data.")
        arguments = command.arguments(message.data)
        _strike(message)
        result = await _to_its_end(command.method(self, **vars(arguments)))
        try:
            return to_jsonable_python(result)
        except PydanticSerializationError:
            raise BadMessage(
                f"{command.message_type} answered {result!r:.60}, which can't travel as JSON.\n"
                "Answer with numbers, texts, lists, dicts or an Event."
            ) from None

    async def _react(self, message: Message) -> None:
        for event, name in self.reactions.get(message.type, ()):
            read = event.read(message.data)
            await self._try(message, getattr(self, name), read)

    async def _try(
        self, message: Message, reaction: Callable[[Event], Awaitable[None]], event: Event
    ) -> None:
        try:
            _strike(message)
            return await _to_its_end(reaction(event))
        except Exception:
            if not self.retries:
                raise
        # MQTT knows no "not now": to try again later is the consumer's own work.
        from tenacity import AsyncRetrying, stop_after_attempt, wait_exponential

        await asyncio.sleep(self.retry_seconds)
        again = AsyncRetrying(
            stop=stop_after_attempt(self.retries),
            wait=wait_exponential(2 * self.retry_seconds),
            reraise=True,
        )
        async for attempt in again:
            with attempt:
                _strike(message, attempt.retry_state.attempt_number)
                await _to_its_end(reaction(event))

    def _answer(self, message: Message, outcome: str, data: object, **more: str) -> Message:
        return self._say("reply", f"{message.type}.{outcome}", data, **more)

    async def _reply(self, message: Message, reply: Message) -> None:
        if message.replyto is not None:
            await self._wire.publish(f"reply/{message.replyto}", reply)

    async def _bury(self, message: Message, error: Exception) -> None:
        dead = self._say("dead", message.type, message.data, reason=reason(error))
        await self._wire.publish(f"dead/{self.name}", dead)

    async def _listen_for_replies(self) -> None:
        if self._hears_replies:
            return
        async with self._opening:
            if not self._hears_replies:
                await self._wire.subscribe(f"reply/{self.name}", self._take_reply)
                self._hears_replies = True

    async def _take_reply(self, message: Message) -> None:
        waiting = self._waiting.get(message.causationid or "")
        # A reply that nobody waits for any more is no error: the caller gave up.
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def _say(self, kind: Any, type: str, data: object, **more: str) -> Message:
        cause = _handling.get()
        # One that has crashed may come to say other things: what it said then keeps its number.
        because = (cause.id, type) if cause else ("", "")
        nth = self._said[because] = self._said.get(because, 0) + 1
        if self._clock is not None:
            more["time"] = self._clock()
        return say(kind, type, self.name, data, nth=nth, cause=cause, **more)

    @property
    def _wire(self) -> Transport:
        if self._transport is None:
            raise LabError(
                f"{self.name} is in no lab, so nobody hears it.\n"
                f"Start one: `async with Lab({self.name}, …) as lab:`."
            )
        return self._transport


def name_of(service: object) -> str:
    """What a service, given as its class or as an instance, is called."""
    if isinstance(service, Service):
        return service.name
    if isinstance(service, type) and issubclass(service, Service):
        return service.__name__
    raise NotAService(f"That needs a service, such as Payment, and was given {service!r:.60}.")


async def _to_its_end(work: Awaitable[R]) -> R:
    """A handler that exits, or waits for what was cancelled, fails; it ends nobody else's work."""
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as end:
        raise RuntimeError(f"the handler called for the end of the program ({end!r})") from end
    except asyncio.CancelledError as end:
        task = asyncio.current_task()
        if type(end) is not asyncio.CancelledError or (task is not None and task.cancelling()):
            raise
        raise RuntimeError("the handler waited for something that was cancelled") from end


def reason(error: Exception) -> str:
    """An error in one line, with the line of the learner's code where it happened."""
    if isinstance(error, LabError):
        return str(error)
    place, step = "", error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if "ipykernel_" in code.co_filename:
            place = f" (in {code.co_name}, line {step.tb_lineno})"
        step = step.tb_next
    return f"{type(error).__name__}: {error}{place}"


_ERRORS = {"refused": Refused, "unavailable": Unavailable}


def _outcome(error: Exception) -> str:
    return next((name for name, kind in _ERRORS.items() if isinstance(error, kind)), "failed")


def _result(command: Command[Any, R], reply: Message) -> R:
    """What a reply holds: the answer, or the error to raise at the caller."""
    if reply.reason:
        error = _ERRORS.get(reply.reason, CommandFailed)
        said = "said no" if error is Refused else "failed"
        raise error(f"{command.message_type} {said}: {reply.data}")
    try:
        answer: R = command.result.validator.validate_python(reply.data)
        return answer
    except ValidationError:
        promised = spelled(_hints(command.method)["return"])
        raise CommandFailed(
            f"{command.message_type} promises {promised} and answered {reply.data!r:.60}."
        ) from None


def _strike(message: Message, attempt: int = 0) -> None:
    if attempt < message.struck_times:
        raise Unavailable(f"{message.struck} was not available")


def _hints(method: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(method)
    except NameError:  # a name that the cell has not defined yet is no reason to fail
        return {}
