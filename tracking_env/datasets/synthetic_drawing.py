"""Drawing for synthetic sequences: outlines, textures and scenes, and painting them into a frame.

Points are ``x, y`` in pixels from the image's top-left corner: the first pixel covers [0, 1]. Objects are drawn in the
unit square [-1, 1]² and moved into the image by an affine map ``(2, 3)``.
"""

import colorsys

import cv2
import numpy as np

from tracking_env.boxes import Size

VERTICES = 64  # of every outline
TEXTURE = 64  # pixels, the side of an object's texture


def move(vertices: np.ndarray, affines: np.ndarray) -> np.ndarray:
    """Vertices ``(2, VERTICES)`` of the unit square in pixels, ``(..., 2, VERTICES)`` for affines ``(..., 2, 3)``."""
    return affines[..., :2] @ vertices + affines[..., 2:]


def outline(shape: str, rng: np.random.Generator) -> np.ndarray:
    """A closed outline that touches all four sides of the unit square [-1, 1]², ``(2, VERTICES)``."""
    around = np.linspace(0, 2 * np.pi, 2 * VERTICES, endpoint=False)
    points = np.stack([np.cos(around), np.sin(around)], axis=1)
    if shape == "polygon":
        # A regular polygon in polar coordinates. The largest radius of 0.87 rounds its corners.
        half = np.pi / rng.integers(3, 7)
        wedge = np.mod(around + rng.uniform(0, 2 * np.pi), 2 * half) - half
        points *= np.minimum(np.cos(half) / np.cos(wedge), 0.87)[:, None]
    elif shape == "figure":
        # Half widths of head and trunk by height; the left side mirrors the right.
        y = np.linspace(-1, 1, VERTICES)
        head = np.sqrt(np.clip(1 - ((y + 0.66) / 0.34) ** 2, 0, 1)) * rng.uniform(0.45, 0.7)
        trunk = np.sqrt(np.clip(1 - np.abs((y - 0.32) / 0.68) ** 3, 0, 1))
        right = np.stack([np.maximum(head, trunk), y], axis=1)
        points = np.concatenate([right, right[::-1] * [-1, 1]])
    elif shape == "car":
        wheel = points[: VERTICES + 1 : 8] * [0.24, 0.4] + [0.55, 0.6]
        body = [[-1, 0.6], [-1, 0], [-0.7, -0.15], [-0.45, -1], [0.3, -1], [0.62, -0.15], [1, 0.05], [1, 0.6]]
        points = np.concatenate([body, wheel, wheel - np.array([1.1, 0])])
    closed = np.concatenate([points, points[:1]])
    # Vertices at equal distances along the outline.
    distances = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    places = np.linspace(0, distances[-1], VERTICES, endpoint=False)
    even = np.stack([np.interp(places, distances, column) for column in closed.T])
    low, high = even.min(axis=1, keepdims=True), even.max(axis=1, keepdims=True)
    return 2 * (even - low) / (high - low) - 1


def texture(rng: np.random.Generator, shape: str) -> np.ndarray:
    """The texture of an object's unit square: vivid colours in a pattern, ``(TEXTURE, TEXTURE, 3)`` uint8."""
    hue, apart = rng.uniform(), rng.choice([-1, 1]) * rng.uniform(0.06, 0.2)

    def vivid(turn: float, darkest: float, brightest: float) -> np.ndarray:
        saturation, value = rng.uniform([0.8, darkest], [1, brightest])
        return 255 * np.array(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value))

    y, x = np.mgrid[-1 : 1 : TEXTURE * 1j, -1 : 1 : TEXTURE * 1j]
    frequency, phase, tilt = rng.uniform([1.5, 0, 0], [3, 2 * np.pi, np.pi])
    across = np.sin(np.pi * frequency * (x * np.cos(tilt) + y * np.sin(tilt)) + phase)
    along = np.sin(np.pi * frequency * (y * np.cos(tilt) - x * np.sin(tilt)) + phase)
    stripes, checks, blobs = across, 3 * across * along, 2 * noise(rng, TEXTURE, TEXTURE, (5,))
    mix = np.clip(0.5 + 2 * (stripes, checks, blobs)[rng.integers(3)], 0, 1)[..., None]
    texture = vivid(0, 0.8, 1) * (1 - mix) + vivid(apart, 0.5, 0.9) * mix
    if shape == "figure":
        texture[y < -0.35] = vivid(-apart, 0.75, 1)
    elif shape == "car":
        windows = (y > -0.8) & (y < -0.15) & (np.abs(np.abs(x + 0.05) - 0.24) < 0.18)
        texture[windows], texture[y > 0.58] = vivid(0.5, 0.35, 0.5), vivid(0, 0.2, 0.3)
    # A slight shade, as of light from one side.
    texture *= 1 - 0.12 * (x * np.cos(phase) + y * np.sin(phase))[..., None]
    return np.clip(texture, 0, 255).astype(np.uint8)


