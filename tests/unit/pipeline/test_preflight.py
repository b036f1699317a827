"""What is bound to fail is refused, with its true reason, before anything runs."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from models.packaged_weights import PUBLISHED
from pipeline.config import Beam, ConfigError, load_config
from pipeline.locations import WorkDirectory
from pipeline.preflight import (
    check_data_root,
    check_engine,
    check_machine,
    check_named_paths,
    check_no_pattern,
    check_work,
)

HARMLESS = ("a b", "ü雪", "100% %41", "a#b&c;d'e,$f(g)~|h", "a@2", "a:b", "]", "-x")


def work_of_length(folder: Path, length: int) -> WorkDirectory:
    """Returns a work directory whose metadata store has a path of so many bytes."""
    path = folder
    while len(str(path / "metadata.sqlite")) < length - 101:
        path /= "x" * 100
    missing = length - len(str(path / "metadata.sqlite")) - 1
    return WorkDirectory(path / ("x" * missing))


class TestWork:
    @pytest.mark.parametrize("name", HARMLESS)
    def test_a_harmless_name_is_let_through(self, tmp_path: Path, name: str) -> None:
        check_work(WorkDirectory(tmp_path / name))

    @pytest.mark.parametrize(("name", "found"), [
        ("w [1]", "["), ("w*", "*"), ("w?", "?"), ("w\\x", "\\"), ("]a[", "["),
        ("{x}", "{"), ("x}", "}"),
    ])  # fmt: skip
    def test_a_pattern_is_refused(self, tmp_path: Path, name: str, found: str) -> None:
        path = tmp_path / name / "work"
        with pytest.raises(ConfigError) as error:
            check_work(WorkDirectory(path))
        assert str(error.value) == (
            f"the work directory {path} has a '{found}' in its name, which libraries take for a "
            "pattern of names; choose one without * ? [ \\ { }"
        )

    def test_a_name_that_is_no_text_is_refused(self, tmp_path: Path) -> None:
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
        with pytest.raises(ConfigError, match=r"/\\xff is not UTF-8, .*choose another --workdir"):
            check_work(WorkDirectory(path))

    def test_a_path_is_refused_from_the_length_on_that_the_store_cannot_open(
        self, tmp_path: Path
    ) -> None:
        longest, too_long = (work_of_length(tmp_path, length) for length in (504, 505))
        check_work(longest)
        _open_store(longest)
        with pytest.raises(ConfigError, match="is 1 bytes too long for SQLite"):
            check_work(too_long)
        with pytest.raises(RuntimeError, match="unable to open database file"):
            _open_store(too_long)


def _open_store(work: WorkDirectory) -> None:
    work.path.mkdir(parents=True)
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(work.metadata)
    MetadataStore(config)


class TestDataRoot:
    @pytest.mark.parametrize("name", [*HARMLESS, "w [1]", "w*", "w?", "w\\x", "{x}"])
    def test_any_text_will_do(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name / "NORMAL").mkdir(parents=True)
        check_data_root(tmp_path / name, WorkDirectory(tmp_path / "work"))

    def test_a_name_that_is_no_text_is_refused(self, tmp_path: Path) -> None:
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
        path.mkdir()
        with pytest.raises(ConfigError, match=r"/\\xff is not UTF-8, .*another --data-root"):
            check_data_root(path, WorkDirectory(tmp_path / "work"))


class TestHyperparameters:
    def test_the_shipped_ones_and_none_are_fine(self) -> None:
        check_named_paths(load_config("standard"))
        check_named_paths(load_config())

    @pytest.mark.parametrize("files", [None, (), ("one", "two")])
    def test_a_folder_without_the_one_file_is_refused(
        self, tmp_path: Path, files: tuple[str, ...] | None
    ) -> None:
        folder = tmp_path / "best [1]"
        config = load_config(overrides=[f"tuner.hyperparameters={folder}"])
        if files is not None:
            folder.mkdir()
            for name in files:
                (folder / name).touch()
        with pytest.raises(ConfigError) as error:
            check_named_paths(config)
        assert str(error.value) == (
            f"{folder} is no folder with one file, best_hyperparameters.txt; check "
            "tuner.hyperparameters"
        )

    def test_a_folder_with_the_one_file_is_fine(self, tmp_path: Path) -> None:
        (tmp_path / "best_hyperparameters.txt").touch()
        check_named_paths(load_config(overrides=[f"tuner.hyperparameters={tmp_path}"]))


class TestLungWeights:
    def test_a_missing_file_is_refused_where_lungs_are_looked_for(self, tmp_path: Path) -> None:
        own = f"preprocessing.lung_fields_weights={tmp_path / 'own.npz'}"
        nowhere = ("preprocessing.lungs=none", "evaluation.swap_audit=false")
        check_named_paths(load_config(overrides=[own, *nowhere, "evaluation.min_swap_auc=0"]))
        looking = load_config(overrides=[own, "preprocessing.lungs=crop"])
        with pytest.raises(ConfigError, match=r"own\.npz does not exist; .*lung_fields_weights"):
            check_named_paths(looking)
        (tmp_path / "own.npz").touch()
        check_named_paths(looking)

    def test_what_is_remote_is_not_looked_for_here(self) -> None:
        remote = "preprocessing.lung_fields_weights=gs://bucket/own.npz"
        check_named_paths(load_config(overrides=[remote, "preprocessing.lungs=crop"]))


class TestServingStatistics:
    def test_a_missing_file_is_refused_and_a_remote_one_is_not_looked_for(
        self, tmp_path: Path
    ) -> None:
        served = tmp_path / "served.pb"
        config = load_config(overrides=[f"data_gate.serving_statistics={served}"])
        with pytest.raises(ConfigError, match=r"served\.pb are no file; check data_gate\.serving"):
            check_named_paths(config)
        served.touch()
        check_named_paths(config)
        check_named_paths(load_config(overrides=["data_gate.serving_statistics=gs://b/s.pb"]))


class TestExcludedFilms:
    def test_a_missing_list_is_refused_and_a_remote_one_is_not_looked_for(
        self, tmp_path: Path
    ) -> None:
        confirmed = tmp_path / "confirmed.csv"
        config = load_config(overrides=[f"data.exclude_films={confirmed}"])
        with pytest.raises(ConfigError, match=r"confirmed\.csv is no file; check data\.exclude_"):
            check_named_paths(config)
        confirmed.touch()
        check_named_paths(config)
        check_named_paths(load_config(overrides=["data.exclude_films=gs://b/confirmed.csv"]))


class TestPackagedWeights:
    FROM_IMAGENET = ("network.weights=imagenet", "preprocessing.normalisation=unit")

    def test_a_missing_package_is_named_with_the_extra(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, published in PUBLISHED.items():
            monkeypatch.setitem(PUBLISHED, name, published._replace(package=f"absent_{name}"))
            backbone = f"network.backbone={name}"
            check_named_paths(load_config(overrides=[backbone]))
            with pytest.raises(ConfigError, match=rf"absent-{name.replace('_', '-')}.*pretrained"):
                check_named_paths(load_config(overrides=[backbone, *self.FROM_IMAGENET]))

    def test_what_keras_downloads_is_not_looked_for(self) -> None:
        backbone = "network.backbone=mobilenet_v3"
        check_named_paths(load_config(overrides=[backbone, *self.FROM_IMAGENET]))


class TestMachine:
    def test_the_settings_of_keras_are_looked_at(self, tmp_path: Path) -> None:
        check_machine({"HOME": str(tmp_path)})
        with pytest.raises(ConfigError, match=r"^KERAS_BACKEND is 'jax'"):
            check_machine({"HOME": str(tmp_path), "KERAS_BACKEND": "jax"})

    def test_a_temporary_folder_that_is_none_is_refused(self, tmp_path: Path) -> None:
        environment = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path / "absent")}
        with pytest.raises(ConfigError, match=f"^TMPDIR is {tmp_path}/absent, which is no folder"):
            check_machine(environment)

    def test_a_full_temporary_folder_is_refused(self, tmp_path: Path, disk: Path) -> None:
        environment = {"HOME": str(tmp_path), "TMPDIR": str(disk)}
        with pytest.raises(ConfigError) as error:
            check_machine(environment)
        assert str(error.value) == (
            f"no temporary file can be written in {disk}: No space left on device; make room "
            "there, or set TMPDIR to another folder"
        )


def test_the_sentence_names_what_the_address_is_of() -> None:
    check_no_pattern("--pipeline-root", "gs://bucket/runs")
    with pytest.raises(ConfigError, match=r"^--pipeline-root gs://bucket/r\? has a '\?' in its"):
        check_no_pattern("--pipeline-root", "gs://bucket/r?")


class TestEngine:
    def test_one_that_answers_is_taken(self) -> None:
        with socket.create_server(("localhost", 0)) as engine:
            address = f"localhost:{engine.getsockname()[1]}"
            check_engine(Beam(engine="prism", address=address, image="i"))

    def test_the_local_runner_is_not_looked_for(self) -> None:
        check_engine(Beam(address="localhost:1"))

    @pytest.mark.parametrize(
        ("address", "said"),
        [
            ("localhost:{free}", "nothing answers at beam.address"),
            ("localhost:99999", "nothing answers at beam.address"),
            ("localhost", "no host:port"),
            (":8073", "no host:port"),
        ],
    )
    def test_one_that_does_not_is_named(self, address: str, said: str) -> None:
        with socket.socket() as unused:
            unused.bind(("localhost", 0))  # and nobody listens
            named = address.format(free=unused.getsockname()[1])
            with pytest.raises(ConfigError, match=said):
                check_engine(Beam(engine="prism", address=named, image="i"))

    def test_so_is_a_pool_of_workers(self) -> None:
        with socket.create_server(("localhost", 0)) as engine:
            address = f"localhost:{engine.getsockname()[1]}"
            with pytest.raises(ConfigError, match=r"beam\.worker_pool=localhost:1 "):
                check_engine(Beam(engine="prism", address=address, worker_pool="localhost:1"))
