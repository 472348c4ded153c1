"""`--publish`: what is written for git, of sealed numbers only."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sealkit import digest
from sealkit.finding import UsageError
from sealkit.publish import publish
from sealkit.render import figure
from tests.golden import runs, tree
from tests.matrices import build, call, code, sealed, stated

TABLES = [f"tables/{name}.{ending}" for name in ("differences", "metrics") for ending in ("csv", "md", "tex")]
FIGURES = [f"figures/{name}.{ending}" for name in ("bars", "deltas") for ending in ("csv", "md", "pdf", "png")]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    sealed(build(folder, experiments=tree.TEN[:4]))
    return folder


@pytest.fixture
def matrix(once: Path, tmp_path: Path) -> Path:
    shutil.copytree(once, tmp_path / "tree")
    return next(tmp_path.glob("tree/outputs/*/seal")).parent


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that would have been drawn, with what they say of their seal."""
    found: list[Any] = []

    def draw(one: Any, folder: Path, seal: str) -> Sequence[Path]:
        found.append((one, seal))
        (folder / f"{one['name']}.png").write_bytes(b"")
        return [folder / f"{one['name']}.png"]

    monkeypatch.setattr(figure, "draw", draw)
    return found


def listed(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_what_belongs_in_git_is_written_by_its_name(matrix: Path) -> None:
    pytest.importorskip("matplotlib")
    result = call(matrix, "seal", "--reference", "m01", "--publish", "docs/seals")
    assert code(result) == 0
    target = matrix.parent.parent / "docs/seals" / matrix.name
    assert listed(target) == sorted(["SEAL.md", "seal.json", *TABLES, *FIGURES])
    told = [line.removeprefix("published: ") for line in result.stderr.splitlines() if line.startswith("published: ")]
    assert sorted(told) == [f"docs/seals/{matrix.name}/{name}" for name in listed(target)]
    assert told[-2:] == [f"docs/seals/{matrix.name}/{name}" for name in ("SEAL.md", "seal.json")]
    for name in ("SEAL.md", "seal.json", *TABLES):
        assert (target / name).read_bytes() == (matrix / "seal" / name).read_bytes(), name
    sealed_as = digest.file(matrix / "seal/seal.json")
    assert all(sealed_as in (target / name).read_text() for name in FIGURES if name.endswith(".md"))
    before = {name: (target / name).read_bytes() for name in listed(target)}
    assert code(call(matrix, "seal", "--reference", "m01", "--publish", "docs/seals")) == 0
    assert {name: (target / name).read_bytes() for name in listed(target)} == before


def test_it_is_not_written_over_another_seal(matrix: Path, tmp_path: Path, drawn: list[Any]) -> None:
    publish(matrix / "seal", tmp_path / "docs", "demo")
    before = {name: (tmp_path / "docs/demo" / name).read_bytes() for name in listed(tmp_path / "docs/demo")}
    runs.measured(matrix, "m03", 150)
    shutil.rmtree(matrix / "seal")
    assert code(call(matrix, "seal", "--reference", "m01")) == 0
    with pytest.raises(UsageError, match="docs/demo: another seal was published there"):
        publish(matrix / "seal", tmp_path / "docs", "demo")
    assert {name: (tmp_path / "docs/demo" / name).read_bytes() for name in listed(tmp_path / "docs/demo")} == before
    publish(matrix / "seal", tmp_path / "docs", "demo2")


def test_a_statement_that_cannot_be_read_is_another_seal(matrix: Path, tmp_path: Path, drawn: list[Any]) -> None:
    (tmp_path / "docs/demo/seal.json").mkdir(parents=True)
    with pytest.raises(UsageError, match="another seal was published there"):
        publish(matrix / "seal", tmp_path / "docs", "demo")


def test_numbers_are_those_of_the_seal_whatever_the_runs_say_now(
    matrix: Path, tmp_path: Path, drawn: list[Any]
) -> None:
    numbers = stated(matrix / "seal")["numbers"]
    tables = {name: (matrix / "seal" / name).read_bytes() for name in TABLES}
    for run in ("m01", "m02", "m03", "m04"):
        runs.measured(matrix, run, 500)
    shutil.rmtree(matrix / "seal/tables")
    target = tmp_path / "docs/demo"
    publish(matrix / "seal", tmp_path / "docs", "demo")
    assert {name: (target / name).read_bytes() for name in TABLES} == tables
    assert drawn == [(one, digest.file(matrix / "seal/seal.json")) for one in numbers["figures"]]


def test_where_a_figure_cannot_be_drawn_nothing_is_called_published(
    matrix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise UsageError("figures need matplotlib")

    monkeypatch.setattr(figure, "draw", refuse)
    with pytest.raises(UsageError, match="figures need matplotlib"):
        publish(matrix / "seal", tmp_path / "docs", "demo")
    assert not (tmp_path / "docs/demo/seal.json").exists()


def test_of_a_run_it_is_the_page_and_the_statement(tmp_path: Path) -> None:
    seal = tmp_path / "seal"
    seal.mkdir()
    (seal / "seal.json").write_text(json.dumps({"predicate": {"schema": "seal/v1"}}))
    (seal / "SEAL.md").write_text("# Seal\n")
    publish(seal, tmp_path / "docs", "run")
    assert listed(tmp_path / "docs") == ["run/SEAL.md", "run/seal.json"]
