"""What Trainer and Tuner need to know, as frozen typed settings; JSON in and out.

The parts are shared with `pipeline.config.PipelineConfig`, so a bound or a default
is written once. Nothing here imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Task = Literal["binary", "subtype"]

SHIPPED_LUNG_FIELDS = "shipped"  # weights in models.lung_fields, instead of a file
NO_FILE = ("none", "imagenet")  # as network.weights, which is else a file or folder
SEARCH_NOTES = "tuner/"  # begins the names under which Hyperband keeps its own notes


class Settings(BaseModel):
    """A frozen group of settings that refuses unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Preprocessing(Settings):
    """The Transform graph: size, contrast, normalisation."""

    image_size_px: int = Field(128, ge=32, le=1024, description="height and width after resizing")
    border_crop: float = Field(
        0.0, ge=0, le=0.2, description="share cut off each side, where collimators and markers are"
    )
    lungs: Literal["none", "crop", "mask"] = Field(
        "none",
        description="none takes the whole film, crop the box of both lung fields, mask greys out "
        "what lies outside them; where no lungs are found, a film is not judged",
    )
    lung_margin: float = Field(
        0.05,
        ge=0,
        le=0.3,
        description="kept around lungs: share of the sides of the box (crop) or the film (mask)",
    )
    lung_ratio: Literal["stretch", "keep"] = Field(
        "stretch", description="the box of a crop fills the image, or is made square first"
    )
    lung_fields_weights: str = Field(
        SHIPPED_LUNG_FIELDS,
        description="of the network that finds lungs: shipped, or a file of your own",
    )
    contrast: Literal["none", "equalize", "clahe"] = Field(
        "none", description="histogram equalisation of the whole film, or of tiles (CLAHE)"
    )
    clahe_clip_limit: float = Field(2.0, gt=0, le=40, description="CLAHE contrast limit")
    clahe_tiles: int = Field(8, ge=1, le=32, description="CLAHE tiles along each side")
    normalisation: Literal["unit", "zscore", "per_image"] = Field(
        "per_image",
        description="pixels in [0, 1], standardised by a full pass over train, or each film by its "
        "own mean and deviation",
    )

    @property
    def own_lung_weights(self) -> str:
        """The user's file of weights by which lungs are found; empty where none is used."""
        named = self.lung_fields_weights
        return named if self.lungs != "none" and named != SHIPPED_LUNG_FIELDS else ""

    @property
    def judging(self) -> Preprocessing:
        """The settings that decide whether a film is judged, and defaults for the others."""
        if self.lungs == "none":
            return Preprocessing()
        later = {"contrast", "clahe_clip_limit", "clahe_tiles", "normalisation"}
        return Preprocessing(**self.model_dump(exclude=later))


class Network(Settings):
    """The convolutional network."""

    backbone: Literal[
        "cnn",
        "mobilenet_v3",
        "efficientnet_v2",
        "densenet121",
        "resnet50",
        "efficientnet_lite0",
        "efficientnet_lite1",
        "efficientnet_lite2",
    ] = Field(
        "cnn",
        description="the network of this project, one of keras.applications, or EfficientNet-Lite",
    )
    weights: str = Field(
        "none",
        description="to start from: none, imagenet (backbones with normalisation=unit only; of "
        "EfficientNet-Lite in the extra [pretrained], of the others downloaded by Keras), the "
        "weights or Keras file of an earlier run, or the folder of a pushed model",
    )
    learns: Literal["all", "last_layer", "nothing"] = Field(
        "all",
        description="what of the network learns; with nothing, only calibration and operating "
        "point are fitted",
    )
    frozen_epochs: int = Field(
        0, ge=0, description="first epochs in which only the layers after the backbone learn"
    )
    width: int = Field(16, ge=4, le=128, description="filters of the first block; doubles a block")
    depth: int = Field(5, ge=2, le=7, description="convolution blocks, each halving the image")
    block: Literal["plain", "residual"] = Field(
        "plain", description="one convolution a block, or two with a shortcut around them"
    )
    squeeze_excite: bool = Field(False, description="weigh the channels of a block by the film")
    dense_units: int = Field(64, ge=4, le=1024, description="units of the dense layer")
    dropout: float = Field(0.3, ge=0, le=0.9, description="dropout before the last layer")
    clinical: bool = Field(
        False,
        description="give the network age, sex and view beside the film, each of which may be "
        "unknown: serving_default takes them from the example, a file alone has none",
    )
    clinical_dropout: float = Field(
        0.3,
        ge=0.1,
        le=0.9,
        description="share of the training films, drawn anew in each epoch, that lose age, sex and "
        "view, and of the others that lose each by itself",
    )
    flip_average: bool = Field(
        True, description="answer with the mean logit of a film and its mirror image"
    )

    segmentation: bool = Field(
        False,
        description="once it is trained, learn to mark lesions from the lesion_mask of the "
        "manifest's films: the output lesions of explain_images",
    )

    @property
    def from_nothing(self) -> bool:
        """Whether it is the network of this project, in the shape set here and untrained."""
        return self.backbone == "cnn" and self.weights == "none"


