"""What an evaluation hides was hidden from the search too that it has its rankings from."""

from collections.abc import Iterator

from sealkit import Artifact, Blocked, Check, Finding, View, mask_at, mask_content, mask_group


def find(run: View) -> Iterator[Finding]:
    unknown: list[str] = []
    promised = {
        (one["stage"], one["contract"].partition("/")[0]) for one in run.one("resolved_config").document["artifacts"]
    }
    drawn = [one.path for one in run.all("mask")]
    for name, stage in run.wired("rankings", "mask"):
        searcher = str(stage["in"]["rankings"]).partition(".")[0]
        mask, searches = run.produced(str(stage["in"]["mask"])), list(searched(run, searcher))
        masks = [*run.taken(name, "mask").values(), *run.taken(searcher, "mask").values()]
        if set(masks) - set(drawn) or (not searches and (searcher, "search_manifest") in promised):
            continue  # still to come; where it never does, no check that reads it is run
        if mask is None:
            unknown.append(f"what {name} hides")
        elif not searches or not all(map(mask_group, searches)):
            unknown.append(f"with which mask {searcher} searched")
        elif mask.document["kind"] != "none" and (seen := [one for one in searches if not hides(one, mask)]):
            yield told(run, (name, searcher), mask, seen)
    if unknown:
        raise Blocked(f"nobody can tell {'; '.join(unknown)}", "keep both masks, or the manifests of the search")


def searched(run: View, searcher: str) -> Iterator[Artifact]:
    """What tells with which mask a stage searched: the one that it was given, and the manifests of its searches."""
    given = dict(run.wired("mask")).get(searcher, {}).get("in", {}).get("mask")
    if mask := run.produced(str(given)):
        yield mask
    yield from (one for one in run.all("search_manifest") if run.maker(one) == searcher)


def hides(search: Artifact, mask: Artifact) -> bool:
    """Whether a search hid what a mask does. Of masks that are redrawn each epoch counts that both were drawn for; a manifest does
    not say for which one it searched."""
    hidden = contents(mask)
    if search.kind == "search_manifest":
        return mask_group(search).get("content") in {*hidden.values(), mask.document["content"]}
    own = contents(search)
    if None in hidden or None in own:
        return set(hidden.values()) == set(own.values())
    both = hidden.keys() & own.keys()
    return bool(both) and all(hidden[epoch] == own[epoch] for epoch in both)


def contents(mask: Artifact) -> dict[int | None, str]:
    """Epoch → the content of what was drawn for it; None for a mask that is drawn once."""
    epochs = dict.fromkeys(row["epoch"] for row in mask.document["windows"])
    return {epoch: mask_content(row for row in mask.document["windows"] if row["epoch"] == epoch) for epoch in epochs}


def told(run: View, stages: tuple[str, str], mask: Artifact, seen: list[Artifact]) -> Finding:
    name, searcher = stages
    own, other = shown(mask), shown(seen[0])
    other = "the same rule, in other positions" if own == other else other
    message = f"{name} is to impute what {searcher} could see: it hides positions by {own}, {searcher} by {other}"
    wired = dict(run.wired("mask"))
    wires = dict.fromkeys(run.origin("stages", one, "in", "mask") for one in stages if one in wired)
    made = wired[name]["in"]["mask"]
    return Finding(
        message,
        run.one("resolved_config").at("config", "stages", name, "in", "mask"),
        also=(*wires, mask_at(mask), *(mask_at(one) for one in seen[:1])),
        fix=f"search with the mask of the evaluation, stages.{searcher}.in: {{mask: {made}}}, and evaluate that",
    )


def shown(one: Artifact) -> str:
    """The mask of a search or an evaluation in words."""
    said = mask_group(one)
    if said.get("kind") == "none":
        return "no mask"
    details = ", ".join(f"{key} {said[key]}" for key in ("rate", "seed") if said.get(key) is not None)
    return f"a {said.get('kind')} mask" + (f" ({details})" if details else "")


CHECK = Check(
    since="0.2.0",
    title="Nothing that is imputed was searched with",
    why="A test error of hidden values was taken with a mask of ones before the encoder, so that the model saw what it was to impute "
    "(adrianjav/heterogeneous_vaes#1); an error that chose when to stop was that of the test's hidden values (FMLYD/psw-i#2).",
    fix="search with the mask of the evaluation, and evaluate again",
    reads={"resolved_config": 1, "mask~": 1, "search_manifest?~": 2},
    find=find,
)
