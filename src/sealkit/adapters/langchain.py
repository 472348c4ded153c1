"""LangChain's FAISS store: described where it was built, and loaded only for an encoder from its own space.

LangChain keeps vectors and a pickle, and neither the model nor how it compares. Here the pickle is opened last: after every file,
every field and the probe were held against the manifest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sealkit import manifest, vector_file
from sealkit.adapters import docstore
from sealkit.adapters import store as stored
from sealkit.describe import describe_index, the_file
from sealkit.encoders import Encoder
from sealkit.finding import Location, UsageError

if TYPE_CHECKING:
    from langchain_community.vectorstores import FAISS
    from langchain_core.embeddings import Embeddings

Relevance = Callable[[float], float]
METRICS = {
    "MAX_INNER_PRODUCT": "inner_product",
    "EUCLIDEAN_DISTANCE": "l2",
    "COSINE": "l2",
}  # as FAISS.from_texts builds
DIVIDED = "x-normalize_L2"  # in the manifest: whether the store itself divides vectors by their length


def of_embeddings(
    embeddings: Embeddings, *, name: str, version: str, metric: str = "l2", normalise: bool = False
) -> Encoder:
    """Describe Embeddings, of which name and version say everything: change the version with whatever they do to a text.

    Texts are embedded by `embed_query` and `embed_documents`. `normalise` is the store's `normalize_L2`. LangChain builds an
    index by `l2` unless the distance strategy is MAX_INNER_PRODUCT: that is `inner_product`. For a SentenceTransformer,
    `sealkit.encoders.of_sentence_transformer` sees more. Raises UsageError.
    """

    def queries(texts: Any) -> Any:
        return [embeddings.embed_query(text) for text in texts]

    def documents(texts: Any) -> Any:
        return embeddings.embed_documents(list(texts))

    return stored.encoder(queries, documents, name=name, version=version, metric=metric, normalise=normalise)


def as_embeddings(encoder: Encoder) -> Embeddings:
    """An encoder as LangChain calls it."""
    from langchain_core.embeddings import Embeddings

    class Encoded(Embeddings):  # type: ignore[misc]
        def embed_query(self, text: str) -> list[float]:
            found: list[float] = encoder.queries([text])[0].tolist()
            return found

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            found: list[list[float]] = encoder.documents(texts).tolist()
            return found

    return Encoded()


def describe(
    folder: str | Path,
    store: FAISS,
    encoder: Encoder,
    *,
    about: Mapping[str, Mapping[str, Any]] | None = None,
    invariant: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write the manifest of a store that was just saved to `folder` by `save_local`, and return it; see `describe_index`.

    Ids and texts are those of `store`, the object that was saved: nothing is unpickled. Raises Refused, UsageError, ReadError.
    """
    _agree(str(folder), store.distance_strategy.value, vector_file.facts(the_file(Path(folder))).metric)
    if store._normalize_L2 and not encoder.space["vectors"]["normalise"]:
        message = "vectors.normalise: the store divides vectors by their length (normalize_L2), the encoder does not"
        raise stored.refused([(Location(str(folder)), message)], "say normalise=True of the encoder")
    told = {name: dict(group) for name, group in (about or {}).items()}
    told.setdefault("search", {})["score"] = _rule(store.distance_strategy.value, store.override_relevance_score_fn)
    told.setdefault("vectors", {})[DIVIDED] = store._normalize_L2
    ids, texts = _rows(Path(folder), store)
    return describe_index(folder, encoder, texts, ids=ids, about=told, invariant=invariant)


