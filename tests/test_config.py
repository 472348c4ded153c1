"""Configs: where each value comes from, and what is said about one that cannot be run as written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from sealkit import config as configuration
from sealkit import plan
from sealkit.config import Params
from sealkit.contract import did_you_mean
from sealkit.finding import SealkitError, UsageError
from sealkit.interpolation import reveal
from sealkit.pack import BUILT_IN
from sealkit.provenance import Config


class Pool(Params):
    mode: Literal["mean", "cls"] = "mean"
    scale: float = 1.0


class Model(Params):
    base: str = "package:tiny"
    max_length: int | None = Field(default=None, ge=4)
    pool: Pool = Pool()


class Retriever(Params):
    top_k: int = Field(default=100, ge=1)
    measures: list[str] = Field(default=["nDCG@10"])
    fast: bool = False


class Build(Params):
    top_k: int = Field(default=10, ge=1)
    measures: list[str] = Field(default=[])
    note: str | None = None
    pool: Pool = Pool()
    other: Pool | None = None


class Train(Params):
    loss: Literal["mnr", "triplet"]
    rate: float = 5e-5


class Deep(Params):
    several: list[Pool] = Field(default=[])
    named: dict[str, Pool] = Field(default={})
    maybe: list[Pool] | None = None


class Nothing(Params):
    """No keys at all."""


SECTIONS: dict[str, type[BaseModel]] = {"model": Model, "retriever": Retriever}
STAGES: dict[str, type[BaseModel]] = {"toy.build": Build, "toy.train": Train, "toy.nothing": Nothing, "toy.deep": Deep}

HEAD = """\
schema: pipeline/v1
run: {name: one}
"""
PLAIN = (
    HEAD
    + """\
stages:
  build: {uses: toy.build}
"""
)


def params_of(uses: str) -> type[BaseModel]:
    if uses not in STAGES:
        raise UsageError(f"unknown stage `{uses}`{did_you_mean(uses, STAGES)}", f"known: {', '.join(STAGES)}")
    return STAGES[uses]


def load(text: str | Mapping[str, str], *overrides: str, file: str = "c.yaml") -> Config:
    """Load `c.yaml` from the current folder, after writing the text, or several by their names, there."""
    for name, content in ({file: text} if isinstance(text, str) else text).items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content, "utf-8")
    return configuration.load(Path(file), overrides, BUILT_IN.contracts["pipeline/v1"], lambda *_: SECTIONS, params_of)


def refusal(text: str | Mapping[str, str], *overrides: str, file: str = "c.yaml") -> str:
    """What is said, word for word with its fix, about a config that is refused with exit 2."""
    with pytest.raises(UsageError) as caught:
        load(text, *overrides, file=file)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that messages name files as a user would type them."""
    monkeypatch.chdir(tmp_path)


# What is there when nothing is asked for


def test_a_minimal_config_is_completed_by_defaults() -> None:
    assert load(PLAIN).data == {
        "schema": "pipeline/v1",
        "run": {
            "name": "one",
            "output_dir": "outputs",
            "seed": 42,
            "purpose": "bench",
            "limit": None,
            "device": "auto",
        },
        "stages": {
            "build": {
                "uses": "toy.build",
                "in": {},
                "with": {
                    "top_k": 10,
                    "measures": [],
                    "note": None,
                    "pool": {"mode": "mean", "scale": 1.0},
                    "other": None,
                },
            }
        },
        "model": {"base": "package:tiny", "max_length": None, "pool": {"mode": "mean", "scale": 1.0}},
        "retriever": {"top_k": 100, "measures": ["nDCG@10"], "fast": False},
    }


def test_loading_the_same_files_twice_gives_the_same_config() -> None:
    first, second = load(PLAIN, "run.seed=7"), load(PLAIN, "run.seed=7")
    assert (first.data, first.provenance()) == (second.data, second.provenance())


@pytest.mark.parametrize("name", ["retriever_base.yaml", "retriever_ft.yaml", "beir_base.yaml", "beir_ft.yaml"])
def test_the_shipped_configs_load_with_every_value_accounted_for(name: str) -> None:
    path = Path(__file__).parent.parent / "configs" / name
    config = configuration.load(
        path,
        ["run.limit=3"],
        BUILT_IN.contracts["pipeline/v1"],
        BUILT_IN.sections,
        lambda uses: BUILT_IN.stage(uses).params,
    )
    assert "${" not in str(config.data)
    settings = config.data["stages"]["search"]["with"]
    assert (settings["mode"], settings["top_k"], settings["alpha"]) == ("dense", 100, None)
    assert settings["max_seq_length"] == (64 if name.startswith("retriever") else 128)
    where = "retriever_base.yaml:10" if name.startswith("retriever") else f"{name}:5"
    assert config.provenance()["/model/max_seq_length"] == f"sources/{where}"
    assert config.provenance()["/run/purpose"] == "command line via run.limit"
    assert config.provenance()["/run/device"] == "default"


# Precedence and provenance

CHAIN = {
    "far/base.yaml": HEAD
    + """\
model: {base: from_base, max_length: 16}
retriever:
  top_k: 1
  measures: [a, b, c]
stages:
  build:
    uses: toy.build
    with: {top_k: 3, note: base}
""",
    "far/middle.yaml": """\
extends: base.yaml
run: {seed: 7}
model:
  base: from_middle
""",
    "c.yaml": """\
extends: far/middle.yaml
run:
  name: two
retriever: {measures: [d]}
stages:
  build: {with: {top_k: 4}}
""",
}


def test_the_nearest_source_wins_value_by_value() -> None:
    config = load(CHAIN, "model.max_length=32")
    assert config.data["run"] == {
        "name": "two",
        "seed": 7,
        "output_dir": "outputs",
        "purpose": "bench",
        "limit": None,
        "device": "auto",
    }
    assert config.data["model"] == {"base": "from_middle", "max_length": 32, "pool": {"mode": "mean", "scale": 1.0}}
    assert config.data["retriever"] == {"top_k": 1, "measures": ["d"], "fast": False}
    assert config.data["stages"]["build"]["with"] | {} == {
        "top_k": 4,
        "measures": [],
        "note": "base",
        "pool": {"mode": "mean", "scale": 1.0},
        "other": None,
    }


