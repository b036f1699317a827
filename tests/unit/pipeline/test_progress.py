"""Our lines reach the terminal, all other output the log file."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.progress import ComponentLines, component_lines, quiet_terminal


class TestQuietTerminal:
    @pytest.fixture(autouse=True)
    def outer_terminal(self, capfd: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
        """Captures what C++ and Python write to the terminal."""
        self.terminal = capfd
        return capfd

    def test_only_the_console_reaches_the_terminal(self, tmp_path: Path) -> None:
        log = tmp_path / "log.txt"
        with quiet_terminal(log, verbose=False) as console:
            os.write(1, b"from C++\n")
            os.write(2, b"a warning from C++\n")
            logging.getLogger("tensorflow").info("from a library")
            console.print("for the user")
        assert self.terminal.readouterr() == ("for the user\n", "")
        text = log.read_text(encoding="utf-8")
        assert "from C++\na warning from C++\n" in text
        assert "INFO tensorflow: from a library\n" in text
        assert "for the user" not in text

    def test_verbose_shows_it_all_and_keeps_the_log(self, tmp_path: Path) -> None:
        log = tmp_path / "log.txt"
        with quiet_terminal(log, verbose=True) as console:
            os.write(1, b"from C++\n")
            logging.getLogger("tensorflow").info("from a library")
            console.print("for the user")
        output, errors = self.terminal.readouterr()
        assert output == "from C++\nfor the user\n"
        assert "INFO tensorflow: from a library" in errors
        assert "INFO tensorflow: from a library" in log.read_text(encoding="utf-8")

    def test_terminal_and_loggers_come_back_after_an_error(self, tmp_path: Path) -> None:
        root = logging.getLogger()
        before = root.handlers[:], root.level
        open_files = set(os.listdir("/proc/self/fd"))
        with pytest.raises(KeyError), quiet_terminal(tmp_path / "log.txt", verbose=False):
            assert root.handlers != before[0]
            raise KeyError
        os.write(1, b"after\n")
        assert self.terminal.readouterr().out == "after\n"
        assert (root.handlers, root.level) == before
        assert set(os.listdir("/proc/self/fd")) <= open_files

    def test_the_log_grows(self, tmp_path: Path) -> None:
        log = tmp_path / "log.txt"
        for word in (b"one\n", b"two\n"):
            with quiet_terminal(log, verbose=False):
                os.write(1, word)
        assert log.read_text(encoding="utf-8") == "one\ntwo\n"

    def test_a_full_disk_does_not_keep_the_terminal(self) -> None:
        full = Path("/dev/full")
        if not full.exists():
            pytest.skip("needs /dev/full")
        with quiet_terminal(full, verbose=False) as console:
            logging.getLogger("tensorflow").info("nowhere to go")
            console.print("for the user")
        os.write(1, b"after\n")
        assert self.terminal.readouterr().out == "for the user\nafter\n"


class TestComponentLines:
    def told(
        self, tell: Callable[[ComponentLines], object], is_terminal: bool = False
    ) -> tuple[str, ComponentLines]:
        """Returns what the terminal showed of what the lines were told."""
        screen = io.StringIO()
        console = Console(file=screen, force_terminal=is_terminal, width=100, highlight=False)
        with component_lines(console) as lines:
            tell(lines)
        return screen.getvalue(), lines

    @staticmethod
    def trainer(lines: ComponentLines) -> None:
        lines.start("Trainer")
        assert lines.running == "Trainer"
        lines.finish(61.26, cached=False)

    def test_a_component_is_a_line_with_its_duration(self) -> None:
        shown, lines = self.told(self.trainer)
        assert shown == f"  {'Trainer':<24}    61.3 s\n"
        assert lines.running == ""

    def test_what_the_cache_answered_says_so(self) -> None:
        def tell(lines: ComponentLines) -> None:
            lines.start("Pusher")
            lines.finish(0.04, cached=True)

        assert self.told(tell)[0] == f"  {'Pusher':<24}     0.0 s  from the cache\n"

    def test_a_component_that_did_not_finish_is_remembered(self) -> None:
        shown, lines = self.told(lambda lines: lines.start("Transform"))
        assert (shown, lines.running) == ("", "Transform")

    @pytest.mark.parametrize(
        ("logger", "shown"),
        [
            ("models.training", "    epoch [1/2]\n"),
            ("components.data_gate.executor", "    epoch [1/2]\n"),
            ("radiographs", "    epoch [1/2]\n"),
            ("absl", ""),
            ("modelsearch", ""),
        ],
    )
    def test_our_own_loggers_are_shown_word_for_word(self, logger: str, shown: str) -> None:
        assert self.told(lambda _: logging.getLogger(logger).info("epoch [1/2]"))[0] == shown

    def test_a_live_terminal_shows_what_runs(self) -> None:
        shown, _ = self.told(self.trainer, is_terminal=True)
        assert shown.count("Trainer") > 1
        assert "61.3 s" in shown

    def test_nobody_listens_afterwards(self) -> None:
        before = logging.getLogger().handlers[:]
        self.told(self.trainer)
        assert logging.getLogger().handlers == before
