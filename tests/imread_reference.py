"""OpenCV's imread and imwrite for tests/image_files: one command per line of the input.

read FLAG IN OUT                      writes the upper 8 bits of the samples, as RGB(A) or gray,
                                      and prints rows, columns and channels
write QUALITY WIDTH HEIGHT CHANNELS IN OUT    writes a JPEG of gray or RGB samples
mark INTERVAL SAMPLING IN OUT         writes a JPEG again, with restart markers, its colours sampled
                                      as cv2.IMWRITE_JPEG_SAMPLING_FACTOR_SAMPLING says
"""

import sys

import cv2
import numpy as np


def swap_colours(pixels):
    """BGR(A) to RGB(A), and back."""
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[pixels.shape[2]]
    return np.ascontiguousarray(pixels[:, :, order])


def read(flag, source, target):
    pixels = cv2.imread(source, getattr(cv2, "IMREAD_" + flag))
    if pixels is None:
        sys.exit(f"imread refuses {source}")
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    pixels = pixels.reshape(pixels.shape[0], pixels.shape[1], -1)
    swap_colours(pixels).tofile(target)
    print(*pixels.shape)


def write(quality, width, height, channels, source, target):
    pixels = np.fromfile(source, np.uint8).reshape(int(height), int(width), int(channels))
    settings = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    if not cv2.imwrite(target, swap_colours(pixels), settings):
        sys.exit(f"imwrite refuses {target}")


def mark(interval, sampling, source, target):
    factor = getattr(cv2, "IMWRITE_JPEG_SAMPLING_FACTOR_" + sampling)
    settings = [cv2.IMWRITE_JPEG_RST_INTERVAL, int(interval)]
    settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
    if not cv2.imwrite(target, cv2.imread(source, cv2.IMREAD_UNCHANGED), settings):
        sys.exit(f"imwrite refuses {target}")


for line in sys.stdin:
    command, *arguments = line.split()
    {"read": read, "write": write, "mark": mark}[command](*arguments)
