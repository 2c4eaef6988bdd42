"""The thread through all lessons: where one is, what one takes along, and no dead ends."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
COURSE = ROOT / "course"
LESSONS = sorted(COURSE.glob("[0-9][0-9]-*.md"))
TEXTS = [*sorted(COURSE.glob("*.md")), *sorted(COURSE.glob("exercises/*.md"))]
LINK = re.compile(r"\]\(([^)\s#]+\.(?:ipynb|md))\)")
WHERE = re.compile(
    r"^\*(?:(?:Core path|Deep path|Leaving the lab), .+|Capstone) · "
    r"(\d+(?= minutes)|an afternoon).* · "
    r"\[all lessons\]\(index\.ipynb\) · \[glossary\]\(glossary\.ipynb\)\*$",
    re.MULTILINE,
)
ROW = re.compile(
    r"^\| \[(.+?)\]\((.+?)\.ipynb\) \| (\d+|an afternoon) \| .+ \| (.+) \|$", re.MULTILINE
)
TERM = re.compile(r"^\| (.+?) \| .+ \| \[\d\d\]\((.+?)\.ipynb\) \|$", re.MULTILINE)

named = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def index() -> dict[str, tuple[str, str]]:
    """The minutes and the exercise of each lesson, as the index tells them."""
    return {row[1]: (row[2], row[3]) for row in ROW.findall(text(COURSE / "index.md"))}


def test_the_index_lists_each_lesson_once():
    paths = [row[1] for row in ROW.findall(text(COURSE / "index.md"))]
    assert sorted(paths) == [path.stem for path in LESSONS]


@named
def test_a_lesson_opens_with_where_one_is_and_tells_its_time_as_the_index_does(lesson):
    [minutes] = WHERE.findall(text(lesson))
    assert minutes == index()[lesson.stem][0]


# The capstone is a brief: what one takes along from it, nobody can say before.
@pytest.mark.parametrize("lesson", LESSONS[:-1], ids=lambda path: path.stem)
def test_a_lesson_closes_with_what_to_take_along(lesson):
    last = re.findall(r"(?m)^## (.+)$", text(lesson))[-1]
    assert last == "What you know now"


@named
def test_the_exercise_of_a_lesson_is_linked_and_has_as_many_tasks_as_is_said(lesson):
    exercise = COURSE / "exercises" / lesson.name
    words = {1: "one task", 2: "two tasks", 3: "three tasks", 4: "four tasks", 5: "five tasks"}
    many = len(re.findall(r'(?m)^check\("', text(exercise)))
    expected = f"[{words[many]}](../exercises/{lesson.stem}.ipynb)"
    assert index()[lesson.stem][1] == expected


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_each_link_leads_somewhere(path):
    folder = ROOT / ("exercises" if path.parent.name == "exercises" else "lessons")
    links = LINK.findall(text(path))
    assert [link for link in links if not (folder / link).resolve().exists()] == []


def test_each_term_of_the_glossary_stands_in_the_lesson_that_it_names():
    terms = TERM.findall(text(COURSE / "glossary.md"))
    assert len(terms) > 30
    absent = [
        (term, lesson)
        for term, lesson in terms
        if term.split("(")[0].strip().lower() not in text(COURSE / f"{lesson}.md").lower()
    ]
    assert absent == []
    assert [term for term, _ in terms] == sorted((term for term, _ in terms), key=str.lower)
