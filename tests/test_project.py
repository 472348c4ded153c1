"""A project's settings, and a project's own pack from the run to the verified seal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from sealkit import observe, pipeline, project, seal
from sealkit.cli import options, toolkit
from sealkit.finding import Severity, UsageError
from sealkit.verify import verify

STAGE = '''"""Counts."""
from sealkit import Params, Stage


class Count(Params):
    to: int = 3


def run(inputs, params, out, ctx):
    out.document("tally", {"schema": "tally/v1", "count": params.to})
    ctx.metrics["tally/count"] = float(params.to)


STAGE = Stage(title="Count", params=Count, inputs={}, outputs={"tally": "tally/v1"}, run=run)
'''
CHECK = '''"""Nobody counts too far."""
from sealkit import Check, Finding


def find(run):
    tally = run.one("tally")
    if tally.document["count"] > 5:
        yield Finding("counts too far", tally.at("count"))


CHECK = Check(since="0.1.0", title="Counts stay small", why="toy#1", fix="count less", reads={"tally": 1}, find=find)
'''
SCHEMA = """{"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A tally", "type": "object",
"additionalProperties": false, "required": ["schema", "count"],
"properties": {"schema": {"const": "tally/v1"}, "count": {"type": "integer"}}, "patternProperties": {"^x-": {}}}"""
KEYS = """\
schema: metric_keys/v1
keys:
  - {key: tally/count, unit: count, range: [0, null], direction: higher, derivable: false, definition: {of: the count}}
"""
PIPELINE = "schema: pipeline/v1\nrun: {name: toy}\nstages: {count: {uses: counting.count}}\n"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with a pack, as current directory; what it imports is forgotten afterwards."""
    files = {
        "tally_pack/__init__.py": "",
        "tally_pack/stages/counting/count.py": STAGE,
        "tally_pack/checks/counts_small.py": CHECK,
        "tally_pack/spec/tally/v1.schema.json": SCHEMA,
        "tally_pack/spec/layouts/native.yaml": 'artifacts: [{path: "stages/*/*tally.json", contract: tally/v1}]\n',
        "keys.yaml": KEYS,
        "toy.yaml": PIPELINE,
        "pyproject.toml": '[tool.other]\npacks = 1\n\n[tool.sealkit]\npacks = ["tally_pack"]\nmetric_keys = "keys.yaml"\n',
    }
    write(tmp_path, files)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.split(".")[0] == "tally_pack":
            del sys.modules[name]


def test_a_pack_of_ones_own_from_the_run_to_the_verified_seal(place: Path) -> None:
    pack = project.load(place).pack
    result = pipeline.run(Path("toy.yaml"), [], ["toolkit"], pack=pack)
    assert (result.exit_code, result.error) == (0, None)
    report = observe.check(result.path, pack=pack)
    assert {outcome.id: outcome.status for outcome in report.checks}["counts-small"] == "passed"
    assert {outcome.id: outcome.status for outcome in report.artifacts}["stages/count/tally.json"] == "passed"
    sealed = seal.seal(result.path, None, pack=pack)
    found = verify(result.path, sealed.digest, pack)
    assert (found.problems, found.unknown) == ((), ())
    stranger = verify(result.path, sealed.digest)
    assert stranger.exit_code == 3
    assert stranger.unknown == (
        "the pack tally_pack 0, which is not here",
        "the pack keys.yaml file, which is not here",
        "counts-small",
    )


def test_the_check_of_a_pack_fails_a_run(place: Path) -> None:
    pack = project.load(place).pack
    result = pipeline.run(Path("toy.yaml"), ["stages.count.with.to=9"], ["toolkit"], pack=pack)
    assert (result.exit_code, result.error) == (1, "stopped: the check counts-small failed")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("checks/run_finished.py", CHECK, "tally_pack.checks: the check run-finished is there already"),
        ("stages/retrieval/index.py", STAGE, "tally_pack.stages: the stage retrieval.index is there already"),
        ("spec/metrics/v1.schema.json", SCHEMA, "tally_pack.spec: the contract metrics/v1 is there already"),
        ("spec/metrics/keys.yaml", KEYS, "the metric key tally/count is there already"),
        ("spec/legacy_keys.yaml", "schema: legacy_keys/v1\nkeys: {seed: run.limit}\n", "legacy_keys.yaml:2: `seed` is in the table"),
    ],
)  # fmt: skip
def test_a_pack_adds_and_never_replaces(name: str, text: str, said: str, place: Path) -> None:
    write(place, {f"tally_pack/{name}": text})
    with pytest.raises(UsageError) as raised:
        _ = project.load(place).pack
    assert said in str(raised.value)


def test_the_command_takes_the_settings(place: Path) -> None:
    write(place, {"deep/er/x.txt": ""})
    result = CliRunner().invoke(toolkit, ["config", "show", "toy.yaml"], standalone_mode=False)
    assert result.exception is None
    assert "stages.count.with.to=3" in result.output


