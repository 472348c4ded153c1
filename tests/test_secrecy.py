"""A run whose config holds a secret: the stages get it, and nothing that is written does."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from sealkit import observe, pipeline, seal
from sealkit.engine import Event
from sealkit.pack import Pack
from sealkit.pipeline import Result
from tests import redaction_cases as cases

PACK = Pack(stage_package="tests.pack")
CONFIG = f"""\
schema: pipeline/v1
run: {{name: toy}}
seed: 7
stages:
  documents:
    uses: toy.documents
    with:
      secret: {cases.NETRC}
  copy: {{uses: toy.copy, in: {{corpus: documents.corpus}}}}
"""


def run(place: Path, *overrides: str, events: list[Event] | None = None) -> Result:
    (place / "toy.yaml").write_text(CONFIG)
    on_event = (lambda event: None) if events is None else events.append
    with contextlib.chdir(place):
        command = ["toolkit", "run", "toy.yaml", *overrides, "--api-key", cases.PASSWORD]
        return pipeline.run(Path("toy.yaml"), [*overrides, f"run.output_dir={place}/outputs"], command, on_event, PACK)


def document(result: Result, name: str) -> Any:
    return json.loads((result.path / f"{name}.json").read_text())


def written(folder: Path) -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted(folder.rglob("*")) if path.is_file())


def test_nothing_that_is_written_holds_it(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 0
    text = written(tmp_path / result.path)
    assert cases.NETRC not in text
    assert cases.PASSWORD not in text
    assert document(result, "resolved_config")["redacted"] == ["/stages/documents/with/secret"]
    facts = document(result, "summary")["stages"][0]["facts"]
    assert facts == {"secret_length": len(cases.NETRC)}, "the stage got the true value"


def test_it_is_said_with_the_way_out(tmp_path: Path) -> None:
    events: list[Event] = []
    run(tmp_path, events=events)
    assert [event.message for event in events if event.kind == "warning"] == [
        "toy.yaml:3: `seed` is now `run.seed`: rename it",
        "toy.yaml:8: stages.documents.with.secret holds a secret: it is not written to the run; "
        "say ${ENV:NAME} and set that variable",
    ]


def test_two_runs_tell_whether_they_had_the_same(tmp_path: Path) -> None:
    results = [
        run(tmp_path, f"run.name={name}", *more)
        for name, *more in (["a"], ["b"], ["c", "stages.documents.with.secret=another"])
    ]
    shown = [document(result, "resolved_config")["config"]["stages"]["documents"]["with"] for result in results]
    assert shown[0] == shown[1] != shown[2]
    keys = [document(result, "summary")["stages"][0]["key"] for result in results]
    assert keys[0] == keys[1] != keys[2]


def test_a_source_keeps_its_lines(tmp_path: Path) -> None:
    result = run(tmp_path)
    lines = (tmp_path / result.path / "sources/toy.yaml").read_text().split("\n")
    assert lines[:7] == CONFIG.split("\n")[:7]
    assert lines[7].startswith('      secret: "[redacted:secret:')
    assert lines[8:] == CONFIG.split("\n")[8:]


@pytest.mark.parametrize(
    "override", ["stages.documents.with.secret=abc", "stages.documents.with.secret=two words of it"]
)
def test_an_override_is_redacted(override: str, tmp_path: Path) -> None:
    result = run(tmp_path, override)
    assert document(result, "resolved_config")["overrides"][0].startswith(
        "stages.documents.with.secret=[redacted:secret:"
    )
    assert not any(override in part for part in document(result, "run_metadata")["command"])


def test_a_message_that_quotes_a_variable_is_redacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_SECRET", "division by zero")
    result = run(tmp_path, "stages.documents.with.secret=${ENV:TOY_SECRET}", "stages.documents.with.how=raise")
    assert result.exit_code == 4
    assert "ZeroDivisionError: [redacted:TOY_SECRET:" in str(result.error)
    assert "division by zero" not in written(tmp_path / result.path)


def test_a_seal_holds_no_secret_of_a_run_that_holds_one(tmp_path: Path) -> None:
    result = run(tmp_path)
    root = tmp_path / result.path
    log = root / "logging.jsonl"
    log.write_text(log.read_text() + json.dumps({"message": f"token {cases.GITHUB}"}) + "\n")
    metadata = document(result, "run_metadata")
    metadata["command"].append(cases.GITHUB)
    (root / "run_metadata.json").write_text(json.dumps(metadata, indent=2))
    with contextlib.chdir(tmp_path):
        sealed = seal.seal(root, pack=PACK)
        report = observe.check(root, pack=PACK)
    outcome = next(item for item in sealed.report.checks if item.id == "no-secret")
    assert outcome.status == "failed"
    assert cases.GITHUB not in written(root / "seal")
    assert outcome == next(item for item in report.checks if item.id == "no-secret")
