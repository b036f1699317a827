"""Tables are read as spreadsheets write them, and say their lines as an editor counts them."""

from __future__ import annotations

import codecs

import pytest

from radiographs.csv_tables import csv_table, decode_text
from radiographs.errors import DataError

ROWS = [["path", "label"], ["a.png", "NORMAL"], ["Zoë.png", "PNEUMONIA"]]


def text(delimiter: str, first: str = "", end: str = "\n") -> str:
    return first + "".join(delimiter.join(row) + end for row in ROWS)


def read(content: str) -> list[list[str]]:
    return [cells for _, cells in csv_table("m.csv", content)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("named", [False, True])
def test_delimiters(delimiter: str, end: str, named: bool) -> None:
    assert read(text(delimiter, f"sep={delimiter}{end}" if named else "", end)) == ROWS


@pytest.mark.parametrize("first", ["SEP=;\r\n", '"sep=;"\n', "\ufeffsep=;\n", "sep=;;\n"])
def test_the_line_that_names_the_delimiter(first: str) -> None:
    assert read(text(";", first)) == ROWS


def test_the_named_delimiter_goes_before_the_most_frequent() -> None:
    assert read("sep=;\na,b,c;d\n1;2\n") == [["a,b,c", "d"], ["1", "2"]]


def test_a_delimiter_in_quotes_separates_nothing() -> None:
    assert read('path;"size[w,h,d]";label\na;b;c\n')[0] == ["path", "size[w,h,d]", "label"]


def test_lines_are_counted_with_the_one_that_names_the_delimiter() -> None:
    assert [line for line, _ in csv_table("m.csv", text(";", "sep=;\n"))] == [2, 3, 4]
    assert [line for line, _ in csv_table("m.csv", text(";"))] == [1, 2, 3]
    with pytest.raises(DataError, match=r"m\.csv line 3: 3 values for 2 columns"):
        read("sep=;\na;b\n1;2;3\n")


@pytest.mark.parametrize("content", ["", "sep=;", "\ufeff"])
def test_an_empty_table_has_an_empty_header(content: str) -> None:
    assert read(content) == [[]]


def test_a_column_may_be_called_sep() -> None:
    assert read("sep,label\na,b\n") == [["sep", "label"], ["a", "b"]]


@pytest.mark.parametrize(
    "data",
    [text(",").encode(), codecs.BOM_UTF8 + text(",").encode(), text(",").encode("utf-16"),
     text(",").encode("utf-16-le"), text(",").encode("utf-16-be"),
     codecs.BOM_UTF16_BE + text(",").encode("utf-16-be")],
)  # fmt: skip
def test_encodings(data: bytes) -> None:
    assert read(decode_text(data)) == ROWS


@pytest.mark.parametrize("data", [text(",").encode("latin-1"), b"\xff\xfea"])
def test_other_encodings_are_refused(data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        decode_text(data)
