"""What Trainer and Tuner need to know, as frozen typed settings; JSON in and out.

The parts are shared with `pipeline.config.PipelineConfig`, so a bound or a default
is written once. Nothing here imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SEARCH_NOTES = "tuner/"  # begins the names under which Hyperband keeps its own notes


class Settings(BaseModel):
    """A frozen group of settings that refuses unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Preprocessing(Settings):
    """The Transform graph: size, contrast, normalisation."""

    image_size_px: int = Field(224, ge=32, le=1024, description="height and width after resizing")
    contrast: Literal["none", "equalize", "clahe"] = Field(
        "clahe", description="histogram equalisation of the whole film, or of tiles (CLAHE)"
    )
    clahe_clip_limit: float = Field(2.0, gt=0, le=40, description="CLAHE contrast limit")
    clahe_tiles: int = Field(8, ge=1, le=32, description="CLAHE tiles along each side")
    normalisation: Literal["unit", "zscore"] = Field(
        "unit", description="pixels in [0, 1], or standardised by a full pass over train"
    )


class Network(Settings):
    """The convolutional network."""

    width: int = Field(16, ge=4, le=128, description="filters of the first block; doubles a block")
    depth: int = Field(5, ge=2, le=7, description="convolution blocks, each halving the image")
    dense_units: int = Field(64, ge=4, le=1024, description="units of the dense layer")
    dropout: float = Field(0.3, ge=0, le=0.9, description="dropout before the last layer")


class Augmentation(Settings):
    """Bounds of the random changes to a training image; off in evaluation."""

    strength: float = Field(1.0, ge=0, le=1, description="scales every bound; 0 switches off")
    rotation_degrees: float = Field(10.0, ge=0, le=15, description="rotation to either side")
    horizontal_flip: bool = Field(True, description="mirror half of the images")
    scale: float = Field(0.1, ge=0, le=0.1, description="zoom between 1 - scale and 1 + scale")
    brightness: float = Field(0.1, ge=0, le=0.3, description="shift of all pixels, of 1")
    noise_stddev: float = Field(0.02, ge=0, le=0.1, description="Gaussian noise, of 1")


class Train(Settings):
    """Optimisation."""

    epochs: int = Field(12, ge=1, le=1000, description="passes over the training films at most")
    batch_size: int = Field(32, ge=1, le=1024, description="films in a step")
    max_steps_per_epoch: int = Field(0, ge=0, description="shortens an epoch; 0 is no limit")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's first learning rate")
    learning_rate_schedule: Literal["constant", "cosine"] = Field(
        "cosine", description="course of the learning rate over all epochs"
    )
    early_stopping_patience: int = Field(
        5, ge=1, description="epochs without a better evaluation AUC before training stops"
    )
    imbalance: Literal["none", "class_weights", "oversample", "undersample"] = Field(
        "class_weights", description="what makes up for the rarer class"
    )
    target_sensitivity: float = Field(
        0.95, gt=0, lt=1, description="sensitivity that the operating point reaches on eval"
    )
    keras_format: Literal["keras", "h5"] = Field(
        "keras", description="file kept beside the SavedModel"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of weights, order and augmentation")


class Hyperparameters(Settings):
    """Everything `run_fn` and `tuner_fn` are told."""

    preprocessing: Preprocessing = Preprocessing()
    network: Network = Network()
    augmentation: Augmentation = Augmentation()
    train: Train = Train()


def with_tuned(
    settings: Hyperparameters, tuned: dict[str, Any], keep: Collection[str] = ()
) -> Hyperparameters:
    """Lays the values of a search over the settings.

    Args:
        settings: What the search started from.
        tuned: Values by dotted name, such as `{"network.dropout": 0.4}`.
        keep: Names that stay as the settings have them.

    Returns:
        The settings with those values, checked like any other.

    Raises:
        ValueError: For a name that is no setting or a value that is not allowed.
    """
    values = settings.model_dump()
    for name, value in tuned.items():
        if name.startswith(SEARCH_NOTES):
            continue
        part, _, setting = name.partition(".")
        if setting not in values.get(part, {}):
            raise ValueError(f"the tuned hyperparameter '{name}' is not a setting of this version")
        if name not in keep:
            values[part][setting] = value
    return Hyperparameters.model_validate(values)
