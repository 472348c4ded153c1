"""`open_index`: an index made by hand, and everything for which it is not opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sealkit import digest
from sealkit.finding import ReadError, Refused
from sealkit.index import MANIFEST, OpenIndex, identity, open_index
from sealkit.pack import BUILT_IN

faiss = pytest.importorskip("faiss")

IDS = ["d1", "d2", "größe"]
VECTORS = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0.6, 0.8, 0, 0]], dtype=np.float32)


def sha(letter: str) -> str:
    return "sha256:" + letter * 64


SPACE: dict[str, Any] = {
    "encoder": {"name": "models/one", "weights": sha("b"), "tree": sha("c")},
    "tokenizer": {"digest": sha("d"), "max_length": 64},
    "prompts": {"query": "query: ", "document": ""},
    "pooling": "mean",
    "modules": sha("e"),
    "normalise": True,
    "metric": "inner_product",
    "dimension": 4,
}


def made(folder: Path, vectors: Any = VECTORS, metric: str = "IP") -> Path:
    """An index folder whose files and manifest belong together."""
    folder.mkdir(exist_ok=True)
    index = getattr(faiss, f"IndexFlat{metric}")(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(folder / "index.faiss"))
    (folder / "ids.txt").write_text("".join(f"{doc}\n" for doc in IDS), "utf-8", newline="\n")
    fingerprint = {"corpus": {"digest": sha("a"), "count": 3}, **SPACE, "count": 3}
    manifest = {
        "schema": "index_manifest/v1",
        "file": "index.faiss",
        "digest": digest.file(folder / "index.faiss"),
        "ids": {"file": "ids.txt", "digest": digest.file(folder / "ids.txt")},
        "run_id": "run-1",
        "fingerprint": fingerprint,
        "identity": identity(fingerprint),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Named as from the current folder, so that messages hold no path of this machine."""
    monkeypatch.chdir(tmp_path)
    return made(Path("index"))


def edit(folder: Path, change: Callable[[dict[str, Any]], Any], *, same: bool = True) -> None:
    """Change the manifest; with `same`, its identity again becomes that of its fingerprint."""
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    change(manifest)
    if same:
        manifest["identity"] = identity(manifest["fingerprint"])
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")


def refusal(folder: Path, query: dict[str, Any]) -> list[tuple[str, str | None, str]]:
    """(path, pointer, message) of every reason for which the index is not opened."""
    with pytest.raises(Refused) as caught:
        open_index(folder, query)
    assert caught.value.exit_code == 1
    return [(finding.at.path, finding.at.pointer, finding.message) for finding in caught.value.findings]


AT = f"index/{MANIFEST}"


# It fits


def test_the_manifest_made_by_hand_keeps_its_contract(folder: Path) -> None:
    assert BUILT_IN.contracts["index_manifest/v1"].violations(json.loads((folder / MANIFEST).read_text("utf-8"))) == []


def test_an_index_that_fits_is_opened_and_can_be_searched(folder: Path) -> None:
    index = open_index(folder, SPACE)
    assert isinstance(index, OpenIndex)
    assert index.ids == IDS
    assert index.manifest["run_id"] == "run-1"
    scores, rows = index.vectors.search(np.array([[1, 0, 0, 0]], dtype=np.float32), 2)
    assert [index.ids[row] for row in rows[0]] == ["d1", "größe"]
    assert scores[0] == pytest.approx([1.0, 0.6])


def test_labels_may_differ(folder: Path) -> None:
    renamed = {**SPACE, "encoder": {**SPACE["encoder"], "name": "models/renamed", "tree": sha("f")}}
    assert open_index(folder, renamed).ids == IDS


def test_the_folder_may_be_moved(folder: Path, tmp_path: Path) -> None:
    folder.rename("elsewhere")
    assert open_index(Path("elsewhere"), SPACE).ids == IDS
    assert open_index(tmp_path / "elsewhere", SPACE).ids == IDS


