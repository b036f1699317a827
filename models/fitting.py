"""Training a network to its best epoch, by phases, and going on where a training was stopped."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from models.checkpoints import Checkpoints, TrainingState, Weights
from models.hyperparameters import Hyperparameters
from models.input_pipeline import (
    TransformedFilms,
    augmented_examples,
    training_batches,
    training_steps,
)
from models.last_layer import balanced_draws, retrain_last_layer
from models.members import ALONE, Member
from models.network import (
    pneumonia_logit,
    set_backbone_trainable,
    set_last_layer_alone_trainable,
)
from models.optimisation import compile_network, learning_variables
from models.scoring import CALIBRATED_LOG_LOSS, Scorer, evaluate
from models.tensorboard import FOLDER, FilmEvents

MONITORED = f"val_{CALIBRATED_LOG_LOSS}"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """What a training came to.

    Attributes:
        weights: Of the epoch with the best `MONITORED`, averaged where the optimiser averages;
            those given, where nothing learns. The last layer's are others where it is retrained.
        history: What each epoch reached, by name; `epoch` is its number, from 0.
    """

    weights: Weights
    history: tuple[dict[str, float], ...]


def fit(
    network: keras.Model,
    weights: Weights,
    train: TransformedFilms,
    evaluation: TransformedFilms,
    settings: Hyperparameters,
    checkpoint_folder: str,
    log_folder: str,
    member: Member = ALONE,
) -> Fitted:
    """Trains to the best weights, going on from where an interrupted call stopped.

    What was learned, the optimiser, the best weights so far and the count of patience go on,
    and so do the order of the films and their augmentation, which follow from the epoch.

    With `network.frozen_epochs` the layers after the backbone learn alone at first, then
    all of them; learning rate and patience begin anew. With `network.learns` the last layer
    learns alone throughout, or nothing does. With `train.retrain_last_layer` it is learnt again
    once the best epoch is known.

    Args:
        network: Of `build_network`; which weights it holds before and after does not matter.
        weights: To begin with.
        train: Films to learn from.
        evaluation: Films that say when to stop.
        settings: Epochs, patience, loss, imbalance, seed.
        checkpoint_folder: Where the state after each epoch is kept.
        log_folder: Where TensorBoard's events go.
        member: Which of several networks it is; each has parts of its own in both folders.

    Returns:
        The best weights and the course of the training.

    Raises:
        ValueError: If no group has films enough to retrain the last layer with.
    """
    retrains = settings.train.retrain_last_layer and settings.network.learns != "nothing"
    draws = balanced_draws(train, settings) if retrains else []  # what it refuses, before training
    checkpoints = Checkpoints(member.folder(checkpoint_folder))
    state = checkpoints.latest() or TrainingState(weights)
    for first, last in training_phases(network, train, settings):
        network.set_weights(state.weights)  # Keras leaves the averaged ones after a phase
        if first < state.next_epoch <= last:
            _restore_optimiser(network, state.optimiser)
        epochs = Epochs(state, first, evaluation, settings, checkpoints)
        if state.next_epoch < last and not epochs.patience_is_spent:
            begin = max(first, state.next_epoch)
            events = member.folder(os.path.join(log_folder, FOLDER))
            examples = augmented_examples(train, settings)
            network.fit(
                training_batches(train, settings, begin),
                initial_epoch=begin,
                epochs=last,
                callbacks=[
                    epochs,  # first, because it alone knows MONITORED and has scored the films
                    keras.callbacks.TensorBoard(events),
                    FilmEvents(epochs.scored, examples, os.path.join(events, "films"), begin),
                    EpochLines(settings.train.epochs, member),
                ],
                verbose=0,
            )
        state = epochs.state
    best = state.best_weights or weights
    if retrains:
        network.set_weights(best)
        retrain_last_layer(network, train, draws, settings)
        best = network.get_weights()
    return Fitted(best, state.history)


def training_phases(
    network: keras.Model, train: TransformedFilms, settings: Hyperparameters
) -> Iterator[tuple[int, int]]:
    """Compiles a network for each phase of its training: head alone, then all that learns.

    Args:
        network: Of `build_network`.
        train: Films to learn from.
        settings: `network.learns`, `network.frozen_epochs`, `train.epochs` and what the optimiser
            needs.

    Yields:
        First epoch of the phase and the one after its last.
    """
    learns, epochs = settings.network.learns, settings.train.epochs
    if learns == "nothing":
        return
    frozen = min(settings.network.frozen_epochs, epochs) if learns == "all" else 0
    steps = training_steps(train, settings)
    groups = train.groups_to_weigh(settings.train)
    for first, last in ((0, frozen), (frozen, epochs)):
        if first < last:
            for layer in network.layers:
                layer.trainable = True  # whatever was frozen before
            if learns == "last_layer":
                set_last_layer_alone_trainable(network)
            else:
                set_backbone_trainable(network, first >= frozen)
            compile_network(network, settings.task, settings.train, last - first, steps, groups)
            yield first, last


class Epochs(keras.callbacks.Callback):
    """Judges every epoch on the eval split, keeps its state, and stops when patience ends.

    Where the optimiser averages the weights, the average is evaluated and kept as the best.
    Training goes on from the weights it had, and so does what is kept to go on from.

    Attributes:
        state: Of the training, after the last epoch that ended.
    """

    def __init__(
        self,
        state: TrainingState,
        first: int,
        films: TransformedFilms,
        settings: Hyperparameters,
        checkpoints: Checkpoints,
    ):
        """Keeps what to judge by.

        Args:
            state: That the training goes on from.
            first: First epoch of this phase.
            films: The eval split.
            settings: Of the training.
            checkpoints: Where states go.
        """
        super().__init__()
        self.state = state
        self._first = first
        self._films = films
        self._settings = settings
        self._checkpoints = checkpoints

    @property
    def patience_is_spent(self) -> bool:
        """Whether this phase has gone on for too long without a better epoch."""
        if self.state.next_epoch <= self._first:
            return False
        best = max(_best_epoch(self.state.history), self._first - 1)
        waited = self.state.next_epoch - 1 - best
        return waited >= self._settings.train.early_stopping_patience

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Makes ready for an epoch's end."""
        self._score = Scorer(self.model, self._films, self._settings)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Judges the epoch and keeps the state; adds what it reached to the logs."""
        logs = {} if logs is None else logs
        self._exchange()
        self._scores = self._score()
        reached = evaluate(*self._scores, self._settings)
        judged = self.model.get_weights()
        self._exchange()
        logs.update({f"val_{name}": value for name, value in reached.items()})
        row = {"epoch": epoch, **{name: float(value) for name, value in logs.items()}}
        history = (*self.state.history, row)
        self.state = TrainingState(
            weights=self.model.get_weights(),
            optimiser=[variable.numpy() for variable in learning_variables(self.model)],
            best_weights=judged if _best_epoch(history) == epoch else self.state.best_weights,
            history=history,
        )
        self._checkpoints.save(self.state)
        self.model.stop_training = self.patience_is_spent

    def scored(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns what the last epoch made of the eval films.

        Returns:
            Whether each is pneumonia, `[films]` bool, and its probability before calibration,
            `[films]` float32.
        """
        logits, classes = self._scores
        return classes > 0, tf.sigmoid(pneumonia_logit(tf.constant(logits))).numpy()[:, 0]

    def _exchange(self) -> None:
        optimiser = self.model.optimizer
        if not optimiser.use_ema:
            return
        averages = optimiser._model_variables_moving_average  # Keras has no public name for it
        for weight, average in zip(self.model.trainable_variables, averages, strict=True):
            trained = keras.ops.copy(weight.value)
            weight.assign(average)
            average.assign(trained)


class EpochLines(keras.callbacks.Callback):
    """Logs one line an epoch."""

    def __init__(self, epochs: int, member: Member = ALONE):
        """Remembers how many epochs there are, and which network learns."""
        super().__init__()
        self._epochs = epochs
        self._member = member

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Says how far training is and how well it does."""
        logs = logs or {}
        shown = ("loss", MONITORED, "val_auc")
        metrics = "  ".join(f"{name} {logs[name]:.4f}" for name in shown if name in logs)
        _LOG.info("%sepoch %d/%d  %s", self._member.said_first, epoch + 1, self._epochs, metrics)


def _best_epoch(history: Sequence[Mapping[str, float]]) -> int:
    return int(min(history, key=lambda row: row[MONITORED])["epoch"])


def _restore_optimiser(network: keras.Model, values: Weights) -> None:
    network.optimizer.build(network.trainable_variables)
    for variable, value in zip(learning_variables(network), values, strict=True):
        variable.assign(value)
