"""What a user types and reads: word for word, with exit codes."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealkit import write
from tests.conftest import ROOT, Workspace


@pytest.fixture
def here(copied: Path) -> Iterator[Path]:
    with contextlib.chdir(copied):
        yield copied


def toolkit(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sealkit.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


HELP = """\
Usage: toolkit [OPTIONS] COMMAND [ARGS]...

  Run, check, seal and verify machine-learning run directories.

  toolkit run configs/retriever_ft.yaml     train and evaluate, under contracts
  toolkit check outputs/ft_mnr              hold the artifacts against each other
  toolkit seal outputs/ft_mnr               fix files, commits, models and verdict
  toolkit verify outputs/ft_mnr             find out whether all of it still holds
  toolkit diff outputs/base outputs/ft_mnr  tell why two runs differ, then by how much
  toolkit table outputs/retriever           the metrics of a matrix, a row a label
  toolkit lineage models/retriever/ft_mnr   what a model came from, and every run that loaded it
  toolkit impact data/corpus.jsonl          everything that stands on a file
  toolkit fingerprint show docs.faiss       what an index was built with
  toolkit explain model-best-exported       what a check looks for, and the way out
  toolkit spec show metrics                 what an artifact holds
  toolkit layout draft outputs/study        a layout to begin with, for what another tool wrote
  toolkit config show configs/…yaml         print every value and where it came from

  Exit codes: 0 passed, 1 failed, 2 usage, 3 inconclusive, 4 a stage or the toolkit broke.

Options:
  --version   Print the version.
  -h, --help  Show this message and exit.

Commands:
  run          Run a pipeline; stop at the first broken contract.
  check        Judge a run directory; writes nothing.
  seal         Judge a run and seal it, whatever the verdict.
  verify       Find out whether a seal still holds.
  diff         Tell why two runs differ, then by how much.
  table        The metrics of a matrix, a row a label.
  lineage      What a model, run or file came from, and what it led to.
  impact       Everything that stands on a file, a folder or a digest.
  fingerprint  What an index was built with, and whether a query side fits.
  explain      What the checks look for, and the way out.
  spec         The contracts: what each artifact is.
  layout       What other tools write: the layouts of their trees.
  config       Show a config as it is resolved.
  cache        Look at the stage cache of a workspace, and prune it.
"""


def test_help() -> None:
    done = toolkit("--help")
    assert done.stdout.replace("-c [OPTIONS]", "toolkit [OPTIONS]") == HELP


def test_version() -> None:
    assert re.fullmatch(r"sealkit \d+\.\d+\.\d+(\.dev\d+)?\n", toolkit("--version").stdout)


def test_help_loads_nothing_heavy() -> None:
    heavy = ("jsonschema", "jsonschema_rs", "pydantic", "numpy", "git", "rich", "yaml", "torch", "sealkit.seal")
    program = f"""
import sys
from sealkit.cli import toolkit
try:
    toolkit(["--help"])
except SystemExit:
    pass