def test_an_l2_index_fits_an_l2_query_side(folder: Path) -> None:
    made(folder, metric="L2")
    edit(folder, lambda m: m["fingerprint"].update(metric="l2"))
    assert open_index(folder, {**SPACE, "metric": "l2"}).ids == IDS


def test_ids_may_have_windows_line_ends(folder: Path) -> None:
    (folder / "ids.txt").write_bytes("".join(f"{doc}\r\n" for doc in IDS).encode())
    edit(folder, lambda m: m["ids"].update(digest=digest.file(folder / "ids.txt")))
    assert open_index(folder, SPACE).ids == IDS


# Another space


@pytest.mark.parametrize(
    ("query", "where", "said"),
    [
        (
            {**SPACE, "encoder": {**SPACE["encoder"], "weights": sha("9")}},
            "/fingerprint/encoder/weights",
            f"encoder.weights: the index was built with '{sha('b')}', the query side has '{sha('9')}'",
        ),
        (
            {**SPACE, "tokenizer": {**SPACE["tokenizer"], "digest": sha("9")}},
            "/fingerprint/tokenizer/digest",
            f"tokenizer.digest: the index was built with '{sha('d')}', the query side has '{sha('9')}'",
        ),
        (
            {**SPACE, "tokenizer": {**SPACE["tokenizer"], "max_length": 128}},
            "/fingerprint/tokenizer/max_length",
            "tokenizer.max_length: the index was built with 64, the query side has 128",
        ),
        (
            {**SPACE, "prompts": {**SPACE["prompts"], "query": ""}},
            "/fingerprint/prompts/query",
            "prompts.query: the index was built with 'query: ', the query side has ''",
        ),
        (
            {**SPACE, "prompts": {**SPACE["prompts"], "document": "passage: "}},
            "/fingerprint/prompts/document",
            "prompts.document: the index was built with '', the query side has 'passage: '",
        ),
        (
            {**SPACE, "pooling": "cls"},
            "/fingerprint/pooling",
            "pooling: the index was built with 'mean', the query side has 'cls'",
        ),
        (
            {**SPACE, "modules": sha("9")},
            "/fingerprint/modules",
            f"modules: the index was built with '{sha('e')}', the query side has '{sha('9')}'",
        ),
        (
            {**SPACE, "normalise": False},
            "/fingerprint/normalise",
            "normalise: the index was built with True, the query side has False",
        ),
        (
            {**SPACE, "metric": "l2"},
            "/fingerprint/metric",
            "metric: the index was built with 'inner_product', the query side has 'l2'",
        ),
        (
            {**SPACE, "dimension": 8},
            "/fingerprint/dimension",
            "dimension: the index was built with 4, the query side has 8",
        ),
        (
            {key: SPACE[key] for key in SPACE if key != "pooling"},
            "/fingerprint/pooling",
            "pooling: the index was built with 'mean', the query side has 'unknown'",
        ),
    ],
)
def test_another_space_is_refused_field_by_field(folder: Path, query: dict[str, Any], where: str, said: str) -> None:
    assert refusal(folder, query) == [(AT, where, said)]


def test_every_field_that_differs_is_told_at_once(folder: Path) -> None:
    found = refusal(folder, {**SPACE, "pooling": "cls", "dimension": 8})
    assert [where for _, where, _ in found] == ["/fingerprint/pooling", "/fingerprint/dimension"]


def test_a_query_side_that_says_nothing_fits_nothing(folder: Path) -> None:
    assert len(refusal(folder, {})) == 10


def test_the_space_is_held_before_the_files(folder: Path) -> None:
    (folder / "index.faiss").unlink()
    assert [where for _, where, _ in refusal(folder, {**SPACE, "pooling": "cls"})] == ["/fingerprint/pooling"]


# Files that do not belong to the manifest


