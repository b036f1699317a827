"""PipelineConfig: layers, checks and the sentences that refuse a value."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from models.hyperparameters import Hyperparameters, with_tuned
from pipeline.config import (
    PRESETS,
    SHIPPED_FOLDER,
    ConfigError,
    PipelineConfig,
    config_from,
    load_config,
    settings_table,
)
from tests.support import shipped_hyperparameters


def test_layers_are_laid_over_each_other(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("train: {epochs: 7, batch_size: 8}\n", encoding="utf-8")
    config = load_config("demo", file, ["train.batch_size=16", "network.dropout=0.25"])
    assert config.train.epochs == 7
    assert config.train.batch_size == 16
    assert config.network.dropout == 0.25
    assert config.preprocessing.image_size_px == PRESETS["demo"]["preprocessing"]["image_size_px"]
    assert config.beam == PipelineConfig().beam


def test_what_the_user_names_is_kept_from_an_import(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("train: {learning_rate: 0.01}\n", encoding="utf-8")
    config = load_config("standard", file, ["network.width=24", "data.seed=1"])
    assert config.tuner.keep == ("network.width", "train.learning_rate")
    tuned = {"network.width": 64, "network.depth": 3, "train.learning_rate": 0.5}
    settings = with_tuned(config.hyperparameters, tuned, config.tuner.keep)
    assert (settings.network.width, settings.network.depth) == (24, 3)
    assert settings.train.learning_rate == 0.01


@pytest.mark.parametrize("task", ["binary", "subtype"])
def test_a_search_starts_from_what_is_shipped_and_what_is_set(task: str) -> None:
    config = load_config(
        "standard", None, [f"task={task}", "tuner.enabled=true", "network.width=24"]
    )
    told = config.hyperparameters
    for name, value in shipped_hyperparameters(task)["values"].items():
        part, setting = name.split(".")
        expected = 24 if name == "network.width" else value
        assert getattr(getattr(told, part), setting) == expected
    assert (config.tuner.hyperparameters, config.tuner.enabled) == ("", True)


def test_shipped_values_are_checked_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "binary").mkdir()
    file = tmp_path / "binary" / "best_hyperparameters.txt"
    file.write_text(json.dumps({"values": {"network.depth": 7}}), encoding="utf-8")
    monkeypatch.setattr("pipeline.config.SHIPPED_FOLDER", tmp_path)
    with pytest.raises(ConfigError, match=r"network\.depth 7 needs"):
        load_config("standard", None, ["tuner.enabled=true"])


def test_without_a_search_the_shipped_ones_stay_an_import() -> None:
    config = load_config("standard")
    assert config.train.learning_rate == PipelineConfig().train.learning_rate
    assert config.hyperparameters_folder == str(SHIPPED_FOLDER / "binary")


def test_imported_files_are_hyperparameters_and_weights(tmp_path: Path) -> None:
    names = [tmp_path / "searched" / "best_hyperparameters.txt", tmp_path / "earlier.keras"]
    for name in names:
        name.parent.mkdir(exist_ok=True)
        name.write_text("{}", encoding="utf-8")
    (tmp_path / "searched" / "folder").mkdir()
    given = [f"tuner.hyperparameters={tmp_path / 'searched'}", f"network.weights={names[1]}"]
    assert set(load_config("standard", None, given).imported_files) == set(names)
    searching = load_config("standard", None, [given[1], "tuner.enabled=true"])
    assert searching.imported_files == [names[1]]
    assert load_config("standard", None, ["tuner.hyperparameters="]).imported_files == []


@pytest.mark.parametrize("searching", ["false", "true"])
def test_a_stored_configuration_is_the_same_run_again(tmp_path: Path, searching: str) -> None:
    config = load_config("standard", None, ["network.width=24", f"tuner.enabled={searching}"])
    file = tmp_path / "config.json"
    file.write_text(config.model_dump_json(), encoding="utf-8")
    assert load_config("standard", file) == config
    again = load_config("standard", file, ["network.dropout=0.5", "tuner.enabled=true"])
    assert (again.network.width, again.network.dropout) == (24, 0.5)
    assert {"network.width", "network.dropout"} <= set(again.tuner.keep)


def test_numbers_and_text_of_an_override() -> None:
    config = load_config("standard", None, ["train.learning_rate=1e-4", "tuner.hyperparameters="])
    assert config.train.learning_rate == 0.0001
    assert config.tuner.hyperparameters == ""


def test_json_survives_a_round_trip() -> None:
    config = load_config("demo", None, ["data.seed=5"])
    assert PipelineConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.epoch=3", ["train.epoch", "epochs, batch_size"]),
        ("nothing.at_all=1", ["nothing", "data, phantoms"]),
        ("evaluation.min_auc=1.2", ["evaluation.min_auc", "less than or equal to 1", "1.2"]),
        ("evaluation.min_recall=-0.1", ["evaluation.min_recall", "greater than or equal to 0"]),
        ("train.imbalance=smote", ["train.imbalance", "'class_weights'", "'oversample'"]),
        ("network.weights=imagenet", ["network.weights=imagenet", "network.backbone"]),
        ("train.epochs=many", ["train.epochs", "integer", "many"]),
        ("train.learning_rate=.nan", ["train.learning_rate"]),
        ("train.epochs", ["part.setting=value"]),
        ("train=3", ["train is a group of settings", "epochs, batch_size"]),
        ("beam.extra_args=--a", ["beam.extra_args is a list", "--set 'beam.extra_args=[--a]'"]),
        ("data.patient_pattern=(", ["data.patient_pattern", "no regular expression"]),
        ("network.depth=7", ["network.depth 7 needs", "at least 256, not 128"]),
        ("tuner={enabled: true, hyperparameters: f}", ["tuner.enabled", "hyperparameters=f"]),
    ],
)
def test_what_is_not_allowed_is_named(override: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        load_config("standard", None, [override])
    for word in words:
        assert word in str(error.value)


def test_unknown_preset_lists_the_presets() -> None:
    with pytest.raises(ConfigError, match="demo, standard"):
        load_config("huge")


@pytest.mark.parametrize("text", ["train: [", "- a list", ""])
def test_a_file_that_is_no_settings(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"settings\.yaml"):
        load_config("standard", file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        load_config("standard", tmp_path / "absent.yaml")


def test_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        PipelineConfig().train.epochs = 3  # type: ignore[misc]


def test_tuned_values_are_laid_over_and_checked() -> None:
    tuned = with_tuned(Hyperparameters(), {"network.width": 32, "train.learning_rate": 0.01})
    assert (tuned.network.width, tuned.train.learning_rate) == (32, 0.01)
    with pytest.raises(ValueError, match=r"network\.colour"):
        with_tuned(Hyperparameters(), {"network.colour": 1})
    with pytest.raises(ValueError, match="dropout"):
        with_tuned(Hyperparameters(), {"network.dropout": 7})


def test_imagenet_weights_need_the_pixels_they_were_trained_with() -> None:
    backbone = ["network.backbone=mobilenet_v3", "network.weights=imagenet"]
    with pytest.raises(ConfigError, match="normalisation=unit, not per_image"):
        load_config("standard", None, backbone)
    config = load_config("standard", None, [*backbone, "preprocessing.normalisation=unit"])
    assert config.network.weights == "imagenet"


def test_a_trial_has_to_outlast_the_frozen_epochs() -> None:
    searching = ["tuner.enabled=true", "tuner.epochs=2"]
    with pytest.raises(ConfigError, match=r"tuner\.epochs 2 .* above network\.frozen_epochs 2"):
        load_config("standard", None, [*searching, "network.frozen_epochs=2"])
    config = load_config("standard", None, [*searching, "network.frozen_epochs=1"])
    assert config.network.frozen_epochs == 1
    assert load_config("standard", None, ["network.frozen_epochs=4"]).tuner.epochs == 4


def _count_leaves(values: object) -> int:
    return sum(map(_count_leaves, values.values())) if isinstance(values, dict) else 1


def test_a_setting_of_a_group_in_a_group_is_set_and_refused_by_its_name() -> None:
    config = load_config("standard", None, ["train.selective.max_missed=0.1"])
    assert config.hyperparameters.train.selective.max_missed == 0.1
    assert not config.train.selective.enabled
    with pytest.raises(ConfigError, match=r"'train\.selective' has: enabled, max_missed"):
        load_config("standard", None, ["train.selective.max_misses=0.1"])
    with pytest.raises(ConfigError, match=r"train\.selective\.confidence: "):
        load_config("standard", None, ["train.selective.confidence=1"])


def test_every_setting_has_a_row_with_a_meaning() -> None:
    rows = settings_table().splitlines()[2:]
    names = {row.split("`")[1] for row in rows}
    assert len(rows) == len(names) == _count_leaves(PipelineConfig().model_dump())
    assert {"task", "train.epochs", "train.selective.max_missed"} <= names
    assert all("None" not in row.split("|")[-2] for row in rows)


@pytest.mark.parametrize(
    ("audit", "floor"),
    [
        ("shift_audit=false", "min_shift_auc"),
        ("shift_audit=false", "min_shift_recall"),
        ("shift_audit=false", "min_shift_specificity"),
        ("swap_audit=false", "min_swap_auc"),
        ("shortcut_audit=false", "min_shortcut_margin"),
        ("external_data_root=", "min_external_auc"),
        ("external_data_root=", "min_external_recall"),
        ("external_data_root=", "min_external_specificity"),
    ],
)
def test_a_floor_that_nothing_is_held_against_is_refused(audit: str, floor: str) -> None:
    with pytest.raises(ConfigError, match=f"{floor} needs {audit.partition('=')[0]}"):
        load_config("standard", None, [f"evaluation.{audit}", f"evaluation.{floor}=0.5"])


def test_the_margin_is_on_by_default_and_goes_with_its_audit() -> None:
    assert load_config("standard").evaluation.min_shortcut_margin == 0.2
    without = load_config("standard", None, ["evaluation.shortcut_audit=false"])
    assert without.evaluation.min_shortcut_margin == 0
    # What a run stores is what the next one may be given.
    assert config_from(without.model_dump(mode="json")) == without


@pytest.mark.parametrize(
    ("preset", "least", "loss"),
    [("demo", 0.5, 0.2), ("standard", 0.8, 0.05), ("pretrained", 0.8, 0.05)],
)
def test_every_preset_asks_for_ranking_recall_and_specificity(
    preset: str, least: float, loss: float
) -> None:
    gates = load_config(preset).evaluation
    assert min(gates.min_auc, gates.min_recall, gates.min_specificity) == least
    assert max(gates.max_auc_drop, gates.max_recall_drop, gates.max_specificity_drop) == loss


@pytest.mark.parametrize("preset", ["standard", "pretrained"])
def test_the_threshold_aims_above_what_the_gate_asks_of_every_style(preset: str) -> None:
    config = load_config(preset)
    assert (config.train.group_by, config.train.calibrate_on) == ("style", "worst_group")
    # By the deviation of a share of 0.85 among the 55 pneumonias of a style.
    deviation = math.sqrt(0.85 * 0.15 / 55)
    assert config.train.target_sensitivity == 0.85
    assert config.evaluation.min_recall <= 0.85 - deviation
