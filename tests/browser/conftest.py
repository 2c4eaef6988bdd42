"""One JupyterLab for all tests here, and one browser without a window."""

from collections.abc import Iterator

import pytest

from tests.browser.server import Server, free_port, labkit_lab

FLAGS = [
    "--no-sandbox",  # a container's root has no sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with labkit_lab(tmp_path_factory.mktemp("jupyter"), free_port()) as running:
        yield running


# Of a module, not of the session: while Playwright runs, no other test here can run an event loop.
@pytest.fixture(scope="module")
def browser(program) -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program("chromium"), args=FLAGS)
        yield chromium
        chromium.close()
