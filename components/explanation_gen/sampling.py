"""Which films stand for all of them, and why each does: always the same ones."""

from __future__ import annotations

from collections.abc import Sequence

from components.explanation_gen.strata import Stratum


def sample(strata: Sequence[Stratum], at_most: int) -> dict[int, tuple[str, ...]]:
    """Lets every stratum name its first film, then its second, until there is no more room.

    A film that several strata name takes one place and has all of their reasons, so that a small
    sample shows as much as it can. Where there is room for as many films as there are strata, each
    stratum has one.

    Args:
        strata: Of `strata_of`.
        at_most: Films in the sample.

    Returns:
        The reasons by film, in the order in which films were chosen; all films where there is room.
    """
    room = min(at_most, len({film for _, order in strata for film in order}))
    reasons: dict[int, list[str]] = {}
    rank = 0
    while len(reasons) < room:
        for reason, order in strata:
            for film in order[rank : rank + 1]:
                if film in reasons:
                    reasons[film].append(reason)
                elif len(reasons) < room:
                    reasons[film] = [reason]
        rank += 1
    return {film: tuple(given) for film, given in reasons.items()}
