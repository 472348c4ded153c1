"""Lineage by content, in both directions: what a model, a run or a file came from, and what was made of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sealkit.workspace.descent import ancestors, children, descendants, places
from sealkit.workspace.handing import taken_by, taken_elsewhere, takers, told_by, told_of, writers
from sealkit.workspace.kin import Kin, Step, flat, inner_first, role, standing
from sealkit.workspace.ledger import NAME_ONLY, Ledger, Made
from sealkit.workspace.question import Asked
from sealkit.workspace.whereabouts import CHANGED

SHOWN = 5  # of names or runs in a remark


@dataclass(frozen=True)
class Line:
    """What a reader looks for: pre-FT, post-FT, HN-FT, export. An absent one says where it was looked for."""

    role: str
    models: tuple[Step, ...]
    searched: tuple[str, ...]


@dataclass(frozen=True)
class Lineage:
    """`before` is what it came from, `itself` where it lies and what it is called, `after` what was made of it and who used it."""

    asked: Asked
    before: tuple[Step, ...]
    itself: tuple[Step, ...]
    after: tuple[Step, ...]
    lines: tuple[Line, ...]
    remarks: tuple[str, ...]


def lineage(asked: Asked, ledger: Ledger) -> Lineage:
    """The lineage of what was asked about."""
    kin = Kin(ledger)
    weights = [one for one in asked.digests if one in kin.weights or asked.kind == "model"]
    files = [one for one in asked.digests if one not in weights]
    before, itself, after = _of_runs(kin, asked.runs) if asked.runs else ((), (), ())
    after = (*after, *(step for path in asked.records for step in told_of(kin, path)))
    if not asked.runs or asked.kind == "folder":
        told = [_of_model(kin, one) for one in weights] + [_of_file(kin, one) for one in files]
        before, itself, after = (
            (*have, *(step for parts in told for step in parts[side]))
            for side, have in enumerate((before, itself, after))
        )
    steps = (*before, *itself, *after)
    family = {step.digest for step in steps if step.digest} | set(weights)
    return Lineage(
        asked, before, itself, after, tuple(_lines(kin, family)), (*asked.remarks, *_remarks(kin, family, steps))
    )


Parts = tuple[tuple[Step, ...], tuple[Step, ...], tuple[Step, ...]]


def _of_model(kin: Kin, weights: str) -> Parts:
    kin.told = {("up", weights)}
    before = tuple(flat(ancestors(kin, weights, 0)))
    kin.told = {("down", weights)}
    return before, tuple(places(kin, weights, 0)), tuple(flat(descendants(kin, weights, 0)))


def _of_runs(kin: Kin, paths: Sequence[str]) -> Parts:
    before: list[Step] = []
    itself: list[Step] = []
    after: list[Step] = []
    for path in paths:
        run = kin.ledger.runs[path]
        made = {model.weights for model in kin.in_run[path]}
        itself.append(kin.run(0, "training" if run.is_training else "run", run, "; ".join(standing(run)), run.at))
        before += flat(taken_by(kin, run, made))
        kin.told = set()
        after += flat(children(kin, kin.in_run[path], 0))
        after += taken_elsewhere(kin, run)
        after += told_by(kin, run)
    return tuple(before), tuple(itself), tuple(after)


def _of_file(kin: Kin, digest: str) -> Parts:
    """Which stages wrote a content, of what, and which took it."""
    kin.told = {("up", digest)}
    before = tuple(flat(writers(kin, digest, 0)))
    kin.told = {("down", digest)}
    return before, (), tuple(flat(takers(kin, digest, 0)))


def _lines(kin: Kin, family: set[str]) -> Iterator[Line]:
    """What was found of pre-FT, post-FT, HN-FT and exports among the models of a family, or where it was looked for."""
    family = {digest for digest in family if digest in kin.weights}
    trained = [made for made in kin.ledger.made if made.trained_by and made.weights in family]
    bases = {made.base[1]: made for made in trained if made.base and made.base[1] not in kin.moved}
    chosen: dict[str | None, Made] = {}  # of each training what left it, else its best, else its last
    for made in sorted(trained, key=lambda made: (made.exported is None, inner_first(made))):
        chosen.setdefault(made.trained_by, made)
    plain = {made.weights: made for made in chosen.values() if made.hard_negatives is False}
    hard = {made.weights: made for made in chosen.values() if made.hard_negatives}
    exports = {made.exported: made for made in trained if made.exported}
    named = {digest: kin.named[digest][0] for digest in sorted(family) if kin.is_base(digest)}
    pre = [
        kin.model(0, "pre-FT", *(made.base or ("", "")), made.place("/base/weights", digest), made.run)
        for digest, made in bases.items()
    ] or [kin.model(0, "pre-FT", one.name, digest, one.at, one.run) for digest, one in named.items()]
    yield _line(kin, "pre-FT", pre)
    for name, some in (("post-FT", plain), ("HN-FT", hard), ("export", exports)):
        yield _line(kin, name, [_as_line(kin, name, made) for made in some.values()])


def _line(kin: Kin, name: str, models: Sequence[Step]) -> Line:
    return Line(name, tuple(models), () if models else _searched(kin, name))


def _as_line(kin: Kin, line: str, made: Made) -> Step:
    name = made.exported or made.folder
    pointer, text = ("/exported_to", made.exported_to or "") if line == "export" else ("/weights", made.weights)
    at = made.place(pointer, text)
    if made.run is not None and not made.exported:
        return kin.step(0, line, "model", name, digest=made.weights, note=role(made), at=at)
    return kin.model(0, line, name, made.weights, at, note=role(made))


def _searched(kin: Kin, line: str) -> tuple[str, ...]:
    manifests = sum(made.has_manifest for made in kin.ledger.made)
    runs = sum(run.source == "native" for run in kin.ledger.runs.values())
    told = [f"{manifests} model manifests (**/model_manifest.json)"] if manifests else []
    told += [f"{runs} runs (**/run_metadata.json)"] if runs and line == "pre-FT" else []
    return (*told, *kin.ledger.looked.get(line, ())) or ("**/model_manifest.json",)


def _remarks(kin: Kin, family: set[str], steps: Sequence[Step]) -> Iterator[str]:
    """Weights of several names, names of several weights, and names that no longer lead to the weights that runs loaded."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    contents: defaultdict[str, list[str]] = defaultdict(list)
    claims: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for named in kin.ledger.named():
        if named.weights:
            names[named.weights].append(named.name)
            contents[named.name].append(named.weights)
            claims[named.name, named.weights].append(named.run)
    for made in kin.ledger.made:
        if made.exported and made.run is not None:
            names[made.weights].append(made.exported)
            contents[made.exported].append(made.weights)
    for digest in sorted(one for one in family if not one.startswith(NAME_ONLY)):
        if len(several := list(dict.fromkeys(names[digest]))) > 1:
            yield f"the same weights {digest} under {len(several)} names: {_some(several)}"
    for name, digests in sorted(contents.items()):
        if len(several := list(dict.fromkeys(digests))) > 1 and family & set(several):
            yield f"{len(several)} weights under the name {name}: {_some(several)}"
    for digest in sorted(one for one in family if kin.is_unknown(one)):
        yield f"no record says where {kin.named[digest][0].name} came from, {digest}"
    still = [made.folder for made in kin.ledger.made if made.weights in family and made.trained_by and not made.moved]
    if still:
        yield f"{len(still)} {'checkpoint has' if len(still) == 1 else 'checkpoints have'} the weights of the base: {_some(still)}"
    changed = {(step.name, step.digest): step.now for step in steps if step.state == CHANGED and step.digest}
    for (name, digest), now in sorted(changed.items(), key=str):
        runs = claims[name, digest or ""]
        who = f"; so say {_some(runs)}" if runs else ""
        yield f"{name} has other weights now, {now}, than were recorded, {digest}{who}"


def _some(words: Sequence[str]) -> str:
    """The first of many."""
    return ", ".join(words) if len(words) <= SHOWN else f"{', '.join(words[:SHOWN])} and {len(words) - SHOWN} more"
