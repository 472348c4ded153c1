"""What the documentation shows is what the toolkit takes."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from sealkit import expectation, matrix_config, policy
from sealkit.cli import VERBS
from sealkit.matrix_plan import plans
from sealkit.pack import BUILT_IN
from sealkit.project import Settings
from sealkit.read import yaml
from sealkit.trees.gather import gather
from sealkit.trees.recognise import recognise
from sealkit.trees.statement import LINE
from tests.trees import write

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_expectation_shown_is_one(page: Path) -> None:
    for block in blocks(page, "yaml"):
        for entry in yaml.parse(block, page.name).data.get("expect", []):
            promise = expectation.parse(entry)
            assert all(BUILT_IN.metric_keys.find(name) for name in promise.metric_names()), entry


def test_the_waivers_shown_are_complete(tmp_path: Path) -> None:
    (shown,) = (block for block in blocks(ROOT / "docs/expectations.md", "yaml") if "waivers/v1" in block)
    (tmp_path / "waivers.yaml").write_text(shown)
    found = policy.read(tmp_path / "waivers.yaml", BUILT_IN.contracts["waivers/v1"], BUILT_IN.checks)
    assert [waiver.problem for waiver in found.waivers] == [None]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_verb_shown_is_one(page: Path) -> None:
    shown = set(re.findall(r"\btoolkit ([a-z]+)", page.read_text("utf-8")))
    assert shown <= set(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_stage_shown_is_one(page: Path) -> None:
    assert set(re.findall(r"uses: ([a-z_.]+)", page.read_text("utf-8"))) <= set(BUILT_IN.stage_names)


def test_the_matrix_shown_is_one(tmp_path: Path) -> None:
    shown, consumers, *_ = blocks(ROOT / "docs/matrix.md", "yaml")
    (tmp_path / "docs").mkdir()
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "docs" / "matrix.yaml").write_text(shown + consumers, "utf-8")
    pytest.importorskip("bm25s")  # the libraries of the stages are there, or planning refuses
    found = matrix_config.read(tmp_path / "docs" / "matrix.yaml", BUILT_IN.contracts["matrix_config/v1"])
    planned = plans(found.experiments, tmp_path / "outputs" / found.name, BUILT_IN)
    assert [one.plan.root.name for one in planned][3:] == [
        f"{row}-seed{n}" for row in ("post_ft", "hn_ft") for n in (1, 2, 3)
    ]


def test_the_settings_shown_are_settings() -> None:
    (shown,) = blocks(ROOT / "docs/runs.md", "toml")
    section = tomllib.loads(shown)["tool"]["sealkit"]
    assert section.keys() <= set(Settings.__dataclass_fields__)
    assert section["severities"].keys() <= set(BUILT_IN.checks)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/fingerprint.md"])
def test_the_lines_that_guard_an_index_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faiss = pytest.importorskip("faiss")
    transformers = pytest.importorskip("sentence_transformers")
    from tests.tiny import tiny_model

    (shown,) = (block for block in blocks(ROOT / page, "python") if "describe_index" in block)
    model = transformers.SentenceTransformer(str(tiny_model(tmp_path / "tiny", seed=1)), device="cpu")
    texts = [f"file number {i} of twelve" for i in range(12)]
    index = faiss.IndexFlatIP(32)
    index.add(model.encode(texts, normalize_embeddings=True))
    monkeypatch.chdir(tmp_path)
    faiss.write_index(index, "docs.faiss")
    Path("lines.py").write_text(f"import sealkit\n{shown}", "utf-8")
    found = runpy.run_path("lines.py", {"model": model, "texts": texts})
    assert found["index"].replay.encoded
    hits = found["index"].search(found["encoder"].queries(texts[:1]), 10)
    assert hits.rows[0, 0] == 0
    assert found.get("rows", hits.rows).shape == (1, 10)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_that_is_linked_is_there(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


# Layouts of trees

WORDS = re.findall(
    r"^\| (\w+) \| (\w+) \| .* \| (.*)\|$", (ROOT / "spec/layouts/README.md").read_text("utf-8"), re.MULTILINE
)


def test_the_words_of_layouts_are_those_that_ours_say() -> None:
    said: dict[tuple[str, str], set[str]] = {}
    for layout in BUILT_IN.tree_layouts.values():
        for says in (says for source in layout.sources for says in source.says):
            said.setdefault((says.of, says.what), set()).update([says.by] if says.by else [])
    told = {(of, what): set(re.findall(r"`(\w+)`", by)) for of, what, by in WORDS if of != "of"}
    assert told == said
    assert len(WORDS) == len(told) + 1  # the head of the table


def test_the_words_of_a_layout_stand_in_the_order_of_its_schema() -> None:
    sorts = BUILT_IN.contracts["tree_layout/v1"].schema["properties"]["files"]["items"]["properties"]["says"]["items"][
        "properties"
    ]["of"]["enum"]
    assert list(dict.fromkeys(of for of, _, _ in WORDS if of != "of")) == sorts


def test_the_layout_shown_is_one_and_reads_such_a_tree(tmp_path: Path) -> None:
    (shown,) = blocks(ROOT / "docs/layouts.md", "yaml")
    tree = {
        "t/study.json": '{"made_by": "us"}',
        "t/runs/a/metrics.json": '{"test": {"acc": 0.5}}',
        "t/runs/a/train.log": "loading model my/model\n",
    }
    write(tmp_path, {**tree, "study.yaml": shown})
    found = recognise(tmp_path / "t", BUILT_IN, str(tmp_path / "study.yaml"))
    assert found
    statements = gather(found.layout, found.root, found.names).statements
    assert [(one["what"], one["key"], one["value"]) for one in statements] == [
        ("metric", "test/acc", 0.5),
        ("model", None, "my/model"),
    ]


def test_the_page_names_every_media_of_the_schema_that_a_tree_of_ones_own_has() -> None:
    files = BUILT_IN.contracts["tree_layout/v1"].schema["properties"]["files"]["items"]["properties"]
    page = (ROOT / "docs/layouts.md").read_text("utf-8")
    own = [media for media in files["media"]["enum"] if media not in ("rankings", "run")]  # of what sealkit wrote
    assert [media for media in own if not re.search(rf"\b{media}\b", page)] == []
    assert (
        f"{LINE:,} characters" in page
        and f"{LINE:,} characters" in files["says"]["items"]["properties"]["line"]["description"]
    )


def test_every_field_of_a_layout_is_told() -> None:
    def undescribed(node: dict[str, Any]) -> list[str]:
        inner = node.get("items", node)
        own = [name for name, field in inner.get("properties", {}).items() if "description" not in field]
        return own + [one for field in inner.get("properties", {}).values() for one in undescribed(field)]

    assert undescribed(dict(BUILT_IN.contracts["tree_layout/v1"].schema)) == []