def test_every_value_says_where_it_was_written() -> None:
    assert load(CHAIN, "model.max_length=32").provenance() == {
        "/schema": "sources/base.yaml:1",
        "/run/name": "sources/c.yaml:3",
        "/run/seed": "sources/middle.yaml:2",
        "/run/output_dir": "default",
        "/run/purpose": "default",
        "/run/limit": "default",
        "/run/device": "default",
        "/model/base": "sources/middle.yaml:4",
        "/model/max_length": "command line",
        "/model/pool/mode": "default",
        "/model/pool/scale": "default",
        "/retriever/top_k": "sources/base.yaml:5",
        "/retriever/measures/0": "sources/c.yaml:4",
        "/retriever/fast": "default",
        "/stages/build/uses": "sources/base.yaml:9",
        "/stages/build/with/top_k": "sources/c.yaml:6",
        "/stages/build/with/measures": "default",
        "/stages/build/with/note": "sources/base.yaml:10",
        "/stages/build/with/pool/mode": "default",
        "/stages/build/with/pool/scale": "default",
        "/stages/build/with/other": "default",
        "/stages/build/in": "default",
    }


def test_defaults_within_a_nested_value_of_a_stage_are_called_defaults() -> None:
    config = load(HEAD + "stages:\n  build:\n    uses: toy.build\n    with: {pool: {mode: cls}}\n")
    assert config.provenance()["/stages/build/with/pool/mode"] == "sources/c.yaml:6"
    assert config.provenance()["/stages/build/with/pool/scale"] == "default"


def test_defaults_within_a_nested_value_of_a_section_are_called_defaults() -> None:
    config = load(PLAIN + "model: {pool: {mode: cls}}\n")
    assert config.provenance()["/model/pool/mode"] == "sources/c.yaml:5"
    assert config.provenance()["/model/pool/scale"] == "default"


def test_the_sources_are_kept_as_they_were_read_outermost_first() -> None:
    config = load(CHAIN, "run.seed=1", "retriever.top_k=9")
    assert [source.name for source in config.sources] == ["sources/base.yaml", "sources/middle.yaml", "sources/c.yaml"]
    assert [source.text for source in config.sources] == [
        CHAIN["far/base.yaml"],
        CHAIN["far/middle.yaml"],
        CHAIN["c.yaml"],
    ]
    assert config.overrides == ["run.seed=1", "retriever.top_k=9"]


def test_two_sources_of_one_name_are_kept_apart() -> None:
    config = load(
        {"a/c.yaml": PLAIN, "b/c.yaml": "extends: ../a/c.yaml\n", "c.yaml": "extends: b/c.yaml\nrun: {seed: 1}\n"}
    )
    names = [source.name for source in config.sources]
    assert names == ["sources/base_base_c.yaml", "sources/base_c.yaml", "sources/c.yaml"]
    assert config.provenance()["/run/name"] == "sources/base_base_c.yaml:2"


def test_a_longer_list_leaves_nothing_behind_when_a_shorter_one_replaces_it() -> None:
    config = load(CHAIN, "retriever.measures=[x]")
    assert config.data["retriever"]["measures"] == ["x"]
    assert [where for where in config.provenance() if where.startswith("/retriever/measures")] == [
        "/retriever/measures/0"
    ]
    assert config.provenance()["/retriever/measures/0"] == "command line"


def test_an_empty_list_replaces_a_full_one() -> None:
    config = load(CHAIN, "retriever.measures=[]")
    assert config.data["retriever"]["measures"] == []
    assert config.provenance()["/retriever/measures"] == "command line"


def test_null_replaces_a_value_and_is_a_value() -> None:
    config = load(CHAIN, "model.max_length=null")
    assert config.data["model"]["max_length"] is None
    assert config.provenance()["/model/max_length"] == "command line"


def test_a_mapping_may_fill_what_was_null() -> None:
    config = load(
        HEAD + "stages: {build: {uses: toy.build, with: {other: null}}}\n", "stages.build.with.other.mode=cls"
    )
    assert config.data["stages"]["build"]["with"]["other"] == {"mode": "cls", "scale": 1.0}


def test_a_null_section_is_refused() -> None:
    assert refusal(PLAIN + "model:\n") == "c.yaml:5: model: expected object, found null"


def test_extends_may_be_null() -> None:
    assert load("extends: null\n" + PLAIN).data["run"]["name"] == "one"


def test_extends_is_no_key_of_the_resolved_config() -> None:
    assert "extends" not in load(CHAIN).data


# extends that lead nowhere


def test_a_config_that_extends_itself_is_a_circle() -> None:
    assert (
        refusal("extends: c.yaml\n" + PLAIN)
        == "c.yaml:1: extends c.yaml, which is this file or extends it\n  fix: break the circle"
    )


def test_a_longer_circle_names_the_file_that_closes_it() -> None:
    files = {"c.yaml": "extends: d.yaml\n" + PLAIN, "d.yaml": "extends: e.yaml\n", "e.yaml": "extends: ./d.yaml\n"}
    assert refusal(files) == "e.yaml:1: extends d.yaml, which is this file or extends it\n  fix: break the circle"


def test_a_circle_by_way_of_a_link_is_a_circle() -> None:
    Path("link.yaml").symlink_to("c.yaml")
    assert (
        refusal("extends: link.yaml\n" + PLAIN)
        == "c.yaml:1: extends link.yaml, which is this file or extends it\n  fix: break the circle"
    )


def test_two_files_may_not_differ_only_by_how_a_base_is_spelled() -> None:
    assert load({"c.yaml": "extends: x/../b.yaml\n", "b.yaml": PLAIN, "x/y.yaml": ""}).data["run"]["name"] == "one"


def test_a_base_that_is_not_there_is_named() -> None:
    with pytest.raises(SealkitError) as caught:
        load("extends: gone.yaml\n" + PLAIN)
    assert str(caught.value) == "gone.yaml: cannot be read: No such file or directory\n  fix: check the path"


