"""`open_index`: the guard before every search. An index is opened only for a query side from its own space."""

from __future__ import annotations

import operator
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sealkit import index_files, manifest, opened, probe
from sealkit.encoders import Encoder
from sealkit.finding import Finding, Location, Refused, Severity, UsageError
from sealkit.fingerprint import State
from sealkit.probe import Encode, Replay
from sealkit.read.faiss import METRICS

_UNIT = 2e-3  # how far the squared length of a query may be from 1 where queries are said to be normalised
DESCRIBE = "describe it: sealkit.encoders.of_sentence_transformer(model), of_transformer, of_function, of_tokens"
REBUILD = "query it with the model and settings that it was built with, or build it again with those of the query side"


class NotWitnessed(UserWarning):
    """An index was opened of which not everything is known."""


class OtherBuild(UserWarning):
    """An index was built by other versions, or on another device, than those of the query side."""


class Waived(UserWarning):
    """An index was opened for a query side that does not fit it, in fields that somebody signed for."""


class Hits(NamedTuple):
    """What a search found, each of shape (queries, k): scores, the ids of the rows, and the rows."""

    scores: NDArray[np.float32]
    ids: NDArray[Any]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class OpenIndex:
    """An index that fits its query side.

    `vectors` is the faiss index, `ids[i]` the id of row i (None where the index returns ids of its own), `manifest` its manifest
    at the newest version, `space` the query side with what its manifest sets for the search, `shape` rows and dimension,
    `settings` what decides how much is searched (value when it was opened, and how to read it now), `replay` how the probe came
    out (None where there is none), `unknown` the binding fields that nobody witnessed, `waived` those that do not fit and were
    waived: name → reason.
    """

    vectors: Any
    ids: NDArray[Any] | None = field(repr=False)
    manifest: Mapping[str, Any] = field(repr=False)
    space: Mapping[str, Any] = field(repr=False)
    shape: tuple[int, int]
    settings: Mapping[str, tuple[int, Callable[[], int]]] = field(repr=False)
    replay: Replay | None = None
    unknown: tuple[str, ...] = ()
    waived: Mapping[str, str] = field(default_factory=dict)

    def search(self, queries: Any, k: int, *, partial: bool = False) -> Hits:
        """The nearest k of each query, from vectors of shape (queries, dimension).

        An approximate index may find fewer than k: that is refused, or with `partial` told by the row -1 and the id None.
        Raises Refused, also where the index is set otherwise than when it was opened, and UsageError for what is no query.
        """
        try:
            queries = np.ascontiguousarray(queries, dtype=np.float32)
        except ValueError as error:
            raise UsageError(f"queries are no vectors: {error}", "encode them first: encoder.queries([...])") from None
        try:
            k = operator.index(k)  # faiss takes no number of numpy
        except TypeError:
            raise UsageError(f"k is {k!r}", "ask for a whole number of neighbours") from None
        self._hold(queries, k)
        scores, rows = self.vectors.search(queries, k)
        if min(rows[:, -1].tolist(), default=0) >= 0:  # places that were not filled come last
            return Hits(scores, rows if self.ids is None else self.ids[rows], rows)
        unfilled = rows < 0
        if not partial:
            message = f"{int(unfilled.any(axis=1).sum())} of {len(rows)} queries find fewer than {k} rows: the index is not exact"
            fix = "search more of it (nprobe, efSearch), ask for fewer, or take what there is with partial=True"
            raise Refused([Finding(message, Location(self.manifest["file"]), Severity.ERROR, fix=fix)])
        ids = np.full(rows.shape, None, dtype=object)
        ids[~unfilled] = rows[~unfilled] if self.ids is None else self.ids[rows[~unfilled]]
        return Hits(scores, ids, rows)

    def _hold(self, queries: NDArray[np.float32], k: int) -> None:
        count, dimension = self.shape
        if queries.ndim != 2 or queries.shape[1] != dimension:
            message = f"queries have the shape {queries.shape}; expected (queries, {dimension})"
            raise UsageError(message, "give one vector a row, from the encoder of the index")
        if not 1 <= k <= count:
            raise UsageError(f"k is {k}; the index holds {count} vectors", f"ask for 1 to {count}")
        # Plain comparisons: after a scan of the index each further call of numpy is a cold one. No number is never within bounds.
        low, high = (
            (1 - _UNIT, 1 + _UNIT) if self.space.get("vectors", {}).get("normalise") else (0.0, sys.float_info.max)
        )
        squares = np.vecdot(queries, queries)
        if not all(low <= square <= high for square in squares.tolist()):
            raise _no_query(squares, self.manifest["file"])
        for name, (before, now) in self.settings.items():
            if now() != before:
                message = f"search.{name}: the index was opened with {before}, it is set to {now()} now"
                fix = "set it back, or build and describe the index with the new value"
                raise Refused([Finding(message, Location(self.manifest["file"]), Severity.ERROR, fix=fix)])


def _no_query(squares: NDArray[np.float32], file: str) -> Refused | UsageError:
    """Why vectors of these squared lengths are not searched with."""
    if not np.isfinite(squares).all():
        return UsageError("a query holds a value that is no finite number", "look at what the encoder was given")
    length = float(np.sqrt(squares[np.abs(squares - 1).argmax()]))
    message = f"vectors.normalise: the query side says that vectors have length 1, one has {length:.4g}"
    return Refused([Finding(message, Location(file), Severity.ERROR, fix="normalise the queries")])


