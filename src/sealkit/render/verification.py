"""What `verify` found, for the terminal, as Markdown, and as JSON under `verification/v1`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sealkit.finding import Finding, Verdict
from sealkit.render.seal import bullets, cell, code
from sealkit.render.text import clean
from sealkit.write import dumps


class Drift(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def message(self) -> str: ...


class Verification(Protocol):
    """The fields of `sealkit.verify.Verification`, which stands above the renderers."""

    @property
    def digest(self) -> str | None: ...
    @property
    def problems(self) -> Sequence[Finding]: ...
    @property
    def unknown(self) -> Sequence[str]: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def drift(self) -> Sequence[Drift]: ...
    @property
    def holds(self) -> bool: ...
    @property
    def exit_code(self) -> int: ...


def text(found: Verification) -> str:
    lines = [f"{clean(str(problem.at))}: {_indented(problem.message)}" for problem in found.problems]
    lines += [f"cannot be verified by this version: {clean(name)}" for name in found.unknown]
    if found.digest is None:
        lines += ["no seal: seal/seal.json is not here", "  fix: toolkit seal RUN_DIR"]
    elif found.problems:
        lines.append(
            f"the seal no longer holds: {len(found.problems)} {'problem' if len(found.problems) == 1 else 'problems'}"
        )
    elif found.holds:
        lines.append(f"the seal holds: {found.digest}")
    if found.drift:
        lines.append("outside the run, since it was sealed:")
        lines += [f"  {clean(drift.name)}: {drift.state} ({clean(drift.message)})" for drift in found.drift]
    if found.holds:
        lines.append(f"verdict: {found.verdict}")
    return "\n".join(lines) + "\n"


def markdown(found: Verification) -> str:
    """The same for a job summary: the answer, why, and what has moved outside."""
    if found.digest is None and not found.problems:
        sections = ["# No seal", "`seal/seal.json` is not here. Smallest fix: `toolkit seal RUN_DIR`"]
    elif found.holds:
        sections = [f"# The seal holds: {found.verdict}", code(found.digest)]
    else:
        sections = ["# The seal no longer holds" if found.problems else "# The seal cannot be verified by this version"]
    if found.problems:
        sections.append(bullets(f"{code(problem.at)}: {cell(problem.message)}" for problem in found.problems))
    if found.unknown:
        sections.append("Not known to this version:\n\n" + bullets(map(cell, found.unknown)))
    if found.drift:
        drift = (f"{code(drift.name)}: {drift.state} ({cell(drift.message)})" for drift in found.drift)
        sections.append("## Outside the run, since it was sealed\n\n" + bullets(drift))
    return "\n\n".join(sections) + "\n"


def _indented(message: str) -> str:
    return "\n".join(clean(line) for line in message.split("\n"))


def json(found: Verification) -> str:
    return dumps(
        {
            "schema": "verification/v1",
            "holds": found.holds,
            "exit_code": found.exit_code,
            "digest": found.digest,
            "verdict": str(found.verdict) if found.holds else None,
            "problems": [{"path": problem.at.path, "message": problem.message} for problem in found.problems],
            "unknown": list(found.unknown),
            "drift": [{"name": drift.name, "state": drift.state, "message": drift.message} for drift in found.drift],
        }
    )
