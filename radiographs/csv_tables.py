"""CSV as programs write it: which encoding, which delimiter."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator

from radiographs.errors import DataError

_DELIMITERS = ",;\t|"
_NAMED_DELIMITER = re.compile(r'"?sep=([^\s"\w]|\t)"?[,;\t|]*(?:\r\n?|\n|$)', re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')
_MOST_LINES = 50  # of a row, whose values may hold line ends
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode_text(data: bytes) -> str:
    """Decodes UTF-8, and UTF-16 where a byte order mark or the zeros of Latin letters tell it.

    Args:
        data: Content of a file.

    Returns:
        Its text, without a byte order mark.

    Raises:
        UnicodeDecodeError: If it is neither.
    """
    if data.startswith(_UTF_16):
        return data.decode("utf-16")
    if data[1:2] == b"\0":
        return data.decode("utf-16-le")
    if data[:1] == b"\0":
        return data.decode("utf-16-be")
    return data.decode("utf-8-sig")


def csv_table(manifest: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yields line number and cells: the header first, even if empty, then rows that hold something.

    Args:
        manifest: File name, for messages.
        text: Values separated by commas, semicolons, tabs or bars: whichever the first line names,
            as Excel's `sep=;` does, or else the header has most of.

    Raises:
        DataError: If it is not CSV, a row has more cells than the header, or no end.
    """
    text = text.removeprefix("\ufeff")
    named = _NAMED_DELIMITER.match(text)
    delimiter = named[1] if named else _most_frequent(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        if named:
            next(reader)
        header = next(reader, [])
        yield max(reader.line_num, 1), header
        before = reader.line_num
        for cells in reader:
            first, before = before + 1, reader.line_num
            if before - first > _MOST_LINES:
                raise DataError(
                    f"{manifest} line {first}: a value goes on for {before - first + 1:,} lines; "
                    "close the quotes that it begins with"
                )
            if not any(cell.strip() for cell in cells):
                continue
            if any(cell.strip() for cell in cells[len(header) :]):
                raise DataError(
                    f"{manifest} line {reader.line_num}: {len(cells)} values for "
                    f"{len(header)} columns; put values that contain '{delimiter}' in quotes"
                )
            yield reader.line_num, [*cells, *[""] * (len(header) - len(cells))][: len(header)]
    except csv.Error as error:
        raise DataError(
            f"{manifest} line {reader.line_num}: it is not CSV ({error}); save it again as CSV"
        ) from None


def _most_frequent(text: str) -> str:
    """Returns the delimiter that the header has most of, outside of quotes."""
    header = _QUOTED.sub("", (text.splitlines() or [""])[0])
    return max(_DELIMITERS, key=header.count)
