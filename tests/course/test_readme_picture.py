"""The README's picture is that of two runs."""

import asyncio

from tools.draw_readme import TARGET, picture


def test_the_picture_in_the_readme_shows_what_two_runs_show_now():
    drawn = TARGET.read_text(encoding="utf-8")
    assert drawn == asyncio.run(picture()), "build it anew: python tools/draw_readme.py"
