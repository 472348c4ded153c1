"""`open_index`: an index made by hand, and everything for which it is not opened."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sealkit import digest, opened
from sealkit.describe import describe_index
from sealkit.finding import ReadError, Refused, UsageError
from sealkit.index import NotWitnessed, OpenIndex, OtherBuild, Waived, open_index
from sealkit.manifest import NAME, identity
from tests import spaces

faiss = pytest.importorskip("faiss")

TEXTS = [f"document {i} {'word ' * (i % 5)}" for i in range(12)]
IDS = ["d0", "größe", *(f"d{i}" for i in range(2, 12))]
ENCODER = spaces.of()
AT = f"index/{NAME}"
SEALED = Path(__file__).parent / "sealed" / "0.1.0" / "base" / "stages" / "index" / "index"


def put(
    path: Path, factory: str = "Flat", metric: str = "inner_product", ids: list[int] | None = None, seed: int = 0
) -> Any:
    """Write an index of the texts in the space of the encoder of that metric."""
    rows = spaces.vectors(TEXTS)
    kinds = {"inner_product": faiss.METRIC_INNER_PRODUCT, "l2": faiss.METRIC_L2}
    index = faiss.index_factory(spaces.DIMENSION, factory, kinds[metric])
    if factory.startswith(("IVF", "IDMap,IVF")):
        inner = faiss.downcast_index(index.index) if "IDMap" in factory else index
        inner.cp.seed, inner.cp.min_points_per_centroid = seed, 1
    index.train(rows)
    if ids is None:
        index.add(rows)
    else:
        index.add_with_ids(rows, np.asarray(ids, np.int64))
    path.parent.mkdir(parents=True, exist_ok=True)
    faiss.write_index(index, str(path))
    return index


def made(folder: Path, factory: str = "Flat", metric: str = "inner_product") -> Path:
    """An index folder whose files and manifest belong together."""
    put(folder / "index.faiss", factory, metric)
    describe_index(folder, spaces.of(metric=metric), TEXTS, ids=IDS)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Named as from the current folder, so that messages hold no path of this machine."""
    monkeypatch.chdir(tmp_path)
    return made(Path("index"))


