"""Windows of spans: which folders are read, by their numbers, and what is said of the rest."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from radiographs.errors import DataError
from radiographs.options import IngestOptions
from radiographs.spans import Span, latest_span, refuse_beside_versions, window_of

QUARTER = [
    "span-20260101/NORMAL/a.png", "span-20260115/NORMAL/b.png", "span-20260301/NORMAL/c.png",
    "span-20251231/NORMAL/d.png", "licence.txt",
]  # fmt: skip


def numbers(paths: list[str], setting: str) -> list[int]:
    return [span.number for span in window_of(paths, setting).spans]


class TestWindow:
    @pytest.mark.parametrize(
        ("setting", "read"),
        [
            ("all", [20251231, 20260101, 20260115, 20260301]),
            ("last:1", [20260301]),
            ("last:3", [20260101, 20260115, 20260301]),
            ("last:9", [20251231, 20260101, 20260115, 20260301]),
            ("20260101-20260115", [20260101, 20260115]),
            ("20260102-20260229", [20260115]),
            ("0-20251231", [20251231]),
        ],
    )
    def test_is_by_number_in_order(self, setting: str, read: list[int]) -> None:
        assert numbers(QUARTER, setting) == read

    def test_numbers_are_no_words(self) -> None:
        assert numbers([f"span-{number}/x" for number in (10, 9, 100)], "last:2") == [10, 100]

    def test_holds_what_is_read_and_what_is_in_no_span(self) -> None:
        window = window_of(QUARTER, "last:1")
        assert list(map(window.holds, QUARTER)) == [False, False, True, False, True]
        assert not window.holds("span-2026/NORMAL/c.png")

    def test_a_name_that_only_begins_like_a_span_is_none(self) -> None:
        paths = ["span-1/a.png", "span-1b/a.png", "span/a.png", "span-/a.png", "span-2"]
        assert numbers(paths, "all") == [1]
        assert all(map(window_of(paths, "all").holds, paths))

    def test_without_spans_everything_is_read(self) -> None:
        window = window_of(["NORMAL/a.png"], "all")
        assert window.spans == () and window.holds("NORMAL/a.png")
        assert latest_span(window.spans) == (0, None)

    def test_says_what_is_read_and_what_is_not(self) -> None:
        assert window_of(QUARTER, "last:2").note == (
            "Read: spans 20260115, 20260301; spans 20251231, 20260101 not (data.spans=last:2)."
        )
        many = [f"span-{number}/a.png" for number in range(1, 8)]
        assert window_of(many, "last:1").note == (
            "Read: span 7; 6 spans from 1 to 6 not (data.spans=last:1)."
        )


class TestVersions:
    PATHS = (
        "span-1/version-1/NORMAL/a.png", "span-1/version-10/NORMAL/a.png",
        "span-1/version-9/NORMAL/a.png", "span-2/NORMAL/a.png", "span-1/notes.txt",
    )  # fmt: skip

    def test_the_latest_counts(self) -> None:
        window = window_of(self.PATHS, "all")
        assert window.spans == (Span(1, 10, "span-1/version-10"), Span(2, None, "span-2"))
        assert [path for path in self.PATHS if window.holds(path)] == [
            "span-1/version-10/NORMAL/a.png", "span-2/NORMAL/a.png",
        ]  # fmt: skip
        assert window.note == "Read: spans 1, 2, 1 in version 10 (data.spans=all)."
        assert latest_span(window_of(self.PATHS, "0-1").spans) == (1, 10)


class TestRefused:
    @pytest.mark.parametrize(
        ("folder", "name"),
        [("span_20260101", "span-20260101"), ("Span 7", "span-7"), ("span7", "span-7"),
         ("spans-7", "span-7"), ("span-2026-01-01", "span-20260101")],
    )  # fmt: skip
    def test_what_is_only_nearly_a_span(self, folder: str, name: str) -> None:
        with pytest.raises(DataError, match=f"^'{folder}' is only nearly .* folder to {name}$"):
            window_of([f"{folder}/NORMAL/a.png", "span-1/NORMAL/a.png"], "all")

    def test_two_folders_of_one_span(self) -> None:
        with pytest.raises(DataError, match=r"^'Span-7' and 'span-07' are the same span; join"):
            window_of(["span-07/a.png", "Span-7/a.png", "span-8/a.png"], "all")

    @pytest.mark.parametrize("number", [2**63, 10**30])
    def test_a_number_that_no_artifact_holds(self, number: int) -> None:
        assert numbers([f"span-{2**63 - 1}/a.png"], "all") == [2**63 - 1]
        with pytest.raises(DataError, match=f"number of 'span-{number}' is too large for a span"):
            window_of([f"span-{number}/a.png"], "all")
        with pytest.raises(DataError, match=f"'span-1/version-{number}' is too large for a ver"):
            window_of([f"span-1/version-{number}/a.png"], "all")

    @pytest.mark.parametrize("folder", ["version_2", "Version 2", "v2", "versions-2", "ver-2"])
    def test_what_is_only_nearly_a_version(self, folder: str) -> None:
        said = f"^'span-1/{folder}' is only nearly .* folder to version-2$"
        for other in ("version-1", "NORMAL"):
            with pytest.raises(DataError, match=said):
                window_of([f"span-1/{other}/a.png", f"span-1/{folder}/NORMAL/a.png"], "all")

    def test_two_folders_of_one_version(self) -> None:
        said = r"^'span-1/version-01' and 'span-1/version-1' are the same version; join"
        with pytest.raises(DataError, match=said):
            window_of(["span-1/version-1/a.png", "span-1/version-01/a.png"], "all")

    @pytest.mark.parametrize("path", ["NORMAL/a.png", "city/NORMAL/a.png", "manifest.csv"])
    def test_what_lies_beside_versions(self, path: str) -> None:
        said = f"^'span-1/{path.split('/')[0]}' lies beside the versions of its span; put"
        versions = ["span-1/version-1/a.png", "span-1/version-2/a.png", "span-1/.cache/a.png"]
        others = ["span-1/notes.txt", f"span-2/{path}", "span-0/version-1/a.png", f"span-0/{path}"]
        window = window_of([*versions, *others], "1-2")
        refuse_beside_versions([*versions, *others], window)
        with pytest.raises(DataError, match=said):
            refuse_beside_versions([*versions, f"span-1/{path}"], window)

    @pytest.mark.parametrize(
        ("paths", "there"),
        [
            (QUARTER, "it has spans 20251231, 20260101, 20260115, 20260301"),
            (["a.png"], "it has no"),
        ],
    )
    def test_an_empty_window(self, paths: list[str], there: str) -> None:
        with pytest.raises(DataError, match=f"no span of data.spans=1-2: {there}"):
            window_of(paths, "1-2")

    @pytest.mark.parametrize("setting", ["", "last", "last:0", "last:-1", "3-2", "1-", "-1", "2"])
    def test_a_setting_that_is_no_window(self, setting: str) -> None:
        with pytest.raises(ValidationError, match="none of all, last:3 and 20260101-20260331"):
            IngestOptions(spans=setting)
