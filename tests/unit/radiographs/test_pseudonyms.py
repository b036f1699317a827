"""Pseudonyms follow from key and identifier; keys are guarded, kept and never lost."""

from __future__ import annotations

import hashlib
import hmac
import pickle
import stat
from pathlib import Path

import pytest

from radiographs import pseudonyms
from radiographs.errors import DataError
from radiographs.pseudonym_keys import main
from radiographs.pseudonyms import (
    HiddenPath,
    Pseudonyms,
    pseudonyms_of,
    read_key,
    real_path,
    rotate_key,
    write_new_key,
)  # fmt: skip


@pytest.fixture(name="key")
def make_key(tmp_path: Path) -> Path:
    file = tmp_path / "folder" / "pseudonym.key"
    write_new_key(file)
    return file


def test_pseudonym_is_the_keyed_hash() -> None:
    expected = hmac.digest(b"k" * 32, b"patient\0Jane", hashlib.sha256).hex()[:20]
    assert Pseudonyms(b"k" * 32).of("patient", "Jane") == expected


def test_pseudonyms_differ_by_key_kind_and_identifier() -> None:
    one = Pseudonyms(b"k" * 32)
    told = {one.of("patient", "Jane"), one.of("file", "Jane"), one.of("patient", "John"),
            Pseudonyms(b"l" * 32).of("patient", "Jane")}  # fmt: skip
    assert len(told) == 4


def test_hidden_path_shows_its_pseudonym_and_leads_to_the_file() -> None:
    path = HiddenPath("dicom/1f", "Jane/1.dcm")
    for one in (path, pickle.loads(pickle.dumps(path))):
        assert (str(one), f"{one}", repr(one)) == ("dicom/1f", "dicom/1f", "'dicom/1f'")
        assert real_path(one) == "Jane/1.dcm"
    assert real_path("a.png") == "a.png"


class TestKey:
    def test_is_random_and_its_owners_alone(self, key: Path, tmp_path: Path) -> None:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        write_new_key(tmp_path / "other")
        assert len(read_key(key)) == 32
        assert read_key(key) != read_key(tmp_path / "other")

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
    def test_open_to_others_is_refused(self, key: Path, mode: int) -> None:
        key.chmod(mode)
        with pytest.raises(DataError, match=f"is open to others .mode {mode:o}.; run `chmod 600"):
            read_key(key)

    @pytest.mark.parametrize("text", ["", "abcd", "x" * 64, "é" * 64])
    def test_that_is_none_is_refused(self, key: Path, text: str) -> None:
        key.write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match="is not of 32 bytes in hexadecimal"):
            read_key(key)

    def test_is_not_written_over(self, key: Path) -> None:
        before = key.read_bytes()
        with pytest.raises(DataError, match="there is a key at"):
            write_new_key(key)
        assert key.read_bytes() == before

    def test_rotation_keeps_the_old_one_beside(self, key: Path) -> None:
        before = read_key(key)
        old = rotate_key(key)
        assert old == Path(f"{key}.old")
        assert (read_key(old), stat.S_IMODE(key.stat().st_mode)) == (before, 0o600)
        assert read_key(key) != before

    def test_rotation_loses_no_older_one(self, key: Path) -> None:
        rotate_key(key)
        kept = {file.name: file.read_bytes() for file in key.parent.iterdir()}
        with pytest.raises(DataError, match="cannot be kept as"):
            rotate_key(key)
        assert {file.name: file.read_bytes() for file in key.parent.iterdir()} == kept


class TestSetting:
    @pytest.fixture(name="default")
    def set_default(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        file = tmp_path / "home" / "pseudonym.key"
        monkeypatch.setattr(pseudonyms, "DEFAULT_KEY_FILE", str(file))
        return file

    def test_of_a_file_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="cannot be read"):
            pseudonyms_of(str(tmp_path / "none"), remote=False)

    def test_of_a_uri_is_refused(self) -> None:
        with pytest.raises(DataError, match="is no file of this machine; mount the key"):
            pseudonyms_of("gs://bucket/key", remote=True)

    def test_that_is_empty_makes_a_key_once_and_says_so(self, default: Path) -> None:
        first, notes = pseudonyms_of("", remote=False)
        assert notes == [
            f"A key for the pseudonyms of patients was made at {default}: keep it, and keep it "
            "secret."
        ]
        again, notes = pseudonyms_of("", remote=False)
        assert notes == []
        assert first.of("patient", "Jane") == again.of("patient", "Jane")

    def test_that_is_empty_is_refused_where_a_key_would_be_lost(self, default: Path) -> None:
        with pytest.raises(DataError, match="needs a key for pseudonyms that outlasts the run"):
            pseudonyms_of("", remote=True)
        assert not default.exists()


def test_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = str(tmp_path / "key")
    assert main(["--key-file", key, "rotate"]) == 2
    assert main(["--key-file", key, "new"]) == 0
    assert main(["--key-file", key, "rotate"]) == 0
    assert main(["--key-file", key, "find", str(tmp_path), "dicom/1f"]) == 1
    told = capsys.readouterr()
    assert f"A new key is at {key}, the old one at {key}.old" in told.out
    assert "cannot be read" in told.err
