"""The world now against the world that a seal observed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sealkit.observe import observe
from sealkit.rundir import Run


@dataclass(frozen=True)
class Drift:
    """How one thing outside the run stands now to what the seal recorded: `same`, `moved since`, or `not here`."""

    name: str
    state: str
    message: str


def since_sealed(run: Run) -> Iterator[Drift]:
    """The world now against the world that the seal observed. Never changes whether the seal holds."""
    then = run.document("observed")
    if then is None:
        return
    now = observe(Run(run.root, run.layout, run.contracts, run.metric_keys))
    before, after = then["repository"], now["repository"]
    if before["commit"] is not None:
        if after["commit"] is None:
            yield Drift("repository", "not here", f"sealed at {before['commit']}; {after['reason']}")
        elif now["run"]["relation"] == "unknown" and then["run"]["relation"] != "unknown":
            yield Drift("repository", "not here", f"sealed at {before['commit']}; another repository is here")
        elif after["commit"] == before["commit"]:
            yield Drift("repository", "same", f"at {before['commit']}")
        else:
            yield Drift("repository", "moved since", f"sealed at {before['commit']}, now at {after['commit']}")
    for model in now["models"]:
        state = {"same": "same", "changed": "moved since", "missing": "not here"}[model["state"]]
        seen = f", now {model['weights']}" if model["state"] == "changed" else ""
        yield Drift(f"model {model['name']}", state, f"weights {model['recorded']}{seen}")
