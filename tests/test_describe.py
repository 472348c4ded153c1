"""`describe_index`: the manifest of an index where it is built, and everything that its encoder and corpus must not be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sealkit import digest, fit
from sealkit.describe import describe_index
from sealkit.finding import ReadError, Refused, UsageError
from sealkit.fingerprint import ABSENT, of_inputs, of_lines, value
from sealkit.index import open_index
from sealkit.manifest import NAME, fields, identity
from sealkit.pack import BUILT_IN
from sealkit.render import fit as render
from tests import spaces
from tests.test_index import ENCODER, IDS, TEXTS, asked, put

faiss = pytest.importorskip("faiss")


def folder_of(tmp_path: Path, factory: str = "Flat", **more: Any) -> Path:
    put(tmp_path / "index" / "x.faiss", factory, **more)
    return tmp_path / "index"


def test_what_is_described_keeps_its_contract_and_leaves_nothing_that_binds_unknown(tmp_path: Path) -> None:
    about = {"preparation": {"template": None, "chunking": None}}
    found = describe_index(folder_of(tmp_path), ENCODER, TEXTS, ids=IDS, about=about)
    path = tmp_path / "index"
    assert json.loads((path / NAME).read_text("utf-8")) == found
    assert BUILT_IN.contracts["index_manifest/v2"].violations(found) == []
    said = found["fingerprint"]
    assert [f.name for f in fields() if f.binding == "bind" and value(said, f) is ABSENT] == []
    assert (found["witness"], found["file"], found["identity"]) == ("described", "x.faiss", identity(found))
    assert found["digest"] == digest.file(path / "x.faiss")
    assert found["ids"] == {"file": "ids.txt", "digest": digest.file(path / "ids.txt")}
    assert (path / "ids.txt").read_text("utf-8").splitlines() == IDS
    assert found["files"]["digest"] == digest.tree(path, without=[NAME])
    assert [(one["name"], one["bytes"]) for one in found["files"]["listing"]] == [
        (name, (path / name).stat().st_size) for name in ("ids.txt", "x.faiss")
    ]
    assert said["corpus"] == {
        "digest": None, "inputs": of_inputs(TEXTS), "count": 12, "duplicates": 0, "ids": of_lines(IDS),
    }  # fmt: skip
    assert (said["probe"]["self_retrieval"], len(said["probe"]["inputs"])) == (1.0, 8)


def test_what_only_the_caller_knows_is_added(tmp_path: Path) -> None:
    about = {"corpus": {"name": "test", "licence": "mit"}, "time": {"encoder_trained_at": "2026-01-01T00:00:00Z"}}
    reasons = {"vectors.dtype": "both are compared as floats"}
    found = describe_index(folder_of(tmp_path), ENCODER, TEXTS, about=about, invariant=reasons)
    assert (found["fingerprint"]["corpus"]["name"], found["fingerprint"]["corpus"]["count"]) == ("test", 12)
    assert found["fingerprint"]["time"]["encoder_trained_at"] == "2026-01-01T00:00:00Z"
    assert found["invariant"] == reasons
    assert open_index(tmp_path / "index", spaces.of(vectors__dtype="float16")).unknown == ()


def refused(path: Path, encoder: Any = ENCODER, corpus: Any = TEXTS, **more: Any) -> list[str]:
    before = sorted(one.name for one in path.parent.rglob("*"))
    with pytest.raises(Refused) as caught:
        describe_index(path, encoder, corpus, **more)
    assert sorted(one.name for one in path.parent.rglob("*")) == before, "nothing is written"
    return [finding.message for finding in caught.value.findings]


EXACT = ["Flat", "IVF3,Flat", "HNSW4", "IDMap,Flat", "IDMap,IVF3,Flat"]
CODED = ["PQ4x3", "SQ8", "IVF3,SQ8", "PCA6,Flat", "HNSW4,SQ8"]


def described(tmp_path: Path, factory: str) -> Path:
    own = list(range(100, 112)) if factory.startswith("IDMap") else None
    return folder_of(tmp_path, factory, ids=own)


@pytest.mark.parametrize("factory", [*EXACT, *CODED])
def test_every_kind_is_described_and_opened(factory: str, tmp_path: Path) -> None:
    path = described(tmp_path, factory)
    found = describe_index(path, ENCODER, TEXTS)
    assert found["fingerprint"]["structure"]["count"] == 12
    index = open_index(path, ENCODER)
    assert index.replay is not None and index.replay.encoded
    own = 100 if factory.startswith("IDMap") else 0
    hits = index.search(asked(*TEXTS), 1, partial=True)
    assert (hits.ids[:, 0] == np.arange(own, own + 12)).mean() >= 0.5


@pytest.mark.parametrize("factory", [*EXACT, *CODED])
def test_an_encoder_that_did_not_make_the_vectors_is_refused(factory: str, tmp_path: Path) -> None:
    found = refused(described(tmp_path, factory), spaces.of(salt="other"))
    assert all(one.startswith("the vectors are not those of this encoder and corpus: ") for one in found)
    assert len(found) == 1 and found[0].endswith("; and 7 more of 8") == (factory in EXACT)


@pytest.mark.parametrize("factory", [*EXACT, *CODED])
def test_a_corpus_in_another_order_is_refused(factory: str, tmp_path: Path) -> None:
    assert refused(described(tmp_path, factory), corpus=[*TEXTS[1:], TEXTS[0]])


def test_vectors_of_another_length_are_refused(tmp_path: Path) -> None:
    found = refused(folder_of(tmp_path), spaces.of(normalise=False))
    assert len(found) == 1 and "its length off by" in found[0]


@pytest.mark.parametrize(
    ("corpus", "ids", "said"),
    [
        (TEXTS[:-1], None, "holds 12 vectors; given were 11 inputs"),
        ([*TEXTS, "one more"], None, "holds 12 vectors; given were 13 inputs"),
        (TEXTS, IDS[:-1], "holds 12 vectors; given were 12 inputs and 11 ids"),
        ([], [], "holds 12 vectors; given were 0 inputs and 0 ids"),
    ],
)
def test_other_numbers_are_refused(corpus: Any, ids: Any, said: str, tmp_path: Path) -> None:
    path = folder_of(tmp_path)
    with pytest.raises(UsageError) as caught:
        describe_index(path, ENCODER, corpus, ids=ids)
    assert str(caught.value) == f"{path / 'x.faiss'}: {said}\n  fix: give one for each row, in its order"
    assert [one.name for one in path.iterdir()] == ["x.faiss"]


@pytest.mark.parametrize("as_file", [True, False])
def test_a_manifest_that_is_there_is_left_alone(as_file: bool, tmp_path: Path) -> None:
    path = folder_of(tmp_path) / ("x.faiss" if as_file else "")
    describe_index(path, ENCODER, TEXTS)
    before = {one.name: one.read_bytes() for one in (tmp_path / "index").iterdir()}
    with pytest.raises(UsageError, match="there is a manifest already"):
        describe_index(path, ENCODER, TEXTS)
    assert {one.name: one.read_bytes() for one in (tmp_path / "index").iterdir()} == before


def test_an_id_that_breaks_its_line_is_refused(tmp_path: Path) -> None:
    """It would be two rows of the list."""
    path = folder_of(tmp_path)
    with pytest.raises(UsageError, match=r"the id of row 2, 'a\\nb', holds a line break"):
        describe_index(path, ENCODER, TEXTS, ids=["x", "y", "a\nb", *IDS[3:]])
    assert [one.name for one in path.iterdir()] == ["x.faiss"]


def test_equal_inputs_are_counted(tmp_path: Path) -> None:
    texts = ["same"] * 5 + ["other"] * 3
    np.save(tmp_path / "rows.npy", spaces.vectors(texts))
    found = describe_index(tmp_path / "rows.npy", ENCODER, texts)
    assert found["fingerprint"]["corpus"]["duplicates"] == 6
    # Any of the five may come first, whichever of them was asked for.
    assert found["fingerprint"]["probe"]["self_retrieval"] == 1
    assert open_index(tmp_path / "rows.npy", ENCODER).unknown == ()


@pytest.mark.parametrize("kind", ["faiss", "npy"])
def test_an_index_of_nothing_is_described_and_opened(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"none.{kind}"
    if kind == "npy":
        np.save(path, np.empty((0, spaces.DIMENSION), np.float32))
    else:
        faiss.write_index(faiss.IndexFlatIP(spaces.DIMENSION), str(path))
    found = describe_index(path, ENCODER, [], ids=[])
    assert BUILT_IN.contracts["index_manifest/v2"].violations(found) == []
    index = open_index(path, ENCODER)
    assert index.replay is None
    with pytest.raises(UsageError, match="the index holds 0 vectors"):
        index.search(asked("a"), 1)


def test_a_probe_that_was_emptied_is_not_taken_for_that_of_an_index_of_nothing(tmp_path: Path) -> None:
    path = folder_of(tmp_path)
    found = describe_index(path, ENCODER, TEXTS)
    found["fingerprint"]["probe"] |= {"inputs": [], "vectors": [], "neighbours": [], "scores": []}
    (path / NAME).write_text(json.dumps(found), "utf-8")
    with pytest.raises(Refused, match="the probe is not whole"):
        open_index(path, ENCODER)


@pytest.mark.parametrize(("names", "said"), [((), "found none"), (("a", "b"), "found a.faiss, b.faiss")])
def test_a_folder_that_is_not_of_one_index_is_refused(names: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "notes.txt").write_text("x")
    for name in names:
        put(tmp_path / "index" / f"{name}.faiss")
    with pytest.raises(UsageError, match=said):
        describe_index(tmp_path / "index", ENCODER, TEXTS)


def test_a_folder_in_the_folder_is_refused(tmp_path: Path) -> None:
    path = folder_of(tmp_path)
    (path / "more").mkdir()
    (path / "more" / "x").write_text("x")
    with pytest.raises(UsageError, match=r"holds a folder \(more\), and an index lies flat in one"):
        describe_index(path, ENCODER, TEXTS)


def test_a_file_that_is_none_and_a_link_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.faiss").write_bytes(b"nothing of the kind, however long it may be")
    with pytest.raises(ReadError, match="is no FAISS index"):
        describe_index(tmp_path / "x.faiss", ENCODER, TEXTS)
    (tmp_path / "link.faiss").symlink_to(folder_of(tmp_path) / "x.faiss")
    with pytest.raises(ReadError, match="is a symbolic link"):
        describe_index(tmp_path / "link.faiss", ENCODER, TEXTS)


def test_another_list_of_ids_is_not_written_over(tmp_path: Path) -> None:
    path = folder_of(tmp_path)
    (path / "ids.txt").write_text("mine\n", "utf-8")
    with pytest.raises(UsageError, match="there is another list of ids already"):
        describe_index(path, ENCODER, TEXTS, ids=IDS)
    assert (path / "ids.txt").read_text("utf-8") == "mine\n"
    (path / "ids.txt").write_text("".join(f"{one}\n" for one in IDS), "utf-8", newline="\n")
    assert describe_index(path, ENCODER, TEXTS, ids=IDS)["ids"]["file"] == "ids.txt"


def test_a_space_that_breaks_the_contract_is_refused_and_no_manifest_is_left(tmp_path: Path) -> None:
    path = folder_of(tmp_path)
    with pytest.raises(Refused) as caught:
        describe_index(path, spaces.of(vectors__normalise="yes"), TEXTS, ids=IDS)
    assert [finding.message for finding in caught.value.findings] == ['expected boolean, found string "yes"']
    assert not (path / NAME).exists()


def test_a_first_id_that_no_reader_would_give_back_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "x.faiss")
    with pytest.raises(UsageError, match="byte-order mark"):
        describe_index(tmp_path / "x.faiss", ENCODER, TEXTS, ids=["\ufeffd0", *IDS[1:]])


def test_an_adopted_index_never_fits_whatever_was_filled_in(tmp_path: Path) -> None:
    file, space = tmp_path / "x.faiss", tmp_path / "space.json"
    put(file)
    told = describe_index(file, ENCODER, TEXTS)
    space.write_text(json.dumps(ENCODER.space), "utf-8")
    assert fit.compare(fit.read(file), fit.read(space)).verdict is fit.Verdict.FITS
    file.with_name(f"x.faiss.{NAME}").write_text(json.dumps({**told, "witness": "adopted"}), "utf-8")
    found = fit.compare(fit.read(file), fit.read(space))
    assert found.exit_code == 3
    assert render.text(found).splitlines()[-1] == "unknown: A was adopted, not witnessed"


@pytest.mark.parametrize(
    ("invariant", "said"),
    [
        ({"maks": "x"}, "a fingerprint has no `maks`; did you mean `mask`?"),
        ({"mask": " "}, "no reason is given for `mask`"),
    ],
)
def test_what_is_declared_invariant_has_a_name_and_a_reason(
    tmp_path: Path, invariant: dict[str, str], said: str
) -> None:
    folder = folder_of(tmp_path)
    with pytest.raises(UsageError) as refused:
        describe_index(folder, ENCODER, TEXTS, ids=IDS, invariant=invariant)
    assert refused.value.message == said
    assert not (folder / NAME).exists()