def test_settings_of_a_project(tmp_path: Path) -> None:
    write(tmp_path, {"w.yaml": "", "l.yaml": "schema: legacy_keys/v1\nkeys: {encoder: model.base}\n", "a/b/x": ""})
    text = '[tool.sealkit]\nwaivers = "w.yaml"\nruns = "out"\nmodels = "m"\nlegacy_keys = "l.yaml"\n[tool.sealkit.severities]\n"run-finished" = "warning"\n'
    write(tmp_path, {"pyproject.toml": text})
    settings = project.load(tmp_path / "a" / "b")
    assert settings == project.Settings(
        tmp_path,
        tmp_path / "pyproject.toml",
        severities={"run-finished": Severity.WARNING},
        waivers=tmp_path / "w.yaml",
        runs=tmp_path / "out",
        models=tmp_path / "m",
        legacy_keys=tmp_path / "l.yaml",
    )
    assert settings.pack.legacy_keys["encoder"] == "model.base"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.x]\na = 1\n[tool.sealkit]\npaks = []\n", ":4: unknown key `paks`; did you mean `packs`?"),
        ("[tool.sealkit]\n\nwaivers = 3\n", ":3: waivers: input should be a valid string"),
        ("[tool.sealkit]\nwaivers = 'gone.yaml'\n", ":2: waivers: there is no file gone.yaml"),
        ("[tool.sealkit]\nruns = 'x'\n[tool.sealkit.severities]\nrun-finishd = 'error'\n", ":4: severities: unknown check `run-finishd`; did you mean `run-finished`?"),
        ("[tool.sealkit]\nseverities = {run-finished = 'loud'}\n", ":2: severities.run-finished: input should be 'error' or 'warning'"),
        ("[tool.sealkit\n", ":1: is not TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_settings_is_said_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": text})
    with pytest.raises(UsageError) as raised:
        project.load(tmp_path)
    assert str(raised.value).startswith(f"{tmp_path}/pyproject.toml{said}")


def test_a_pack_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, {"sealkit.toml": 'packs = ["no_such_pack_here"]\n'})
    with pytest.raises(UsageError, match="the pack no_such_pack_here cannot be imported"):
        _ = project.load(tmp_path).pack


def test_no_settings_are_read_from_within_a_run_directory(tmp_path: Path) -> None:
    write(tmp_path, {"run/run_metadata.json": "{}", "run/sealkit.toml": 'packs = ["evil"]\n', "run/in/sealkit.toml": 'packs = ["evil"]\n'})  # fmt: skip
    assert project.load(tmp_path / "run" / "in").packs == ()
    write(tmp_path, {"sealkit.toml": 'runs = "there"\n'})
    assert project.load(tmp_path / "run").runs == tmp_path / "there"


def test_the_place_of_runs_holds_where_no_config_names_one(place: Path) -> None:
    pack = project.load(place).pack
    runs = place / "elsewhere"
    assert pipeline.run(Path("toy.yaml"), [], ["toolkit"], pack=pack, runs=runs).path == runs / "toy"
    result = pipeline.run(Path("toy.yaml"), ["run.output_dir=here"], ["toolkit"], pack=pack, runs=runs)
    assert result.path == Path("here/toy")


def test_config_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN", "x")
    base = "schema: pipeline/v1\nrun: {name: one}\nmodel: {max_seq_length: 64}\nstages:\n  data: {uses: retrieval.stdlib_code}\n"
    child = 'schema: pipeline/v1\nextends: base.yaml\nretriever: {model_name: "https://u:pw-1@h.org/m"}\nrun: {device: "${ENV:TOKEN}"}\n'
    write(tmp_path, {"base.yaml": base, "c.yaml": child})
    shown = CliRunner().invoke(toolkit, ["config", "show", "c.yaml", "top_k=7"], standalone_mode=False).output
    assert shown.split("stages.data.uses")[0] == (
        "schema=pipeline/v1                                # c.yaml:1\n"
        "run.name=one                                      # base.yaml:2\n"
        'run.device="${ENV:TOKEN}"                         # c.yaml:4\n'
        "run.output_dir=outputs                            # default\n"
        "run.seed=42                                       # default\n"
        "run.purpose=bench                                 # default\n"
        "run.limit=null                                    # default\n"
        "model.max_seq_length=64                           # base.yaml:3\n"
        "model.query_prompt=null                           # default\n"
        "model.document_prompt=null                        # default\n"
        'model.base="https://[redacted:url-user]@h.org/m"  # c.yaml:3\n'
    )
    assert "retriever.top_k=7                                 # command line\n" in shown
    assert "retriever.mode=dense                              # default\n" in shown
    assert shown.endswith(
        "# sources/c.yaml:3: `retriever.model_name` is now `model.base`\n# command line: `top_k` is now `retriever.top_k`\n"
    )


def test_what_is_judged_never_settles_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"run/sealkit.toml": 'packs = ["evil"]\n', "run/evil/__init__.py": "raise SystemExit(99)\n"})
    monkeypatch.chdir(tmp_path / "run")
    for verb in ("verify", "check", "seal"):
        assert CliRunner().invoke(toolkit, [verb, "."]).exit_code != 99, verb
    assert "evil" not in sys.modules


def test_no_run_signs_its_own_waivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"run/resolved_config.json": "{}", "run/waivers.yaml": "schema: waivers/v1\nwaivers: []\n", "waivers.yaml": "schema: waivers/v1\nwaivers: []\n"})  # fmt: skip
    monkeypatch.chdir(tmp_path / "run")
    assert options.policy(project.load(Path.cwd()), None).file is None
    monkeypatch.chdir(tmp_path)
    assert options.policy(project.load(Path.cwd()), None).file == "waivers.yaml"
