"""Record a new user's first session: python docs/make_session.py [FILE].

Writes docs/images/session.gif, or FILE. The commands run in a pseudo terminal, on a video that is drawn first. Their
output appears when it was printed, but pauses are cut to `LONGEST`. The last pictures are frames of its overlay video.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import cv2
import numpy as np
from make_gifs import few_colours  # beside this script
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from tracking_env import rendering
from tracking_env.datasets import synthetic
from tracking_env.datasets.video import VideoFrames
from tracking_env.files import write_atomically

ROOT = Path(__file__).resolve().parents[1]
SEED, FRAMES, SIZE = 13, 60, (320, 240)  # of the video
COLUMNS, ROWS, POINTS, MARGIN = 80, 16, 14, 10
LONGEST = 0.8  # seconds of a pause
TYPING = 0.03  # seconds a key
EVERY = 4  # frames of the overlay, of which one is shown
Shown = list[tuple[Image.Image, float]]


class Terminal:
    """The screen of a terminal: lines of text. It knows two control characters, line feed and carriage return."""

    def __init__(self) -> None:
        self.lines, self.column = [""], 0
        self.font = ImageFont.truetype(font_manager.findfont("DejaVu Sans Mono"), POINTS)
        self.wide, self.high = self.font.getlength("m"), POINTS + 5

    def write(self, text: str) -> None:
        """Print a text; a line that is too long continues in the next one."""
        for character in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text):
            if character == "\n":
                self.lines.append("")
                self.column = 0
            elif character == "\r":
                self.column = 0
            else:
                if self.column == COLUMNS:
                    self.lines.append("")
                    self.column = 0
                line = self.lines[-1]
                self.lines[-1] = line[: self.column] + character + line[self.column + 1 :]
                self.column += 1

    def picture(self) -> Image.Image:
        """The last `ROWS` lines."""
        size = round(COLUMNS * self.wide) + 2 * MARGIN, ROWS * self.high + 2 * MARGIN
        image = Image.new("RGB", size, "#1c1c22")
        draw = ImageDraw.Draw(image)
        for row, line in enumerate(self.lines[-ROWS:]):
            draw.text((MARGIN, MARGIN + row * self.high), line, "#d8d8dc", self.font)
        return image


def run(command: str, folder: Path) -> list[tuple[float, str]]:
    """Run a command in a pseudo terminal: its prints, each with the seconds since the print before.

    Raises:
        SystemExit: the command fails.
    """
    # By its module, since the console script may not be on the path.
    words = re.sub(r"^tracking-env", f"{sys.executable} -m tracking_env.cli", command)
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": str(COLUMNS), "TERM": "xterm"}
    printed, last, decoder = [], time.monotonic(), bytearray()
    with subprocess.Popen(words, shell=True, cwd=folder, stdout=child, stderr=child, env=environment) as process:
        os.close(child)
        while True:
            try:
                data = os.read(parent, 4096)
            except OSError:  # on Linux: the other end is closed
                data = b""
            if not data:
                break
            decoder += data
            try:
                text = decoder.decode()
            except UnicodeDecodeError:  # cut within a character
                continue
            decoder.clear()
            now = time.monotonic()
            printed.append((now - last, text))
            last = now
    os.close(parent)
    if process.returncode:
        raise SystemExit(f"{command} failed: {''.join(text for _, text in printed)}")
    return printed


def record(folder: Path) -> Shown:
    """The session as pictures, each with the seconds that it is shown."""
    sequence = synthetic.generate(SEED, FRAMES, SIZE)
    rendering.write_video(folder / "video.mp4", (sequence.frames[at] for at in range(FRAMES)))
    box = ",".join(f"{side:.0f}" for side in sequence.boxes[0])
    terminal, shown = Terminal(), []

    def show(seconds: float) -> None:
        shown.append((terminal.picture(), seconds))

    track = f"tracking-env track --video video.mp4 --box {box} --tracker search"
    for command in (track, "head -3 tracked/search/video.txt"):
        terminal.write("$ ")
        show(0.4)
        for at in range(0, len(command), 4):
            terminal.write(command[at : at + 4])
            show(4 * TYPING)
        terminal.write("\n")
        for pause, text in run(command, folder):
            shown[-1] = shown[-1][0], max(shown[-1][1], min(pause, LONGEST))
            terminal.write(text)
            show(0.05)
    terminal.write("$ ")
    show(0.8)
    return shown + overlay(terminal.picture(), VideoFrames(folder / "tracked/search/video.mp4"))


def overlay(behind: Image.Image, frames: VideoFrames) -> Shown:
    """Frames of a video in the lower right corner of a picture."""
    height = behind.height // 2 + 30
    width = SIZE[0] * height // SIZE[1]
    shown = []
    for at in range(0, len(frames), EVERY):
        image = behind.copy()
        frame = cv2.resize(frames[at], (width, height), interpolation=cv2.INTER_AREA)
        image.paste(Image.fromarray(frame), (behind.width - width - MARGIN, behind.height - height - MARGIN))
        shown.append((image, EVERY / frames.fps))
    return [*shown[:-1], (shown[-1][0], 2.0)]


def write(path: Path, shown: Shown) -> None:
    """Write a GIF that repeats for ever, without the pictures that are shown for less than a twentieth of a second."""
    merged: Shown = []
    for image, seconds in shown:
        if merged and merged[-1][1] < 0.05:
            merged[-1] = image, merged[-1][1] + seconds
        else:
            merged.append((image, seconds))
    images = [few_colours(image, Image.Quantize.MEDIANCUT) for image, _ in merged]
    times = [max(50, int(np.rint(100 * seconds)) * 10) for _, seconds in merged]
    with write_atomically(path) as partial:
        images[0].save(partial, save_all=True, append_images=images[1:], duration=times, loop=0, optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        session = record(Path(name))
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/images/session.gif", session)
