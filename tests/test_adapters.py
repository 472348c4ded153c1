"""Stores of FAISS, LangChain and LlamaIndex, built by the libraries themselves: loaded for their own encoder, and for no other."""

from __future__ import annotations

import datetime
import hashlib
import importlib
import json
import pickle
import runpy
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from sealkit import describe_index, encoders, manifest, open_index
from sealkit.adapters import store as stored
from sealkit.adopt import adopt
from sealkit.encoders import Encoder
from sealkit.finding import Refused, UsageError
from sealkit.index import NotWitnessed
from tests.test_docs import ROOT, blocks
from tests.tiny import tiny_model

pytestmark = pytest.mark.filterwarnings("ignore:.langchain-community. is being sunset:DeprecationWarning")

DIMENSION = 16
TEXTS = [f"{colour} {animal}" for colour in ("red", "green", "blue") for animal in ("fox", "dog", "owl", "crane")]
OTHERS = [f"{food} with {drink}" for food in ("bread", "rice", "fish", "cake") for drink in ("tea", "milk", "water")]
IDS = [f"d{row}" for row in range(len(TEXTS))]
QUESTIONS = ["a red bird", "which dog", "blue"]


class Words(NamedTuple):
    """An encoder of texts as bags of words; each of its settings is one that people change on one side alone."""

    seed: int = 1
    prompt: str = ""
    unit: bool = True
    dimension: int = DIMENSION

    def one(self, text: str) -> list[float]:
        seeds = [hashlib.sha256(f"{self.seed} {word}".encode()).digest()[:4] for word in text.split()]
        rows = [np.random.default_rng(int.from_bytes(seed)).standard_normal(self.dimension) for seed in seeds]
        vector = np.sum(rows, axis=0)
        return (vector / np.linalg.norm(vector) if self.unit else vector).astype(np.float32).tolist()  # type: ignore[no-any-return]

    def query(self, text: str) -> list[float]:
        return self.one(self.prompt + text)


WORDS = Words()


class Library(NamedTuple):
    """What a user calls. `build` saves a store of texts and returns what `describe` takes; `search` gives (id, score) of the first
    three; `texts` is the file beside the vectors that holds the texts."""

    name: str
    build: Callable[..., Any]
    encoder: Callable[..., Encoder]
    describe: Callable[..., Any]
    load: Callable[..., Any]
    search: Callable[[Any, str], list[tuple[str, float]]]
    texts: str | None


def plain() -> Library:
    import faiss

    def build(
        folder: Path, words: Words, texts: Sequence[str] = TEXTS, ids: Sequence[str] = IDS, metric: str = "l2"
    ) -> Any:
        index = (faiss.IndexFlatL2 if metric == "l2" else faiss.IndexFlatIP)(words.dimension)
        index.add(np.array([words.one(text) for text in texts], np.float32))
        folder.mkdir(parents=True, exist_ok=True)
        faiss.write_index(index, str(folder / "index.faiss"))
        return index, texts, ids, words

    def encoder(words: Words, metric: str = "l2") -> Encoder:
        return encoders.of_function(
            lambda texts: [words.query(text) for text in texts],
            documents=lambda texts: [words.one(text) for text in texts],
            name="words", version="1", dimension=words.dimension, normalise=words.unit, weights=None, tokenizer=None,
            metric=metric,
        )  # fmt: skip

    def describe(folder: Path, built: Any, encoder: Encoder) -> Any:
        return describe_index(folder, encoder, built[1], ids=built[2])

    def search(built: Any, text: str) -> list[tuple[str, float]]:
        if isinstance(built, tuple):
            index, _, ids, words = built
            scores, rows = index.search(np.array([words.query(text)], np.float32), 3)
            return [(ids[row], float(score)) for row, score in zip(rows[0], scores[0], strict=True)]
        hits = built.search(np.array([WORDS.query(text)], np.float32), 3)
        return list(zip(hits.ids[0], map(float, hits.scores[0]), strict=True))

    return Library("faiss", build, encoder, describe, open_index, search, None)


