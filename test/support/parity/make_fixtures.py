"""The command that makes ``fixtures/vggt`` and ``fixtures/llava3d`` again.

``python test/support/parity/make_fixtures.py [FOLDER]``

The numbers come from the references beside this file, which know neither torch nor the package. The files have the
layout of numbers that were recorded from the published code, so that the same tests read both.
"""

from __future__ import annotations

import sys
from pathlib import Path

TEST = Path(__file__).parents[2]


def main(folder: Path) -> None:
    from support.parity.llava3d_fixtures import make_llava3d
    from support.parity.vggt_fixtures import make_vggt

    make_vggt(folder / "vggt")
    make_llava3d(folder / "llava3d")


if __name__ == "__main__":
    sys.path.insert(0, str(TEST))
    main(Path(sys.argv[1]) if sys.argv[1:] else TEST / "fixtures")
