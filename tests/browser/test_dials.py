"""The dials of lesson 11 in a browser: a key turns one, and the picture beside it is made anew."""

from __future__ import annotations

import pytest

from tests.browser.test_first_minute import RUN_MILLISECONDS, lesson_in

pytestmark = pytest.mark.needs("chromium")

LESSON = "11-same-song-two-bands"
NEEDED = ["the-bands", "the-plan", "by-seconds", "the-dials"]
# Selects these cells one after the other, and runs each.
RUN_SOME = """async (ids) => {
    const { content, sessionContext } = window.jupyterapp.shell.currentWidget;
    for (const id of ids) {
        content.activeCellIndex = content.widgets.findIndex(cell => cell.model.id === id);
        content.deselectAll();
        await window.jupyterapp.commands.execute('notebook:run-cell');
    }
}"""


def test_a_key_turns_a_dial_and_the_picture_is_another(browser, server, tmp_path):
    with lesson_in(browser, server, LESSON, tmp_path) as lesson:
        page = lesson.page
        page.evaluate(RUN_SOME, ["good-day", *NEEDED])
        board = page.locator(".jp-OutputArea-output .widget-vbox").first
        board.wait_for(timeout=RUN_MILLISECONDS)
        picture = board.locator("img")
        before = picture.get_attribute("alt")
        slider = board.locator(".noUi-handle").first
        assert slider.get_attribute("aria-valuenow") == "0.2"
        slider.focus()
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        page.wait_for_function(
            "([image, before]) => image.alt !== before || !image.isConnected",
            arg=[picture.element_handle(), before],
            timeout=RUN_MILLISECONDS,
        )
        picture.scroll_into_view_if_needed()
        lesson.shoot("dials")
        assert "rejected" in (picture.get_attribute("alt") or "")
        assert board.locator(".widget-label", has_text="played").count() == 1
        assert lesson.errors == []