def test_a_config_that_is_not_there_is_named() -> None:
    with pytest.raises(SealkitError) as caught:
        load({}, file="gone.yaml")
    assert str(caught.value) == "gone.yaml: cannot be read: No such file or directory\n  fix: check the path"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: [a, b]\n" + PLAIN, "c.yaml:1: extends: expected a path, found ['a', 'b']"),
        ("# one\nextends: 3\n" + PLAIN, "c.yaml:2: extends: expected a path, found 3"),
        ("- a\n", "c.yaml:1: expected a mapping, found list\n  fix: see configs/"),
        ("text\n", "c.yaml:1: expected a mapping, found str\n  fix: see configs/"),
        ("", "c.yaml:1: expected a mapping, found NoneType\n  fix: see configs/"),
    ],
)
def test_what_is_no_config_at_all(text: str, said: str) -> None:
    assert refusal(text) == said


def test_a_base_that_is_no_mapping_is_named_itself() -> None:
    assert refusal({"c.yaml": "extends: b.yaml\n", "b.yaml": "7\n"}) == (
        "b.yaml:1: expected a mapping, found int\n  fix: see configs/"
    )


def test_text_that_is_no_yaml_is_named_with_its_line() -> None:
    with pytest.raises(UsageError) as caught:
        load(HEAD + "stages: {build: [}\n")
    assert str(caught.value) == (
        "c.yaml:3: is not YAML: expected the node content, but found '}'\n  fix: correct the line"
    )


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        load(PLAIN + "run: {name: again}\n")
    assert str(caught.value) == "c.yaml:5: has the key `run` twice in one mapping\n  fix: keep one of the two"


# uses and with

TWO = {
    "base.yaml": HEAD + "stages:\n  a:\n    uses: toy.build\n    with: {top_k: 3, note: old}\n",
    "c.yaml": "extends: base.yaml\nstages:\n  a:\n    uses: toy.train\n    with: {loss: mnr}\n",
}


def test_another_stage_under_a_name_does_not_inherit_the_old_ones_keys() -> None:
    assert load(TWO).data["stages"]["a"]["with"] == {"loss": "mnr", "rate": 5e-5}


def test_the_order_of_uses_and_with_in_a_file_does_not_matter() -> None:
    turned = TWO | {"c.yaml": "extends: base.yaml\nstages:\n  a:\n    with: {loss: mnr}\n    uses: toy.train\n"}
    assert load(turned).data["stages"]["a"]["with"] == {"loss": "mnr", "rate": 5e-5}


def test_the_same_stage_said_again_keeps_its_keys() -> None:
    same = TWO | {"c.yaml": "extends: base.yaml\nstages: {a: {uses: toy.build, with: {note: new}}}\n"}
    config = load(same)
    assert config.data["stages"]["a"]["with"]["top_k"] == 3
    assert config.data["stages"]["a"]["with"]["note"] == "new"


def test_uses_on_the_command_line_clears_with() -> None:
    config = load(TWO, "stages.a.uses=toy.nothing")
    assert config.data["stages"]["a"]["with"] == {}


def test_uses_and_with_on_the_command_line() -> None:
    config = load(TWO["base.yaml"], "stages.a.uses=toy.train", "stages.a.with.loss=triplet")
    assert config.data["stages"]["a"]["with"] == {"loss": "triplet", "rate": 5e-5}
    assert config.provenance()["/stages/a/with/loss"] == "command line"
    assert config.provenance()["/stages/a/with/rate"] == "default"


def test_with_before_uses_on_the_command_line_is_not_lost() -> None:
    config = load(TWO["base.yaml"], "stages.a.with.loss=triplet", "stages.a.uses=toy.train")
    assert config.data["stages"]["a"]["with"] == {"loss": "triplet", "rate": 5e-5}


def test_a_key_missing_after_uses_changed_is_not_blamed_on_what_was_cleared() -> None:
    base = HEAD + "stages:\n  a:\n    uses: toy.train\n    with: {loss: mnr}\n"
    files = {
        "base.yaml": base,
        "middle.yaml": "extends: base.yaml\nstages:\n  a:\n    uses: toy.build\n",
        "c.yaml": "extends: middle.yaml\n\n\nstages:\n  a:\n    uses: toy.train\n",
    }
    assert refusal(files) == "c.yaml:5: stages.a.with.loss is missing\n  fix: give it a value"


def test_cleared_keys_leave_no_provenance_behind() -> None:
    files = {
        "base.yaml": HEAD + "stages:\n  a:\n    uses: toy.build\n    with: {pool: {mode: cls}}\n",
        "middle.yaml": "extends: base.yaml\nstages: {a: {uses: toy.nothing}}\n",
        "c.yaml": "extends: middle.yaml\nstages: {a: {uses: toy.build}}\n",
    }
    config = load(files)
    assert config.data["stages"]["a"]["with"]["pool"] == {"mode": "mean", "scale": 1.0}
    assert config.provenance()["/stages/a/with/pool/mode"] == "default"


# ${section.key}


def with_note(note: str, more: str = "") -> str:
    return HEAD + more + f"stages:\n  build:\n    uses: toy.build\n    with:\n      note: {note}\n"


def test_a_reference_alone_keeps_the_type_of_its_value() -> None:
    text = HEAD + 'retriever: {top_k: 7}\nstages: {build: {uses: toy.build, with: {top_k: "${retriever.top_k}"}}}\n'
    found = load(text).data["stages"]["build"]["with"]["top_k"]
    assert found == 7 and type(found) is int


def test_a_reference_may_lead_to_null() -> None:
    assert load(with_note('"${model.max_length}"')).data["stages"]["build"]["with"]["note"] is None


def test_a_reference_may_lead_to_a_list() -> None:
    text = (
        HEAD
        + 'stages: {build: {uses: toy.build, with: {measures: "${retriever.measures}"}}}\nretriever: {measures: [a, b]}\n'
    )
    assert load(text).data["stages"]["build"]["with"]["measures"] == ["a", "b"]


def test_a_list_that_holds_references_may_be_referred_to() -> None:
    text = HEAD + (
        'stages: {build: {uses: toy.build, with: {measures: "${retriever.measures}"}}}\n'
        'retriever: {measures: ["${model.base}", b]}\n'
    )
    config = load(text)
    assert config.data["stages"]["build"]["with"]["measures"] == ["package:tiny", "b"]
    assert config.data["retriever"]["measures"] == ["package:tiny", "b"]


