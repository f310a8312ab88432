"""Tables and plots of what compare.py has measured.

report.py table RESULTS                    prints all of it as markdown
report.py publish RESULTS PLOTS README     draws plots into the directory PLOTS, and writes the README's section
"""

import json
import pathlib
import statistics
import sys

from plots import Bar, Panel, draw

COLUMNS = "|wall, an image|least to most|over mpix|CPU, an image|memory|result|files|runs x images".split("|")
DIRECTORY_JOBS = {"jpeg-invert": "invert", "jpeg-gray": "gray", "jpeg-canny": "canny", "jpeg-blur": "blur 31"}
BEGIN, END = "<!-- from benches/results: scripts/bench-peers.sh writes this -->", "<!-- end of results -->"
SCALING = {"mpix, 1 rank x 1 thread": 1, "mpix, 1 host": 1, "mpix, 2 ranks x 1 thread": 2, "mpix, 3 hosts": 3}


def per_image_ms(row):
    return statistics.median(row["walls_s"]) / row["images"] * 1e3


def cpu_ms(row):
    """Ranks on test hosts are not this process's: they tell their own CPU time."""
    each = [sum(ranks) or cpu for cpu, ranks in zip(row["cpus_s"], row["rank_cpus_s"])]
    return statistics.median(each) / row["images"] * 1e3


def is_mpix(row):
    return row["name"].startswith("mpix")


def number(value):
    """Three digits that count."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def time(ms):
    return f"{number(ms / 1e3)} s" if ms >= 2000 else f"{number(ms)} ms"


def megabytes(count):
    return f"{count / 1e6:.0f} MB" if count < 1e10 else f"{count / 1e9:.1f} GB"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


# ---- all of it


def cause(told):
    """What mpix says of it; mpirun frames that with much else."""
    lines = told.split("\n")
    return next((line for line in lines if line.startswith("mpix:")), lines[0])[:200]


def job_table(job):
    base = per_image_ms(job["rows"][0]) if job["rows"][0]["walls_s"] else None
    lines = []
    for row in job["rows"]:
        name = f"**{row['name']}**" if is_mpix(row) else row["name"]
        name += f" ({row['note']})" if row["note"] else ""
        if "failed" in row:
            lines.append([name, f"failed: {cause(row['failed'])}", *[""] * (len(COLUMNS) - 2)])
            continue
        walls = [wall / row["images"] * 1e3 for wall in row["walls_s"]]
        lines.append(
            [
                name,
                time(per_image_ms(row)),
                f"{time(min(walls))} to {time(max(walls))}",
                f"{per_image_ms(row) / base:.2f}" if base else "",
                time(cpu_ms(row)),
                megabytes(row["peak_bytes"]),
                f"{row['output_bytes'] / row['images'] / 1e6:.2f} MB",
                row["same"],
                f"{len(walls)} x {row['images']}",
            ]
        )
    return table(COLUMNS, lines)


def efficiency(job):
    """Rows of mpix that are one rank and more: how much of the ideal, and what of the CPU time is rank 0's."""
    rows = {
        SCALING[row["name"]]: row for row in job.get("rows", []) if row["name"] in SCALING and row["walls_s"]
    }
    if 1 not in rows:
        return
    for ranks, row in sorted(rows.items()):
        if ranks > 1:
            gain = per_image_ms(rows[1]) / per_image_ms(row)
            shares = [ranks_s[0] / sum(ranks_s) for ranks_s in row["rank_cpus_s"] if ranks_s]
            yield ranks, gain, statistics.median(shares) if shares else None


def scaling_table(results):
    lines = [
        [
            job["title"],
            row_ranks(job, ranks),
            f"{gain:.2f}",
            f"{gain / ranks:.0%}",
            f"{share:.0%}" if share else "",
        ]
        for job in results["jobs"]
        for ranks, gain, share in efficiency(job)
    ]
    return table(["", "over one", "times as fast", "efficiency", "rank 0's share of CPU time"], lines)


def row_ranks(job, ranks):
    return f"{ranks} hosts" if job["name"].startswith("hosts") else f"{ranks} ranks"


def kernel_table(rows):
    lines = [
        [
            f"`{row['op']}`",
            number(statistics.median(row["mpix_ms"])),
            number(statistics.median(row["opencv_ms"])),
            f"{row['ratio']:.2f}",
            "same" if row["same"] else "OTHER",
        ]
        for row in rows
    ]
    return table(["", "mpix, ms", "OpenCV, ms", "OpenCV over mpix", "pixels"], lines)


def told_of_machine(results):
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"Commit {machine['commit']}, {machine['date']}. {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, Linux {machine['kernel']}; load before and after: "
        f"{machine['load_before']:.1f}, {machine['load_after']:.1f}. {versions}."
    )


def all_tables(results):
    where = (
        "Images are read from memory (tmpfs) and written to it, so that no disk decides: mpix syncs each result, "
        "and the others do not."
        if results["memory_filesystem"]
        else "Images are read from a disk and written to it; mpix syncs each result, and the others do not."
    )
    parts = [
        "# mpix and its peers",
        told_of_machine(results),
        f"{where} mpix hashes each result with SHA-256, where it says so with BLAKE3 or not at all. "
        "All of a job run in turns; times are medians of the runs, with their start and end. "
        '"Over mpix" is against the first line. Memory is that of all processes, what they share counted once, '
        "at its peak, in a run of its own. "
        '"Files" tells whether the results are those of the first line, byte for byte. '
        f"JPEG files are written in quality 95 and 4:2:0 by all. It took {results['took_s'] / 60:.0f} minutes.",
    ]
    if results["quick"]:
        parts.append("**A quick look: too few images and turns to rely on.**")
    for job in results["jobs"]:
        parts.append(f"## {job['title']}")
        parts.append(f"Left out: {job['left_out']}" if "left_out" in job else job_table(job))
    parts += ["## Scaling", scaling_table(results)]
    if "kernels" in results:
        parts += [
            "## Ops alone, CPU time of one thread, 12 megapixels in memory",
            kernel_table(results["kernels"]),
        ]
    return "\n\n".join(parts) + "\n"