def langchain() -> Library:
    pytest.importorskip("langchain_community", reason="LangChain is not installed")
    from langchain_community.vectorstores import FAISS
    from langchain_community.vectorstores.utils import DistanceStrategy
    from langchain_core.embeddings import Embeddings

    from sealkit.adapters import langchain as adapter

    class Embedded(Embeddings):  # type: ignore[misc]
        def __init__(self, words: Words) -> None:
            self.words = words

        def embed_query(self, text: str) -> list[float]:
            return self.words.query(text)

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [self.words.one(text) for text in texts]

    def build(folder: Path, words: Words, texts: Sequence[str] = TEXTS, ids: Sequence[str] = IDS, metric: str = "l2", **kwargs: Any) -> Any:  # fmt: skip
        if metric == "inner_product":
            kwargs["distance_strategy"] = DistanceStrategy.MAX_INNER_PRODUCT
        metadatas = [{"row": row} for row in range(len(texts))]
        store = FAISS.from_texts(list(texts), Embedded(words), metadatas, ids=list(ids), **kwargs)
        store.save_local(str(folder))
        return store

    def encoder(words: Words, metric: str = "l2", **kwargs: Any) -> Encoder:
        return adapter.of_embeddings(Embedded(words), name="words", version="1", metric=metric, **kwargs)

    def search(store: Any, text: str) -> list[tuple[str, float]]:
        return [(document.id, float(score)) for document, score in store.similarity_search_with_score(text, 3)]

    return Library("langchain", build, encoder, adapter.describe, adapter.load, search, "index.pkl")


def llama_index() -> Library:
    pytest.importorskip("llama_index.vector_stores.faiss", reason="LlamaIndex is not installed")
    import faiss
    from llama_index.core import StorageContext, VectorStoreIndex
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.schema import TextNode
    from llama_index.vector_stores.faiss import FaissVectorStore

    from sealkit.adapters import llama_index as adapter

    class Embedded(BaseEmbedding):  # type: ignore[misc]
        words: Any = WORDS

        def _get_query_embedding(self, query: str) -> list[float]:
            return self.words.query(query)  # type: ignore[no-any-return]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

        def _get_text_embedding(self, text: str) -> list[float]:
            return self.words.one(text)  # type: ignore[no-any-return]

    def build(
        folder: Path, words: Words, texts: Sequence[str] = TEXTS, ids: Sequence[str] = IDS, metric: str = "l2"
    ) -> Any:
        store = FaissVectorStore((faiss.IndexFlatL2 if metric == "l2" else faiss.IndexFlatIP)(words.dimension))
        nodes = [TextNode(text=text, id_=one) for text, one in zip(texts, ids, strict=True)]
        context = StorageContext.from_defaults(vector_store=store)
        index = VectorStoreIndex(nodes, storage_context=context, embed_model=Embedded(words=words))
        index.storage_context.persist(str(folder))
        return index

    def encoder(words: Words, metric: str = "l2", **kwargs: Any) -> Encoder:
        return adapter.of_embedding(Embedded(words=words, **kwargs), name="words", version="1", metric=metric)

    def search(index: Any, text: str) -> list[tuple[str, float]]:
        found = index.as_retriever(similarity_top_k=3).retrieve(text)
        return [(one.node.node_id, float(one.score)) for one in found]

    return Library("llama-index", build, encoder, adapter.describe, adapter.load, search, "docstore.json")


@pytest.fixture(params=[plain, langchain, llama_index], ids=lambda make: make.__name__)
def library(request: pytest.FixtureRequest) -> Library:
    made: Library = request.param()
    return made


@pytest.fixture
def chain() -> Library:
    return langchain()


