"""What lesson 14 tells of the brokers is what the brokers were found to do."""

from pathlib import Path

import pytest

from labkit.teaching.exercises.leaving_the_lab import ROOMS, TABLE, serve
from tests.brokers.test_engines import AS_THE_PROTOCOL_SAYS, DIFFERENCES

LESSON = Path(__file__).parent.parent.parent / "course" / "14-leaving-the-lab.md"
FOUND = {room: AS_THE_PROTOCOL_SAYS | other for room, other in DIFFERENCES.items()}


def told() -> dict[str, dict[str, str]]:
    """The lesson's table, by room and probe."""
    lines = LESSON.read_text(encoding="utf-8").splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("| probe |"))
    head, _, *rows = (cells(line) for line in lines[start : lines.index("", start)])
    rooms = [name.split()[0].lower() for name in head[1:]]
    return {room: {row[0]: row[at] for row in rows} for at, room in enumerate(rooms, 1)}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_lesson_tells_of_every_broker_what_its_probes_find():
    assert told() == FOUND


@pytest.mark.parametrize("room", ROOMS)
def test_the_exercise_judges_by_the_same_table(room):
    at = ROOMS.index(room)
    assert {probe: answers[at] for probe, answers in TABLE.items()} == FOUND[room]


def test_a_room_serves_where_it_does_what_the_protocol_says():
    assert serve("the till") == {
        room
        for room, found in FOUND.items()
        if found["crash with a message in hand"] == "comes again"
    }
