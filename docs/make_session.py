"""Record a new user's first session: python docs/make_session.py [FILE].

Writes docs/images/session.gif, or FILE. The commands are really run, in a pseudo terminal, on a clip that is drawn
first; what they print is shown when they printed it, but for pauses, which are cut to `LONGEST`. The end is frames of
the overlay video that they made.
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
from tracking_env.files import whole

ROOT = Path(__file__).resolve().parents[1]
SEED, FRAMES, SIZE = 13, 60, (320, 240)  # of the clip
COLUMNS, ROWS, POINTS, MARGIN = 80, 16, 14, 10
LONGEST = 0.8  # seconds of a pause
TYPING = 0.03  # seconds a key
EVERY = 4  # frames of the overlay, of which one is shown
Shown = list[tuple[Image.Image, float]]


class Terminal:
    """What a terminal shows: lines of text; of control characters it knows the new line and the return."""

    def __init__(self) -> None:
        self.lines, self.column = [""], 0
        self.font = ImageFont.truetype(font_manager.findfont("DejaVu Sans Mono"), POINTS)
        self.wide, self.high = self.font.getlength("m"), POINTS + 5

    def write(self, text: str) -> None:
        """Print; a line that is too long goes on in the next one."""
        for one in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text):
            if one == "\n":
                self.lines.append("")
                self.column = 0
            elif one == "\r":
                self.column = 0
            else:
                if self.column == COLUMNS:
                    self.lines.append("")
                    self.column = 0
                line = self.lines[-1]
                self.lines[-1] = line[: self.column] + one + line[self.column + 1 :]
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
    """Run a command in a pseudo terminal: what it printed, each with the seconds since the print before."""
    # The program by its module: a console script would be looked for on the path.
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
            except OSError:  # Linux's way to say that the other end is closed
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
    """The session as pictures, each with the seconds that it stays."""
    sequence = synthetic.generate(SEED, FRAMES, SIZE)
    rendering.write_video(folder / "clip.mp4", (sequence.frames[at] for at in range(FRAMES)))
    box = ",".join(f"{one:.0f}" for one in sequence.boxes[0])
    terminal, shown = Terminal(), []

    def show(seconds: float) -> None:
        shown.append((terminal.picture(), seconds))

    track = f"tracking-env track --video clip.mp4 --box {box} --tracker search"
    for command in (track, "head -3 tracked/search/clip.txt"):
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
    return shown + overlay(terminal.picture(), VideoFrames(folder / "tracked/search/clip.mp4"))


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
    """A GIF that repeats for ever; pictures that stay for less than a twentieth of a second are left out."""
    kept: Shown = []
    for image, seconds in shown:
        if kept and kept[-1][1] < 0.05:
            kept[-1] = image, kept[-1][1] + seconds
        else:
            kept.append((image, seconds))
    images = [few_colours(image, Image.Quantize.MEDIANCUT) for image, _ in kept]
    times = [max(50, int(np.rint(100 * seconds)) * 10) for _, seconds in kept]
    with whole(path) as partial:
        images[0].save(partial, save_all=True, append_images=images[1:], duration=times, loop=0, optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        made = record(Path(name))
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/images/session.gif", made)
