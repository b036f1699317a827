"""Explains a sample of test films: where the model looked, in pictures and boxes."""
