"""A loss that is decided by the groups a network does worst in: group DRO."""

from __future__ import annotations

import keras
import tensorflow as tf


class WorstGroupLoss(keras.losses.Loss):
    """Weighs the mean losses of groups, and weighs a group the more, the larger its loss.

    Sagawa et al., Distributionally Robust Neural Networks for Group Shifts, ICLR 2020,
    algorithm 1: in each step the weight q of a group is multiplied by exp(step size * its mean
    loss), and the network learns from the sum of q * mean loss. What a batch holds of the mass of
    all q is shared among the groups that it holds, so a group that is absent keeps its q. (Were
    all of them normalised, those that are often in a batch would grow for being there.)

    Two things of the paper lie in other settings. It draws groups evenly, as
    `train.balance_groups` does within the classes. And it finds that a network which learns its
    films by heart has no loss left in any group, so that nothing is gained over the mean: only
    with strong regularisation, a weight decay far above the usual or few epochs, do the groups
    come out otherwise (section 3.2).

    With several devices each weighs the part of a batch that it has, and q is the mean of what
    they made of it.

    Attributes:
        group_weights: `[groups]` float32, q; at first all the same. They sum to 1.
    """

    def __init__(self, of_films: keras.losses.Loss, targets: tf.Tensor, step_size: float):
        """Begins with equal weights.

        Args:
            of_films: Loss of a film, unreduced.
            targets: `[groups, columns]` float32, what the films of a group are, as all of a group
                are of one class.
            step_size: Of the exponentiated gradient, above 0.
        """
        super().__init__(name="worst_group")
        groups = targets.shape[0]
        self._of_films = of_films
        self._targets = targets
        self._step_size = step_size
        self.group_weights = keras.Variable(
            tf.fill([groups], 1 / groups),
            trainable=False,
            aggregation="mean",
            name="group_weights",
        )

    def __call__(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor) -> tf.Tensor:
        """Takes a step of the group weights and returns the loss under the new ones.

        Args:
            y_true: Not looked at, since the groups say what their films are.
            y_pred: `[batch, columns]` float32, probabilities.
            sample_weight: `[batch, groups]` float32, what a film counts in each group; a mixed
                one counts in two, as what it is there.

        Returns:
            Scalar float32.
        """
        shape = tf.concat([tf.shape(sample_weight), [tf.shape(y_pred)[-1]]], axis=0)
        losses = self._of_films(
            tf.broadcast_to(self._targets, shape),
            tf.broadcast_to(y_pred[:, tf.newaxis], shape),
        )
        counts = tf.reduce_sum(sample_weight, axis=0)
        means = tf.math.divide_no_nan(tf.reduce_sum(sample_weight * losses, axis=0), counts)
        self.group_weights.assign(self._stepped(means, counts > 0))
        # Keras adds up what several devices learn from their parts of a batch.
        devices = tf.distribute.get_strategy().num_replicas_in_sync
        return tf.reduce_sum(self.group_weights * means) / devices

    def _stepped(self, means: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
        weights = tf.convert_to_tensor(self.group_weights)
        held = tf.where(present, weights, 0.0)
        raised = held * tf.exp(self._step_size * means)
        shared = tf.reduce_sum(held) * tf.math.divide_no_nan(raised, tf.reduce_sum(raised))
        return tf.where(present, shared, weights)
