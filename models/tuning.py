"""`tuner_fn` of the Tuner: the search space and how a trial is trained."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import weakref
from typing import Any

import keras
import keras_tuner as kt
import tensorflow_transform as tft
from keras_tuner.engine import trial as kt_trial
from tfx import v1 as tfx

from models.finished_trials import FinishedTrials
from models.fitting import training_phases
from models.hyperparameters import SEARCH_NOTES, Hyperparameters, Network, with_tuned
from models.input_pipeline import TransformedFilms, training_batches
from models.keras_environment import check_keras_in_use
from models.members import Member
from models.network import build_network
from models.scoring import CALIBRATED_LOG_LOSS, Scorer, evaluate
from models.training import HYPERPARAMETERS, checkpoint_folder

OBJECTIVE = CALIBRATED_LOG_LOSS  # of eval; unlike the AUC it still tells good models apart

_LOG = logging.getLogger(__name__)

# Key of custom_config.
SEARCH = "search"  # {"algorithm", "trials", "epochs", "max_steps_per_epoch"}


def tuner_fn(fn_args: tfx.components.FnArgs) -> tfx.components.TunerFnResult:
    """Builds the search; the entry point that TFX calls.

    Args:
        fn_args: Transformed examples, transform graph; `custom_config` holds the
            keys of `models.training` and `SEARCH`. The working folder is not used.

    Returns:
        The tuner; its trials open their own data, so there is nothing else to pass.
    """
    check_keras_in_use()
    search = fn_args.custom_config[SEARCH]
    settings = Hyperparameters.model_validate_json(fn_args.custom_config[HYPERPARAMETERS])
    shortened = {
        "train.epochs": search["epochs"],
        "train.max_steps_per_epoch": search["max_steps_per_epoch"],
    }
    finished = checkpoint_folder(
        fn_args.custom_config,
        settings.model_dump_json(),
        json.dumps(search, sort_keys=True),
        fn_args.transform_graph_path,
        *fn_args.train_files,
    )
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    trial = Trial(
        with_tuned(settings, shortened),
        TransformedFilms.open(fn_args.train_files, transform, settings.task),
        TransformedFilms.open(fn_args.eval_files, transform, settings.task),
    )
    tuner = _make_tuner(trial, search, settings.train.seed, FinishedTrials(finished))
    return tfx.components.TunerFnResult(tuner=tuner, fit_kwargs={})


class Trial(kt.HyperModel):
    """One training with the settings that the search proposes."""

    def __init__(
        self, settings: Hyperparameters, train: TransformedFilms, evaluation: TransformedFilms
    ):
        """Keeps the starting point and the films of every trial."""
        super().__init__()
        self._settings = settings
        self._train = train
        self._evaluation = evaluation

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        """Builds the network of a trial: the first member alone, where there are several."""
        settings = propose(self._settings, hp)
        keras.utils.set_random_seed(settings.train.seed)
        size_px, member = settings.preprocessing.image_size_px, Member(of=settings.train.members)
        return build_network(size_px, settings.network, settings.task, member)

    def fit(self, hp: kt.HyperParameters, model: keras.Model, **kwargs: Any) -> dict[str, float]:
        """Trains a trial, or the epochs of it that Hyperband asks for; returns its objective."""
        settings = propose(self._settings, hp)
        begin = kwargs.pop("initial_epoch", 0)
        end = kwargs.pop("epochs", settings.train.epochs)
        batches = training_batches(self._train, settings, begin)
        for first, last in training_phases(model, self._train, settings):
            if first < end and begin < last:
                epochs = {"initial_epoch": max(first, begin), "epochs": min(last, end)}
                model.fit(batches, verbose=0, **epochs, **kwargs)
        scored = Scorer(model, self._evaluation, settings)()
        reached = evaluate(*scored, settings)[OBJECTIVE]
        tried = ", ".join(
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in hp.values.items()
            if not name.startswith(SEARCH_NOTES)
        )
        _LOG.info("tried %s: %s %.4f", tried, OBJECTIVE, reached)
        return {OBJECTIVE: reached}


def propose(settings: Hyperparameters, hp: kt.HyperParameters) -> Hyperparameters:
    """Lays the proposed values over the settings; this is the search space.

    Optimisation, the shape of the network, and what keeps it from learning films by heart;
    around the configured values, so that a small image gets a small network. A backbone and
    weights from a file have a shape of their own. Of augmentation only erasing is searched. The
    other bounds say what must not matter; on films of one site a search would trade them for a
    better score there.

    Args:
        settings: The configured settings, also the first proposal of a Bayesian search.
        hp: What the search proposes.

    Returns:
        The settings of a trial.
    """
    network, train = settings.network, settings.train
    rate, decay = train.learning_rate, train.weight_decay
    proposed = {
        "train.learning_rate": hp.Float(
            "train.learning_rate", rate / 4, min(1, rate * 4), sampling="log", default=rate
        ),
        "train.weight_decay": hp.Float("train.weight_decay", 0.0, max(0.1, decay), default=decay),
        "train.label_smoothing": hp.Float(
            "train.label_smoothing", 0.0, 0.2, default=min(0.2, train.label_smoothing)
        ),
        "train.mixup": hp.Float("train.mixup", 0.0, max(0.4, train.mixup), default=train.mixup),
        "network.dropout": hp.Float("network.dropout", 0.0, 0.6, default=min(0.6, network.dropout)),
        "augmentation.erase": hp.Float(
            "augmentation.erase", 0.0, 0.3, default=settings.augmentation.erase
        ),
    }
    if network.from_nothing:
        proposed |= _propose_shape(network, hp)
    return with_tuned(settings, proposed)


def _propose_shape(network: Network, hp: kt.HyperParameters) -> dict[str, Any]:
    widths = sorted({max(4, network.width // 2), network.width, min(128, network.width * 3 // 2)})
    return {
        "network.width": hp.Choice("network.width", widths, default=network.width),
        "network.block": hp.Choice("network.block", ["plain", "residual"], default=network.block),
        "network.squeeze_excite": hp.Boolean(
            "network.squeeze_excite", default=network.squeeze_excite
        ),
    }


class FromConfigured(kt.oracles.BayesianOptimizationOracle):
    """Bayesian search whose first trial is the configured settings.

    Up to three times as many trials as there are searched settings are drawn at random, which
    Keras Tuner begins with; a short search is a random one.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Proposes the values of a trial."""
        if not self.trials:
            return {
                "status": kt_trial.TrialStatus.RUNNING,
                "values": dict(self.hyperparameters.values),
            }
        return super().populate_space(trial_id)


class ResumableTuner(kt.Tuner):
    """Asks for the trials that an interrupted search had finished before it trains."""

    def __init__(self, *args: Any, finished: FinishedTrials, **kwargs: Any):
        """Keeps where trials go once they are finished; the rest is Keras Tuner's."""
        self._finished = finished
        super().__init__(*args, **kwargs)

    def run_trial(self, trial: kt_trial.Trial, *args: Any, **kwargs: Any) -> Any:
        """Trains a trial, or takes what it reached before."""
        folder, values = self.get_trial_dir(trial.trial_id), dict(trial.hyperparameters.values)
        reached = self._finished.take(values, folder)
        if reached is None:
            reached = super().run_trial(trial, *args, **kwargs)
            self._finished.keep(values, reached, folder)
        else:
            _LOG.info("trial %s was finished before the interruption", trial.trial_id)
        return reached

    def on_search_end(self) -> None:
        """Forgets the trials, which nobody will ask for again."""
        self._finished.forget()


class ResumableHyperband(ResumableTuner, kt.Hyperband):
    """The same for Hyperband, whose later trials go on from the weights of earlier ones."""


def _make_tuner(
    trial: Trial, search: dict[str, Any], seed: int, finished: FinishedTrials
) -> ResumableTuner:
    # Keras writes weights to the disk of this machine, whatever the address of a folder says.
    scratch = tempfile.TemporaryDirectory()
    where: dict[str, Any] = {
        "directory": scratch.name,
        "project_name": "search",
        "finished": finished,
    }
    objective = kt.Objective(OBJECTIVE, "min")
    seed += 1  # Keras Tuner takes 0 for no seed
    if search["algorithm"] == "hyperband":
        tuner: ResumableTuner = ResumableHyperband(
            trial, objective=objective, max_epochs=search["epochs"], seed=seed, **where
        )
        # Hyperband counts no trials, but TFX asks how many there may be to write the best first.
        tuner.oracle.max_trials = sys.maxsize
    else:
        oracle = FromConfigured(objective=objective, max_trials=search["trials"], seed=seed)
        tuner = ResumableTuner(oracle, trial, **where)
    weakref.finalize(tuner, scratch.cleanup)
    return tuner