def test_references_within_a_text_are_put_in_as_text() -> None:
    note = '"k=${retriever.top_k}, ${model.base}!"'
    assert load(with_note(note)).data["stages"]["build"]["with"]["note"] == "k=100, package:tiny!"


@pytest.mark.parametrize(
    ("key", "text"), [("retriever.fast", "false"), ("model.max_length", "null"), ("model.pool.scale", "1.0")]
)
def test_values_within_a_text_stand_as_in_yaml(key: str, text: str) -> None:
    assert load(with_note(f'"<${{{key}}}>"')).data["stages"]["build"]["with"]["note"] == f"<{text}>"


def test_references_lead_on() -> None:
    text = HEAD + (
        'model: {base: "${run.device}"}\nstages: {build: {uses: toy.build, with: {note: "<${model.base}>"}}}\n'
    )
    assert load(text, "run.device=cpu").data["stages"]["build"]["with"]["note"] == "<cpu>"


def test_a_reference_sees_the_value_that_won() -> None:
    assert (
        load(with_note('"${model.base}"', "model: {base: a}\n"), "model.base=b").data["stages"]["build"]["with"]["note"]
        == "b"
    )


def test_a_reference_on_the_command_line() -> None:
    config = load(PLAIN, "stages.build.with.note=${model.base}")
    assert config.data["stages"]["build"]["with"]["note"] == "package:tiny"
    assert config.provenance()["/stages/build/with/note"] == "command line via ${model.base}"


def test_what_came_by_a_reference_says_so() -> None:
    found = load(with_note('"x ${model.base}"')).provenance()
    assert found["/stages/build/with/note"] == "sources/c.yaml:7 via x ${model.base}"


def test_the_items_of_a_list_that_came_by_a_reference_say_so() -> None:
    text = HEAD + 'stages:\n  build: {uses: toy.build, with: {measures: "${retriever.measures}"}}\n'
    assert load(text).provenance()["/stages/build/with/measures/0"] == "sources/c.yaml:4 via ${retriever.measures}"


def test_a_reference_within_a_list_says_so() -> None:
    config = load(PLAIN + 'retriever:\n  measures:\n    - a\n    - "${model.base}"\n')
    assert config.data["retriever"]["measures"] == ["a", "package:tiny"]
    assert config.provenance()["/retriever/measures/1"] == "sources/c.yaml:8 via ${model.base}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            with_note('"${model.bse}"'),
            "c.yaml:7: ${model.bse}: there is no such key; did you mean `model.base`?",
        ),
        (
            with_note('"${retriver.top_k}"'),
            "c.yaml:7: ${retriver.top_k}: there is no such key; did you mean `retriever.top_k`?",
        ),
        (with_note('"a ${zzzzzz} b"'), "c.yaml:7: ${zzzzzz}: there is no such key"),
        (with_note('"${}"'), "c.yaml:7: ${}: there is no such key"),
        (
            with_note('"${ model.base }"'),
            "c.yaml:7: ${ model.base }: there is no such key; did you mean `model.base`?",
        ),
        (with_note('"${model}"'), "c.yaml:7: ${model} is a section, expected a value"),
        (
            with_note('"${stages.build.with.note}"'),
            "c.yaml:7: ${stages.build.with.note} refers to itself by way of stages.build.with.note → stages.build.with.note"
            "\n  fix: break the circle",
        ),
        (
            HEAD
            + 'model:\n  base: "${retriever.measures}"\nretriever:\n  measures: "x${model.base}"\nstages: {b: {uses: toy.build}}\n',
            "c.yaml:4: ${retriever.measures} refers to itself by way of retriever.measures → model.base → retriever.measures"
            "\n  fix: break the circle",
        ),
        (
            with_note('"${model.base.more}"'),
            "c.yaml:7: ${model.base.more}: there is no such key; did you mean `model.base`?",
        ),
        (with_note('"${ENV:1BAD}"'), "c.yaml:7: ${ENV:1BAD}: expected ${ENV:NAME}"),
        (with_note('"${ENV:}"'), "c.yaml:7: ${ENV:}: expected ${ENV:NAME}"),
    ],
)
def test_references_that_lead_nowhere(text: str, said: str) -> None:
    assert refusal(text) == said


def test_a_reference_to_an_item_of_a_list_is_not_answered_with_itself() -> None:
    assert refusal(with_note('"${retriever.measures.0}"')) == (
        "c.yaml:7: ${retriever.measures.0}: there is no such key; did you mean `retriever.measures`?"
    )


def test_a_reference_that_is_not_closed_is_refused() -> None:
    assert refusal(with_note('"${model.base"')).startswith("c.yaml:7: ")


def test_a_dollar_alone_is_a_dollar() -> None:
    assert load(with_note('"$5 {x} $model"')).data["stages"]["build"]["with"]["note"] == "$5 {x} $model"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD.replace("one}", 'one, output_dir: "${retriever.top_k}"}') + "stages: {b: {uses: toy.build}}\n",
            "c.yaml:2: run.output_dir: expected string, found integer 100",
        ),
        (
            HEAD + 'stages:\n  b:\n    uses: toy.build\n    in: {model: "${model.max_length}"}\n',
            "c.yaml:6: stages.b.in.model: expected string, found null",
        ),
    ],
)
def test_a_reference_may_not_bring_in_what_could_not_be_written(text: str, said: str) -> None:
    assert refusal(text) == said


# ${ENV:NAME}


def test_a_secret_that_is_not_set_stops_the_run_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEALKIT_TEST_TOKEN", raising=False)
    assert refusal(with_note('"${ENV:SEALKIT_TEST_TOKEN}"')) == (
        "c.yaml:7: ${ENV:SEALKIT_TEST_TOKEN} is not set\n  fix: export SEALKIT_TEST_TOKEN=… and run again"
    )


def test_a_secret_is_never_in_the_config_and_reveal_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALKIT_TEST_TOKEN", "hunter2")
    config = load(with_note('"Bearer ${ENV:SEALKIT_TEST_TOKEN}"'))
    assert config.data["stages"]["build"]["with"]["note"] == "Bearer ${ENV:SEALKIT_TEST_TOKEN}"
    assert "hunter2" not in repr(config) + repr(config.provenance())
    assert reveal(config.data["stages"]["build"]["with"])["note"] == "Bearer hunter2"


