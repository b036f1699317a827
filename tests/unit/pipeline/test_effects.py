"""Settings that do nothing: each rule where it holds, where it does not, and who is told."""

from __future__ import annotations

import functools
import json
import operator
from pathlib import Path

import pytest

from pipeline.config import PRESETS, PipelineConfig, load_config
from pipeline.effects import OF_PHANTOMS, RULES, settings_without_effect

NOTHING_LEARNS = ["network.learns=nothing", "network.weights=a.keras"]

# A setting, what makes it do nothing (empty: the standard preset does), and what makes it work.
DATAFLOW_ARGUMENTS = "[--project=p, --region=r, --temp_location=gs://b/t]"

CASES = [
    ("preprocessing.clahe_clip_limit=3", [], ["preprocessing.contrast=clahe"]),
    ("preprocessing.clahe_tiles=4", ["preprocessing.contrast=equalize"],
     ["preprocessing.contrast=clahe"]),
    ("preprocessing.lung_margin=0.1", ["preprocessing.lungs=none"], ["preprocessing.lungs=mask"]),
    ("preprocessing.lung_fields_weights=own.npz",
     ["preprocessing.lungs=none", "evaluation.swap_audit=false", "evaluation.min_swap_auc=0"],
     ["preprocessing.lungs=crop"]),
    ("preprocessing.lung_ratio=keep", ["preprocessing.lungs=mask"], ["preprocessing.lungs=crop"]),
    ("augmentation.erase=0.1", ["augmentation.strength=0"], ["augmentation.strength=0.1"]),
    ("augmentation.rotation_degrees=3", ["augmentation.strength=0"], []),
    ("augmentation.aspect=0.05", ["augmentation.strength=0"], []),
    ("augmentation.scale=0.05", ["augmentation.strength=0"], []),
    ("augmentation.shift=0.01", ["augmentation.strength=0"], []),
    ("augmentation.gamma=0.1", ["augmentation.strength=0"], []),
    ("augmentation.sharpness=0.1", ["augmentation.strength=0"], []),
    ("augmentation.noise_stddev=0.02", ["augmentation.strength=0"], []),
    ("augmentation.frame_swap=0.3", ["preprocessing.lungs=none"], ["preprocessing.lungs=mask"]),
    ("augmentation.brightness=0.1", ["augmentation.gamma=0"], ["preprocessing.normalisation=unit"]),
    ("augmentation.contrast=0.1", ["augmentation.gamma=0"], ["preprocessing.normalisation=zscore"]),
    ("augmentation.contrast=0.2", ["augmentation.gamma=0"], ["augmentation.gamma=0.1"]),
    ("augmentation.brightness=0.2",
     ["preprocessing.normalisation=unit", "augmentation.strength=0"],
     ["preprocessing.normalisation=unit"]),
    ("network.width=32", ["network.backbone=resnet50"], []),
    ("network.depth=4", ["network.backbone=densenet121"], []),
    ("network.block=residual", ["network.backbone=resnet50"], []),
    ("network.clinical_dropout=0.5", [], ["network.clinical=true"]),
    ("train.segmentation_steps=7", [], ["network.segmentation=true"]),
    ("network.squeeze_excite=true", ["network.backbone=resnet50"], []),
    ("train.epochs=3", NOTHING_LEARNS, []),
    ("train.max_steps_per_epoch=5", NOTHING_LEARNS, []),
    ("train.learning_rate=0.1", NOTHING_LEARNS, []),
    ("train.learning_rate_schedule=constant", NOTHING_LEARNS, []),
    ("train.early_stopping_patience=2", NOTHING_LEARNS, []),
    ("train.weight_decay=0.3", NOTHING_LEARNS, []),
    ("train.label_smoothing=0.1", NOTHING_LEARNS, []),
    ("train.mixup=0.1", NOTHING_LEARNS, []),
    ("train.weight_average=0.5", NOTHING_LEARNS, []),
    ("train.imbalance=none", NOTHING_LEARNS, []),
    ("train.balance_groups=true", NOTHING_LEARNS, []),
    ("network.frozen_epochs=1", NOTHING_LEARNS, []),
    ("train.group_by=view", ["train.calibrate_on=all"], ["train.calibrate_on=worst_group"]),
    ("train.group_by=sex", ["train.calibrate_on=all"], ["train.balance_groups=true"]),
    ("train.group_by=site", ["train.calibrate_on=all"], ["train.objective=worst_group"]),
    ("train.group_by=age_band", ["train.calibrate_on=all"], ["train.retrain_last_layer=true"]),
    ("train.objective=worst_group", NOTHING_LEARNS, []),
    ("train.retrain_last_layer=true", NOTHING_LEARNS, []),
    ("train.group_step_size=0.1", [], ["train.objective=worst_group"]),
    ("train.imbalance=none", ["train.objective=worst_group"], []),
    ("train.focal_gamma=1", [], ["train.imbalance=focal"]),
    ("train.target_sensitivity=0.9", ["train.cost_ratio=5"], []),
    ("train.selective.max_missed=0.1", [], ["train.selective.enabled=true"]),
    ("train.selective.max_false_alarms=0.1", [], ["train.selective.enabled=true"]),
    ("train.selective.confidence=0.8", [], ["train.selective.enabled=true"]),
    ("tuner.algorithm=hyperband", [], ["tuner.enabled=true"]),
    ("tuner.trials=3", [], ["tuner.enabled=true"]),
    ("tuner.trials=4", ["tuner.enabled=true", "tuner.algorithm=hyperband"], ["tuner.enabled=true"]),
    ("tuner.epochs=3", [], ["tuner.enabled=true"]),
    ("tuner.max_steps_per_epoch=3", [], ["tuner.enabled=true"]),
    ("tuner.keep=[network.width]", ["tuner.hyperparameters="], []),
    ("data.manifest=films.csv", ["data.layout=folders"], []),
    ("data.eval_fraction=0.2", ["data.split=given"], []),
    ("data.test_fraction=0.2", ["data.split=given"], ["data.split=by_patient"]),
    ("data.test_fraction=0.3", ["data.split=style"], ["data.split=by_patient"]),
    ("data.test_styles=[2]", ["data.split=by_patient"], ["data.split=style"]),
    ("data.stress_split=test", ["data.split=given"], []),
    ("data.seed=3", ["data.split=given"], []),
    ("data.min_eval_films_per_class=9", ["data.split=by_patient"], []),
    ("data.min_eval_films_per_class=8", ["data.split=given"], []),
    ("evaluation.audit_films=50",
     ["evaluation.shift_audit=false", "evaluation.swap_audit=false", "evaluation.min_swap_auc=0"],
     ["evaluation.shift_audit=false"]),
    ("evaluation.control_epochs=2", ["evaluation.shortcut_audit=false"], []),
    ("explanations.size_px=128", ["explanations.films=0"], []),
    ("explanations.feature_maps=1", ["explanations.films=0"], ["explanations.films=10"]),
    ("label_audit.folds=4", ["label_audit.enabled=false"], []),
    ("label_audit.films_shown=3", ["label_audit.enabled=false"], ["label_audit.enabled=true"]),
    ("beam.workers=2", ["beam.extra_args=[--runner=FlinkRunner]"], []),
    ("beam.workers=3", ["beam.extra_args=[--runner, SparkRunner]"],
     ["beam.extra_args=[--runner=DirectRunner]"]),
    ("beam.address=h:1", [], ["beam.engine=prism", "beam.worker_pool=h:2"]),
    ("beam.worker_pool=h:1", [], ["beam.engine=prism", "beam.address=h:2"]),
    ("beam.worker_pool=h:3",
     ["beam.engine=dataflow", "beam.image=i", f"beam.extra_args={DATAFLOW_ARGUMENTS}"],
     ["beam.engine=prism", "beam.address=h:1"]),
    ("beam.image=i", ["beam.engine=flink", "beam.address=h:1", "beam.worker_pool=h:2"],
     ["beam.engine=flink", "beam.address=h:1"]),
]  # fmt: skip


