"""A run that is cut off goes on, and comes to what it would have come to; nothing is lost and nothing counts twice."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sealkit import digest, observe, pipeline, seal, write
from sealkit.engine import Event
from sealkit.finding import UsageError, Verdict
from sealkit.pack import BUILT_IN, Pack
from sealkit.pipeline import Result
from tests.killing import Killer
from tests.test_pipeline import CONFIG, PACK, document, start
from tests.tiny import tiny_model

# Killed at any moment

OVERRIDES = [
    "model.base=tiny",
    "run.limit=24",
    "run.name=ft",
    "stages.train.with.epochs=1",
    "stages.train.with.batch_size=8",
]
LOG, COPY = "write outputs/ft/logging.jsonl", "models/retriever/.ft-20260131T120000Z-000000.partial"
# The documents are written when the run begins (#1), after each of six stages, and when it ends (#8).
IN_CI = [
    f"middle {LOG} stage-started data",
    "after mkdir outputs/ft/.partial/train/model/step_2",
    "after rename outputs/ft/stages/train",
    "before rename outputs/ft/summary.json #3",
    "after rename models/retriever/ft",
    "before rename outputs/ft/summary.json #8",
]
MORE = [
    "before mkdir outputs/ft",
    "after mkdir outputs/ft",
    "after rename outputs/ft/sources/retriever_base.yaml",
    "after rename outputs/ft/resolved_config.json",
    "after rename outputs/ft/run_metadata.json",
    "before rename outputs/ft/summary.json",
    "after mkdir outputs/ft/.scratch/data",
    "before rename outputs/ft/stages/data",
    "after rename outputs/ft/stages/data",
    "after rename outputs/ft/metrics.json #2",
    "before rename outputs/ft/summary.json #2",
    "after rename outputs/ft/summary.json #2",
    f"middle {LOG} stage-finished data",
    "after mkdir outputs/ft/.scratch/train",
    "after mkdir outputs/ft/.partial/train/model/best",
    f"after mkdir {COPY}/1_Pooling",
    "after rename outputs/ft/stages/export",
    "before unlink outputs/ft/.scratch/export.key",
    "after mkdir outputs/ft/.partial/index/index",
    "after rename outputs/ft/stages/index",
    "before rename outputs/ft/stages/search",
    "after rename outputs/ft/run_metadata.json #7",
    f"middle {LOG} stage-finished evaluate",
    "after rename outputs/ft/summary.json #8",
]


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    if sys.platform != "linux":
        pytest.skip("needs fork and /proc")
    pytest.importorskip("sentence_transformers")
    with Killer() as process:
        yield process


@pytest.fixture(scope="module")
def undisturbed(killer: Killer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    tiny_model(folder / "tiny", seed=1)
    answer = killer.run(folder, OVERRIDES)
    assert (answer["code"], answer["error"]) == (0, None)
    assert {*IN_CI, *MORE} <= {*answer["moments"], *_numbered(answer["moments"]), *_torn(answer["moments"])}
    return folder


def _numbered(moments: list[str]) -> list[str]:
    return [f"{moment} #{moments[: i + 1].count(moment)}" for i, moment in enumerate(moments)]


def _torn(moments: list[str]) -> list[str]:
    return [moment.replace("after", "middle", 1) for moment in moments if moment.startswith("after write")]


def came_to(workspace: Path) -> dict[str, Any]:
    """Everything of a run that must be the same: what its stages wrote, and what was added up from it."""
    run = workspace / "outputs" / "ft"
    metrics, summary = (json.loads((run / f"{name}.json").read_text()) for name in ("metrics", "summary"))
    for record in summary["stages"]:
        del record["seconds"], record["peak_rss_mb"]
    return {
        "stages": digest.files(run / "stages", digest.walk(run / "stages")),
        "models": digest.files(workspace / "models", digest.walk(workspace / "models")),
        "weights": digest.weights(workspace / "models" / "retriever" / "ft"),
        "metrics": {key: value for key, value in metrics.items() if not key.startswith("time/")},
        "summary": {key: value for key, value in summary.items() if key not in ("seconds", "resumed")},
        "run_metadata": {**json.loads((run / "run_metadata.json").read_text()), "git": None},
    }


@pytest.mark.slow
@pytest.mark.parametrize("moment", [*IN_CI, *MORE])
def test_killed_at_any_moment_it_comes_to_the_same(
    killer: Killer, undisturbed: Path, tmp_path: Path, moment: str
) -> None:
    if moment in MORE and not os.environ.get("SEALKIT_ALL_MOMENTS"):
        pytest.skip("one of the 24 moments that are left out unless SEALKIT_ALL_MOMENTS is set")
    shutil.copytree(undisturbed / "tiny", tmp_path / "tiny")
    assert killer.run(tmp_path, OVERRIDES, moment) == {"killed": True}
    answer = killer.run(tmp_path, OVERRIDES, resume=True)
    assert (answer["code"], answer["error"]) == (0, None)
    assert came_to(tmp_path) == came_to(undisturbed)
    run = tmp_path / "outputs" / "ft"
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["ft"]
    assert [path.name for path in (tmp_path / "models" / "retriever").iterdir()] == ["ft"]
    for line in (run / "logging.jsonl").read_text().splitlines():
        json.loads(line)
    with contextlib.chdir(tmp_path):
        assert observe.check(run).verdict in (Verdict.PASS, Verdict.WARNINGS)


@pytest.mark.slow
def test_killed_twice_it_comes_to_the_same(killer: Killer, undisturbed: Path, tmp_path: Path) -> None:
    shutil.copytree(undisturbed / "tiny", tmp_path / "tiny")
    assert killer.run(tmp_path, OVERRIDES, "after rename outputs/ft/stages/train") == {"killed": True}
    again = killer.run(tmp_path, OVERRIDES, "after rename outputs/ft/quarantine/train", resume=True)
    assert again == {"killed": True}
    assert killer.run(tmp_path, OVERRIDES, resume=True)["code"] == 0
    assert came_to(tmp_path) == came_to(undisturbed)
    summary = json.loads((tmp_path / "outputs" / "ft" / "summary.json").read_text())
    assert [one["finished"] for one in summary["resumed"]] == [["data"], ["data"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    [
        "after mkdir .sealkit/cache/retrieval.finetune/.*.tmp/files",
        "before rename .sealkit/cache/retrieval.stdlib_code/*",
    ],
)
def test_killed_while_it_fills_the_cache_it_comes_to_the_same(
    killer: Killer, undisturbed: Path, tmp_path: Path, moment: str
) -> None:
    shutil.copytree(undisturbed / "tiny", tmp_path / "tiny")
    assert killer.run(tmp_path, OVERRIDES, moment, cache=True) == {"killed": True}
    assert killer.run(tmp_path, OVERRIDES, cache=True, resume=True)["code"] == 0
    assert came_to(tmp_path) == came_to(undisturbed)
    answer = killer.run(tmp_path, [*OVERRIDES, "run.name=second"], cache=True)
    assert (answer["code"], answer["error"]) == (0, None)
    # What was not kept yet was made again, under another id, and with the same weights.
    first, second = (digest.weights(tmp_path / "models" / "retriever" / name) for name in ("ft", "second"))
    assert first == second


# What is kept, what starts again, what is refused


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(CONFIG + "  last: {uses: toy.scratch, in: {corpus: copy.corpus}}\n")
    return tmp_path


def run(place: Path, *overrides: str, said: list[str] | None = None, **how: Any) -> Result:
    def on_event(event: Event) -> None:
        if said is not None and event.kind in ("note", "stage-kept", "stage-cached", "stage-started"):
            said.append(f"{event.stage}: {event.message}" if event.kind == "note" else f"{event.kind} {event.stage}")

    how = {"cache": False, **how}
    return pipeline.run(place / "toy.yaml", list(overrides), ["toolkit", "run", "toy.yaml"], on_event, PACK, **how)


def cut_off(place: Path, *overrides: str) -> Path:
    """A run whose last stage was killed while it worked."""
    done = start(place, "free", "stages.last.with.how=kill", *overrides)
    assert done.returncode == -9, done.stderr
    return place / "outputs" / "toy"


def test_finished_stages_are_kept_and_the_broken_one_starts_again(place: Path) -> None:
    root = cut_off(place)
    before = {path: path.stat().st_mtime_ns for path in (root / "stages").rglob("*.jsonl")}
    said: list[str] = []
    result = run(place, "stages.last.with.how=kill", resume=True, said=said)
    assert (result.exit_code, result.error) == (0, None)
    assert said == [
        "None: resumed: documents, copy finished before",
        "last: was not finished; what it wrote lies in outputs/toy/quarantine/last",
        "None: took over the lock of one that is gone: " + said[2].partition("gone: ")[2],
        "stage-kept documents",
        "stage-kept copy",
        "stage-started last",
    ]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (root / "quarantine/last/corpus.jsonl").read_text() == '{"doc_id": "half'
    summary = document(result, "summary.json")
    assert BUILT_IN.contracts["summary/v1"].violations(summary) == []
    assert (summary["status"], [stage["name"] for stage in summary["stages"]]) == ("ok", ["documents", "copy", "last"])
    assert summary["counters"] == {"documents.documents": 3, "last.started_before": 1}
    assert [one["finished"] for one in summary["resumed"]] == [["documents", "copy"]]


def test_scratch_outlives_a_crash_only_under_the_same_key(place: Path) -> None:
    root = cut_off(place)
    assert (root / ".scratch/last/starts").read_text() == "x"
    result = run(place, "stages.last.with.how=well", resume=True)
    assert result.exit_code == 0
    assert document(result, "summary.json")["counters"]["last.started_before"] == 0
    assert not (root / ".scratch").exists()


def test_scratch_is_kept_by_a_stage_that_raises_and_dropped_by_one_that_refuses(place: Path) -> None:
    for how, kept in (("raise", True), ("refuse", False)):
        result = run(place, f"run.name={how}", f"stages.last.with.how={how}")
        assert result.exit_code == (4 if how == "raise" else 1)
        assert (result.path / ".scratch/last/starts").is_file() == kept
        assert not (result.path / ".reserve").exists()


def test_a_key_that_did_not_change_gives_a_raising_stage_another_try(place: Path) -> None:
    assert run(place, "stages.last.with.how=raise").exit_code == 4
    again = run(place, "stages.last.with.how=raise", resume=True)
    assert (again.exit_code, again.error) == (0, None)
    assert document(again, "summary.json")["counters"]["last.started_before"] == 1
    assert (again.path / "quarantine/last/corpus.jsonl").is_file()


def test_a_finished_stage_whose_output_changed_starts_again(place: Path) -> None:
    root = cut_off(place)
    (root / "stages/copy/corpus.jsonl").write_text('{"doc_id": "d0", "text": "another"}\n')
    said: list[str] = []
    result = run(place, "stages.last.with.how=kill", resume=True, said=said)
    assert (result.exit_code, result.error) == (0, None)
    why = "stages/copy/corpus.jsonl is not what it wrote"
    assert f"copy: starts again, since {why}; what lay there is in outputs/toy/quarantine/copy" in said
    assert (root / "quarantine/copy/corpus.jsonl").read_text() == '{"doc_id": "d0", "text": "another"}\n'
    assert (root / "stages/copy/corpus.jsonl").read_text().count("\n") == 3
    assert [stage["name"] for stage in document(result, "summary.json")["stages"]] == ["documents", "copy", "last"]


def test_a_finished_run_is_judged_again_and_nothing_is_written(place: Path) -> None:
    first = run(place)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in first.path.rglob("*")}
    said: list[str] = []
    again = run(place, resume=True, said=said)
    assert (again.exit_code, again.error) == (0, None)
    assert said[-1] == "None: the run had finished; it is judged again, and nothing is written"
    assert again.report.checks == first.report.checks
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in first.path.rglob("*")} == before


def test_a_finished_run_of_which_something_is_gone_makes_it_again(place: Path) -> None:
    first = run(place)
    shutil.rmtree(first.path / "stages/copy")
    again = run(place, resume=True)
    assert (again.exit_code, again.error) == (0, None)
    assert (again.path / "stages/copy/corpus.jsonl").is_file()
    assert len(document(again, "summary.json")["stages"]) == 3


@pytest.mark.parametrize("more", [(), ("--resume",)])
def test_of_two_starts_at_once_one_is_refused(place: Path, more: tuple[str, ...]) -> None:
    program = (
        "import sys; from pathlib import Path; from sealkit import pipeline; from sealkit.pack import Pack; "
        "from sealkit.finding import UsageError\n"
        "try: code = pipeline.run(Path('toy.yaml'), [], ['toolkit'], pack=Pack(stage_package='tests.pack'), "
        f"resume={bool(more)}).exit_code\n"
        "except UsageError as error: print(error); code = 2\n"
        "sys.exit(code)"
    )
    paths = [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    pair = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = "".join(process.communicate()[0] for process in pair)
    codes = sorted(process.returncode for process in pair)
    if not more or codes == [0, 2]:
        assert codes == [0, 2]
        assert "a run goes on there: " in said or "the run directory exists already" in said
    summary = json.loads((place / "outputs/toy/summary.json").read_text())
    assert (summary["status"], len(summary["stages"])) == ("ok", 3)
    assert summary["counters"] == {"documents.documents": 3, "last.started_before": 0}


def test_resuming_what_is_not_there_begins_it(place: Path) -> None:
    result = run(place, resume=True)
    assert (result.exit_code, result.error) == (0, None)
    assert "resumed" not in document(result, "summary.json")


def test_a_taken_run_directory_says_when_it_can_be_resumed(place: Path) -> None:
    root = cut_off(place)
    with pytest.raises(UsageError) as caught:
        run(place)
    assert str(caught.value) == (
        "outputs/toy: the run directory exists already\n  fix: a run lies there that was cut off: "
        "go on with it with --resume; or choose another run.name or --out"
    )
    assert json.loads((root / "summary.json").read_text())["status"] == "running"


@pytest.mark.parametrize(
    ("override", "difference"),
    [
        ("run.seed=7", "run.seed 42 → 7"),
        ("stages.documents.with.count=4", "stages.documents.with.count 3 → 4"),
        ("run.limit=5", 'run.limit null → 5\n  run.purpose "bench" → "smoke"'),
    ],
)
def test_a_change_of_what_was_used_already_is_refused(place: Path, override: str, difference: str) -> None:
    root = cut_off(place)
    before = digest.files(root, digest.walk(root))
    with pytest.raises(UsageError) as caught:
        run(place, "stages.last.with.how=kill", override, resume=True)
    assert str(caught.value) == (
        f"outputs/toy: cannot be resumed: this changed since it began:\n  {difference}\n"
        "  fix: choose another run.name; what did not change comes from the cache"
    )
    assert digest.files(root, digest.walk(root)) == before


def test_other_code_behind_a_finished_stage_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(place)
    monkeypatch.setattr(Pack, "code", lambda self, domain: "sha256:" + "0" * 64)
    with pytest.raises(UsageError, match="stage documents: the code of the stage's domain changed") as caught:
        run(place, "stages.last.with.how=kill", resume=True)
    assert caught.value.exit_code == 2


def test_a_change_of_what_is_still_to_run_is_taken_over_and_said(place: Path) -> None:
    root = cut_off(place)
    said: list[str] = []
    result = run(place, "stages.last.with.note=new", resume=True, said=said)
    assert (result.exit_code, result.error) == (0, None)
    assert 'None: changed since the run began: stages.last.with.how "kill" → "well"' in said
    config = document(result, "resolved_config.json")
    assert config["config"]["stages"]["last"]["with"] == {"how": "well", "note": "new"}
    old = json.loads((root / "quarantine/config/resolved_config.json").read_text())
    assert old["config"]["stages"]["last"]["with"]["how"] == "kill"


def test_a_torn_line_of_the_log_is_cut_off_kept_and_said(place: Path) -> None:
    root = cut_off(place)
    whole = (root / "logging.jsonl").read_bytes()
    with (root / "logging.jsonl").open("ab") as file:
        file.write(b'{"time": "2026-01-31T12:0')
    said: list[str] = []
    assert run(place, "stages.last.with.how=kill", resume=True, said=said).exit_code == 0
    assert "None: the last line of logging.jsonl was torn; it lies in outputs/toy/quarantine/logging.torn" in said
    assert (root / "quarantine/logging.torn").read_bytes() == b'{"time": "2026-01-31T12:0'
    assert (root / "logging.jsonl").read_bytes().startswith(whole)
    assert all(json.loads(line) for line in (root / "logging.jsonl").read_text().splitlines())


def test_what_a_killed_run_left_behind_hinders_neither_check_nor_seal(place: Path) -> None:
    root = cut_off(place)
    (root / ".summary.json.0badcafe.tmp").write_text('{"sche')
    assert observe.check(root, pack=PACK).exit_code() == 3
    assert seal.seal(root, pack=PACK).report.exit_code() == 3
    with pytest.raises(UsageError, match="is sealed, and nothing in it is changed any more"):
        run(place, "stages.last.with.how=kill", resume=True)


def test_a_run_that_goes_on_is_not_sealed(place: Path) -> None:
    root = cut_off(place)
    with write.Lock(root), pytest.raises(UsageError, match="a run goes on there: process"):
        seal.seal(root, pack=PACK)


def test_a_folder_that_is_no_run_is_not_touched(place: Path) -> None:
    (place / "outputs/toy/thesis").mkdir(parents=True)
    with pytest.raises(UsageError) as caught:
        run(place, resume=True)
    assert str(caught.value) == (
        "outputs/toy: holds no summary.json, so that nothing is known of what finished, but thesis\n"
        "  fix: put summary.json back, or choose another run.name"
    )
    assert (place / "outputs/toy/thesis").is_dir()


@pytest.mark.parametrize("name", ["summary", "run_metadata", "resolved_config"])
def test_a_broken_document_is_not_resumed_from(place: Path, name: str) -> None:
    root = cut_off(place)
    (root / f"{name}.json").write_text('{"schema": ')
    with pytest.raises(UsageError, match=rf"outputs/toy/{name}\.json: cannot be resumed from: "):
        run(place, "stages.last.with.how=kill", resume=True)


def test_a_record_that_is_too_short_is_not_resumed_from(place: Path) -> None:
    root = cut_off(place)
    summary = json.loads((root / "summary.json").read_text())
    del summary["stages"][0]["key_fields"]
    (root / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(UsageError, match="the record of the stage documents is too short to resume from"):
        run(place, "stages.last.with.how=kill", resume=True)


def test_another_model_under_the_same_name_is_refused(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied)
    given = ["model.base=tiny", "run.name=other", "run.limit=24", "stages.search.with.top_k=3"]
    config = Path(__file__).parent.parent / "configs" / "retriever_base.yaml"
    first = pipeline.run(config, given, ["toolkit"])
    assert (first.exit_code, first.error) == (0, None)
    shutil.rmtree(copied / "tiny")
    tiny_model(copied / "tiny", seed=2)
    with pytest.raises(UsageError) as caught:
        pipeline.run(config, given, ["toolkit"], resume=True)
    assert str(caught.value).splitlines()[1:3] == [
        "  stage index: input model (tiny) changed",
        "  stage search: input model (tiny) changed",
    ]


@pytest.mark.parametrize(
    "name", ["logging.jsonl", "sources", "stages", ".scratch", ".scratch/last/steps", "quarantine"]
)
def test_no_run_is_resumed_through_a_link(place: Path, name: str) -> None:
    root, outside = cut_off(place), place / "outside"
    outside.mkdir()
    (outside / "thesis").write_text("not yet\nfinished")
    link = root / name
    shutil.rmtree(link, ignore_errors=True)
    link.unlink(missing_ok=True)
    link.symlink_to(outside / "thesis" if name == "logging.jsonl" else outside)
    with pytest.raises(UsageError, match="symbolic link"):
        run(place, resume=True)
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("thesis", "not yet\nfinished")]
