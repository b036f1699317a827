"""Settings that do nothing beside the others, as a table; a run says which a user has set.

A setting that is refused would have to be taken back before another can be tried, so it is
only said. What contradicts another setting outright `pipeline.config` refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.explanation_settings import ExplanationSettings
from models.hyperparameters import Augmentation, Selective, Train
from models.label_audit_settings import LabelAuditSettings
from pipeline.beam import names_another_runner
from pipeline.config import NOTHING, Phantoms, PipelineConfig, Tuner, changed_settings
from radiographs.options import BY_STYLE


@dataclass(frozen=True)
class Rule:
    """When settings do nothing.

    Attributes:
        settings: Dotted names.
        idle: Whether they do nothing under a configuration.
        reason: Why, as the end of a sentence.
    """

    settings: tuple[str, ...]
    idle: Callable[[PipelineConfig], bool]
    reason: str


def _of(group: str, settings: Iterable[str], *but: str) -> tuple[str, ...]:
    return tuple(f"{group}.{name}" for name in settings if name not in but)


def _takes_exposure_out(config: PipelineConfig) -> bool:
    """Whether all that is left of a linear change of grey levels is what it clips."""
    per_image = config.preprocessing.normalisation == "per_image"
    return per_image and not config.augmentation.gamma


def _looks_at_groups(train: Train) -> bool:
    of_worst = "worst_group" in (train.calibrate_on, train.objective)
    return of_worst or train.balance_groups or train.retrain_last_layer


_OF_LEARNING = (
    "epochs", "max_steps_per_epoch", "learning_rate", "learning_rate_schedule",
    "early_stopping_patience", "weight_decay", "label_smoothing", "mixup", "weight_average",
    "imbalance", "balance_groups", "objective", "group_step_size", "retrain_last_layer",
)  # fmt: skip

# The first rule that holds of a setting gives its reason.
RULES = (
    Rule(
        ("preprocessing.lung_margin",),
        lambda config: config.preprocessing.lungs == "none",
        "it needs preprocessing.lungs=crop or mask",
    ),
    Rule(
        ("preprocessing.lung_fields_weights",),
        lambda config: not (config.preprocessing.lungs != "none" or config.evaluation.swap_audit),
        "it needs preprocessing.lungs=crop or mask, or evaluation.swap_audit=true",
    ),
    Rule(
        ("preprocessing.lung_ratio",),
        lambda config: config.preprocessing.lungs != "crop",
        "it needs preprocessing.lungs=crop",
    ),
    Rule(
        ("preprocessing.clahe_clip_limit", "preprocessing.clahe_tiles"),
        lambda config: config.preprocessing.contrast != "clahe",
        "it needs preprocessing.contrast=clahe",
    ),
    Rule(
        _of("augmentation", Augmentation.model_fields, "strength"),
        lambda config: config.augmentation.strength == 0,
        "augmentation.strength=0 switches all augmentation off",
    ),
    Rule(
        ("augmentation.frame_swap",),
        lambda config: config.preprocessing.lungs == "none",
        "it needs preprocessing.lungs=crop or mask",
    ),
    Rule(
        ("augmentation.brightness", "augmentation.contrast"),
        _takes_exposure_out,
        "preprocessing.normalisation=per_image takes it out of each film again, but for what is "
        "clipped; it needs unit or zscore, or augmentation.gamma above 0",
    ),
    Rule(
        _of("network", ("width", "depth", "block", "squeeze_excite")),
        lambda config: config.network.backbone != "cnn",
        "a network.backbone other than cnn has a shape of its own, so only the controls of the "
        "shortcut audit take it",
    ),
    Rule(
        ("network.clinical_dropout",),
        lambda config: not config.network.clinical,
        "it needs network.clinical=true",
    ),
    Rule(
        ("train.segmentation_steps",),
        lambda config: not config.network.segmentation,
        "it needs network.segmentation=true",
    ),
    Rule(
        _of("train", _OF_LEARNING),
        lambda config: config.network.learns == "nothing",
        "network.learns=nothing trains nothing",
    ),
    Rule(
        ("network.frozen_epochs",),
        lambda config: config.network.learns != "all",
        "it needs network.learns=all",
    ),
    Rule(
        ("train.group_by",),
        lambda config: not _looks_at_groups(config.train),
        "it needs calibrate_on=worst_group, balance_groups=true, objective=worst_group or "
        "retrain_last_layer=true of train",
    ),
    Rule(
        ("train.group_step_size",),
        lambda config: config.train.objective != "worst_group",
        "it needs train.objective=worst_group",
    ),
    Rule(
        ("train.imbalance",),
        lambda config: (
            config.train.objective == "worst_group"
            and config.train.imbalance in ("none", "class_weights")
        ),
        "train.objective=worst_group counts each class of a group by itself",
    ),
    Rule(
        ("train.focal_gamma",),
        lambda config: config.train.imbalance != "focal",
        "it needs train.imbalance=focal",
    ),
    Rule(
        ("train.target_sensitivity",),
        lambda config: config.train.cost_ratio > 0,
        "train.cost_ratio above 0 chooses the operating point",
    ),
    Rule(
        _of("train.selective", Selective.model_fields, "enabled"),
        lambda config: not config.train.selective.enabled,
        "it needs train.selective.enabled=true",
    ),
    Rule(
        _of("tuner", Tuner.model_fields, "enabled", "hyperparameters", "keep"),
        lambda config: not config.tuner.enabled,
        "it needs tuner.enabled=true",
    ),
    Rule(
        ("tuner.trials",),
        lambda config: config.tuner.algorithm != "bayesian",
        "it needs tuner.algorithm=bayesian",
    ),
    Rule(
        ("tuner.keep",),
        lambda config: not config.tuner.hyperparameters,
        "tuner.hyperparameters is empty, so nothing is imported",
    ),
    Rule(
        ("data.manifest",),
        lambda config: config.data.layout == "folders",
        "data.layout=folders reads no manifest",
    ),
    Rule(
        _of("data", ("eval_fraction", "test_fraction", "stress_split", "seed")),
        lambda config: config.data.split == "given",
        "data.split=given carves no split",
    ),
    Rule(
        ("data.test_fraction",),
        lambda config: config.data.split == BY_STYLE,
        "data.split=style takes whole styles as test",
    ),
    Rule(
        ("data.test_styles",),
        lambda config: config.data.split != BY_STYLE,
        "it needs data.split=style",
    ),
    Rule(
        ("data.min_eval_films_per_class",),
        lambda config: config.data.split != "auto",
        "it needs data.split=auto",
    ),
    Rule(
        ("evaluation.audit_films",),
        lambda config: (
            not (
                config.evaluation.shift_audit
                or config.evaluation.swap_audit
                or config.network.segmentation
            )
        ),
        "it needs evaluation.shift_audit=true, evaluation.swap_audit=true or "
        "network.segmentation=true",
    ),
    Rule(
        ("evaluation.control_epochs",),
        lambda config: not config.evaluation.shortcut_audit,
        "it needs evaluation.shortcut_audit=true",
    ),
    Rule(
        _of("explanations", ExplanationSettings.model_fields, "films"),
        lambda config: config.explanations.films == 0,
        "explanations.films=0 explains no film",
    ),
    Rule(
        _of("label_audit", LabelAuditSettings.model_fields, "enabled"),
        lambda config: not config.label_audit.enabled,
        "it needs label_audit.enabled=true",
    ),
    Rule(
        ("beam.workers",),
        lambda config: names_another_runner(config.beam),
        "it is for the local runner, and beam.extra_args names another",
    ),
    Rule(
        ("beam.address", "beam.worker_pool", "beam.image"),
        lambda config: config.beam.engine == "local",
        "it is for an engine of several machines, and beam.engine=local",
    ),
    Rule(
        ("beam.address", "beam.worker_pool"),
        lambda config: config.beam.engine == "dataflow",
        "Dataflow finds its workers itself",
    ),
    Rule(
        ("beam.image",),
        lambda config: config.beam.engine != "dataflow" and bool(config.beam.worker_pool),
        "the workers are those of beam.worker_pool",
    ),
)

OF_PHANTOMS = Rule(
    _of("phantoms", Phantoms.model_fields),
    lambda config: True,
    "the films are given, none is drawn",
)


def settings_without_effect(
    preset: str,
    file: Path | None,
    overrides: Iterable[str],
    films_given: bool,
    start: Mapping[str, Any] = NOTHING,
) -> list[str]:
    """Says which settings of a user do nothing.

    Defaults and what a preset sets are left out, and so is what is switched off.

    Args:
        preset: As for `pipeline.config.load_config`.
        file: The same.
        overrides: The same.
        films_given: Whether a data root stands in for the phantoms.
        start: As for `load_config`.

    Returns:
        A sentence for each such setting, in the order of the table.

    Raises:
        ConfigError: As `load_config`.
    """
    config, changed = changed_settings(preset, file, overrides, start)
    reasons: dict[str, str] = {}
    for rule in (*RULES, OF_PHANTOMS) if films_given else RULES:
        if rule.idle(config):
            reasons = dict.fromkeys(rule.settings, rule.reason) | reasons
    return [
        f"{name} has no effect: {reason}"
        for name, reason in sorted(reasons.items())
        if name in changed and _value_of(config, name)
    ]


def _value_of(config: PipelineConfig, name: str) -> object:
    value: object = config
    for part in name.split("."):
        value = getattr(value, part)
    return value
