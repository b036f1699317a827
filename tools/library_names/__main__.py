"""Writes tests/golden/library_names.json: `make names`, or `python -m tools.library_names`.

The wheels of all locks, without what they need themselves, are unpacked below WHEELS (default:
`library_names` in the folder for temporary files): 700 MB, once.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tools.library_names import golden
from tools.library_names.used import find_uses
from tools.library_names.wheels import LIBRARIES


def main() -> int:
    """Writes the file and names the uses that a column lacks; 1 if there are any."""
    cache = Path(os.environ.get("WHEELS", Path(tempfile.gettempdir()) / "library_names"))
    found = golden.survey(golden.CHECKOUT, cache)
    golden.write(found)
    faults = list(golden.faults(find_uses(golden.CHECKOUT, LIBRARIES), found))
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
