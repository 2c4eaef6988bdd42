"""A JupyterLab of its own, started as a learner starts it."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 60
STOP_SECONDS = 20
SETTINGS = {
    # All cells are in the page, not only those in sight; and nothing is written into lessons/.
    "notebook-extension/tracker": {"windowingMode": "none"},
    "docmanager-extension/plugin": {"autosave": False},
}


@dataclass(frozen=True)
class Server:
    """A running `labkit lab`."""

    url: str
    token: str
    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def interrupt(self) -> int:
        """Press Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.said()
        try:
            with urllib.request.urlopen(f"{self.url}/api/status?token={self.token}", timeout=1):
                return True
        except OSError:
            return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def alone(home: Path, token: str) -> dict[str, str]:
    """An environment in which no setting of the developer's own JupyterLab is seen or changed."""
    folders = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "IPYTHONDIR": home / "ipython",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
    }
    expose = {"LabApp": {"expose_app_in_browser": True}}  # gives the tests window.jupyterapp
    write(folders["JUPYTER_CONFIG_DIR"] / "jupyter_lab_config.json", expose)
    for plugin, values in SETTINGS.items():
        name = f"@jupyterlab/{plugin}.jupyterlab-settings"
        write(folders["JUPYTERLAB_SETTINGS_DIR"] / name, values)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LABKIT_")}
    return {**kept, **{name: str(path) for name, path in folders.items()}, "JUPYTER_TOKEN": token}


def write(path: Path, values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8")


def hears_ctrl_c() -> None:
    """A shell starts its background jobs deaf to Ctrl-C, and their children with them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def labkit_lab(home: Path, port: int) -> Iterator[Server]:
    token, log = secrets.token_hex(16), home / "lab.log"
    command = [sys.executable, "-m", "labkit", "lab", "--no-browser", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=alone(home, token),
            stdout=out,
            stderr=subprocess.STDOUT,
            preexec_fn=hears_ctrl_c if os.name == "posix" else None,
        )
    server = Server(f"http://127.0.0.1:{port}", token, process, log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not server.answers():
            assert time.monotonic() < deadline, server.said()
            time.sleep(0.1)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(STOP_SECONDS)
