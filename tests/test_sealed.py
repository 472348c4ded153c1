"""What earlier versions sealed: runs that are kept to the byte, and that every later version verifies.

`tests/sealed/<version>/` holds the runs that `tests/sealed/make.py` of that version made. They are never made again.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from sealkit.cli import verify as verb
from sealkit.finding import EXIT_CODES, Verdict
from sealkit.verify import verify
from tests.conftest import ROOT

SEALED = Path(__file__).parent / "sealed"
RUNS = sorted(path for path in SEALED.glob("*/*") if path.is_dir() and path.parent.name[0].isdigit())
VERDICTS = {"base": Verdict.PASS, "ft_mnr": Verdict.PASS, "missed": Verdict.FAIL}

every_run = pytest.mark.parametrize("kept", RUNS, ids=lambda path: f"{path.parent.name}-{path.name}")


@pytest.fixture
def run(kept: Path, tmp_path: Path) -> Path:
    """A copy elsewhere: what is kept is only read."""
    return Path(shutil.copytree(kept, tmp_path / kept.name))


def stated(run: Path) -> dict[str, object]:
    predicate: dict[str, object] = json.loads((run / "seal/seal.json").read_text("utf-8"))["predicate"]
    return predicate


@every_run
def test_what_was_sealed_then_still_holds(run: Path) -> None:
    found = verify(run)
    assert ([f"{problem.at.path}: {problem.message}" for problem in found.problems], found.unknown) == ([], ())
    assert (found.holds, found.verdict, found.exit_code) == (True, VERDICTS[run.name], EXIT_CODES[VERDICTS[run.name]])


@every_run
@pytest.mark.parametrize("name", ["metrics.json", "seal/report.json", "stages/search/rankings.jsonl"])
def test_a_changed_byte_is_noticed(run: Path, name: str) -> None:
    data = bytearray((run / name).read_bytes())
    data[len(data) // 2] ^= 1
    (run / name).write_bytes(data)
    found = verify(run)
    assert [f"{problem.at.path}: {problem.message}" for problem in found.problems] == [
        f"{name}: changed: its bytes are not those that were sealed"
    ]
    assert found.exit_code == 1


@every_run
def test_a_run_was_sealed_by_the_version_that_its_folder_names(kept: Path) -> None:
    assert stated(kept)["sealkit"] == kept.parent.name


def test_the_command_says_the_same(tmp_path: Path) -> None:
    for name, verdict in VERDICTS.items():
        shutil.copytree(SEALED / "0.1.0" / name, tmp_path / name)
        done = CliRunner().invoke(verb.command, [str(tmp_path / name)], standalone_mode=False)
        assert done.return_value == EXIT_CODES[verdict], done.output
        assert verdict.value in done.output


def test_a_comparison_is_among_them() -> None:
    predicate = stated(SEALED / "0.1.0/ft_mnr")
    assert isinstance(predicate["deltas"], dict) and isinstance(predicate["lineage"], list)
    assert any(row["difference"] for row in predicate["deltas"]["rows"])
    weights = {line["role"]: line["weights"] for line in predicate["lineage"]}
    assert None not in (weights["pre-FT"], weights["post-FT"]) and weights["pre-FT"] != weights["post-FT"]
    assert (SEALED / "0.1.0/ft_mnr/seal/reference").is_dir()


def test_every_version_that_released_a_contract_has_its_runs() -> None:
    """A contract's CHANGES.md names in its heading the version that released it."""
    headings = re.compile(r"^## v\d+ \((\d+\.\d+\.\d+)\)$", re.MULTILINE)
    released = {v for path in (ROOT / "spec").glob("*/CHANGES.md") for v in headings.findall(path.read_text("utf-8"))}
    cut = set(re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE))
    assert released and released <= cut
    assert {path.parent.name for path in RUNS} == released
    assert {(path.parent.name, path.name) for path in RUNS} >= {(v, name) for v in released for name in VERDICTS}
