"""What is measured: jobs, and for each the commands that do it."""

import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from corpus import BIG, HUGE_SIDE, SMALL, Corpus

HERE = pathlib.Path(__file__).parent
TESTHOSTS = HERE.parent.parent / "scripts" / "testhosts.sh"
CORES = len(os.sched_getaffinity(0))
HOSTS = 3
# The name of what kernels.py measures.
KERNELS = "kernels"
MPIX_OPS = {
    "invert": "invert",
    "gray": "gray",
    "canny": "canny:low=100,high=200",
    "blur": "blur:ksize=31",
}
FORMATS = {"jpg": "JPEG", "png": "PNG"}
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none"]
# A rank that tells its CPU time: `times` of the shell that waits for it.
RANK = [
    "bash",
    "-c",
    'cpus=$1; shift; "$@"; code=$?; times >"$cpus/$OMPI_COMM_WORLD_RANK"; exit $code',
    "rank",
]


@dataclass
class Contestant:
    name: str
    command: Callable
    # Whether its files must be those of mpix.
    must_match: bool = False
    # None: all there are, as often as all others.
    images: int | None = None
    repeats: int | None = None
    environment: dict = field(default_factory=dict)
    note: str = ""


@dataclass
class Job:
    name: str
    title: str
    corpus: Callable
    contestants: list
    repeats: int | None = None
    # Where inputs and outputs are, if not where those of all jobs are.
    root: pathlib.Path | None = None
    files: list = field(default_factory=list)

    def prepare(self):
        """Why the job cannot be done here, if so."""
        self.files = self.corpus()
        return ""

    def end(self):
        pass


def files_below(directory):
    """The images there, not what mpix keeps beside them."""
    return [f for f in directory.rglob("*") if f.is_file() and ".mpix" not in f.parts]


# ---- mpix


def mpix(program, ranks, threads, *flags, before=()):
    """`ranks` under mpirun; 0 is mpix alone."""
    words = [program, "run", "-q", "--threads", threads, *flags]

    def command(source, target):
        mpirun = [*MPIRUN, "-n", ranks, *before] if ranks else []
        return [str(word) for word in [*mpirun, *words, "-o", target, source]]

    return command


def mpix_contestants(program, *flags, told=""):
    return [
        Contestant(f"mpix, 2 ranks x 1 thread{told}", mpix(program, 2, 1, *flags), must_match=True),
        Contestant(f"mpix, alone, 2 threads{told}", mpix(program, 0, 2, *flags), must_match=True),
    ]


# ---- peers


def peer(way, op, extension, mpirun=False):
    def command(source, target):
        words = [sys.executable, HERE / "peers.py", way, op, source, target, extension]
        return [str(word) for word in ([*MPIRUN, "-n", 2, *words] if mpirun else words)]

    return command


def parallel(template, processes=2):
    """GNU parallel over all files: TARGET in the template is the name of the result without extension."""

    def command(source, target):
        files = sorted(map(str, pathlib.Path(source).iterdir()))
        line = template.replace("TARGET", f"{target}/{{/.}}")
        return ["parallel", "--will-cite", "-j", str(processes), line, ":::", *files]

    return command


VIPS_CLI = {
    "invert": "vips invert {} 'TARGET.jpg[Q=95,subsample-mode=on]'",
    "gray": "vips colourspace {} 'TARGET.jpg[Q=95]' b-w",
    "blur": "vips gaussblur {} 'TARGET.jpg[Q=95,subsample-mode=on]' 5 --min-ampl 0.011",
}
MAGICK = {
    "invert": "-negate",
    "gray": "-colorspace Gray",
    "blur": "-blur 15x5",
}
OTHER_CANNY = "another op: no hysteresis, a blur before"
FEW = {"images": 2, "repeats": 2}


