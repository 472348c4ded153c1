"""`retrieval.beir`: collections as others lay them out, with what is wrong in them said and never dropped without a word."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sealkit import digest, named
from sealkit.finding import ReadError, Refused, SealkitError, UsageError
from sealkit.pack import BUILT_IN
from sealkit.stage import Context, Input, Out
from tests.conftest import ROOT
from tests.test_stages import context, problems, rows

CORPUS = [{"_id": f"d{i}", "title": f"title {i}", "text": f"text of document {i}", "metadata": {}} for i in range(8)]
QUERIES = [{"_id": f"q{i}", "text": f"what says document {i}"} for i in range(8)]
HEADER = "query-id\tcorpus-id\tscore\n"


def folder(at: Path, **files: str | bytes) -> Path:
    """A whole collection, with the files that differ from it given by name (`corpus`, `queries`, `train`, `test`)."""
    (at / "qrels").mkdir(parents=True)
    whole: dict[str, str | bytes] = {
        "corpus": "".join(json.dumps(row) + "\n" for row in CORPUS),
        "queries": "".join(json.dumps(row) + "\n" for row in QUERIES),
        "train": HEADER + "".join(f"q{i}\td{i}\t1\n" for i in range(5)),
        "test": HEADER + "".join(f"q{i}\td{i}\t2\nq{i}\td0\t0\n" for i in range(5, 8)),
    }
    names = {"corpus": "corpus.jsonl", "queries": "queries.jsonl", "train": "qrels/train.tsv", "test": "qrels/test.tsv"}
    for name, content in {**whole, **files}.items():
        data = content.encode() if isinstance(content, str) else content
        (at / names[name]).write_bytes(data)
    return at


def read(at: Path, out: Path, ctx: Context, **params: Any) -> Path:
    stage = BUILT_IN.stage("retrieval.beir")
    out.mkdir(parents=True)
    places = Out({name: out / f"{name}.jsonl" for name in stage.offered(params)})
    stage.run({"data": Input(str(at), "files", at, digest.tree(at))}, stage.params.model_validate(params), places, ctx)
    return out


def bytes_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def test_every_split_keeps_its_contracts_and_shares_one_corpus(tmp_path: Path) -> None:
    ctx = context(tmp_path)
    out = read(folder(tmp_path / "c"), tmp_path / "out", ctx, licence="CC0-1.0")
    for path in out.iterdir():
        assert problems(path, path.stem.split("_")[1]) == []
    assert rows(out / "test_corpus.jsonl")[0] == {"doc_id": "d0", "title": "title 0", "text": "text of document 0"}
    assert len({(out / f"{split}_corpus.jsonl").read_bytes() for split in ("train", "dev", "test")}) == 1
    assert [row["query_id"] for row in rows(out / "test_queries.jsonl")] == ["q5", "q6", "q7"]
    assert rows(out / "test_qrels.jsonl")[:2] == [
        {"query_id": "q5", "doc_id": "d5", "relevance": 2},
        {"query_id": "q5", "doc_id": "d0", "relevance": 0},
    ]
    assert ctx.counters == {
        "test_absent_queries": 0,
        "train_absent_queries": 0,
        "train_queries": 4,
        "train_judgments": 4,
        "dev_queries": 1,
        "dev_judgments": 1,
        "test_queries": 3,
        "test_judgments": 6,
        "documents": 8,
        "empty_documents": 0,
        "absent_judged_documents": 0,
    }
    assert ctx.facts["licence"] == "CC0-1.0"
    assert ctx.facts["data_digest"] == digest.tree(tmp_path / "c")


def test_development_queries_are_drawn_from_the_training_by_the_seed(tmp_path: Path) -> None:
    source = folder(tmp_path / "c")
    drawn = set()
    for seed in range(20):
        out = read(source, tmp_path / str(seed), context(tmp_path, seed=seed), dev_share=0.4)
        train, dev = ([row["query_id"] for row in rows(out / f"{s}_queries.jsonl")] for s in ("train", "dev"))
        assert sorted(train + dev) == [f"q{i}" for i in range(5)]
        assert len(dev) == 2
        drawn.add(tuple(dev))
    assert len(drawn) > 3
    assert bytes_of(read(source, tmp_path / "again", context(tmp_path, seed=3), dev_share=0.4)) == bytes_of(
        tmp_path / "3"
    )


def test_a_split_of_its_own_for_development(tmp_path: Path) -> None:
    out = read(folder(tmp_path / "c"), tmp_path / "out", context(tmp_path), train="test", test="train", dev=None)
    assert len(rows(out / "train_queries.jsonl")) == 2
    with pytest.raises(UsageError, match="the splits dev and test share 3 queries, as q5"):
        read(tmp_path / "c", tmp_path / "again", context(tmp_path), dev="test")


def test_without_a_training_split_only_the_test_is_written(tmp_path: Path) -> None:
    out = read(folder(tmp_path / "c"), tmp_path / "out", context(tmp_path), train=None)
    assert sorted(path.name for path in out.iterdir()) == [
        "test_corpus.jsonl",
        "test_qrels.jsonl",
        "test_queries.jsonl",
    ]


@pytest.mark.parametrize("way", ["gz", "crlf", "bom", "no header", "blank lines", "grades as 1.0"])
def test_other_ways_to_write_the_same_collection(tmp_path: Path, way: str) -> None:
    expected = bytes_of(read(folder(tmp_path / "c"), tmp_path / "out", context(tmp_path)))
    other = folder(tmp_path / "other")
    for path in [path for path in other.rglob("*") if path.is_file()]:
        data = path.read_bytes()
        if way == "gz":
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(data))
            path.unlink()
            continue
        if way == "crlf":
            data = data.replace(b"\n", b"\r\n")
        elif way == "bom":
            data = b"\xef\xbb\xbf" + data
        elif way == "no header":
            data = data.removeprefix(HEADER.encode())
        elif way == "blank lines":
            data = data.replace(b"\n", b"\n\n")
        else:
            data = data.replace(b"\t1\n", b"\t1.0\n")
        path.write_bytes(data)
    assert bytes_of(read(other, tmp_path / "again", context(tmp_path))) == expected


def test_whole_numbers_as_ids_are_text(tmp_path: Path) -> None:
    source = folder(
        tmp_path / "c",
        corpus='{"_id": 7, "text": "seven"}\n',
        queries='{"_id": 1, "text": "one"}\n',
        test="1\t7\t1\n",
    )
    out = read(source, tmp_path / "out", context(tmp_path), train=None)
    assert rows(out / "test_qrels.jsonl") == [{"query_id": "1", "doc_id": "7", "relevance": 1}]
    assert rows(out / "test_corpus.jsonl") == [{"doc_id": "7", "text": "seven"}]


def test_what_does_not_belong_together_is_said_and_not_dropped_without_a_word(tmp_path: Path) -> None:
    corpus = "".join(
        json.dumps(row | ({"text": " ", "title": ""} if row["_id"] == "d3" else {})) + "\n" for row in CORPUS
    )
    test = HEADER + "q5\td5\t1\nq5\tnowhere\t1\nnobody\td5\t1\n"
    ctx, told = context(tmp_path), list[str]()
    ctx.say = told.append
    out = read(folder(tmp_path / "c", corpus=corpus, test=test), tmp_path / "out", ctx)
    assert len(rows(out / "test_corpus.jsonl")) == 8
    assert [row["doc_id"] for row in rows(out / "test_qrels.jsonl")] == ["d5", "nowhere"]
    assert told == [
        "test.tsv: 1 judged queries are not among the queries, as nobody; left out",
        "1 documents have no text; they are kept",
        "1 judged documents are not in the corpus, as nowhere; they count as never found",
    ]
    assert (ctx.counters["empty_documents"], ctx.counters["absent_judged_documents"]) == (1, 1)
    assert ctx.counters["test_absent_queries"] == 1
    assert ctx.facts["absent_documents"] == ["nowhere"]
    assert ctx.facts["test_absent_queries"] == ["nobody"]


def test_a_limit_keeps_what_the_queries_were_judged_on(tmp_path: Path) -> None:
    ctx = context(tmp_path, limit=1)
    out = read(folder(tmp_path / "c"), tmp_path / "out", ctx, train=None)
    assert [row["query_id"] for row in rows(out / "test_queries.jsonl")] == ["q5"]
    assert [row["doc_id"] for row in rows(out / "test_corpus.jsonl")] == ["d0", "d5"]


WRONG: dict[str, tuple[dict[str, str | bytes], str]] = {
    "a document twice": (
        {"corpus": '{"_id": "a", "text": "x"}\n{"_id": "a", "text": "y"}\n'},
        "_id a occurs a second time",
    ),
    "a query twice": (
        {"queries": '{"_id": "a", "text": "x"}\n{"_id": "a", "text": "y"}\n'},
        "_id a occurs a second time",
    ),
    "a judgment twice": (
        {"test": HEADER + "q5\td5\t1\nq5\td5\t1\n"},
        "query q5 and document d5 are judged a second time",
    ),
    "no id": ({"corpus": '{"text": "x"}\n'}, "expected an object with _id and text"),
    "no text": ({"corpus": '{"_id": "x"}\n'}, "expected an object with _id and text"),
    "no object": ({"queries": "[1]\n"}, "expected an object with _id and text"),
    "no json": ({"queries": '{"_id": "q1", "text":\n'}, "is not JSON"),
    "no rows": ({"queries": ""}, "holds no rows"),
    "a grade in words": ({"test": HEADER + "q5\td5\thigh\n"}, "expected query-id, corpus-id and a whole number"),
    "half a grade": ({"test": HEADER + "q5\td5\t0.5\n"}, "expected query-id, corpus-id and a whole number"),
    "an endless grade": ({"test": HEADER + "q5\td5\tinf\n"}, "expected query-id, corpus-id and a whole number"),
    "two columns": ({"test": HEADER + "q5\td5\n"}, "expected query-id, corpus-id and a whole number"),
    "another header": ({"test": "qid\tdid\trel\nq5\td5\t1\n"}, "expected query-id, corpus-id and a whole number"),
    "nothing judged": ({"test": HEADER + "nobody\td5\t1\n"}, "judges none of the queries"),
    "not utf-8": ({"corpus": b'{"_id": "a", "text": "\xff"}\n'}, "is not UTF-8"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_with_its_place(tmp_path: Path, case: str) -> None:
    files, message = WRONG[case]
    with pytest.raises(SealkitError) as caught:
        read(folder(tmp_path / "c", **files), tmp_path / "out", context(tmp_path))
    assert message in str(caught.value)
    if isinstance(caught.value, Refused):
        assert caught.value.findings[0].at.line == (3 if "judgment" in case else 2)
    elif isinstance(caught.value, ReadError) and "rows" not in case:
        assert caught.value.at.line == (1 if next(iter(files)) != "test" or case == "another header" else 2)


def test_files_that_are_not_there_or_there_twice(tmp_path: Path) -> None:
    source = folder(tmp_path / "c")
    with pytest.raises(UsageError, match=r"qrels/validation\.tsv: is not there") as caught:
        read(source, tmp_path / "one", context(tmp_path), dev="validation")
    assert caught.value.fix == "there is test.tsv, train.tsv"
    (source / "corpus.jsonl.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(UsageError, match="holds both"):
        read(source, tmp_path / "two", context(tmp_path))


@pytest.mark.parametrize("cut", [5, 40])
def test_half_a_gzip_file_is_refused(tmp_path: Path, cut: int) -> None:
    source = folder(tmp_path / "c")
    packed = gzip.compress((source / "corpus.jsonl").read_bytes())
    (source / "corpus.jsonl").unlink()
    (source / "corpus.jsonl.gz").write_bytes(packed[:cut])
    with pytest.raises(ReadError, match="is no whole gzip file"):
        read(source, tmp_path / "out", context(tmp_path))


def test_what_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sealkit.read import gz

    monkeypatch.setattr(gz, "UNPACKED_LIMIT", 100)
    source = folder(tmp_path / "c")
    (source / "corpus.jsonl.gz").write_bytes(gzip.compress((source / "corpus.jsonl").read_bytes()))
    (source / "corpus.jsonl").unlink()
    with pytest.raises(ReadError, match="unpacks to over 100 bytes"):
        read(source, tmp_path / "out", context(tmp_path))


def test_the_folder_is_named_in_the_run_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By overrides alone, without a model; the key of the stage follows the content of the folder."""
    from sealkit import pipeline

    source = folder(tmp_path / "c")
    keys = []
    for name in ("one", "two"):
        given = [f"data.path={source}", "retriever.mode=bm25", f"run.name={name}", f"run.output_dir={tmp_path}/outputs"]
        result = pipeline.run(ROOT / "configs" / "beir_base.yaml", given, ["toolkit"])
        assert (result.exit_code, result.error) in ((0, None), (0, None)), result.error
        metadata = json.loads((result.path / "run_metadata.json").read_text())
        assert metadata["files"] == [{"name": str(source), "digest": digest.tree(source)}]
        assert metadata["models"] == []
        summary = json.loads((result.path / "summary.json").read_text())
        assert summary["stages"][0]["inputs"] == {"data": digest.tree(source)}
        keys.append(summary["stages"][0]["key"])
        (source / "queries.jsonl").write_text((source / "queries.jsonl").read_text() + '{"_id": "q9", "text": "x"}\n')
    assert keys[0] != keys[1]


