"""What a seal says of what it binds, and of what it names, as a ledger holds it.

What has not the shape of its contract raises KeyError, TypeError, AttributeError, ValueError or IndexError.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from sealkit.workspace.entries import MATRIX, checked, text
from sealkit.workspace.ledger import Ledger, Link, Seal
from sealkit.workspace.run import Place, Taken, below


def seal(ledger: Ledger, path: str, document: Any) -> None:
    stated = document.get("predicate") if isinstance(document, dict) else None
    if not isinstance(stated, dict) or str(stated.get("schema")).partition("/")[0] not in ("seal", "matrix_seal"):
        return  # others call a file so, too
    key, reference, matrix = f"seal:{path}", stated.get("reference"), stated.get("matrix")
    run_id = (stated.get("run") or {}).get("run_id")
    root = _root(ledger, path, text(matrix["folder"])) if matrix else ""
    outside = tuple(_outside(path, root, stated)) if matrix else ()
    ledger.seals.append(Seal(path, run_id, text(stated["verdict"]), reference and reference["run_id"], outside))
    ledger.links += _bound(key, path, document["subject"])
    ledger.links += _stated(key, path, stated)
    ledger.links += (Link(one.digest, key, f"names {one.name}", one.at) for one in outside)
    if matrix:
        at = Place(path, "/predicate/matrix/folder", matrix["folder"])
        ledger.links.append(Link(f"matrix:{below(root, matrix['folder'])}/{MATRIX}", key, "seals it", at))


def _bound(key: str, path: str, subject: Any) -> Iterator[Link]:
    for number, one in enumerate(subject):
        value = one["digest"]["sha256"]
        place = Place(path, f"/subject/{number}/digest/sha256", value)
        yield Link(checked(f"sha256:{value}"), key, f"binds {one['name']}", place)


def _stated(key: str, path: str, stated: Mapping[str, Any]) -> Iterator[Link]:
    """The reference that it compares with, and the models that it speaks of."""
    if reference := stated.get("reference"):
        for name in ("digest", "weights"):
            if value := reference.get(name):
                at = Place(path, f"/predicate/reference/{name}", checked(value))
                yield Link(value, key, f"compares with the run {reference['name']}", at)
    for part in ("lineage", "models"):
        for number, line in enumerate(stated.get(part) or ()):
            if value := line.get("weights"):
                at = Place(path, f"/predicate/{part}/{number}/weights", checked(value))
                yield Link(value, key, f"states it as {line.get('role') or line.get('path')}", at)


def _outside(path: str, root: str, stated: Mapping[str, Any]) -> Iterator[Taken]:
    """The files outside of the matrix that it has statements of."""
    for number, one in enumerate(stated.get("outside") or ()):
        at = Place(path, f"/predicate/outside/{number}/digest", one["digest"])
        yield Taken(below(root, text(one["path"])), checked(one["digest"]), at)


def _root(ledger: Ledger, path: str, matrix: str) -> str:
    """The root of the tree that a seal is of: the nearest folder above it that holds the matrix; a seal may lie elsewhere than that."""
    folder = posixpath.dirname(path)
    while folder and not (ledger.root / folder / matrix).is_dir():
        folder = posixpath.dirname(folder)
    return folder
