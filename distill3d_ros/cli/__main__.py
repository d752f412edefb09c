"""``python -m distill3d_ros.cli``, as torchrun needs it."""

import sys

from distill3d_ros.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
