"""Numbers that stand for a film and its patient, so that both can be recognised without ids."""

from __future__ import annotations

import tensorflow as tf


def key_of(feature: str, values: tf.Tensor) -> tf.Tensor:
    """Hashes what identifies a film or its patient.

    The hash is the same in every process and version (`tf.strings.to_hash_bucket_fast`: "the
    hash function is deterministic and will never change"). It keeps ids out of what is stored
    but is no secret: who can guess an id can look it up.

    Args:
        feature: `features.SHA256` or `features.PATIENT_ID`; one word has two keys as these.
        values: Any shape, string.

    Returns:
        The same shape, int64, not negative.
    """
    return tf.strings.to_hash_bucket_fast(tf.strings.join([feature, "=", values]), tf.int64.max)
