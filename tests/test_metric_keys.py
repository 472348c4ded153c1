"""The registry of metric keys: what it holds, what belongs to it, and what it proposes."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit import metric_keys
from sealkit.metric_keys import Family
from sealkit.read import yaml

KEYS = metric_keys.parse(yaml.read(Path(__file__).parent.parent / "spec" / "metrics" / "keys.yaml").data)
FAMILIES = {family.key: family for family in KEYS.families}
DERIVABLE = [family for family in KEYS.families if family.derivable]
HOLES = {"subset": "test", "k": "10", "bin": "0.01-0.05", "name": "loss"}
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def filled(family: Family, **holes: str) -> str:
    values = {**HOLES, **holes}
    return re.sub(r"\{(\w+)\}", lambda hole: values[hole[1]], family.key)


# What it holds


def test_the_registry_holds_the_metrics_of_retrieval() -> None:
    for measure in ("nDCG", "R", "P", "RR", "AP", "Success"):
        assert f"retrieval/{{subset}}/{measure}@{{k}}" in FAMILIES


def test_the_registry_holds_the_metrics_of_genotypes() -> None:
    for measure in ("F1", "F1_rare", "concordance", "concordance/{bin}", "dosage_r2", "dosage_r2/{bin}", "recall@{k}"):
        assert f"genotype/{{subset}}/{measure}" in FAMILIES


def test_no_key_stands_there_twice() -> None:
    assert len(FAMILIES) == len(KEYS.families)


@every_family
def test_a_family_says_what_it_is(family: Family) -> None:
    assert family.unit.strip()
    assert family.direction in ("higher", "lower", "none")
    assert family.definition and all(isinstance(value, str) and value.strip() for value in family.definition.values())


@every_family
def test_the_range_of_a_family_is_one(family: Family) -> None:
    low = -math.inf if family.low is None else family.low
    high = math.inf if family.high is None else family.high
    assert low < high


@every_family
def test_a_metric_that_can_be_derived_says_how(family: Family) -> None:
    if family.derivable:
        said = {
            "retrieval": {"gain", "ties", "relevant", "no_results", "mean_over"},
            "genotype": {"counts", "unit_of_count", "undefined"},
        }
        assert said[family.key.partition("/")[0]] <= set(family.definition)
        assert (family.low, family.high, family.direction, family.unit) == (0, 1, "higher", "ratio")
        assert family.definition.get("cut_off") == ("k" if "{k}" in family.key else None)


@every_family
def test_only_known_holes_are_used(family: Family) -> None:
    assert set(re.findall(r"\{(\w+)\}", family.key)) <= {"subset", "k", "bin", "name"}


# What belongs to it


@every_family
def test_a_key_of_a_family_is_found_and_its_parts_are_told(family: Family) -> None:
    key = filled(family)
    assert KEYS.find(key) is family
    match = family.match(key)
    assert match and set(match.groupdict()) == set(re.findall(r"\{(\w+)\}", family.key))
    assert match.groupdict() == {name: HOLES[name] for name in match.groupdict()}


def test_no_key_belongs_to_two_families() -> None:
    for one, other in itertools.permutations(KEYS.families, 2):
        assert not one.match(filled(other))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("retrieval/test/nDCG@10", "retrieval/{subset}/nDCG@{k}"),
        ("retrieval/dev-2.b_c/R@1000", "retrieval/{subset}/R@{k}"),
        ("retrieval/0/RR@1", "retrieval/{subset}/RR@{k}"),
        ("genotype/test.major_allele/F1", "genotype/{subset}/F1"),
        ("genotype/test/F1_rare", "genotype/{subset}/F1_rare"),
        ("genotype/test.nearest/concordance/0-0.01", "genotype/{subset}/concordance/{bin}"),
        ("genotype/test/dosage_r2/0.2-0.5", "genotype/{subset}/dosage_r2/{bin}"),
        ("genotype/validation/recall@8", "genotype/{subset}/recall@{k}"),
        ("train/loss", "train/{name}"),
        ("train/dev/loss@5.x-y_z", "train/{name}"),
        ("time/index", "time/{name}"),
    ],
)
def test_these_keys_belong_to_the_registry(key: str, expected: str) -> None:
    found = KEYS.find(key)
    assert found and found.key == expected


@pytest.mark.parametrize(
    "key",
    ["", "nDCG@10", "retrieval/nDCG@10", "retrieval/test/nDCG", "retrieval/test/ndcg@10", "retrieval/test/nDCG@0", "retrieval/test/nDCG@010", "retrieval/test/nDCG@-1", "retrieval/test/nDCG@1.5",
     "retrieval/test/nDCG@10 ", " retrieval/test/nDCG@10", "retrieval/test/nDCG@10\n", "retrieval/a/b/nDCG@10", "retrieval//nDCG@10", "retrieval/a b/nDCG@10", "retrieval/-a/nDCG@10",
     "retrieval/test/MRR@10", "retrieval/test/nDCG@٣", "train/", "train", "train/ loss", "time/-x", "Train/loss", "retrieval/test/XnDCG@10",
     "genotype/F1", "genotype/test/f1", "genotype/test/F1/0-0.01", "genotype/test/concordance/", "genotype/test/concordance/0.01", "genotype/test/concordance/0.01-", "genotype/test/dosage_r2/.01-.05", "genotype/test/dosage_r2/0.2-1", "genotype/test/recall"],
)  # fmt: skip
def test_these_keys_do_not(key: str) -> None:
    assert KEYS.find(key) is None


def test_what_a_key_holds_is_taken_as_text_and_not_as_a_pattern() -> None:
    family = Family("a.b/{k}", "ratio", 0, 1, "higher", False, {})
    assert family.match("a.b/3") and not family.match("aXb/3")


# What it proposes


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("retrieval/test/ndcg@10", "retrieval/test/nDCG@10"),
        ("retrieval/test/NDCG@5", "retrieval/test/nDCG@5"),
        ("retrieval/dev/ndcg@100", "retrieval/dev/nDCG@100"),
        ("retrieval/test/nDCG", "retrieval/test/nDCG@10"),
        ("retrieval/test/ndcg_at_10", "retrieval/test/nDCG@10"),
        ("retrieval/test/Recall@100", "retrieval/test/R@100"),
        ("retrieval/test/MRR@10", "retrieval/test/RR@10"),
        ("retrieval/test/MAP@1000", "retrieval/test/AP@1000"),
        ("retrieval/test/Sucess@1", "retrieval/test/Success@1"),
        ("test_nDCG@10", "retrieval/test/nDCG@10"),
        ("genotype/test/f1", "genotype/test/F1"),
        ("genotype/test/dosage_R2/0.2-0.5", "genotype/test/dosage_r2/0.2-0.5"),
        ("genotype/test/concordence", "genotype/test/concordance"),
        ("bleu", None),
        ("", None),
    ],
)
def test_a_key_that_is_close_is_proposed(key: str, expected: str | None) -> None:
    assert KEYS.suggest(key) == expected


@pytest.mark.parametrize(
    "key",
    [
        "train/",
        "time/",
        "time/nam",
        "time/{name}",
        "retrieval/test/ndcg@0",
        "retrieval/test/ndcg@010",
        "retrieval//nDCG@10",
        "retrieval/a b/nDCG@10",
    ],
)
def test_what_is_proposed_can_be_used(key: str) -> None:
    found = KEYS.suggest(key)
    assert found is None or KEYS.find(found)


@given(
    st.lists(
        st.sampled_from(
            [
                "retrieval",
                "/",
                "test",
                "nDCG",
                "ndcg",
                "@",
                "10",
                "0",
                "R",
                "recall",
                "_",
                " ",
                "time",
                "train",
                "{name}",
                "{k}",
                "mrr",
            ]
        ),
        max_size=8,
    ).map("".join)
)
def test_whatever_is_proposed_can_be_used(key: str) -> None:
    found = KEYS.suggest(key)
    assert found is None or KEYS.find(found)


@given(st.sampled_from(DERIVABLE), st.integers(1, 9999), st.sampled_from(["test", "dev", "train"]), st.booleans())
def test_other_letters_of_a_known_key_lead_to_it(family: Family, k: int, subset: str, upper: bool) -> None:
    key = filled(family, k=str(k), subset=subset)
    head, _, measure = key.rpartition("/")
    assert KEYS.suggest(f"{head}/{measure.upper() if upper else measure.lower()}") == key