# ---- the README


def short(row):
    name = row["name"].replace("mpi4py + OpenCV", "mpi4py").replace("GNU parallel", "parallel")
    return name + (" ¹" if row["note"] else "")


def jobs_of(results, names):
    jobs = {job["name"]: job for job in results["jobs"] if "rows" in job}
    return [(title, jobs[name]) for name, title in names.items() if name in jobs]


def panels(jobs, value, most=None):
    """A panel for each job; bars that would be longer than `most` times the first are left out."""
    for title, job in jobs:
        rows = [row for row in job["rows"] if row["walls_s"] and "1 rank" not in row["name"]]
        bars = [Bar(short(row), value(row), is_mpix(row)) for row in rows]
        if bars:
            yield Panel(title, [bar for bar in bars if not most or bar.value <= most * bars[0].value])


def draw_all(results, directory):
    directory.mkdir(parents=True, exist_ok=True)
    directory_jobs = jobs_of(results, DIRECTORY_JOBS)
    title = "Wall time of a 12-megapixel JPEG, ms; what takes over five times as long is left out"
    draw(directory / "time.svg", title, panels(directory_jobs, per_image_ms, most=5))
    large = {"jpeg-invert": "12-megapixel JPEG, invert", "large-invert": "TIFF of 1.2 GB, invert"}
    memory = panels(jobs_of(results, large), lambda row: row["peak_bytes"] / 1e6)
    draw(directory / "memory.svg", "Memory of all processes, MB", memory)
    draw(
        directory / "scaling.svg", "Times as fast as one rank; the line is the ideal", scaling_panels(results)
    )


def scaling_panels(results):
    bars = {"2 ranks": [], "3 hosts": []}
    for job in results["jobs"]:
        for ranks, gain, _ in efficiency(job):
            title = job["name"].replace("jpeg-", "directory, ")
            title = title.replace("bands-", "400 MP in bands, ").replace("hosts-", "400 MP in bands, ")
            bars[row_ranks(job, ranks)].append(Bar(title, gain, True, ideal=ranks))
    return [Panel(title, found) for title, found in bars.items() if found]


def readme_table(jobs):
    names = [row["name"] for row in jobs[0][1]["rows"] if "1 rank" not in row["name"]]
    lines = []
    for name in names:
        rows = [next((row for row in job["rows"] if row["name"] == name), None) for _, job in jobs]
        cells = [
            "" if not row or not row["walls_s"] else number(per_image_ms(row)) + (" ¹" if row["note"] else "")
            for row in rows
        ]
        peak = max((row["peak_bytes"] for row in rows if row and "peak_bytes" in row), default=0)
        lines.append([f"**{name}**" if name.startswith("mpix") else name, *cells, megabytes(peak)])
    return table(["ms an image", *(title for title, _ in jobs), "memory"], lines)


def who_has_the_same(results):
    rows = [row for _, job in jobs_of(results, DIRECTORY_JOBS) for row in job["rows"]]
    pool = [row.get("same") for row in rows if row["name"] == "OpenCV, pool of 2"]
    same = pool and all(same == "same bytes" for same in pool)
    return " The files of OpenCV's pool are those of mpix, byte for byte." if same else ""


def op_name(op):
    name, _, parameters = op.partition(":")
    return f"{name} {parameters.partition('=')[2]}".strip() if name in {"blur", "laplacian"} else name


def section(results, plots):
    machine = results["machine"]
    kernels = ", ".join(f"{op_name(row['op'])} {row['ratio']:.1f}" for row in results.get("kernels", []))
    return "\n".join(
        [
            BEGIN,
            *["**Provisional: few images on a busy machine.**", ""][: 2 * results["quick"]],
            "Photographs of 12 megapixels, JPEG to JPEG of quality 95, wall time of an image and memory of all",
            f"processes, on {machine['cores']} cores of {machine['processor']} "
            f"(commit {machine['commit']}, {machine['date']}):",
            "",
            readme_table(jobs_of(results, DIRECTORY_JOBS)),
            "",
            f"¹ another op: no hysteresis.{who_has_the_same(results)}",
            "",
            f"Ops alone in one thread, OpenCV's time over that of mpix: {kernels}.",
            "",
            f"![wall time]({plots}/time.svg)",
            f"![memory]({plots}/memory.svg)",
            f"![ranks]({plots}/scaling.svg)",
            END,
        ]
    )


def publish(results, plots, readme):
    draw_all(results, pathlib.Path(plots))
    readme = pathlib.Path(readme)
    before, _, rest = readme.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        sys.exit(f"{readme} has no section between `{BEGIN}` and `{END}`")
    readme.write_text(before + section(results, plots) + after)


if __name__ == "__main__":
    action, source, *rest = sys.argv[1:]
    measured = json.loads(pathlib.Path(source).read_text())
    if action == "table":
        print(all_tables(measured), end="")
    else:
        publish(measured, *rest)
