"""The stages by themselves: handed small inputs, and from fine-tuning to evaluation with a model made on the spot."""

from __future__ import annotations

import ast
import copy
import json
import platform
import secrets
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from sealkit import digest, manifest, measures
from sealkit.finding import Refused, UsageError
from sealkit.fingerprint import ABSENT, State, of_inputs
from sealkit.fingerprint import value as value_of
from sealkit.pack import BUILT_IN
from sealkit.stage import Context, Input, Out, Ready
from sealkit.stages.common import ranking

QUICK = settings(deadline=None, max_examples=100)
COMMIT = "c" * 40


def context(workspace: Path, *, seed: int = 42, limit: int | None = None, name: str = "one") -> Context:
    return Context(
        run_id="run-1",
        run_name=name,
        stage="stage",
        seed=seed,
        limit=limit,
        device="cpu",
        workspace=workspace,
        models=workspace / "models",
        scratch=workspace / "scratch" / secrets.token_hex(4),
        commit=COMMIT,
        say=lambda line: None,
        report=lambda what, done, total: None,
        used_device=lambda device, threads: None,
    )


def written(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def artifact(path: Path, kind: str, name: str | None = None) -> Input:
    """An input as the engine hands it to a stage."""
    found = digest.tree(path) if path.is_dir() else digest.file(path)
    return Input(name or path.stem, newest(kind), path, found)


def newest(kind: str) -> str:
    """The contract that stages of today write."""
    return max(
        (contract for contract in BUILT_IN.contracts.values() if contract.kind == kind), key=lambda c: c.version
    ).id


def a_model(path: Path, name: str = "package:tiny") -> Input:
    return Input(name, "model_manifest/v1", path, digest.weights(path).digest, digest.tree(path))


def problems(path: Path, kind: str) -> list[str]:
    found, judged = BUILT_IN.contracts[newest(kind)].problems(path, path.name)
    assert judged
    return [finding.message for finding in found]


def run(uses: str, inputs: Mapping[str, Input], params: Mapping[str, Any], folder: Path, ctx: Context) -> Path:
    """Run a stage into a new folder, each output at its own name; folders exist as the engine makes them."""
    stage = BUILT_IN.stage(uses)
    folder.mkdir(parents=True)
    places = {}
    for output, contract in stage.outputs.items():
        _, as_folder = BUILT_IN.layout().place(contract, "stage", output)
        places[output] = folder / (output if as_folder else f"{output}.jsonl")
        if as_folder:
            places[output].mkdir()
    stage.run(inputs, stage.params.model_validate(dict(params)), Out(places), ctx)
    return folder


def completed(folder: Path) -> None:
    """Put the digests into every manifest below a folder: the part that the engine does."""
    for path in sorted(folder.rglob("model_manifest.json")):
        found = digest.weights(path.parent)
        said = json.loads(path.read_text("utf-8")) | {
            "tree": digest.tree(path.parent, without=[path.name]),
            "weights": found.digest,
            "tensors": found.tensors,
            "excluded": list(found.excluded),
        }
        path.write_text(json.dumps(said), "utf-8")
    for path in sorted(folder.rglob("index_manifest.json")):
        said = json.loads(path.read_text("utf-8"))
        whole = manifest.whole(said, path.parent, manifest.companions(path.parent))
        path.write_text(json.dumps(whole), "utf-8")


# Ranking: the tie rule


@dataclass
class Search:
    """Scores held fast, and how often and how deep they were asked for. Ties come back in whatever order was drawn."""

    scores: NDArray[np.float32]
    noise: NDArray[np.float64]
    asked: list[int]

    def __call__(self, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        self.asked.append(k)
        found = np.array(
            [
                sorted(range(len(line)), key=lambda i: (-line[i], self.noise[i]))[:k]
                for line in self.scores.astype(float).tolist()
            ],
            dtype=np.int64,
        ).reshape(len(self.scores), k)
        return np.take_along_axis(self.scores, found, axis=1), found


def brute_force(scores: NDArray[np.float32], ids: Sequence[str], top_k: int) -> list[list[tuple[str, float]]]:
    found = []
    for line in scores.astype(float).tolist():
        pairs = sorted(zip(ids, line, strict=True), key=lambda pair: pair[0], reverse=True)
        found.append(sorted(pairs, key=lambda pair: -pair[1])[:top_k])
    return found


@st.composite
def searches(draw: st.DrawFn) -> tuple[Search, list[str], int]:
    count = draw(st.integers(1, 30))
    ids = draw(st.lists(st.text(min_size=1, max_size=3), min_size=count, max_size=count, unique=True))
    few = st.sampled_from([0.0, 0.25, 0.5, 0.75, -0.5])
    lines = draw(st.lists(st.lists(few, min_size=count, max_size=count), min_size=1, max_size=3))
    noise = draw(st.lists(st.floats(0, 1), min_size=count, max_size=count))
    return Search(np.array(lines, dtype=np.float32), np.array(noise), []), ids, draw(st.integers(1, count + 3))


@QUICK
@given(searches())
def test_a_ranking_is_that_of_sorting_everything(case: tuple[Search, list[str], int]) -> None:
    search, ids, top_k = case
    assert list(ranking.ranked(search, ids, top_k)) == brute_force(search.scores, ids, top_k)
    assert max(search.asked) <= len(ids)
    assert search.asked == sorted(set(search.asked)), "each time deeper, and never twice as deep as needed"


def test_of_documents_with_one_score_the_last_by_id_comes_first() -> None:
    search = Search(np.array([[0.5, 0.9, 0.5, 0.5]], dtype=np.float32), np.arange(4.0), [])
    assert list(ranking.ranked(search, ["d10", "a", "d2", "d9"], 3)) == [
        [("a", pytest.approx(0.9)), ("d9", 0.5), ("d2", 0.5)]
    ]


def test_a_tie_across_the_boundary_is_fetched_to_its_end() -> None:
    scores = np.array([[1.0] + [0.5] * 40 + [0.1] * 10], dtype=np.float32)
    ids = [f"d{i:02}" for i in range(51)]
    search = Search(scores, np.arange(51.0), [])
    assert list(ranking.ranked(search, ids, 3)) == [[("d00", 1.0), ("d40", 0.5), ("d39", 0.5)]]
    assert search.asked == [4, 8, 16, 32, 51]


def test_without_a_tie_at_the_boundary_one_search_is_enough() -> None:
    search = Search(np.array([[0.9, 0.5, 0.5, 0.1]], dtype=np.float32), np.arange(4.0), [])
    assert list(ranking.ranked(search, ["a", "b", "c", "d"], 3)) == [
        [("a", pytest.approx(0.9)), ("c", 0.5), ("b", 0.5)]
    ]
    assert search.asked == [4]


def test_more_may_be_asked_for_than_there_is() -> None:
    search = Search(np.array([[0.25, 0.5]], dtype=np.float32), np.arange(2.0), [])
    assert list(ranking.ranked(search, ["a", "b"], 100)) == [[("b", 0.5), ("a", 0.25)]]


@QUICK
@given(st.integers(1, 6), st.integers(1, 12), st.integers(1, 14), st.integers(0, 2**32 - 1))
def test_exact_search_is_that_of_the_inner_products(queries: int, documents: int, top_k: int, seed: int) -> None:
    chance = np.random.Generator(np.random.PCG64(seed))
    asked = chance.integers(-2, 3, size=(queries, 4)).astype(np.float32)
    vectors = chance.integers(-2, 3, size=(documents, 4)).astype(np.float32)
    ids = [f"d{i}" for i in range(documents)]
    found = list(ranking.ranked(ranking.exact(asked, vectors), ids, top_k))
    assert found == brute_force(asked @ vectors.T, ids, top_k)


# Scores and evaluation

QRELS = {
    "q1": {"a": 2, "b": 0, "c": 1},
    "q2": {"a": 1},
    "unanswered": {"b": 1},
    "none relevant": {"a": 0},
}
RANKED = {"q1": ["x", "c", "a"], "q2": ["b", "a"], "none relevant": ["a"], "never judged": ["a"]}
MEASURES = ["nDCG@10", "RR@10", "R@2", "R@100", "P@5", "AP@10", "Success@1"]


def judged(
    folder: Path, qrels: Mapping[str, Mapping[str, int]], ranked: Mapping[str, Sequence[str]]
) -> dict[str, Input]:
    """Rankings and judgments as files."""
    judgments = [
        {"query_id": query, "doc_id": doc, "relevance": grade}
        for query, grades in qrels.items()
        for doc, grade in grades.items()
    ]
    found = [
        {"query_id": query, "doc_id": doc, "rank": rank, "score": 1 / rank}
        for query, docs in ranked.items()
        for rank, doc in enumerate(docs, 1)
    ]
    return {
        "rankings": artifact(written(folder / "rankings.jsonl", found), "rankings"),
        "qrels": artifact(written(folder / "qrels.jsonl", judgments), "qrels"),
    }


def test_values_per_query_are_those_of_our_own_measures() -> None:
    pytest.importorskip("ir_measures")
    from sealkit.stages.common import scores

    lines = ((query, doc, rank) for query, docs in RANKED.items() for rank, doc in enumerate(docs, 1))
    found = scores.per_query(MEASURES, lines, QRELS)
    ours = measures.per_query(MEASURES, RANKED.items(), QRELS)
    assert found.keys() == ours.keys()
    for name in MEASURES:
        assert found[name] == pytest.approx(ours[name], abs=1e-12)


def test_ranks_count_and_not_the_order_of_the_lines() -> None:
    pytest.importorskip("ir_measures")
    from sealkit.stages.common import scores

    lines = [("q", "a", 2), ("q", "c", 3), ("q", "b", 1)]
    assert scores.per_query(["RR@10"], lines, {"q": {"b": 1}}) == {"RR@10": {"q": 1.0}}
    assert scores.per_query(["RR@10"], lines, {"q": {"c": 1}}) == {"RR@10": {"q": pytest.approx(1 / 3)}}


def test_evaluate_writes_a_row_for_every_judged_query_and_the_means(tmp_path: Path) -> None:
    pytest.importorskip("ir_measures")
    inputs, ctx = judged(tmp_path, QRELS, RANKED), context(tmp_path)
    out = run("retrieval.evaluate", inputs, {"subset": "dev", "measures": MEASURES}, tmp_path / "out", ctx)
    assert problems(out / "per_query_metrics.jsonl", "per_query_metrics") == []
    found = rows(out / "per_query_metrics.jsonl")
    assert [(row["query_id"], row["measure"]) for row in found] == [
        (query, name) for query in QRELS for name in MEASURES
    ]
    ours = measures.per_query(MEASURES, RANKED.items(), QRELS)
    assert all(row["value"] == pytest.approx(ours[row["measure"]][row["query_id"]], abs=1e-12) for row in found)
    assert ctx.metrics == pytest.approx(
        {f"retrieval/dev/{name}": measures.mean(ours[name]) for name in MEASURES}, abs=1e-12
    )
    assert ctx.counters == {"judged_queries": 4}


def test_evaluate_of_nothing_found_is_nought(tmp_path: Path) -> None:
    pytest.importorskip("ir_measures")
    ctx = context(tmp_path)
    run("retrieval.evaluate", judged(tmp_path, {"q": {"a": 1}}, {}), {}, tmp_path / "out", ctx)
    assert ctx.metrics == {f"retrieval/test/{name}": 0.0 for name in ("nDCG@10", "RR@10", "R@10", "R@100")}


@pytest.mark.parametrize("names", [[], ["nDCG@10", "nDCG@10"], ["nDCG"], ["MAP@10"], ["nDCG@0"]])
def test_measures_that_cannot_be_written_are_refused_before_anything_runs(names: list[str]) -> None:
    with pytest.raises(ValidationError):
        BUILT_IN.stage("retrieval.evaluate").params.model_validate({"measures": names})


NEGATIVE = """
import random, sys
from sealkit import measures
from sealkit.stages.common import scores
chance = random.Random(1)
names = [f"{family}@{k}" for family in ("nDCG", "R", "P", "AP", "Success") for k in (1, 3, 10, 100)]
documents = [f"d{i}" for i in range(14)]
for _ in range(1500):
    qrels = {q: {d: chance.randint(-2, 4) for d in chance.sample(documents, chance.randint(1, 6))} for q in ("q1", "q2")}
    ranked = {q: chance.sample(documents, chance.randint(0, 10)) for q in qrels}
    lines = [(q, d, rank) for q, docs in ranked.items() for rank, d in enumerate(docs, 1)]
    theirs, ours = scores.per_query(names, lines, qrels), measures.per_query(names, ranked.items(), qrels)
    for name in names:
        assert all(abs(theirs[name][q] - ours[name][q]) < 1e-12 for q in qrels), (name, qrels, ranked)
"""


def test_negative_grades_do_not_bring_the_process_down() -> None:
    """`qrels/v1` allows them (TREC's -1 and -2), and pytrec_eval writes past its memory on them."""
    pytest.importorskip("ir_measures")
    done = subprocess.run([sys.executable, "-c", NEGATIVE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-500:]


# The standard library as a data set

SPLITS = ("train", "dev", "test")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small library in the place of the real one."""
    folder = tmp_path / "library"
    folder.mkdir()
    real = sysconfig.get_paths
    monkeypatch.setattr(sysconfig, "get_paths", lambda *a, **k: real(*a, **k) | {"stdlib": str(folder)})
    for module in range(20):
        functions = [
            f'def f{i}(x):\n    """Give back number {i} of module {module}. And more."""\n    y = {module * 100 + i}\n    return x + y\n'
            for i in range(3)
        ]
        (folder / f"m{module}.py").write_text("\n\n".join(functions))
    return folder


def data(tmp_path: Path, name: str = "data", *, ctx: Context | None = None, **params: Any) -> Path:
    return run("retrieval.stdlib_code", {}, params, tmp_path / name, ctx or context(tmp_path))


def documents(folder: Path) -> dict[str, str]:
    return {row["doc_id"]: row["text"] for split in SPLITS for row in rows(folder / f"{split}_corpus.jsonl")}


def only(library: Path, source: str | bytes) -> None:
    """Leave one module of interest among those that fill the splits."""
    content = source.encode() if isinstance(source, str) else source
    (library / "interest.py").write_bytes(content)


def of_interest(folder: Path) -> dict[str, tuple[str, str]]:
    """name → (query, document) of what came from that module."""
    queries = {row["query_id"]: row["text"] for split in SPLITS for row in rows(folder / f"{split}_queries.jsonl")}
    prefix = f"stdlib-{platform.python_version()}/interest.py::"
    return {i.removeprefix(prefix): (queries[i], text) for i, text in documents(folder).items() if i.startswith(prefix)}


def test_every_split_keeps_its_contracts_and_answers_itself(library: Path, tmp_path: Path) -> None:
    ctx = context(tmp_path)
    folder = data(tmp_path, ctx=ctx)
    for split in SPLITS:
        for kind in ("corpus", "queries", "qrels"):
            assert problems(folder / f"{split}_{kind}.jsonl", kind) == []
        ids = [row["doc_id"] for row in rows(folder / f"{split}_corpus.jsonl")]
        assert ids == [row["query_id"] for row in rows(folder / f"{split}_queries.jsonl")]
        assert rows(folder / f"{split}_qrels.jsonl") == [{"query_id": i, "doc_id": i, "relevance": 1} for i in ids]
        assert ctx.counters[f"{split}_pairs"] == len(ids)
    assert ctx.facts["pairs_found"] == 60
    assert ctx.facts["licence"] == "PSF-2.0"
    assert ctx.facts["python"] == platform.python_version()


def test_ids_name_the_version_of_python(library: Path, tmp_path: Path) -> None:
    assert all(i.startswith(f"stdlib-{platform.python_version()}/m") for i in documents(data(tmp_path)))
    assert f"stdlib-{platform.python_version()}/m3.py::f1" in documents(data(tmp_path, "again"))


def test_the_splits_share_no_module_no_query_and_no_document(library: Path, tmp_path: Path) -> None:
    for name in ("copy1", "copy2"):
        (library / f"{name}.py").write_text((library / "m1.py").read_text().replace("    ", "        "))
    folder = data(tmp_path)
    seen: dict[str, str] = {}
    for split in SPLITS:
        texts = rows(folder / f"{split}_queries.jsonl") + rows(folder / f"{split}_corpus.jsonl")
        for row in texts:
            text = " ".join(row["text"].lower().split())
            assert seen.setdefault(text, split) == split
        for row in rows(folder / f"{split}_corpus.jsonl"):
            module = row["doc_id"].partition("::")[0]
            assert seen.setdefault(module, split) == split
    assert len(documents(folder)) == 60


def test_the_splits_have_the_shares_that_were_asked_for(library: Path, tmp_path: Path) -> None:
    folder = data(tmp_path, dev=0.2, test=0.4)
    sizes = {split: len(rows(folder / f"{split}_corpus.jsonl")) for split in SPLITS}
    assert sizes == {"train": 24, "dev": 12, "test": 24}


def test_the_same_seed_gives_the_same_bytes_and_another_another_split(library: Path, tmp_path: Path) -> None:
    trees = [digest.tree(data(tmp_path, f"d{i}", ctx=context(tmp_path, seed=seed))) for i, seed in enumerate((1, 1, 2))]
    assert trees[0] == trees[1] != trees[2]


def test_the_order_of_the_file_system_does_not_matter(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a_copy", "z_copy"):
        shutil.copy(library / "m1.py", library / f"{name}.py")
    before = digest.tree(data(tmp_path, "before"))
    real = Path.rglob

    def turned(self: Path, pattern: str) -> Iterator[Path]:
        return iter(list(real(self, pattern))[::-1])

    monkeypatch.setattr(Path, "rglob", turned)
    assert digest.tree(data(tmp_path, "after")) == before


def test_a_limit_holds_for_every_split(library: Path, tmp_path: Path) -> None:
    folder = data(tmp_path, ctx=context(tmp_path, limit=2))
    assert [len(rows(folder / f"{split}_corpus.jsonl")) for split in SPLITS] == [2, 2, 2]


@pytest.mark.parametrize("most", [3, 10, 59, 60, 1000])
def test_documents_are_bounded_in_all_and_shared_out(library: Path, tmp_path: Path, most: int) -> None:
    folder = data(tmp_path, max_documents=most)
    sizes = [len(rows(folder / f"{split}_corpus.jsonl")) for split in SPLITS]
    assert min(sizes) >= 1
    assert sum(sizes) <= most
    assert sum(sizes) >= min(most, 60) - 3


def test_a_limited_data_set_is_the_beginning_of_the_whole_one(library: Path, tmp_path: Path) -> None:
    whole, part = data(tmp_path, "whole"), data(tmp_path, "part", ctx=context(tmp_path, limit=3))
    for split in SPLITS:
        assert rows(part / f"{split}_corpus.jsonl") == rows(whole / f"{split}_corpus.jsonl")[:3]


def test_a_limited_data_set_is_drawn_from_many_modules(library: Path, tmp_path: Path) -> None:
    folder = data(tmp_path, ctx=context(tmp_path, limit=6))
    modules = {row["doc_id"].partition("::")[0] for row in rows(folder / "train_corpus.jsonl")}
    assert len(modules) >= 4


def test_nothing_that_is_read_is_imported(library: Path, tmp_path: Path) -> None:
    mark = tmp_path / "imported"
    only(
        library,
        f'import pathlib\npathlib.Path({str(mark)!r}).touch()\n\ndef f():\n    """Four words are here."""\n    x = 1\n    return x\n',
    )
    assert "f" in of_interest(data(tmp_path))
    assert not mark.exists()
    subprocess.run([sys.executable, str(library / "interest.py")], check=True)
    assert mark.exists()


@pytest.mark.parametrize(
    "broken",
    [
        b"def f(:\n",
        b"\xff\xfe not utf-8",
        b'# -*- coding: latin-1 -*-\nx = "\xe9"\n',
        b"x = 1\x00\n",
        b"-" * 100_000 + b"1\n",
        b"x = 1" + b" + 1" * 100_000 + b"\n",
        b"",
    ],
    ids=["syntax", "utf-16", "latin-1", "null", "deep", "long", "empty"],
)
def test_files_that_cannot_be_parsed_are_passed_over(library: Path, tmp_path: Path, broken: bytes) -> None:
    before = documents(data(tmp_path, "before"))
    only(library, broken)
    assert documents(data(tmp_path, "after")) == before


@pytest.mark.parametrize(
    "folder", ["test", "tests", "site-packages", "dist-packages", "idlelib/idle_test", "__pycache__"]
)
def test_tests_and_what_others_installed_are_left_out(library: Path, tmp_path: Path, folder: str) -> None:
    before = documents(data(tmp_path, "before"))
    (library / folder).mkdir(parents=True)
    (library / folder / "more.py").write_text('def g():\n    """Four words are here."""\n    x = 2\n    return x\n')
    assert documents(data(tmp_path, "after")) == before


SOURCE = '''\
class A:
    """Not a function at all."""

    def method(self, x):
        """Do this and that. Not the second sentence.

        Nor the second paragraph.
        """
        y = x  # a comment stays
        return y

    async def later(self):
        "Wait for what comes later"
        if self:
            return await self

@decorated
def outer():
    """A first sentence over
    two lines."""
    def inner():
        """What is inside of it."""
        x = 1
        return x
    return inner

def too_short():
    """Only three words."""
    x = 1
    return x

def too_little():
    """The body is one line."""
    return 1

def nothing_else():
    """There is only this docstring."""

def shown():
    """>>> shown() gives a doctest"""
    x = 1
    return x

def _private():
    """Nobody asks for this one."""
    x = 1
    return x

class _Private:
    def method(self):
        """Nor for this one here."""
        x = 1
        return x

def undocumented():
    x = 1
    return x
'''


def test_a_query_is_the_first_sentence_and_a_document_the_source_without_it(library: Path, tmp_path: Path) -> None:
    only(library, SOURCE)
    assert of_interest(data(tmp_path)) == {
        "A.method": ("Do this and that.", "def method(self, x):\n    y = x  # a comment stays\n    return y"),
        "A.later": ("Wait for what comes later", "async def later(self):\n    if self:\n        return await self"),
        "outer": (
            "A first sentence over two lines.",
            "def outer():\n    def inner():\n"
            '        """What is inside of it."""\n        x = 1\n        return x\n    return inner',
        ),
        "outer.inner": ("What is inside of it.", "def inner():\n    x = 1\n    return x"),
    }


@pytest.mark.parametrize("mark", ["\f", "\v", "\x1c", "\x85", "\u2028"])
def test_marks_that_are_no_ends_of_lines_do_not_shift_the_lines(library: Path, tmp_path: Path, mark: str) -> None:
    only(
        library,
        f"# a{mark}b{mark}c{mark}d\n" + 'def f():\n    """Four words are here."""\n    x = 1\n    return x\n\nx = 3\n',
    )
    assert of_interest(data(tmp_path)) == {"f": ("Four words are here.", "def f():\n    x = 1\n    return x")}


def test_windows_line_ends_change_nothing(library: Path, tmp_path: Path) -> None:
    only(library, SOURCE)
    before = of_interest(data(tmp_path, "before"))
    only(library, SOURCE.replace("\n", "\r\n"))
    assert of_interest(data(tmp_path, "after")) == before


@pytest.mark.parametrize(
    ("params", "split"), [({"dev": 0.5, "test": 0.5}, "train"), ({"dev": 0.001}, "dev"), ({"test": 0.001}, "test")]
)
def test_an_empty_split_is_refused(library: Path, tmp_path: Path, params: dict[str, Any], split: str) -> None:
    with pytest.raises(UsageError) as caught:
        data(tmp_path, **params)
    assert str(caught.value) == (f"the {split} split is empty\n  fix: give it a larger share, or raise max_documents")


@pytest.mark.parametrize("params", [{}, {"max_documents": 10}])
def test_a_library_without_sources_is_refused(library: Path, tmp_path: Path, params: dict[str, Any]) -> None:
    shutil.rmtree(library)
    library.mkdir()
    with pytest.raises(UsageError):
        data(tmp_path, **params)


@pytest.mark.slow
def test_the_real_library_gives_a_real_data_set(tmp_path: Path) -> None:
    ctx = context(tmp_path)
    folder = data(tmp_path, ctx=ctx)
    found = documents(folder)
    assert len(found) > 1500
    queries = [row["text"] for split in SPLITS for row in rows(folder / f"{split}_queries.jsonl")]
    assert len({" ".join(text.lower().split()) for text in queries}) == len(queries) == len(found)
    parsed = 0
    for text in list(found.values())[:300]:
        try:
            parsed += isinstance(ast.parse(text).body[0], ast.FunctionDef | ast.AsyncFunctionDef)
        except SyntaxError:
            continue  # a text of several lines in one literal loses its margin
    assert parsed > 290


# Export


def checkpoints(folder: Path, names: Sequence[str] = ("step_1", "step_2", "best", "final")) -> Input:
    """A folder of checkpoints that differ in what they hold; no real weights are needed to copy them."""
    for name in names:
        (folder / name / "1_Pooling").mkdir(parents=True)
        (folder / name / "model.safetensors").write_text(f"weights of {name}")
        (folder / name / "1_Pooling" / "config.json").write_text("{}")
        manifest = {"schema": "model_manifest/v1", "role": name.split("_")[0], "exported_to": None, "step": 1}
        (folder / name / "model_manifest.json").write_text(json.dumps(manifest))
    return Input("train.model", "model_manifest/v1", folder, digest.tree(folder))


@pytest.mark.parametrize("which", ["best", "final", "step_2"])
def test_export_copies_the_checkpoint_that_was_asked_for(tmp_path: Path, which: str) -> None:
    inputs, ctx = {"model": checkpoints(tmp_path / "model")}, context(tmp_path / "workspace")
    out = run("retrieval.export", inputs, {"which": which}, tmp_path / "out", ctx)
    target = tmp_path / "workspace" / "models" / "retriever" / "one"
    assert list(digest.walk(target)) == ["1_Pooling/config.json", "model.safetensors", "model_manifest.json"]
    of_checkpoint = (tmp_path / "model" / which / "model_manifest.json").read_text()
    assert (target / "model_manifest.json").read_text() == of_checkpoint, "it tells where the model came from"
    assert (target / "model.safetensors").read_text() == f"weights of {which}"
    manifest = json.loads((out / "model" / "model_manifest.json").read_text())
    assert (manifest["role"], manifest["exported_to"]) == (which.split("_")[0], "models/retriever/one")
    assert ctx.facts == {"exported": which, "place": "models/retriever/one"}


def test_by_default_the_best_is_exported(tmp_path: Path) -> None:
    ctx = context(tmp_path / "workspace", name="mine")
    run("retrieval.export", {"model": checkpoints(tmp_path / "model")}, {"name": "family"}, tmp_path / "out", ctx)
    target = tmp_path / "workspace" / "models" / "family" / "mine"
    assert (target / "model.safetensors").read_text() == "weights of best"


def test_models_go_where_the_project_says(tmp_path: Path) -> None:
    ctx = replace(context(tmp_path / "workspace"), models=tmp_path / "shared")
    out = run("retrieval.export", {"model": checkpoints(tmp_path / "model")}, {}, tmp_path / "out", ctx)
    target = tmp_path / "shared" / "retriever" / "one"
    assert (target / "model.safetensors").read_text() == "weights of best"
    assert json.loads((out / "model" / "model_manifest.json").read_text())["exported_to"] == str(target)
    assert not (tmp_path / "workspace" / "models").exists()


@pytest.mark.parametrize("kind", ["folder", "file", "empty", "link"])
def test_export_never_writes_over_anything(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "workspace" / "models" / "retriever" / "one"
    target.parent.mkdir(parents=True)
    if kind in ("folder", "empty"):
        target.mkdir()
        if kind == "folder":
            (target / "kept.txt").write_text("kept")
    elif kind == "file":
        target.write_text("kept")
    else:
        (tmp_path / "elsewhere").mkdir()
        target.symlink_to(tmp_path / "elsewhere")
    before = sorted(path.name for path in target.parent.rglob("*"))
    said = f"{target}: a model lies there already\n  fix: choose another run.name, or move the old model away"
    with pytest.raises(UsageError) as caught:
        run(
            "retrieval.export",
            {"model": checkpoints(tmp_path / "m")},
            {},
            tmp_path / "out",
            context(tmp_path / "workspace"),
        )
    assert str(caught.value) == said
    assert sorted(path.name for path in target.parent.rglob("*")) == before
    stage = BUILT_IN.stage("retrieval.export")
    assert stage.ready is not None
    with pytest.raises(UsageError) as early:
        stage.ready(stage.params(), Ready("one", tmp_path / "workspace" / "models"))
    assert str(early.value) == said


def test_export_is_ready_where_nothing_lies(tmp_path: Path) -> None:
    stage = BUILT_IN.stage("retrieval.export")
    assert stage.ready is not None
    stage.ready(stage.params(), Ready("one", tmp_path / "workspace" / "models"))
    assert not (tmp_path / "workspace").exists()


def test_an_export_that_was_cut_off_after_it_is_recognised(tmp_path: Path) -> None:
    inputs, workspace = {"model": checkpoints(tmp_path / "model")}, tmp_path / "workspace"
    run("retrieval.export", inputs, {}, tmp_path / "first", context(workspace))
    target = workspace / "models" / "retriever" / "one"
    inode = (target / "model.safetensors").stat().st_ino
    out = run("retrieval.export", inputs, {}, tmp_path / "out", context(workspace))
    assert (out / "model" / "model_manifest.json").is_file()
    assert (target / "model.safetensors").stat().st_ino == inode
    stage = BUILT_IN.stage("retrieval.export")
    assert stage.ready is not None
    stage.ready(stage.params(), Ready("one", workspace / "models", resumed=True))


@pytest.mark.parametrize("other", ["weights", "more", "less", "folder"])
def test_an_export_that_differs_in_anything_is_not_taken_for_its_own(tmp_path: Path, other: str) -> None:
    inputs, workspace = {"model": checkpoints(tmp_path / "model")}, tmp_path / "workspace"
    run("retrieval.export", inputs, {}, tmp_path / "first", context(workspace))
    target = workspace / "models" / "retriever" / "one"
    if other == "weights":
        (target / "model.safetensors").write_text("weights of BEST")
    elif other == "more":
        (target / "more.json").write_text("{}")
    elif other == "less":
        (target / "1_Pooling" / "config.json").unlink()
    else:
        (target / "model.safetensors").unlink()
        (target / "model.safetensors").mkdir()
    before = digest.files(target, digest.walk(target))
    with pytest.raises(UsageError, match="a model lies there already"):
        run("retrieval.export", inputs, {}, tmp_path / "out", context(workspace))
    assert digest.files(target, digest.walk(target)) == before


def test_what_is_left_of_an_export_that_was_cut_off_is_cleared(tmp_path: Path) -> None:
    inputs, ctx = {"model": checkpoints(tmp_path / "model")}, context(tmp_path / "workspace")
    models = tmp_path / "workspace" / "models" / "retriever"
    (models / f".{ctx.run_id}.partial").mkdir(parents=True)
    (models / f".{ctx.run_id}.partial" / "model.safetensors").write_text("half of it")
    run("retrieval.export", inputs, {}, tmp_path / "out", ctx)
    assert [path.name for path in models.iterdir()] == ["one"]
    assert (models / "one" / "model.safetensors").read_text() == "weights of best"


def test_a_checkpoint_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        run(
            "retrieval.export",
            {"model": checkpoints(tmp_path / "m")},
            {"which": "step_9"},
            tmp_path / "out",
            context(tmp_path / "workspace"),
        )
    assert str(caught.value) == "there is no checkpoint `step_9`\n  fix: one of: best, final, step_1, step_2"
    assert not (tmp_path / "workspace").exists()


def test_an_export_that_breaks_off_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.copytree

    def breaks(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", breaks)
    with pytest.raises(OSError, match="No space left"):
        run(
            "retrieval.export",
            {"model": checkpoints(tmp_path / "m")},
            {},
            tmp_path / "out",
            context(tmp_path / "workspace"),
        )
    assert list(digest.walk(tmp_path / "workspace")) == []
    assert list((tmp_path / "workspace" / "models" / "retriever").iterdir()) == []


# With a model: from fine-tuning to evaluation

WORDS = [
    "tree",
    "river",
    "stone",
    "cloud",
    "window",
    "letter",
    "garden",
    "bridge",
    "candle",
    "mirror",
    "ladder",
    "button",
]
WORDS += ["basket", "hammer", "needle", "pillow"]


def corpus(folder: Path, split: str, count: int, start: int, *, title: str = "") -> dict[str, Input]:
    """Pairs that can be learned: the query says the two words that the document is made of."""
    pairs = [(WORDS[(start + i) % 16], WORDS[(start + 3 * i + i // 16 + 5) % 16], start + i) for i in range(count)]
    texts: dict[str, list[dict[str, Any]]] = {
        "corpus": [
            {"doc_id": f"d{n}", "text": f"def {a}_{b}(x): return {n}"} | ({"title": title} if title else {})
            for a, b, n in pairs
        ],
        "queries": [{"query_id": f"q{n}", "text": f"the {a} of a {b} number {n}"} for a, b, n in pairs],
        "qrels": [{"query_id": f"q{n}", "doc_id": f"d{n}", "relevance": 1} for _, _, n in pairs],
    }
    return {
        f"{split}_{kind}": artifact(written(folder / f"{split}_{kind}.jsonl", lines), kind)
        for kind, lines in texts.items()
    }


@dataclass(frozen=True)
class Trained:
    folder: Path
    base: Path
    inputs: dict[str, Input]
    ctx: Context

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def history(self) -> list[dict[str, Any]]:
        return rows(self.folder / "metric_history.jsonl")


PARAMS = {"epochs": 2, "batch_size": 8, "learning_rate": 2e-3, "evaluations": 3, "max_seq_length": 32}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A tiny model, fine-tuned on 24 pairs. Read only."""
    pytest.importorskip("sentence_transformers")
    from tests.tiny import tiny_model

    folder = tmp_path_factory.mktemp("stages")
    base = tiny_model(folder / "tiny", seed=1)
    inputs = {"base": a_model(base), **corpus(folder, "train", 24, 0), **corpus(folder, "dev", 8, 100)}
    ctx = context(folder / "workspace")
    out = run("retrieval.finetune", inputs, PARAMS, folder / "train", ctx)
    completed(out)
    return Trained(out, base, inputs, ctx)


def test_history_and_manifests_keep_their_contracts(trained: Trained) -> None:
    assert problems(trained.folder / "metric_history.jsonl", "metric_history") == []
    for folder in trained.model.iterdir():
        assert problems(folder / "model_manifest.json", "model_manifest") == []


def test_the_steps_are_evaluated_evenly_and_each_is_kept(trained: Trained) -> None:
    evaluated = [row["step"] for row in trained.history if row["key"] == "retrieval/dev/nDCG@10"]
    assert evaluated == [2, 4, 6]
    assert sorted(folder.name for folder in trained.model.iterdir()) == ["best", "final", "step_2", "step_4", "step_6"]
    losses = [row for row in trained.history if row["key"] == "train/loss"]
    assert losses and all(row["value"] > 0 for row in losses)
    assert trained.ctx.metrics == {"train/loss": losses[-1]["value"]}
    assert trained.ctx.counters == {"train_pairs": 24, "steps": 6}


def test_best_is_the_step_with_the_highest_value_and_final_the_last(trained: Trained) -> None:
    evaluations = [row for row in trained.history if row["key"] == "retrieval/dev/nDCG@10"]
    top = max(row["value"] for row in evaluations)
    step = next(row["step"] for row in evaluations if row["value"] == top)
    weights = {folder.name: digest.weights(folder).digest for folder in trained.model.iterdir()}
    assert weights["best"] == weights[f"step_{step}"]
    assert weights["final"] == weights["step_6"]
    assert len({weights["step_2"], weights["step_4"], weights["step_6"], digest.weights(trained.base).digest}) == 4
    for folder in trained.model.iterdir():
        manifest = json.loads((folder / "model_manifest.json").read_text())
        assert manifest["selection"] == {
            "metric": "retrieval/dev/nDCG@10",
            "direction": "higher",
            "step": step,
            "value": top,
        }
        assert manifest["base"] == {"name": "package:tiny", "weights": trained.inputs["base"].digest}
        assert manifest["training"] == {
            "run_id": "run-1",
            "commit": COMMIT,
            "loss": "mnr",
            "hard_negatives": False,
            "purpose": "bench",
            "seed": trained.ctx.seed,
            "temperature": 0.05,
            "negatives": None,
        }
        role, _, number = folder.name.partition("_")
        assert manifest["role"] == role
        assert manifest["step"] == (int(number) if number else step if role == "best" else 6)
    assert trained.ctx.facts == {"best_step": step, "selected_by": "retrieval/dev/nDCG@10"}


def test_the_value_of_the_best_is_found_again(trained: Trained, tmp_path: Path) -> None:
    """Index and search the development split with the exported best: the number in the history was measured alike."""
    best = a_model(trained.model / "best")
    found = searched(
        tmp_path, best, best, trained.inputs["dev_corpus"], trained.inputs["dev_queries"], max_seq_length=32
    )
    ctx = context(tmp_path)
    inputs = {"rankings": artifact(found / "rankings.jsonl", "rankings"), "qrels": trained.inputs["dev_qrels"]}
    run("retrieval.evaluate", inputs, {"subset": "dev"}, tmp_path / "evaluate", ctx)
    top = max(row["value"] for row in trained.history if row["key"] == "retrieval/dev/nDCG@10")
    assert ctx.metrics["retrieval/dev/nDCG@10"] == pytest.approx(top, abs=1e-12)


@pytest.mark.parametrize(
    ("values", "best"),
    [([0.1, 0.3, 0.2], 2), ([0.3, 0.3, 0.3], 1), ([0.1, 0.2, 0.3], 3), ([0.0, 0.0, 0.0], 1), ([0.2, 0.1, 0.2], 1)],
)
def test_of_steps_with_one_value_the_first_is_the_best(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[float], best: int
) -> None:
    from sealkit.stages.retrieval import _training

    def history(model: Any, columns: Any, score: Any, key: str, params: Any, progress: Any, ctx: Any) -> None:
        for step, seen in enumerate(values, 1):
            (progress.steps / f"step_{step}").mkdir()
            (progress.steps / f"step_{step}" / "which").write_text(str(step))
            progress.history.append({"step": step, "epoch": float(step), "key": key, "value": seen})

    monkeypatch.setattr(_training, "train", history)
    out = run("retrieval.finetune", trained.inputs, PARAMS, tmp_path / "out", context(tmp_path))
    assert (out / "model" / "best" / "which").read_text() == str(best)
    assert (out / "model" / "final" / "which").read_text() == "3"


def test_training_leaves_nothing_else_behind(trained: Trained) -> None:
    assert sorted(path.name for path in trained.folder.iterdir()) == ["metric_history.jsonl", "model"]
    assert digest.weights(trained.base).digest == trained.inputs["base"].digest


def test_training_is_the_same_twice_and_another_with_another_seed(trained: Trained, tmp_path: Path) -> None:
    def again(seed: int) -> tuple[list[dict[str, Any]], dict[str, str]]:
        out = run("retrieval.finetune", trained.inputs, PARAMS, tmp_path / str(seed), context(tmp_path, seed=seed))
        return rows(out / "metric_history.jsonl"), {f.name: digest.weights(f).digest for f in (out / "model").iterdir()}

    history, weights = again(42)
    assert history == trained.history
    assert weights == {folder.name: digest.weights(folder).digest for folder in trained.model.iterdir()}
    assert again(43)[1]["final"] != weights["final"]


def test_how_often_it_is_evaluated_does_not_change_the_training(trained: Trained, tmp_path: Path) -> None:
    out = run("retrieval.finetune", trained.inputs, {**PARAMS, "evaluations": 1}, tmp_path / "out", context(tmp_path))
    assert digest.weights(out / "model" / "final") == digest.weights(trained.model / "final")


def test_random_numbers_drawn_while_it_is_evaluated_do_not_change_the_training(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from sealkit.stages.retrieval import finetune

    real = finetune._Dev.score

    def draws(self: Any, model: Any) -> float:
        torch.rand(7)
        return real(self, model)

    monkeypatch.setattr(finetune._Dev, "score", draws)
    out = run("retrieval.finetune", trained.inputs, PARAMS, tmp_path / "out", context(tmp_path))
    assert digest.weights(out / "model" / "final") == digest.weights(trained.model / "final")


def test_only_what_was_judged_relevant_is_trained_on(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sealkit.stages.retrieval import _training

    seen: list[tuple[str, str]] = []

    def stops(model: Any, columns: dict[str, list[str]], *rest: Any) -> None:
        assert list(columns) == ["anchor", "positive"]
        seen.extend(zip(columns["anchor"], columns["positive"], strict=True))
        raise KeyboardInterrupt

    monkeypatch.setattr(_training, "train", stops)
    judgments = rows(trained.inputs["train_qrels"].path)
    more = [
        {**judgments[0], "doc_id": "d5", "relevance": 0},
        {**judgments[0], "doc_id": "d6", "relevance": -1},
        {**judgments[0], "doc_id": "d7", "relevance": 3},
        {**judgments[0], "doc_id": "nowhere"},
    ]
    inputs = {**trained.inputs, "train_qrels": artifact(written(tmp_path / "q.jsonl", judgments + more), "qrels")}
    with pytest.raises(KeyboardInterrupt):
        run("retrieval.finetune", inputs, PARAMS, tmp_path / "out", context(tmp_path))
    queries = {row["query_id"]: row["text"] for row in rows(trained.inputs["train_queries"].path)}
    documents = {row["doc_id"]: row["text"] for row in rows(trained.inputs["train_corpus"].path)}
    relevant = [*judgments, more[2]]
    assert seen == [(queries[row["query_id"]], documents[row["doc_id"]]) for row in relevant]
    seen.clear()
    with pytest.raises(KeyboardInterrupt):
        run("retrieval.finetune", inputs, {**PARAMS, "max_pairs": 5}, tmp_path / "five", context(tmp_path))
    assert len(seen) == 5


def test_a_training_split_without_pairs_is_refused(trained: Trained, tmp_path: Path) -> None:
    few = {
        **trained.inputs,
        "train_qrels": artifact(written(tmp_path / "few.jsonl", rows(trained.inputs["train_qrels"].path)[:1]), "qrels"),
    }
    with pytest.raises(UsageError) as caught:
        run("retrieval.finetune", few, PARAMS, tmp_path / "out", context(tmp_path))
    assert str(caught.value) == (
        "the training split holds 1 usable pairs, in-batch negatives need 2\n  fix: check train_qrels"
    )


def test_a_development_split_without_answers_is_refused(trained: Trained, tmp_path: Path) -> None:
    lost = {**trained.inputs, "dev_qrels": trained.inputs["train_qrels"]}
    with pytest.raises(UsageError) as caught:
        run("retrieval.finetune", lost, PARAMS, tmp_path / "out", context(tmp_path))
    assert str(caught.value) == (
        "no development query has a judged document\n  fix: check dev_qrels, or raise dev_documents"
    )


def built(folder: Path, model: Input, documents: Input, **params: Any) -> Input:
    out = run("retrieval.index", {"corpus": documents, "model": model}, params, folder, context(folder))
    completed(out)
    return artifact(out / "index", "index_manifest")


def searched(
    folder: Path,
    of_index: Input,
    of_queries: Input,
    documents: Input,
    queries: Input,
    *,
    top_k: int = 100,
    max_seq_length: int | None = None,
) -> Path:
    """Build an index with one model and search it with another."""
    held = built(folder / "index", of_index, documents, max_seq_length=max_seq_length)
    inputs = {"queries": queries, "index": held, "model": of_queries}
    params = {"top_k": top_k, "max_seq_length": max_seq_length}
    return run("retrieval.search", inputs, params, folder / "search", context(folder))


def test_an_index_keeps_its_contract_and_holds_the_corpus_in_its_order(trained: Trained, tmp_path: Path) -> None:
    held = built(tmp_path / "index", a_model(trained.model / "best"), trained.inputs["dev_corpus"])
    assert problems(held.path / "index_manifest.json", "index_manifest") == []
    ids = [row["doc_id"] for row in rows(trained.inputs["dev_corpus"].path)]
    assert (held.path / "ids.txt").read_text().splitlines() == ids
    said = json.loads((held.path / "index_manifest.json").read_text())
    fingerprint = said["fingerprint"]
    assert said["witness"] == "built"
    assert said["identity"] == manifest.identity(said)
    assert [entry["name"] for entry in said["files"]["listing"]] == ["ids.txt", "index.faiss"]
    assert (fingerprint["structure"]["count"], fingerprint["vectors"]["dimension"]) == (8, 32)
    assert fingerprint["encoder"]["pooling"] == "mean"
    assert fingerprint["tokenizer"]["max_length"] == 32
    texts = [
        f"{row['title']} {row['text']}" if row.get("title") else row["text"]
        for row in rows(trained.inputs["dev_corpus"].path)
    ]
    assert fingerprint["corpus"] == {
        "digest": trained.inputs["dev_corpus"].digest,
        "inputs": of_inputs(texts),
        "ids": digest.file(held.path / "ids.txt"),
        "count": 8,
        "duplicates": 8 - len(set(texts)),
        "name": "dev_corpus",
    }
    probe = fingerprint["probe"]
    assert len(probe["inputs"]) == len(probe["vectors"]) == len(probe["neighbours"]) == 8
    assert set(probe["inputs"]) <= set(texts)


def test_nothing_that_binds_is_unknown_of_an_index_that_a_stage_built(trained: Trained, tmp_path: Path) -> None:
    held = built(tmp_path / "index", trained.inputs["base"], trained.inputs["dev_corpus"])
    fingerprint = json.loads((held.path / "index_manifest.json").read_text())["fingerprint"]
    binding = [field for field in manifest.fields() if field.binding == "bind"]
    assert [field.name for field in binding if value_of(fingerprint, field) is ABSENT] == []


def test_the_vectors_of_an_index_have_length_1(trained: Trained, tmp_path: Path) -> None:
    held = built(tmp_path / "index", a_model(trained.model / "best"), trained.inputs["dev_corpus"])
    import faiss

    vectors = faiss.read_index(str(held.path / "index.faiss")).reconstruct_n(0, 8)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(8), abs=1e-5)


def test_an_index_is_the_same_twice(trained: Trained, tmp_path: Path) -> None:
    """But for the time at which it was built."""
    one, two = (built(tmp_path / name, a_model(trained.base), trained.inputs["dev_corpus"]) for name in ("one", "two"))
    said = [json.loads((held.path / "index_manifest.json").read_text()) for held in (one, two)]
    for manifest_of in said:
        del manifest_of["fingerprint"]["time"]["built_at"]
    assert said[0] == said[1]
    assert [(one.path / name).read_bytes() for name in ("ids.txt", "index.faiss")] == [
        (two.path / name).read_bytes() for name in ("ids.txt", "index.faiss")
    ]


def test_search_keeps_its_contracts_and_finds_what_brute_force_finds(trained: Trained, tmp_path: Path) -> None:
    from sealkit.stages.common import encoder

    model = a_model(trained.model / "best")
    inputs = trained.inputs
    found = searched(tmp_path, model, model, inputs["train_corpus"], inputs["train_queries"], top_k=5)
    assert problems(found / "rankings.jsonl", "rankings") == []
    assert problems(found / "search_manifest.jsonl", "search_manifest") == []
    loaded = encoder.load(model, context(tmp_path), encoder.Space())
    vectors = loaded.encode([row["text"] for row in rows(inputs["train_corpus"].path)], "")
    asked = loaded.encode([row["text"] for row in rows(inputs["train_queries"].path)], "")
    ids = [row["doc_id"] for row in rows(inputs["train_corpus"].path)]
    by_hand = dict(
        zip(
            [r["query_id"] for r in rows(inputs["train_queries"].path)],
            brute_force(asked @ vectors.T, ids, 5),
            strict=True,
        )
    )
    ranked = dict(measures.by_query(rows(found / "rankings.jsonl")))
    assert ranked == {query: [doc for doc, _ in pairs] for query, pairs in by_hand.items()}
    said = json.loads((found / "search_manifest.jsonl").read_text())
    held = json.loads((tmp_path / "index" / "index" / "index_manifest.json").read_text())
    files = held["files"]["digest"]
    assert said["index"] == {**{key: held[key] for key in ("digest", "identity", "witness")}, "files": files}
    assert said["queries"] == {"digest": inputs["train_queries"].digest, "count": 24}
    assert {one.state for one in manifest.compare(held, said) if one.field.binding == "bind"} == {State.SAME}
    assert State.DIFFERS not in {one.state for one in manifest.compare(held, said)}
    assert said["probe"]["inputs"] == 8 and said["probe"]["encoded"]
    assert said["probe"]["cosine"] == pytest.approx(1, abs=1e-4)


def test_fine_tuning_helps_on_what_it_was_tuned_on(trained: Trained, tmp_path: Path) -> None:
    values = []
    for name, model in (("pre", a_model(trained.base)), ("post", a_model(trained.model / "final"))):
        found = searched(tmp_path / name, model, model, trained.inputs["train_corpus"], trained.inputs["train_queries"])
        ctx = context(tmp_path)
        inputs = {"rankings": artifact(found / "rankings.jsonl", "rankings"), "qrels": trained.inputs["train_qrels"]}
        run("retrieval.evaluate", inputs, {}, tmp_path / name / "evaluate", ctx)
        values.append(ctx.metrics["retrieval/test/nDCG@10"])
    assert values[1] > values[0]


def refused(folder: Path, of_index: Input, of_queries: Input, trained: Trained, **params: Any) -> list[str]:
    held = built(folder / "index", of_index, trained.inputs["dev_corpus"])
    inputs = {"queries": trained.inputs["dev_queries"], "index": held, "model": of_queries}
    with pytest.raises(Refused) as caught:
        run("retrieval.search", inputs, params, folder / "search", context(folder))
    assert not (folder / "search" / "rankings.jsonl").exists()
    return [finding.message for finding in caught.value.findings]


def test_an_index_of_another_model_of_the_same_dimension_is_refused(trained: Trained, tmp_path: Path) -> None:
    from tests.tiny import tiny_model

    one, two = a_model(trained.base), a_model(tiny_model(tmp_path / "tiny", seed=2))
    assert refused(tmp_path, one, two, trained) == [
        f"encoder.weights: the index was built with '{one.digest}', the query side has '{two.digest}'"
    ]


def test_the_same_weights_under_another_name_are_not_refused(trained: Trained, tmp_path: Path) -> None:
    copy = shutil.copytree(trained.model / "best", tmp_path / "renamed")
    (copy / "README.md").write_text("a copy")
    one, two = a_model(trained.model / "best", "train.model"), a_model(copy, "models/renamed")
    assert one.tree != two.tree
    searched(tmp_path, one, two, trained.inputs["dev_corpus"], trained.inputs["dev_queries"])


def test_another_length_is_refused(trained: Trained, tmp_path: Path) -> None:
    model = a_model(trained.base)
    assert refused(tmp_path, model, model, trained, max_seq_length=16) == [
        "tokenizer.max_length: the index was built with 64, the query side has 16"
    ]


def edited(trained: Trained, folder: Path, file: str, **changes: Any) -> Input:
    """The base model with other settings in one of its files, and the same weights."""
    copy = shutil.copytree(trained.base, folder)
    settings = json.loads((copy / file).read_text())
    (copy / file).write_text(json.dumps({**settings, **changes}))
    return a_model(copy)


@pytest.mark.parametrize(
    ("file", "changes", "field"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "cls"}, "encoder.pooling"),
        ("config_sentence_transformers.json", {"prompts": {"query": "query: ", "document": ""}}, "roles.query_prompt"),
        (
            "config_sentence_transformers.json",
            {"prompts": {"query": "", "document": "passage: "}},
            "roles.document_prompt",
        ),
        ("config.json", {"hidden_act": "relu"}, None),
        ("config.json", {"layer_norm_eps": 0.5}, None),
    ],
)
def test_other_settings_around_the_same_weights_are_refused(
    trained: Trained, tmp_path: Path, file: str, changes: dict[str, Any], field: str | None
) -> None:
    other = edited(trained, tmp_path / "other", file, **changes)
    assert other.digest == trained.inputs["base"].digest
    said = refused(tmp_path, trained.inputs["base"], other, trained)
    assert said
    assert field is None or field in [message.partition(":")[0] for message in said]


def test_another_vocabulary_is_refused(trained: Trained, tmp_path: Path) -> None:
    copy = shutil.copytree(trained.base, tmp_path / "other")
    state = json.loads((copy / "tokenizer.json").read_text())
    vocabulary = state["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (copy / "tokenizer.json").write_text(json.dumps(state))
    said = refused(tmp_path, trained.inputs["base"], a_model(copy), trained)
    assert [message.partition(":")[0] for message in said] == ["tokenizer.digest"]


def test_a_broken_index_is_refused_before_it_is_searched(trained: Trained, tmp_path: Path) -> None:
    held = built(tmp_path / "index", trained.inputs["base"], trained.inputs["dev_corpus"])
    lines = (held.path / "ids.txt").read_text().splitlines()
    (held.path / "ids.txt").write_text("\n".join(lines[::-1]) + "\n")
    inputs = {"queries": trained.inputs["dev_queries"], "index": held, "model": trained.inputs["base"]}
    with pytest.raises(Refused) as caught:
        run("retrieval.search", inputs, {}, tmp_path / "search", context(tmp_path))
    assert caught.value.message.startswith("ids digest: the manifest says ")


def texts_encoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(role, text) of everything that is encoded from now on."""
    from sealkit.stages.common.encoder import Encoder

    seen: list[tuple[str, str]] = []
    real = Encoder.encode

    def encode(self: Encoder, texts: Sequence[str], role: str, *rest: Any) -> Any:
        seen.extend((role, text) for text in texts)
        return real(self, texts, role, *rest)

    monkeypatch.setattr(Encoder, "encode", encode)
    return seen


def test_a_document_is_the_same_text_when_it_is_chosen_by_and_when_it_is_indexed(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its title: what chooses the best checkpoint has to look at what will be searched."""
    seen = texts_encoded(monkeypatch)
    titled = corpus(tmp_path, "dev", 8, 100, title="A title")
    built(tmp_path / "index", trained.inputs["base"], titled["dev_corpus"])
    indexed = {pair for pair in seen if pair[0] == "document"}
    assert all("A title" in text for _, text in seen)
    seen.clear()
    run(
        "retrieval.finetune",
        {**trained.inputs, **titled},
        {**PARAMS, "evaluations": 1},
        tmp_path / "out",
        context(tmp_path),
    )
    assert {pair for pair in seen if pair[0] == "document"} == indexed


def test_a_model_is_trained_with_the_prompts_that_it_is_searched_with(trained: Trained, tmp_path: Path) -> None:
    prompts = {"query": "query: ", "document": "passage: "}
    other = edited(trained, tmp_path / "other", "config_sentence_transformers.json", prompts=prompts)
    out = run("retrieval.finetune", {**trained.inputs, "base": other}, PARAMS, tmp_path / "out", context(tmp_path))
    assert digest.weights(out / "model" / "final") != digest.weights(trained.model / "final")


# Encoders


@pytest.fixture
def loaded(trained: Trained, tmp_path: Path) -> Any:
    from sealkit.stages.common import encoder

    return encoder.load(trained.inputs["base"], context(tmp_path), encoder.Space())


def test_vectors_stand_in_the_order_of_their_texts(loaded: Any) -> None:
    texts = [f"{WORDS[i % 16]} {'x' * (i % 40)} {i}" for i in range(300)]
    told: list[int] = []
    vectors = loaded.encode(texts, "", told.append)
    assert vectors.shape == (300, 32)
    assert told == [256, 300]
    for i in (0, 39, 255, 256, 299):
        assert vectors[i] == pytest.approx(loaded.encode([texts[i]], "")[0], abs=1e-5)


def test_no_texts_give_no_vectors(loaded: Any) -> None:
    assert loaded.encode([], "").shape == (0, 32)


def test_a_prompt_goes_before_the_text(loaded: Any) -> None:
    prompted = replace(loaded, model=copy.deepcopy(loaded.model))
    prompted.model.prompts["query"] = "query: "
    assert prompted.encode(["stone"], "query")[0] == pytest.approx(
        loaded.encode(["query: stone"], "document")[0], abs=1e-6
    )


def test_without_a_prompt_for_a_role_none_is_put_before_it(trained: Trained, tmp_path: Path) -> None:
    """Also where the model names one to be put before everything that is not told otherwise."""
    from sealkit.stages.common import encoder

    changes = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    other = edited(trained, tmp_path / "other", "config_sentence_transformers.json", **changes)
    model, plain = (
        encoder.load(source, context(tmp_path), encoder.Space()) for source in (other, trained.inputs["base"])
    )
    roles = model.described().space["roles"]
    assert (roles["query_prompt"], roles["document_prompt"]) == ("query: ", "")
    assert model.encode(["stone"], "document") == pytest.approx(plain.encode(["stone"], "document"), abs=1e-6)
    assert model.encode(["stone"], "query") == pytest.approx(plain.encode(["query: stone"], "query"), abs=1e-6)


def test_the_length_of_a_fingerprint_is_what_really_arrives(trained: Trained, tmp_path: Path) -> None:
    from sealkit.stages.common import encoder

    lengths = [
        encoder.load(trained.inputs["base"], context(tmp_path), encoder.Space(max_seq_length=asked))
        .described()
        .space["tokenizer"]["max_length"]
        for asked in (None, 16, 4)
    ]
    assert lengths == [64, 16, 4]


def test_looking_at_a_model_changes_nothing_of_it(loaded: Any) -> None:
    before = loaded.described().space
    loaded.encode(["stone", "a much longer text than that one"], "")
    assert loaded.described().space == before


def test_a_folder_of_checkpoints_is_no_model(trained: Trained, tmp_path: Path) -> None:
    several = Input("train.model", "model_manifest/v1", trained.model, digest.tree(trained.model))
    with pytest.raises(Refused) as caught:
        built(tmp_path / "index", several, trained.inputs["dev_corpus"])
    assert caught.value.message == "train.model is no single model: it holds neither modules.json nor config.json"
    assert caught.value.findings[0].fix == "name an exported model, as export.model"


@pytest.mark.parametrize("way", ["modules", "auto_map"])
def test_code_that_a_model_brings_along_is_not_run(trained: Trained, tmp_path: Path, way: str) -> None:
    mark = tmp_path / "ran"
    copy = shutil.copytree(trained.base, tmp_path / "hostile")
    (copy / "evil.py").write_text(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n\n\nclass Evil:\n    pass\n")
    if way == "modules":
        modules = json.loads((copy / "modules.json").read_text())
        modules[0]["type"] = "evil.Evil"
        (copy / "modules.json").write_text(json.dumps(modules))
    else:
        settings = json.loads((copy / "config.json").read_text()) | {"model_type": "evil"}
        auto_map = dict.fromkeys(("AutoConfig", "AutoModel"), "evil.Evil")
        (copy / "config.json").write_text(json.dumps({**settings, "auto_map": auto_map}))
    with pytest.raises(Exception, match=r"trust_remote_code|custom code"):
        built(tmp_path / "index", a_model(copy), trained.inputs["dev_corpus"])
    assert not mark.exists()
    subprocess.run([sys.executable, str(copy / "evil.py")], check=True)
    assert mark.exists()


def test_the_device_that_was_used_is_told(trained: Trained, tmp_path: Path) -> None:
    from sealkit.stages.common import encoder

    told: list[tuple[str, int]] = []
    ctx = context(tmp_path)
    ctx.used_device = lambda device, threads: told.append((device, threads))
    encoder.load(trained.inputs["base"], ctx, encoder.Space())
    assert len(told) == 1
    assert told[0][0] == "cpu" and told[0][1] >= 1
    assert encoder.pick("cpu") == "cpu"
    assert encoder.pick("auto") in ("cpu", "cuda")
