"""What was measured, and where."""

import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess


def first_line(*command):
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "none"
    return (told.stdout + told.stderr).strip().split("\n")[0]


def number(text):
    """A version in what a program says of itself."""
    found = re.search(r"\d+(\.\d+)+(-\d+)?|\d{8}", text)
    return found.group() if found else text


def commit():
    head = first_line("git", "rev-parse", "--short", "HEAD")
    return head + (" with changes" if first_line("git", "status", "--porcelain", "-uno") else "")


def facts(mpix):
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal: *(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1))
    version = importlib.metadata.version
    return {
        "commit": commit(),
        "date": first_line("date", "-u", "+%Y-%m-%d"),
        "processor": processor.group(1) if processor else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / (1 << 20), 1),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
        "versions": {
            "mpix": number(first_line(mpix, "--version")),
            "Open MPI": number(first_line("mpirun", "--version")),
            "Python": platform.python_version(),
            "OpenCV": version("opencv-python-headless"),
            "mpi4py": version("mpi4py"),
            "libvips of pyvips": version("pyvips-binary"),
            "vips": number(first_line("vips", "--version")),
            "GNU parallel": number(first_line("parallel", "--version")),
            "ImageMagick": number(first_line("convert", "--version")),
            "GraphicsMagick": number(first_line("gm", "version")),
        },
    }


def is_in_memory(directory):
    return first_line("stat", "-f", "-c", "%T", directory) == "tmpfs"
