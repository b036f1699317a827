"""Accidents that befall a file: bits flip, parts are lost, repeated or overwritten."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

BOUNDARIES = (0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)


def damaged(
    draw: st.DrawFn, sound: bytes, usual_places: st.SearchStrategy[int] | None = None
) -> bytes:
    """Returns a file after one to four accidents.

    Args:
        draw: Of Hypothesis.
        sound: The file before.
        usual_places: Where accidents tell most, beside anywhere.
    """
    data = bytearray(sound)
    for _ in range(draw(st.integers(1, 4))):
        last = max(0, len(data) - 1)
        anywhere = st.integers(0, last)
        place = min(last, draw(anywhere | usual_places if usual_places else anywhere))
        accident = draw(st.sampled_from(("flip", "cut", "lose", "repeat", "insert", "number")))
        length = draw(st.integers(1, 600))
        if accident == "flip" and data:
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif accident == "cut":
            del data[place:]
        elif accident == "lose":
            del data[place : place + length]
        elif accident == "repeat":
            data[place:place] = data[place : place + length]
        elif accident == "insert":
            data[place:place] = draw(st.binary(max_size=40))
        else:
            number = draw(st.sampled_from(BOUNDARIES))
            data[place : place + 4] = struct.pack(draw(st.sampled_from((">I", "<I"))), number)
    return bytes(data)
