"""What a check is: one invariant, a pure function from a read-only run to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sealkit.artifact import Artifact
from sealkit.finding import Finding, Severity
from sealkit.metric_keys import MetricKeys
from sealkit.read.faiss import FaissHeader
from sealkit.read.pickle import Pickle
from sealkit.rundir import Run


@dataclass(frozen=True)
class View:
    """A run as a check sees it: only artifacts of the kinds that the check says it reads, all of them valid."""

    run: Run
    kinds: frozenset[str]

    def all(self, kind: str) -> list[Artifact]:
        self._allow(kind)
        return self.run.all(kind)

    def one(self, kind: str) -> Artifact:
        """The artifact of a kind that the check requires."""
        self._allow(kind)
        artifact = self.run.one(kind)
        if artifact is None:
            raise LookupError(f"the run holds no {kind}")
        return artifact

    def produced(self, reference: str) -> Artifact | None:
        """The artifact behind `stage.output`; needs `resolved_config` among the kinds read."""
        self._allow("resolved_config")
        artifact = self.run.produced(reference)
        if artifact is not None:
            self._allow(artifact.kind)
        return artifact

    def wired(self, *inputs: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(name, stage) of the config's stages that take all of these inputs."""
        self._allow("resolved_config")
        return self.run.wired(*inputs)

    @property
    def reference(self) -> View | None:
        """The run that this one is compared with, where one is at hand."""
        return View(self.run.reference, self.kinds) if self.run.reference else None

    @property
    def files(self) -> tuple[str, ...]:
        return self.run.files

    @property
    def metric_keys(self) -> MetricKeys:
        return self.run.metric_keys

    def yaml(self, name: str) -> Any:
        return self.run.yaml(name)

    def faiss_header(self, name: str) -> FaissHeader:
        return self.run.faiss_header(name)

    def pickles(self, name: str) -> list[Pickle]:
        return self.run.pickles(name)

    def lines(self, name: str) -> Iterator[tuple[int, str]]:
        return self.run.lines(name)

    def digest(self, name: str) -> str:
        return self.run.digest(name)

    def secrets(self, name: str) -> Iterator[tuple[int, str, bool]]:
        """(line, kind, whether it is certain) of each secret in a text file. Raises ReadError."""
        return self.run.secrets(name)

    def _allow(self, kind: str) -> None:
        if kind not in self.kinds:
            raise LookupError(f"the check does not say that it reads {kind}")


@dataclass(frozen=True)
class Check:
    """`reads` maps kinds to the major version that the check understands; `kind?` is optional.

    `why` cites the real failure that taught it, `fix` says the way out. `since` is the first version of sealkit that has
    it: a seal by that version or a later one must name it. `id` and `summary` are set by the pack, from the file's name and
    its docstring.
    """

    title: str
    why: str
    fix: str
    reads: Mapping[str, int]
    find: Callable[[View], Iterator[Finding]]
    since: str
    severity: Severity = Severity.ERROR
    id: str = ""
    summary: str = ""

    @property
    def required(self) -> list[str]:
        return [kind for kind in self.reads if not kind.endswith("?")]

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(kind.rstrip("?") for kind in self.reads)
