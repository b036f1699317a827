"""What spoiling is: a function of a sound file and of random numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Random = np.random.Generator
Spoil = Callable[[bytes, Random], bytes]
Damages = Mapping[str, Spoil]

# Sizes that many kinds of spoilt files tell.
LARGEST_SIDE_PX = 9_999  # just small enough for a film
HUGE = (0x7FFFFFFF, 0xFFFFFFF0, 0xFFFFFFFF)
