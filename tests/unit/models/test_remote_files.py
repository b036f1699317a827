"""Files at a URI: whole or as they were before, and damage is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from models.remote_files import (
    DamagedFile,
    local_copy,
    sealed_beside,
    unsealed_copy,
    write_text,
    written_beside,
)

CONTENT = bytes(range(256))


@pytest.fixture(params=["local", "ram"], name="folder")
def make_folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder on this machine, and one that no path leads to."""
    folder = str(tmp_path) if request.param == "local" else f"ram://bucket{tmp_path}"
    tf.io.gfile.makedirs(folder)
    return folder


def read(uri: str) -> bytes:
    with tf.io.gfile.GFile(uri, "rb") as file:
        return file.read()


def write(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)


def test_what_is_written_beside_is_at_the_uri_alone(folder: str) -> None:
    uri = f"{folder}/model.keras"
    for content in (CONTENT, b"new"):
        with written_beside(uri) as path:
            assert Path(path).name == "model.keras"  # Keras goes by the end of the name
            write(path, content)
        assert read(uri) == content
    assert not Path(path).exists()
    assert tf.io.gfile.listdir(folder) == ["model.keras"]


def test_what_fails_on_the_way_leaves_the_file_before(folder: str) -> None:
    uri = f"{folder}/model.keras"
    write_text(uri, "before")
    with pytest.raises(KeyboardInterrupt), written_beside(uri) as path:
        write(path, b"half")
        raise KeyboardInterrupt
    assert read(uri) == b"before"
    assert tf.io.gfile.listdir(folder) == ["model.keras"]


def test_a_text_replaces_the_one_before(folder: str) -> None:
    uri = f"{folder}/training.json"
    for text in ("a long text", "é"):
        write_text(uri, text)
    assert read(uri).decode() == "é"
    assert tf.io.gfile.listdir(folder) == ["training.json"]


def test_a_copy_lasts_as_long_as_it_is_used(folder: str) -> None:
    write_text(f"{folder}/film.h5", "pixels")
    with local_copy(f"{folder}/film.h5") as path:
        assert Path(path).read_text() == "pixels"
        assert Path(path).name == "film.h5"
    assert not Path(path).exists()
    assert read(f"{folder}/film.h5") == b"pixels"


def test_a_missing_file_is_said(folder: str) -> None:
    with pytest.raises(tf.errors.NotFoundError), local_copy(f"{folder}/none.h5"):
        pass


@pytest.mark.parametrize("content", [CONTENT, b"", b"x" * 3_000_000])
def test_a_sealed_file_comes_back_as_it_was(folder: str, content: bytes) -> None:
    with sealed_beside(f"{folder}/state") as path:
        write(path, content)
    with unsealed_copy(f"{folder}/state") as path:
        assert Path(path).read_bytes() == content


def test_no_change_of_a_sealed_file_passes(folder: str) -> None:
    uri = f"{folder}/state"
    with sealed_beside(uri) as path:
        write(path, CONTENT)
    sealed = read(uri)
    changed = [sealed[:length] for length in range(1, len(sealed), 17)]
    changed += [sealed + b"\0"]
    changed += [
        sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(0, len(sealed), 13)
    ]
    for content in changed:
        with written_beside(uri) as path:
            write(path, content)
        with pytest.raises(DamagedFile, match="state does not end in"), unsealed_copy(uri):
            pass
