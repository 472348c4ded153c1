"""LlamaIndex's FAISS store: described where it was built, and loaded only for an encoder from its own space.

LlamaIndex keeps vectors, nodes, and which node is at which row, in files that load one without the others; not the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sealkit import manifest
from sealkit.adapters import store as stored
from sealkit.describe import describe_index
from sealkit.encoders import Encoder
from sealkit.finding import Location, UsageError

if TYPE_CHECKING:
    from llama_index.core import VectorStoreIndex
    from llama_index.core.embeddings import BaseEmbedding

NEEDED = ("docstore.json", "index_store.json")


def of_embedding(embedding: BaseEmbedding, *, name: str, version: str, metric: str = "l2") -> Encoder:
    """Describe an embedding, of which name and version say everything: change the version with whatever it does to a text.

    `metric` is how the FAISS index compares: `l2` or `inner_product`. For a SentenceTransformer,
    `sealkit.encoders.of_sentence_transformer` sees more. Raises UsageError.
    """
    if embedding.embeddings_cache is not None:
        message = "the embeddings_cache gives a query the vector of a document with the same text"
        raise UsageError(message, "take it away: embeddings_cache=None")

    def queries(texts: Any) -> Any:
        return [embedding.get_query_embedding(text) for text in texts]

    def documents(texts: Any) -> Any:
        return embedding.get_text_embedding_batch(list(texts))

    return stored.encoder(queries, documents, name=name, version=version, metric=metric)


def as_embedding(encoder: Encoder) -> BaseEmbedding:
    """An encoder as LlamaIndex calls it."""
    from llama_index.core.embeddings import BaseEmbedding

    class Encoded(BaseEmbedding):  # type: ignore[misc]
        def _get_query_embedding(self, query: str) -> list[float]:
            found: list[float] = encoder.queries([query])[0].tolist()
            return found

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            found: list[list[float]] = encoder.documents(texts).tolist()
            return found

    return Encoded()


def describe(
    folder: str | Path,
    index: VectorStoreIndex,
    encoder: Encoder,
    *,
    about: Mapping[str, Mapping[str, Any]] | None = None,
    invariant: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write the manifest of an index that was just persisted to `folder`, and return it; see `describe_index`.

    Node ids, and texts with the metadata that is embedded, are those of `index`, the object that was persisted. Raises Refused,
    UsageError, ReadError.
    """
    ids, texts = _rows(Path(folder), index)
    return describe_index(folder, encoder, texts, ids=ids, about=about, invariant=invariant)


def load(folder: str | Path, encoder: Encoder) -> VectorStoreIndex:
    """Load a described index for queries of an encoder, by `load_index_from_storage` over the FAISS index that was replayed.

    Raises Refused with every field that differs, UsageError, ReadError.
    """
    from llama_index.core import StorageContext, load_index_from_storage
    from llama_index.vector_stores.faiss import FaissVectorStore

    folder = Path(folder)
    told = manifest.upgraded(manifest.read(folder))
    opened = stored.opened(folder, encoder, encoder.space, [told["file"], *NEEDED])
    vectors = FaissVectorStore(faiss_index=opened.vectors)
    context = StorageContext.from_defaults(persist_dir=str(folder), vector_store=vectors)
    index = load_index_from_storage(context, embed_model=as_embedding(encoder))
    stored.hold(folder, opened, *_rows(folder, index))
    return index


def _rows(folder: Path, index: VectorStoreIndex) -> tuple[list[str], list[str]]:
    """The id and the text of each row. Raises Refused where a row has no node, or a node more than one."""
    from llama_index.core.schema import MetadataMode

    count, ids = index.vector_store.client.ntotal, index.index_struct.nodes_dict
    found = {
        row: index.docstore.get_document(ids[str(row)], raise_error=False) for row in range(count) if str(row) in ids
    }
    nodes = {row: node for row, node in found.items() if node is not None}
    message = None if len(ids) == count else f"{len(ids)} ids stand for {count} rows"
    if twice := [one for one, rows in Counter(ids.values()).items() if rows > 1]:
        message = f"node {twice[0]!r} was put in more than once, and its older vectors find its newest text"
    if len(nodes) != count:
        lost = next(row for row in range(count) if row not in nodes)
        message = f"row {lost} has no node, and nodes are known by their rows alone"
    if message is not None:
        message = f"vectors and nodes do not belong together: {message}"
        raise stored.refused([(Location(str(folder)), message)], stored.REBUILD)
    texts = [nodes[row].get_content(metadata_mode=MetadataMode.EMBED) for row in range(count)]
    return [ids[str(row)] for row in range(count)], texts