def noise(rng: np.random.Generator, width: int, height: int, cells: tuple[int, ...]) -> np.ndarray:
    """Smooth noise around 0, of order 1: coarse to fine grids of ``cells`` cells a side, ``(height, width)``."""
    total = np.zeros((height, width), np.float32)
    for octave, count in enumerate(cells):
        grid = rng.standard_normal((count + 1, count + 1), dtype=np.float32)
        # Finer grids weigh less, as fine structure does in natural images.
        total += 0.6**octave * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return total


def muted(noise: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise ``(height, width)`` as a nearly grey surface: saturation below 0.2, ``(height, width, 3)`` uint8."""
    grey = rng.uniform(70, 175) + rng.uniform(12, 30) * noise
    return (np.clip(grey, 12, 230)[..., None] * rng.uniform(0.91, 1.09, 3)).astype(np.uint8)


def backdrop(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A muted scene: noise, a gradient, rectangles and ellipses, ``(height, width, 3)`` uint8."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    slope = rng.uniform(-1, 1, 2)
    scene = muted(noise(rng, width, height, (3, 8, 24, 60)) + slope[0] * x + slope[1] * y, rng)
    objects = scene.copy()
    for number in range(rng.integers(6, 12)):
        colour = (rng.uniform(20, 225) * rng.uniform(0.91, 1.09, 3)).tolist()
        middle = rng.uniform(0, [width, height]).astype(int)
        half = (rng.uniform(0.03, 0.16, 2) * [width, height]).astype(int) + 1
        if number % 3:
            cv2.rectangle(objects, (middle - half).tolist(), (middle + half).tolist(), colour, -1)
        else:
            cv2.ellipse(objects, middle.tolist(), half.tolist(), rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
    # Half transparent, so that the noise goes on inside the objects.
    return cv2.addWeighted(objects, 0.5, scene, 0.5, 0)


def cover(outline: np.ndarray, start: tuple[int, int], size: Size) -> np.ndarray:
    """How much of each pixel of a window an outline ``(2, n)`` covers, anti-aliased: ``(height, width)`` uint8.

    ``start`` is the window's top-left pixel, ``size`` its width and height.
    """
    # OpenCV counts from pixel centres, here in sixteenths of a pixel (shift=4).
    points = np.round((outline.T - start - 0.5) * 16).astype(np.int32)
    return cv2.fillPoly(np.zeros(size[::-1], np.uint8), [points], (255,), lineType=cv2.LINE_AA, shift=4)


def paint(frame: np.ndarray, texture: np.ndarray, vertices: np.ndarray, affine: np.ndarray) -> None:
    """Draw an object into ``frame``, in place.

    Args:
        frame: ``(height, width, 3)`` uint8.
        texture: of the object's unit square, ``(TEXTURE, TEXTURE, 3)`` uint8.
        vertices: outline in the unit square, ``(2, n)``.
        affine: from the unit square to pixels, ``(2, 3)``.
    """
    outline, size = move(vertices, affine), frame.shape[1::-1]
    x0, y0 = np.clip(np.floor(outline.min(axis=1)) - 1, 0, size).astype(int).tolist()
    x1, y1 = np.clip(np.ceil(outline.max(axis=1)) + 1, 0, size).astype(int).tolist()
    matrix = affine.copy()  # from the texture's pixels to the window's, both counted from pixel centres
    matrix[:, :2] *= 2 / TEXTURE
    matrix[:, 2] += affine[:, :2] @ np.full(2, 1 / TEXTURE - 1) - [x0 + 0.5, y0 + 0.5]
    # Reflected at the border, so that the outline's soft edge does not mix with black.
    patch = cv2.warpAffine(texture, matrix, (x1 - x0, y1 - y0), borderMode=cv2.BORDER_REFLECT)
    # 16 bits, since products with the weight exceed 255.
    weight = cover(outline, (x0, y0), (x1 - x0, y1 - y0))[..., None].astype(np.uint16)
    window = frame[y0:y1, x0:x1]
    window[:] = (window * (255 - weight) + patch * weight) // 255


def streak(speed: np.ndarray, width: int) -> np.ndarray:
    """Motion-blur kernel for a speed ``(2,)`` in pixels per frame: odd and square, float32, with sum 1.

    The blur's length is limited to 3.5 % to 8 % of the image's ``width``.
    """
    length = np.hypot(*speed)
    direction = speed / length if length > 0 else np.array([1.0, 0.0])
    # As if a shutter were open for 0.8 of the time between frames.
    reach = direction * np.clip(0.8 * length, 0.035 * width, 0.08 * width) / 2
    half = int(np.ceil(np.abs(reach).max()))
    ends = [np.round((half + sign * reach) * 16).astype(int).tolist() for sign in (-1, 1)]
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.uint8)
    cv2.line(kernel, ends[0], ends[1], (255,), 1, cv2.LINE_AA, shift=4)
    return kernel.astype(np.float32) / kernel.sum()