class Augmentation(Settings):
    """Bounds of the random changes to a training image; off in evaluation."""

    strength: float = Field(1.0, ge=0, le=1, description="scales every bound; 0 switches off")
    rotation_degrees: float = Field(10.0, ge=0, le=15, description="rotation to either side")
    horizontal_flip: bool = Field(True, description="mirror half of the images")
    scale: float = Field(0.1, ge=0, le=0.1, description="zoom between 1 - scale and 1 + scale")
    aspect: float = Field(
        0.1, ge=0, le=0.2, description="logarithm of the stretch of one side against the other"
    )
    shift: float = Field(0.05, ge=0, le=0.1, description="shift along each side, of its length")
    brightness: float = Field(
        0.0,
        ge=0,
        le=0.3,
        description="shift of all pixels, of 1; for normalisation=unit or zscore, as per_image "
        "takes it out again",
    )
    contrast: float = Field(
        0.0, ge=0, le=0.5, description="logarithm of the contrast factor; for unit or zscore too"
    )
    gamma: float = Field(0.0, ge=0, le=0.7, description="logarithm of the exponent")
    sharpness: float = Field(
        0.2, ge=0, le=1, description="blur to sharpening, as a share of the local difference"
    )
    noise_stddev: float = Field(0.01, ge=0, le=0.1, description="Gaussian noise, of 1")
    erase: float = Field(
        0.2, ge=0, le=0.3, description="longest side of two rectangles greyed out, of the image"
    )
    frame_swap: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the films whose lungs are put into the frame of another, of either "
        "class; for preprocessing.lungs=crop or mask, as it takes lungs",
    )


class Selective(Settings):
    """Answers that may be UNCERTAIN, so that wrong ones stay rare."""

    enabled: bool = Field(
        False, description="answer UNCERTAIN around the operating point, as the bounds below ask"
    )
    max_missed: float = Field(
        0.02, gt=0, lt=1, description="share of pneumonia films called NORMAL at most"
    )
    max_false_alarms: float = Field(
        0.05, gt=0, lt=1, description="share of normal films called PNEUMONIA at most"
    )
    confidence: float = Field(
        0.9, ge=0.5, lt=1, description="probability that both bounds hold on films like eval's"
    )


class Train(Settings):
    """Optimisation."""

    epochs: int = Field(8, ge=1, le=1000, description="passes over the training films at most")
    batch_size: int = Field(32, ge=1, le=1024, description="films in a step")
    max_steps_per_epoch: int = Field(0, ge=0, description="shortens an epoch; 0 is no limit")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's first learning rate")
    learning_rate_schedule: Literal["constant", "cosine"] = Field(
        "cosine", description="course of the learning rate over all epochs"
    )
    early_stopping_patience: int = Field(
        8,
        ge=1,
        description="epochs without a better calibrated log-loss on eval before training stops",
    )
    weight_decay: float = Field(0.0, ge=0, le=1, description="AdamW's decoupled weight decay")
    label_smoothing: float = Field(
        0.0, ge=0, le=0.3, description="share of each label spread evenly over the classes"
    )
    mixup: float = Field(
        0.2, ge=0, le=1, description="alpha of the Beta law that films are mixed by; 0 is off"
    )
    weight_average: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="momentum of the average of weights, which reaches back over a fifth of the "
        "training at most; 0 is off",
    )
    imbalance: Literal["none", "class_weights", "oversample", "undersample", "focal"] = Field(
        "class_weights", description="what makes up for the rarer class"
    )
    focal_gamma: float = Field(2.0, ge=0, le=5, description="focusing parameter of the focal loss")
    objective: Literal["mean", "worst_group"] = Field(
        "mean",
        description="loss that training makes small: the mean over films, or that of the worst "
        "group of a class and train.group_by (group DRO), from which class weights drop out",
    )
    group_step_size: float = Field(
        0.01, gt=0, le=1, description="how fast objective=worst_group turns to the worst group"
    )
    calibration: Literal["platt", "temperature", "beta"] = Field(
        "platt", description="map from logit to probability, fitted on eval"
    )
    calibrate_on: Literal["all", "worst_group"] = Field(
        "all",
        description="eval films whose log-loss the calibration makes small: all, or those of the "
        "worst group of train.group_by",
    )
    group_by: Literal["site", "view", "sex", "style", "age_band"] = Field(
        "site", description="what the films of a group share"
    )
    balance_groups: bool = Field(
        False, description="an epoch draws as many films of each group, within each class"
    )
    retrain_last_layer: bool = Field(
        False,
        description="after training the last layer learns again, from draws of train with as many "
        "films of each class in each group of train.group_by (DFR)",
    )
    target_sensitivity: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="sensitivity that the operating point reaches on eval, with "
        "calibrate_on=worst_group in every group",
    )
    cost_ratio: float = Field(
        0.0,
        ge=0,
        description="cost of a missed pneumonia over that of a false alarm; above 0 it chooses the "
        "operating point instead of the sensitivity",
    )
    selective: Selective = Selective()
    segmentation_steps: int = Field(
        400, ge=1, le=100_000, description="steps in which network.segmentation learns"
    )
    keras_format: Literal["keras", "h5"] = Field(
        "keras", description="file kept beside the SavedModel"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of weights, order and augmentation")
    members: int = Field(
        1,
        ge=1,
        le=10,
        description="networks trained one after another with seeds of their own and folded into "
        "one that answers with their mean logit; training and answers take that many times as long",
    )


class Hyperparameters(Settings):
    """Everything `run_fn` and `tuner_fn` are told."""

    task: Task = "binary"
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
        if not setting or setting not in values.get(part, {}):
            raise ValueError(f"the tuned hyperparameter '{name}' is not a setting of this version")
        if name not in keep:
            values[part][setting] = value
    return Hyperparameters.model_validate(values)
