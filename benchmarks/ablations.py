"""The ablations of `model_quality`: what each row changes in the standard settings, as data.

One choice at a time, but for contrast and normalisation, which are changed once together, as each
does part of the other's work, and a head alone, which learns at a rate of its own. Both sides of
most choices are listed, so that the rows stay complete when a default changes; the side that the
standard has is left out by `why_left_out`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.hyperparameters import Hyperparameters, with_tuned

# The same for every row. The controls of the shortcut audit say nothing of a row, and a search
# would answer each factor with other values of the rest.
LEAN_SETTINGS: Mapping[str, Any] = {
    "evaluation.shortcut_audit": False,
    "tuner.enabled": False,
}

_SHAPE = ("network.width", "network.depth", "network.block", "network.squeeze_excite")
_BOX = ("preprocessing.lung_ratio", "preprocessing.lung_margin")
_EXPOSURE = ("augmentation.brightness", "augmentation.contrast", "augmentation.gamma")
_DETAIL = ("augmentation.sharpness", "augmentation.noise_stddev", "augmentation.erase")


def ablations(base: Hyperparameters) -> dict[str, dict[str, Any]]:
    """Returns the rows in the order of the table.

    Args:
        base: What the standard was trained with; some rows are relative to it.

    Returns:
        Settings by dotted name, by the name of the row; the names do not depend on `base`.
    """
    width, depth, augmentation = base.network.width, base.network.depth, base.augmentation
    deepest = base.preprocessing.image_size_px.bit_length() - 2  # a block halves the image
    return {
        "contrast none": {"preprocessing.contrast": "none"},
        "contrast equalize": {"preprocessing.contrast": "equalize"},
        "contrast clahe": {"preprocessing.contrast": "clahe"},
        "contrast clahe, normalisation unit": {
            "preprocessing.contrast": "clahe",
            "preprocessing.normalisation": "unit",
        },
        "normalisation unit": {"preprocessing.normalisation": "unit"},
        "normalisation per_image": {"preprocessing.normalisation": "per_image"},
        "lungs none": {"preprocessing.lungs": "none"},
        "lungs crop": {"preprocessing.lungs": "crop"},
        "lungs mask": {"preprocessing.lungs": "mask"},
        "box made square": {"preprocessing.lung_ratio": "keep"},
        "box stretched": {"preprocessing.lung_ratio": "stretch"},
        "no margin around lungs": {"preprocessing.lung_margin": 0.0},
        "twice the margin around lungs": {
            "preprocessing.lung_margin": min(0.3, 2 * base.preprocessing.lung_margin)
        },
        "frame swap 0": {"augmentation.frame_swap": 0.0},
        "frame swap 0.5": {"augmentation.frame_swap": 0.5},
        "frame swap 0.8": {"augmentation.frame_swap": 0.8},
        "border kept": {"preprocessing.border_crop": 0.0},
        "border cropped": {"preprocessing.border_crop": 0.07},
        "resolution 128": {"preprocessing.image_size_px": 128},
        "resolution 160": {"preprocessing.image_size_px": 160},
        "resolution 224": {"preprocessing.image_size_px": 224},
        "no augmentation": {"augmentation.strength": 0.0},
        "only geometric augmentation": dict.fromkeys((*_EXPOSURE, *_DETAIL), 0.0),
        "with gamma and contrast": {"augmentation.gamma": 0.3, "augmentation.contrast": 0.25},
        "without gamma and contrast": {"augmentation.gamma": 0.0, "augmentation.contrast": 0.0},
        "half the aspect and shift": {
            "augmentation.aspect": augmentation.aspect / 2,
            "augmentation.shift": augmentation.shift / 2,
        },
        "without aspect and shift": {"augmentation.aspect": 0.0, "augmentation.shift": 0.0},
        "without rotation and zoom": {"augmentation.rotation_degrees": 0, "augmentation.scale": 0},
        "without sharpness": {"augmentation.sharpness": 0.0},
        "without noise": {"augmentation.noise_stddev": 0.0},
        "without erasing": {"augmentation.erase": 0.0},
        "mixup 0": {"train.mixup": 0.0},
        "mixup 0.4": {"train.mixup": 0.4},
        "label smoothing 0": {"train.label_smoothing": 0.0},
        "label smoothing 0.1": {"train.label_smoothing": 0.1},
        "weight average 0": {"train.weight_average": 0.0},
        "weight average 0.99": {"train.weight_average": 0.99},
        "weight decay 0": {"train.weight_decay": 0.0},
        "weight decay 0.01": {"train.weight_decay": 0.01},
        "plain blocks": {"network.block": "plain"},
        "residual blocks": {"network.block": "residual"},
        "without squeeze-excite": {"network.squeeze_excite": False},
        "with squeeze-excite": {"network.squeeze_excite": True},
        "half the width": {"network.width": max(4, width // 2)},
        "1.5 times the width": {"network.width": min(128, round(1.5 * width))},
        "one block less": {"network.depth": max(2, depth - 1)},
        "one block more": {"network.depth": min(7, deepest, depth + 1)},
        "head alone learns": {  # at a rate for what has few weights
            "network.frozen_epochs": base.train.epochs,
            "train.learning_rate": 5e-3,
        },
        "twice the epochs": {"train.epochs": 2 * base.train.epochs},
        "one member": {"train.members": 1},
        "3 members": {"train.members": 3},
        "without flip average": {"network.flip_average": False},
        "with flip average": {"network.flip_average": True},
        "without age, sex and view": {"network.clinical": False},
        "with age, sex and view": {"network.clinical": True},
        "calibrated on all films": {"train.calibrate_on": "all"},
        "calibrated on the worst style": {
            "train.calibrate_on": "worst_group",
            "train.group_by": "style",
        },
        "imbalance none": {"train.imbalance": "none"},
        "imbalance class_weights": {"train.imbalance": "class_weights"},
        "imbalance oversample": {"train.imbalance": "oversample"},
        "imbalance undersample": {"train.imbalance": "undersample"},
        "imbalance focal": {"train.imbalance": "focal"},
        "balanced styles": {"train.group_by": "style", "train.balance_groups": True},
        "group DRO over styles": {
            "train.group_by": "style",
            "train.balance_groups": True,  # as the paper draws films
            "train.objective": "worst_group",
        },
        "last layer retrained on balanced styles": {
            "train.group_by": "style",
            "train.retrain_last_layer": True,
        },
    }


def why_left_out(base: Hyperparameters, settings: Mapping[str, Any]) -> str:
    """Returns why a row of these settings would train what the standard is; empty if it is not."""
    if with_tuned(base, dict(settings)) == base:
        return "the standard has it"
    if base.preprocessing.lungs == "none" and set(settings) <= set(_BOX):
        return "no lungs are looked for"
    if base.network.weights == "none" and "network.frozen_epochs" in settings:
        return "what is below the head has learnt nothing yet"
    if not base.network.from_nothing and set(settings) <= set(_SHAPE):
        return "the shape is that of the backbone or the weights"
    return ""