def test_a_reference_to_a_secret_stays_a_reference_to_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALKIT_TEST_TOKEN", "hunter2")
    text = HEAD + (
        'model: {base: "${ENV:SEALKIT_TEST_TOKEN}"}\nstages: {build: {uses: toy.build, with: {note: "${model.base}"}}}\n'
    )
    config = load(text)
    assert config.data["stages"]["build"]["with"]["note"] == "${ENV:SEALKIT_TEST_TOKEN}"
    assert "hunter2" not in repr(config)


def test_the_value_of_a_secret_is_not_read_as_a_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALKIT_TEST_TOKEN", "${model.base} ${ENV:HOME}")
    config = load(with_note('"${ENV:SEALKIT_TEST_TOKEN}"'))
    assert reveal(config.data["stages"]["build"]["with"]["note"]) == "${model.base} ${ENV:HOME}"


def test_reveal_goes_into_mappings_and_lists_and_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALKIT_TEST_TOKEN", "t")
    value: Any = {"a": ["${ENV:SEALKIT_TEST_TOKEN}", 3, None], "b": {"c": "${other.key}"}, "d": True}
    assert reveal(value) == {"a": ["t", 3, None], "b": {"c": "${other.key}"}, "d": True}
    assert value["a"][0] == "${ENV:SEALKIT_TEST_TOKEN}"


def test_a_secret_may_be_set_and_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALKIT_TEST_TOKEN", "")
    assert reveal(load(with_note('"<${ENV:SEALKIT_TEST_TOKEN}>"')).data["stages"]["build"]["with"]["note"]) == "<>"


def test_a_secret_within_a_list_must_be_set_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEALKIT_TEST_TOKEN", raising=False)
    assert refusal(PLAIN + 'retriever:\n  measures:\n    - "${ENV:SEALKIT_TEST_TOKEN}"\n') == (
        "c.yaml:7: ${ENV:SEALKIT_TEST_TOKEN} is not set\n  fix: export SEALKIT_TEST_TOKEN=… and run again"
    )


# Unknown keys, at every level

KNOWN_TOP = "known: schema, extends, run, stages, expect, model, retriever"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            PLAIN + "retriver: {top_k: 3}\n",
            f"c.yaml:5: unknown key `retriver`; did you mean `retriever`?\n  fix: {KNOWN_TOP}",
        ),
        (PLAIN + "zebra: {}\n", f"c.yaml:5: unknown key `zebra`\n  fix: {KNOWN_TOP}"),
        (PLAIN + "x-note: {}\n", f"c.yaml:5: unknown key `x-note`\n  fix: {KNOWN_TOP}"),
        (PLAIN + '"a/b": {}\n', f"c.yaml:5: unknown key `a/b`\n  fix: {KNOWN_TOP}"),
        (PLAIN + '"a~b": {}\n', f"c.yaml:5: unknown key `a~b`\n  fix: {KNOWN_TOP}"),
        (PLAIN + '"": {}\n', f"c.yaml:5: unknown key ``\n  fix: {KNOWN_TOP}"),
        (PLAIN + "<<: {run: {seed: 3}}\n", f"c.yaml:5: unknown key `<<`\n  fix: {KNOWN_TOP}"),
        (
            PLAIN.replace("name: one", "name: one, sed: 3"),
            "c.yaml:2: unknown key `sed`; did you mean `seed`?\n  fix: known: name, output_dir, seed, purpose, limit, device",
        ),
        (
            PLAIN + "retriever:\n  top_j: 3\n",
            "c.yaml:6: unknown key `top_j` in retriever; did you mean `top_k`?\n  fix: known: top_k, measures, fast",
        ),
        (
            PLAIN + "model:\n  pool:\n    mood: cls\n",
            "c.yaml:7: unknown key `mood` in model.pool; did you mean `mode`?\n  fix: known: mode, scale",
        ),
        (
            PLAIN + "model:\n  pool.mode: cls\n",
            "c.yaml:6: unknown key `pool.mode` in model; did you mean `pool`?\n  fix: known: base, max_length, pool",
        ),
        (
            PLAIN + 'retriever:\n  "top/k": 3\n',
            "c.yaml:6: unknown key `top/k` in retriever; did you mean `top_k`?\n  fix: known: top_k, measures, fast",
        ),
        (
            PLAIN + 'retriever:\n  "top~k": 3\n',
            "c.yaml:6: unknown key `top~k` in retriever; did you mean `top_k`?\n  fix: known: top_k, measures, fast",
        ),
        (
            HEAD + "stages:\n  build:\n    use: toy.build\n    uses: toy.build\n",
            "c.yaml:5: unknown key `use`; did you mean `uses`?",
        ),
        (
            HEAD + "stages:\n  build:\n    uses: toy.build\n    with:\n      topk: 3\n",
            "c.yaml:7: unknown key `topk` in stages.build.with; did you mean `top_k`?"
            "\n  fix: known: top_k, measures, note, pool, other",
        ),
        (
            HEAD + "stages:\n  build:\n    uses: toy.build\n    with: {pool: {scal: 2}}\n",
            "c.yaml:6: unknown key `scal` in stages.build.with.pool; did you mean `scale`?\n  fix: known: mode, scale",
        ),
        (
            HEAD + "stages:\n  build:\n    uses: toy.build\n    with: {other: {scal: 2}}\n",
            "c.yaml:6: unknown key `scal` in stages.build.with.other; did you mean `scale`?\n  fix: known: mode, scale",
        ),
        (
            HEAD + "stages:\n  n:\n    uses: toy.nothing\n    with: {a: 1}\n",
            "c.yaml:6: unknown key `a` in stages.n.with\n  fix: known: none",
        ),
        (
            HEAD + "stages:\n  build:\n    uses: toy.bild\n",
            "c.yaml:5: unknown stage `toy.bild`; did you mean `toy.build`?\n  fix: known: toy.build, toy.train, toy.nothing, toy.deep",
        ),
    ],
)
def test_unknown_keys_are_named_with_file_and_line(text: str, said: str) -> None:
    assert refusal(text) == said


