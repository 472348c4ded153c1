"""A matrix document: its experiments, and everything that is refused before one of them runs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealkit import matrix, matrix_config
from sealkit.finding import UsageError
from sealkit.pack import BUILT_IN
from tests.test_pipeline import CONFIG, PACK

CONTRACT = BUILT_IN.contracts["matrix_config/v1"]
HEAD = "schema: matrix_config/v1\nmatrix: {name: m}\nbase: toy.yaml\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(CONFIG)
    return tmp_path


def refused(text: str, *overrides: str) -> str:
    """What is said of a document of that text; nothing was written then."""
    Path("m.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        matrix.run(Path("m.yaml"), overrides, ["toolkit"], pack=PACK)
    assert sorted(path.name for path in Path().iterdir()) == ["m.yaml", "toy.yaml"] or not list(
        Path("outputs").iterdir()
    )
    return str(caught.value)


def test_experiments_are_laid_over_their_base(place: Path) -> None:
    (place / "m.yaml").write_text(
        HEAD + "repeat: {run.seed: [1, 2]}\nexperiments:\n"
        "  - {label: first, tag: plain}\n"
        "  - {label: second, base: other.yaml, overrides: [stages.documents.with.count=4]}\n"
    )
    (place / "other.yaml").write_text(CONFIG)
    found = matrix_config.read(place / "m.yaml", CONTRACT, ("run.limit=3",)).experiments
    assert [(one.index, one.label, one.name, one.tag, one.base.name) for one in found] == [
        (1, "first", "first-seed1", "plain", "toy.yaml"),
        (2, "first", "first-seed2", "plain", "toy.yaml"),
        (3, "second", "second-seed1", None, "other.yaml"),
        (4, "second", "second-seed2", None, "other.yaml"),
    ]
    assert found[3].overrides == ("stages.documents.with.count=4", "run.seed=2", "run.limit=3")
    assert found[3].repeat == {"run.seed": 2}


def test_every_run_lies_below_the_matrix(place: Path) -> None:
    (place / "m.yaml").write_text(HEAD + "experiments: [{label: 2026}, {label: second, overrides: [run.seed=7]}]\n")
    text = (place / "m.yaml").read_text().replace("2026", '"2026"')
    (place / "m.yaml").write_text(text)
    planned, _, folder = matrix.prepare(place / "m.yaml", [], PACK)
    assert folder == Path("outputs/m")
    assert [one.plan.root for one in planned] == [folder / "runs/2026", folder / "runs/second"]


REFUSED = {
    "no base": (
        "schema: matrix_config/v1\nmatrix: {name: m}\nexperiments:\n  - {label: a}\n",
        "m.yaml:4: experiment a: has no base\n  fix: add `base: CONFIG.yaml` to it, or to the matrix",
    ),
    "unknown key": (
        HEAD + "experiments:\n  - {label: a}\n  - label: b\n    overides: []\n",
        "m.yaml:7: unknown key `overides`; did you mean `overrides`?",
    ),
    "wrong type": (
        HEAD + "experiments:\n  - {label: a, overrides: run.seed=1}\n",
        'm.yaml:5: experiments.0.overrides: expected array, found string "run.seed=1"',
    ),
    "contract of the result": (
        HEAD.replace("matrix_config", "matrix") + "experiments: [{label: a}]\n",
        'm.yaml:1: schema: expected "matrix_config/v1", found "matrix/v1"',
    ),
    "label twice": (
        HEAD + "experiments:\n  - {label: a}\n  - {label: A, overrides: [run.seed=7]}\n",
        "m.yaml:6: experiment A: its run would be A, as that of m.yaml:5\n  fix: give it another label",
    ),
    "device": (
        HEAD + "experiments:\n  - {label: Nul}\n",
        "m.yaml:5: experiment Nul: its run would be Nul, a device on Windows\n  fix: give it another label",
    ),
    "name too long with what is repeated": (
        HEAD + f"repeat: {{run.seed: [1]}}\nexperiments:\n  - {{label: {'a' * 195}}}\n",
        f'm.yaml:6: experiment {"a" * 195}: override run.name="{"a" * 195}-seed1": run.name has 201 letters; at most 200 are '
        "taken\n  fix: choose a shorter one",
    ),
    "the same twice": (
        HEAD + "experiments:\n  - {label: a}\n  - {label: b, overrides: [run.seed=42]}\n",
        "m.yaml:6: experiment b: its config is that of a (m.yaml:5) in every value\n"
        "  fix: remove it, or override something",
    ),
    "unknown config key": (
        HEAD + "experiments:\n  - label: a\n    overrides:\n      - run.seed=1\n      - run.sed=2\n",
        "m.yaml:8: experiment a: override run.sed=2: unknown key `sed`; did you mean `seed`?\n"
        "  fix: known: name, output_dir, seed, purpose, limit, device",
    ),
    "no override": (
        HEAD + "experiments:\n  - label: a\n    overrides:\n      - run.seed=1\n      - tags[0]=2\n",
        "m.yaml:8: experiment a: override 'tags[0]=2': an item of a list cannot be overridden by itself\n"
        "  fix: give the whole list: 'tags=[…]'",
    ),
    "wiring": (
        HEAD + "experiments:\n  - {label: a}\n  - {label: b, overrides: [stages.copy.in.corpus=document.corpus]}\n",
        "m.yaml:6: experiment b: override stages.copy.in.corpus=document.corpus: `document.corpus` is no output of a "
        "stage; did you mean `documents.corpus`?\n  fix: known: documents.corpus, copy.corpus",
    ),
    "base that is not there": (
        HEAD + "experiments:\n  - {label: a, base: nowhere.yaml}\n",
        "m.yaml:5: experiments.0.base: there is no file nowhere.yaml\n  fix: paths begin beside this document",
    ),
    "override of a name": (
        HEAD + "experiments:\n  - {label: a, overrides: [run.name=b]}\n",
        "m.yaml:5: experiment a: override 'run.name=b': the label names the run\n  fix: remove it",
    ),
    "override of what is repeated": (
        HEAD + "repeat: {run.seed: [1]}\nexperiments:\n  - {label: a, overrides: [run.seed=7]}\n",
        "m.yaml:6: experiment a: override 'run.seed=7': `repeat` sets that\n  fix: remove it",
    ),
    "repeated names": (
        HEAD + "repeat: {run.name: [b]}\nexperiments:\n  - {label: a}\n",
        "m.yaml:4: repeat: the matrix sets run.name itself\n  fix: name another key",
    ),
    "no YAML": (
        "schema: matrix_config/v1\nexperiments: [\n",
        "m.yaml:3: is not YAML: expected the node content, but found '<stream end>'\n  fix: correct the line",
    ),
}


@pytest.mark.parametrize("text", [HEAD.replace("m}", f"{'m' * 201}}}") + "experiments: [{label: a}]", HEAD + f"experiments: [{{label: {'a' * 201}}}]"], ids=["matrix", "label"])  # fmt: skip
def test_a_name_that_no_file_could_have_is_refused(place: Path, text: str) -> None:
    assert "expected a name of at most 200 letters, digits, `_`, `.` and `-`" in refused(text)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_with_its_line(place: Path, case: str) -> None:
    text, said = REFUSED[case]
    found = refused(text)
    assert found == said


def test_the_command_line_is_laid_over_every_experiment(place: Path) -> None:
    text = HEAD + "repeat: {run.seed: [1, 2]}\nexperiments: [{label: a}]\n"
    assert refused(text, "run.seed=3").startswith("m.yaml:5: experiment a: its config is that of a (m.yaml:5)")
    assert refused(text, "run.output_dir=x") == (
        "override 'run.output_dir=x': the matrix names its runs\n  fix: choose their folder with --out"
    )


def test_the_name_of_the_matrix_can_be_another(place: Path) -> None:
    text = HEAD + "experiments: [{label: a}]\n"
    assert refused(text, "matrix.name=a/b") == (
        "override 'matrix.name=a/b': expected a name of at most 200 letters, digits, `_`, `.` and `-`, found \"a/b\""
    )
    config = matrix_config.read(place / "m.yaml", CONTRACT, ("matrix.name=second", "run.seed=7"))
    assert (config.name, config.experiments[0].overrides) == ("second", ("run.seed=7",))


LABELS = st.lists(st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,3}\Z"), min_size=1, max_size=4)
VALUES = st.lists(st.one_of(st.integers(), st.text(max_size=3), st.floats(allow_nan=False)), min_size=1, max_size=3)


@given(LABELS, st.none() | VALUES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_runs_are_told_apart_or_refused(tmp_path: Path, labels: list[str], values: list[Any] | None) -> None:
    document = {
        "schema": "matrix_config/v1",
        "matrix": {"name": "m"},
        "base": "toy.yaml",
        **({"repeat": {"x.y": values}} if values is not None else {}),
        "experiments": [{"label": label} for label in labels],
    }
    (tmp_path / "any.yaml").write_text(yaml.safe_dump(document))
    (tmp_path / "toy.yaml").touch()
    with contextlib.suppress(UsageError):
        found = matrix_config.read(tmp_path / "any.yaml", CONTRACT).experiments
        names = [one.name.casefold() for one in found]
        assert len(set(names)) == len(names) == len(labels) * len(values or [0])
        assert [one.index for one in found] == list(range(1, len(names) + 1))
