"""Retrieval measures of a ranking by ir-measures, per query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

Measure = Annotated[str, Field(pattern=r"^(nDCG|R|P|RR|AP|Success)@[1-9][0-9]*$")]


def _each_once(names: list[str]) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} stands there twice")
    return names


Measures = Annotated[list[Measure], Field(min_length=1), AfterValidator(_each_once)]


def per_query(
    measures: Sequence[str], rankings: Iterable[tuple[str, str, int]], qrels: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, float]]:
    """measure → query_id → value for every judged query, from (query_id, doc_id, rank).

    The providers are handed ranks and not scores: the tie rule is applied already, and theirs differ.
    """
    import ir_measures

    parsed = {ir_measures.parse_measure(name): name for name in measures}
    # Below 0 counts as 0 in every measure here, and pytrec_eval writes past its memory on a negative grade.
    judged = [ir_measures.Qrel(q, doc, max(grade, 0)) for q, grades in qrels.items() for doc, grade in grades.items()]
    run = (ir_measures.ScoredDoc(query, doc, float(-rank)) for query, doc, rank in rankings)
    found: dict[str, dict[str, float]] = {name: {} for name in measures}
    for metric in ir_measures.iter_calc(list(parsed), judged, run):
        found[parsed[metric.measure]][metric.query_id] = float(metric.value)
    return found
