"""`python -m radiographs.pseudonym_keys`: makes and rotates keys, and finds the file behind one.

A report names DICOM files by pseudonyms, and no table of them is kept. Who has the key and the
files finds one again by going through them.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from radiographs.errors import DataError
from radiographs.pseudonyms import (
    DEFAULT_KEY_FILE,
    Pseudonyms,
    hidden,
    key_file,
    read_key,
    rotate_key,
    write_new_key,
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Runs a verb.

    Args:
        arguments: Of the command line.

    Returns:
        0; 1 where nothing was found, 2 where something is wrong.
    """
    given = _parser().parse_args(arguments)
    file = key_file(given.key_file)
    try:
        if given.verb == "new":
            write_new_key(file)
            print(f"A new key is at {file}: keep it, and keep it secret.")
        elif given.verb == "rotate":
            old = rotate_key(file)
            print(
                f"A new key is at {file}, the old one at {old}: films that are ingested from now "
                "on have other pseudonyms, and no longer match those of earlier runs."
            )
        else:
            return _find(given.data_root, given.pseudonym, Pseudonyms(read_key(file)))
    except DataError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _find(root: Path, pseudonym: str, pseudonyms: Pseudonyms) -> int:
    found = False
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name).relative_to(root).as_posix()
            if pseudonym in (hidden(path, pseudonyms), pseudonyms.of("file", path)):
                print(path)
                found = True
    return 0 if found else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m radiographs.pseudonym_keys", description=__doc__
    )
    parser.add_argument(
        "--key-file", default="", help=f"data.pseudonym_key_file; by default {DEFAULT_KEY_FILE}"
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("new", help="make a key where there is none")
    verbs.add_parser("rotate", help="make another key, and keep the old one beside it as .old")
    find = verbs.add_parser("find", help="print the path of a file that a report names")
    find.add_argument("data_root", type=Path, help="folder of the films")
    find.add_argument("pseudonym", help="as in quarantine.csv or ignored.csv")
    return parser


if __name__ == "__main__":
    sys.exit(main())