def test_another_index_file_is_refused(folder: Path) -> None:
    before = digest.file(folder / "index.faiss")
    other = faiss.IndexFlatIP(4)
    other.add(VECTORS[::-1].copy())
    faiss.write_index(other, str(folder / "index.faiss"))
    after = digest.file(folder / "index.faiss")
    assert refusal(folder, SPACE) == [(AT, "/digest", f"file digest: the manifest says {before}, found {after}")]


def test_ids_in_another_order_are_refused(folder: Path) -> None:
    before = digest.file(folder / "ids.txt")
    (folder / "ids.txt").write_text("d2\nd1\ngröße\n", "utf-8", newline="\n")
    after = digest.file(folder / "ids.txt")
    assert refusal(folder, SPACE) == [(AT, "/ids/digest", f"ids digest: the manifest says {before}, found {after}")]


def test_too_few_ids_are_refused_whatever_their_digest(folder: Path) -> None:
    (folder / "ids.txt").write_text("d1\nd2\n", "utf-8", newline="\n")
    edit(folder, lambda m: m["ids"].update(digest=digest.file(folder / "ids.txt")))
    assert refusal(folder, SPACE) == [(AT, "/fingerprint/count", "ids: the manifest says 3, found 2")]


def test_another_number_of_vectors_is_refused_whatever_its_digest(folder: Path) -> None:
    made(folder, VECTORS[:2])
    assert refusal(folder, SPACE) == [(AT, "/fingerprint/count", "vectors in the file: the manifest says 3, found 2")]


def test_another_dimension_is_refused_whatever_both_sides_say(folder: Path) -> None:
    edit(folder, lambda m: m["fingerprint"].update(dimension=8))
    assert refusal(folder, {**SPACE, "dimension": 8}) == [
        (AT, "/fingerprint/dimension", "dimension: the manifest says 8, found 4")
    ]


def test_another_metric_is_refused_whatever_both_sides_say(folder: Path) -> None:
    edit(folder, lambda m: m["fingerprint"].update(metric="l2"))
    assert refusal(folder, {**SPACE, "metric": "l2"}) == [
        (AT, "/fingerprint/metric", "metric: the manifest says l2, found inner_product")
    ]


def test_a_metric_of_faiss_that_we_have_no_name_for_is_refused(folder: Path) -> None:
    index = faiss.IndexFlat(4, faiss.METRIC_L1)
    index.add(VECTORS)
    faiss.write_index(index, str(folder / "index.faiss"))
    edit(folder, lambda m: m.update(digest=digest.file(folder / "index.faiss")))
    assert refusal(folder, SPACE) == [
        (AT, "/fingerprint/metric", "metric: the manifest says inner_product, found other:2")
    ]


def test_an_identity_that_is_not_that_of_the_fingerprint_is_refused(folder: Path) -> None:
    """The fields were edited to fit another query side; the identity still tells."""
    before = json.loads((folder / MANIFEST).read_text("utf-8"))["identity"]
    edit(folder, lambda m: m["fingerprint"].update(pooling="cls"), same=False)
    after = identity(json.loads((folder / MANIFEST).read_text("utf-8"))["fingerprint"])
    assert refusal(folder, {**SPACE, "pooling": "cls"}) == [
        (AT, "/identity", f"identity: the manifest says {before}, found {after}")
    ]


def test_all_that_is_wrong_with_the_files_is_told_at_once(folder: Path) -> None:
    other = faiss.IndexFlatL2(2)
    other.add(VECTORS[:1, :2].copy())
    faiss.write_index(other, str(folder / "index.faiss"))
    (folder / "ids.txt").write_text("", "utf-8")
    assert [where for _, where, _ in refusal(folder, SPACE)] == [
        "/digest",
        "/ids/digest",
        "/fingerprint/count",
        "/fingerprint/count",
        "/fingerprint/dimension",
        "/fingerprint/metric",
    ]


# What cannot be read


