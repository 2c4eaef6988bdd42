"""What `labkit doctor` looks at: each part of this machine that a lesson stands on."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "orchestration-or-choreography"
OLDEST_PYTHON = (3, 11)
ROUND_TRIP_SECONDS = 15
PYTHON = Path(sys.executable).name
INSTALL = f"{PYTHON} -m pip install"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, and, where it is wrong, how to mend it."""

    what: str
    mend: str = ""
    needed: bool = True

    @property
    def wrong(self) -> bool:
        return bool(self.mend)

    def __str__(self) -> str:
        if self.wrong:
            return f"!!  wrong: {self.what}.\n    To mend it: {self.mend}"
        return f"{'ok' if self.needed else '--'}  {self.what}"


def examine() -> Iterator[Finding]:
    """All findings, one after the other, as they are found."""
    yield python()
    yield from packages()
    yield from old_name()
    yield round_trip()
    yield mosquitto()
    yield sound()
    yield jupyterlab()
    yield kernel()
    yield course()


def python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return Finding(f"Python {found}", "install Python 3.11 or newer, make a new environment")
    return Finding(f"Python {found}")


def packages() -> Iterator[Finding]:
    """Each package that labkit requires, at the version that it requires."""
    from packaging.requirements import Requirement

    try:
        requires = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        mend = f"{INSTALL} -e . (in your copy of the course)"
        yield Finding("labkit is not installed for this Python", mend)
        return
    for requirement in map(Requirement, requires):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield package(requirement.name, str(requirement.specifier))


def package(name: str, wanted: str) -> Finding:
    from packaging.specifiers import SpecifierSet

    mend = f'{INSTALL} "{name}{wanted}"'
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(f"{name} is not installed, the course needs {wanted}", mend)
    if not SpecifierSet(wanted).contains(found, prereleases=True):
        return Finding(f"{name} is {found}, the course needs {wanted}", mend)
    return Finding(f"{name} {found}")


def old_name() -> Iterator[Finding]:
    try:
        found = metadata.version("asyncio-mqtt")
    except metadata.PackageNotFoundError:
        return
    yield Finding(
        f"asyncio-mqtt {found} is installed: aiomqtt's former name, which fails with paho-mqtt 2",
        f"{PYTHON} -m pip uninstall asyncio-mqtt, and import aiomqtt",
    )


def round_trip() -> Finding:
    """A command and its reply, over a real broker."""
    try:
        milliseconds = asyncio.run(asyncio.wait_for(echo(), ROUND_TRIP_SECONDS))
    except TimeoutError:
        what = f"the lab's broker: a command got no reply in {ROUND_TRIP_SECONDS} s"
        return Finding(what, "let Python use 127.0.0.1 (a firewall may forbid it)")
    except Exception as error:  # whatever it is, the other lines are worth reading
        first, *rest = str(error).splitlines() or [type(error).__name__]
        return Finding(f"the lab's broker: {first}", " ".join(rest) or "see the other lines")
    return Finding(f"the lab's broker: a command and its reply took {milliseconds:.1f} ms")


async def echo() -> float:
    from labkit import Lab, Service, command

    class Echo(Service):
        @command
        async def say(self, word: str) -> str:
            return word

    async with Lab(Echo, broker="embedded") as lab:
        start = time.perf_counter()
        await lab.call(Echo.say, word="one, two")
        return (time.perf_counter() - start) * 1000


def mosquitto() -> Finding:
    # Debian keeps daemons where a plain user's PATH does not look.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which("mosquitto", path=path)
    return Finding(f"Mosquitto: {found or 'not installed, and not needed'}", needed=bool(found))


def sound() -> Finding:
    try:
        found = f"NumPy {metadata.version('numpy')}"
    except metadata.PackageNotFoundError:
        found = f'NumPy is not installed; to hear recordings: {INSTALL} "{DISTRIBUTION}[sound]"'
    return Finding(f"sound: {found}", needed=" is not " not in found)


def jupyterlab() -> Finding:
    mend = f"{INSTALL} --force-reinstall jupyterlab"
    try:
        from jupyterlab.commands import get_app_dir
    except ImportError as error:
        return Finding(f"JupyterLab cannot be imported ({error})", mend)
    if not Path(get_app_dir(), "static", "index.html").exists():
        return Finding(f"JupyterLab's pages are missing from {get_app_dir()}", mend)
    return Finding("JupyterLab and its pages")


def kernel() -> Finding:
    """A python3 kernel of another Python would not find labkit."""
    mend = f"{PYTHON} -m ipykernel install --sys-prefix"
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError as error:
        return Finding(f"no kernel can be started ({error})", f"{INSTALL} ipykernel")
    try:
        program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Finding("there is no kernel python3", mend)
    # A bare "python" is replaced by Jupyter itself with the Python it runs in.
    if Path(program).name != program and not beside(program, sys.executable):
        return Finding(f"kernel python3 starts {program}, where labkit may be missing", mend)
    return Finding("kernel python3")


def beside(program: str, other: str) -> bool:
    """Of one environment: it keeps the same Python under several names in one folder."""
    here, there = Path(program).parent, Path(other).parent
    return here.exists() and here.samefile(there)


def course() -> Finding:
    from labkit.cli import find_course

    if (root := find_course()) is None:
        what = f"no folder lessons/ with notebooks in {Path.cwd()} or above it"
        return Finding(what, "`cd` into your copy of the course")
    notebooks = sorted(root.glob("lessons/*.ipynb"))
    for path in notebooks:
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            return Finding(f"{path} is damaged", f"git checkout -- lessons/{path.name}")
    lessons = "1 lesson" if len(notebooks) == 1 else f"{len(notebooks)} lessons"
    return Finding(f"{lessons} in {root / 'lessons'}")
