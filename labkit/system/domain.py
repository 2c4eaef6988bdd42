"""A domain: services that belong together, and may tell each other what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from labkit.system.errors import LabError, NotAService
from labkit.system.message import did_you_mean
from labkit.system.service import Service, name_of

Domains = Mapping[str, Iterable[type[Service] | Service | str]]
WRITE = 'Write for example {"Payment": [Payment], "Shipping": [Dispatcher, Warehouse]}.'


class Borders:
    """Which service is of which domain, the *bounded context* of Evans (2003).

    domains: the services of each domain, by its name: as classes, as instances, or by name.
    services: the names of all that take part. One of which the domains say nothing is a domain by
    itself; who takes no part, as you and foreign clients, is of none.

    Raises:
        LabError: that is no such mapping; a service stands in two domains; a name is mistyped.
    """

    def __init__(self, domains: Domains, services: Iterable[str]) -> None:
        self._of: dict[str, str] = {}
        known = list(dict.fromkeys(services))
        for domain, name in _pairs(domains):
            if self._of.setdefault(name, domain) != domain:
                raise LabError(
                    f"{name} stands in two domains, {self._of[name]} and {domain}.\n"
                    "A service has one owner: take it out of one of them."
                )
        for name in known:
            if name not in self._of and (near := did_you_mean(name, set(self._of) - set(known))):
                raise LabError(f"{name} takes part, and stands in no domain{near}.\n{WRITE}")
            self._of.setdefault(name, name)

    def of(self, service: str) -> str | None:
        """The domain of a service; None for one who takes no part."""
        return self._of.get(service)

    def crossed(self, sender: str, receivers: Iterable[str]) -> bool:
        """Whether one domain says it and somebody of another one hears it."""
        here, there = self.of(sender), {self.of(receiver) for receiver in receivers}
        return here is not None and bool(there - {here, None})

    def kept(self, sender: str, receivers: Iterable[str]) -> bool:
        """Whether it is heard, and by nobody but services of the sender's own domain."""
        here, there = self.of(sender), {self.of(receiver) for receiver in receivers}
        return here is not None and there == {here}


def _pairs(domains: object) -> Iterable[tuple[str, str]]:
    """Each domain with the name of each of its services."""
    if not isinstance(domains, Mapping) or not domains:
        raise LabError(f"Domains name their services; this is {domains!r:.60}.\n{WRITE}")
    for domain, members in domains.items():
        if isinstance(members, str) or not isinstance(members, Iterable):
            raise LabError(f"{domain} needs a list of services; it has {members!r:.60}.\n{WRITE}")
        for member in members:
            try:
                yield str(domain), member if isinstance(member, str) else name_of(member)
            except NotAService:
                raise LabError(f"{domain}: {member!r:.60} is no service.\n{WRITE}") from None