@pytest.mark.parametrize(
    ("given", "holder"),
    [
        ("several: [{}, {scal: 2}]", "several.1"),
        ("named: {first: {scal: 2}}", "named.first"),
        ("maybe: [{scal: 2}]", "maybe.0"),
    ],
)
def test_an_unknown_key_within_a_list_or_a_mapping_of_mappings(given: str, holder: str) -> None:
    assert refusal(HEAD + f"stages:\n  deep:\n    uses: toy.deep\n    with: {{{given}}}\n") == (
        f"c.yaml:6: unknown key `scal` in stages.deep.with.{holder}; did you mean `scale`?\n  fix: known: mode, scale"
    )


def test_an_unknown_key_of_a_base_is_blamed_on_the_base() -> None:
    files = {
        "far/base.yaml": PLAIN + "\nretriever:\n  top_j: 3\n",
        "c.yaml": "extends: far/base.yaml\nretriever: {top_k: 3}\n",
    }
    assert refusal(files) == (
        "far/base.yaml:7: unknown key `top_j` in retriever; did you mean `top_k`?\n  fix: known: top_k, measures, fast"
    )


def test_an_unknown_key_on_the_command_line_is_blamed_on_the_override() -> None:
    assert refusal(PLAIN, "retriever.top_j=3") == (
        "override retriever.top_j=3: unknown key `top_j` in retriever; did you mean `top_k`?\n  fix: known: top_k, measures, fast"
    )
    assert refusal(PLAIN, "retreiver.top_k=3") == (
        f"override retreiver.top_k=3: unknown key `retreiver`; did you mean `retriever`?\n  fix: {KNOWN_TOP}"
    )
    assert refusal(PLAIN, "run.sede=3") == (
        "override run.sede=3: unknown key `sede`; did you mean `seed`?\n"
        "  fix: known: name, output_dir, seed, purpose, limit, device"
    )


def test_notes_of_ones_own_may_stand_in_run_and_in_a_stage() -> None:
    config = load(HEAD.replace("one}", "one, x-note: mine}") + "stages: {build: {uses: toy.build, x-why: tried}}\n")
    assert config.data["run"]["x-note"] == "mine"
    assert config.data["stages"]["build"]["x-why"] == "tried"


def planned(text: str) -> str:
    """What is said about the wiring of a config of the built-in stages."""
    Path("c.yaml").write_text(text, "utf-8")
    config = configuration.load(
        Path("c.yaml"),
        [],
        BUILT_IN.contracts["pipeline/v1"],
        BUILT_IN.sections,
        lambda uses: BUILT_IN.stage(uses).params,
    )
    with pytest.raises(UsageError) as caught:
        plan.plan(config, BUILT_IN.layout(), BUILT_IN)
    return str(caught.value)


WIRED = HEAD + "stages:\n  data: {uses: retrieval.stdlib_code}\n  index:\n    uses: retrieval.index\n"


@pytest.mark.parametrize(
    ("wiring", "said"),
    [
        (
            "    in:\n      corpus: data.test_corpus\n      modl: package:x\n",
            "c.yaml:9: stage index takes no input `modl`; did you mean `model`?\n  fix: known: corpus, model",
        ),
        (
            "    in: {corpus: data.test_corpus}\n",
            "c.yaml:5: stage index needs the input `model` (model_manifest/v1)\n  fix: add it to stages.index.in",
        ),
        (
            "    in:\n      corpus: data.test_corpsu\n      model: package:x\n",
            "c.yaml:8: `data.test_corpsu`: stage data has no such output; did you mean `data.test_corpus`?\n  fix: known: "
            "data.train_corpus, data.train_queries, data.train_qrels, data.dev_corpus, data.dev_queries, data.dev_qrels, "
            "data.test_corpus, data.test_queries, data.test_qrels",
        ),
        (
            "    in: {corpus: data.test_queries, model: package:x}\n",
            "c.yaml:7: `data.test_queries` is queries/v1, expected corpus/v1\n  fix: wire an output of that contract",
        ),
        (
            "    in: {corpus: daat.test_corpus, model: package:x}\n",
            "c.yaml:7: `daat.test_corpus` is no output of a stage; did you mean `data.test_corpus`?\n  fix: known: "
            "data.train_corpus, data.train_queries, data.train_qrels, data.dev_corpus, data.dev_queries, data.dev_qrels, "
            "data.test_corpus, data.test_queries, data.test_qrels, index.index",
        ),
    ],
)
def test_wiring_that_leads_nowhere(wiring: str, said: str) -> None:
    assert planned(WIRED + wiring) == said


