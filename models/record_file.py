"""A file of this machine that gives any record at once.

Transform's gzipped TFRecords can only be read from the beginning, so a shuffle of their records
reaches no further than its buffer in memory. A copy with an index is shuffled by the order in
which it is read: evenly at any size, with 8 bytes of memory a record. What was read lately the
operating system keeps in memory that is free, so a small file is not read from the disk again.
"""

from __future__ import annotations

import errno
import os
import tempfile
from array import array
from collections.abc import Iterable, Sequence

import numpy as np


class RecordFile:
    """Records in a nameless file, which goes with the process, however that ends."""

    def __init__(self, records: Iterable[bytes]):
        """Copies records.

        Args:
            records: In their order, of any length.

        Raises:
            OSError: The folder of temporary files, which the error names, is full.
        """
        self._file = tempfile.TemporaryFile()  # noqa: SIM115, open as long as it is read
        self._bounds = array("q", [0])
        try:
            for record in records:
                self._file.write(record)
                self._bounds.append(self._bounds[-1] + len(record))
            self._file.flush()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            where = tempfile.gettempdir()
            raise OSError(error.errno, os.strerror(error.errno), where) from error

    def __len__(self) -> int:
        """Returns how many records there are."""
        return len(self._bounds) - 1

    def read(self, places: Sequence[int] | np.ndarray) -> np.ndarray:
        """Reads some records; several threads may do so at once.

        Args:
            places: `[records]` int, each from 0 to below the length, in any order.

        Returns:
            `[records]` object, of bytes.

        Raises:
            IndexError: There is no such place.
        """
        return np.array([self._read(int(place)) for place in places], dtype=object)

    def _read(self, place: int) -> bytes:
        if not 0 <= place < len(self):
            raise IndexError(f"there is no record {place} among {len(self)}")
        start, end = self._bounds[place : place + 2]
        # Not mapped into memory, where pages read would count as the process's own.
        record = os.pread(self._file.fileno(), end - start, start)
        if len(record) < end - start:
            raise OSError(errno.EIO, "the copy of the films was cut off", tempfile.gettempdir())
        return record
