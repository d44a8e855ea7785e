"""``python -m tracking_env`` is the command ``tracking-env``."""

import sys

from tracking_env.cli import main

if __name__ == "__main__":
    sys.exit(main())