def directory_peers(op):
    one_thread = {"VIPS_CONCURRENCY": "1"}
    canny = op == "canny"
    yield Contestant("OpenCV, pool of 2", peer("pool", op, "jpg"), must_match=True)
    yield Contestant("mpi4py + OpenCV, files", peer("mpi", op, "jpg", mpirun=True), must_match=True)
    # What a seam does to the hysteresis is its own affair.
    yield Contestant(
        "mpi4py + OpenCV, scattered rows",
        peer("scatter", op, "jpg", mpirun=True),
        must_match=not canny,
        images=8,
    )
    note = OTHER_CANNY if canny else ""
    yield Contestant("pyvips, 2 processes", peer("vips", op, "jpg"), note=note)
    if canny:
        # ImageMagick's takes a minute for one picture; the others have none.
        return
    yield Contestant("GNU parallel, vips", parallel(VIPS_CLI[op]), images=16, environment=one_thread)
    options = "-quality 95 -sampling-factor 4:2:0 TARGET.jpg"
    yield Contestant(
        "GNU parallel, ImageMagick",
        parallel(f"convert {{}} {MAGICK[op]} {options}"),
        environment={"MAGICK_THREAD_LIMIT": "1"},
        **FEW,
    )
    yield Contestant(
        "GNU parallel, GraphicsMagick",
        parallel(f"gm convert {{}} {MAGICK[op]} {options}"),
        environment={"OMP_NUM_THREADS": "1"},
        **FEW,
    )


# ---- jobs


def all_jobs(chosen):
    corpus = Corpus(chosen.corpus, chosen.examples / "draw_pictures")
    program = chosen.mpix

    def big():
        return corpus.photographs("big", chosen.images, BIG)

    def small():
        return corpus.photographs("small", chosen.small, SMALL)

    jobs = [directory_job(program, op, big) for op in MPIX_OPS]
    jobs.append(
        Job(
            "png",
            "12-megapixel JPEG to PNG",
            lambda: big()[:16],
            [
                *mpix_contestants(program, "--format", "png"),
                Contestant("OpenCV, pool of 2", peer("pool", "convert", "png"), must_match=True),
                Contestant("pyvips, 2 processes, level 1", peer("vips", "convert", "png")),
            ],
        )
    )
    for op in ("gray", "canny"):
        jobs.append(
            Job(
                f"small-{op}",
                f"0.5-megapixel JPEG to JPEG, `{op}`",
                small,
                [
                    *mpix_contestants(program, "--op", MPIX_OPS[op]),
                    Contestant("OpenCV, pool of 2", peer("pool", op, "jpg"), must_match=True),
                    Contestant(
                        "pyvips, 2 processes",
                        peer("vips", op, "jpg"),
                        note=OTHER_CANNY if op == "canny" else "",
                    ),
                ],
            )
        )
    if chosen.quick:
        return jobs
    for op in ("invert", "blur"):
        jobs.append(large_job(program, op, lambda: [corpus.large("tif")]))
    for extension in ("jpg", "png"):
        jobs.append(bands_job(program, extension, corpus))
        jobs.append(HostsJob(program, extension, corpus, chosen.work))
    for op in ("invert", "blur") if chosen.huge else ():
        jobs.append(huge_job(program, op, lambda: [corpus.large("tif", HUGE_SIDE)]))
    return jobs


def one_photograph(chosen):
    return Corpus(chosen.corpus, chosen.examples / "draw_pictures").photographs("big", 1, BIG)[0]


def directory_job(program, op, corpus):
    flags = ("--op", MPIX_OPS[op])
    alone = Contestant("mpix, 1 rank x 1 thread", mpix(program, 1, 1, *flags), must_match=True)
    contestants = [*mpix_contestants(program, *flags), alone, *directory_peers(op)]
    return Job(f"jpeg-{op}", f"12-megapixel JPEG to JPEG, `{MPIX_OPS[op]}`", corpus, contestants)


def large_job(program, op, corpus):
    flags = ("--op", MPIX_OPS[op])
    contestants = [
        *mpix_contestants(program, *flags),
        *mpix_contestants(program, *flags, "--checksum", "blake3", told=", BLAKE3"),
        *mpix_contestants(program, *flags, "--checksum", "none", told=", not hashed"),
        Contestant("OpenCV, its own threads", peer("one", op, "tif"), must_match=True),
        Contestant("pyvips, its own threads", peer("vips-one", op, "tif"), must_match=op == "invert"),
    ]
    title = f"TIFF of 20000 x 20000 pixels, `{MPIX_OPS[op]}`"
    return Job(f"large-{op}", title, corpus, contestants)