found = [name for name in {heavy} if name in sys.modules]
sys.exit(f"loaded: {{found}}" if found else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", ["check", "seal", "verify"])
def test_judging_loads_neither_torch_nor_scipy(here: Path, verb: str) -> None:
    program = f"""
import sys
from sealkit.cli import main
sys.argv = ["toolkit", {verb!r}, "outputs/base"]
try:
    main()
except SystemExit:
    pass
found = [name for name in ("torch", "scipy", "faiss", "ir_measures", "sentence_transformers", "transformers") if name in sys.modules]
sys.exit(f"loaded: {{found}}" if found else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_unknown_verb() -> None:
    done = toolkit("verfy", "x")
    assert done.returncode == 2
    verbs = "run, check, seal, verify, diff, table, lineage, impact, fingerprint, explain, spec, layout, config, cache"
    assert f"No such verb `verfy`. Did you mean `verify`? Verbs: {verbs}." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("run", "configs/retriever_ft.yaml", "run.sed=1"),
            "toolkit: override run.sed=1: unknown key `sed`; did you mean `seed`?\n",
        ),
        (
            ("run", "configs/retriever_ft.yaml", "stages.train.with.epoch=1"),
            "toolkit: override stages.train.with.epoch=1: unknown key `epoch` in stages.train.with; did you mean `epochs`?\n",
        ),
        (
            ("run", "nowhere.yaml"),
            "toolkit: nowhere.yaml: cannot be read: No such file or directory\n  fix: check the path\n",
        ),
        (
            ("check", "nowhere"),
            "toolkit: nowhere: no such run directory\n  fix: give the folder that `toolkit run` printed last\n",
        ),
        (
            ("seal", "configs"),
            "toolkit: configs: no layout recognises it; looked for\n  native: run_metadata.json\n",
        ),
        (
            ("verify", "configs", "--digest", "3f8b"),
            "toolkit: --digest 3f8b: expected sha256: and 64 hex digits\n  fix: give what `toolkit seal` printed\n",
        ),
    ],
)
def test_what_cannot_be_done_as_written(arguments: tuple[str, ...], message: str) -> None:
    done = toolkit(*arguments, cwd=ROOT)
    assert done.stderr[: len(message)] == message
    assert done.stdout == ""
    assert done.returncode == 2


def test_a_run_directory_that_is_taken(here: Path) -> None:
    done = toolkit("run", str(ROOT / "configs/retriever_base.yaml"), "--out", "outputs", "model.base=tiny")
    assert done.returncode == 2
    assert done.stderr == (
        "toolkit: outputs/base: the run directory exists already\n"
        "  fix: choose another run.name or --out, or move the old run away; runs are never overwritten\n"
    )


def test_the_run_directory_is_the_last_line_and_all_of_stdout(here: Path) -> None:
    done = toolkit(
        "run",
        str(ROOT / "configs/retriever_base.yaml"),
        "--out",
        "outputs",
        "model.base=tiny",
        "run.limit=4",
        "run.name=again",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "outputs/again\n"
    assert done.stderr.endswith("verdict: PASS\n")
    metadata = json.loads((here / "outputs/again/run_metadata.json").read_text())
    assert metadata["command"][:2] == ["toolkit", "run"]
    assert metadata["purpose"] == "smoke"


def test_check_says_what_is_wrong_where_and_what_to_do(here: Path) -> None:
    metrics = json.loads((here / "outputs/base/metrics.json").read_text())
    metrics["retrieval/test/R@10"] = 0.25
    (here / "outputs/base/metrics.json").write_text(write.dumps(metrics))
    summary = json.loads((here / "outputs/base/summary.json").read_text())
    right = summary["metrics"]["retrieval/test/R@10"]
    number = list(metrics).index("retrieval/test/R@10") + 2
    done = toolkit("check", "outputs/base")
    assert done.returncode == 1
    assert (
        f"metrics.json:{number}: metrics-recomputed: retrieval/test/R@10 is 0.25; stages/search/rankings.jsonl and "
        f"stages/data/test_qrels.jsonl give {right!r}\n"
        f'  metrics.json:{number} | "retrieval/test/R@10": 0.25,\n'
    ) in done.stdout
    assert f'  fix: "retrieval/test/R@10": {right!r}\n' in done.stdout
    assert done.stdout.endswith("verdict: FAIL\n")


def test_nan_in_metrics(here: Path) -> None:
    text = (here / "outputs/base/metrics.json").read_text()
    broken = re.sub(r'("retrieval/test/R@10": )[0-9.]+', r"\1NaN", text)
    (here / "outputs/base/metrics.json").write_text(broken)
    number = next(i for i, line in enumerate(broken.splitlines(), 1) if "NaN" in line)
    done = toolkit("check", "outputs/base")
    assert done.returncode == 1
    assert done.stdout.startswith(
        f"metrics.json:{number}: metrics/v1: holds NaN at /retrieval~1test~1R@10, which JSON does not have\n"
        f'  metrics.json:{number} | "retrieval/test/R@10": NaN,\n'
        "  fix: write the file again with a strict writer, json.dump(..., allow_nan=False)\n"
    )


def test_an_index_built_with_another_model_of_the_same_dimension(here: Path, finished: Workspace) -> None:
    from tests.tiny import tiny_model

    tiny_model(here / "other", seed=2)
    done = toolkit(
        "run",
        str(ROOT / "configs/retriever_base.yaml"),
        "--out",
        "outputs",
        "model.base=tiny",
        "stages.index.in.model=./other",
        "run.limit=4",
        "run.name=mixed",
    )
    assert done.returncode == 1
    assert done.stdout == "outputs/mixed\n"
    assert "toolkit: stopped: the check index-fits-query failed\n" in done.stderr
    assert re.search(
        r"resolved_config.json:\d+: index-fits-query: model: the stage index builds the index with './other', "
        r"search searches it with 'tiny', of other weights\n",
        done.stderr,
    )
    summary = json.loads((here / "outputs/mixed/summary.json").read_text())
    assert summary["failure"]["type"] == "CheckFailed"
    assert summary["stages"] == []


def test_an_index_one_vector_short(here: Path) -> None:
    faiss = pytest.importorskip("faiss")
    path = here / "outputs/base/stages/index/index/index.faiss"
    index = faiss.read_index(str(path))
    shorter = faiss.IndexFlatIP(index.d)
    shorter.add(index.reconstruct_n(0, index.ntotal - 1))
    faiss.write_index(shorter, str(path))
    done = toolkit("check", "outputs/base")
    assert done.returncode == 1
    assert "index-counts: stages/index/index/index.faiss holds 23 vectors, the manifest says 24\n" in done.stdout


def test_seal_prints_its_digest_alone_on_stdout_and_verify_takes_it(here: Path) -> None:
    done = toolkit("seal", "outputs/ft_mnr", "--reference", "outputs/base")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", done.stdout)
    assert done.stderr.endswith("verdict: PASS\nsealed: outputs/ft_mnr/seal/SEAL.md\n")
    verified = toolkit("verify", "outputs/ft_mnr", "--digest", done.stdout.strip())
    assert verified.returncode == 0
    assert verified.stdout.startswith(f"the seal holds: {done.stdout}outside the run, since it was sealed:\n")
    assert verified.stdout.endswith("verdict: PASS\n")
    again = toolkit("seal", "outputs/ft_mnr", "--reference", "outputs/base")
    assert (again.returncode, again.stdout) == (0, done.stdout)
    other = toolkit("seal", "outputs/ft_mnr")
    assert other.returncode == 2
    assert other.stderr == (
        "toolkit: outputs/ft_mnr/seal: another seal is there already, and a seal is never overwritten\n"
        "  fix: toolkit verify tells what has changed; to seal again, move the old seal away\n"
    )


def test_verify_names_what_changed(here: Path) -> None:
    toolkit("seal", "outputs/base")
    with (here / "outputs/base/metrics.json").open("a") as file:
        file.write("\n")
    done = toolkit("verify", "outputs/base")
    assert done.returncode == 1
    assert done.stdout == (
        "metrics.json: changed: its bytes are not those that were sealed\nthe seal no longer holds: 1 problem\n"
    )


def test_verify_without_a_seal(here: Path) -> None:
    done = toolkit("verify", "outputs/base")
    assert (done.returncode, done.stdout) == (
        3,
        "no seal: seal/seal.json is not here\n  fix: toolkit seal RUN_DIR\n",
    )


def test_json_keeps_its_contracts(here: Path) -> None:
    from sealkit.pack import BUILT_IN

    for arguments, contract in (
        (("check", "outputs/base"), "report/v1"),
        (("seal", "outputs/base"), "report/v1"),
        (("verify", "outputs/base"), "verification/v1"),
    ):
        done = toolkit(*arguments, "--format", "json")
        document = json.loads(done.stdout)
        assert BUILT_IN.contracts[contract].violations(document) == []
        assert document["exit_code"] == done.returncode == 0
        assert document["verdict"] == "PASS"


def test_markdown_for_a_job_summary(here: Path) -> None:
    checked = toolkit("check", "outputs/base", "--format", "markdown")
    assert (checked.returncode, checked.stdout.split("\n")[0]) == (0, "# base: PASS")
    sealed = toolkit("seal", "outputs/base", "--format", "markdown")
    assert sealed.stdout.startswith(checked.stdout.split("\n\n")[0])
    assert re.search(r"\n\nSealed: `sha256:[0-9a-f]{64}`\n$", sealed.stdout)
    verified = toolkit("verify", "outputs/base", "--format", "markdown")
    assert verified.stdout.startswith("# The seal holds: PASS\n\n`sha256:")
    (here / "outputs/base/x`<b>").touch()
    broken = toolkit("verify", "outputs/base", "--format", "markdown")
    assert broken.returncode == 1
    assert broken.stdout == ("# The seal no longer holds\n\n- `xˋ<b>`: unexpected: it is here and was not sealed\n")
    shutil.rmtree(here / "outputs/base/seal")
    none = toolkit("verify", "outputs/base", "--format", "markdown")
    assert (none.returncode, none.stdout.split("\n")[0]) == (3, "# No seal")


def test_warnings_count_with_strict(here: Path) -> None:
    shutil.rmtree(here / ".git")
    assert toolkit("check", "outputs/base").returncode == 0
    assert toolkit("check", "outputs/base", "--strict").returncode == 1


def test_the_same_seed_gives_the_same_model(finished: Workspace, tmp_path: Path) -> None:
    again = Workspace(tmp_path / "again")
    assert again.run("retriever_ft").exit_code == 0
    manifests = [
        json.loads((place / "outputs/ft_mnr/stages/export/model/model_manifest.json").read_text())
        for place in (finished.folder, again.folder)
    ]
    assert manifests[0]["weights"] == manifests[1]["weights"]
    assert manifests[0]["tree"] == manifests[1]["tree"]


# Going on, and not doing things twice


def ft(finished: Workspace, *more: str) -> subprocess.CompletedProcess[str]:
    """The command that made the run `ft_mnr` of the workspace, with more to it."""
    given = [
        f"model.base={finished.model}",
        "run.limit=24",
        "stages.train.with.epochs=1",
        "stages.train.with.batch_size=8",
    ]
    return toolkit("run", str(ROOT / "configs" / "retriever_ft.yaml"), *given, *more)


def run_id(name: str) -> str:
    return str(json.loads(Path(f"outputs/{name}/run_metadata.json").read_text())["run_id"])


def test_a_dry_run_says_what_would_run_and_why(here: Path, finished: Workspace) -> None:
    before = sorted(here.rglob("*"))
    done = ft(finished, "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        f"data      cached  as the run {run_id('base')} wrote it",
        f"train     cached  as the run {run_id('ft_mnr')} wrote it",
        "export    run     it is never taken from the cache",
        f"index     cached  as the run {run_id('ft_mnr')} wrote it",
    ]
    done = ft(finished, "--dry-run", "stages.train.with.learning_rate=1e-4", "stages.search.with.top_k=5")
    assert (
        done.stdout
        == f"""\
data      cached  as the run {run_id("base")} wrote it
train     run     params.learning_rate 5e-05 → 0.0001
export    run     takes what is made anew by train
index     run     takes what is made anew by export
search    run     takes what is made anew by index, export
                  params.top_k 100 → 5
evaluate  run     takes what is made anew by search
"""
    )
    assert sorted(here.rglob("*")) == before


def test_a_dry_run_without_a_cache(here: Path, finished: Workspace) -> None:
    done = ft(finished, "--dry-run", "--no-cache", "--out", "elsewhere")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "data      run     the cache is not asked")


def test_resuming_a_finished_run(here: Path, finished: Workspace) -> None:
    done = ft(finished, "--resume", "run.output_dir=" + str(finished.folder / "outputs"), "--out", "outputs")
    assert (done.returncode, done.stdout) == (0, "outputs/ft_mnr\n"), done.stderr
    said = "the run had finished; it is judged again, and nothing is written\n"
    assert done.stderr.startswith("".join(f"{name}: kept, finished before, and unchanged\n" for name in STAGES) + said)
    assert done.stderr.endswith("verdict: PASS\n")


STAGES = ["data", "train", "export", "index", "search", "evaluate"]


def test_resuming_with_another_config_is_2(here: Path, finished: Workspace) -> None:
    done = ft(finished, "--resume", "stages.train.with.learning_rate=1e-4")
    assert done.returncode == 2
    assert done.stderr == (
        "toolkit: outputs/ft_mnr: cannot be resumed: this changed since it began:\n"
        "  stages.train.with.learning_rate 5e-05 → 0.0001\n"
        "  fix: choose another run.name; what did not change comes from the cache\n"
    )


def test_a_second_start_is_2(here: Path, finished: Workspace) -> None:
    with write.Lock(here / "outputs" / "ft_mnr"):
        for more in ((), ("--resume",), ("--lock-timeout", "0.2")):
            done = ft(finished, *more)
            assert done.returncode == 2
            first, fix = done.stderr.splitlines()
            assert re.fullmatch(r"toolkit: outputs/ft_mnr: a run goes on there: process \d+ on .+, since \S+Z", first)
            assert fix == "  fix: wait for it (--lock-timeout SECONDS), or choose another run.name"


def test_the_cache_is_listed_and_pruned(here: Path) -> None:
    done = toolkit("cache", "list")
    assert done.returncode == 0
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +[\d.]+ [KMG]?B  retrieval\.\w+  (base|ft_mnr)-\S+"
    assert all(re.fullmatch(pattern, line) for line in done.stdout.splitlines())
    count = len(done.stdout.splitlines())
    assert toolkit("cache", "prune", "--older-than", "30d").stderr == f"dropped 0 entries, kept {count}\n"
    done = toolkit("cache", "prune", "--max-size", "0 KB")
    assert (done.returncode, done.stderr) == (0, f"dropped {count} entries, kept 0\n")


def test_prune_wants_to_know_what(here: Path) -> None:
    done = toolkit("cache", "prune")
    assert done.returncode == 2
    assert "say what to drop: --older-than 30d, --max-size 10GB, or both" in done.stderr
    done = toolkit("cache", "prune", "--older-than", "soon")
    assert done.returncode == 2
    assert "'soon': expected a number with m, h, d, as 30d" in done.stderr
