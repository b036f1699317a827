"""Versions of a pushed model: the newest is found, another one joins them whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from pipeline.config import ConfigError
from pipeline.versions import find_version, publish

GRAPH = "saved_model.pb"


def make_model(folder: Path, text: str = "graph") -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / GRAPH).write_text(text)
    (folder / "variables" / "data").write_text("numbers")
    return folder


class TestFind:
    def test_a_version_is_itself(self, tmp_path: Path) -> None:
        model = make_model(tmp_path / "7")
        assert find_version(str(model)) == find_version(f"{model}/") == str(model)

    def test_the_newest_is_the_largest_number_with_a_model(self, tmp_path: Path) -> None:
        for name in ("9", "10", "2"):
            make_model(tmp_path / name)
        (tmp_path / "11").mkdir()
        make_model(tmp_path / ".partial")
        assert find_version(str(tmp_path)) == str(tmp_path / "10")

    def test_a_work_directory_is_looked_into(self, tmp_path: Path) -> None:
        model = make_model(tmp_path / "serving_model" / "cxr_pneumonia" / "5")
        assert find_version(str(tmp_path)) == str(model)

    @pytest.mark.parametrize("name", ["", "nowhere"])
    def test_no_model_is_refused(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ConfigError, match="holds no pushed model; give the folder"):
            find_version(str(tmp_path / name))


class TestPublish:
    def test_is_the_newest_and_whole(self, tmp_path: Path) -> None:
        model = make_model(tmp_path / "model", "another")
        root = tmp_path / "to" / "versions"
        first, second = (Path(publish(str(model), str(root))) for _ in range(2))
        assert int(second.name) > int(first.name)
        assert sorted(path.name for path in root.iterdir()) == [first.name, second.name]
        assert (second / GRAPH).read_text() == "another"
        assert (second / "variables" / "data").read_text() == "numbers"

    def test_is_newer_than_one_of_a_clock_that_was_ahead(self, tmp_path: Path) -> None:
        make_model(tmp_path / "to" / "9999999999")
        version = publish(str(make_model(tmp_path / "model")), str(tmp_path / "to"))
        assert Path(version).name == "10000000000"

    def test_a_server_never_sees_half_of_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model, root = make_model(tmp_path / "model"), tmp_path / "to"
        seen: list[list[str]] = []
        copy = tf.io.gfile.copy

        def copy_and_look(source: str, target: str) -> None:
            copy(source, target)
            seen.append([path.name for path in root.iterdir() if path.name.isdigit()])

        monkeypatch.setattr(tf.io.gfile, "copy", copy_and_look)
        publish(str(model), str(root))
        assert seen == [[], []]

    def test_a_model_is_no_place_for_another(self, tmp_path: Path) -> None:
        model = make_model(tmp_path / "model")
        with pytest.raises(ConfigError, match="is a model itself"):
            publish(str(model), str(model))