def synced(peer_command):
    """On a disk, as mpix does it."""

    def command(source, target):
        return ["bash", "-c", '"$@" && sync -f "$0"', str(target), *peer_command(source, target)]

    return command


def huge_job(program, op, corpus):
    peer_of_op = synced(peer("vips-one", op, "tif"))
    contestants = [
        *mpix_contestants(program, "--op", MPIX_OPS[op], "--max-pixels", 1 << 40),
        Contestant("pyvips, its own threads, and `sync`", peer_of_op, must_match=op == "invert"),
    ]
    root = pathlib.Path("target/bench-huge").resolve()
    title = f"BigTIFF of {HUGE_SIDE} x {HUGE_SIDE} pixels, 10.8 GB, `{MPIX_OPS[op]}`, on a disk"
    return DiskJob(f"huge-{op}", title, corpus, contestants, repeats=1, root=root)


class DiskJob(Job):
    """A job whose files are too large to be held in memory."""

    def end(self):
        shutil.rmtree(self.root, ignore_errors=True)


def bands_contestant(program, ranks, name, flags, before=()):
    def command(source, target):
        cpus = target.parent / "cpus"
        cpus.mkdir(exist_ok=True)
        rank = [*RANK, cpus]
        return mpix(program, ranks, 1, *flags, before=(*before, *rank))(source, target)

    return Contestant(name, command, must_match=True)


def bands_job(program, extension, corpus):
    flags = ("--op", MPIX_OPS["blur"], "--distribute", "bands")
    contestants = [
        bands_contestant(program, ranks, f"mpix, {ranks} rank{'s'[: ranks - 1]} x 1 thread", flags)
        for ranks in (1, 2)
    ]
    title = f"{FORMATS[extension]} of 20000 x 20000 pixels in bands, `{MPIX_OPS['blur']}`"
    return Job(f"bands-{extension}", title, lambda: [corpus.large(extension)], contestants)


def take_rank_cpus(directory):
    """Seconds of CPU time of each rank, as `times` has told them: the shell's line, its children's line."""
    seconds = {}
    if directory.exists():
        for file in directory.iterdir():
            of_children = file.read_text().split("\n")[1].split()
            parts = [word.rstrip("s").split("m") for word in of_children]
            seconds[int(file.name)] = sum(60 * int(m) + float(s) for m, s in parts)
            file.unlink()
    return [seconds[rank] for rank in sorted(seconds)]


class HostsJob(Job):
    """The same on test hosts, each held to its share of the machine's cores."""

    def __init__(self, program, extension, corpus, work):
        self.directory = pathlib.Path(work) / f"mpix-bench-hosts-{os.getpid()}"
        self.share = min(1.0, round(0.9 * CORES / HOSTS, 2))
        flags = ("--op", MPIX_OPS["blur"], "--distribute", "bands")
        contestants = [self.on_hosts(program, ranks, flags) for ranks in (1, HOSTS)]
        super().__init__(
            f"hosts-{extension}",
            f"The same {FORMATS[extension]} on {HOSTS} test hosts, {self.share} cores each",
            lambda: [corpus.large(extension)],
            contestants,
            root=self.directory / "shared" / "bench",
        )

    def on_hosts(self, program, ranks, flags):
        local = bands_contestant(program, ranks, f"mpix, {ranks} host{'s' if ranks > 1 else ''}", flags)

        def command(source, target):
            _, *words = local.command(source, target)
            mpirun = ["mpirun", "--hostfile", str(self.directory / "hostfile"), *words]
            return [str(TESTHOSTS), "exec", "0", *mpirun]

        return Contestant(local.name, command, must_match=True, environment=self.environment())

    def environment(self):
        return {"TESTHOSTS_DIR": str(self.directory)}

    def testhosts(self, *words):
        environment = {**os.environ, **self.environment()}
        done = subprocess.run(
            [TESTHOSTS, *words], env=environment, capture_output=True, text=True, check=False
        )
        return done.stderr.strip() if done.returncode else ""

    def prepare(self):
        super().prepare()
        told = self.testhosts("up", str(HOSTS))
        for host in range(1, HOSTS + 1):
            told = told or self.testhosts("cores", str(host), str(self.share))
        if told:
            self.end()
        return told

    def end(self):
        self.testhosts("down")
