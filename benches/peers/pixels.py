"""Whether two directories hold the same files, or at least the same pixels."""

import functools
import hashlib

ROWS = 512


def same_bytes(one, other):
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as left, other.open("rb") as right:
        while block := left.read(1 << 22):
            if block != right.read(1 << 22):
                return False
    return True


def pixel_hash(path):
    """Of the shape and the samples."""
    return hash_of_version(path, path.stat().st_mtime_ns)


@functools.cache
def hash_of_version(path, _changed):
    """A few rows are in memory at a time."""
    import pyvips

    image = pyvips.Image.new_from_file(str(path), access="sequential")
    digest = hashlib.sha256(f"{image.width} {image.height} {image.bands} {image.format}".encode())
    region = pyvips.Region.new(image)
    for top in range(0, image.height, ROWS):
        digest.update(region.fetch(0, top, image.width, min(ROWS, image.height - top)))
    return digest.digest()


def likeness(directory, reference):
    """How the files in `directory` are like those of the same names in `reference`."""
    if not reference.exists():
        return "same bytes"
    files = sorted(f for f in directory.iterdir() if f.is_file())
    pairs = [(file, reference / file.name) for file in files]
    if not pairs or not all(other.exists() for _, other in pairs):
        return "other files"
    if all(same_bytes(*pair) for pair in pairs):
        return "same bytes"
    # Of JPEG files, pixels are as good as bytes; only lossless ones have two ways to say the same.
    lossless = all(file.suffix in {".png", ".tif"} for file in files)
    if lossless and all(pixel_hash(file) == pixel_hash(other) for file, other in pairs):
        return "same pixels"
    return "other pixels"
