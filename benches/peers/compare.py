"""Runs mpix and its peers in turns over the same images: compare.py --help

Each job has contestants. First each runs once while its memory is watched, and its files are held
against those of mpix; then all run one after the other, again and again, and are timed. Results go to
one JSON file, which report.py makes tables and plots of.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import time

import jobs
import machine
from measure import Failed, become_subreaper, peak_memory, run
from pixels import likeness


def clear(directory):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)


# What scripts/bench-peers.sh says otherwise.
PLACES = {
    "mpix": "target/release/mpix",
    "examples": "target/release/examples",
    "corpus": "target/bench-corpus",
    "results": "target/bench-results/peers.json",
}


def bring(file, place):
    try:
        place.hardlink_to(file)
    except OSError:  # another file system
        shutil.copy(file, place)


class Stage:
    """Where inputs are copied to and outputs written: in memory, so that no disk decides."""

    def __init__(self, root):
        self.root = root
        self.output = root / "out"
        self.reference = root / "reference"
        self.inputs = {}
        clear(root)

    def input_for(self, files, count):
        """One file, or a directory of the first `count` files."""
        count = min(count or len(files), len(files))
        if count not in self.inputs:
            directory = self.root / f"in-{count}"
            clear(directory)
            for file in files[:count]:
                bring(file, directory / file.name)
            single = len(files) == 1
            self.inputs[count] = directory / files[0].name if single else directory
        return self.inputs[count], count


def measure_job(job, stage, repeats, say):
    """A row for each contestant."""
    rows = []
    for contestant in job.contestants:
        source, images = stage.input_for(job.files, contestant.images)
        row = {
            "name": contestant.name,
            "images": images,
            "walls_s": [],
            "cpus_s": [],
            "rank_cpus_s": [],
            "note": contestant.note,
            "repeats": min(repeats, contestant.repeats or repeats),
        }
        rows.append(row)
        command = contestant.command(source, stage.output)
        clear(stage.output)
        try:
            row["peak_bytes"] = peak_memory(command, contestant.environment)
            row["output_bytes"] = sum(f.stat().st_size for f in jobs.files_below(stage.output))
            row["same"] = likeness(stage.output, stage.reference)
            if not stage.reference.exists():
                stage.output.rename(stage.reference)
        except Failed as failed:
            say(f"  {contestant.name} FAILED: {failed}")
            row["failed"] = str(failed)
        clear(stage.output)
    shutil.rmtree(stage.reference, ignore_errors=True)
    # What ranks told of runs that are not timed.
    jobs.take_rank_cpus(stage.root / "cpus")

    for turn in range(repeats):
        for contestant, row in zip(job.contestants, rows):
            if turn >= row["repeats"] or "failed" in row:
                continue
            source, _ = stage.input_for(job.files, contestant.images)
            clear(stage.output)
            try:
                cost = run(contestant.command(source, stage.output), contestant.environment)
            except Failed as failed:
                say(f"  {contestant.name} FAILED: {failed}")
                row["failed"] = str(failed)
                continue
            row["walls_s"].append(cost.wall_s)
            row["cpus_s"].append(cost.cpu_s)
            row["rank_cpus_s"].append(jobs.take_rank_cpus(stage.root / "cpus"))
    return rows


def wrong(job, rows):
    """Contestants whose files should have been mpix's, and are not."""
    named = {contestant.name for contestant in job.contestants if contestant.must_match}
    return [
        f"{job.name}: {row['name']}: {row.get('failed') or row['same']}"
        for row in rows
        if row["name"] in named and (row.get("failed") or not row["same"].startswith("same"))
    ]


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench-peers.sh")
    parser.add_argument("--jobs", default="", help="names or beginnings of names, with commas between")
    parser.add_argument("--list", action="store_true", help="print the names of all jobs")
    parser.add_argument("--images", type=int, default=40, help="pictures of 12 megapixels (40)")
    parser.add_argument("--small", type=int, default=800, help="pictures of 0.5 megapixels (800)")
    parser.add_argument("--repeats", type=int, default=5, help="timed turns (5)")
    parser.add_argument(
        "--quick", action="store_true", help="8 and 80 pictures, 2 turns, no image of 400 megapixels"
    )
    parser.add_argument(
        "--huge", action="store_true", help="a TIFF of 60000 x 60000 pixels, too: 35 GB of disk"
    )
    parser.add_argument(
        "--work", type=pathlib.Path, default="/dev/shm", help="where images are read and written (/dev/shm)"
    )
    for name, default in PLACES.items():
        parser.add_argument(f"--{name}", type=pathlib.Path, default=default, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.images, chosen.small, chosen.repeats = 8, 80, 2
    return chosen


def chosen_jobs(chosen):
    """The jobs, and whether ops alone are measured, too."""
    wanted = tuple(name for name in chosen.jobs.split(",") if name)
    every = [job for job in jobs.all_jobs(chosen) if not wanted or job.name.startswith(wanted)]
    return every, not wanted or jobs.KERNELS.startswith(wanted)


def measure_kernels(chosen, root):
    import kernels

    clear(root)
    turns = 3 if chosen.quick else 15
    photograph = jobs.one_photograph(chosen)
    return kernels.measure(chosen.examples / "time_ops", photograph, root, turns)


def result_of(job, stage_root, repeats, say):
    told = job.prepare()
    if told:
        say(f"  left out: {told}")
        return {"name": job.name, "title": job.title, "left_out": told}
    try:
        rows = measure_job(job, Stage(job.root or stage_root), job.repeats or repeats, say)
    finally:
        job.end()
    return {"name": job.name, "title": job.title, "rows": rows, "wrong": wrong(job, rows)}


def main():
    chosen = arguments()
    every, with_kernels = chosen_jobs(chosen)
    if chosen.list:
        print("\n".join([*(job.name for job in every), *[jobs.KERNELS] * with_kernels]))
        return
    become_subreaper()
    start = time.monotonic()

    def say(text):
        print(f"{time.monotonic() - start:6.0f} s  {text}", flush=True)

    results = {
        "machine": machine.facts(chosen.mpix),
        "quick": chosen.quick,
        "memory_filesystem": machine.is_in_memory(chosen.work),
        "jobs": [],
    }

    def keep():
        results["took_s"] = time.monotonic() - start
        results["machine"]["load_after"] = os.getloadavg()[0]
        chosen.results.parent.mkdir(parents=True, exist_ok=True)
        chosen.results.write_text(json.dumps(results, indent=1) + "\n")

    root = chosen.work / f"mpix-bench-{os.getpid()}"
    try:
        for job in every:
            say(job.name)
            results["jobs"].append(result_of(job, root, chosen.repeats, say))
            keep()
        if with_kernels:
            say(jobs.KERNELS)
            results["kernels"] = measure_kernels(chosen, root)
            keep()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    say(f"results are in {chosen.results}")
    mistakes = [told for job in results["jobs"] for told in job.get("wrong", [])]
    mistakes += [row["op"] for row in results.get("kernels", []) if not row["same"]]
    if mistakes:
        sys.exit("not as it should be:\n" + "\n".join(mistakes))


if __name__ == "__main__":
    main()
