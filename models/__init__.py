"""Everything that runs inside a TensorFlow graph or a training worker."""
