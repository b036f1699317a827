"""How a network learns: optimiser, course of the learning rate, averages, loss."""

from __future__ import annotations

import keras
import tensorflow as tf

from models.class_groups import ClassGroups
from models.group_loss import WorstGroupLoss
from models.hyperparameters import Task, Train
from models.imbalance import FOCAL
from models.input_pipeline import targets_of
from models.metrics import pneumonia_metrics

_MOMENTS_AVERAGE = 0.9  # momentum of a normalisation where weights are not averaged
_AVERAGED_SHARE = 0.2  # of a training's steps, at most, that an average reaches back


def compile_network(
    network: keras.Model,
    task: Task,
    train: Train,
    epochs: int,
    steps_per_epoch: int,
    groups: ClassGroups | None = None,
) -> None:
    """Gives a network its optimiser, loss and metrics.

    Args:
        network: Of `build_network`, for the same task.
        task: Two classes, or three.
        train: Learning rate and its schedule, weight decay, averaging, loss.
        epochs: Length of the schedule.
        steps_per_epoch: Steps of an epoch.
        groups: Of the films to learn from, where the worst is to count; None takes the mean over
            all films.
    """
    rate: float | keras.optimizers.schedules.LearningRateSchedule = train.learning_rate
    if train.learning_rate_schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            train.learning_rate, epochs * steps_per_epoch, alpha=0.01
        )
    longest = longest_average(epochs * steps_per_epoch)
    momentum = min(train.weight_average, longest)
    optimiser = keras.optimizers.AdamW(
        rate,
        weight_decay=train.weight_decay,
        use_ema=momentum > 0,
        ema_momentum=momentum,
    )
    # Decay is meant for kernels; a normalisation's scale and a bias do not overfit.
    optimiser.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    average_moments(network, min(train.weight_average or _MOMENTS_AVERAGE, longest))
    network.compile(
        optimizer=optimiser, loss=_loss(task, train, groups), metrics=pneumonia_metrics()
    )


def learning_variables(network: keras.Model) -> list[keras.Variable]:
    """Returns what learning has to remember beside the network's weights.

    Args:
        network: Compiled by `compile_network`, its optimiser built.

    Returns:
        The variables of the optimiser and, where the worst group counts, the groups' weights.
    """
    loss = network.loss
    of_loss = [loss.group_weights] if isinstance(loss, WorstGroupLoss) else []
    return [*network.optimizer.variables, *of_loss]


def longest_average(steps: int) -> float:
    """Returns the momentum of the longest average that a training may have.

    An average reaches back over 1 / (1 - momentum) steps. In a training of few steps a long one
    would hold little but the first weights.

    Args:
        steps: Of the whole training.
    """
    return max(0.0, 1 - 1 / (_AVERAGED_SHARE * steps))


def average_moments(network: keras.Model, momentum: float) -> None:
    """Lets normalisations average their moments over as many steps as the weights.

    Averaged weights with the moments of the last few batches give logits that jump from epoch to
    epoch.

    Args:
        network: Changed in place.
        momentum: Of the average of weights.
    """
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum


def _loss(task: Task, train: Train, groups: ClassGroups | None) -> keras.losses.Loss:
    if groups is None:
        return _loss_of_films(task, train, "sum_over_batch_size")
    targets = targets_of(tf.constant(groups.classes), task)
    return WorstGroupLoss(_loss_of_films(task, train, None), targets, train.group_step_size)


def _loss_of_films(task: Task, train: Train, reduction: str | None) -> keras.losses.Loss:
    smoothing = train.label_smoothing
    if train.imbalance == FOCAL:  # Lin et al., Focal Loss for Dense Object Detection, 2017
        focal = (
            keras.losses.BinaryFocalCrossentropy
            if task == "binary"
            else keras.losses.CategoricalFocalCrossentropy
        )
        return focal(gamma=train.focal_gamma, label_smoothing=smoothing, reduction=reduction)
    if task == "binary":
        return keras.losses.BinaryCrossentropy(label_smoothing=smoothing, reduction=reduction)
    return keras.losses.CategoricalCrossentropy(label_smoothing=smoothing, reduction=reduction)