def test_an_index_file_that_is_gone(folder: Path) -> None:
    (folder / "index.faiss").unlink()
    with pytest.raises(ReadError) as caught:
        open_index(folder, SPACE)
    assert str(caught.value) == "index/index.faiss: cannot be read: No such file or directory\n  fix: check the path"


def test_ids_that_are_gone(folder: Path) -> None:
    (folder / "ids.txt").unlink()
    with pytest.raises(ReadError) as caught:
        open_index(folder, SPACE)
    assert str(caught.value) == "index/ids.txt: cannot be read: No such file or directory\n  fix: check the path"


def test_an_index_file_that_is_none(folder: Path) -> None:
    (folder / "index.faiss").write_bytes(b"not an index at all, but long enough to be one")
    with pytest.raises(ReadError) as caught:
        open_index(folder, SPACE)
    assert str(caught.value) == "index/index.faiss: is no FAISS index\n  fix: build the index again"


def test_an_index_file_that_was_cut_off(folder: Path) -> None:
    data = (folder / "index.faiss").read_bytes()
    (folder / "index.faiss").write_bytes(data[:-4])
    with pytest.raises(ReadError) as caught:
        open_index(folder, SPACE)
    assert str(caught.value) == (
        f"index/index.faiss: is {len(data) - 4} bytes; 3 vectors of 4 dimensions take {len(data)}\n  fix: build the index again"
    )


def test_an_index_file_of_which_only_a_pointer_is_here(folder: Path) -> None:
    (folder / "index.faiss").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(ReadError) as caught:
        open_index(folder, SPACE)
    assert str(caught.value) == (
        "index/index.faiss: is a Git LFS pointer, the content is not here\n  fix: git lfs pull --include 'index/index.faiss'"
    )
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (
            "{",
            "is not JSON: expecting property name enclosed in double quotes, column 2, found the end of the text (was it cut off?)",
        ),
        ("[]", "expected object, found array []"),
        (
            '{"schema": "index_manifest/v9"}',
            "keeps index_manifest/v9, which is newer than this sealkit knows (index_manifest/v1)",
        ),
    ],
    ids=["gone", "torn", "array", "newer"],
)
def test_a_manifest_that_is_none(folder: Path, content: str | None, said: str) -> None:
    (folder / MANIFEST).unlink()
    if content is not None:
        (folder / MANIFEST).write_text(content, "utf-8")
    assert [(path, message) for path, _, message in refusal(folder, SPACE)] == [(AT, said)]


def test_a_manifest_that_breaks_its_contract_is_told_place_by_place(folder: Path) -> None:
    def break_it(manifest: dict[str, Any]) -> None:
        del manifest["run_id"]
        manifest["digest"] = "md5:1"
        manifest["fingerprint"]["poling"] = manifest["fingerprint"].pop("pooling")

    edit(folder, break_it)
    assert refusal(folder, SPACE) == [
        (AT, None, "`run_id` is missing"),
        (AT, "/digest", '/digest: expected sha256: and 64 hex digits, found "md5:1"'),
        (AT, "/fingerprint", "/fingerprint: `pooling` is missing"),
        (AT, "/fingerprint/poling", "/fingerprint/poling: unknown key `poling`; did you mean `pooling`?"),
    ]


@pytest.mark.parametrize("name", ["../outside.faiss", "/outside.faiss"])
def test_a_manifest_cannot_lead_out_of_its_folder(folder: Path, name: str) -> None:
    (folder / "index.faiss").rename("outside.faiss")
    edit(folder, lambda m: m.update(file=name))
    with pytest.raises(ReadError) as caught:
        open_index(folder, SPACE)
    assert str(caught.value) == "index/outside.faiss: cannot be read: No such file or directory\n  fix: check the path"


def test_a_manifest_that_is_a_link_is_not_followed(folder: Path) -> None:
    (folder / MANIFEST).rename("real.json")
    (folder / MANIFEST).symlink_to(Path("..") / "real.json")
    assert refusal(folder, SPACE) == [(AT, None, "is a symbolic link, and readers stay inside the run")]
