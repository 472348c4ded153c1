"""The evidence of a tree: what its files say, its models by content, and the repository around it. Observed once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sealkit import digest, world, write
from sealkit.finding import Location, ReadError
from sealkit.policy import NO_POLICY, Policy
from sealkit.read.source import open_bytes, refuse_lfs_pointer
from sealkit.redact import mask
from sealkit.rundir import SEAL
from sealkit.trees import means
from sealkit.trees.evidence import Evidence, normal
from sealkit.trees.gather import Gathered, gather
from sealkit.trees.layout import NAME, TreeLayout, fill
from sealkit.trees.rankings import first_alike
from sealkit.trees.recognise import Recognised
from sealkit.trees.statement import place

WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.ckpt")  # hashed as files, never opened, where there are no safetensors
MARKERS = ("modules.json", "config.json", "model.safetensors", "pytorch_model.bin", "model_manifest.json")


def observe_tree(tree: Recognised, policy: Policy = NO_POLICY) -> tuple[dict[str, Any], Gathered]:
    """The `evidence/v1` of a tree, with the policy to judge by, and the files that it was gathered from. Nothing is fetched or run."""
    gathered = gather(tree.layout, tree.root, tree.names)
    gathered.statements += _links(tree)
    document: dict[str, Any] = {
        "schema": "evidence/v1",
        "layout": {"id": tree.layout.id, "digest": tree.layout.digest},
        "matrix": tree.matrix,
        "observed_at": write.now(),
        "contrasts": dict(tree.layout.contrasts),
        "statements": gathered.statements,
        "looked": _looked(tree.layout, tree.names),
        "policy": policy.document(),
    }
    _compare_rankings(tree.root, document["statements"], gathered)
    document["statements"] += means.statements(tree.root, gathered.statements)
    named = Evidence({**document, "models": []})
    document["models"] = list(_models(tree.root, gathered.models, named))
    document["unread"] = [{"at": place(error.at), "reason": error.message} for error in gathered.unread]
    where, repository = world.find_repository([tree.folder, Path.cwd()], without=tree.folder / SEAL)
    document["repository"] = repository.document()
    document["commits"] = [
        {"commit": commit, "relation": world.ancestry(where, commit, repository.commit)}
        for commit in sorted({str(one.value) for one in named.statements if one.what == "commit" and one.value})
    ]
    return document, gathered


def _links(tree: Recognised) -> Iterator[dict[str, Any]]:
    """The links in the folder of a tree, by name and by what they lead to: none is followed, and a seal has no digest of one."""
    try:
        names = [name for name in digest.walk(tree.folder) if (tree.folder / name).is_symlink()]
    except ReadError:  # a name that is no text, or a folder that cannot be looked into: no such tree is sealed
        return
    for name in (name for name in names if not name.startswith(f"{SEAL}/")):
        to = str((tree.folder / name).readlink())
        target = to.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        at = place(Location(name if tree.matrix == "." else f"{tree.matrix}/{name}"))
        said = {"of": "matrix", "id": tree.matrix, "what": "link", "by": None, "key": name, "value": mask(target)}
        yield {**said, "step": None, "instead": None, "at": at}


def _compare_rankings(root: Path, statements: list[dict[str, Any]], gathered: Gathered) -> None:
    """What a run ranked is said by the first file that has the same rankings."""
    said = [one for one in statements if one["what"] == "rankings"]
    try:
        same = first_alike(root, [str(one["value"]) for one in said])
    except ReadError as error:
        gathered.unread.append(error)
        return
    for one in said:
        one["value"] = same[one["value"]]


def _looked(layout: TreeLayout, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The patterns of the files that say each field of each sort of things."""
    found: dict[str, list[str]] = {}
    for source in layout.sources:
        shown = dict.fromkeys(NAME.sub("*", fill(path, names)) for path in source.paths)
        for says in source.says:
            where = found.setdefault(f"{says.of} {says.what}", [])
            where += [one for one in shown if one not in where]
    return [{"for": what, "in": where} for what, where in found.items()]


def _models(root: Path, found: Mapping[str, bool], said: Evidence) -> Iterator[dict[str, Any]]:
    """The model folders of the tree, and those that its runs name, by content."""
    named = {normal(str(one.value)) for one in said.statements if one.what == "model" and one.value}
    inside = {_below(root, name) for name in named}
    places = {**dict.fromkeys(sorted(name for name in inside if name and _is_model(root / name)), False), **found}
    for path in sorted(places):
        pointer = places[path] or (root / path).is_symlink()
        if _is_model(root / path):
            yield look_at(root, path, pointer)
        elif (root / path).is_dir():
            reason = f"holds none of {', '.join(MARKERS)}"
            yield _entry(path, "unreadable", pointer, reason=reason)


def _below(root: Path, name: str) -> str | None:
    """The path below the root that a name leads to; None for one that leads nowhere, or out of it."""
    try:
        place = root / name
        inside = place.resolve().is_relative_to(root) and place.is_dir()
        return place.relative_to(root).as_posix() if inside and place.is_relative_to(root) else None
    except (OSError, ValueError, RuntimeError):
        return None


def _is_model(folder: Path) -> bool:
    return folder.is_dir() and any((folder / marker).is_file() for marker in MARKERS)


def look_at(root: Path, path: str, pointer: bool) -> dict[str, Any]:
    """A model folder below a root, as `evidence/v1` has it."""
    folder = root / path
    if not folder.resolve().is_relative_to(root):
        return _entry(path, "unreadable", pointer, reason="is a link that leads out of the tree")
    try:
        names = list(digest.walk(folder))
        files = digest.files(folder, names, follow=False)
        return _entry(path, "here", pointer, weights=weights(folder, files), tree=digest.listing(files), files=files)
    except ReadError as error:
        return _entry(path, "unreadable", pointer, reason=f"{error.at} {error.message}")


def weights(folder: Path, files: Mapping[str, str]) -> str | None:
    """The digest of the tensors, or of the bytes of the files that hold weights where none is a safetensors file; None where there are
    none. Raises ReadError for weights that cannot be read, and for what Git LFS keeps elsewhere."""
    held = {name: value for name, value in files.items() if any(Path(name).match(one) for one in WEIGHTS)}
    if any(name.endswith(".safetensors") for name in held):
        return digest.weights(folder).digest
    for name in held:
        with open_bytes(folder / name, name, follow=False) as file:
            refuse_lfs_pointer(file.read(64), name)
    return digest.listing(held) if held else None


def _entry(path: str, state: str, pointer: bool, **known: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"reason": None, "weights": None, "tree": None, "files": {}}
    return {"path": path, "state": state, "pointer": pointer, **empty, **known}
