"""Layouts: which files are which artifacts, and where a stage's outputs go."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit import layout
from sealkit.layout import Layout, Rule
from sealkit.pack import BUILT_IN
from sealkit.read import yaml

LAYOUTS = sorted((Path(__file__).parent.parent / "spec" / "layouts").glob("*.yaml"))
OURS = [path for path in LAYOUTS if path.stem == "native"]
NATIVE = BUILT_IN.layout()


def test_each_layout_is_of_run_directories_or_of_trees() -> None:
    assert [path.stem for path in OURS] == ["native"]
    assert [path.stem for path in LAYOUTS if path not in OURS] == list(BUILT_IN.tree_layouts)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_a_layout_names_contracts_that_there_are(path: Path) -> None:
    document = yaml.read(path).data
    assert set(document) == {"layout", "recognised_by", "artifacts"}
    assert re.fullmatch(rf"{path.stem}/v[1-9][0-9]*", document["layout"])
    for rule in document["artifacts"]:
        assert {"path", "contract"} <= set(rule) <= {"path", "contract", "promised"}
        assert rule["contract"] in BUILT_IN.contracts
        assert rule.get("promised") in ("always", "sealed", None)
        assert rule["path"].endswith("." + BUILT_IN.contracts[rule["contract"]].media)
    assert len({rule["path"] for rule in document["artifacts"]}) == len(document["artifacts"])


@pytest.mark.parametrize(
    ("name", "contract"),
    [
        ("run_metadata.json", "run_metadata/v1"),
        ("resolved_config.json", "resolved_config/v1"),
        ("summary.json", "summary/v1"),
        ("metrics.json", "metrics/v1"),
        ("stages/data/corpus.jsonl", "corpus/v1"),
        ("stages/data/test_corpus.jsonl", "corpus/v1"),
        ("stages/data/train_queries.jsonl", "queries/v1"),
        ("stages/data/dev_qrels.jsonl", "qrels/v1"),
        ("stages/search/rankings.jsonl", "rankings/v1"),
        ("stages/evaluate/per_query_metrics.jsonl", "per_query_metrics/v1"),
        ("stages/train/metric_history.jsonl", "metric_history/v1"),
        ("stages/train/search_history.jsonl", "search_history/v1"),
        ("stages/search/search_manifest.json", "search_manifest/v2"),
        ("stages/index/index/index_manifest.json", "index_manifest/v2"),
        ("stages/data/mask.json", "mask/v1"),
        ("stages/data/train_mask.json", "mask/v1"),
        ("stages/train/model/model_manifest.json", "model_manifest/v1"),
        ("stages/train/checkpoints/step_40/model_manifest.json", "model_manifest/v1"),
        ("seal/observed.json", "observed/v1"),
    ],
)
def test_a_file_is_an_artifact_by_its_place(name: str, contract: str) -> None:
    rule = NATIVE.rule(name)
    assert rule and (rule.contract, rule.kind) == (contract, contract.split("/")[0])


@pytest.mark.parametrize(
    "name",
    ["", "metrics.JSON", "metrics.json.bak", "deep/metrics.json", "stages/metrics.json", "stages/data/deep/corpus.jsonl", "corpus.jsonl", "stages/data/corpus.json", "stages/corpus.jsonl", "logging.jsonl",
     "sources/base.yaml", "seal/seal.json", "seal/report.json", "stages/index/index_manifest.json", "stages/a/b/c/d/model_manifest.json", "stages/index/index/index.faiss", "/metrics.json", "./metrics.json"],
)  # fmt: skip
def test_other_files_are_none(name: str) -> None:
    assert NATIVE.rule(name) is None


def test_what_is_promised_is_told() -> None:
    promised = {rule.path: rule.promised for rule in NATIVE.rules if rule.promised}
    assert promised == {
        "run_metadata.json": "always",
        "resolved_config.json": "always",
        "summary.json": "always",
        "metrics.json": "always",
        "seal/observed.json": "sealed",
    }


def test_a_glob_holds_within_one_folder() -> None:
    rule = Rule("a/*/c*.json", "metrics/v1", None)
    assert [
        rule.matches(name)
        for name in ("a/b/c.json", "a//c1.json", "a/b/x/c.json", "a/c.json", "b/b/c.json", "a/b/C.json")
    ] == [True, True, False, False, False, False]


def test_the_first_rule_decides() -> None:
    two = Layout("x/v1", "a", (Rule("*.json", "metrics/v1", None), Rule("a.json", "summary/v1", None)))
    rule = two.rule("a.json")
    assert rule and rule.contract == "metrics/v1"


def test_a_layout_is_read_from_its_document() -> None:
    document = {
        "layout": "x/v1",
        "recognised_by": "a.json",
        "artifacts": [
            {"path": "a.json", "contract": "metrics/v1", "promised": "always"},
            {"path": "b", "contract": "qrels/v1"},
        ],
    }
    assert layout.parse(document) == Layout(
        "x/v1", "a.json", (Rule("a.json", "metrics/v1", "always"), Rule("b", "qrels/v1", None))
    )


# Where outputs go


@pytest.mark.parametrize(
    ("contract", "output", "expected"),
    [
        ("corpus/v1", "corpus", ("stages/s/corpus.jsonl", False)),
        ("corpus/v1", "test_corpus", ("stages/s/test_corpus.jsonl", False)),
        ("qrels/v1", "train", ("stages/s/train_qrels.jsonl", False)),
        ("rankings/v1", "rankings", ("stages/s/rankings.jsonl", False)),
        ("search_manifest/v2", "manifest", ("stages/s/manifest_search_manifest.json", False)),
        ("search_manifest/v2[]", "searches", ("stages/s/searches", True)),
        ("model_manifest/v1", "model", ("stages/s/model", True)),
        ("index_manifest/v2", "index", ("stages/s/index", True)),
        ("index_manifest/v1", "index", ("stages/s/index", True)),  # of a stage that knows no newer one
    ],
)
def test_an_output_has_its_place(contract: str, output: str, expected: tuple[str, bool]) -> None:
    assert NATIVE.place(contract, "s", output) == expected


PLACED = sorted({rule.contract for rule in NATIVE.rules if rule.path.startswith("stages/")})
names = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True) | st.sampled_from(
    ["corpus", "queries", "qrels", "rankings", "metric_history", "model_manifest", "json"]
)


@given(st.sampled_from(PLACED), names, names)
def test_what_lies_at_its_place_is_what_it_was_placed_as(contract: str, stage: str, output: str) -> None:
    place, folder = NATIVE.place(contract, stage, output)
    assert place.startswith(f"stages/{stage}/{output}")
    rule = NATIVE.rule(f"{place}/{contract.split('/')[0]}.json" if folder else place)
    assert rule and rule.contract == contract


@given(st.sampled_from(PLACED), st.lists(names, min_size=2, max_size=2, unique=True))
def test_two_outputs_have_two_places(contract: str, outputs: list[str]) -> None:
    one, other = (NATIVE.place(contract, "s", output)[0] for output in outputs)
    kind = contract.split("/")[0]
    # `train` and `train_qrels` would be one file: a stage must not have both.
    assert one != other or sorted(outputs, key=len)[0] + f"_{kind}" == sorted(outputs, key=len)[1]


@pytest.mark.parametrize(
    "contract",
    ["seal/v1", "run_metadata/v1", "corpus/v2", "index_manifest/v3", "index_manifest/v0", "corpus", "nothing/v1"],
)
def test_what_no_stage_may_write_has_no_place(contract: str) -> None:
    with pytest.raises(LookupError, match=f"^the layout native/v1 has no place for {contract}$"):
        NATIVE.place(contract, "s", "out")