def load(
    folder: str | Path,
    encoder: Encoder,
    *,
    distance_strategy: str | None = None,
    relevance_score_fn: Relevance | None = None,
    allow_dangerous_deserialization: bool = False,
) -> FAISS:
    """Load a described store for queries of an encoder, by `FAISS.load_local` with the settings of the manifest.

    A pickle that would import more than LangChain's own documents do is opened with `allow_dangerous_deserialization` alone. It
    must be the one that was described in any case; but who can write it can write the manifest too. Raises Refused with
    every field that differs, UsageError, ReadError.
    """
    import faiss
    from langchain_community.vectorstores import FAISS
    from langchain_community.vectorstores.utils import DistanceStrategy

    folder = Path(folder)
    told = manifest.upgraded(manifest.read(folder))
    strategy = DistanceStrategy(distance_strategy or _strategy(told, encoder)).value
    space = dict(encoder.space)
    if relevance_score_fn is not None or told["fingerprint"].get("search", {}).get("score") is not None:
        space["search"] = {**space.get("search", {}), "score": _rule(strategy, relevance_score_fn)}
    stem = Path(told["file"]).stem
    index = stored.opened(folder, encoder, space, [told["file"], f"{stem}.pkl"])
    _agree(str(folder), strategy, encoder.space["vectors"]["metric"])
    with tempfile.TemporaryDirectory() as private:
        copy = docstore.copied(folder, f"{stem}.pkl", told, Path(private), trusted=allow_dangerous_deserialization)
        # An empty index beside it: the one that was replayed takes its place, and is not read twice.
        faiss.write_index(faiss.IndexFlatL2(1), str(copy.with_suffix(".faiss")))
        store = FAISS.load_local(
            private,
            as_embeddings(encoder),
            stem,
            allow_dangerous_deserialization=True,
            distance_strategy=DistanceStrategy(strategy),
            normalize_L2=told["fingerprint"].get("vectors", {}).get(DIVIDED, False),
            relevance_score_fn=relevance_score_fn,
        )
    store.index = index.vectors
    stored.hold(folder, index, *_rows(folder, store))
    return store


def _rows(folder: Path, store: FAISS) -> tuple[list[str], list[str]]:
    """The id and the text of each row. Raises Refused where the docstore knows nothing of one."""
    count, ids = store.index.ntotal, store.index_to_docstore_id
    found = {row: store.docstore.search(ids[row]) for row in range(count) if row in ids}
    documents = {row: one for row, one in found.items() if not isinstance(one, str)}  # a text says that there is none
    if len(documents) != count or len(ids) != count:
        lost = next((row for row in range(count) if row not in documents), None)
        message = f"{len(ids)} ids stand for {count} rows" if lost is None else f"row {lost} has no document"
        message = f"vectors and docstore do not belong together: {message}"
        raise stored.refused([(Location(str(folder)), message)], stored.REBUILD)
    return [ids[row] for row in range(count)], [documents[row].page_content for row in range(count)]


def _strategy(told: Mapping[str, Any], encoder: Encoder) -> str:
    """The distance strategy that was described; where nobody described one, that of the metric."""
    said = str(told["fingerprint"].get("search", {}).get("score")).partition(" ")[0]
    fitting = [name for name, metric in METRICS.items() if metric == encoder.space["vectors"]["metric"]]
    return said if said in METRICS else next(iter(fitting), "EUCLIDEAN_DISTANCE")


def _rule(strategy: str, relevance: Relevance | None) -> str:
    """How a score is made: the distance strategy, and the function that takes the place of its own. Raises UsageError."""
    if relevance is None:
        return strategy
    name = getattr(relevance, "__qualname__", "<unnamed>")
    if "<" in name:
        message = f"a relevance_score_fn is known by its name, and this one is {name}"
        raise UsageError(message, "define it by def in a module")
    return f"{strategy} {relevance.__module__}.{name}"


def _agree(at: str, strategy: str, metric: str | None) -> None:
    """Raises Refused where a strategy takes the far for the near."""
    if METRICS.get(strategy, metric) != metric:
        message = f"the distance strategy {strategy} is for {METRICS[strategy]}, the index compares by {metric}"
        raise stored.refused([(Location(at), f"search.score: {message}")], "give the store the strategy of its index")
