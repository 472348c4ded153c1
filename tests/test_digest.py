"""Digests: a tree as coreutils have it, weights by their tensors, and nothing else."""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit import digest
from tests.within import refusal, within

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def fill(folder: Path, *names: str) -> Path:
    """Write files that hold their own names."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))
    return folder


# Bytes, values and files


def test_a_digest_says_by_what_it_was_made() -> None:
    assert digest.of_bytes(b"") == EMPTY
    assert digest.of_bytes(b"abc") == "sha256:" + hashlib.sha256(b"abc").hexdigest()


def test_the_digest_of_a_value_does_not_depend_on_the_order_of_its_keys() -> None:
    assert digest.of_value({"a": 1, "b": {"c": [], "d": None}}) == digest.of_value({"b": {"d": None, "c": []}, "a": 1})
    assert digest.of_value({"a": "é"}) == digest.of_bytes('{"a":"é"}'.encode())


@pytest.mark.parametrize(
    ("one", "other"),
    [([1, 2], [2, 1]), (1, "1"), (None, False), ({}, []), ("a", "A"), ("é", "e\u0301"), (0.1, 0.10000000000000002)],
)
def test_other_values_have_other_digests(one: Any, other: Any) -> None:
    assert digest.of_value(one) != digest.of_value(other)


def test_a_number_that_json_does_not_have_has_no_digest() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest.of_value({"a": math.nan})


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 3 * 1024 * 1024 + 1])
def test_a_file_has_the_digest_of_its_bytes(size: int, tmp_path: Path) -> None:
    data = random.Random(0).randbytes(size)
    (tmp_path / "f").write_bytes(data)
    assert digest.file(tmp_path / "f") == digest.of_bytes(data)


def test_files_small_and_large_are_told_in_the_order_asked_for(tmp_path: Path) -> None:
    sizes = {"large": 2_000_000, "small": 3, "b/larger": 3_000_000, "empty": 0, "large2": 1024 * 1024}
    for name, size in sizes.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name[:1].encode() * size)
    found = digest.files(tmp_path, iter(sizes))
    assert list(found.items()) == [(name, digest.of_bytes(name[:1].encode() * size)) for name, size in sizes.items()]


def test_a_file_that_is_gone_is_told_by_its_name_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    error = refusal(lambda: digest.files(tmp_path, ["f", "deep/gone"]))
    assert str(error) == "deep/gone: cannot be read: No such file or directory\n  fix: check the path"


# Trees


@pytest.mark.skipif(
    shutil.which("sha256sum") is None or shutil.which("find") is None, reason="needs coreutils and findutils"
)
@posix
@pytest.mark.parametrize(
    "names",
    [
        ["a"], ["a", "b", "c/d", "c/e/f"], ["a b", " a", "a ", "*a", "-a", "--", "'", '"', "$(x)"], ["a.b", "a/b", "a-b", "a0", "A", "B"], [".hidden", ".dir/x"],
        ["new\nline"], ["back\\slash"], ["car\rriage"], ["all\\of\nthem\rhere", "\\", "\\n", "plain"], ["é", "e\u0301", "z", "東", "😀", "\uffee", "\ue000"],
    ],
)  # fmt: skip
def test_the_digest_of_a_tree_is_what_coreutils_say(names: list[str], tmp_path: Path) -> None:
    fill(tmp_path / "tree", *names)
    listing = "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum -- | sha256sum"
    run = subprocess.run(["bash", "-c", listing], cwd=tmp_path / "tree", capture_output=True, check=True)
    assert digest.tree(tmp_path / "tree") == "sha256:" + run.stdout.decode().split()[0]


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs coreutils")
@posix
def test_sums_can_be_checked_with_coreutils(tmp_path: Path) -> None:
    names = ["plain", "a b", "new\nline", "back\\slash", "deep/é", "car\rriage"]
    fill(tmp_path, *names)
    sums = digest.sums(digest.files(tmp_path, names))
    check = ["sha256sum", "--check", "--strict", "--status"]
    assert subprocess.run(check, cwd=tmp_path, input=sums.encode()).returncode == 0
    (tmp_path / "new\nline").write_text("other")
    assert subprocess.run(check, cwd=tmp_path, input=sums.encode()).returncode == 1


@posix
def test_the_digest_of_a_tree_stays_as_it_was_published(tmp_path: Path) -> None:
    """What coreutils gave for it once."""
    fill(tmp_path, "a", "b/c", "back\\slash", "new\nline")
    assert digest.tree(tmp_path) == "sha256:8a7cee434b397337650842d112dbaa51cdb5c8f9256b75db8dd761cb50fba997"


def test_sums_are_sorted_and_escaped_as_coreutils_do() -> None:
    zeros = "0" * 64
    given = {"b": f"sha256:{zeros}", "a\nb": f"sha256:{zeros}", "a\\b": f"sha256:{zeros}", "a\rb": f"sha256:{zeros}"}
    assert digest.sums(given) == f"\\{zeros}  a\\nb\n\\{zeros}  a\\rb\n\\{zeros}  a\\\\b\n{zeros}  b\n"


@posix
@pytest.mark.parametrize(
    ("name", "shown"), [(b"caf\xe9", "caf\\xe9"), (b"a/\xff/b", "a/\\xff/b"), ("é".encode() + b"\x80", "é\\x80")]
)
def test_a_name_that_is_no_text_is_refused(name: bytes, shown: str, tmp_path: Path) -> None:
    fill(tmp_path, "plain", os.fsdecode(name))
    error = refusal(lambda: digest.tree(tmp_path))
    assert (str(error), error.malformed) == (f"{shown}: has a name that is not UTF-8\n  fix: rename the file", False)


def two_trees(folder: Path) -> tuple[Path, Path]:
    return fill(folder / "one", "a", "b/c"), fill(folder / "two", "a", "b/c")


def test_times_modes_and_empty_folders_do_not_count(tmp_path: Path) -> None:
    one, two = two_trees(tmp_path)
    os.utime(two / "a", (0, 0))
    (two / "a").chmod(0o755)
    (two / "empty" / "deep").mkdir(parents=True)
    assert digest.tree(one) == digest.tree(two)


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda two: (two / "a").write_text("A"),
    "name": lambda two: (two / "a").rename(two / "A2"),
    "place": lambda two: (two / "b" / "c").rename(two / "c"),
    "one more": lambda two: (two / "z").write_text(""),
    "one less": lambda two: (two / "a").unlink(),
    "swapped": lambda two: ((two / "a").write_text("b/c"), (two / "b" / "c").write_text("a")),
    "hidden": lambda two: (two / ".z").write_text(""),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_names_and_contents_count(change: Callable[[Path], object], tmp_path: Path) -> None:
    one, two = two_trees(tmp_path)
    change(two)
    assert digest.tree(one) != digest.tree(two)


def test_names_can_be_left_out(tmp_path: Path) -> None:
    one, two = two_trees(tmp_path)
    (two / "manifest.json").write_text("{}")
    assert digest.tree(two, without=["manifest.json"]) == digest.tree(one)
    assert digest.tree(two, without=iter(["manifest.json"])) == digest.tree(one)
    assert digest.tree(two, without=["c", "manifest.json"]) == digest.tree(one)  # b/c is another file


def test_a_folder_without_files_has_no_digest(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    error = refusal(lambda: digest.tree(tmp_path))
    assert (str(error), error.malformed) == (f"{tmp_path}: holds no files\n  fix: check the path", False)


def test_a_folder_that_is_gone_has_no_digest(tmp_path: Path) -> None:
    error = refusal(lambda: digest.tree(tmp_path / "gone"))
    assert str(error) == f"{tmp_path / 'gone'}: cannot be read: No such file or directory\n  fix: check the path"
    (tmp_path / "file").write_text("x")
    assert not refusal(lambda: digest.tree(tmp_path / "file")).malformed


@posix
def test_a_pipe_in_a_tree_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    os.mkfifo(tmp_path / "pipe")
    with within(5):
        assert str(refusal(lambda: digest.tree(tmp_path))) == "pipe: is not a regular file"


# Links


@posix
def test_a_link_to_a_file_is_refused_unless_it_is_to_be_followed(tmp_path: Path) -> None:
    """A model cache holds links to its blobs; a run holds files."""
    one, two = two_trees(tmp_path)
    (two / "a").rename(tmp_path / "blob")
    (two / "a").symlink_to(tmp_path / "blob")
    assert refusal(lambda: digest.tree(two)).message == "is a symbolic link, and readers stay inside the run"
    assert digest.tree(two, follow=True) == digest.tree(one)


@posix
def test_a_link_to_a_folder_is_seen_and_never_followed(tmp_path: Path) -> None:
    _, two = two_trees(tmp_path)
    (two / "b").rename(tmp_path / "elsewhere")
    (two / "b").symlink_to(tmp_path / "elsewhere")
    assert list(digest.walk(two)) == ["a", "b"]
    assert str(refusal(lambda: digest.tree(two))).startswith("b: is a symbolic link")
    assert str(refusal(lambda: digest.tree(two, follow=True))) == "b: is not a regular file"


@posix
@pytest.mark.parametrize("follow", [False, True])
def test_a_link_that_leads_nowhere_is_refused(follow: bool, tmp_path: Path) -> None:
    fill(tmp_path, "a")
    (tmp_path / "b").symlink_to("gone")
    assert not refusal(lambda: digest.tree(tmp_path, follow=follow)).malformed


@posix
def test_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    fill(tmp_path, "deep/a")
    (tmp_path / "deep" / "up").symlink_to("..")
    with within(20):
        assert not refusal(lambda: digest.tree(tmp_path, follow=True)).malformed


def test_walk_tells_every_name_with_slashes_and_in_order(tmp_path: Path) -> None:
    fill(tmp_path, "b", "a/z", "a.b", "a-b", "a/b/c", ".x")
    (tmp_path / "folder").mkdir()
    assert list(digest.walk(tmp_path)) == [".x", "a-b", "a.b", "a/b/c", "a/z", "b"]


# Weights

Arrays = dict[str, Any]


def arrays(seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    return {
        "encoder.weight": rng.random((3, 4), dtype=np.float32),
        "encoder.bias": rng.random(4, dtype=np.float32),
        "scalar": np.array(1.5, np.float16),
        "empty": np.zeros((0, 2), np.float32),
        "flags": np.array([1, 0, 1], np.uint8),
    }


TYPES = {"float32": "F32", "float16": "F16", "uint8": "U8", "int64": "I64", "int32": "I32", "float64": "F64"}


def save(path: Path, tensors: Arrays, metadata: dict[str, str] | None = None, order: list[str] | None = None) -> Path:
    """Write a safetensors file with the tensors' bytes in a given order: the library itself has one order only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    data = b""
    for name in order or list(tensors):
        raw = tensors[name].tobytes()
        entry = {"dtype": TYPES[tensors[name].dtype.name], "shape": list(tensors[name].shape)}
        header[name] = entry | {"data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path.parent


def weights_of(folder: Path, tensors: Arrays, **options: Any) -> str:
    shutil.rmtree(folder, ignore_errors=True)
    return digest.weights(save(folder / "model.safetensors", tensors, **options)).digest


def test_weights_are_their_sorted_names_types_shapes_and_bytes(tmp_path: Path) -> None:
    total = hashlib.sha256()
    for name, array in sorted(arrays().items()):
        total.update(
            json.dumps([name, TYPES[array.dtype.name], list(array.shape)], separators=(",", ":")).encode() + b"\n"
        )
        total.update(array.tobytes())
    found = digest.weights(save(tmp_path / "model.safetensors", arrays()))
    assert found == digest.Weights("sha256:" + total.hexdigest(), 5, ())


@given(
    order=st.permutations(list(arrays())),
    metadata=st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)
def test_saving_again_in_another_order_with_other_metadata_changes_nothing(
    order: list[str], metadata: dict[str, str] | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.getbasetemp()
    again = weights_of(base / "again", arrays(), metadata=metadata, order=order)
    assert again == weights_of(base / "first", arrays())


def test_saving_again_with_the_library_changes_nothing(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    library.save_file(arrays(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert digest.weights(tmp_path).digest == weights_of(tmp_path / "own", arrays())


def test_names_of_files_and_shards_change_nothing(tmp_path: Path) -> None:
    tensors = arrays()
    for i, name in enumerate(tensors):
        save(tmp_path / "shards" / f"model-{i:05}-of-00005.safetensors", {name: tensors[name]})
    (tmp_path / "shards" / "model.safetensors.index.json").write_text("{}")
    (tmp_path / "shards" / "config.json").write_text("{}")
    assert digest.weights(tmp_path / "shards").digest == weights_of(tmp_path / "whole", tensors)


@pytest.mark.parametrize("name", ["position_ids", "embeddings.position_ids", "text.embeddings.position_ids"])
def test_position_ids_that_libraries_keep_or_drop_are_left_out_and_told(name: str, tmp_path: Path) -> None:
    tensors = arrays() | {name: np.arange(5)[None]}
    found = digest.weights(save(tmp_path / "with" / "model.safetensors", tensors))
    assert found == digest.Weights(weights_of(tmp_path / "without", arrays()), 5, (name,))


@pytest.mark.parametrize("name", ["position_ids.weight", "embeddings.position_embeddings"])
def test_a_tensor_of_a_like_name_counts(name: str, tmp_path: Path) -> None:
    tensors = arrays() | {name: np.arange(5)[None]}
    assert weights_of(tmp_path / "with", tensors) != weights_of(tmp_path / "without", arrays())


def test_position_ids_that_could_be_trained_count(tmp_path: Path) -> None:
    tensors = arrays() | {"embeddings.position_ids": np.arange(5, dtype=np.float32)}
    assert digest.weights(save(tmp_path / "model.safetensors", tensors)).excluded == ()


MUTATIONS: dict[str, Callable[[Arrays], Arrays]] = {
    "one byte": lambda t: t | {"flags": np.array([1, 0, 2], np.uint8)},
    "the last bit": lambda t: t | {"encoder.bias": np.nextafter(t["encoder.bias"], np.float32(2))},
    "a sign": lambda t: t | {"scalar": -t["scalar"]},
    "a name": lambda t: {("encoder.beta" if name == "encoder.bias" else name): array for name, array in t.items()},
    "two names": lambda t: {{"scalar": "empty", "empty": "scalar"}.get(name, name): array for name, array in t.items()},
    "a type of the same bytes": lambda t: t | {"encoder.bias": t["encoder.bias"].view(np.int32)},
    "a shape of the same bytes": lambda t: t | {"encoder.weight": t["encoder.weight"].reshape(4, 3)},
    "a scalar of the same bytes": lambda t: t | {"scalar": t["scalar"].reshape(1)},
    "an empty shape": lambda t: t | {"empty": t["empty"].reshape(2, 0)},
    "one less": lambda t: {name: array for name, array in t.items() if name != "empty"},
    "one more": lambda t: t | {"more": np.zeros(0, np.float32)},
    "transposed": lambda t: t | {"encoder.weight": np.ascontiguousarray(t["encoder.weight"].T)},
    "split in two": lambda t: {
        **{n: a for n, a in t.items() if n != "flags"},
        "flags": t["flags"][:1],
        "flags2": t["flags"][1:],
    },
}


@pytest.mark.parametrize("mutate", MUTATIONS.values(), ids=MUTATIONS)
def test_every_change_of_a_tensor_changes_the_digest(mutate: Callable[[Arrays], Arrays], tmp_path: Path) -> None:
    assert weights_of(tmp_path / "changed", mutate(arrays())) != weights_of(tmp_path / "first", arrays())


def test_every_byte_of_every_tensor_counts(tmp_path: Path) -> None:
    path = save(tmp_path / "model.safetensors", arrays()) / "model.safetensors"
    data = path.read_bytes()
    size = sum(array.nbytes for array in arrays().values())
    seen = {digest.weights(tmp_path).digest}
    for at in range(len(data) - size, len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        seen.add(digest.weights(tmp_path).digest)
    assert len(seen) == size + 1


def test_modules_of_a_model_do_not_blend(tmp_path: Path) -> None:
    save(tmp_path / "model.safetensors", arrays(0))
    whole = digest.weights(tmp_path).digest
    save(tmp_path / "2_Dense" / "model.safetensors", arrays(1))
    two = digest.weights(tmp_path)
    assert (two.digest != whole, two.tensors) == (True, 10)
    (tmp_path / "2_Dense").rename(tmp_path / "3_Dense")
    assert digest.weights(tmp_path).digest != two.digest


def test_a_tensor_in_two_shards_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "model-1.safetensors", arrays())
    save(tmp_path / "model-2.safetensors", {"flags": arrays()["flags"]})
    error = refusal(lambda: digest.weights(tmp_path))
    assert str(error) == "model-2.safetensors: holds the tensor `flags` a second time\n  fix: remove the stale shard"
    assert error.malformed


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt", "model.pkl", "readme.md"])
def test_weights_in_other_files_are_never_opened(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04")
    error = refusal(lambda: digest.weights(tmp_path))
    assert str(error) == (
        f"{tmp_path}: holds no safetensors weights, and nothing else is read (pickles are never opened)\n"
        "  fix: save the model again with model.save_pretrained(path)"
    )
    assert not error.malformed


def test_torn_weights_are_refused_by_the_name_of_their_file(tmp_path: Path) -> None:
    path = save(tmp_path / "sub" / "model.safetensors", arrays()) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    error = refusal(lambda: digest.weights(tmp_path))
    assert (error.at.path, error.fix) == ("sub/model.safetensors", "the copy is torn: copy it again")


def test_a_git_lfs_pointer_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    error = refusal(lambda: digest.weights(tmp_path))
    assert (error.malformed, error.fix) == (False, "git lfs pull --include 'model.safetensors'")


@posix
def test_links_to_weights_are_followed_only_where_that_is_asked_for(tmp_path: Path) -> None:
    save(tmp_path / "blobs" / "abc", arrays())
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "model.safetensors").symlink_to(tmp_path / "blobs" / "abc")
    assert refusal(lambda: digest.weights(tmp_path / "snapshot")).message.startswith("is a symbolic link")
    assert digest.weights(tmp_path / "snapshot", follow=True).digest == weights_of(tmp_path / "own", arrays())


def test_large_tensors_are_read_to_their_last_byte(tmp_path: Path) -> None:
    large = np.zeros(3 * 1024 * 1024 + 1, np.uint8)
    changed = large.copy()
    changed[-1] = 1
    tensors = {"large": large, "small": np.ones(1, np.uint8)}
    first = weights_of(tmp_path / "a", tensors)
    assert first != weights_of(tmp_path / "a", tensors | {"large": changed})
    assert first == weights_of(tmp_path / "a", tensors, order=["small", "large"])
