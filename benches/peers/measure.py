"""What a command costs: wall time, CPU time of all its processes, the most memory they had together."""

import ctypes
import os
import pathlib
import subprocess
import threading
import time
from collections import defaultdict
from dataclasses import dataclass

PR_SET_CHILD_SUBREAPER = 36
SAMPLE_SECONDS = 0.02


class Failed(Exception):
    """A command that did not do its job."""


@dataclass
class Cost:
    wall_s: float
    cpu_s: float


def become_subreaper():
    """Processes that lose their parent become this one's children: none of a command's is missed."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def run(command, environment=None):
    """Runs `command` to its end, and that of all it has started. Its output counts only if it fails."""
    others = set(children()[os.getpid()])
    before = os.times()
    start = time.monotonic()
    finished = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    wall = time.monotonic() - start
    wait_for_orphans(others)
    after = os.times()
    if finished.returncode != 0:
        told = finished.stdout.decode(errors="replace").strip()[-2000:]
        raise Failed(f"{told}\n{command[0]} ended with {finished.returncode}".strip())
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(wall, cpu)


def wait_for_orphans(others):
    """For all that became children of this process, but for those that it had before."""
    while orphans := set(children()[os.getpid()]) - others:
        os.waitpid(orphans.pop(), 0)


def peak_memory(command, environment=None):
    """The most bytes that all processes of `command` had at a time; what they share counts once.

    To be measured in a run of its own: looking takes time from the processes that are looked at.
    """
    peak = 0
    over = threading.Event()

    def look():
        nonlocal peak
        while not over.wait(SAMPLE_SECONDS):
            peak = max(peak, sum(map(proportional_bytes, descendants(os.getpid()))))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        run(command, environment)
    finally:
        over.set()
        looking.join()
    return peak


def children():
    """The children of each process."""
    found = defaultdict(list)
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            found[int(parent)].append(int(entry.name))
    return found


def descendants(ancestor):
    """The processes below `ancestor`."""
    below = children()
    found = list(below[ancestor])
    for process in found:
        found += below[process]
    return found


def proportional_bytes(process):
    """Memory of a process, where a page that n processes share counts as 1/n."""
    try:
        with open(f"/proc/{process}/smaps_rollup") as rollup:
            kilobytes = next((line.split()[1] for line in rollup if line.startswith("Pss:")), 0)
    except OSError:
        return 0
    return int(kilobytes) * 1024
