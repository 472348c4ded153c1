"""How the things of a tree are called and shown: runs by their labels, checkpoints by their steps, measures by their plain names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sealkit.finding import Location
from sealkit.trees.evidence import Evidence

SHOWN = 12  # places that one finding shows
LISTED = 8  # runs (or rows of them) that are named
SUBSETS = r"(?:eval|dev|val|valid|validation|test|train)[_-]"
LOWER = re.compile(r"(?:^|[_-])(?:loss|error|err|perplexity|ppl|wer|cer|nll|mse|rmse|mae|distance)(?:$|[_@-])")


def called(run: str, evidence: Evidence) -> str:
    """The label of a run, with its id where another run has the same label."""
    label = evidence.label(run)
    alike = [one for one in evidence.ids("run") if evidence.label(one) == label]
    return label if len(alike) == 1 or label == run else f"{label} ({run})"


def names(runs: Iterable[str], evidence: Evidence) -> str:
    """Runs by their labels, in the order of the matrix: `m02 and m05–m10` where numbers follow each other. Many are counted."""
    order = evidence.ids("run")
    return listed((called(run, evidence) for run in sorted(set(runs), key=order.index)), LISTED)


def listed(labels: Iterable[str], most: int | None = None) -> str:
    """Labels as one says them, each once, rows of numbers by their ends: `m02 and m05–m10`. At most `most`, the rest is counted."""
    rows: list[list[str]] = []
    for label in dict.fromkeys(labels):
        if rows and _follows(rows[-1][-1], label):
            rows[-1].append(label)
        else:
            rows.append([label])
    pieces = [piece for row in rows for piece in ([f"{row[0]}–{row[-1]}"] if len(row) > 2 else row)]
    if most is not None and len(pieces) > most:
        pieces[most - 1 :] = [f"{len(pieces) - most + 1} more"]
    return ", ".join(pieces[:-1]) + (" and " if pieces[1:] else "") + "".join(pieces[-1:])


def _follows(one: str, other: str) -> bool:
    """Whether two labels are the same but for a number at the end, and the numbers follow each other."""
    left, right = (re.fullmatch(r"(.*?)([0-9]{1,18})", label) for label in (one, other))
    return bool(left and right and left[1] == right[1] and int(right[2]) == int(left[2]) + 1)


def few(places: Sequence[Location]) -> tuple[tuple[Location, ...], str]:
    """As many of a finding's places as one reads, each once, and words that count the rest."""
    all_places = list(dict.fromkeys(places))
    rest = len(all_places) - SHOWN
    return tuple(all_places[:SHOWN]), f" (and {rest} more {'places' if rest > 1 else 'place'})" if rest > 0 else ""


def step_of(name: str) -> int | None:
    """The step in the name of a checkpoint's folder: step_50, checkpoint-50."""
    match = re.fullmatch(r"(?i)(?:global[_-]?)?(?:steps?|checkpoint|ckpt|iter)[_-]?([0-9]+)", name)
    return int(match[1]) if match else None


def measure(key: str) -> str:
    """The measure of a metric's key: recall@5 of dev/recall@5, eval_recall@5 and Recall_at_5."""
    last = re.split(r"[/.]", key)[-1] if "@" in key or "/" in key else key
    return re.sub(rf"^{SUBSETS}", "", re.sub(r"_at_([0-9]+)$", r"@\1", last.strip().lower()))


def lower_is_better(name: str) -> bool:
    """Whether a measure is the better the smaller it is, by its name."""
    return LOWER.search(name.lower()) is not None


def switched(value: object) -> bool | None:
    """What a switch is said to be, however it is written; None for what is neither on nor off."""
    words = {"true": True, "on": True, "yes": True, "1": True, "enabled": True}
    words |= {"false": False, "off": False, "no": False, "0": False, "disabled": False, "none": False}
    return words.get(str(value).strip().lower())
