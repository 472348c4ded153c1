"""What is shipped: every package and every data file; a list that forgets one ships without a word."""

from __future__ import annotations

import glob
import os
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
FOLDERS = {"sealkit": "src/sealkit", "sealkit.spec": "spec", "sealkit.checks": "checks"}
DATA = sorted(
    str(path.relative_to(ROOT / "spec"))
    for path in (ROOT / "spec").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
)


def covered(package: str) -> set[str]:
    """The files below a package's folder that its globs name, as setuptools expands them."""
    folder = ROOT / FOLDERS[package]
    patterns = SETUP["package-data"][package]
    return {os.path.normpath(name) for glob_ in patterns for name in glob.glob(glob_, root_dir=folder, recursive=True)}


def test_the_packages_are_those_in_the_folders() -> None:
    found = {"sealkit.spec", "sealkit.checks"}
    for path in (ROOT / "src").rglob("__init__.py"):
        found.add(".".join(path.parent.relative_to(ROOT / "src").parts))
    assert SETUP["packages"] == sorted(found)


def test_every_folder_of_code_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "src" / "sealkit").rglob("*.py")} | {ROOT / "spec", ROOT / "checks"}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_the_packages_lie_where_they_are_looked_for() -> None:
    assert SETUP["package-dir"] == FOLDERS
    assert SETUP["include-package-data"] is False


@pytest.mark.parametrize("suffix", sorted({Path(name).suffix or name for name in DATA}))
def test_every_file_of_the_spec_is_shipped(suffix: str) -> None:
    names = {name for name in DATA if (Path(name).suffix or name) == suffix}
    assert sorted(names - covered("sealkit.spec")) == []


def test_the_marker_of_types_is_shipped() -> None:
    assert (ROOT / "src" / "sealkit" / "py.typed").is_file()
    assert "py.typed" in covered("sealkit")


def test_what_the_page_is_made_of_is_shipped() -> None:
    folder = ROOT / "src" / "sealkit"
    data = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in (".css", ".jinja")}
    assert len(data) == 6
    assert data <= covered("sealkit")


def test_the_manual_of_the_checks_is_shipped_where_there_is_one() -> None:
    assert SETUP["package-data"]["sealkit.checks"] == ["README.md"]


def test_the_packages_of_data_hold_no_code_of_their_own() -> None:
    """One docstring each: importing them does nothing."""
    for folder in ("spec", "checks"):
        lines = (ROOT / folder / "__init__.py").read_text("utf-8").splitlines()
        assert len(lines) == 1 and lines[0].startswith('"""') and lines[0].endswith('"""')


def test_every_command_leads_to_a_function() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for target in project["scripts"].values():
        module, _, function = target.partition(":")
        source = ROOT / "src" / Path(*module.split("."))
        text = (source / "__init__.py" if source.is_dir() else source.with_suffix(".py")).read_text("utf-8")
        assert f"def {function}(" in text or f"{function} = " in text
