"""What TensorBoard shows of films: augmented examples, and curves of scored ones.

Keras writes losses, learning rate and graph. The rest is written into a run of its own, since
TensorBoard follows one file of events a folder.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score, roc_curve
from tensorboard.plugins.pr_curve import summary as pr_curve

FOLDER = "tensorboard"  # of the events in an artifact

Scored = Callable[[], tuple[npt.NDArray[np.bool_], npt.NDArray[np.floating]]]

CURVE_PX, MARGIN_PX = 320, 32  # side of the picture of a curve, and what is around it

_DPI = 100
_MOST_PX = 256  # longer side of an example
_MOST_EXAMPLES = 32


def write_examples(pictures: tf.Tensor, step: int) -> None:
    """Writes pictures of films to the default writer.

    Args:
        pictures: `[films, height, width, 1]` float32 in [0, 1]; small ones, and not too many, so
            that the events stay small.
        step: Epoch that they are of.
    """
    scale = min(1.0, _MOST_PX / max(pictures.shape[1:3]))
    size_px = [max(1, round(scale * side)) for side in pictures.shape[1:3]]
    small = tf.image.resize(pictures[:_MOST_EXAMPLES], size_px, antialias=True)
    shown = tf.clip_by_value(small, 0, 1)
    tf.summary.image("films/as they are and augmented", shown, step, _MOST_EXAMPLES)


def write_curves(
    split: str, is_pneumonia: npt.NDArray[np.bool_], probabilities: npt.NDArray[np.floating],
    step: int,
) -> None:  # fmt: skip
    """Writes ROC and precision-recall of scored films to the default writer.

    Args:
        split: Whose films they are.
        is_pneumonia: `[films]`.
        probabilities: `[films]` in [0, 1], calibrated or not.
        step: Epoch that they are of.
    """
    if not 0 < is_pneumonia.sum() < len(is_pneumonia):
        return  # of one class there is no curve
    curve = pr_curve.pb(f"{split}/precision-recall", is_pneumonia, probabilities)
    tf.summary.experimental.write_raw_pb(curve.SerializeToString(), step)
    tf.summary.image(f"{split}/ROC", draw_roc(is_pneumonia, probabilities)[np.newaxis], step)
    tf.summary.scalar(f"{split}/AUC", roc_auc_score(is_pneumonia, probabilities), step)


def draw_roc(
    is_pneumonia: npt.NDArray[np.bool_], probabilities: npt.NDArray[np.floating]
) -> npt.NDArray[np.uint8]:
    """Draws sensitivity by 1 - specificity.

    Args:
        is_pneumonia: `[films]`, of both classes.
        probabilities: `[films]`.

    Returns:
        `[CURVE_PX, CURVE_PX, 3]`, red, green, blue.
    """
    alarms, found, _ = roc_curve(is_pneumonia, probabilities)
    canvas = FigureCanvasAgg(Figure((CURVE_PX / _DPI, CURVE_PX / _DPI), _DPI))
    margin = MARGIN_PX / CURVE_PX
    axes = canvas.figure.add_axes((margin, margin, 1 - 2 * margin, 1 - 2 * margin))
    axes.plot([0, 1], [0, 1], color="silver", linewidth=1)
    axes.plot(alarms, found, color="tab:blue", clip_on=False)
    axes.text(0.95, 0.05, f"AUC {roc_auc_score(is_pneumonia, probabilities):.3f}", ha="right")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.tick_params(labelsize=7, color="silver")
    axes.spines[:].set(color="silver", zorder=0)  # below the curve
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


class FilmEvents(keras.callbacks.Callback):
    """Writes examples as training begins, and curves of the eval split after every epoch."""

    def __init__(self, scored: Scored, examples: tf.Tensor, folder: str, first_epoch: int):
        """Keeps what to write.

        Args:
            scored: Says what an epoch has answered; called after it has been judged.
            examples: Of `models.input_pipeline.augmented_examples`.
            folder: Of the events, which may be remote.
            first_epoch: The one that training begins with.
        """
        super().__init__()
        self._scored = scored
        self._examples = examples
        self._folder = folder
        self._first_epoch = first_epoch

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Opens the file of events and writes the examples."""
        self._writer = tf.summary.create_file_writer(self._folder)
        with self._writer.as_default():
            write_examples(self._examples, self._first_epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the curves."""
        with self._writer.as_default():
            write_curves("eval", *self._scored(), epoch)
        self._writer.flush()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Closes the file."""
        self._writer.close()
