"""A guard: runs a program, and ends it when whoever holds the guard's stdin says so or is gone.

A child process outlives a parent that is killed (a kernel that is restarted, for instance). A pipe
does not: its end is closed by the system, on every system. This file is run, never imported:

    python guard.py <folder> <program> <argument>…

One byte on stdin: end the program, keep the folder. End of file: end it and remove the folder.
"""

import os
import shutil
import subprocess
import sys
import threading

PATIENCE_SECONDS = 3


def main(folder: str, *command: str) -> int:
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    orphaned = threading.Event()
    threading.Thread(target=end, args=(program, orphaned), daemon=True).start()
    code = program.wait()
    if orphaned.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    return code


def end(program: "subprocess.Popen[bytes]", orphaned: threading.Event) -> None:
    # Not sys.stdin: a thread that waits in it makes Python abort when the program ends by itself.
    if not os.read(0, 1):
        orphaned.set()
    program.terminate()
    try:
        program.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
