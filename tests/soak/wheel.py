"""Install the wheel into an empty environment: it must import, register its ids and run a random episode.

python -m tests.soak.wheel    # needs the package index
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.helpers.paths import ROOT

EPISODE = """
import warnings
import gymnasium as gym
import tracking_env

warnings.simplefilter("ignore")  # the environment warns that its sequences are synthetic
env = gym.make("OTBTrack-v0", sequences="synthetic:0")
env.action_space.seed(0)
env.reset(seed=0)
frames, done = 0, False
while not done:
    _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
    frames, done = frames + 1, terminated or truncated
print(tracking_env.__file__, frames, "frames")
"""


def main() -> int:
    """Build the wheel, install it, and run an episode and a command. The exit code is 1 if one of them fails."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder, "venv", "bin", "python")
        quiet = ["--quiet", "--disable-pip-version-check"]
        try:
            build = [sys.executable, "-m", "pip", "wheel", *quiet, "--no-deps", "--wheel-dir", folder, str(ROOT)]
            subprocess.run(build, check=True)
            (wheel,) = Path(folder).glob("tracking_env-*.whl")
            subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
            subprocess.run([python, "-m", "pip", "install", *quiet, str(wheel)], check=True)
            episode = subprocess.run([python, "-c", EPISODE], cwd=folder, check=True, capture_output=True, text=True)
            subprocess.run([python.with_name("tracking-env"), "sequences"], check=True, stdout=subprocess.DEVNULL)
        except subprocess.CalledProcessError as error:
            print(error, error.stderr or "", file=sys.stderr)
            return 1
        module, count, _ = episode.stdout.split()
        assert Path(module).is_relative_to(folder) and int(count) > 1, episode.stdout
        print(f"{wheel.name}: imports, registers, {count} frames of a random episode, and its command runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
