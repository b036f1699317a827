from __future__ import annotations

import json
import posixpath
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tfx.dsl.io import fileio
from tfx.types import standard_artifacts

from components.pusher.executor import BESIDE, CARD, PusherExecutor, remove_partial_versions
from tests.ram import files_below, object_store

FILES = {
    "assets.extra/operating_point.json": "{}",
    "saved_model.pb": "graph",
    "variables/variables.data-00000-of-00001": "weights",
    "variables/variables.index": "index",
}


@pytest.fixture(params=["local", "ram"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with object_store():
        yield str(tmp_path) if request.param == "local" else f"ram:/{tmp_path}"


@pytest.fixture
def push(folder: str) -> Callable[[], Any]:
    """Pushes the same model as often as it is called."""
    write(f"{folder}/model/Format-Serving", FILES)
    tf.io.gfile.makedirs(f"{folder}/model/Format-Serving/assets")

    def call(blessed: int = 1) -> Any:
        model, blessing = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
        pushed = standard_artifacts.PushedModel()
        model.uri, pushed.uri = f"{folder}/model", f"{folder}/pushed"
        blessing.set_int_custom_property("blessed", blessed)
        destination = {"filesystem": {"base_directory": f"{folder}/serving"}}
        PusherExecutor().Do(
            {"model": [model], "model_blessing": [blessing]},
            {"pushed_model": [pushed]},
            {"push_destination": json.dumps(destination), "gates": "{}"},
        )
        return pushed

    return call


def write(folder: str, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = posixpath.join(folder, name)
        tf.io.gfile.makedirs(posixpath.dirname(file))
        with tf.io.gfile.GFile(file, "w") as opened:
            opened.write(text)


def read(folder: str) -> dict[str, str]:
    """Returns the files of a folder; of a card it is enough that it is whole."""
    files = {name: tf.io.gfile.GFile(f"{folder}/{name}").read() for name in files_below(folder)}
    if CARD in files:
        assert files.pop(CARD).endswith("updates of the model | for a person |\n")
    return files


def versions(folder: str) -> list[str]:
    """Returns what a server takes for a version that it can load."""
    root = f"{folder}/serving"
    names = [name.rstrip("/") for name in fileio.listdir(root)] if fileio.isdir(root) else []
    return [
        f"{root}/{name}"
        for name in names
        if name.isdigit() and fileio.exists(f"{root}/{name}/saved_model.pb")
    ]


def test_a_blessed_model_is_pushed_whole(push: Callable[[], Any], folder: str) -> None:
    pushed = push()
    (version,) = versions(folder)
    assert read(version) == read(pushed.uri) == FILES
    for place in (version, pushed.uri):
        assert set(files_below(place)) == {*FILES, CARD}
    assert read(f"{folder}/model/Format-Serving") == FILES  # the Trainer's output is as it was
    assert not fileio.exists(f"{folder}/model/Format-Serving/{CARD}")
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination") == version
    assert pushed.get_string_custom_property("pushed_version") == posixpath.basename(version)
    assert [name.rstrip("/") for name in fileio.listdir(f"{folder}/serving")] == [
        posixpath.basename(version)
    ]


def test_two_pushes_within_a_second_are_two_versions(
    push: Callable[[], Any], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a push is killed after the renaming and the same command follows at once."""
    if "://" in folder:
        pytest.skip("an object store cannot rename: TFX writes over the version of that second")
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.5)
    pushed = [push().get_string_custom_property("pushed_version") for _ in range(3)]
    assert pushed == ["1700000000", "1700000001", "1700000002"]
    assert sorted(versions(folder)) == [f"{folder}/serving/{version}" for version in pushed]


def test_a_model_that_is_not_blessed_is_not_pushed(push: Callable[..., Any], folder: str) -> None:
    pushed = push(blessed=0)
    assert versions(folder) == []
    assert pushed.get_int_custom_property("pushed") == 0


# To where the card joins it, then with that to the server, then to the archive.
@pytest.mark.parametrize("copied", range(3 * len(FILES) + 2))
def test_a_push_killed_at_any_file_shows_no_half_version(
    push: Callable[[], Any], folder: str, copied: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_after(copied, monkeypatch)
    with pytest.raises(SystemExit):
        push()
    for version in versions(folder):
        assert read(version) == FILES
        assert fileio.exists(f"{version}/{CARD}")
    monkeypatch.undo()

    pushed = push()
    left = {name.split("/")[0] for name in files_below(f"{folder}/serving")}
    assert left == {posixpath.basename(version) for version in versions(folder)}
    assert read(pushed.get_string_custom_property("pushed_destination")) == FILES


def kill_after(copied: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends the process, as far as a test can, in the middle of the file after so many."""
    whole, count = fileio.copy, iter(range(100))

    def copy(source: str, destination: str, overwrite: bool = False) -> None:
        if next(count) < copied:
            whole(source, destination, overwrite)
            return
        if "://" not in destination:  # an object is there whole or not at all
            Path(destination).write_text("")
        raise SystemExit

    monkeypatch.setattr(fileio, "copy", copy)


def test_only_what_no_server_can_load_is_removed(folder: str) -> None:
    root = f"{folder}/serving"
    kept = {"100/saved_model.pb": "", "notes.txt": "", "canary/readme": ""}
    write(root, {**kept, "200/variables/variables.index": "", f"{BESIDE}/300/saved_model.pb": ""})
    remove_partial_versions(root)
    assert read(root) == kept


def test_a_serving_folder_that_is_not_there_yet_is_no_fault(folder: str) -> None:
    remove_partial_versions(f"{folder}/new")
    assert not fileio.exists(f"{folder}/new")