# Wrong values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PLAIN.replace("v1", "v2"), 'c.yaml:1: schema: expected "pipeline/v1", found "pipeline/v2"'),
        (PLAIN.replace("one}", "one, seed: many}"), 'c.yaml:2: run.seed: expected integer, found string "many"'),
        (PLAIN.replace("one}", "one, seed: -1}"), "c.yaml:2: run.seed: expected >= 0, found -1"),
        (PLAIN.replace("one}", "one, seed: true}"), "c.yaml:2: run.seed: expected integer, found boolean true"),
        (PLAIN.replace("one}", "one, limit: 0}"), "c.yaml:2: run.limit: expected >= 1, found 0"),
        (
            PLAIN.replace("one}", "one, purpose: benhc}"),
            'c.yaml:2: run.purpose: expected one of "smoke", "bench", "prod"; found "benhc"; did you mean `bench`?',
        ),
        (
            PLAIN.replace("one}", "../one}"),
            'c.yaml:2: run.name: expected a name of letters, digits, `_`, `.` and `-`, found "../one"',
        ),
        (PLAIN.replace("{name: one}", "[]"), "c.yaml:2: run: expected object, found array []"),
        (PLAIN.replace("{name: one}", "{}"), "c.yaml:2: run: `name` is missing"),
        (HEAD + "stages: {}\n", "c.yaml:3: stages: is empty; expected at least 1 entry"),
        (HEAD + "stages:\n  build: 3\n", "c.yaml:4: stages.build: expected object, found integer 3"),
        (HEAD + "stages:\n  build: {with: {}}\n", "c.yaml:4: stages.build: `uses` is missing"),
        (HEAD + "stages:\n  build: {uses: [a]}\n", 'c.yaml:4: stages.build.uses: expected string, found array ["a"]'),
        (
            HEAD + "stages:\n  build: {uses: toy.build, in: {a: 3}}\n",
            "c.yaml:4: stages.build.in.a: expected string, found integer 3",
        ),
        (
            HEAD + "stages:\n  build: {uses: toy.build, with: [a]}\n",
            'c.yaml:4: stages.build.with: expected object, found array ["a"]',
        ),
        (PLAIN + "model: small\n", 'c.yaml:5: model: expected object, found string "small"'),
        (
            PLAIN + "retriever:\n  top_k: 0\n",
            "c.yaml:6: retriever.top_k: input should be greater than or equal to 1, found 0",
        ),
        (
            PLAIN + "retriever:\n  top_k: ten\n",
            'c.yaml:6: retriever.top_k: input should be a valid integer, found "ten"',
        ),
        (
            PLAIN + 'retriever:\n  top_k: "10"\n',
            'c.yaml:6: retriever.top_k: input should be a valid integer, found "10"',
        ),
        (
            PLAIN + "retriever:\n  top_k: 1e2\n",
            "c.yaml:6: retriever.top_k: input should be a valid integer, found 100.0",
        ),
        (
            PLAIN + "retriever:\n  measures:\n    - a\n    - 3\n",
            "c.yaml:8: retriever.measures.1: input should be a valid string, found 3",
        ),
        (
            PLAIN + "retriever:\n  measures: a\n",
            'c.yaml:6: retriever.measures: input should be a valid list, found "a"',
        ),
        (
            PLAIN + "model:\n  pool:\n    mode: max\n",
            "c.yaml:7: model.pool.mode: input should be 'mean' or 'cls', found \"max\"",
        ),
        (HEAD + "stages:\n  t: {uses: toy.train}\n", "c.yaml:4: stages.t.with.loss is missing\n  fix: give it a value"),
        (
            HEAD + "stages:\n  t:\n    uses: toy.train\n    with:\n      rate: 1\n",
            "c.yaml:6: stages.t.with.loss is missing\n  fix: give it a value",
        ),
    ],
)
def test_wrong_values_are_named_with_what_was_expected_and_found(text: str, said: str) -> None:
    assert refusal(text) == said


def test_a_stage_whose_name_cannot_be_one() -> None:
    assert refusal(HEAD + "stages:\n  build: {uses: toy.build}\n  Index: {uses: toy.build}\n") == (
        'c.yaml:5: stages.Index: expected a name of small letters, digits and `_`, found "Index"'
    )


@pytest.mark.parametrize("key", ["schema", "run", "stages"])
def test_a_part_that_is_missing_is_missed_in_the_file(key: str) -> None:
    lines = [
        line for line in PLAIN.splitlines() if not line.startswith(key) and not (key == "stages" and line[0] == " ")
    ]
    assert refusal("\n".join(lines) + "\n").startswith(f"c.yaml:1: `{key}` is missing")


@pytest.mark.parametrize("key", ["seed", "limit"])
def test_a_whole_number_written_as_a_fraction_never_stays_one(key: str) -> None:
    text = PLAIN.replace("one}", f"one, {key}: 42.0}}")
    try:
        config = load(text)
    except UsageError as error:
        assert str(error).startswith(f"c.yaml:2: run.{key}: ")
    else:
        assert type(config.data["run"][key]) is int


@pytest.mark.parametrize("bad", [".nan", ".inf", "1e999"])
def test_numbers_that_are_none_are_refused(bad: str) -> None:
    with pytest.raises(SealkitError) as caught:
        load(HEAD + f"stages:\n  t:\n    uses: toy.train\n    with: {{loss: mnr, rate: {bad}}}\n")
    assert str(caught.value) == (
        f"c.yaml:6: holds {bad}, which is no finite number\n  fix: write a finite number or null"
    )


def test_a_wrong_value_is_told_before_an_unknown_key_is_guessed_at() -> None:
    said = refusal(PLAIN + "retriever:\n  top_k: ten\n  top_j: 3\n")
    assert said == 'c.yaml:6: retriever.top_k: input should be a valid integer, found "ten"'


# expect, limit


def test_expectations_are_held_against_the_contract() -> None:
    assert refusal(PLAIN + "expect: null\n") == "c.yaml:5: expect: expected array, found null"
    assert load(PLAIN + "expect:\n  - {metric: a, at_least: 0.5}\n").data["expect"] == [
        {"metric": "a", "at_least": 0.5}
    ]


@pytest.mark.parametrize("purpose", ["bench", "prod"])
def test_a_limit_makes_it_a_smoke_run_whatever_it_was_called(purpose: str) -> None:
    config = load(PLAIN.replace("one}", f"one, purpose: {purpose}}}"), "run.limit=5")
    assert config.data["run"]["purpose"] == "smoke"
    assert config.provenance()["/run/purpose"] == "command line via run.limit"


def test_a_limit_makes_it_a_smoke_run_by_default() -> None:
    config = load(PLAIN.replace("one}", "one, limit: 5}"))
    assert config.data["run"]["purpose"] == "smoke"
    assert config.provenance()["/run/purpose"] == "sources/c.yaml:2 via run.limit"


def test_a_smoke_run_needs_no_limit_and_says_who_called_it_so() -> None:
    config = load(PLAIN.replace("one}", "one, purpose: smoke, limit: 5}"))
    assert config.data["run"]["purpose"] == "smoke"
    assert config.provenance()["/run/purpose"] == "sources/c.yaml:2"
    assert load(PLAIN, "run.purpose=smoke").data["run"]["limit"] is None


def test_no_limit_leaves_the_purpose_alone() -> None:
    assert load(PLAIN.replace("one}", "one, purpose: prod, limit: null}")).data["run"]["purpose"] == "prod"


# Overrides


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("7", "7 is no text"),
        ('"7"', "7"),
        ("a b", "a b"),
        ("", ""),
        ("a=b", "a=b"),
        ("no", "no"),
        ("null", None),
        ("~", None),
    ],
)
def test_the_value_of_an_override_is_read_as_in_the_file(raw: str, value: str | None) -> None:
    if raw == "7":
        assert refusal(PLAIN, "stages.build.with.note=7") == (
            "override stages.build.with.note=7: stages.build.with.note: input should be a valid string, found 7"
        )
    else:
        assert load(PLAIN, f"stages.build.with.note={raw}").data["stages"]["build"]["with"]["note"] == value


