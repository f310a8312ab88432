"""Filters images with OpenCV itself: python opencv_reference.py DIRECTORY

DIRECTORY holds images.bin, the bytes of all images, and cases.json, a list of
{"offset", "height", "width", "channels", "op", "values"}. results.bin gets, for each
case, the channels (one byte) and the bytes of OpenCV's result. Channels are in the order
R, G, B in both files.
"""

import json
import pathlib
import sys

import cv2
import numpy as np


def colour(image):
    """Gray counts as R = G = B."""
    return cv2.merge([image] * 3) if image.ndim == 2 else image


def gray(image):
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def canny(image, low, high):
    return cv2.Canny(gray(image), float(low), float(high))


def sharpen(image):
    kernel = np.array([[-1, -1, -1], [-1, 9, -1], [-1, -1, -1]])
    return cv2.filter2D(cv2.GaussianBlur(image, (5, 5), 0), -1, kernel)


def blur(image, ksize, sigma):
    return cv2.GaussianBlur(image, (int(ksize), int(ksize)), float(sigma))


def laplacian(image, overflow):
    edges = cv2.Laplacian(gray(image), cv2.CV_16S, ksize=1)
    if overflow == "wrap":
        return (np.abs(edges) & 255).astype(np.uint8)
    return cv2.convertScaleAbs(edges)


def brightness_contrast(image, alpha, beta):
    return cv2.convertScaleAbs(image, alpha=float(alpha), beta=float(beta))


def only(kept):
    def filtered(image):
        channels = cv2.split(colour(image))
        return cv2.merge([c if i == kept else np.zeros_like(c) for i, c in enumerate(channels)])

    return filtered


def gamma(image, value):
    table = [round_half_up(255 * (i / 255) ** (1 / float(value))) for i in range(256)]
    return cv2.LUT(image, np.array(table, np.uint8))


def round_half_up(value):
    return int(np.floor(value + 0.5))


def convolve(image, kernel, divisor, offset):
    rows = [[float(number) for number in row.split(",")] for row in kernel.split("/")]
    weights = (np.array(rows, np.float64) / float(divisor)).astype(np.float32)
    return cv2.filter2D(image, -1, weights, delta=float(offset), borderType=cv2.BORDER_REFLECT_101)


OPS = {
    "gray": gray,
    "canny": canny,
    "sharpen": sharpen,
    "blur": blur,
    "laplacian": laplacian,
    "invert": cv2.bitwise_not,
    "brightness-contrast": brightness_contrast,
    "blue": only(0),
    "green": only(1),
    "red": only(2),
    "hsv": lambda image: cv2.cvtColor(colour(image), cv2.COLOR_BGR2HSV),
    "heatmap": lambda image: cv2.applyColorMap(gray(image), cv2.COLORMAP_JET),
    "gamma": gamma,
    "convolve": convolve,
}


def main(directory):
    images = np.fromfile(directory / "images.bin", np.uint8)
    cases = json.loads((directory / "cases.json").read_text())
    with open(directory / "results.bin", "wb") as results:
        for case in cases:
            shape = (case["height"], case["width"], case["channels"])
            image = images[case["offset"] :][: np.prod(shape)].reshape(shape)
            # A copy: OpenCV looks beyond the edges of a part of a larger array.
            image = image[..., 0].copy() if shape[2] == 1 else image[..., ::-1].copy()
            result = OPS[case["op"]](image, **case["values"])
            if result.shape[:2] != shape[:2] or result.dtype != np.uint8:
                sys.exit(f"{case}: result {result.shape} {result.dtype}")
            result = result.reshape(shape[0], shape[1], -1)[..., ::-1]
            results.write(bytes([result.shape[2]]))
            results.write(np.ascontiguousarray(result).tobytes())
    print("OpenCV", cv2.__version__)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
