"""The summary is one page, also on paper."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs("chromium")
ROOT = Path(__file__).parent.parent.parent


def test_the_summary_prints_on_one_page(browser, tmp_path):
    from nbconvert import HTMLExporter

    text, _ = HTMLExporter().from_filename(str(ROOT / "lessons" / "summary.ipynb"))
    html, pdf = tmp_path / "summary.html", tmp_path / "summary.pdf"
    html.write_text(text, encoding="utf-8")
    page = browser.new_page()
    page.goto(html.as_uri(), wait_until="domcontentloaded")
    margin = dict.fromkeys(("top", "bottom", "left", "right"), "15mm")
    page.pdf(path=pdf, format="A4", margin=margin)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes())) == 1
    page.close()
