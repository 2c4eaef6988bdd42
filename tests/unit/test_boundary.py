"""A boundary: what crosses it, what stays behind it, and whom a change touches."""

import asyncio

import pytest

from labkit import Event, Lab, LabError, Service, command, on
from labkit.boundary import blast_radius, border, no_command_crosses
from labkit.exploration import explore
from labkit.system.domain import Borders


class Asked(Event):
    order_id: str


class Answered(Event):
    order_id: str


class Cook(Service):
    @command
    async def cook(self, order_id: str) -> None:
        pass


class Chef(Service):
    @on(Asked)
    async def begin(self, asked):
        await self.call(Cook.cook, order_id=asked.order_id)
        await self.publish(Answered(order_id=asked.order_id))


class Waiter(Service):
    @command
    async def ask(self, order_id: str) -> None:
        await self.publish(Asked(order_id=order_id))

    @on(Answered)
    async def serve(self, answered):
        pass


class Impatient(Waiter):
    @on(Asked)
    async def hurry(self, asked):
        await self.call(Cook.cook, order_id=asked.order_id)


KITCHEN = {"Kitchen": [Chef, Cook], "Hall": [Waiter]}


async def evening(*services, seed=1):
    async with Lab(*services, simulate=seed) as lab:
        for number in (1, 2):
            await lab.call(services[0].ask, order_id=f"o-{number}")
        await lab.quiet()
    return lab


def an_evening(*services):
    return asyncio.run(evening(*(services or (Waiter, Chef, Cook))))


def test_what_another_domain_hears_crosses_and_what_only_its_own_hears_is_hidden():
    found = border(an_evening(), KITCHEN)
    assert found.crossing == {"Asked": 2, "Answered": 2}
    assert found.hidden == {"Kitchen": {"cook": 2, "answers": 2}}
    assert (found.crossed, found.kept) == (4, 4)
    assert found.known_outside == ["Asked", "Answered"]


def test_one_run_has_another_border_where_the_domains_are_drawn_otherwise():
    lab = an_evening()
    assert border(lab.trace, {"All": [Chef, Cook, Waiter]}).crossed == 0
    apart = border(lab, {"Chef": [Chef], "Cook": ["Cook"], "Hall": [Waiter]})
    assert apart.crossing == {"Asked": 2, "cook": 2, "answers": 2, "Answered": 2}
    assert apart.known_outside == ["Asked", "cook", "Answered"]


def test_a_service_in_no_domain_is_one_by_itself_and_you_are_in_none():
    lab = an_evening()
    assert border(lab, {"Kitchen": [Chef, Cook]}).crossing == border(lab, KITCHEN).crossing
    assert "ask" not in str(border(lab, KITCHEN))


def test_a_border_tells_itself_in_words():
    assert str(border(an_evening(), KITCHEN)) == (
        "4 messages cross a border: Asked ×2, Answered ×2\n"
        "4 are hidden in Kitchen: cook ×2, answers ×2"
    )
    assert str(border(an_evening(), {"All": [Chef, Cook, Waiter]})).startswith(
        "0 messages cross a border\n"
    )


def test_what_you_and_nobody_else_say_and_hear_crosses_nothing():
    async def run():
        async with Lab(Cook, simulate=1) as lab:
            await lab.call(Cook.cook, order_id="o-1")
            await lab.publish(Asked(order_id="o-1"))
            await lab.quiet()
        return lab

    lab = asyncio.run(run())
    assert (border(lab, KITCHEN).crossed, border(lab, KITCHEN).kept) == (0, 0)
    assert no_command_crosses(KITCHEN)(lab)


# The property


def test_a_command_inside_a_domain_is_nobody_elses_business():
    assert no_command_crosses(KITCHEN)(an_evening())


def test_a_command_across_a_border_is_a_breach_with_its_story():
    domains = {"Kitchen": [Chef, Cook], "Hall": [Impatient]}
    verdict = no_command_crosses(domains)(an_evening(Impatient, Chef, Cook))
    assert [breach.order for breach in verdict.breaches] == ["o-1", "o-2"]
    assert "Impatient of Hall tells Cook of Kitchen: Cook.cook" in str(verdict)
    assert "Impatient → Cook: cook   <-- here: a command from Hall into Kitchen" in str(verdict)


def test_a_command_that_reaches_nobody_is_a_breach_as_well():
    domains = {"Kitchen": [Chef, Cook], "Hall": [Impatient]}

    async def run():
        async with Lab(Impatient, Cook, simulate=1) as lab:
            await lab.sleep(Cook)
            await lab.call(Impatient.ask, order_id="o-1")
            await lab.quiet(at_most_seconds=0.5)
        return lab

    assert not no_command_crosses(domains)(asyncio.run(run()))


def test_it_can_be_explored_like_any_other():
    async def day(seed):
        return await evening(Impatient, Chef, Cook, seed=seed)

    domains = {"Kitchen": [Chef, Cook], "Hall": [Impatient]}
    assert asyncio.run(explore(day, no_command_crosses(domains), seeds=range(3))).failing == [
        0,
        1,
        2,
    ]


# The blast radius


def test_a_change_touches_what_is_replaced_or_gone_and_a_newcomer_is_not_touched():
    class Guest(Service):
        pass

    def new(name, *bases):
        return type(name, bases, {})

    before, after = [Waiter, Chef, Cook], [Guest, new("Chef", Chef), Waiter]
    found = blast_radius(before, after, KITCHEN)
    assert found.touched == {"Kitchen": ["Chef", "Cook"]}
    assert (found.services, found.added) == (["Chef", "Cook"], ["Guest"])
    assert str(found) == "2 services in 1 domain touched: Chef, Cook (of Kitchen); new: Guest"


def test_an_instance_of_the_same_class_is_no_change():
    found = blast_radius([Waiter, Chef], [Waiter(), Chef()], KITCHEN)
    assert str(found) == "0 services in 0 domains touched"


# What is no border

KNOWN = ["Chef", "Cook", "Waiter"]


@pytest.mark.parametrize(
    ("domains", "words"),
    [
        ({}, "Domains name their services"),
        ([Chef], "Domains name their services"),
        (None, "Domains name their services; this is None"),
        ({"Kitchen": "Chef"}, "Kitchen needs a list of services; it has 'Chef'"),
        ({"Kitchen": Chef}, "Kitchen needs a list of services"),
        ({"Kitchen": [Asked]}, "Kitchen: <class"),
        ({"Kitchen": [7]}, "Kitchen: 7 is no service"),
        ({"Kitchen": [Chef], "Hall": [Chef]}, "Chef stands in two domains, Kitchen and Hall"),
        ({"Kitchen": ["Chief", Cook]}, "Chef takes part, and stands in no domain (did you mean"),
    ],
)
def test_what_is_no_domain_is_told_and_how_to_mend_it(domains, words):
    with pytest.raises(LabError) as found:
        Borders(domains, KNOWN)
    assert words in str(found.value)
    assert "\n" in str(found.value)  # what was wrong, and what to do


def test_a_service_named_twice_in_one_domain_is_there_once():
    borders = Borders({"Kitchen": [Chef, "Chef"]}, KNOWN)
    assert [borders.of(name) for name in (*KNOWN, "you")] == ["Kitchen", "Cook", "Waiter", None]


def test_wrong_domains_are_told_when_the_property_is_made():
    with pytest.raises(LabError, match="two domains"):
        no_command_crosses({"a": [Chef], "b": [Chef]})


def test_a_border_reads_a_run_and_nothing_else():
    with pytest.raises(LabError, match="border reads a run, and was given int"):
        border(7, KITCHEN)
