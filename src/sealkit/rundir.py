"""A run directory, read-only: its files, which of them are artifacts, and the line of a place in one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sealkit import digest, secret_scan, vector_file
from sealkit.artifact import Artifact, Held
from sealkit.contract import Contract
from sealkit.finding import Location, ReadError, UsageError, pointer
from sealkit.layout import Layout
from sealkit.metric_keys import MetricKeys
from sealkit.provenance import REFERENCE
from sealkit.read import gz, json, pickle, text, yaml
from sealkit.read.blocks import blocks
from sealkit.read.pickle import Pickle
from sealkit.read.source import open_bytes, read_text, refuse_lfs_pointer
from sealkit.read.vcf import Vcf
from sealkit.redact import mask
from sealkit.trees.evidence import Evidence
from sealkit.vector_file import Facts
from sealkit.write import dumps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUOTE_LIMIT = 200
LINE = re.compile(r"(?P<name>.+):(?P<line>[1-9][0-9]{0,8})")
SEAL = "seal"  # the folder of a seal
RUNS, MATRIX = "runs", "matrix.json"  # the folder of a matrix's runs, and what tells that it is one


@dataclass(frozen=True)
class Run:
    """A run directory as it lies there. `files` are the names of everything in it that is no folder.

    `reference` is the run that it is compared with, if one is at hand. `ongoing` says that the engine still writes it: what
    only a seal brings is to come. `seal` is the folder of its seal where that lies elsewhere: its files are named `seal/…`
    all the same. `listed` are the names of its files where these are known already. `held` is kept between two views of a run that
    goes on: what was not written to is held against its contract once.
    """

    root: Path
    layout: Layout
    contracts: Mapping[str, Contract]
    metric_keys: MetricKeys
    virtual: Mapping[str, Any] = field(default_factory=dict)
    reference: Run | None = None
    ongoing: bool = False
    seal: Path | None = None
    listed: tuple[str, ...] | None = None
    held: Held | None = field(default=None, compare=False, repr=False)

    @cached_property
    def files(self) -> tuple[str, ...]:
        if self.listed is not None:
            return self.listed
        if self.seal is None:
            return tuple(digest.walk(self.root))
        own = (name for name in digest.walk(self.root) if not name.startswith(f"{SEAL}/"))
        return tuple(sorted([*own, *(f"{SEAL}/{name}" for name in digest.walk(self.seal))]))

    def place(self, name: str) -> Path:
        """Where the file or folder of a name stands."""
        folder, _, rest = name.partition("/")
        return self.seal / rest if self.seal is not None and folder == SEAL else self.root / name

    @cached_property
    def artifacts(self) -> tuple[Artifact, ...]:
        names = sorted({*self.files, *self.virtual})
        found = ((name, self.layout.rule(name)) for name in names)
        return tuple(
            Artifact(name, self._contract(rule.kind, name), self.place(name), self.virtual.get(name), held=self.held)
            for name, rule in found
            if rule
        )

    def _contract(self, kind: str, name: str) -> Contract:
        """The contract that a file keeps by its own word; the newest of its kind where it names none that is known."""
        known = self._versions[kind]
        if len(known) > 1:
            try:
                document = (
                    self.virtual[name] if name in self.virtual else json.read(self.place(name), name, follow=False)
                )
            except ReadError:
                return known[-1]
            declared = document.get("schema") if isinstance(document, dict) else None
            return next((contract for contract in known if contract.id == declared), known[-1])
        return known[-1]

    @cached_property
    def _versions(self) -> dict[str, list[Contract]]:
        """The contracts of each kind, the newest last."""
        found: dict[str, list[Contract]] = {}
        for contract in sorted(self.contracts.values(), key=lambda contract: contract.version):
            found.setdefault(contract.kind, []).append(contract)
        return found

    def upgrades(self, artifact: Artifact, version: int) -> tuple[Callable[[Any], Any], ...] | None:
        """What leads from an artifact's own version up to another; None where nothing does."""
        between = [c for c in self._versions[artifact.kind] if artifact.contract.version <= c.version < version]
        found = tuple(contract.upgrade for contract in between if contract.upgrade)
        return found if artifact.contract.version + len(found) == version else None

    def all(self, kind: str) -> list[Artifact]:
        return [artifact for artifact in self.artifacts if artifact.kind == kind]

    def one(self, kind: str) -> Artifact | None:
        """The artifact of a kind that a run has at most one of."""
        return next((artifact for artifact in self.artifacts if artifact.kind == kind), None)

    def by_path(self, path: str) -> Artifact | None:
        return next((artifact for artifact in self.artifacts if artifact.path == path), None)

    def document(self, kind: str) -> Any:
        """The document of the one artifact of a kind if it keeps its contract, else None."""
        artifact = self.one(kind)
        return artifact.document if artifact and not artifact.problems else None

    @cached_property
    def evidence(self) -> Evidence:
        """What the files of a tree say, by its document. Raises LookupError where it holds none."""
        artifact = self.one("evidence")
        if artifact is None:
            raise LookupError("the run holds no evidence")
        return Evidence(artifact.document)

    def with_documents(self, documents: Mapping[str, Any]) -> Run:
        """The same run with documents that are not on disk, by name."""
        return replace(self, virtual={**self.virtual, **documents})

    def promised(self, reference: str) -> str | None:
        """The file or folder that `stage.output` of the run's config stands for, whether it is there or not."""
        named = (one["path"] for one in self._promises() if f"{one['stage']}.{one['output']}" == reference)
        return next(named, None)

    def produced(self, reference: str) -> Artifact | None:
        """The artifact that `stage.output` of the run's config stands for, where it is a single file."""
        place = self.promised(reference)
        return self.by_path(place) if place else None

    def wired(self, *inputs: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The stages of the run's config, by name, that take all of these inputs."""
        config = self.document("resolved_config") or {}
        for name, stage in config.get("config", {}).get("stages", {}).items():
            if isinstance(stage, dict) and set(inputs) <= set(stage.get("in", {})):
                yield name, stage

    def taken(self, stage: str, kind: str) -> dict[str, str]:
        """`stage.output` → its file or folder, of what a stage of the run's config takes of a kind."""
        made = {
            f"{one['stage']}.{one['output']}": one for one in self._promises() if one["contract"].startswith(f"{kind}/")
        }
        wired = dict(self.wired()).get(stage, {}).get("in", {}).values()
        return {one: made[one]["path"] for one in wired if isinstance(one, str) and one in made}

    def maker(self, artifact: Artifact) -> str | None:
        """The stage of the run's config that promised an artifact, or the folder that it lies in."""
        found = (one["stage"] for one in self._promises() if f"{artifact.path}/".startswith(f"{one['path']}/"))
        return next(found, None)

    def source(self, *path: str | int) -> tuple[str | int, ...]:
        """The place in the config at which a value was written: where a stage refers to a section, that of the section."""
        seen: list[tuple[str | int, ...]] = []
        while path not in seen:
            seen.append(path)
            reference = REFERENCE.fullmatch(self._provenance(path).partition(" via ")[2])
            if reference:
                path = tuple(reference[1].split("."))
        return path

    def origin(self, *path: str | int) -> Location:
        """The line of the config on which a value was written, by way of what refers to it; its place in resolved_config.json
        where it stands in no file."""
        path = self.source(*path)
        place, _, via = self._provenance(path).partition(" via ")
        line = None if REFERENCE.fullmatch(via) else LINE.fullmatch(place)  # what refers to itself stands nowhere
        if line and line["name"] in self.files:
            return Location(line["name"], line=int(line["line"]))
        return Location("resolved_config.json", pointer=pointer("config", *path))

    def _provenance(self, path: tuple[str | int, ...]) -> str:
        told = (self.document("resolved_config") or {}).get("provenance", {})
        return str(told.get(pointer(*path), ""))

    def _promises(self) -> list[dict[str, str]]:
        """What the stages of the run's config promise."""
        found: list[dict[str, str]] = (self.document("resolved_config") or {}).get("artifacts", [])
        return found

    def yaml(self, name: str) -> Any:
        """What a YAML file of the run says. Raises ReadError."""
        return yaml.parse(read_text(self.place(name), name, follow=False), name).data

    def vector_facts(self, name: str) -> Facts:
        """What a file of vectors of the run says of itself. Raises ReadError."""
        return vector_file.facts(self.place(name), name)

    def nearest(
        self, name: str, queries: NDArray[np.float32], k: int, metric: str
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Exact search in a file of vectors of the run, as `vector_file.nearest`. Raises ReadError and ValueError."""
        return vector_file.nearest(self.place(name), name, queries, k, metric)

    def size(self, name: str) -> int:
        """The bytes of a file of the run. Raises ReadError."""
        with open_bytes(self.place(name), name, follow=False) as file:
            return os.fstat(file.fileno()).st_size

    def pickles(self, name: str) -> list[Pickle]:
        """The pickles in a file of the run, found by content and never loaded. Raises ReadError."""
        return pickle.pickles(self.place(name), name, follow=False)

    def lines(self, name: str) -> Iterator[tuple[int, str]]:
        """(number, text) of a text file of the run. Raises ReadError."""
        return text.lines(self.place(name), name, follow=False)

    def vcf(self, name: str) -> Vcf:
        """A VCF of the run, to be read."""
        return Vcf(self.place(name), name, follow=False)

    def secrets(self, name: str) -> Iterator[tuple[int, str, bool]]:
        """(line, kind, whether it is certain) of each secret in a text file of the run. Raises ReadError."""
        if name in self.virtual:
            found = iter([(1, self._text(name).encode())])
        else:
            found = blocks(self.place(name), name, follow=False)
        for first, block in found:
            for index, line in secret_scan.lines(block):
                for span in secret_scan.spans(line.decode("utf-8", "replace").rstrip("\r")):
                    yield first + index, span.kind, span.certain

    def digest(self, name: str) -> str:
        """The digest of a file of the run, or of the tree of a folder. Raises ReadError."""
        if name not in self._digests:
            self._digests[name] = self._digest(name)
        return self._digests[name]

    @cached_property
    def _digests(self) -> dict[str, str]:
        """What was hashed already: a run is opened for one judgement, and read once for it."""
        return {}

    def _digest(self, name: str) -> str:
        if name in self.virtual:
            return digest.of_bytes(dumps(self.virtual[name]).encode())
        if name not in self.files:
            inside = (file for file in self.files if file.startswith(f"{name}/"))
            return digest.listing({file.removeprefix(f"{name}/"): self.digest(file) for file in inside})
        with open_bytes(self.place(name), name, follow=False) as file:
            refuse_lfs_pointer(file.read(64), name)
        return digest.file(self.place(name), name, follow=False)

    def concrete(self, location: Location) -> Location:
        """A location with its line, the text that stands there without its secrets, and the digest of the file. One that has a
        digest is whole: evidence is not looked up again."""
        if location.digest is not None:
            return location
        if location.path not in self.virtual and location.path not in self.files:
            return location
        line, quote = location.line, location.quote
        try:
            if line is None and location.pointer is not None and location.path.endswith(".json"):
                line = self._line_of(location.path, location.pointer)
            if line is not None and quote is None:
                quote = self._line(location.path, line)
            return replace(location, line=line, quote=quote, digest=location.digest or self.digest(location.path))
        except ReadError:
            return location

    def _line_of(self, name: str, where: str) -> int | None:
        """The line of a JSON pointer; of what an older version of a contract keeps elsewhere, that of the nearest object around it."""
        text = self._text(name)
        written = yaml.parse(text, name, aliases=True).lines if name.endswith((".yaml", ".yml")) else None

        def find(where: str) -> int | None:
            return json.line_of(text, where) if written is None else written.get(where)

        line = find(where)
        while line is None and where:
            where = where.rpartition("/")[0]
            line = find(where)
        return line

    def _text(self, name: str) -> str:
        if name in self.virtual:
            return dumps(self.virtual[name])
        return read_text(self.place(name), name, follow=False)

    def _line(self, name: str, line: int) -> str | None:
        lines = (
            enumerate(self._text(name).split("\n"), 1)
            if name in self.virtual
            else gz.lines(self.place(name), name, follow=False)
        )
        text = next((mask(content.strip()) for number, content in lines if number == line), None)
        return text if text is None or len(text) <= QUOTE_LIMIT else text[: QUOTE_LIMIT - 1] + "…"


def open_run(root: Path, layout: Layout, contracts: Mapping[str, Contract], metric_keys: MetricKeys) -> Run:
    """Open a run directory. Raises UsageError where it is none that the layout recognises."""
    if not root.is_dir():
        raise UsageError(f"{root}: no such run directory", "give the folder that `toolkit run` printed last")
    if (root / MATRIX).is_file():
        raise UsageError(f"{root}: is a matrix, and no run", f"name one of its runs: {root / RUNS}/…")
    if not (root / layout.recognised_by).is_file():
        raise UsageError(
            f"{root}: is no run directory: it holds no {layout.recognised_by}",
            "give the folder that `toolkit run` printed last",
        )
    return Run(root, layout, contracts, metric_keys)


def outermost(run_directory: Path) -> Path:
    """The folder of the matrix that a run belongs to; its own where it belongs to none."""
    run_directory = run_directory.resolve()
    matrix = run_directory.parent.parent
    in_one = run_directory.parent.name == RUNS and (matrix / MATRIX).is_file()
    return matrix if in_one else run_directory


def workspace(run_directory: Path) -> Path:
    """The folder that holds `run.output_dir`, or the one that a run's matrix lies in; `models/` lies beside that."""
    return outermost(run_directory).parent.parent
