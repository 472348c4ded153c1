"""`toolkit fingerprint`: what a user types and reads, word for word, with exit codes.

Each case lies in tests/fingerprint/<case>.txt.

    python -m tests.test_fingerprint_verb

writes those that are not there yet: read them before you commit them.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealkit import cli, digest, fit, manifest
from sealkit.adopt import adopt
from sealkit.finding import SealkitError
from sealkit.fingerprint import ABSENT, value
from sealkit.space import Encoder, as_given, no_model, no_tokenizer
from tests.conftest import ROOT

faiss = pytest.importorskip("faiss")

GOLDEN = Path(__file__).parent / "fingerprint"
SEALED = ROOT / "tests/sealed/0.1.0/missed/stages"
QUICK = settings(deadline=None, max_examples=150)
TEXTS = ["one", "two", "three"]
VECTORS = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0.6, 0.8, 0, 0]], dtype=np.float32)
SPACE: dict[str, Any] = {
    **as_given(),
    "tokenizer": no_tokenizer(),
    "encoder": {**no_model(), "function": "letters/1"},
    "roles": {
        "query_prompt": "query: ",
        "document_prompt": "",
        "prompt_pooled": None,
        "task": None,
        "query_encoder": None,
    },
    "vectors": {
        "dimension": 4,
        "truncated_from": None,
        "normalise": True,
        "metric": "inner_product",
        "dtype": "float32",
        "calibration": None,
        "transform": None,
        "backend": None,
        "device": "cpu",
    },
}


def encode(texts: Any) -> Any:
    return np.stack([VECTORS[TEXTS.index(text)] for text in texts])


def changed(space: dict[str, Any], **values: Any) -> dict[str, Any]:
    """A copy of a space with other values, given as `encoder_function=…`; one that is ABSENT is taken out."""
    found = json.loads(json.dumps(space))
    for name, new in values.items():
        group, _, field = name.partition("_")
        found[group][field] = new
        if new is ABSENT:
            del found[group][field]
    return dict(found)


def wrote(path: Path, index: Any = None) -> Path:
    """A FAISS file; a flat index of inner products where nothing else is given."""
    path.parent.mkdir(exist_ok=True)
    index = faiss.IndexFlatIP(4) if index is None else index
    if not index.is_trained:
        index.train(np.tile(VECTORS, (20, 1)))
    if index.ntotal == 0:
        index.add(VECTORS)
    faiss.write_index(index, str(path))
    return path


def wrote_json(path: str, document: Any) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(json.dumps(document), "utf-8")


def described(path: str, **more: Any) -> dict[str, Any]:
    from sealkit import describe_index

    with mock.patch("sealkit.write.now", return_value="2026-01-02T03:04:05Z"):
        about = {"preparation": {"template": None, "chunking": None}}
        return describe_index(wrote(Path(path)), Encoder(SPACE, encode, encode), TEXTS, about=about, **more)


def mapped(path: str) -> None:
    index = faiss.IndexIDMap(faiss.IndexFlatIP(4))
    index.add_with_ids(VECTORS, np.array([7, 8, 9]))
    wrote(Path(path), index)


def llama(folder: str, nodes: Any) -> None:
    """A folder as LlamaIndex writes it: the FAISS file has the name of a JSON document, the nodes lie in JSON within JSON."""
    wrote(Path(folder) / "default__vector_store.json")
    wrote_json(f"{folder}/docstore.json", {"docstore/data": {}})
    data = json.dumps({"index_id": "i", "summary": None, "nodes_dict": nodes, "doc_id_dict": {}, "embeddings_dict": {}})
    store = {"index_store/data": {"i": {"__type__": "vector_store", "__data__": data}}}
    wrote_json(f"{folder}/index_store.json", store)


def langchain(folder: str) -> None:
    wrote(Path(folder) / "index.faiss")
    (Path(folder) / "index.pkl").write_bytes(b"cos\nsystem\n(S'touch was-unpickled'\ntR.")


def opaque(path: str) -> None:
    """The header of an index behind a transformation, whose settings are not read."""
    Path(path).write_bytes(b"IxPT" + struct.pack("<iqqqBi", 4, 3, 0, 0, 1, 1))


def old(folder: str) -> None:
    """An index and its search as 0.1.0 wrote them."""
    shutil.copytree(SEALED / "index" / "index", folder)
    shutil.copyfile(SEALED / "search" / "search_manifest.json", f"{folder}_search.json")


def search_of(index: dict[str, Any], space: dict[str, Any]) -> dict[str, Any]:
    searched = {**space, "search": {**index["fingerprint"]["search"], "ties": "score falling, then doc_id falling"}}
    return {
        "schema": "search_manifest/v2",
        "index": {"digest": index["digest"], "identity": index["identity"]},
        "queries": {"digest": "sha256:" + "a" * 64, "count": 2},
        "top_k": 2,
        "mode": "dense",
        "fingerprint": searched,
    }


def edited(path: str, change: Callable[[dict[str, Any]], Any]) -> None:
    document = json.loads(Path(path).read_text("utf-8"))
    change(document)
    Path(path).write_text(json.dumps(document), "utf-8")


MANIFEST = "docs.faiss.index_manifest.json"


def with_index(**more: Any) -> None:
    described("docs.faiss", **more)


def with_space(**values: Any) -> None:
    with_index()
    wrote_json("space.json", changed(SPACE, **values))


def with_search(space: dict[str, Any], **more: Any) -> None:
    wrote_json("search_manifest.json", {**search_of(described("docs.faiss"), space), **more})


def with_adopted() -> None:
    langchain("lc")
    adopt(Path("lc"))
    wrote_json("space.json", SPACE)


def two_indexes() -> None:
    described("a.faiss")
    described("b.faiss", ids=["x", "y", "z"])


def invariant() -> None:
    with_index(invariant={"mask": "the encoder never sees the mask", "vectors.device": "vectors are rounded to 1e-3"})
    wrote_json("space.json", changed(SPACE, mask_kind="fixed", mask_seed=7, vectors_device="cuda"))


def terminal() -> None:
    with_space(encoder_function="\x1b[2J\u202egnp.exe", roles_query_prompt="line\nline\x07")


def tampered() -> None:
    with_index()
    edited(MANIFEST, lambda document: document["fingerprint"]["encoder"].update(function="letters/2"))


def with_link() -> None:
    wrote(Path("elsewhere.faiss"))
    Path("folder").mkdir()
    Path("folder/index.faiss").symlink_to(Path("elsewhere.faiss").resolve())


def with_pipe() -> None:
    wrote(Path("folder/index.faiss"))
    os.mkfifo("folder/pipe")


def with_name(name: str) -> None:
    wrote(Path("folder/index.faiss"))
    Path("folder", name).write_text("x")


def nested() -> None:
    wrote(Path("folder/index.faiss"))
    Path("folder/.git").mkdir()
    Path("folder/more").mkdir()


def huge() -> None:
    llama("li", {})
    with Path("li/index_store.json").open("wb") as file:
        file.truncate(2**26 + 1)


BM25 = {"method": "lucene", "k1": 1.5, "b": 0.75, "stemmer": None, "stop_words": None, "corpus": "sha256:" + "e" * 64}
NODES = {"1": "node-b", "0": "node-a", "2": "node-c"}


def each(*makes: Callable[[], Any]) -> Callable[[], None]:
    def make() -> None:
        for one in makes:
            one()

    return make


CASES: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "show-described": (with_index, ["show", "docs.faiss"]),
    "show-its-manifest": (with_index, ["show", MANIFEST]),
    "show-json": (with_index, ["show", "docs.faiss", "--format", "json"]),
    "show-adopted": (with_adopted, ["show", "lc"]),
    "show-v1": (lambda: old("old"), ["show", "old"]),
    "show-invariant": (invariant, ["show", "docs.faiss"]),
    "show-search": (lambda: with_search(SPACE), ["show", "search_manifest.json"]),
    "show-space": (lambda: wrote_json("space.json", changed(SPACE, roles_task=ABSENT)), ["show", "space.json"]),
    "show-no-manifest": (lambda: wrote(Path("docs.faiss"), faiss.IndexHNSWFlat(4, 8)), ["show", "docs.faiss"]),
    "show-no-manifest-ivf": (
        lambda: wrote(Path("docs.faiss"), faiss.IndexIVFFlat(faiss.IndexFlatL2(4), 4, 1)),
        ["show", "docs.faiss"],
    ),
    "show-no-manifest-array": (lambda: np.save("docs.npy", VECTORS), ["show", "docs.npy"]),
    "show-no-manifest-json": (lambda: llama("li", NODES), ["show", "li", "--format", "json"]),
    "show-no-manifest-quoted": (lambda: wrote(Path("my docs.faiss")), ["show", "my docs.faiss"]),
    "show-no-index": (lambda: Path("notes.txt").write_text("notes"), ["show", "notes.txt"]),
    "show-nothing": (lambda: None, ["show", "docs.faiss"]),
    "show-terminal": (terminal, ["show", "space.json"]),
    "compare-fits": (lambda: with_search(SPACE), ["compare", "docs.faiss", "search_manifest.json"]),
    "compare-fits-space": (with_space, ["compare", "docs.faiss", "space.json"]),
    "compare-warns": (lambda: with_space(vectors_device="cuda"), ["compare", "docs.faiss", "space.json"]),
    "compare-differs": (
        lambda: with_space(encoder_function="letters/2", vectors_normalise=False, encoder_name="x", roles_task=ABSENT),
        ["compare", "docs.faiss", "space.json"],
    ),
    "compare-turned": (lambda: with_space(encoder_function="letters/2"), ["compare", "space.json", MANIFEST]),
    "compare-unknown": (lambda: with_space(tokenizer_max_length=ABSENT), ["compare", "docs.faiss", "space.json"]),
    "compare-adopted": (with_adopted, ["compare", "lc", "space.json"]),
    "compare-v1": (lambda: old("old"), ["compare", "old", "old_search.json"]),
    "compare-v1-v2": (
        each(lambda: old("old"), lambda: with_search(SPACE)),
        ["compare", "old", "search_manifest.json"],
    ),
    "compare-invariant": (invariant, ["compare", "docs.faiss", "space.json"]),
    "compare-indexes": (two_indexes, ["compare", "a.faiss", "b.faiss"]),
    "compare-itself": (with_index, ["compare", "docs.faiss", "docs.faiss"]),
    "compare-json": (
        lambda: with_space(encoder_function="letters/2", tokenizer_max_length=ABSENT),
        ["compare", "docs.faiss", "space.json", "--format", "json"],
    ),
    "compare-terminal": (terminal, ["compare", "docs.faiss", "space.json"]),
    "compare-no-manifest": (
        each(with_index, lambda: wrote(Path("other.faiss"))),
        ["compare", "docs.faiss", "other.faiss"],
    ),
    "compare-tampered": (tampered, ["compare", "docs.faiss", "docs.faiss"]),
    "compare-broken": (
        each(with_index, lambda: edited(MANIFEST, lambda document: document.pop("digest"))),
        ["compare", "docs.faiss", MANIFEST],
    ),
    "compare-newer": (
        each(with_index, lambda: edited(MANIFEST, lambda document: document.update(schema="index_manifest/v3"))),
        ["compare", "docs.faiss", MANIFEST],
    ),
    "compare-torn": (
        each(with_index, lambda: Path(MANIFEST).write_text('{"schema": ')),
        ["compare", "docs.faiss", "docs.faiss"],
    ),
    "compare-misspelt": (
        each(with_index, lambda: wrote_json("space.json", {"tokeniser": {}, "encoder": {"weigths": None}})),
        ["compare", "docs.faiss", "space.json"],
    ),
    "compare-other-kind": (
        each(with_index, lambda: wrote_json("metrics.json", {"schema": "metrics/v1"})),
        ["compare", "docs.faiss", "metrics.json"],
    ),
    "compare-bm25": (
        each(
            lambda: with_search(SPACE, mode="bm25", bm25=BM25),
            lambda: edited(
                "search_manifest.json", lambda document: [document.pop(key) for key in ("fingerprint", "index")]
            ),
        ),
        ["compare", "docs.faiss", "search_manifest.json"],
    ),
    "adopt-file": (lambda: wrote(Path("docs.faiss")), ["adopt", "docs.faiss"]),
    "adopt-array": (lambda: np.save("docs.npy", VECTORS), ["adopt", "docs.npy"]),
    "adopt-mapped": (lambda: mapped("docs.faiss"), ["adopt", "docs.faiss"]),
    "adopt-opaque": (lambda: opaque("docs.faiss"), ["adopt", "docs.faiss"]),
    "adopt-langchain": (lambda: langchain("lc"), ["adopt", "lc"]),
    "adopt-llamaindex": (lambda: llama("li", NODES), ["adopt", "li"]),
    "adopt-llamaindex-gap": (lambda: llama("li", {"0": "node-a", "2": "node-c", "3": "node-d"}), ["adopt", "li"]),
    "adopt-llamaindex-huge": (huge, ["adopt", "li"]),
    "adopt-ids": (
        each(lambda: wrote(Path("docs.faiss")), lambda: Path("names.txt").write_text("a\nb\nc\n")),
        ["adopt", "docs.faiss", "--ids", "names.txt"],
    ),
    "adopt-twice": (with_index, ["adopt", "docs.faiss"]),
    "adopt-twice-by-folder": (lambda: described("docs/docs.faiss"), ["adopt", "docs"]),
    "adopt-ids-too-few": (
        each(lambda: wrote(Path("docs.faiss")), lambda: Path("names.txt").write_text("a\nb\n")),
        ["adopt", "docs.faiss", "--ids", "names.txt"],
    ),
    "adopt-ids-elsewhere": (
        each(lambda: wrote(Path("docs/docs.faiss")), lambda: Path("names.txt").write_text("a\nb\nc\n")),
        ["adopt", "docs/docs.faiss", "--ids", "docs/../names.txt"],
    ),
    "adopt-ids-of-a-map": (
        each(lambda: mapped("docs.faiss"), lambda: Path("names.txt").write_text("a\nb\nc\n")),
        ["adopt", "docs.faiss", "--ids", "names.txt"],
    ),
    "adopt-ids-there-already": (
        each(lambda: llama("li", NODES), lambda: Path("li/ids.txt").write_text("x\ny\nz\n")),
        ["adopt", "li"],
    ),
    "adopt-nothing": (lambda: None, ["adopt", "docs.faiss"]),
    "adopt-no-vectors": (lambda: wrote_json("folder/config.json", {}), ["adopt", "folder"]),
    "adopt-many": (
        each(
            lambda: wrote(Path("folder/index.faiss")),
            lambda: [Path("folder", f"{i}.json").write_text("{}") for i in range(manifest.FILES)],
        ),
        ["adopt", "folder"],
    ),
    "adopt-two": (
        each(lambda: wrote(Path("folder/a.faiss")), lambda: wrote(Path("folder/b.faiss"))),
        ["adopt", "folder"],
    ),
    "adopt-link": (with_link, ["adopt", "folder"]),
    "adopt-linked-file": (with_link, ["adopt", "folder/index.faiss"]),
    "adopt-pipe": (with_pipe, ["adopt", "folder"]),
    "adopt-nested": (nested, ["adopt", "folder"]),
    "adopt-newline": (lambda: with_name("a\nb"), ["adopt", "folder"]),
    "adopt-backslash": (lambda: with_name("a\\..\\x"), ["adopt", "folder"]),
    "adopt-not-utf-8": (lambda: with_name(os.fsdecode(b"\xff")), ["adopt", "folder"]),
    "adopt-cut-off": (
        lambda: Path("docs.faiss").write_bytes(wrote(Path("whole.faiss")).read_bytes()[:60]),
        ["adopt", "docs.faiss"],
    ),
    "adopt-no-metric": (
        lambda: Path("docs.faiss").write_bytes(b"IxPQ" + struct.pack("<iqqqBi", 4, 3, 0, 0, 1, -7)),
        ["adopt", "docs.faiss"],
    ),
}


def said(case: str) -> str:
    """What a case prints in an empty folder, with its exit code."""
    make, arguments = CASES[case]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        make()
        out, err, code = toolkit(*arguments)
    return f"$ toolkit fingerprint {' '.join(arguments)}\n{out}{err}exit {code}\n"


def toolkit(*arguments: str) -> tuple[str, str, Any]:
    out, err = io.StringIO(), io.StringIO()
    code: Any = None
    with (
        mock.patch.object(sys, "argv", ["toolkit", "fingerprint", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as error:
            code = error.code
    return out.getvalue(), err.getvalue(), code


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    with contextlib.chdir(tmp_path):
        yield tmp_path


@pytest.mark.parametrize("case", CASES)
def test_what_a_user_reads(case: str) -> None:
    assert said(case) == (GOLDEN / f"{case}.txt").read_text("utf-8")


def test_every_golden_output_is_that_of_a_case() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(CASES)


# What is adopted is guarded, and opens with a warning


@pytest.mark.parametrize("path", ["docs.faiss", "docs.npy", "lc", "li"])
def test_what_was_adopted_opens_with_a_warning_and_finds_the_same(path: str, here: Path) -> None:
    from sealkit import open_index
    from sealkit.index import NotWitnessed

    wrote(Path("docs.faiss"))
    np.save("docs.npy", VECTORS)
    langchain("lc")
    llama("li", NODES)
    adopt(Path(path))
    with pytest.warns(NotWitnessed, match="adopted, not witnessed"):
        index = open_index(path, Encoder(SPACE, encode, encode))
    hits = index.search(encode(["three", "one"]), 1)
    assert hits.rows.tolist() == [[2], [0]]
    assert hits.ids.tolist() == ([["node-c"], ["node-a"]] if path == "li" else [[2], [0]])


def test_an_adopted_array_that_no_metric_is_known_for_is_not_searched(here: Path) -> None:
    from sealkit import ReadError, open_index

    np.save("docs.npy", VECTORS)
    adopt(Path("docs.npy"))
    with pytest.warns(UserWarning), pytest.raises(ReadError, match="nobody says by what metric its rows are compared"):
        open_index("docs.npy", changed(SPACE, vectors_metric=ABSENT))


def test_nothing_is_unpickled(here: Path) -> None:
    langchain("lc")
    adopt(Path("lc"))
    assert sorted(os.listdir()) == ["lc"]
    manifest_ = fit.read(Path("lc")).document
    assert [one["name"] for one in manifest_["files"]["listing"]] == ["index.faiss", "index.pkl"]


def test_it_works_without_the_libraries_that_built_the_index(here: Path) -> None:
    with_space()
    llama("li", NODES)
    with mock.patch.dict(sys.modules, {"faiss": None, "torch": None, "sentence_transformers": None}):
        codes = [toolkit(*words.split())[2] for words in ("adopt li", "show li", "compare docs.faiss space.json")]
    assert codes == [0, 0, 0]


def test_a_companion_that_was_exchanged_is_noticed(here: Path) -> None:
    from sealkit import Refused, open_index

    langchain("lc")
    adopt(Path("lc"))
    Path("lc/index.pkl").write_bytes(b"another")
    with pytest.warns(UserWarning), pytest.raises(Refused, match=r"index\.pkl is not the file that was described"):
        open_index("lc", SPACE)


def test_a_list_that_could_not_be_recorded_is_taken_away_again(here: Path) -> None:
    llama("li", {"0": "a"})
    header = b"IxPQ" + struct.pack("<iqqqBi", 4, 1, 0, 0, 1, -7)
    Path("li/default__vector_store.json").write_bytes(header)
    with pytest.raises(SealkitError):
        adopt(Path("li"))
    assert sorted(os.listdir("li")) == ["default__vector_store.json", "docstore.json", "index_store.json"]


def test_a_file_has_its_own_manifest_unless_that_of_its_folder_names_it(here: Path) -> None:
    described("docs/a.faiss")
    wrote(Path("docs/b.faiss"))
    own, shared = Path("docs/a.faiss.index_manifest.json"), Path("docs/index_manifest.json")
    assert manifest.place(Path("docs/a.faiss")) == own
    own.rename(shared)
    assert manifest.place(Path("docs/a.faiss")) == shared == manifest.place(Path("docs"))
    assert manifest.place(Path("docs/b.faiss")) == Path("docs/b.faiss.index_manifest.json")
    shared.write_text("{")  # it may be that of b: nothing is written beside it
    assert manifest.place(Path("docs/b.faiss")) == shared


@pytest.mark.parametrize("schema", [[], {}, None, 2, "index_manifest/v1", "search_manifest/v2", "index_manifest/v10"])
def test_a_manifest_that_says_another_schema_is_told(schema: Any, here: Path) -> None:
    with_index()
    edited(MANIFEST, lambda document: document.update(schema=schema))
    out, err, code = toolkit("show", "docs.faiss")
    assert (out, code) == ("", 3 if schema == "index_manifest/v10" else 1)
    assert err.startswith(f"toolkit: {MANIFEST}: ")


# Whatever lies there


def test_json_has_every_field_that_the_schema_has(here: Path) -> None:
    with_index()
    shown = json.loads(toolkit("show", "docs.faiss", "--format", "json")[0])
    document = json.loads(Path(MANIFEST).read_text("utf-8"))
    assert [one["name"] for one in shown["fields"]] == [field.name for field in manifest.fields()]
    for one, field in zip(shown["fields"], manifest.fields(), strict=True):
        said = value(document["fingerprint"], field)
        assert ("value" in one) == (said is not ABSENT)
        if said is not ABSENT and not isinstance(said, list):
            assert one["value"] == said
    assert not any(text in json.dumps(shown) for text in document["fingerprint"]["probe"]["vectors"])


SHARED = [field for field in manifest.fields() if field.side == "both" and field.path[0] != "search"]


@QUICK
@given(st.dictionaries(st.sampled_from(SHARED), st.sampled_from(["changed", "absent"]), max_size=3))
def test_the_verdict_is_that_of_the_binding_fields(changes: dict[Any, str]) -> None:
    space = json.loads(json.dumps(SPACE))
    for field, how in changes.items():
        if how == "absent":
            del space[field.path[0]][field.path[1]]
        else:
            space[field.path[0]][field.path[1]] = "another"
    at = Path("space.json")
    one, two = (fit.Stated(at, at, fit.Kind.SPACE, {**side, "search": SEARCH}) for side in (SPACE, space))
    ways = {how for field, how in changes.items() if field.binding == "bind"}
    expected = 1 if "changed" in ways else 3 if ways else 0
    assert fit.compare(one, two).exit_code == fit.compare(two, one).exit_code == expected


SEARCH = {"probes": None, "ef_search": None, "score": None, "ties": None}
PLAIN = b"IxFI" + struct.pack("<iqqqBi", 4, 3, 0, 0, 1, 0) + struct.pack("<Q", 12) + VECTORS.tobytes()
BYTES = st.one_of(
    st.binary(max_size=200),
    st.just(PLAIN),
    st.builds(
        lambda at, with_: PLAIN[:at] + with_ + PLAIN[at + len(with_) :], st.integers(0, 60), st.binary(max_size=9)
    ),
    st.builds(lambda end: PLAIN[:end], st.integers(0, len(PLAIN))),
    st.builds(
        lambda code, rest: code + rest,
        st.sampled_from([b"IwFl", b"IHNf", b"IxMp", b"\x93NUMPY\x01\x00"]),
        st.binary(max_size=200),
    ),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["nodes_dict", "__data__", "0", "1", "2"]), inner, max_size=3)
    ),
    max_leaves=8,
)
STORES = st.one_of(
    BYTES,
    st.builds(lambda inner: json.dumps(inner).encode(), VALUES),
    st.builds(lambda inner: json.dumps({"index_store/data": {"i": inner}}).encode(), VALUES),
    st.builds(lambda inner: json.dumps({"index_store/data": {"i": {"__data__": json.dumps(inner)}}}).encode(), VALUES),
)
NAMES = st.sampled_from(
    ["index.faiss", "index.pkl", "a.npy", "ids.txt", "..x", "a\nb", "größe", "\x1b[2J", "index_manifest.json"]
)


@QUICK
@given(st.dictionaries(NAMES, BYTES, max_size=3), st.none() | STORES, st.sampled_from(["", "index.faiss", "a.npy"]))
def test_whatever_lies_there_is_adopted_or_told(files: dict[str, bytes], store: bytes | None, path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        if store is not None:
            Path(folder, "index_store.json").write_bytes(store)
        before = sorted(os.listdir(folder))
        out, err, code = toolkit("adopt", str(Path(folder, path)))
        assert code in (0, 1, 2, 3), err
        assert "\x1b" not in out + err
        if code == 0:
            stated = fit.read(Path(folder, path))
            assert (stated.document["witness"], fit.compare(stated, stated).exit_code) == ("adopted", 3)
            assert digest.file(stated.at.parent / stated.document["file"]) == stated.document["digest"]
        else:
            assert sorted(os.listdir(folder)) == before


@QUICK
@given(BYTES | STORES)
def test_whatever_is_given_is_compared_or_told(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "given")
        path.write_bytes(data)
        for arguments in (["show", str(path)], ["compare", str(path), str(path)]):
            out, err, code = toolkit(*arguments)
            assert code in (0, 1, 2, 3), err
            assert "\x1b" not in out + err


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name in CASES:
        if not (GOLDEN / f"{name}.txt").exists():
            (GOLDEN / f"{name}.txt").write_text(said(name), "utf-8")
