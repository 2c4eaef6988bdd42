"""What labkit raises on purpose: what was wanted, what was found, what to do next."""

from __future__ import annotations

import linecache


class LabError(Exception):
    """Every error that labkit raises on purpose."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the message and the learner's own line, none of labkit's."""
        return [f"{type(self).__name__}: {self}", *self._own_line()]

    def _own_line(self) -> list[str]:
        own, step = None, self.__traceback__
        while step is not None:
            filename = step.tb_frame.f_code.co_filename
            if "ipykernel_" in filename or "<ipython-input" in filename:
                own = (filename, step.tb_lineno)
            step = step.tb_next
        if own is None:
            return []
        return [f"  in your cell, line {own[1]}:  {linecache.getline(*own).strip()}"]


class NotAService(LabError):
    """A class or function that does not keep to what a service is."""


class BadMessage(LabError, ValueError):
    """An event, a command or a payload that does not keep to its contract.

    A ValueError, so that pydantic tries the next model where a field allows several.
    """


class BrokerError(LabError):
    """No broker, a broker that refuses, or one that went away and did not return."""


class CommandFailed(LabError):
    """A command was delivered, and its handler failed."""


class Refused(CommandFailed):
    """A service says no, for a reason of its business: raise it in a command's handler."""


class Unavailable(CommandFailed):
    """A service could not be asked: it was not available."""


class NoReply(CommandFailed, TimeoutError):
    """A command got no reply in time; whether it was carried out is not known."""
