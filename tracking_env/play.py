"""``python -m tracking_env.play`` is the command ``tracking-env play``: play an environment by mouse and keys."""

import sys

from tracking_env.cli import main

if __name__ == "__main__":
    sys.exit(main(["play", *sys.argv[1:]]))
