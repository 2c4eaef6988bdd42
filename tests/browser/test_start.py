"""`labkit lab` in earnest: it says where it answers, keeps its port, and ends with Ctrl-C."""

import os
import subprocess
import sys

import pytest

from tests.browser.server import ROOT, free_port, labkit_lab


@pytest.mark.skipif(os.name == "nt", reason="a process cannot be sent a Ctrl-C of its own there")
def test_a_lab_says_where_it_is_and_ends_cleanly_with_ctrl_c(tmp_path):
    port = free_port()
    with labkit_lab(tmp_path, port) as server:
        assert f"{port}/lab/tree/lessons/index.ipynb?token=" in server.said()
        assert server.interrupt() == 0
        assert "Traceback" not in server.said()


def test_a_second_lab_on_the_same_port_is_refused_in_words(server):
    port = server.url.rpartition(":")[2]
    command = [sys.executable, "-m", "labkit", "lab", "--no-browser", "--port", port]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert second.stderr.startswith(f"Error: Port {port} is already in use by another program.")