@pytest.fixture(autouse=True)
def told() -> Any:
    """A warning that no test expects is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotWitnessed)
        warnings.simplefilter("error", OtherBuild)
        warnings.simplefilter("error", Waived)
        yield


def edit(folder: Path, change: Callable[[dict[str, Any]], Any], *, same: bool = True) -> None:
    """Change the manifest; with `same`, its identity again becomes that of its fingerprint."""
    manifest = json.loads((folder / NAME).read_text("utf-8"))
    change(manifest)
    if same:
        manifest["identity"] = identity(manifest)
    (folder / NAME).write_text(json.dumps(manifest), "utf-8")


def refusal(path: Path, query: Any = ENCODER) -> list[tuple[str, str | None, str]]:
    """(path, pointer, message) of every reason for which the index is not opened."""
    with pytest.raises(Refused) as caught:
        open_index(path, query)
    assert caught.value.exit_code == 1
    return [(finding.at.path, finding.at.pointer, finding.message) for finding in caught.value.findings]


def places(path: Path, query: Any = ENCODER) -> list[str | None]:
    return [where for _, where, _ in refusal(path, query)]


def asked(*texts: str) -> Any:
    return spaces.vectors(texts)


# It fits


def test_an_index_that_fits_is_opened_and_can_be_searched(folder: Path) -> None:
    index = open_index(folder, ENCODER)
    assert isinstance(index, OpenIndex)
    assert index.ids is not None and index.ids.tolist() == IDS
    assert index.manifest["witness"] == "described"
    assert index.replay is not None and (index.replay.inputs, index.replay.encoded, index.replay.wrong) == (8, True, ())
    assert index.unknown == ()
    hits = index.search(asked(*TEXTS), 3)
    assert hits.ids[:, 0].tolist() == IDS
    assert hits.rows[:, 0].tolist() == list(range(12))
    assert hits.scores[:, 0] == pytest.approx(np.ones(12))
    assert (np.diff(hits.scores, axis=1) <= 0).all()
    by_hand = np.argsort(-(asked(*TEXTS) @ asked(*TEXTS).T), axis=1)[:, :3]
    assert hits.rows.tolist() == by_hand.tolist()
    assert hits.ids.tolist() == [[IDS[row] for row in line] for line in by_hand]


def test_labels_may_differ(folder: Path) -> None:
    assert open_index(folder, spaces.of(encoder__name="models/renamed", encoder__tree=spaces.sha("f"))).unknown == ()


def test_the_folder_may_be_moved(folder: Path, tmp_path: Path) -> None:
    folder.rename("elsewhere")
    assert open_index(Path("elsewhere"), ENCODER).unknown == ()
    assert open_index(str(tmp_path / "elsewhere"), ENCODER).unknown == ()


@pytest.mark.parametrize("factory", ["Flat", "IVF2,Flat", "HNSW4"])
@pytest.mark.parametrize("metric", ["inner_product", "l2"])
def test_every_kind_fits_a_query_side_of_its_metric(factory: str, metric: str, tmp_path: Path) -> None:
    folder, encoder = made(tmp_path / "index", factory, metric), spaces.of(metric=metric)
    index = open_index(folder, encoder)
    hits = index.search(asked(TEXTS[4]), 1)
    assert (hits.ids[0, 0], hits.scores[0, 0]) == (
        "d4",
        pytest.approx(1.0 if metric == "inner_product" else 0.0, abs=1e-5),
    )
    other = "l2" if metric == "inner_product" else "inner_product"
    assert places(folder, spaces.of(metric=other)) == ["/fingerprint/vectors/metric"]


def test_ids_may_have_windows_line_ends(folder: Path) -> None:
    (folder / "ids.txt").write_bytes("".join(f"{doc}\r\n" for doc in IDS).encode())
    (folder / NAME).unlink()
    again = json.loads(json.dumps(describe_index(folder, ENCODER, TEXTS)))
    listing = digest.file(folder / "ids.txt")
    edit(folder, lambda m: m.update(ids={"file": "ids.txt", "digest": listing}))
    edit(folder, lambda m: m["fingerprint"].pop("probe"))
    assert again["ids"] is None
    with pytest.warns(NotWitnessed, match="no probe was taken"):
        found = open_index(folder, ENCODER)
    assert found.ids is not None and found.ids.tolist() == IDS


def test_an_index_beside_others_has_its_manifest_under_its_own_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        put(tmp_path / f"{name}.faiss")
        describe_index(tmp_path / f"{name}.faiss", ENCODER, TEXTS, ids=IDS)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{name}.faiss{end}" for name in ("one", "two") for end in ("", ".ids.txt", f".{NAME}")
    ]
    assert open_index(tmp_path / "two.faiss", ENCODER).search(asked(TEXTS[1]), 1).ids.tolist() == [["größe"]]
    (tmp_path / "one.faiss").write_bytes(b"")
    assert open_index(tmp_path / "two.faiss", ENCODER).unknown == ()


def test_the_file_in_a_folder_is_the_index_of_that_folder(folder: Path) -> None:
    assert open_index(folder / "index.faiss", ENCODER).manifest == open_index(folder, ENCODER).manifest


def test_an_array_is_an_index(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", spaces.vectors(TEXTS).astype(np.float16))
    describe_index(tmp_path / "rows.npy", ENCODER, TEXTS, ids=IDS)
    index = open_index(tmp_path / "rows.npy", ENCODER)
    assert index.manifest["fingerprint"]["structure"]["kind"] == "array"
    assert index.search(asked(TEXTS[7]), 2).ids[0, 0] == "d7"
    assert places(tmp_path / "rows.npy", spaces.of(metric="l2")) == ["/fingerprint/vectors/metric"]


def test_an_index_that_returns_ids_of_its_own(tmp_path: Path) -> None:
    own = [1000 - i for i in range(12)]
    put(tmp_path / "index" / "x.faiss", "IDMap,Flat", ids=own)
    said = describe_index(tmp_path / "index", ENCODER, TEXTS)
    assert (said["ids"], said["fingerprint"]["structure"]["id_map"]) == (None, "map")
    index = open_index(tmp_path / "index", ENCODER)
    assert index.ids is None
    hits = index.search(asked(*TEXTS), 1)
    assert hits.ids[:, 0].tolist() == hits.rows[:, 0].tolist() == own


# Another space


@pytest.mark.parametrize(
    ("fields", "where", "said"),
    [
        ({"encoder__weights": spaces.sha("9")}, "/fingerprint/encoder/weights", f"encoder.weights: the index was built with None, the query side has '{spaces.sha('9')}'"),
        ({"tokenizer__max_length": 128}, "/fingerprint/tokenizer/max_length", "tokenizer.max_length: the index was built with None, the query side has 128"),
        ({"tokenizer__truncation_side": "left"}, "/fingerprint/tokenizer/truncation_side", "tokenizer.truncation_side: the index was built with None, the query side has 'left'"),
        ({"roles__query_prompt": "query: "}, "/fingerprint/roles/query_prompt", "roles.query_prompt: the index was built with None, the query side has 'query: '"),
        ({"encoder__pooling": "cls"}, "/fingerprint/encoder/pooling", "encoder.pooling: the index was built with None, the query side has 'cls'"),
        ({"vectors__normalise": False}, "/fingerprint/vectors/normalise", "vectors.normalise: the index was built with True, the query side has False"),
        ({"vectors__dtype": "float16"}, "/fingerprint/vectors/dtype", "vectors.dtype: the index was built with 'float32', the query side has 'float16'"),
        ({"vectors__dimension": 4}, "/fingerprint/vectors/dimension", "vectors.dimension: the index was built with 8, the query side has 4"),
        ({"mask__kind": "fixed"}, "/fingerprint/mask/kind", "mask.kind: the index was built with 'none', the query side has 'fixed'"),
    ],
)  # fmt: skip
def test_another_space_is_refused_field_by_field(folder: Path, fields: dict[str, Any], where: str, said: str) -> None:
    assert refusal(folder, spaces.of(**fields)) == [(AT, where, said)]


def test_every_field_that_differs_is_told_at_once(folder: Path) -> None:
    other = spaces.of(encoder__pooling="cls", vectors__dimension=4)
    assert places(folder, other) == ["/fingerprint/encoder/pooling", "/fingerprint/vectors/dimension"]


def test_what_the_query_side_leaves_out_is_refused(folder: Path) -> None:
    less = {group: dict(fields) for group, fields in ENCODER.space.items()}
    del less["encoder"]["pooling"]
    said = "encoder.pooling: the index was built with None, the query side has unknown"
    assert refusal(folder, replace(ENCODER, space=less)) == [(AT, "/fingerprint/encoder/pooling", said)]


def test_a_query_side_that_says_nothing_fits_nothing(folder: Path) -> None:
    assert len(refusal(folder, {})) == 36


def test_a_query_side_may_not_search_otherwise_than_the_file_is_set(folder: Path) -> None:
    said = "search.probes: the index was built with None, the query side has 4"
    assert refusal(folder, {**ENCODER.space, "search": {"probes": 4}}) == [(AT, "/fingerprint/search/probes", said)]


def test_the_space_is_held_before_the_files(folder: Path) -> None:
    (folder / "index.faiss").unlink()
    assert places(folder, spaces.of(encoder__pooling="cls")) == ["/fingerprint/encoder/pooling"]


def test_other_libraries_are_told_and_no_reason_to_refuse(folder: Path) -> None:
    with pytest.warns(OtherBuild, match=r"index_manifest\.json: encoder\.libraries: the index was built with \{\}, "):
        assert open_index(folder, spaces.of(encoder__libraries={"torch": "9"})).unknown == ()


def test_a_query_side_may_differ_in_what_is_declared_invariant(folder: Path) -> None:
    other = spaces.of(vectors__dtype="float16")
    edit(folder, lambda m: m.update(invariant={"vectors.dtype": "halves are compared as floats"}))
    assert open_index(folder, other).unknown == ()
    edit(folder, lambda m: m.update(invariant={"vectors.dtype": "x", "mask": "x"}), same=False)
    assert places(folder, other) == ["/identity"]


# What somebody signed for

OTHER_MASK = spaces.of(mask__kind="fixed", mask__seed=7)


def test_a_misfit_that_was_waived_is_told_and_the_index_opened(folder: Path) -> None:
    with pytest.warns(Waived) as caught:
        index = open_index(folder, OTHER_MASK, waived={"mask": "to measure the damage"})
    assert str(caught[0].message) == (
        f"{AT}: mask.kind: the index was built with 'none', the query side has 'fixed' (waived: to measure the damage); "
        "mask.seed: the index was built with None, the query side has 7 (waived: to measure the damage)"
    )
    assert caught[0].filename == __file__
    assert index.waived == dict.fromkeys(["mask.kind", "mask.seed"], "to measure the damage")
    assert index.replay is not None and index.replay.encoded
    assert index.search(asked(*TEXTS), 1).ids[:, 0].tolist() == IDS


def test_a_field_may_be_waived_by_itself_and_has_its_own_reason(folder: Path) -> None:
    with pytest.warns(Waived):
        index = open_index(folder, OTHER_MASK, waived={"mask": "all of it", "mask.seed": "the seed"})
    assert index.waived == {"mask.kind": "all of it", "mask.seed": "the seed"}
    with pytest.raises(Refused) as refused:
        open_index(folder, OTHER_MASK, waived={"mask.seed": "the seed"})
    assert [one.at.pointer for one in refused.value.findings] == ["/fingerprint/mask/kind"]


def test_what_is_not_waived_is_refused_and_the_probe_replayed(folder: Path) -> None:
    for waived in ({"mask": "x"}, {"encoder.tree": "x"}, {}):
        with pytest.raises(Refused, match=r"encoder\.pooling: the index was built with None"):
            open_index(folder, spaces.of(mask__kind="fixed", encoder__pooling="cls"), waived=waived)
    liar = replace(spaces.of(salt="other"), space=OTHER_MASK.space)
    with pytest.warns(Waived), pytest.raises(Refused, match="came out elsewhere"):
        open_index(folder, liar, waived={"mask": "to measure the damage"})


def test_a_waiver_where_everything_fits_changes_nothing(folder: Path) -> None:
    assert open_index(folder, ENCODER, waived={"mask": "to measure the damage"}).waived == {}
    assert open_index(folder, ENCODER).waived == {}


@pytest.mark.parametrize(
    ("waived", "said"),
    [
        ({"maks": "x"}, "a fingerprint has no `maks`; did you mean `mask`?"),
        ({"mask.seeds": "x"}, "a fingerprint has no `mask.seeds`; did you mean `mask.seed`?"),
        ({"*": "x"}, "a fingerprint has no `*`"),
        ({"mask": " "}, "no reason is given for `mask`"),
        ({"mask": None}, "no reason is given for `mask`"),
    ],
)
def test_a_waiver_of_what_no_fingerprint_has_or_without_a_reason_is_refused(
    folder: Path, waived: Any, said: str
) -> None:
    with pytest.raises(UsageError) as refused:
        open_index(folder, OTHER_MASK, waived=waived)
    assert refused.value.message == said


# The probe


def test_an_encoder_that_only_says_it_is_the_same_is_refused(folder: Path) -> None:
    liar = replace(spaces.of(salt="other"), space=ENCODER.space)
    found = refusal(folder, liar)
    assert {(path, where) for path, where, _ in found} == {(AT, "/fingerprint/probe")}
    assert len(found) == 1 and found[0][2].endswith("; and 7 more of 8")
    assert re.match(r"the input 1 of the probe came out elsewhere: cosine -?0\.\d+ to the stored vector", found[0][2])


def test_a_bare_space_replays_the_half_of_the_index_and_says_so(folder: Path) -> None:
    found = open_index(folder, ENCODER.space).replay
    assert found is not None and (found.encoded, found.cosine) == (False, None)
    found = open_index(folder, ENCODER.space, ENCODER.queries).replay
    assert found is not None and found.encoded
    with pytest.raises(Refused, match="came out elsewhere"):
        open_index(folder, ENCODER.space, spaces.of(salt="other").queries)
    with pytest.raises(Refused, match="came out elsewhere"):
        open_index(folder, ENCODER, spaces.of(salt="other").queries)


def test_a_probe_that_was_cut_short_is_refused(folder: Path) -> None:
    edit(folder, lambda m: m["fingerprint"]["probe"]["vectors"].pop())
    assert places(folder) == ["/fingerprint/probe"]
    edit(folder, lambda m: m["fingerprint"]["probe"].pop("scores"))
    assert places(folder) == ["/fingerprint/probe"]


# What nobody witnessed


def adopted(manifest: dict[str, Any]) -> None:
    manifest["witness"] = "adopted"
    for group in ("tokenizer", "probe"):
        del manifest["fingerprint"][group]
    del manifest["fingerprint"]["encoder"]["pooling"]


def test_an_adopted_index_is_opened_with_a_warning_that_names_what_is_unknown(folder: Path) -> None:
    edit(folder, adopted)
    with pytest.warns(NotWitnessed) as caught:
        index = open_index(folder, ENCODER)
    unknown = [
        f"tokenizer.{name}"
        for name in ("digest", "max_length", "truncation_side", "padding_side", "ends", "chat_template")
    ]
    assert index.unknown == (*unknown, "encoder.pooling")
    said = f"{AT}: adopted, not witnessed: of the index are unknown tokenizer, encoder.pooling"
    assert [str(one.message) for one in caught] == [said]
    assert caught[0].filename == __file__
    assert index.replay is None


def test_an_adopted_index_of_which_nothing_is_unknown_is_still_not_witnessed(folder: Path) -> None:
    edit(folder, lambda m: m.update(witness="adopted"))
    with pytest.warns(NotWitnessed, match="adopted, not witnessed"):
        assert open_index(folder, ENCODER).unknown == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m["fingerprint"].pop("probe"), "no probe was taken"),
        (lambda m: m.pop("files"), "the files of the index are not listed"),
    ],
)
def test_what_was_taken_out_of_a_witnessed_manifest_is_told(change: Any, said: str, folder: Path) -> None:
    edit(folder, change)
    with pytest.warns(NotWitnessed, match=said):
        open_index(folder, ENCODER)


def test_a_file_that_was_exchanged_for_a_while_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, away = folder / "index.faiss", folder.parent / "away"
    load = opened.load

    def exchanged(path: Path, metric: str | None) -> Any:
        file.rename(away)
        shutil.copyfile(away, file)
        index = load(path, metric)
        away.replace(file)
        return index

    monkeypatch.setattr(opened, "load", exchanged)
    assert [message for _, _, message in refusal(folder)] == ["changed while it was opened"]


def test_k_may_be_a_number_of_numpy(folder: Path) -> None:
    index = open_index(folder, ENCODER)
    assert index.search(asked("a"), np.int64(3)).rows.shape == (1, 3)  # type: ignore[arg-type]


def test_a_file_that_can_have_no_such_name_is_no_crash(folder: Path) -> None:
    edit(folder, lambda m: m.update(file="a\0b"))
    with pytest.raises(ReadError, match="no file can have such a name"):
        open_index(folder, ENCODER)


def test_an_adopted_index_is_still_refused_for_what_it_knows(folder: Path) -> None:
    edit(folder, adopted)
    assert places(folder, spaces.of(vectors__dtype="float16")) == ["/fingerprint/vectors/dtype"]
    less = {group: dict(fields) for group, fields in ENCODER.space.items()}
    del less["vectors"]["dtype"]
    assert places(folder, less) == ["/fingerprint/vectors/dtype"]


def test_an_index_that_was_not_adopted_may_leave_nothing_out(folder: Path) -> None:
    edit(folder, lambda m: m["fingerprint"]["encoder"].pop("pooling"))
    said = "encoder.pooling: the index was built with unknown, the query side has None"
    assert refusal(folder) == [(AT, "/fingerprint/encoder/pooling", said)]


def test_an_adopted_array_is_compared_by_the_metric_of_the_query_side_or_not_at_all(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", spaces.vectors(TEXTS))
    describe_index(tmp_path / "rows.npy", ENCODER, TEXTS)
    path = tmp_path / f"rows.npy.{NAME}"
    said = json.loads(path.read_text("utf-8"))
    said["witness"] = "adopted"
    del said["fingerprint"]["vectors"], said["fingerprint"]["probe"]
    path.write_text(json.dumps({**said, "identity": identity(said)}), "utf-8")
    with pytest.warns(NotWitnessed):
        index = open_index(tmp_path / "rows.npy", ENCODER)
    assert index.search(asked(TEXTS[3]), 1).rows.tolist() == [[3]]  # by the metric of the query side
    less = {group: dict(fields) for group, fields in ENCODER.space.items() if group != "vectors"}
    with pytest.warns(NotWitnessed), pytest.raises(ReadError) as caught:
        open_index(tmp_path / "rows.npy", less)
    assert str(caught.value).endswith(
        "rows.npy: is an array, and nobody says by what metric its rows are compared\n"
        "  fix: describe it with its encoder (sealkit.describe_index)"
    )


# Written under version 1


def old_space() -> dict[str, Any]:
    """A query side as of today for the index that 0.1.0 built and sealed."""
    from sealkit.manifest import read, upgraded

    known = upgraded(read(SEALED))["fingerprint"]
    return {group: {**fields, **known.get(group, {})} for group, fields in ENCODER.space.items()}


def test_an_index_of_version_1_is_opened_with_a_warning_that_names_what_it_does_not_record() -> None:
    with pytest.warns(
        NotWitnessed,
        match=r"written under index_manifest/v1: of the index are unknown preparation, mask, tokenizer\.truncation_side",
    ) as caught:
        index = open_index(SEALED, old_space())
    assert {"mask.kind", "tokenizer.truncation_side", "vectors.dtype"} <= set(index.unknown)
    assert "encoder.pooling" not in index.unknown
    assert len(caught) == 1
    assert (index.manifest["schema"], index.replay) == ("index_manifest/v2", None)
    assert index.ids is not None and len(index.ids) == 24


def test_an_index_of_version_1_is_refused_for_what_it_records(tmp_path: Path) -> None:
    other = old_space()
    other["encoder"]["pooling"] = "cls"
    del other["tokenizer"]["max_length"]
    assert places(SEALED, other) == ["/fingerprint/tokenizer/max_length", "/fingerprint/encoder/pooling"]
    copy = shutil.copytree(SEALED, tmp_path / "index")
    (copy / "ids.txt").write_text("d\n", "utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotWitnessed)
        assert places(copy, old_space()) == ["/ids/digest", "/ids"]


# Files that do not belong to the manifest


def test_another_index_file_is_refused(folder: Path) -> None:
    before = digest.file(folder / "index.faiss")
    rows = spaces.vectors(TEXTS)[::-1].copy()
    other = faiss.IndexFlatIP(spaces.DIMENSION)
    other.add(rows)
    faiss.write_index(other, str(folder / "index.faiss"))
    after = digest.file(folder / "index.faiss")
    found = refusal(folder)
    assert found[0] == (AT, "/digest", f"file digest: the manifest says {before}, found {after}")
    assert [where for _, where, _ in found] == ["/digest", "/files/digest"]


def test_ids_in_another_order_are_refused(folder: Path) -> None:
    before = digest.file(folder / "ids.txt")
    (folder / "ids.txt").write_text("".join(f"{one}\n" for one in reversed(IDS)), "utf-8", newline="\n")
    after = digest.file(folder / "ids.txt")
    found = refusal(folder)
    assert found[0] == (AT, "/ids/digest", f"ids digest: the manifest says {before}, found {after}")
    assert found[-1] == ("index/ids.txt", None, "ids.txt is not the file that was described")


def test_ids_in_another_order_are_told_by_the_probe_whatever_their_digest(folder: Path) -> None:
    (folder / "ids.txt").write_text("".join(f"{one}\n" for one in reversed(IDS)), "utf-8", newline="\n")
    edit(folder, lambda m: m["ids"].update(digest=digest.file(folder / "ids.txt")))
    edit(folder, lambda m: m.pop("files"))
    assert set(places(folder)) == {"/fingerprint/probe"}


def test_too_few_ids_are_refused_whatever_their_digest(folder: Path) -> None:
    (folder / "ids.txt").write_text("d1\nd2\n", "utf-8", newline="\n")
    edit(folder, lambda m: m["ids"].update(digest=digest.file(folder / "ids.txt")))
    edit(folder, lambda m: m.pop("files"))
    assert refusal(folder) == [(AT, "/ids", "ids: ids.txt lists 2, index.faiss holds 12 vectors")]


@pytest.mark.parametrize(
    ("group", "name", "new", "said"),
    [
        ("structure", "count", 13, "structure.count: the manifest says 13, found 12"),
        ("structure", "kind", "hnsw", "structure.kind: the manifest says hnsw, found flat"),
        ("structure", "lists", 2, "structure.lists: the manifest says 2, found None"),
        ("structure", "id_map", "map", "structure.id_map: the manifest says map, found positions"),
        ("vectors", "dimension", 4, "vectors.dimension: the manifest says 4, found 8"),
        ("vectors", "metric", "l2", "vectors.metric: the manifest says l2, found inner_product"),
        ("search", "probes", 4, "search.probes: the manifest says 4, found None"),
    ],
)
def test_what_the_file_does_not_say_is_refused_whatever_both_sides_say(
    folder: Path, group: str, name: str, new: Any, said: str
) -> None:
    edit(folder, lambda m: m["fingerprint"][group].update({name: new}))
    query = {key: dict(fields) for key, fields in ENCODER.space.items()}
    if group in query:
        query[group][name] = new
    assert refusal(folder, query) == [(AT, f"/fingerprint/{group}/{name}", said)]


def test_an_identity_that_is_not_that_of_the_fingerprint_is_refused(folder: Path) -> None:
    """The fields were edited to fit another query side; the identity still tells."""
    edit(folder, lambda m: m["fingerprint"]["encoder"].update(pooling="cls"), same=False)
    stated = json.loads((folder / NAME).read_text("utf-8"))
    said = f"identity: the manifest says {stated['identity']}, found {identity(stated)}"
    assert refusal(folder, spaces.of(encoder__pooling="cls")) == [(AT, "/identity", said)]


def segmented(tmp_path: Path) -> Path:
    """An index with a file beside it that belongs to it."""
    put(tmp_path / "index" / "index.faiss")
    (tmp_path / "index" / "segment.bin").write_bytes(b"more of it")
    describe_index(tmp_path / "index", ENCODER, TEXTS, ids=IDS)
    return tmp_path / "index"


def test_a_file_of_the_index_that_changed_is_named(tmp_path: Path) -> None:
    folder = segmented(tmp_path)
    assert open_index(folder, ENCODER).unknown == ()
    (folder / "segment.bin").write_bytes(b"other bytes")
    found = refusal(folder)
    assert [where for _, where, _ in found] == ["/files/digest", None]
    assert found[1] == (str(folder / "segment.bin"), None, "segment.bin is not the file that was described")


def test_a_file_of_the_index_that_is_gone_is_named(tmp_path: Path) -> None:
    folder = segmented(tmp_path)
    (folder / "segment.bin").unlink()
    with pytest.raises(ReadError, match=r"segment\.bin: cannot be read: No such file"):
        open_index(folder, ENCODER)


def test_a_file_that_came_later_is_none_of_the_index(tmp_path: Path) -> None:
    """Nothing of it is read."""
    folder = segmented(tmp_path)
    (folder / "notes.txt").write_text("built on a Tuesday")
    assert open_index(folder, ENCODER).unknown == ()


def test_a_link_in_place_of_a_file_is_not_followed(folder: Path) -> None:
    for name in ("index.faiss", "ids.txt"):
        (folder / name).rename(name)
        (folder / name).symlink_to(Path("..") / name)
        with pytest.raises(ReadError, match="is a symbolic link, and readers stay inside the run"):
            open_index(folder, ENCODER)
        (folder / name).unlink()
        Path(name).rename(folder / name)
    assert open_index(folder, ENCODER).unknown == ()


# Searching


@pytest.mark.parametrize("k", [0, -1, 13])
def test_more_than_there_is_cannot_be_asked_for(folder: Path, k: int) -> None:
    with pytest.raises(UsageError) as caught:
        open_index(folder, ENCODER).search(asked("a"), k)
    assert str(caught.value) == f"k is {k}; the index holds 12 vectors\n  fix: ask for 1 to 12"


@pytest.mark.parametrize(
    "queries", [np.ones((1, 4)), np.ones(8), np.ones((1, 1, 8)), np.ones((0, 4))], ids=["4", "1-D", "3-D", "none"]
)
def test_queries_of_another_shape_are_refused(folder: Path, queries: Any) -> None:
    with pytest.raises(UsageError) as caught:
        open_index(folder, ENCODER).search(queries, 1)
    said = f"queries have the shape {queries.shape}; expected (queries, 8)"
    assert str(caught.value) == f"{said}\n  fix: give one vector a row, from the encoder of the index"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_queries_that_are_no_numbers_are_refused(folder: Path, bad: float) -> None:
    queries = asked("a", "b")
    queries[1, 3] = bad
    with pytest.raises(UsageError, match="a query holds a value that is no finite number"):
        open_index(folder, ENCODER).search(queries, 1)


def test_no_queries_find_nothing(folder: Path) -> None:
    hits = open_index(folder, ENCODER).search(np.empty((0, 8), np.float32), 3)
    assert hits.scores.shape == hits.ids.shape == hits.rows.shape == (0, 3)


def test_queries_that_are_not_normalised_as_they_are_said_to_be_are_refused(folder: Path) -> None:
    with pytest.raises(Refused, match="the query side says that vectors have length 1, one has 3"):
        open_index(folder, ENCODER).search(3 * asked("a"), 1)


def test_queries_of_another_number_type_are_searched_as_floats(folder: Path) -> None:
    index, queries = open_index(folder, ENCODER), asked("a", "b")
    plain = index.search(queries, 3)
    for other in (queries.astype(np.float64), np.asfortranarray(queries), queries.tolist()):
        assert index.search(other, 3).rows.tolist() == plain.rows.tolist()


def narrow(tmp_path: Path, factory: str = "IVF4,Flat") -> Path:
    put(tmp_path / "index" / "index.faiss", factory, ids=list(range(12)) if "IDMap" in factory else None)
    describe_index(tmp_path / "index", ENCODER, TEXTS, ids=None if "IDMap" in factory else IDS)
    return tmp_path / "index"


@pytest.mark.parametrize("factory", ["IVF4,Flat", "IDMap,IVF4,Flat"])
def test_places_that_could_not_be_filled_are_refused_or_told(tmp_path: Path, factory: str) -> None:
    index = open_index(narrow(tmp_path, factory), ENCODER)
    with pytest.raises(Refused) as caught:
        index.search(asked(*TEXTS), 12)
    assert caught.value.message == "12 of 12 queries find fewer than 12 rows: the index is not exact"
    hits = index.search(asked(*TEXTS), 12, partial=True)
    empty = hits.rows < 0
    assert empty.any() and not empty.all()
    assert {*hits.ids[empty].tolist()} == {None}
    names = IDS if "IDMap" not in factory else list(range(12))
    assert [names[row] for row in hits.rows[~empty]] == hits.ids[~empty].tolist()
    assert hits.ids[:, 0].tolist() == names


def test_settings_that_change_after_it_was_opened_are_refused(tmp_path: Path) -> None:
    index = open_index(narrow(tmp_path), ENCODER)
    index.vectors.nprobe = 4
    with pytest.raises(Refused, match=r"search\.probes: the index was opened with 1, it is set to 4 now"):
        index.search(asked("a"), 1)
    index.vectors.nprobe = 1
    assert index.search(asked(TEXTS[0]), 1).ids.tolist() == [["d0"]]


def test_a_setting_of_the_file_other_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    folder = narrow(tmp_path)
    index = faiss.read_index(str(folder / "index.faiss"))
    index.nprobe = 4
    faiss.write_index(index, str(folder / "index.faiss"))
    edit(folder, lambda m: (m.update(digest=digest.file(folder / "index.faiss")), m.pop("files")))
    assert [message for _, _, message in refusal(folder)] == ["search.probes: the manifest says 1, found 4"]


# What cannot be read


def test_an_index_file_that_is_gone(folder: Path) -> None:
    (folder / "index.faiss").unlink()
    with pytest.raises(ReadError) as caught:
        open_index(folder, ENCODER)
    assert str(caught.value) == "index/index.faiss: cannot be read: No such file or directory\n  fix: check the path"


def test_ids_that_are_gone(folder: Path) -> None:
    (folder / "ids.txt").unlink()
    with pytest.raises(ReadError) as caught:
        open_index(folder, ENCODER)
    assert str(caught.value) == "index/ids.txt: cannot be read: No such file or directory\n  fix: check the path"


def test_an_index_file_that_is_none(folder: Path) -> None:
    (folder / "index.faiss").write_bytes(b"not an index at all, but long enough to be one")
    with pytest.raises(ReadError) as caught:
        open_index(folder, ENCODER)
    assert str(caught.value) == "index/index.faiss: is no FAISS index\n  fix: build the index again"


def test_an_index_file_that_was_cut_off(folder: Path) -> None:
    data = (folder / "index.faiss").read_bytes()
    (folder / "index.faiss").write_bytes(data[:-4])
    with pytest.raises(ReadError) as caught:
        open_index(folder, ENCODER)
    assert str(caught.value) == (
        f"index/index.faiss: is {len(data) - 4} bytes; 12 vectors of 8 dimensions take {len(data)}\n  fix: build the index again"
    )


def test_an_index_file_of_which_only_a_pointer_is_here(folder: Path) -> None:
    (folder / "index.faiss").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(ReadError) as caught:
        open_index(folder, ENCODER)
    assert str(caught.value) == (
        "index/index.faiss: is a Git LFS pointer, the content is not here\n  fix: git lfs pull --include 'index/index.faiss'"
    )
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "holds no manifest: nobody says what its vectors are"),
        (
            "{",
            "is not JSON: expecting property name enclosed in double quotes, column 2, found the end of the text (was it cut off?)",
        ),
        ("[]", "expected object, found array []"),
        (
            '{"schema": "index_manifest/v9"}',
            "keeps index_manifest/v9, which is newer than this sealkit knows (index_manifest/v2)",
        ),
    ],
    ids=["gone", "torn", "array", "newer"],
)
def test_a_manifest_that_is_none(folder: Path, content: str | None, said: str) -> None:
    (folder / NAME).unlink()
    if content is not None:
        (folder / NAME).write_text(content, "utf-8")
    assert [(path, message) for path, _, message in refusal(folder)] == [(AT, said)]


def test_a_manifest_that_breaks_its_contract_is_told_place_by_place(folder: Path) -> None:
    def break_it(manifest: dict[str, Any]) -> None:
        del manifest["witness"]
        manifest["digest"] = "md5:1"
        manifest["fingerprint"]["encoder"]["poling"] = manifest["fingerprint"]["encoder"].pop("pooling")

    edit(folder, break_it, same=False)
    where = "/fingerprint/encoder/poling"
    assert refusal(folder) == [
        (AT, None, "`witness` is missing"),
        (AT, where, f"{where}: unknown key `poling`; did you mean `pooling`?"),
        (AT, "/digest", '/digest: expected sha256: and 64 hex digits, found "md5:1"'),
    ]


def test_a_manifest_of_version_1_that_breaks_its_contract_is_told_by_that_contract(tmp_path: Path) -> None:
    copy = shutil.copytree(SEALED, tmp_path / "index")
    edit(copy, lambda m: m["fingerprint"].pop("pooling"), same=False)
    with pytest.raises(Refused) as caught:
        open_index(copy, ENCODER)
    assert [finding.message for finding in caught.value.findings] == ["/fingerprint: `pooling` is missing"]


@pytest.mark.parametrize("name", ["../outside.faiss", "/outside.faiss"])
def test_a_manifest_cannot_lead_out_of_its_folder(folder: Path, name: str) -> None:
    (folder / "index.faiss").rename("outside.faiss")
    edit(folder, lambda m: m.update(file=name))
    said = f'/file: expected the name of a file beside the manifest, found "{name}"'
    assert refusal(folder) == [(AT, "/file", said)]


@pytest.mark.parametrize("name", ["../outside.faiss", "/outside.faiss"])
def test_a_manifest_of_version_1_cannot_lead_out_of_its_folder(tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(SEALED, tmp_path / "index")
    (copy / "index.faiss").rename(tmp_path / "outside.faiss")
    edit(copy, lambda m: m.update(file=name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotWitnessed)
        with pytest.raises(ReadError, match=r"index/outside\.faiss: cannot be read: No such file or directory"):
            open_index(copy, old_space())


def test_a_manifest_that_is_a_link_is_not_followed(folder: Path) -> None:
    (folder / NAME).rename("real.json")
    (folder / NAME).symlink_to(Path("..") / "real.json")
    assert refusal(folder) == [(AT, None, "is a symbolic link, and readers stay inside the run")]
