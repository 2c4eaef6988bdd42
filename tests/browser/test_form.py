"""The guide's form in a browser: keys answer a question, and the scales below it move."""

from __future__ import annotations

import pytest

from labkit.guide import QUESTIONS
from tests.browser.test_dials import RUN_SOME
from tests.browser.test_first_minute import RUN_MILLISECONDS, lesson_in

pytestmark = pytest.mark.needs("chromium")

LESSON = "13-choosing"
SCALES = ".jp-OutputArea-output .widget-vbox img"
OTHER_THAN = f"before => document.querySelector('{SCALES}').alt !== before"


def test_keys_answer_a_question_and_the_scales_move(browser, server, tmp_path):
    with lesson_in(browser, server, LESSON, tmp_path) as lesson:
        page = lesson.page
        page.evaluate(RUN_SOME, ["the-form"])
        form = page.locator(".jp-OutputArea-output .widget-vbox").first
        form.wait_for(timeout=RUN_MILLISECONDS)
        for question in QUESTIONS:
            assert form.get_by_text(question.words).is_visible()
        scales = form.locator("img")
        before = scales.get_attribute("alt")
        assert "Nothing lies on the scales" in before
        form.get_by_role("button", name="not answered").first.focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.wait_for_function(OTHER_THAN, arg=before, timeout=RUN_MILLISECONDS)
        answered = scales.get_attribute("alt")
        assert "domains, one: orchestration 3" in answered
        form.locator("input[type=number]").first.focus()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Tab")
        page.wait_for_function(OTHER_THAN, arg=answered, timeout=RUN_MILLISECONDS)
        assert "domains, one: orchestration 4.5" in scales.get_attribute("alt")
        scales.scroll_into_view_if_needed()
        lesson.shoot("form")
        assert lesson.errors == []