def notes(*overrides: str, films_given: bool = True, file: Path | None = None) -> list[str]:
    return settings_without_effect("standard", file, overrides, films_given)


@pytest.mark.parametrize(("setting", "idle", "working"), CASES)
def test_a_setting_that_does_nothing_is_named_until_it_works(
    setting: str, idle: list[str], working: list[str]
) -> None:
    name = setting.partition("=")[0]
    (said,) = notes(setting, *idle)
    assert said.startswith(f"{name} has no effect: ")
    assert notes(setting, *working) == []


def test_every_rule_has_a_case() -> None:
    tried = {setting.partition("=")[0] for setting, _, _ in CASES}
    ruled = {name for rule in RULES for name in rule.settings}
    # Mirroring is on or off: under a strength of 0 only "on" could be told, which is the default.
    assert ruled - tried == {"augmentation.horizontal_flip"}


def test_every_rule_names_settings_that_there_are() -> None:
    values = PipelineConfig().model_dump()
    for rule in (*RULES, OF_PHANTOMS):
        for name in rule.settings:
            *groups, setting = name.split(".")
            assert setting in functools.reduce(operator.getitem, groups, values)


def test_the_sentence_says_why() -> None:
    assert notes("train.focal_gamma=1") == [
        "train.focal_gamma has no effect: it needs train.imbalance=focal"
    ]


def test_the_first_reason_of_two_is_given() -> None:
    (said,) = notes("augmentation.brightness=0.1", "augmentation.strength=0")
    assert "augmentation.strength=0" in said
    (said,) = notes("tuner.trials=3", "tuner.algorithm=bayesian")
    assert "tuner.enabled=true" in said


@pytest.mark.parametrize("preset", PRESETS)
def test_defaults_and_presets_are_not_told(preset: str) -> None:
    assert settings_without_effect(preset, None, [], True) == []
    off = ["augmentation.strength=0", "tuner.enabled=false", "preprocessing.contrast=none"]
    assert settings_without_effect(preset, None, off, True) == []
    assert settings_without_effect(preset, None, ["augmentation.brightness=0"], True) == []


def test_phantoms_are_told_where_films_are_given() -> None:
    assert notes("phantoms.films=90", films_given=False) == []
    assert notes("phantoms.films=90") == [
        "phantoms.films has no effect: the films are given, none is drawn"
    ]


def test_a_file_tells_too_and_a_stored_configuration_only_what_was_changed(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("train: {focal_gamma: 1, cost_ratio: 0}\n", encoding="utf-8")
    assert [note.split()[0] for note in notes(file=file)] == ["train.focal_gamma"]
    stored = tmp_path / "config.json"
    config = load_config("standard", file, ["evaluation.min_auc=0.5"])
    stored.write_text(json.dumps(config.model_dump(mode="json")), encoding="utf-8")
    assert [note.split()[0] for note in notes(file=stored)] == ["train.focal_gamma"]
