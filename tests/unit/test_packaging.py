"""setup.py, the locks, the Dockerfile and the Makefile agree with each other and with the tree."""

from __future__ import annotations

import ast
import itertools
import os
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYTHON_VERSIONS = ("3.10", "3.11", "3.12", "3.13")
NOT_SHIPPED = {"tests", "tools", "benchmarks", "requirements", "work", "build", "dist"}


@pytest.fixture(name="arguments", scope="module")
def _arguments() -> Iterator[dict[str, Any]]:
    """The keyword arguments setup.py calls `setup` with."""
    seen: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **arguments: seen.update(arguments))
        patch.chdir(ROOT)
        runpy.run_path("setup.py")
    yield seen


@pytest.fixture(name="shipped", scope="module")
def _shipped() -> list[Path]:
    """Every folder of the tree whose Python code a user needs."""
    return [
        file.parent.relative_to(ROOT)
        for file in ROOT.rglob("__init__.py")
        if not file.relative_to(ROOT).parts[0].startswith(".")
        and file.relative_to(ROOT).parts[0] not in NOT_SHIPPED
    ]


@pytest.fixture(name="dockerfile", scope="module")
def _dockerfile() -> list[list[str]]:
    """The instructions of the Dockerfile, each as its words."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def read_lock(version: str) -> dict[str, str]:
    """Returns the version of each library in the lock of one Python line."""
    text = (ROOT / "requirements" / f"lock-{version}.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", text, flags=re.MULTILINE)
    return {canonicalize_name(name): pin for name, pin in pins}


class TestSetup:
    def test_every_package_of_the_tree_is_named(
        self, arguments: dict[str, Any], shipped: list[Path]
    ) -> None:
        assert sorted(arguments["packages"]) == sorted(".".join(path.parts) for path in shipped)

    def test_every_module_lies_in_a_package(self, shipped: list[Path]) -> None:
        tops = {path.parts[0] for path in shipped}
        homeless = [
            file.relative_to(ROOT)
            for top in tops
            for file in (ROOT / top).rglob("*.py")
            if file.parent.relative_to(ROOT) not in shipped
        ]
        assert homeless == []

    def test_every_runner_is_named(self, arguments: dict[str, Any]) -> None:
        modules = {file.stem for file in ROOT.glob("*.py")} - {"setup"}
        assert set(arguments["py_modules"]) == modules

    def test_every_data_file_of_a_package_is_shipped(
        self, arguments: dict[str, Any], shipped: list[Path]
    ) -> None:
        tops = {path.parts[0] for path in shipped}
        present = {
            file
            for top in tops
            for file in (ROOT / top).rglob("*")
            if file.is_file() and file.suffix not in {".py", ".pyc"}
        }
        matched = {
            file
            for package, patterns in arguments["package_data"].items()
            for pattern in patterns
            for file in (ROOT / package.replace(".", "/")).glob(pattern)
        }
        assert ROOT / "schema" / "schema.pbtxt" in matched
        assert present - matched == set()

    def test_python_versions_are_those_with_a_lock(self, arguments: dict[str, Any]) -> None:
        supported = SpecifierSet(arguments["python_requires"])
        minors = [f"3.{minor}" for minor in range(30)]
        assert [version for version in minors if version in supported] == list(PYTHON_VERSIONS)


@pytest.mark.parametrize("version", PYTHON_VERSIONS)
class TestLocks:
    def test_satisfies_setup(self, arguments: dict[str, Any], version: str) -> None:
        lock = read_lock(version)
        extras = itertools.chain.from_iterable(arguments["extras_require"].values())
        wanted = [*arguments["install_requires"], *extras]
        environment = {"python_version": version, "python_full_version": f"{version}.1"}
        unmet = [
            text
            for text in wanted
            if not (need := Requirement(text)).marker or need.marker.evaluate(environment)
            if not need.specifier.contains(lock.get(canonicalize_name(need.name), "0"))
        ]
        assert unmet == []

    def test_every_file_is_pinned_by_its_digest(self, version: str) -> None:
        text = (ROOT / "requirements" / f"lock-{version}.txt").read_text(encoding="utf-8")
        entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert len(entries) == len(read_lock(version)) > 200
        assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []

    def test_names_no_index(self, version: str) -> None:
        text = (ROOT / "requirements" / f"lock-{version}.txt").read_text(encoding="utf-8")
        assert "://" not in text
        assert not re.search(r"^--(?!hash)", text, flags=re.MULTILINE)


class TestDockerfile:
    def test_installs_the_lock_of_its_python(self, dockerfile: list[list[str]]) -> None:
        version = next(words[1] for words in dockerfile if words[0] == "FROM")
        lock = f"requirements/lock-{re.findall(r'python:([0-9.]+)', version)[0]}.txt"
        copied = [words[1:-1] for words in dockerfile if words[0] == "COPY"]
        installed = [words for words in dockerfile if words[0] == "RUN" and lock in words]
        assert [lock] in copied
        assert installed
        assert {"sync", "--system"} <= set(installed[0])

    def test_copies_all_that_setup_names(
        self, arguments: dict[str, Any], dockerfile: list[list[str]]
    ) -> None:
        copied = {
            word.rstrip("/") for words in dockerfile if words[0] == "COPY" for word in words[1:-1]
        }
        packages = {name.partition(".")[0] for name in arguments["packages"]}
        modules = {f"{name}.py" for name in arguments["py_modules"]}
        needed = packages | modules | set(arguments["license_files"])
        assert needed | {"setup.py", "pyproject.toml"} <= copied
        assert [name for name in copied if not (ROOT / name).exists()] == []

    def test_folders_keep_their_names(self, dockerfile: list[list[str]]) -> None:
        folders = [words[1:] for words in dockerfile if words[0] == "COPY" and words[1][-1] == "/"]
        assert folders
        assert [words for words in folders if words[0] != words[1]] == []

    def test_schema_lies_where_compiled_pipelines_look(self, dockerfile: list[list[str]]) -> None:
        home = next(words[1] for words in dockerfile if words[0] == "WORKDIR")
        tree = ast.parse((ROOT / "pipeline" / "kubeflow.py").read_text(encoding="utf-8"))
        constants = {
            node.targets[0].id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        assert constants["IMAGE_SCHEMA_FILE"] == f"{home}/schema/schema.pbtxt"

    def test_ends_as_an_ordinary_user(self, dockerfile: list[list[str]]) -> None:
        assert dockerfile[-1][0] == "USER"
        assert dockerfile[-1][1] not in {"root", "0"}

    def test_uses_the_installer_of_the_makefile(self, dockerfile: list[list[str]]) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        (version,) = re.findall(r"^UV_VERSION := (\S+)$", makefile, flags=re.MULTILINE)
        assert any(f"uv=={version}" in words for words in dockerfile)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
class TestMakefile:
    def test_help_is_the_default_and_lists_the_verbs(self) -> None:
        lines = make().stdout.splitlines()
        lanes = ("lock", "names", "prism", "newer")
        checks = ("test", "fuzz", "mutants", "lint")
        verbs = ["help", "install", "run", "report", "tensorboard", *checks, *lanes, "clean"]
        assert [line.split()[:2] for line in lines] == [["make", verb] for verb in verbs]

    def test_takes_the_first_python_that_runs(self, tmp_path: Path) -> None:
        _command(tmp_path / "python3.11", "exit 127")  # as a version manager's shim may do
        _command(tmp_path / "python3.10", "echo 3.10")
        plan = make("--dry-run", "--always-make", "install", path=tmp_path).stdout
        assert "python3.10 -m venv" in plan
        assert "requirements/lock-3.10.txt" in plan

    def test_refuses_another_python_in_one_sentence(self, tmp_path: Path) -> None:
        _command(tmp_path / "python3", "echo 3.9")
        shutil.copy(ROOT / "Makefile", tmp_path)
        done = make("install", path=tmp_path, folder=tmp_path)
        assert done.returncode != 0
        assert "Python 3.10 to 3.13 is needed, and none was found as python3;" in done.stderr
        assert not (tmp_path / ".venv").exists()


def make(
    *arguments: str, path: Path | None = None, folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Runs make; with a path, no other commands than make's own tools are found."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTHON"))
    }
    if path is not None:
        for tool in ("sh", "awk", "make"):
            (path / tool).symlink_to(shutil.which(tool) or tool)
        environment["PATH"] = str(path)
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def _command(file: Path, body: str) -> None:
    file.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    file.chmod(0o755)
