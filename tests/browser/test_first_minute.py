"""A learner's first minute: a lesson opens, shows its pictures, runs, and asks for no network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.server import ROOT, Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

pytestmark = pytest.mark.needs("chromium")

LESSONS = sorted(path.stem for path in ROOT.glob("lessons/*.ipynb"))
FIRST = "00-sound-check"
WITHOUT_PICTURES = {"15-the-festival", "glossary", "index", "summary"}
SMALLEST_PIXELS = 100
OPEN_MILLISECONDS = 60_000
RUN_MILLISECONDS = 120_000

# The toolbar's indicator says "idle" before there is a session; this waits for the kernel itself.
KERNEL_IS_IDLE = """async (milliseconds) => {
    const panel = window.jupyterapp.shell.currentWidget;
    await panel.context.ready;
    await panel.sessionContext.ready;
    for (let waited = 0; waited < milliseconds; waited += 50) {
        const kernel = panel.sessionContext.session?.kernel;
        if (kernel?.connectionStatus === 'connected' && kernel.status === 'idle') return;
        await new Promise(resolve => setTimeout(resolve, 50));
    }
    throw new Error('the kernel did not become idle');
}"""
RUN_ALL = """async (milliseconds) => {
    const commands = window.jupyterapp.commands;
    await commands.execute('notebook:clear-all-cell-outputs');
    const late = new Promise((_, reject) =>
        setTimeout(() => reject(new Error('the cells did not end')), milliseconds));
    await Promise.race([commands.execute('notebook:run-all-cells'), late]);
}"""
NOTEBOOK = "() => window.jupyterapp.shell.currentWidget.context.model.toJSON()"
TRUSTED = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
    .filter(cell => cell.type === 'code').some(cell => cell.trusted)"""
PICTURES = """() => Promise.all([...document.querySelectorAll('.jp-OutputArea-output img')]
    .map(async image => { await image.decode(); return [image.alt, image.naturalWidth]; }))"""


@dataclass
class Opened:
    """A lesson in the browser, and what went wrong in the page meanwhile."""

    name: str
    page: Page
    shots: Path
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return ROOT / "lessons" / f"{self.name}.ipynb"

    def run_all(self) -> None:
        self.page.evaluate(RUN_ALL, RUN_MILLISECONDS)
        self.page.evaluate(KERNEL_IS_IDLE, RUN_MILLISECONDS)

    def code_cells(self) -> list[dict]:
        return [c for c in self.page.evaluate(NOTEBOOK)["cells"] if c["cell_type"] == "code"]

    def pictures(self) -> list[tuple[str, int]]:
        return [(alt, width) for alt, width in self.page.evaluate(PICTURES)]

    def stored_pictures(self) -> int:
        cells = json.loads(self.path.read_text(encoding="utf-8"))["cells"]
        return json.dumps([cell.get("outputs") for cell in cells]).count("<img ")

    def shoot(self, name: str) -> None:
        path = self.shots / f"{self.name}-{name}.png"
        self.page.screenshot(path=path)
        print(f"screenshot: {path}")


@contextmanager
def lesson_in(browser: Browser, server: Server, name: str, shots: Path) -> Iterator[Opened]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, locale="en-GB")
    opened = Opened(name, context.new_page(), shots)
    ours = (server.url, server.url.replace("http", "ws"), "data:", "blob:")

    def note_request(request: Request) -> None:
        if not request.url.startswith(ours):
            opened.foreign.append(request.url)

    opened.page.on("request", note_request)
    opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
    address = f"{server.url}/lab/tree/lessons/{name}.ipynb?token={server.token}&reset"
    opened.page.goto(address, wait_until="domcontentloaded")
    here = "() => window.jupyterapp?.shell?.currentWidget?.sessionContext"
    opened.page.wait_for_function(here, timeout=OPEN_MILLISECONDS)
    opened.page.evaluate(KERNEL_IS_IDLE, OPEN_MILLISECONDS)
    opened.page.locator("#jupyterlab-splash").wait_for(state="detached")
    yield opened
    opened.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    context.close()


# Opening takes seconds: the tests of one lesson share it, first as it was found, then run.
@pytest.fixture(scope="module", params=LESSONS)
def lesson(request, browser, server, tmp_path_factory) -> Iterator[Opened]:
    with lesson_in(browser, server, request.param, tmp_path_factory.mktemp("shots")) as opened:
        yield opened


def are_told_and_seen(pictures: list[tuple[str, int]]) -> bool:
    return all(alt.strip() and width > SMALLEST_PIXELS for alt, width in pictures)


def unexpected_errors(cells: list[dict]) -> list[str]:
    return [
        f"{cell['id']}: {output['ename']}: {output['evalue']}"
        for cell in cells
        for output in cell["outputs"]
        if output["output_type"] == "error"
        and "raises-exception" not in cell["metadata"].get("tags", [])
    ]


def test_a_lesson_opens_with_a_kernel_and_without_a_question(lesson):
    assert lesson.page.locator(".jp-Dialog").count() == 0
    assert lesson.page.locator(".Toastify__toast").count() == 0


def test_a_fresh_untrusted_lesson_shows_its_pictures_and_tells_them(lesson):
    assert not lesson.page.evaluate(TRUSTED)
    pictures = lesson.pictures()
    assert len(pictures) == lesson.stored_pictures()
    assert (pictures == []) == (lesson.name in WITHOUT_PICTURES)
    assert are_told_and_seen(pictures)


def test_a_lesson_runs_from_top_to_bottom_and_is_not_written_to(lesson):
    before = lesson.path.read_bytes()
    lesson.run_all()
    lesson.shoot("run")
    cells = lesson.code_cells()
    assert [cell["id"] for cell in cells if cell["execution_count"] is None] == []
    assert unexpected_errors(cells) == []
    assert len(lesson.pictures()) == lesson.stored_pictures()
    assert are_told_and_seen(lesson.pictures())
    assert lesson.path.read_bytes() == before


def test_a_lesson_asks_for_no_network_and_leaves_no_error_in_the_page(lesson):
    assert (lesson.foreign, lesson.errors) == ([], [])


def test_the_first_lesson_runs_in_the_dark_theme(browser, server, tmp_path):
    change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
    with lesson_in(browser, server, FIRST, tmp_path) as lesson:
        lesson.page.evaluate(change, "JupyterLab Dark")
        lesson.page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
        lesson.run_all()
        lesson.page.locator(".jp-OutputArea-output img").first.scroll_into_view_if_needed()
        lesson.shoot("dark")
        assert unexpected_errors(lesson.code_cells()) == []
        assert are_told_and_seen(lesson.pictures())