def open_index(
    path: str | Path,
    query_side: Mapping[str, Any] | Encoder,
    encode: Encode | None = None,
    *,
    waived: Mapping[str, str] | None = None,
) -> OpenIndex:
    """Open an index (its folder, or its file) for a query side: an Encoder, or its space.

    `waived` names fields (`mask.seed`) and groups (`mask`) of the fingerprint that somebody signed for, each with the reason: what
    does not fit there is told by a Waived warning, and no reason to refuse. The probe is replayed as ever.

    The probe is replayed with `encode` (inputs → vectors; an Encoder brings its own); without it the index half alone, and
    `replay.encoded` says so. Of an index that was adopted, or is older than the fingerprint, a NotWitnessed warning tells the
    unknown fields. Raises Refused with each field that differs or is unknown, or where files and manifest do not belong
    together; ReadError where one of them cannot be read; UsageError for a waiver of what no fingerprint has, or without a reason.
    """
    waived = manifest.signed(waived or {})
    if isinstance(query_side, Encoder):
        side, encode = query_side.space, encode or query_side.queries
    elif isinstance(query_side, Mapping):
        side = query_side
    else:
        message = f"the query side is a {type(query_side).__name__}; expected an Encoder or its space"
        raise UsageError(message, DESCRIBE)
    path = Path(path)
    stated = manifest.read(path)
    told, at = manifest.upgraded(stated), manifest.place(path)
    space = manifest.completed(side, told)
    unknown, excused = _fit(stated, space, at, waived)
    file = at.parent / Path(told["file"]).name
    metric = _metric(told["fingerprint"]) or _metric(space)
    before = _stamp(file)
    ids = index_files.hold(stated, at)
    vectors = opened.load(file, metric)
    if _stamp(file) != before:
        raise Refused(
            [Finding("changed while it was opened", Location(str(file)), Severity.ERROR, fix="open it again")]
        )
    settings = {name: (get(), get) for name, get in opened.settings(vectors).items()}
    replayed = _replay(told, vectors, ids, encode, at)
    if missing := _left_out(stated):
        warnings.warn(f"{at}: {'; '.join(missing)}", NotWitnessed, stacklevel=2)
    return OpenIndex(vectors, ids, told, space, (vectors.ntotal, vectors.d), settings, replayed, unknown, excused)


def _metric(fingerprint: Mapping[str, Any]) -> str | None:
    found: str | None = fingerprint.get("vectors", {}).get("metric")
    return found


def _fit(
    stated: Mapping[str, Any], space: Mapping[str, Any], at: Path, waived: Mapping[str, str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The binding fields that nobody witnessed, and those that do not fit and are waived, with the reason.

    Raises Refused with every other field that does not fit.
    """
    compared = manifest.compare(stated, space)
    misfits = [one for one in compared if one.misfit and not one.unwitnessed]
    # A field that is waived by itself has the reason that was given for it, and not its group's.
    signed = {one.field.name: waived.get(one.field.name) or waived.get(one.field.path[0]) for one in misfits}
    reasons = {name: reason for name, reason in signed.items() if reason}
    found = [
        Finding(manifest.explain(one), manifest.spot(at, "fingerprint", *one.field.path), Severity.ERROR, fix=REBUILD)
        for one in misfits
        if one.field.name not in reasons
    ]
    if found:
        raise Refused(found)
    if reasons:
        told = [f"{manifest.explain(one)} (waived: {reasons[one.field.name]})" for one in misfits]
        warnings.warn(f"{at}: {'; '.join(told)}", Waived, stacklevel=3)
    if differing := [one for one in compared if one.field.binding == "warn" and one.state is State.DIFFERS]:
        warnings.warn(f"{at}: {'; '.join(map(manifest.explain, differing))}", OtherBuild, stacklevel=3)
    excused = [one for one in compared if one.unwitnessed]
    if excused or stated.get("witness") == "adopted":
        warnings.warn(f"{at}: {manifest.explain_unwitnessed(stated, excused)}", NotWitnessed, stacklevel=3)
    return tuple(one.field.name for one in excused), reasons


def _left_out(stated: Mapping[str, Any]) -> list[str]:
    """What keeps the vectors and files of a witnessed index from being held against its manifest, in words."""
    said, missing = stated["fingerprint"], list[str]()
    # Of an adopted index the unknown fields are told; the first version knew no witness, and neither of these.
    if stated.get("witness", "adopted") == "adopted":
        return missing
    if not said.get("probe", {}).get("inputs") and said.get("structure", {}).get("count") != 0:
        missing.append("no probe was taken: that the vectors are of this encoder is taken on trust")
    if "files" not in stated:
        missing.append("the files of the index are not listed")
    return missing


def _replay(
    told: Mapping[str, Any], vectors: Any, ids: NDArray[Any] | None, encode: Encode | None, at: Path
) -> Replay | None:
    """How the probe came out; None where there is none. Raises Refused where it came out otherwise than it was stored."""
    group = told["fingerprint"].get("probe")
    if not group:
        return None
    replayed = probe.replay(group, opened.searched(vectors, ids), METRICS.get(vectors.metric_type, "other"), encode)
    if replayed.wrong:
        fix = (
            "encode queries as the index's encoder did (model, prompt, settings), or build and describe the index again"
        )
        raise Refused(
            [Finding(one, manifest.spot(at, "fingerprint", "probe"), Severity.ERROR, fix=fix) for one in replayed.wrong]
        )
    return replayed


def _stamp(file: Path) -> tuple[int, ...] | None:
    """What changes when a file is written to or exchanged, even for a while; None where there is none."""
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