@pytest.fixture
def llama() -> Library:
    return llama_index()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Named as from the current folder, so that messages hold no path of this machine."""
    monkeypatch.chdir(tmp_path)
    return Path("store")


def described(library: Library, folder: Path, words: Words = WORDS, **kwargs: Any) -> Any:
    """A store that was built, saved and described."""
    built = library.build(folder, words, **kwargs)
    library.describe(folder, built, library.encoder(words, **kwargs))
    return built


def refusal(library: Library, folder: Path, encoder: Encoder, **kwargs: Any) -> list[str]:
    with pytest.raises(Refused) as caught:
        library.load(folder, encoder, **kwargs)
    return [finding.message for finding in caught.value.findings]


def fields(messages: list[str]) -> list[str]:
    return [message.partition(":")[0] for message in messages]


def again(folder: Path, change: Callable[[dict[str, Any]], Any] = lambda document: None, **top: Any) -> None:
    """The manifest as somebody would write it who can write it: every digest in it is that of the files as they are now."""
    document = json.loads((folder / manifest.NAME).read_text("utf-8")) | top
    change(document["fingerprint"])
    ids = document["ids"] and document["ids"]["file"]
    whole = manifest.whole({**document, "ids": ids}, folder, manifest.companions(folder))
    manifest.keep(whole, folder / manifest.NAME)


def adopted(folder: Path) -> None:
    """A described store, as if nobody had seen it built."""
    (folder / manifest.NAME).unlink()
    (folder / "ids.txt").unlink()
    adopt(folder)


@pytest.mark.parametrize("metric", ["l2", "inner_product"])
def test_a_store_answers_as_the_library_alone_would(library: Library, folder: Path, metric: str) -> None:
    built = described(library, folder, metric=metric)
    loaded = library.load(folder, library.encoder(WORDS, metric))
    for question in QUESTIONS:
        assert library.search(loaded, question) == library.search(built, question)


def test_the_ids_and_texts_of_the_live_store_are_described(library: Library, folder: Path) -> None:
    described(library, folder)
    told = json.loads((folder / manifest.NAME).read_text("utf-8"))
    assert (folder / told["ids"]["file"]).read_text("utf-8").split() == IDS
    assert told["fingerprint"]["probe"]["inputs"][0] == TEXTS[0]
    assert library.texts is None or library.texts in [entry["name"] for entry in told["files"]["listing"]]


def test_a_folder_without_a_manifest_is_refused_with_the_two_ways_out(library: Library, folder: Path) -> None:
    library.build(folder, WORDS)
    with pytest.raises(Refused) as caught:
        library.load(folder, library.encoder(WORDS))
    (finding,) = caught.value.findings
    assert finding.message == "holds no manifest: nobody says what its vectors are"
    assert "describe" in str(finding.fix) and "toolkit fingerprint adopt store" in str(finding.fix)


def test_another_encoder_of_the_same_name_and_dimension(library: Library, folder: Path) -> None:
    described(library, folder)
    (first, *_) = refusal(library, folder, library.encoder(Words(seed=2)))
    assert first.startswith("the input 1 of the probe came out elsewhere: cosine ")


def test_a_prompt_on_the_side_of_the_queries(library: Library, folder: Path) -> None:
    described(library, folder)
    (first, *_) = refusal(library, folder, library.encoder(Words(prompt="query ")))
    assert first.startswith("the input 1 of the probe came out elsewhere: cosine ")


def test_normalisation_on_one_side(library: Library, folder: Path) -> None:
    described(library, folder, Words(unit=False))
    assert refusal(library, folder, library.encoder(Words(unit=True))) == [
        "vectors.normalise: the index was built with False, the query side has True"
    ]


def test_another_metric(library: Library, folder: Path) -> None:
    described(library, folder)
    assert refusal(library, folder, library.encoder(WORDS, "inner_product")) == [
        "vectors.metric: the index was built with 'l2', the query side has 'inner_product'"
    ]


def test_another_dimension(library: Library, folder: Path) -> None:
    described(library, folder)
    assert refusal(library, folder, library.encoder(Words(dimension=8))) == [
        "vectors.dimension: the index was built with 16, the query side has 8"
    ]


def test_the_index_of_another_corpus(library: Library, folder: Path) -> None:
    described(library, folder)
    library.build(folder, WORDS, OTHERS)
    messages = refusal(library, folder, library.encoder(WORDS))
    assert messages[0].startswith("file digest: the manifest says sha256:")
    if library.texts:
        assert f"{library.texts} is not the file that was described" in messages


def test_an_encoder_that_did_not_make_the_vectors_describes_nothing(library: Library, folder: Path) -> None:
    built = library.build(folder, WORDS)
    with pytest.raises(Refused, match="the vectors are not those of this encoder and corpus"):
        library.describe(folder, built, library.encoder(Words(seed=2)))
    with pytest.raises(Refused, match=r"vectors\.metric: the file compares by l2, the encoder says inner_product"):
        library.describe(folder, built, library.encoder(WORDS, "inner_product"))
    assert not (folder / manifest.NAME).exists()


@pytest.mark.parametrize("library", [langchain, llama_index], indirect=True)
def test_texts_of_another_store_beside_untouched_vectors(library: Library, folder: Path, tmp_path: Path) -> None:
    assert library.texts is not None
    described(library, folder)
    library.build(tmp_path / "other", WORDS, OTHERS)
    shutil.copy(tmp_path / "other" / library.texts, folder / library.texts)
    assert f"{library.texts} is not the file that was described" in refusal(library, folder, library.encoder(WORDS))
    again(folder)
    assert fields(refusal(library, folder, library.encoder(WORDS))) == ["corpus.inputs"]


def test_an_adopted_store_opens_with_a_warning_and_no_exchanged_file(library: Library, folder: Path) -> None:
    built = described(library, folder)
    adopted(folder)
    with pytest.warns(NotWitnessed, match="adopted, not witnessed: of the index are unknown"):
        loaded = library.load(folder, library.encoder(WORDS))
    if library.texts:
        assert library.search(loaded, QUESTIONS[0]) == library.search(built, QUESTIONS[0])
    assert fields(refusal(library, folder, library.encoder(Words(dimension=8)))) == ["vectors.dimension"]
    assert fields(refusal(library, folder, library.encoder(WORDS, "inner_product"))) == ["vectors.metric"]
    library.build(folder, WORDS, OTHERS)
    with pytest.warns(NotWitnessed), pytest.raises(Refused, match="file digest"):
        library.load(folder, library.encoder(WORDS))


@pytest.mark.parametrize("library", [langchain, llama_index], indirect=True)
def test_a_file_that_was_put_beside_the_others(library: Library, folder: Path) -> None:
    """LlamaIndex would load this one as well."""
    described(library, folder)
    (folder / "property_graph_store.json").write_text("{}")
    assert refusal(library, folder, library.encoder(WORDS)) == [
        "property_graph_store.json was not there when the store was described"
    ]


def test_texts_that_the_manifest_leaves_out(chain: Library, folder: Path) -> None:
    """As where the file of vectors alone was described."""
    described(chain, folder)
    document = json.loads((folder / manifest.NAME).read_text("utf-8"))
    manifest.keep(
        manifest.whole({**document, "ids": "ids.txt"}, folder, ["ids.txt", "index.faiss"]), folder / manifest.NAME
    )
    assert refusal(chain, folder, chain.encoder(WORDS)) == ["index.pkl is not among the files that were described"]


@pytest.mark.parametrize("library", [langchain, llama_index], indirect=True)
def test_a_document_between_the_others_shifts_the_ids(library: Library, folder: Path) -> None:
    """The texts are saved again with one more among them, the vectors are not."""
    described(library, folder)
    if library.name == "langchain":
        with (folder / "index.pkl").open("rb") as file:
            docstore, places = pickle.load(file)  # noqa: S301
        ids = [places[row] for row in range(len(places))]
        shifted = dict(enumerate(["new", *ids[:-1]]))
        docstore.add({"new": docstore.search(ids[0]).model_copy(update={"page_content": "a new one"})})
        (folder / "index.pkl").write_bytes(pickle.dumps((docstore, shifted)))
        changed = "index.pkl"
    else:
        changed = "index_store.json"
        text = (folder / changed).read_text("utf-8")
        for row, one in enumerate(IDS):
            text = text.replace(f'\\"{row}\\": \\"{one}\\"', f'\\"{row}\\": \\"{IDS[row - 1]}\\"')
        (folder / changed).write_text(text, "utf-8")
    assert f"{changed} is not the file that was described" in refusal(library, folder, library.encoder(WORDS))
    again(folder)
    assert fields(refusal(library, folder, library.encoder(WORDS))) == ["corpus.ids", "corpus.inputs"]


@pytest.mark.slow
def test_a_store_whose_model_is_at_hand_is_refused_by_the_field(library: Library, folder: Path, tmp_path: Path) -> None:
    """What a SentenceTransformer says of itself is told, and not only noticed: weights and prompts."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    one, two = (
        sentence_transformers.SentenceTransformer(str(tiny_model(tmp_path / f"m{seed}", seed))) for seed in (1, 2)
    )
    encoder = encoders.of_sentence_transformer(one, metric="l2")

    class Model(NamedTuple):
        dimension: int = 32

        def one(self, text: str) -> list[float]:
            return encoder.documents([text])[0].tolist()  # type: ignore[no-any-return]

        def query(self, text: str) -> list[float]:
            return encoder.queries([text])[0].tolist()  # type: ignore[no-any-return]

    built = library.build(folder, Model())
    library.describe(folder, built, encoder)
    library.load(folder, encoder)
    assert fields(refusal(library, folder, encoders.of_sentence_transformer(two, metric="l2"))) == ["encoder.weights"]
    prompted = encoders.of_sentence_transformer(one, metric="l2", prompts={"query": "query: "})
    assert fields(refusal(library, folder, prompted)) == ["roles.query_prompt"]


