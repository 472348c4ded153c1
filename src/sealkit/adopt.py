"""Writes the manifest of an index that nobody saw built: what its files say of it, and nothing else. Nothing is unpickled."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealkit import fingerprint, manifest, vector_file, write
from sealkit.describe import the_file
from sealkit.finding import Location, ReadError, UsageError
from sealkit.index_files import read_ids
from sealkit.read import json
from sealkit.vector_file import Facts

STORE = "index_store.json"  # of LlamaIndex: which node is at which position
LIST = "ids.txt"


@dataclass(frozen=True)
class Seen:
    """What the files of an index alone tell: the file of vectors, all of its files by name, the groups of a fingerprint, the
    ids of its rows and the file that they stand in (None where nobody tells them), and what was not taken, in words."""

    file: Path
    names: tuple[str, ...]
    fingerprint: dict[str, Any]
    ids: tuple[str, ...] | None = None
    listing: str | None = None
    notes: tuple[str, ...] = ()


def adopt(path: Path, ids: Path | None = None) -> Seen:
    """Write the manifest of an index (its file, or its folder) as nobody witnessed it; return what was seen.

    What the files do not say is left out: unknown. `ids` is a list beside the index, one id a line in the order of the rows;
    without it the nodes that LlamaIndex names in its index_store.json are the ids. Raises UsageError where a manifest is there
    already, or a list that does not fit; ReadError where a file cannot be read; Refused where a header says what no index has.
    """
    found = seen(path, ids)
    at = manifest.place(path)
    for other in (at, manifest.place(found.file)):
        if other.exists() or other.is_symlink():
            raise UsageError(
                f"{other}: there is a manifest already",
                f"toolkit fingerprint show {shlex.quote(str(path))}    tells what it says",
            )
    listing = found.listing
    made = at.parent / (LIST if path.is_dir() else f"{found.file.name}.{LIST}") if listing == STORE else None
    if made is not None:
        if made.exists():
            raise UsageError(
                f"{made}: is there already, and {STORE} names the ids too",
                f"if it is theirs: --ids {shlex.quote(str(made))}",
            )
        listing = made.name
    document = {
        "schema": manifest.CONTRACT,
        "witness": "adopted",
        "file": found.file.name,
        "ids": listing,
        "fingerprint": found.fingerprint,
    }
    try:
        if made is not None:
            write.atomic(made, "".join(f"{one}\n" for one in found.ids or ()))
        names = [*found.names, listing] if listing is not None and listing not in found.names else [*found.names]
        manifest.keep(manifest.whole(document, at.parent, names), at)
    except BaseException:
        if made is not None:
            made.unlink(missing_ok=True)
        raise
    return found


def seen(path: Path, ids: Path | None = None) -> Seen:
    """What the files of an index tell. Raises UsageError and ReadError."""
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder", "check the path")
    file = the_file(path)
    facts = vector_file.facts(file)
    names = tuple(manifest.companions(path)) if path.is_dir() else (file.name,)
    told, listing, notes = None, None, list[str]()
    if ids is not None:
        told, listing = _listed(ids, file, facts), ids.name
    elif STORE in names and not facts.mapped:
        try:
            told, listing = _nodes(path / STORE, facts.count), STORE
        except ReadError as error:
            notes.append(f"{error.at}: {error.message}; the ids of the rows stay unknown")
    return Seen(file, names, _fingerprint(facts, told), told, listing, tuple(notes))


def _fingerprint(facts: Facts, ids: tuple[str, ...] | None) -> dict[str, Any]:
    """The groups that a header tells. What a kind that is not read through might have set is left out."""
    groups = {"vectors": facts.vectors(), "structure": facts.structure(), "search": facts.search()}
    corpus = {} if ids is None else {"corpus": {"ids": fingerprint.of_lines(ids)}}
    return corpus | {name: group for name, group in groups.items() if group}


def _listed(ids: Path, file: Path, facts: Facts) -> tuple[str, ...]:
    """The ids of a list beside the index. Raises UsageError and ReadError."""
    if ids.parent.resolve() != file.parent.resolve():
        raise UsageError(f"{ids}: does not lie beside {file}", f"copy it to {file.parent}")
    if facts.mapped:
        raise UsageError(f"{file}: returns ids of its own, and needs no list of them", "leave out --ids")
    lines, _ = read_ids(ids, facts.count)
    if len(lines) != facts.count:
        message = f"{ids}: holds {len(lines):,} lines, {file} {facts.count:,} vectors"
        raise UsageError(message, "write one id a line, in the order of the rows")
    return tuple(lines)


def _nodes(store: Path, count: int) -> tuple[str, ...]:
    """The ids of LlamaIndex's nodes by their position. Raises ReadError where it does not name one for each row."""
    name = str(store)
    document = json.read(store, name, follow=False)
    wrong = ReadError(f"does not name a node for each of {count:,} rows", Location(name))
    structs = document.get("index_store/data") if isinstance(document, dict) else None
    if not isinstance(structs, dict) or len(structs) != 1:
        raise wrong
    (struct,) = structs.values()
    data = struct.get("__data__") if isinstance(struct, dict) else None
    inner = json.parse(data, name) if isinstance(data, str) else data
    nodes = inner.get("nodes_dict") if isinstance(inner, dict) else None
    if not isinstance(nodes, dict) or len(nodes) != count:
        raise wrong
    found = tuple(
        one for row in range(count) if isinstance(one := nodes.get(str(row)), str) and one.isprintable() and one
    )
    if len(found) != count:
        raise wrong
    return found
