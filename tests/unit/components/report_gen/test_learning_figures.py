"""Learning curves: a line for each member, and what they reach together."""

from __future__ import annotations

import re

import pytest

from components.report_gen.data_figures import learning_figures

REACHED = {"calibrated_log_loss": 0.05, "auc": 0.99}
TRAIN, EVAL, FOLDED = "--model", "--third", "--ink"


def history_of(members: int, epochs: int = 3) -> list[dict[str, float]]:
    names = ("loss", "auc", "val_calibrated_log_loss", "val_auc")
    return [
        {"member": member, "epoch": epoch}
        | {name: 0.5 + 0.1 * member - 0.05 * epoch for name in names}
        for member in range(1, members + 1)
        for epoch in range(epochs)
    ]


def lines_of(figure: str, colour: str) -> list[int]:
    """Points of each drawn line of a colour; the legend's line is not clipped to the axes."""
    drawn = re.findall(rf'<path d="([^"]*)" clip-path=[^>]*stroke: var\({colour}\)', figure)
    return [len(re.findall("[ML]", one)) for one in drawn]


@pytest.mark.parametrize("members", [1, 3])
def test_each_member_has_a_line_of_its_epochs(members: int) -> None:
    figures = learning_figures(history_of(members), REACHED)
    assert len(figures) == 2
    for figure in figures:
        assert lines_of(figure, TRAIN) == lines_of(figure, EVAL) == [3] * members
        assert figure.count(">eval<") == figure.count(">train<") == 1


def test_what_all_reach_together_is_one_level_line_where_there_are_several() -> None:
    alone, several = (learning_figures(history_of(count), REACHED) for count in (1, 3))
    for one, figure in zip(alone, several, strict=True):
        assert lines_of(one, FOLDED) == []
        assert lines_of(figure, FOLDED) == [2]
        assert figure.count(">eval, folded<") == 1


def test_a_record_of_an_earlier_version_is_that_of_one_network() -> None:
    history = [{key: row[key] for key in row if key != "member"} for row in history_of(1)]
    assert learning_figures(history) == learning_figures(history_of(1), REACHED)