def test_an_override_may_hold_a_list_or_a_mapping() -> None:
    config = load(PLAIN, "retriever.measures=[a, 'b c']", "model.pool={mode: cls}")
    assert config.data["retriever"]["measures"] == ["a", "b c"]
    assert config.data["model"]["pool"] == {"mode": "cls", "scale": 1.0}


def test_a_mapping_on_the_command_line_is_merged_and_not_swapped_in() -> None:
    config = load(PLAIN + "model: {base: a, max_length: 8}\n", "model={max_length: 9}")
    assert config.data["model"] == {"base": "a", "max_length": 9, "pool": {"mode": "mean", "scale": 1.0}}


def test_of_two_overrides_the_later_wins() -> None:
    config = load(PLAIN, "run.seed=1", "run.seed=2")
    assert config.data["run"]["seed"] == 2
    assert refusal(PLAIN, "run.seed=1", "run.seed=x") == (
        'override run.seed=x: run.seed: expected integer, found string "x"'
    )


@pytest.mark.parametrize("text", ["seed", "=7", "run..seed=7", ".seed=7", "run.=7", "run seed=7", "9=7", ""])
def test_what_is_no_override(text: str) -> None:
    assert refusal(PLAIN, text) == f"override {text!r}: expected KEY=VALUE, as run.seed=7"


def test_an_override_below_a_value_that_has_no_keys() -> None:
    assert refusal(PLAIN, "run.name.first=a") == (
        "override 'run.name.first=a': run.name is 'one', which has no keys below it"
    )
    assert refusal(PLAIN + "retriever: {measures: [a]}\n", "retriever.measures.first=a") == (
        "override 'retriever.measures.first=a': retriever.measures is ['a'], which has no keys below it"
    )


def test_an_override_that_is_no_yaml() -> None:
    with pytest.raises(SealkitError) as caught:
        load(PLAIN, "run.seed=[1")
    assert str(caught.value) == (
        "override run.seed:1: is not YAML: expected ',' or ']', but got '<stream end>'\n  fix: correct the line"
    )


def test_an_override_of_a_section_that_the_file_leaves_out() -> None:
    assert load(PLAIN, "retriever.top_k=5").data["retriever"]["top_k"] == 5


def test_an_override_may_add_a_stage() -> None:
    config = load(PLAIN, "stages.more.uses=toy.nothing")
    assert config.data["stages"]["more"] == {"uses": "toy.nothing", "in": {}, "with": {}}


# YAML means what it looks like


@pytest.mark.parametrize(
    "text",
    ["no", "yes", "on", "off", "y", "12:30:00", "2024-01-01", "1_000", "0b11", "1e", "+", "=", "0x", "Null0", "0o8"],
)
def test_text_that_older_yaml_takes_for_something_else(text: str) -> None:
    assert load(with_note(text)).data["stages"]["build"]["with"]["note"] == text


@pytest.mark.parametrize(
    ("text", "value"),
    [("5e-5", 5e-5), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-1E+2", -100.0), ("3", 3.0), ("017", 17.0)],
)
def test_numbers_that_older_yaml_takes_for_text(text: str, value: float) -> None:
    config = load(HEAD + f"stages: {{t: {{uses: toy.train, with: {{loss: mnr, rate: {text}}}}}}}\n")
    assert config.data["stages"]["t"]["with"]["rate"] == value


@pytest.mark.parametrize(("text", "value"), [("0o17", 15), ("0xFF", 255), ("010", 10), ("+3", 3)])
def test_whole_numbers(text: str, value: int) -> None:
    assert load(PLAIN, f"retriever.top_k={text}").data["retriever"]["top_k"] == value


@pytest.mark.parametrize("text", ["yes", "on", "no", "'true'", "1"])
def test_only_true_and_false_are_true_and_false(text: str) -> None:
    found = "1" if text == "1" else '"' + text.strip("'") + '"'
    assert refusal(PLAIN, f"retriever.fast={text}") == (
        f"override retriever.fast={text}: retriever.fast: input should be a valid boolean, found {found}"
    )


def test_true_is_true() -> None:
    assert load(PLAIN, "retriever.fast=True").data["retriever"]["fast"] is True


def test_a_tagged_value_is_honoured_or_refused_but_never_misread() -> None:
    try:
        config = load(with_note("!!str 42"))
    except UsageError:
        return
    assert config.data["stages"]["build"]["with"]["note"] == "42"


@pytest.mark.parametrize("text", ["!!python/name:os.system ''", "!!python/object/apply:os.getcwd []", "!mine x"])
def test_tags_that_name_code_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(with_note(text))
    assert str(caught.value).startswith("c.yaml:7: uses the tag `")


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    plain = load(with_note("here"))
    Path("c.yaml").write_bytes(b"\xef\xbb\xbf" + with_note("here").replace("\n", "\r\n").encode())
    windows = configuration.load(Path("c.yaml"), [], BUILT_IN.contracts["pipeline/v1"], lambda *_: SECTIONS, params_of)
    assert windows.data == plain.data
    assert windows.provenance() == plain.provenance()


@pytest.mark.parametrize("text", ["retriever.measures.0=a", "retriever.measures[0]=a", "retriever.measures.0.x=a"])
def test_an_item_of_a_list_cannot_be_overridden_by_itself(text: str) -> None:
    assert refusal(PLAIN, text) == (
        f"override {text!r}: an item of a list cannot be overridden by itself\n"
        "  fix: give the whole list: 'retriever.measures=[…]'"
    )


# Sections


def test_a_config_has_the_sections_of_its_own_domains_and_those_that_it_writes() -> None:
    sections = BUILT_IN.sections
    assert {"retriever", "model"} <= set(sections({"retrieval"})) and "train" not in sections({"retrieval"})
    assert {"train", "validation"} <= set(sections({"genotype"})) and "model" not in sections({"genotype"})
    assert set(sections({"process"}, ["run", "model", "stages"])) == {"model"}  # for values that it refers to itself
    assert set(sections({"genotype"}, ["model"])) == {*sections({"genotype"}), "model"}
