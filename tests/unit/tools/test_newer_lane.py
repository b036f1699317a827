"""The script behind `make newer`: what it refuses, and what it runs, with stand-ins for Debian's.

The real thing takes root, a network and several minutes.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MIRROR = "http://mirror.example/debian/"


@pytest.fixture(name="commands")
def make_commands(tmp_path: Path) -> Path:
    """The folder of all commands there are; those of Debian write down how they are called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (
        "bash",
        "env",
        "dirname",
        "sed",
        "touch",
        "mkdir",
        "rm",
        "cp",
        "mv",
        "tar",
        "grep",
    ):
        (folder / name).symlink_to(shutil.which(name) or name)
    log = 'echo "${0##*/} $*" >> ' + str(tmp_path / "calls.txt")
    write(folder / "id", "echo 0")
    write(folder / "apt-get", f"echo {MIRROR}; echo http://second.example/")
    write(folder / "mount", log)
    write(folder / "chroot", log)
    made = 'mkdir -p "$4/etc/ssl/certs" "$4/root"; touch "$4/etc/debian_version"'
    write(folder / "debootstrap", f"{log}; {made}")
    write(folder / "unshare", f'{log}; shift 2; exec "$@"')
    return folder


def write(file: Path, body: str) -> None:
    file.write_text(f"#!{shutil.which('bash')}\n{body}\n", encoding="utf-8")
    file.chmod(0o755)


def enter(commands: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    checkout = commands.parent / "checkout"
    (checkout / "tools").mkdir(parents=True, exist_ok=True)
    for kept_out in (".venv", "work", ".git"):
        (checkout / kept_out).mkdir(exist_ok=True)
    shutil.copy(ROOT / "tools" / "newer_lane.sh", checkout / "tools")
    lane = commands.parent / "lane"
    environment = {"PATH": str(commands), "LANE": str(lane), **more}
    return subprocess.run(
        [checkout / "tools" / "newer_lane.sh", *command],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip


def calls(commands: Path) -> list[str]:
    return (commands.parent / "calls.txt").read_text(encoding="utf-8").splitlines()


class TestRefuses:
    def test_another_user_than_root(self, commands: Path) -> None:
        write(commands / "id", "echo 1000")
        assert_refused(commands, "a Debian of its own is made and entered by root only; use sudo.")

    def test_without_debootstrap(self, commands: Path) -> None:
        (commands / "debootstrap").unlink()
        assert_refused(commands, "debootstrap is missing; apt-get install debootstrap.")

    @pytest.mark.parametrize("apt", ["", "exit 100"])
    def test_without_a_mirror_of_debian(self, commands: Path, apt: str) -> None:
        write(commands / "apt-get", apt)
        wanted = "apt on this machine knows no Debian mirror; name one with MIRROR=URL."
        assert_refused(commands, wanted)

    def test_where_there_is_no_apt(self, commands: Path) -> None:
        (commands / "apt-get").unlink()
        wanted = "apt on this machine knows no Debian mirror; name one with MIRROR=URL."
        assert_refused(commands, wanted)

    def test_a_debian_that_did_not_come_about(self, commands: Path) -> None:
        write(commands / "debootstrap", 'mkdir -p "$4/etc"; echo why; exit 1')
        log = commands.parent / "lane.log"
        assert_refused(commands, f"debootstrap failed; the reason is in {log}.")
        assert log.read_text(encoding="utf-8") == "why\n"

    def test_a_folder_of_something_else(self, commands: Path) -> None:
        lane = commands.parent / "lane"
        lane.mkdir()
        wanted = f"{lane} is there and holds no Debian; name another folder with LANE."
        assert_refused(commands, wanted)
        assert list(lane.iterdir()) == []


def assert_refused(commands: Path, sentence: str) -> None:
    done = enter(commands)
    assert done.returncode == 1
    assert done.stderr == f"newer_lane: {sentence}\n"
    assert not (commands.parent / "lane" / "etc").exists()


class TestEnters:
    def test_debian_13_from_the_mirror_of_the_machine_once(self, commands: Path) -> None:
        assert enter(commands).returncode == 0
        assert enter(commands).returncode == 0
        (made,) = [call for call in calls(commands) if call.startswith("debootstrap")]
        assert made.split()[-3:] == ["trixie", str(commands.parent / "lane.making"), MIRROR]

    def test_the_mirror_can_be_named(self, commands: Path) -> None:
        enter(commands, MIRROR="http://nearer.example/debian")
        assert calls(commands)[0].split()[-1] == "http://nearer.example/debian"

    @pytest.mark.parametrize(
        ("command", "expected"),
        [((), "make run && make test"), (("make", "test", "ARGS=-x"), "make test ARGS=-x")],
    )
    def test_the_command_follows_the_set_up(
        self, commands: Path, command: tuple[str, ...], expected: str
    ) -> None:
        enter(commands, *command)
        assert calls(commands)[-1].endswith(f"cd /root/checkout && make install && {expected}")

    def test_mounts_are_made_in_a_namespace_of_their_own(self, commands: Path) -> None:
        enter(commands)
        kinds = [call.split()[0] for call in calls(commands)]
        assert kinds == [
            *("unshare", "debootstrap"),
            *("unshare", "mount", "mount", "mount", "chroot"),
        ]
        assert all(
            call.startswith("unshare --mount -- ") for call in calls(commands) if "unshare" in call
        )

    def test_what_the_machine_says_of_its_own_files_stays_outside(self, commands: Path) -> None:
        enter(commands, PIP_FIND_LINKS="/wheels", https_proxy="http://proxy.example:1", TERM="vt")
        entered = calls(commands)[-1]
        assert "env -i " in entered
        assert "https_proxy=http://proxy.example:1" in entered
        assert "PIP_FIND_LINKS" not in entered
        assert f"PATH={commands}" not in entered

    def test_the_checkout_goes_in_without_what_is_made_from_it(self, commands: Path) -> None:
        enter(commands)
        inside = commands.parent / "lane" / "root" / "checkout"
        (inside / "left_over.txt").touch()
        enter(commands)
        assert [path.name for path in inside.iterdir()] == ["tools"]

    def test_ends_with_the_status_of_the_command(self, commands: Path) -> None:
        write(commands / "chroot", "exit 7")
        assert enter(commands).returncode == 7
