"""The images of the comparison, made by code: nobody's photographs.

They are drawn once and kept; a larger number draws again.
"""

import pathlib
import shutil
import subprocess

BIG = (4000, 3000)
SMALL = (816, 612)
LARGE_SIDE = 20_000
HUGE_SIDE = 60_000


class Corpus:
    """Image files below `cache`, drawn by `draw_pictures` of the project's examples."""

    def __init__(self, cache, draw_pictures):
        self.cache = pathlib.Path(cache)
        self.draw_pictures = draw_pictures

    def photographs(self, name, count, size):
        """A list of `count` JPEG files of quality 95."""
        directory = self.cache / f"{name}-{size[0]}x{size[1]}"
        files = sorted(directory.glob("*.jpg"))
        if len(files) < count:
            print(f"drawing {count} pictures of {size[0]} x {size[1]} pixels", flush=True)
            unfinished = directory.with_suffix(".new")
            shutil.rmtree(unfinished, ignore_errors=True)
            words = [self.draw_pictures, unfinished, count, *size]
            subprocess.run([str(word) for word in words], check=True)
            shutil.rmtree(directory, ignore_errors=True)
            unfinished.rename(directory)
            files = sorted(directory.glob("*.jpg"))
        return files[:count]

    def large(self, extension, side=LARGE_SIDE):
        """One square picture, put together from photographs: an uncompressed TIFF, PNG or JPEG."""
        import pyvips

        path = self.cache / f"large-{side}.{extension}"
        if not path.exists():
            print(f"making {path.name}", flush=True)
            tiles = [pyvips.Image.new_from_file(str(f)) for f in self.photographs("big", 12, BIG)]
            across, down = -(-side // BIG[0]), -(-side // BIG[1])
            # Rows of tiles begin at another one each, so that none stands below itself.
            order = [tiles[(7 * y + x) % len(tiles)] for y in range(down) for x in range(across)]
            picture = pyvips.Image.arrayjoin(order, across=across).crop(0, 0, side, side)
            unfinished = path.with_name(f"new-{path.name}")
            picture.write_to_file(str(unfinished), **self.settings(extension, side))
            unfinished.rename(path)
        return path

    @staticmethod
    def settings(extension, side):
        if extension == "jpg":
            return {"Q": 95, "subsample_mode": "on"}
        if extension == "png":
            return {"compression": 1}
        return {"bigtiff": side * side * 3 > 4_000_000_000}