class TestLangChain:
    def test_vectors_that_the_store_normalises(self, chain: Library, folder: Path) -> None:
        raw = Words(unit=False)
        store = chain.build(folder, raw, normalize_L2=True)
        with pytest.raises(Refused, match=r"vectors\.normalise: the store divides vectors by their length"):
            chain.describe(folder, store, chain.encoder(raw))
        chain.describe(folder, store, chain.encoder(raw, normalise=True))
        assert fields(refusal(chain, folder, chain.encoder(raw))) == ["vectors.normalise"]
        loaded = chain.load(folder, chain.encoder(raw, normalise=True))
        assert dict(chain.search(loaded, "a red bird")) == pytest.approx(dict(chain.search(store, "a red bird")))
        by_vector = [one.similarity_search_with_score_by_vector(raw.query("red"), 3) for one in (loaded, store)]
        assert by_vector[0] == by_vector[1]

    def test_the_strategy_comes_from_the_manifest(self, chain: Library, folder: Path) -> None:
        built = described(chain, folder, metric="inner_product")
        loaded = chain.load(folder, chain.encoder(WORDS, "inner_product"), distance_strategy=built.distance_strategy)
        loaded = chain.load(folder, chain.encoder(WORDS, "inner_product"))
        assert loaded.distance_strategy == built.distance_strategy == "MAX_INNER_PRODUCT"
        kept = [one.similarity_search_with_score("red", 12, score_threshold=0.2) for one in (loaded, built)]
        assert 0 < len(kept[0]) < 12 and kept[0] == kept[1]

    @pytest.mark.parametrize("strategy", ["COSINE", "MAX_INNER_PRODUCT"])
    def test_another_strategy(self, chain: Library, folder: Path, strategy: str) -> None:
        described(chain, folder)
        assert refusal(chain, folder, chain.encoder(WORDS), distance_strategy=strategy) == [
            f"search.score: the index was built with 'EUCLIDEAN_DISTANCE', the query side has '{strategy}'"
        ]
        adopted(folder)
        if strategy == "MAX_INNER_PRODUCT":
            with pytest.warns(NotWitnessed):
                messages = refusal(chain, folder, chain.encoder(WORDS), distance_strategy=strategy)
            assert messages == [
                "search.score: the distance strategy MAX_INNER_PRODUCT is for inner_product, the index compares by l2"
            ]

    def test_a_strategy_that_is_not_that_of_the_index(self, chain: Library, folder: Path) -> None:
        """As where a store is made of an IndexFlatIP, and nobody says so: a threshold keeps the farthest."""
        store = chain.build(folder, WORDS, metric="inner_product")
        store.distance_strategy = type(store.distance_strategy)("EUCLIDEAN_DISTANCE")
        with pytest.raises(Refused, match=r"search\.score: the distance strategy EUCLIDEAN_DISTANCE is for l2"):
            chain.describe(folder, store, chain.encoder(WORDS, "inner_product"))

    def test_a_relevance_function_is_known_by_its_name(self, chain: Library, folder: Path) -> None:
        store = chain.build(folder, WORDS, relevance_score_fn=halved)
        chain.describe(folder, store, chain.encoder(WORDS))
        assert refusal(chain, folder, chain.encoder(WORDS)) == [
            "search.score: the index was built with 'EUCLIDEAN_DISTANCE tests.test_adapters.halved', "
            "the query side has 'EUCLIDEAN_DISTANCE'"
        ]
        loaded = chain.load(folder, chain.encoder(WORDS), relevance_score_fn=halved)
        (found,) = loaded.similarity_search_with_relevance_scores(TEXTS[0], 1)
        assert found[1] == pytest.approx(1, abs=1e-6)
        with pytest.raises(UsageError, match="known by its name"):
            chain.load(folder, chain.encoder(WORDS), relevance_score_fn=lambda distance: distance)

    def test_a_pickle_that_runs_something_is_not_opened(self, chain: Library, folder: Path) -> None:
        """Nor where whoever exchanged it wrote the manifest too."""
        described(chain, folder)
        (folder / "index.pkl").write_bytes(pickle.dumps((Runs(), {})))
        messages = refusal(chain, folder, chain.encoder(WORDS))
        assert "index.pkl is not the file that was described" in messages
        again(folder)
        assert refusal(chain, folder, chain.encoder(WORDS)) == ["would import pathlib.Path.touch, pathlib.PosixPath"]
        assert not Path("ran").exists()
        with pytest.raises(Refused, match="row 0 has no document"):  # as with LangChain alone: what is trusted runs
            chain.load(folder, chain.encoder(WORDS), allow_dangerous_deserialization=True)
        assert Path("ran").exists()

    def test_a_pickle_that_cannot_be_followed_is_not_opened(self, chain: Library, folder: Path) -> None:
        described(chain, folder)
        for data, message in (
            (b"", "is no pickle that can be followed"),
            (b"\x80\x04]", "from byte 3 on it cannot be followed"),
        ):
            (folder / "index.pkl").write_bytes(data)
            again(folder)
            (found,) = refusal(chain, folder, chain.encoder(WORDS))
            assert found.startswith(message)

    def test_a_pickle_that_is_exchanged_after_it_was_looked_at(
        self, chain: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        described(chain, folder)
        looked_at = stored.opened

        def exchanged(*args: Any) -> Any:
            found = looked_at(*args)
            (folder / "index.pkl").write_bytes(pickle.dumps((Runs(), {})))
            return found

        monkeypatch.setattr(stored, "opened", exchanged)
        messages = refusal(chain, folder, chain.encoder(WORDS), allow_dangerous_deserialization=True)
        assert messages == ["changed while the store was loaded"]
        assert not Path("ran").exists()

    def test_metadata_of_other_types_are_opened_where_they_are_trusted(self, chain: Library, folder: Path) -> None:
        store = chain.build(folder, WORDS)
        store.docstore.search("d0").metadata["day"] = datetime.date(2026, 1, 2)
        store.save_local(str(folder))
        chain.describe(folder, store, chain.encoder(WORDS))
        assert refusal(chain, folder, chain.encoder(WORDS)) == ["would import datetime.date"]
        loaded = chain.load(folder, chain.encoder(WORDS), allow_dangerous_deserialization=True)
        assert loaded.docstore.search("d0").metadata["day"] == datetime.date(2026, 1, 2)

    def test_a_store_that_changed_since_it_was_saved(self, chain: Library, folder: Path) -> None:
        """It was saved with other texts than the object has that is described."""
        store = chain.build(folder, WORDS)
        store.docstore.search("d1").page_content = "red cat"
        chain.describe(folder, store, chain.encoder(WORDS))
        assert fields(refusal(chain, folder, chain.encoder(WORDS))) == ["corpus.inputs"]

    def test_a_document_that_the_docstore_lost(self, chain: Library, folder: Path) -> None:
        store = chain.build(folder, WORDS)
        store.docstore.delete(["d3"])
        with pytest.raises(Refused, match="vectors and docstore do not belong together: row 3 has no document"):
            chain.describe(folder, store, chain.encoder(WORDS))

    def test_a_loaded_store_takes_documents(self, chain: Library, folder: Path) -> None:
        described(chain, folder)
        store = chain.load(folder, chain.encoder(WORDS))
        store.add_texts(["purple cow"], ids=["d12"])
        assert chain.search(store, "purple cow")[0][0] == "d12"


class TestLlamaIndex:
    def test_a_cache_of_embeddings_is_refused(self, llama: Library) -> None:
        """It gives the query "red" the vector of the document "red", prompt or not."""
        kvstore = importlib.import_module("llama_index.core.storage.kvstore")
        with pytest.raises(UsageError, match="gives a query the vector of a document with the same text"):
            llama.encoder(WORDS, embeddings_cache=kvstore.SimpleKVStore())

    def test_a_node_that_was_put_in_again(self, llama: Library, folder: Path) -> None:
        """Its old vector stays, and finds its new text."""
        schema = importlib.import_module("llama_index.core.schema")
        index = llama.build(folder, WORDS)
        index.insert_nodes([schema.TextNode(text="purple cow", id_="d3")])
        index.storage_context.persist(str(folder))
        assert llama.search(index, TEXTS[3])[0][0] == llama.search(index, "purple cow")[0][0] == "d3"
        with pytest.raises(Refused, match="node 'd3' was put in more than once"):
            llama.describe(folder, index, llama.encoder(WORDS))

    def test_an_index_that_returns_ids_of_its_own(self, llama: Library, folder: Path) -> None:
        faiss = importlib.import_module("faiss")
        core, schema = (importlib.import_module(f"llama_index.core{name}") for name in ("", ".schema"))
        embed_model = importlib.import_module("sealkit.adapters.llama_index").as_embedding(llama.encoder(WORDS))
        library = importlib.import_module("llama_index.vector_stores.faiss")
        store = library.FaissMapVectorStore(faiss.IndexIDMap2(faiss.IndexFlatL2(DIMENSION)))
        context = core.StorageContext.from_defaults(vector_store=store)
        index = core.VectorStoreIndex(
            [schema.TextNode(text="red fox")], storage_context=context, embed_model=embed_model
        )
        with pytest.raises(Refused, match="row 0 has no node, and nodes are known by their rows alone"):
            llama.describe(folder, index, llama.encoder(WORDS))

    def test_metadata_that_is_embedded_counts(self, llama: Library, folder: Path) -> None:
        described(llama, folder)
        text = (folder / "docstore.json").read_text("utf-8")
        (folder / "docstore.json").write_text(text.replace('"metadata": {}', '"metadata": {"year": 2026}', 1), "utf-8")
        again(folder)
        assert fields(refusal(llama, folder, llama.encoder(WORDS))) == ["corpus.inputs"]


def halved(distance: float) -> float:
    return 1 - distance / 2


class Runs:
    """What runs when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("ran"),)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(3))
def test_the_page_of_stores_does_what_it_shows(folder: Path, tmp_path: Path, block: int) -> None:
    pytest.importorskip("sentence_transformers")
    chain, _ = langchain(), llama_index()
    encoder = chain.encoder(Words(dimension=384))
    schema = importlib.import_module("llama_index.core.schema")
    given = {
        "encoder": encoder,
        "embeddings": importlib.import_module("sealkit.adapters.langchain").as_embeddings(encoder),
        "embed_model": importlib.import_module("sealkit.adapters.llama_index").as_embedding(encoder),
        "model": str(tiny_model(tmp_path / "model", 1)) if block == 0 else None,
        "texts": TEXTS,
        "ids": IDS,
        "nodes": [schema.TextNode(text=text, id_=one) for text, one in zip(TEXTS, IDS, strict=True)],
    }
    shown = blocks(ROOT / "docs/stores.md", "python")
    assert len(shown) == 3
    Path("block.py").write_text(shown[block], "utf-8")
    runpy.run_path("block.py", given)
