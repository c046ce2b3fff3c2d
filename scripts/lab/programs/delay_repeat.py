"""Run commands again and again, or several together; prints "done" and stays alive and quiet.

    delay_repeat.py TIMES PERIOD COMMAND...          TIMES runs, each PERIOD seconds after the last one began
    delay_repeat.py --sent LOG TIMES PERIOD COMMAND...  the same; what the command prints is the port it called from
    delay_repeat.py together COMMAND... + COMMAND...    all at once, each until it prints "done"; none is ended

A command may fail: it is the connection that counts.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import TextIO


def repeat(times: int, period: float, command: list[str], log: TextIO | None = None) -> None:
    next_ = time.monotonic()
    for _ in range(times):
        time.sleep(max(0.0, next_ - time.monotonic()))
        next_ += period
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if log:
            log.write(f"{time.time():.6f} {done.stdout.strip()}\n")
            log.flush()


def together(words: list[str]) -> None:
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "+":
            commands.append([])
        else:
            commands[-1].append(word)
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    for process in running:
        assert process.stdout is not None
        if not process.stdout.readline().startswith("done"):
            sys.exit(f"{process.args!r} ended before it was done")


def main() -> None:
    if sys.argv[1] == "together":
        together(sys.argv[2:])
    elif sys.argv[1] == "--sent":
        with open(sys.argv[2], "w") as log:
            repeat(int(sys.argv[3]), float(sys.argv[4]), sys.argv[5:], log)
    else:
        repeat(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
    print("done", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
