"""What a check is: one invariant, a pure function from a read-only run to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sealkit.artifact import Artifact
from sealkit.finding import Finding, Location, Severity
from sealkit.metric_keys import MetricKeys
from sealkit.read.pickle import Pickle
from sealkit.read.vcf import Vcf
from sealkit.rundir import Run
from sealkit.trees.evidence import Evidence
from sealkit.vector_file import Facts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class View:
    """A run as a check sees it: only artifacts of the kinds that the check says it reads, all of them valid, at the versions
    that it understands (kind → version)."""

    run: Run
    versions: Mapping[str, int]

    def all(self, kind: str) -> list[Artifact]:
        self._allow(kind)
        return [self._read(artifact) for artifact in self.run.all(kind)]

    def one(self, kind: str) -> Artifact:
        """The artifact of a kind that the check requires."""
        self._allow(kind)
        artifact = self.run.one(kind)
        if artifact is None:
            raise LookupError(f"the run holds no {kind}")
        return self._read(artifact)

    def produced(self, reference: str) -> Artifact | None:
        """The artifact behind `stage.output`; needs `resolved_config` among the kinds read."""
        self._allow("resolved_config")
        artifact = self.run.produced(reference)
        if artifact is None:
            return None
        self._allow(artifact.kind)
        return self._read(artifact)

    def wired(self, *inputs: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(name, stage) of the config's stages that take all of these inputs."""
        self._allow("resolved_config")
        return self.run.wired(*inputs)

    def taken(self, stage: str, kind: str) -> dict[str, str]:
        """`stage.output` → its file or folder, of what a stage of the config takes of a kind."""
        self._allow("resolved_config")
        return self.run.taken(stage, kind)

    def maker(self, artifact: Artifact) -> str | None:
        """The stage of the config that made an artifact; None where it promises none such."""
        self._allow("resolved_config")
        return self.run.maker(artifact)

    def origin(self, *path: str | int) -> Location:
        """The line on which a value of the config was written; its place in resolved_config.json where it stands in no file."""
        self._allow("resolved_config")
        return self.run.origin(*path)

    def source(self, *path: str | int) -> tuple[str | int, ...]:
        """The place in the config at which a value was written, by way of what refers to it."""
        self._allow("resolved_config")
        return self.run.source(*path)

    @property
    def reference(self) -> View | None:
        """The run that this one is compared with, where one is at hand."""
        return View(self.run.reference, self.versions) if self.run.reference else None

    @property
    def evidence(self) -> Evidence:
        """What the files of a tree say, and its models: the same for all checks, so that it is sorted once."""
        self._allow("evidence")
        return self.run.evidence

    @property
    def files(self) -> tuple[str, ...]:
        return self.run.files

    @property
    def metric_keys(self) -> MetricKeys:
        return self.run.metric_keys

    def yaml(self, name: str) -> Any:
        return self.run.yaml(name)

    def vector_facts(self, name: str) -> Facts:
        """What a file of vectors (.faiss, .npy) says of itself. Raises ReadError."""
        return self.run.vector_facts(name)

    def nearest(
        self, name: str, queries: NDArray[np.float32], k: int, metric: str
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """The nearest k of each query (queries × dimension) in a file of vectors whose `vector_facts(name).rows` is not None, by
        exact search: scores and rows (or the index's own ids), of shape (queries, k). `metric` is inner_product or l2.
        Raises ReadError, and ValueError where the dimensions differ."""
        return self.run.nearest(name, queries, k, metric)

    def size(self, name: str) -> int:
        """The bytes of a file. Raises ReadError."""
        return self.run.size(name)

    def pickles(self, name: str) -> list[Pickle]:
        return self.run.pickles(name)

    def lines(self, name: str) -> Iterator[tuple[int, str]]:
        return self.run.lines(name)

    def digest(self, name: str) -> str:
        return self.run.digest(name)

    def vcf(self, name: str) -> Vcf:
        """A VCF, not read yet. `findings(but)` reads it, and is what keeps it from being sound without the faults `but`
        (multiallelic, no_alternate, missing); it raises ReadError. `header` and `counts` are known then."""
        return self.run.vcf(name)

    def secrets(self, name: str) -> Iterator[tuple[int, str, bool]]:
        """(line, kind, whether it is certain) of each secret in a text file. Raises ReadError."""
        return self.run.secrets(name)

    def _allow(self, kind: str) -> None:
        if kind not in self.versions:
            raise LookupError(f"the check does not say that it reads {kind}")

    def _read(self, artifact: Artifact) -> Artifact:
        upgrades = self.run.upgrades(artifact, self.versions[artifact.kind])
        return replace(artifact, upgrades=upgrades) if upgrades else artifact


@dataclass(frozen=True)
class Check:
    """`reads` maps kinds to the major version that the check understands; older ones are upgraded. `kind?` is optional.
    `kind~` is required too, but while a run goes on the check is run without waiting for it, and again when there is more of it:
    what the config alone tells stops a run before its first stage. `kind?~` is optional, and not waited for either.

    `why` cites the real failure that taught it, `fix` says the way out. `since` is the first version of sealkit that has
    it: a seal by that version or a later one must name it. `needs` are the fields (`run model`, …) that a layout must be able to tell of a
    tree, for the check to have something to say. `risk` is the code under which the seal of a tree lists what it finds: it
    tells of what the runs stand on, and not of how far their numbers can be read. `id` and `summary` are set by the pack, from the
    file's name and its docstring.
    """

    title: str
    why: str
    fix: str
    reads: Mapping[str, int]
    find: Callable[[View], Iterator[Finding]]
    since: str
    severity: Severity = Severity.ERROR
    needs: tuple[str, ...] = ()
    risk: str | None = None
    id: str = ""
    summary: str = ""

    @property
    def required(self) -> list[str]:
        return [kind.rstrip("~") for kind in self.reads if "?" not in kind]

    @property
    def growing(self) -> frozenset[str]:
        """The kinds that the check does not wait for."""
        return frozenset(kind.rstrip("?~") for kind in self.reads if "~" in kind)

    @property
    def versions(self) -> dict[str, int]:
        return {kind.rstrip("?~"): version for kind, version in self.reads.items()}

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(self.versions)
