"""What a ledger knows by a digest, or by a name that leads to nothing here."""

from __future__ import annotations

import posixpath

from sealkit.finding import SealkitError, UsageError
from sealkit.workspace import called
from sealkit.workspace.ledger import Ledger
from sealkit.workspace.question import Asked
from sealkit.workspace.run import below


def telling(digest: str, ledger: Ledger) -> tuple[str, ...]:
    """The files of that content that tell something."""
    return tuple(path for path, found in ledger.files.items() if found == digest)


def by_digest(text: str, value: str, ledger: Ledger) -> Asked | None:
    hits = sorted(one for one in ledger.contents() if one.startswith(f"sha256:{value}"))
    if len(hits) > 1:
        raise UsageError(f"{text}: begins {len(hits)} digests: {', '.join(hits[:4])}", "write more of it")
    if not hits:
        return None
    if hits[0] in ledger.weights():
        return Asked(text, "model", ((hits[0], "recorded"),))
    if models := sorted(ledger.weights_of_tree(hits[0])):
        told = tuple(f"the digest of a model folder with the weights {one}" for one in models)
        return Asked(text, "model", ((hits[0], "recorded"), *((one, "recorded") for one in models)), remarks=told)
    if weights := ledger.stated.get(hits[0]):
        told = (f"records name the model with the weights {weights} by it",)
        return Asked(text, "model", ((hits[0], "recorded"), (weights, "recorded")), remarks=told)
    return Asked(text, "content", ((hits[0], "recorded"),), records=telling(hits[0], ledger))


def by_name(text: str, ledger: Ledger) -> Asked | None:
    runs = tuple(
        path
        for path, run in ledger.runs.items()
        if text.rstrip("/") in (run.run_id, run.name, path, posixpath.basename(path))
    )
    if runs:
        told = f"{len(runs)} runs go by that name: {', '.join(runs[:4])}"
        folder = runs[0] if len(runs) == 1 else None
        return Asked(text, "run", (), runs, folder, (told,) if len(runs) > 1 else ())
    names = {text, below("", text)}
    hits = [content for name, where, content in called.contents(ledger) if {name, below(where, name)} & names]
    found = tuple((content, "recorded") for content in dict.fromkeys(hits))
    if not found:
        return None
    kind = "model" if {content for content, _ in found} & ledger.weights() else "file"
    remarks = (f"records know {len(found)} contents by that name",) if len(found) > 1 else ()
    try:
        weights = _package(text)
    except SealkitError:
        return Asked(text, kind, found, remarks=remarks)
    if weights and weights not in {content for content, _ in found}:
        remarks = (*remarks, *(f"records know other weights by that name: {one}" for one, _ in found))
        found = ((weights, "now"), *found)
    elif weights:
        found = ((weights, "now"), *((one, how) for one, how in found if one != weights))
    return Asked(text, kind, found, remarks=remarks)


def _package(text: str) -> str | None:
    """The weights of a model that a package carries, as they are now."""
    from sealkit import named

    return named.model(text, fetch=False).weights.digest if text.startswith("package:") else None
