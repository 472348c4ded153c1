"""What one run computed another takes, when all that decides it is the same and its content still is what was written."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sealkit import digest, key, pipeline, seal, verify, world, write
from sealkit.cache import Cache
from sealkit.engine import Event
from sealkit.finding import Verdict
from sealkit.forecast import forecast
from sealkit.pack import BUILT_IN, Pack
from sealkit.pipeline import Result
from tests.conftest import ROOT, Workspace
from tests.test_pipeline import CONFIG, PACK, document


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(CONFIG)
    return tmp_path


def run(place: Path, name: str, *overrides: str, said: list[str] | None = None, **how: Any) -> Result:
    def on_event(event: Event) -> None:
        if said is not None and event.kind in ("note", "stage-cached"):
            said.append(f"{event.stage}: {event.message}")

    given = [f"run.name={name}", *overrides]
    result = pipeline.run(place / "toy.yaml", given, ["toolkit", "run"], on_event, PACK, **how)
    assert (result.exit_code, result.error) == (0, None)
    return result


def cached(result: Result) -> list[str]:
    return [stage["name"] for stage in document(result, "summary.json")["stages"] if "cached" in stage]


def files_of(entry: str, place: Path) -> list[Path]:
    return sorted((place / ".sealkit" / "cache" / entry).glob("*/files/*"))


def test_the_second_run_takes_what_the_first_wrote(place: Path) -> None:
    said: list[str] = []
    first = run(place, "first")
    second = run(place, "second", said=said)
    run_id = document(first, "run_metadata.json")["run_id"]
    assert said == [f"{name}: as the run {run_id} wrote it" for name in ("documents", "copy")]
    assert digest.tree(first.path / "stages") == digest.tree(second.path / "stages")
    summaries = [document(result, "summary.json") for result in (first, second)]
    for before, after in zip(*(summary["stages"] for summary in summaries), strict=True):
        taken = after.pop("cached")
        assert (taken["run_id"], taken["seconds"]) == (run_id, before["seconds"])
        for own in ("seconds", "peak_rss_mb"):
            del before[own], after[own]
        assert before == after
    assert summaries[0]["counters"] == summaries[1]["counters"] == {"documents.documents": 3}
    assert BUILT_IN.contracts["summary/v1"].violations(document(second, "summary.json")) == []
    metrics = document(second, "metrics.json")
    times = {f"time/{stage['name']}": stage["seconds"] for stage in document(second, "summary.json")["stages"]}
    assert {name: metrics[name] for name in times} == times


def test_a_hit_of_a_hit_names_the_run_that_computed_it(place: Path) -> None:
    first = run(place, "first")
    run(place, "second")
    third = document(run(place, "third"), "summary.json")
    assert {stage["cached"]["run_id"] for stage in third["stages"]} == {document(first, "summary.json")["run_id"]}


@pytest.mark.parametrize(
    ("overrides", "hits"),
    [
        ((), ["documents", "copy"]),
        (("run.seed=7",), []),
        (("run.limit=7",), []),
        (("run.device=cpu",), []),
        (("stages.documents.with.count=4",), []),
        (("stages.documents.with.how=metric",), ["copy"]),  # other params, and the same bytes
    ],
)
def test_whatever_decides_the_output_is_in_the_key(place: Path, overrides: tuple[str, ...], hits: list[str]) -> None:
    run(place, "first")
    assert cached(run(place, "second", *overrides)) == hits


@pytest.mark.parametrize("what", ["code", "versions", "own"])
def test_other_code_is_another_key(place: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    run(place, "first")
    if what == "code":
        monkeypatch.setattr(Pack, "code", lambda self, domain: "sha256:" + "0" * 64)
    elif what == "versions":
        monkeypatch.setattr(world, "versions", lambda names: {"torch": "99"})
    else:
        monkeypatch.setattr(key, "_own_code", lambda: "sha256:" + "0" * 64)
    assert cached(run(place, "second")) == []


def test_the_content_of_files_outside_the_run_is_in_the_key(place: Path) -> None:
    (place / "rows.jsonl").write_text('{"doc_id": "a", "text": "b"}\n')
    (place / "toy.yaml").write_text(
        "schema: pipeline/v1\nrun: {name: toy}\nstages:\n  file: {uses: toy.file, with: {path: rows.jsonl}}\n"
    )
    run(place, "first")
    assert cached(run(place, "second")) == ["file"]
    (place / "rows.jsonl").write_text('{"doc_id": "a", "text": "c"}\n')
    assert cached(run(place, "third")) == []
    fields = document(run(place, "fourth"), "summary.json")["stages"][0]["key_fields"]
    assert fields["files.1"] == digest.file(place / "rows.jsonl")


def test_without_a_cache_nothing_is_read_and_nothing_written(place: Path) -> None:
    run(place, "first", cache=False)
    assert not (place / ".sealkit").exists()
    run(place, "second")
    before = sorted((place / ".sealkit").rglob("*"))
    assert cached(run(place, "third", "run.seed=7", cache=False)) == []
    assert cached(run(place, "fourth", cache=False)) == []
    assert sorted((place / ".sealkit").rglob("*")) == before


@pytest.mark.parametrize("how", ["flipped", "longer", "gone", "more", "metrics", "torn", "link"])
def test_a_broken_entry_is_dropped_and_said_and_the_stage_runs(place: Path, how: str) -> None:
    run(place, "first")
    file = files_of("toy.documents", place)[0]
    record = file.parent.parent / "record.json"
    if how == "flipped":
        file.write_bytes(file.read_bytes().replace(b"text 0", b"text 9"))
    elif how == "longer":
        file.write_bytes(file.read_bytes() + b"\n")
    elif how == "gone":
        file.unlink()
    elif how == "link":
        file.rename(place / "elsewhere")
        file.symlink_to(place / "elsewhere")
    elif how == "metrics":
        content = json.loads(record.read_text())
        content["record"]["metrics"] = {"train/loss": 0.0}
        record.write_text(json.dumps(content))
    elif how == "torn":
        record.write_bytes(record.read_bytes()[:100])
    elif how == "more":
        content = json.loads(record.read_text())
        content["record"]["files"]["../../evil"] = "sha256:" + "0" * 64
        content["digest"] = digest.of_value(content["record"])
        record.write_text(json.dumps(content))
    said: list[str] = []
    second = run(place, "second", said=said)
    assert cached(second) == ["copy"]
    assert said[0].startswith("documents: dropped a broken entry of the cache: ")
    assert (
        (second.path / "stages/documents/corpus.jsonl").read_text().startswith('{"doc_id": "d0", "text": "text 0"}\n')
    )
    assert not (second.path / "quarantine").exists()
    assert cached(run(place, "third")) == ["documents", "copy"]  # kept anew


def test_nothing_that_a_run_does_with_its_files_reaches_the_cache(place: Path) -> None:
    first = run(place, "first")
    (first.path / "stages/documents/corpus.jsonl").write_text("changed")
    assert cached(run(place, "second")) == ["documents", "copy"]


def test_large_files_are_shared_and_cannot_be_written(tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.write_bytes(b"x" * write.LINKED)
    write.share(source, tmp_path / "twin")
    assert (tmp_path / "twin").read_bytes() == source.read_bytes()
    if source.stat().st_ino == (tmp_path / "twin").stat().st_ino:
        assert source.stat().st_mode & 0o222 == 0
    (tmp_path / "small").write_bytes(b"x")
    write.share(tmp_path / "small", tmp_path / "other")
    assert (tmp_path / "small").stat().st_ino != (tmp_path / "other").stat().st_ino


def test_a_cache_that_cannot_be_written_stops_no_run(place: Path) -> None:
    (place / ".sealkit").write_text("in the way")
    said: list[str] = []
    run(place, "first", said=said)
    assert [line.partition(": not kept in the cache: ")[0] for line in said] == ["documents", "copy"]


def test_a_full_disk_is_no_broken_entry(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(place, "first")

    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, "share", full)
    result = pipeline.run(place / "toy.yaml", ["run.name=second"], ["toolkit"], pack=PACK)
    assert result.exit_code == 4
    assert "No space left on device" in str(result.error)
    assert len(list(Cache(place).entries())) == 2


def test_a_stage_whose_output_broke_is_not_kept(place: Path) -> None:
    result = pipeline.run(place / "toy.yaml", ["stages.documents.with.how=torn"], ["toolkit"], pack=PACK)
    assert result.exit_code == 1
    assert list(Cache(place).entries()) == []


def test_where_no_lock_can_be_made_nobody_waits(place: Path) -> None:
    """A lock saves work, and a run never fails for want of one."""
    first = run(place, "first")
    (entry,) = (place / ".sealkit" / "cache" / "toy.documents").iterdir()
    shutil.rmtree(entry)
    entry.with_name(f".{entry.name}.lock").mkdir()
    second = run(place, "second")
    assert cached(first) == [] and cached(second) == ["copy"]


def test_a_run_waits_for_the_one_that_works_on_the_same(place: Path) -> None:
    key = document(run(place, "first"), "summary.json")["stages"][0]["key"]
    store, said = Cache(place), list[str]()
    with ThreadPoolExecutor() as pool:
        with store.alone("toy.documents", key, said.append):
            waiting = pool.submit(run, place, "second", said=said)
            time.sleep(0.5)
            assert not waiting.done()
        assert cached(waiting.result()) == ["documents", "copy"]
    (waited, *_) = said
    assert waited.startswith("documents: waits for another run that works on the same: process ")


def test_git_leaves_the_cache_alone(place: Path) -> None:
    run(place, "first")
    assert (place / ".sealkit/.gitignore").read_text() == "*\n"


def test_prune_drops_the_longest_unused_first(place: Path) -> None:
    for count in (1, 2, 3):
        run(place, f"run{count}", f"stages.documents.with.count={count}")
    store = Cache(place)
    assert len(list(store.entries())) == 6
    documents = {len(path.read_text().splitlines()): path.parent.parent for path in files_of("toy.documents", place)}
    for path in store.root.glob("*/*"):
        os.utime(path / "record.json", (time.time() - 10 * 86400,) * 2)
    os.utime(documents[2] / "record.json", (time.time() - 40 * 86400,) * 2)
    assert [entry.path for entry in store.prune(older_than=30 * 86400)] == [documents[2]]
    run(place, "run4", "stages.documents.with.count=3")
    kept = {entry.path for entry in store.entries() if time.time() - entry.used < 86400}
    size = sum(entry.size for entry in store.entries() if entry.path in kept)
    store.prune(max_size=size)
    assert {entry.path for entry in store.entries()} == kept
    assert len(kept) == 2
    store.prune(max_size=0)
    assert list(store.entries()) == []


def test_prune_clears_what_was_half_written_and_what_is_broken(place: Path) -> None:
    run(place, "first")
    store = Cache(place)
    broken, half, fresh = (store.root / "toy.copy" / name for name in ("0" * 64, ".0badcafe.tmp", ".1badcafe.tmp"))
    for folder in (broken, half, fresh):
        folder.mkdir()
    os.utime(half, (time.time() - 2 * 86400,) * 2)
    assert store.prune(older_than=86400) == []
    assert (broken.exists(), half.exists(), fresh.exists()) == (False, False, True)
    assert len(list(store.entries())) == 2


def test_a_run_out_of_the_cache_is_sealed_and_says_where_it_was_trained(
    copied: Path, finished: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copied)
    given = [f"model.base={finished.model}", "run.limit=24", "run.name=again"]
    given += ["stages.train.with.epochs=1", "stages.train.with.batch_size=8"]
    result = pipeline.run(ROOT / "configs" / "retriever_ft.yaml", given, ["toolkit"])
    assert (result.exit_code, result.error) == (0, None)
    assert cached(result) == ["data", "train", "index", "search", "evaluate"]
    trained = json.loads((copied / "outputs/ft_mnr/run_metadata.json").read_text())["run_id"]
    sealed = seal.seal(result.path, result.path.parent / "base")
    assert (sealed.report.verdict, verify.verify(result.path).exit_code) == (Verdict.PASS, 0)
    statement = json.loads((result.path / "seal/seal.json").read_text())["predicate"]
    line = next(line for line in statement["lineage"] if line["role"] == "post-FT")
    assert (line["name"], line["run_id"]) == ("models/retriever/again", trained)
    assert statement["run"]["run_id"] != trained


# What would run, and why


def told(place: Path, *overrides: str, **how: Any) -> list[str]:
    return [
        f"{one.stage} {one.does}: {'; '.join(one.why)}"
        for one in forecast(place / "toy.yaml", list(overrides), PACK, **how)
    ]


def test_the_forecast_names_what_differs_from_the_nearest(place: Path) -> None:
    assert told(place) == [
        "documents run: the cache holds nothing of toy.documents",
        "copy run: takes what is made anew by documents; the cache holds nothing of toy.copy",
    ]
    assert sorted(place.iterdir()) == [place / "toy.yaml"]
    run_id = document(run(place, "first"), "summary.json")["run_id"]
    assert told(place) == [f"{name} cached: as the run {run_id} wrote it" for name in ("documents", "copy")]
    assert told(place, "stages.documents.with.count=4", "run.seed=7") == [
        "documents run: seed 42 → 7; params.count 3 → 4",
        "copy run: takes what is made anew by documents; seed 42 → 7",
    ]
    run(place, "second", "stages.documents.with.count=5", "run.seed=7")
    assert told(place, "stages.documents.with.count=4", "run.seed=7")[0] == "documents run: params.count 5 → 4"
    assert told(place, cache=False) == [f"{name} run: the cache is not asked" for name in ("documents", "copy")]


def test_the_forecast_of_a_resumed_run(place: Path) -> None:
    first = run(place, "first", cache=False)
    summary = document(first, "summary.json")
    summary["stages"].pop()
    (first.path / "summary.json").write_text(json.dumps(summary))
    assert told(place, "run.name=first", resume=True) == [
        "documents kept: finished before, if its files are unchanged",
        "copy run: the cache holds nothing of toy.copy",
    ]


def test_the_forecast_is_what_happens(place: Path) -> None:
    run(place, "first")
    for number, overrides in enumerate([(), ("stages.documents.with.count=4",), ("run.seed=7",)]):
        expected = [one.stage for one in forecast(place / "toy.yaml", list(overrides), PACK) if one.does == "cached"]
        assert cached(run(place, f"run{number}", *overrides)) == expected


def test_differences_in_words() -> None:
    model = ["train.model", "model_manifest/v1", "sha256:a", "sha256:b"]
    old = {
        "code": "a",
        "engine": "a",
        "libraries.torch": "2.1",
        "params.gone": 1,
        "inputs.model": model,
        "files.1": "a",
    }
    new = {
        "code": "b",
        "engine": "b",
        "libraries.torch": "2.2",
        "params.new": [1],
        "inputs.model": [*model[:2], "c", "d"],
    }
    assert list(key.differences(old, {**new, "files.1": "b"})) == [
        "the code of the stage's domain changed",
        "sealkit's own code changed",
        'libraries.torch "2.1" → "2.2"',
        "params.new (none) → [1]",
        "input model (train.model) changed",
        "the content of file 1 that it reads changed",
        "params.gone 1 → (none)",
    ]
    renamed = {**old, "inputs.model": ["other.model", *model[1:]]}
    assert list(key.differences(old, renamed)) == ["input model train.model → other.model"]


def test_prune_leaves_alone_what_the_cache_did_not_put_there(tmp_path: Path) -> None:
    outside = tmp_path / "home" / ("a" * 64)
    outside.mkdir(parents=True)
    uses = tmp_path / ".sealkit" / "cache" / "toy.count"
    (uses / "notes").mkdir(parents=True)
    (uses / ".0123456789abcdef.tmp").symlink_to(tmp_path / "nowhere")
    (uses.parent / "linked").symlink_to(tmp_path / "home")
    Cache(tmp_path).prune(older_than=0)
    assert outside.is_dir() and (uses / "notes").is_dir()
