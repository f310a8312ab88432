"""Does with other libraries what mpix does: peers.py WAY OP IN OUT FORMAT

IN is a directory of images or one image, OUT a directory. WAY is
  pool      OpenCV, whole files, a pool of PROCESSES processes
  one       OpenCV, one process with its own threads
  mpi       OpenCV, whole files, each rank of mpi4py every n-th
  scatter   OpenCV, rank 0 of mpi4py decodes, scatters rows with their halo, gathers, encodes
  vips      libvips, whole files, a pool of PROCESSES processes of one thread
  vips-one  libvips, one process with its own threads
"""

import multiprocessing
import os
import pathlib
import sys

PROCESSES = 2
JPEG_QUALITY = 95
KSIZE, SIGMA = 31, 5.0
CANNY = (100, 200)
# Rows around a row that an op looks at.
HALO = {"invert": 0, "gray": 0, "blur": KSIZE // 2, "canny": 2, "convert": 0}
# Below it, libvips leaves weights out: what remains are 31.
LEAST_WEIGHT = 0.011


def inputs(source):
    source = pathlib.Path(source)
    return sorted(source.iterdir()) if source.is_dir() else [source]


# ---- OpenCV


def cv_filter(op, image):
    import cv2

    if op == "invert":
        return cv2.bitwise_not(image)
    if op == "gray":
        return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if op == "blur":
        return cv2.GaussianBlur(image, (KSIZE, KSIZE), 0)
    if op == "canny":
        return cv2.Canny(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), *CANNY)
    return image


def cv_write(path, image):
    import cv2

    settings = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
        ".png": [],
        ".tif": [cv2.IMWRITE_TIFF_COMPRESSION, 1],
    }
    if not cv2.imwrite(str(path), image, settings[path.suffix]):
        sys.exit(f"cannot write {path}")


def cv_one(job):
    import cv2

    op, source, target = job
    cv_write(target, cv_filter(op, cv2.imread(str(source), cv2.IMREAD_COLOR)))


def cv_single():
    import cv2

    cv2.setNumThreads(1)


def mpi(jobs):
    from mpi4py import MPI

    ranks = MPI.COMM_WORLD
    cv_single()
    for job in jobs[ranks.rank :: ranks.size]:
        cv_one(job)
    ranks.Barrier()


def scatter(jobs):
    import cv2
    import numpy as np
    from mpi4py import MPI

    ranks = MPI.COMM_WORLD
    cv_single()
    for op, source, target in jobs:
        parts = None
        if ranks.rank == 0:
            image = cv2.imread(str(source), cv2.IMREAD_COLOR)
            height = len(image)
            cuts = [height * i // ranks.size for i in range(ranks.size + 1)]
            tops = [max(0, cut - HALO[op]) for cut in cuts[:-1]]
            ends = [min(height, cut + HALO[op]) for cut in cuts[1:]]
            parts = [
                (image[top:end], cut - top, below - cut)
                for top, end, cut, below in zip(tops, ends, cuts, cuts[1:])
            ]
        rows, skipped, count = ranks.scatter(parts)
        made = ranks.gather(np.ascontiguousarray(cv_filter(op, rows)[skipped : skipped + count]))
        if ranks.rank == 0:
            cv_write(target, np.concatenate(made))


# ---- libvips


def vips_filter(op, image):
    if op == "invert":
        return image.invert()
    if op == "gray":
        return image.colourspace("b-w")
    if op == "blur":
        return image.gaussblur(SIGMA, min_ampl=LEAST_WEIGHT)
    if op == "canny":
        # Another op than OpenCV's: a blur before, and no hysteresis.
        edges = image.colourspace("b-w").canny(sigma=1.4, precision="integer")
        return (edges > 40).ifthenelse(255, 0).cast("uchar")
    return image


def vips_one(job):
    import pyvips

    op, source, target = job
    settings = {
        ".jpg": {"Q": JPEG_QUALITY, "subsample_mode": "on"},
        ".png": {"compression": 1},
        ".tif": {"bigtiff": os.path.getsize(source) > 4_000_000_000},
    }
    image = pyvips.Image.new_from_file(str(source), access="sequential")
    vips_filter(op, image).write_to_file(str(target), **settings[target.suffix])


def pool(jobs, one, start):
    with multiprocessing.get_context(start).Pool(PROCESSES) as workers:
        workers.map(one, jobs, chunksize=1)
        workers.close()
        workers.join()


def cv_pool(jobs):
    # Before the processes part: each has it then.
    cv_single()
    pool(jobs, cv_one, "fork")


def vips_pool(jobs):
    os.environ["VIPS_CONCURRENCY"] = "1"
    pool(jobs, vips_one, "spawn")


def main(way, op, source, target, extension):
    target = pathlib.Path(target)
    target.mkdir(parents=True, exist_ok=True)
    jobs = [(op, file, target / f"{file.stem}.{extension}") for file in inputs(source)]
    ways = {
        "pool": lambda: cv_pool(jobs),
        "one": lambda: list(map(cv_one, jobs)),
        "mpi": lambda: mpi(jobs),
        "scatter": lambda: scatter(jobs),
        "vips": lambda: vips_pool(jobs),
        "vips-one": lambda: list(map(vips_one, jobs)),
    }
    ways[way]()


if __name__ == "__main__":
    # OpenCV refuses more than 2^30 pixels otherwise.
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 40))
    main(*sys.argv[1:])
