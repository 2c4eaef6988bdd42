"""Kernels that talk over files: the tests run many at a time, which take each other's ports.

Jupyter chooses five ports for a kernel some time before the kernel opens them; with twelve at a
time two of 700 kernels died of "Address already in use". As a pytest plugin, `-p tests.over_files`.
"""

import os
import tempfile
from typing import Any
from uuid import uuid4

from jupyter_client.manager import KernelManager

over_ports = KernelManager.__init__
folder = tempfile.TemporaryDirectory(prefix="kernels-")  # a short path: a socket's has 107 letters


def over_files(manager: KernelManager, *arguments: Any, **settings: Any) -> None:
    over_ports(manager, *arguments, **settings)
    manager.transport, manager.ip = "ipc", f"{folder.name}/{uuid4().hex}"


if os.name == "posix":  # Windows has no such files
    KernelManager.__init__ = over_files  # type: ignore[method-assign]