def test_a_folder_that_is_not_there_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    from sealkit import pipeline

    given = ["data.path=nowhere", "retriever.mode=bm25", f"run.output_dir={tmp_path}/outputs"]
    with pytest.raises(UsageError, match="data nowhere: nowhere cannot be read: No such file or directory"):
        pipeline.run(ROOT / "configs" / "beir_base.yaml", given, ["toolkit"])
    assert not (tmp_path / "outputs").exists()


def test_files_are_named_by_digest(tmp_path: Path) -> None:
    source = folder(tmp_path / "c")
    assert named.files(str(source)).digest == digest.tree(source)
    assert named.files(str(source / "corpus.jsonl")).digest == digest.file(source / "corpus.jsonl")
    with pytest.raises(UsageError, match="cannot be read"):
        named.files(str(tmp_path / "nowhere"))


def test_bm25_on_cranfield_is_what_is_known_of_it(sealkit_data: Path, tmp_path: Path) -> None:
    """nDCG@10 of BM25 with English stop words and stemmer on all judgments, as the data's own notes give it."""
    from sealkit import pipeline

    pytest.importorskip("bm25s")
    given = [f"data.path={sealkit_data}/cranfield/beir", "data.test=all", "retriever.mode=bm25"]
    given += [f"run.output_dir={tmp_path}/outputs"]
    result = pipeline.run(ROOT / "configs" / "beir_base.yaml", given, ["toolkit"])
    assert (result.exit_code, result.error) == (0, None)
    metrics = json.loads((result.path / "metrics.json").read_text())
    assert metrics["retrieval/test/nDCG@10"] == pytest.approx(0.3882, abs=5e-5)
    summary = json.loads((result.path / "summary.json").read_text())
    assert summary["counters"]["data.empty_documents"] == 2
