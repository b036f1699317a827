"""Where images come from: layouts, decoding, splits, phantoms. No TensorFlow, no TFX."""
