"""Ops in one thread on pixels in memory, mpix and OpenCV in turns: CPU time."""

import contextlib
import hashlib
import os
import pathlib
import statistics
import subprocess
import time

import cv2
import numpy as np

KERNEL = np.array([[-1, -1, -1], [-1, 9, -1], [-1, -1, -1]])


def gray(image, out):
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def red(image, out):
    only = np.empty_like(image) if out is None else out
    only.fill(0)
    cv2.mixChannels([image], [only], [2, 2])
    return only


def laplacian(image, out):
    return cv2.convertScaleAbs(cv2.Laplacian(gray(image, None), cv2.CV_16S, ksize=1))


def wrapped_laplacian(image, out):
    """As the reference system has it: what does not fit 8 bits is cut off by the conversion."""
    return np.abs(cv2.Laplacian(gray(image, None), cv2.CV_64F)).astype(np.uint8)


def gamma_table(value):
    return np.array([int(255 * (i / 255) ** (1 / value) + 0.5) for i in range(256)], np.uint8)


GAMMA = gamma_table(2.2)
# As users write them; `out` is the result of the turn before, where an op can use its memory again.
OPS = {
    "invert": cv2.bitwise_not,
    "gray": lambda image, out: cv2.cvtColor(image, cv2.COLOR_BGR2GRAY, dst=out),
    "brightness-contrast:alpha=1.5,beta=20": lambda image, out: cv2.convertScaleAbs(
        image, dst=out, alpha=1.5, beta=20
    ),
    "red": red,
    "hsv": lambda image, out: cv2.cvtColor(image, cv2.COLOR_BGR2HSV, dst=out),
    "gamma:value=2.2": lambda image, out: cv2.LUT(image, GAMMA, dst=out),
    "heatmap": lambda image, out: cv2.applyColorMap(gray(image, None), cv2.COLORMAP_JET, dst=out),
    "canny:low=100,high=200": lambda image, out: cv2.Canny(gray(image, None), 100, 200),
    "sharpen": lambda image, out: cv2.filter2D(cv2.GaussianBlur(image, (5, 5), 0), -1, KERNEL, dst=out),
    "blur:ksize=5": lambda image, out: cv2.GaussianBlur(image, (5, 5), 0, dst=out),
    "blur:ksize=31": lambda image, out: cv2.GaussianBlur(image, (31, 31), 0, dst=out),
    "laplacian": laplacian,
    "laplacian:overflow=wrap": wrapped_laplacian,
}


# Whether the system has huge pages for pixels decides more than the ops do, and it has not always: all is
# measured in so many processes, each with new memory.
PLACEMENTS = 3


def rgb_hash(image):
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return hashlib.sha256(image).hexdigest()


def measure(program, photograph, root, turns):
    """A row for each op: milliseconds of mpix and of OpenCV, and whether the pixels are the same."""
    cv2.setNumThreads(1)
    image = cv2.imread(str(photograph), cv2.IMREAD_COLOR)
    height, width, _ = image.shape
    raw = root / "photograph.rgb"
    cv2.cvtColor(image, cv2.COLOR_BGR2RGB).tofile(raw)
    words = [str(program), str(raw), str(width), str(height)]
    # numpy asks for huge pages; so does the C library's malloc, told to.
    environment = {**os.environ, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    rows = [{"op": op, "same": True, "mpix_ms": [], "opencv_ms": []} for op in OPS]
    for _ in range(PLACEMENTS):
        make_huge_pages()
        image = image.copy()
        with subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as mpix:
            for row in rows:
                add_turns(row, mpix, image, turns)
            mpix.stdin.close()
    for row in rows:
        row["ratio"] = statistics.median(row["opencv_ms"]) / statistics.median(row["mpix_ms"])
    return rows


def make_huge_pages():
    """Has the system gather free memory, where that is allowed."""
    with contextlib.suppress(PermissionError):
        pathlib.Path("/proc/sys/vm/compact_memory").write_text("1")


def add_turns(row, mpix, image, turns):
    op, out = row["op"], None
    # The first turn touches memory for the first time.
    for turn in range(turns + 1):
        print(op, file=mpix.stdin, flush=True)
        milliseconds, mpix_hash = mpix.stdout.readline().split()
        start = time.thread_time()
        out = OPS[op](image, out)
        opencv_ms = (time.thread_time() - start) * 1e3
        if turn == 0:
            row["same"] &= mpix_hash == rgb_hash(out)
        else:
            row["mpix_ms"].append(float(milliseconds))
            row["opencv_ms"].append(opencv_ms)
