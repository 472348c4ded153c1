"""Encodes a corpus into a FAISS index, with the fingerprint of the space it was built in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sealkit import vector_file
from sealkit.describe import described
from sealkit.stage import Context, Input, Out, Stage
from sealkit.stages.common import encoder, ranking, structure
from sealkit.stages.common.encoder import Space
from sealkit.stages.common.structure import Structure


class Index(Structure, Space):
    pass


def run(inputs: Mapping[str, Input], params: Index, out: Out, ctx: Context) -> None:
    import faiss

    model = encoder.load(inputs["model"], ctx, params)
    corpus = inputs["corpus"]
    ids, texts = [], []
    for row in corpus.rows():
        ids.append(row["doc_id"])
        texts.append(encoder.document(row))
    vectors = model.encode(texts, "document", lambda done: ctx.progress("encoding documents", done, len(texts)))
    index, said = structure.build(vectors, params, ctx.seed)
    folder = out["index"]
    faiss.write_index(index, str(folder / "index.faiss"))
    (folder / "ids.txt").write_text("".join(f"{doc}\n" for doc in ids), "utf-8", newline="\n")
    about: dict[str, dict[str, Any]] = {
        "corpus": {"digest": corpus.digest, "name": corpus.name},
        "preparation": {"template": encoder.TEMPLATE, "chunking": None},
        "search": {"ties": ranking.TIES, "recall": said.get("recall")},
        "time": {"run_id": ctx.run_id},
    }
    facts = vector_file.facts(folder / "index.faiss")
    found = described(index, facts, model.described(), texts, ids, about, str(folder / "index.faiss"))
    manifest = {
        "schema": "index_manifest/v2",
        "witness": "built",
        "file": "index.faiss",
        "ids": "ids.txt",
        "run_id": ctx.run_id,
        "fingerprint": found,
    }
    out.manifest(folder, "index_manifest", manifest)
    ctx.counters["documents"] = len(ids)
    if "recall" in said:
        measured = said["recall"]
        ctx.say(f"recall@{measured['at']} of the {said['kind']} index against exact search: {measured['value']:.3f}")


STAGE = Stage(
    title="Build the index",
    params=Index,
    inputs={"corpus": "corpus/v1", "model": "model_manifest/v1"},
    outputs={"index": "index_manifest/v2"},
    run=run,
    libraries=("sentence-transformers", "transformers", "torch", "tokenizers", "faiss-cpu"),
)
