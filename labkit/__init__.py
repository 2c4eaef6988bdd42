"""labkit: run a small system of services, look at its trace, and choose who directs them.

In the order in which a value meets them:

    Event             something that has happened                        system/message.py
    Service           takes commands, reacts to events                   system/service.py
    command, on       mark its methods as the one or the other           system/service.py
    Lab               puts services on a real broker and runs them       lab.py
    process           gives a service an operating-system process         system/process.py
    unavailable, slow, mute, delay, duplicate, reorder, reply_lost, partition,
    kill, before_effect, after_effect, before_publish    what can go wrong    system/faults.py
    Saga, NOTHING, HumanTaskOpened    steps with a way back              system/saga.py
    Trace             what was said, heard and done                      trace.py
    Ledger            what was really done to the world                  system/ledger.py
    sequence          draws a trace: who said what to whom               views/sequence.py
    topology          draws who knows whom                               views/topology.py
    Card, side_by_side    a run in numbers                               views/card.py
    leads_to, never, before, within, exactly_once, at_most_once
                      what must be true of every run                     properties.py
    invariants, nobody_charged_for_nothing, each_effect_once, every_order_ends,
    stock_is_conserved, nothing_undone_after, messages_keep_their_contract,
    causes_form_a_tree    what must be true of every shop                seven_invariants.py
    explore           runs a day under a thousand seeds                  exploration.py
    Bet               what you expect before you look                    teaching/bet.py
    check, hint, look, replay, solution, CheckFailed
                      what an exercise calls                             teaching/check.py
    progress          which tasks are passed                             teaching/progress.py
    LabError, BadMessage, BrokerError, CommandFailed, NoReply, NotAService, Refused, Unavailable
                      what can be raised, each with what to do next      system/errors.py

The running example is `labkit.shop`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "labkit.exploration": ["explore"],
    "labkit.seven_invariants": [
        "causes_form_a_tree",
        "each_effect_once",
        "every_order_ends",
        "invariants",
        "messages_keep_their_contract",
        "nobody_charged_for_nothing",
        "nothing_undone_after",
        "stock_is_conserved",
    ],
    "labkit.lab": ["Lab"],
    "labkit.properties": [
        "at_most_once",
        "before",
        "exactly_once",
        "leads_to",
        "never",
        "within",
    ],
    "labkit.system.errors": [
        "BadMessage",
        "BrokerError",
        "CommandFailed",
        "LabError",
        "NoReply",
        "NotAService",
        "Refused",
        "Unavailable",
    ],
    "labkit.system.faults": [
        "after_effect",
        "before_effect",
        "before_publish",
        "delay",
        "duplicate",
        "kill",
        "mute",
        "partition",
        "reorder",
        "reply_lost",
        "slow",
        "unavailable",
    ],
    "labkit.system.ledger": ["Ledger"],
    "labkit.system.message": ["Event"],
    "labkit.system.process": ["process"],
    "labkit.system.saga": ["NOTHING", "HumanTaskOpened", "Saga"],
    "labkit.system.service": ["Service", "command", "on"],
    "labkit.teaching.bet": ["Bet"],
    "labkit.teaching.check": ["CheckFailed", "check", "hint", "look", "replay", "solution"],
    "labkit.teaching.progress": ["progress"],
    "labkit.trace": ["Trace"],
    "labkit.views.card": ["Card", "side_by_side"],
    "labkit.views.sequence": ["sequence"],
    "labkit.views.topology": ["topology"],
}
_WHERE = {name: home for home, names in _HOME.items() for name in names}

__all__ = sorted(_WHERE)

if TYPE_CHECKING:
    from labkit.exploration import explore as explore
    from labkit.lab import Lab as Lab
    from labkit.properties import at_most_once as at_most_once
    from labkit.properties import before as before
    from labkit.properties import exactly_once as exactly_once
    from labkit.properties import leads_to as leads_to
    from labkit.properties import never as never
    from labkit.properties import within as within
    from labkit.seven_invariants import causes_form_a_tree as causes_form_a_tree
    from labkit.seven_invariants import each_effect_once as each_effect_once
    from labkit.seven_invariants import every_order_ends as every_order_ends
    from labkit.seven_invariants import invariants as invariants
    from labkit.seven_invariants import messages_keep_their_contract as messages_keep_their_contract
    from labkit.seven_invariants import nobody_charged_for_nothing as nobody_charged_for_nothing
    from labkit.seven_invariants import nothing_undone_after as nothing_undone_after
    from labkit.seven_invariants import stock_is_conserved as stock_is_conserved
    from labkit.system.errors import BadMessage as BadMessage
    from labkit.system.errors import BrokerError as BrokerError
    from labkit.system.errors import CommandFailed as CommandFailed
    from labkit.system.errors import LabError as LabError
    from labkit.system.errors import NoReply as NoReply
    from labkit.system.errors import NotAService as NotAService
    from labkit.system.errors import Refused as Refused
    from labkit.system.errors import Unavailable as Unavailable
    from labkit.system.faults import after_effect as after_effect
    from labkit.system.faults import before_effect as before_effect
    from labkit.system.faults import before_publish as before_publish
    from labkit.system.faults import delay as delay
    from labkit.system.faults import duplicate as duplicate
    from labkit.system.faults import kill as kill
    from labkit.system.faults import mute as mute
    from labkit.system.faults import partition as partition
    from labkit.system.faults import reorder as reorder
    from labkit.system.faults import reply_lost as reply_lost
    from labkit.system.faults import slow as slow
    from labkit.system.faults import unavailable as unavailable
    from labkit.system.ledger import Ledger as Ledger
    from labkit.system.message import Event as Event
    from labkit.system.process import process as process
    from labkit.system.saga import NOTHING as NOTHING
    from labkit.system.saga import HumanTaskOpened as HumanTaskOpened
    from labkit.system.saga import Saga as Saga
    from labkit.system.service import Service as Service
    from labkit.system.service import command as command
    from labkit.system.service import on as on
    from labkit.teaching.bet import Bet as Bet
    from labkit.teaching.check import CheckFailed as CheckFailed
    from labkit.teaching.check import check as check
    from labkit.teaching.check import hint as hint
    from labkit.teaching.check import look as look
    from labkit.teaching.check import replay as replay
    from labkit.teaching.check import solution as solution
    from labkit.teaching.progress import progress as progress
    from labkit.trace import Trace as Trace
    from labkit.views.card import Card as Card
    from labkit.views.card import side_by_side as side_by_side
    from labkit.views.sequence import sequence as sequence
    from labkit.views.topology import topology as topology


def __getattr__(name: str) -> Any:
    # Names are loaded when first used, so that `import labkit` is quick in every notebook.
    if name not in _WHERE:
        raise AttributeError(f"labkit has no {name}; it has {', '.join(__all__)}.")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
