"""What the documentation shows is what the toolkit takes."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest

from sealkit import expectation, matrix_config, policy
from sealkit.cli import VERBS
from sealkit.matrix_plan import plans
from sealkit.pack import BUILT_IN
from sealkit.project import Settings
from sealkit.read import yaml

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
    (shown,) = blocks(ROOT / "docs/matrix.md", "yaml")
    (tmp_path / "docs").mkdir()
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "docs" / "matrix.yaml").write_text(shown, "utf-8")
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
