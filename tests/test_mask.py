"""Masks: what a rule draws, how bits are digested, the text of a schedule, and what a check tells of two of them."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sealkit import digest, mask, pipeline, schedule
from sealkit.audit import judge
from sealkit.engine import Event
from sealkit.finding import Status, UsageError
from sealkit.mask import GENERATOR, Bits, Rule
from sealkit.pack import BUILT_IN, Pack
from sealkit.rundir import open_run

FIXED = Rule("fixed", GENERATOR, 0.25, 42)
DYNAMIC = Rule("dynamic", GENERATOR, 0.5, 42, "seed + epoch*10000 + window", 16, -1)
BASE = Path(__file__).parent / "checks" / "_base" / "masked"

one_window = arrays.arrays(np.bool_, st.integers(0, 70))
rows_of_a_window = arrays.arrays(np.bool_, st.tuples(st.integers(0, 5), st.integers(0, 20)))
windows = st.lists(one_window | rows_of_a_window, max_size=4)


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


# Frozen for ever: who changes one of these changes what every recorded mask means


def test_what_is_drawn_is_frozen() -> None:
    assert np.flatnonzero(FIXED.draw(0, 16)).tolist() == [4, 8, 10, 15]
    assert np.flatnonzero(DYNAMIC.draw(3, 16, epoch=2)).tolist() == [0, 1, 3, 5, 7, 8, 10, 12]


def test_rules_are_frozen() -> None:
    assert FIXED.digest == "sha256:bcad003c779827599d22564d3c5ab61ff728bfe5e5b2386abdeddd762ebd44a5"
    assert DYNAMIC.digest == "sha256:c03a2ba90f151cfdb6c9178cc17c93969f6a0c9bd6e933807b0b907b27555fe0"


def test_contents_are_frozen() -> None:
    assert (
        mask.document(FIXED, [16, 9])["content"]
        == "sha256:bfc0cadb3d84af5fb5f364e01af0dab4e4f0ac21837ca9a5e292bb521c69727e"
    )
    assert (
        mask.document(DYNAMIC, [16, 9], epochs=range(2))["content"]
        == "sha256:4db7a4b8e4a39c28c357b49d46037394b6e8675a3a31b356cc35cb12a70bf0e4"
    )
    one, own = np.array([1, 0, 0, 1, 0, 0, 0, 0, 1], dtype=bool), np.array([[1, 0, 1], [0, 1, 1]], dtype=bool)
    assert (
        mask.of_bits(one, own)["content"] == "sha256:a231f06d9e977754797cf1447d260488580468059ce4c85f8f5bfb9bcda6dd66"
    )
    assert mask.of_bits()["content"] == sha256(b"")


def test_no_mask_is_a_group_of_nulls() -> None:
    names = ["generator", "rate", "seed", "schedule", "window_length", "pad_value", "rule", "content"]
    assert mask.none() == {"kind": "none", **dict.fromkeys(names)}


# Another implementation, from the words of the schema alone


def packed(bits: Bits) -> bytes:
    text = "".join("1" if bit else "0" for bit in bits.reshape(-1).tolist())
    octets = [text[i : i + 8].ljust(8, "0") for i in range(0, len(text), 8)]
    header = "mask/v1 " + " ".join(str(n) for n in bits.shape) + "\n"
    return header.encode("ascii") + bytes(int(octet, 2) for octet in octets)


@given(windows)
def test_digests_can_be_taken_by_the_schema_alone(given_bits: list[Bits]) -> None:
    document = mask.of_bits(*given_bits)
    digests = [sha256(packed(bits)) for bits in given_bits]
    assert [row["digest"] for row in document["windows"]] == digests
    assert document["content"] == sha256("".join(f"{one}\n" for one in digests).encode())
    names = ("kind", "generator", "rate", "seed", "schedule", "window_length", "pad_value")
    rule = json.dumps({name: document[name] for name in names}, sort_keys=True, separators=(",", ":"))
    assert document["rule"] == sha256(rule.encode())


@given(st.integers(0, 2**63 - 1), st.floats(0, 1), st.integers(0, 50))
def test_positions_can_be_drawn_by_the_schema_alone(seed: int, rate: float, length: int) -> None:
    words = np.random.Generator(np.random.PCG64(seed)).integers(0, 2**64, length, dtype=np.uint64).tolist()
    smallest = sorted(range(length), key=lambda i: (words[i], i))[: int(rate * length + 0.5)]
    drawn = Rule("fixed", GENERATOR, rate, seed).draw(0, length)
    assert np.flatnonzero(drawn).tolist() == sorted(smallest)
    assert drawn.dtype == np.bool_
    assert drawn.shape == (length,)


@given(one_window | rows_of_a_window)
def test_bits_come_back_out_of_their_packing(bits: Bits) -> None:
    header, _, rest = mask.packed(bits).partition(b"\n")
    shape = [int(n) for n in header.split(b" ")[1:]]
    again = np.unpackbits(np.frombuffer(rest, np.uint8), count=int(np.prod(shape))).astype(bool).reshape(shape)
    assert np.array_equal(again, bits)


# What changes which digest


@given(one_window.filter(len), st.data())
def test_one_flipped_bit_changes_the_content(bits: Bits, data: st.DataObject) -> None:
    other = bits.copy()
    other[data.draw(st.integers(0, len(bits) - 1))] ^= True
    assert mask.of_bits(other)["content"] != mask.of_bits(bits)["content"]


@given(one_window, st.data())
def test_another_hidden_position_changes_the_content_and_not_the_rule(bits: Bits, data: st.DataObject) -> None:
    assume(bits.any() and not bits.all())
    other = bits.copy()
    other[data.draw(st.sampled_from(np.flatnonzero(bits).tolist()))] = False
    other[data.draw(st.sampled_from(np.flatnonzero(~bits).tolist()))] = True
    left, right = mask.of_bits(bits), mask.of_bits(other)
    assert left["content"] != right["content"]
    assert left["rule"] == right["rule"]


@given(windows)
def test_the_same_bits_have_the_same_document(given_bits: list[Bits]) -> None:
    assert mask.of_bits(*given_bits) == mask.of_bits(*(bits.copy(order="F") for bits in given_bits))
    assert list(mask.faults(mask.of_bits(*given_bits))) == []


@given(one_window, one_window)
def test_the_order_of_windows_counts(first: Bits, second: Bits) -> None:
    same = np.array_equal(first, second)
    assert (mask.of_bits(first, second)["content"] == mask.of_bits(second, first)["content"]) is same


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "dynamic", "schedule": "seed + epoch"}, {"generator": "torch.mt19937"}, {"rate": 0.26}, {"seed": 43},
        {"schedule": "seed + window"}, {"window_length": 64}, {"pad_value": 0},
    ],
    ids=str,
)  # fmt: skip
def test_every_field_changes_the_rule(change: dict[str, Any]) -> None:
    assert replace(FIXED, **change).digest != FIXED.digest


def test_shape_and_end_count() -> None:
    """Zeros at the end, or other rows of the same bits, are other masks."""
    bits = [np.zeros(n, dtype=bool) for n in (0, 7, 8)] + [np.zeros((2, 4), dtype=bool), np.zeros((4, 2), dtype=bool)]
    assert len({mask.of_bits(one)["content"] for one in bits}) == len(bits)


def test_one_number_is_one_rule() -> None:
    assert replace(FIXED, rate=1.0, pad_value=-0.0).digest == replace(FIXED, rate=1, pad_value=0).digest


# Rules


def test_a_fixed_mask_is_the_same_in_every_epoch_and_a_dynamic_one_is_not() -> None:
    rule = replace(FIXED, schedule="seed + window")
    assert np.array_equal(rule.draw(1, 64, epoch=0), rule.draw(1, 64, epoch=9))
    assert not np.array_equal(rule.draw(0, 64), rule.draw(1, 64))
    assert not np.array_equal(
        replace(DYNAMIC, window_length=64).draw(0, 64, 0), replace(DYNAMIC, window_length=64).draw(0, 64, 1)
    )
    rows = mask.document(DYNAMIC, [16, 9], epochs=[0, 3])["windows"]
    assert [(row["epoch"], row["window"], row["seed"]) for row in rows] == [
        (0, 0, 42), (0, 1, 43), (3, 0, 30042), (3, 1, 30043),
    ]  # fmt: skip


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 200))
def test_a_lower_rate_hides_a_part_of_what_a_higher_one_hides(first: float, second: float, length: int) -> None:
    low, high = (replace(FIXED, rate=rate).draw(0, length) for rate in sorted((first, second)))
    assert not (low & ~high).any()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kind": "static"}, "a mask of kind 'static'\n  fix: write one of none, fixed, dynamic"),
        ({"kind": "none", "rate": 0.5}, "a mask of kind none with rate: it hides nothing\n  fix: leave out all but its kind"),
        (
            {**asdict(DYNAMIC), "schedule": "seed + window"},
            "a dynamic mask by 'seed + window': it does not change with the epoch, and is a fixed one\n"
            "  fix: write kind: fixed, or let the schedule name epoch",
        ),
        (
            {**asdict(DYNAMIC), "schedule": None},
            "a dynamic mask without a schedule: it does not change with the epoch, and is a fixed one\n"
            "  fix: write kind: fixed, or let the schedule name epoch",
        ),
        (
            {**asdict(DYNAMIC), "kind": "fixed"},
            "a fixed mask by 'seed + epoch*10000 + window': it changes with the epoch, and is a dynamic one\n"
            "  fix: write kind: dynamic, or take epoch out of the schedule",
        ),
        ({**asdict(FIXED), "rate": None}, "a fixed mask that numpy.PCG64 draws has no rate\n  fix: say its rate"),
        ({**asdict(FIXED), "seed": None}, "a fixed mask that numpy.PCG64 draws has no seed\n  fix: say its seed"),
        ({**asdict(FIXED), "generator": None}, "a fixed mask that is drawn has no generator\n  fix: write generator: numpy.PCG64"),
        ({**asdict(FIXED), "rate": 1.5}, "the rate of a mask is 1.5\n  fix: expected a number from 0 to 1"),
        ({**asdict(FIXED), "rate": float("nan")}, "the rate of a mask is nan\n  fix: expected a number from 0 to 1"),
        ({**asdict(FIXED), "rate": True}, "the rate of a mask is True\n  fix: expected a number from 0 to 1"),
        ({**asdict(FIXED), "pad_value": float("inf")}, "the pad_value of a mask is inf\n  fix: expected a finite number"),
        ({**asdict(FIXED), "seed": -1}, "the seed of a mask is -1\n  fix: expected an integer from 0 to 2**63 - 1"),
        ({**asdict(FIXED), "seed": 2**63}, f"the seed of a mask is {2**63}\n  fix: expected an integer from 0 to 2**63 - 1"),
        ({**asdict(FIXED), "seed": True}, "the seed of a mask is True\n  fix: expected an integer from 0 to 2**63 - 1"),
        ({**asdict(FIXED), "window_length": 0}, "the window_length of a mask is 0\n  fix: expected an integer from 1 to 2**63 - 1"),
        ({**asdict(FIXED), "schedule": 7}, "the schedule of a mask is 7\n  fix: expected a text"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_rule_that_contradicts_itself_is_none(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as error:
        Rule(**fields)
    assert str(error.value) == says


def test_what_cannot_be_drawn_is_not() -> None:
    with pytest.raises(UsageError, match="the bits of this mask were given"):
        Rule("fixed", rate=0.5).draw(0, 8)
    with pytest.raises(UsageError, match=r"are drawn by torch\.mt19937"):
        replace(FIXED, generator="torch.mt19937").draw(0, 8)
    with pytest.raises(UsageError, match="window 2 has 17 positions, its mask's rule says at most 16"):
        DYNAMIC.draw(2, 17)
    with pytest.raises(UsageError, match="the epoch of a mask is -1"):
        DYNAMIC.draw(0, 16, -1)
    assert Rule("none").draw(0, 3).tolist() == [False] * 3


@pytest.mark.parametrize("wrong", [[1, 0], np.array([1, 0]), np.zeros((1, 1, 1), bool), np.array(True)], ids=str)
def test_bits_of_another_kind_are_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"window 1 of a mask: expected a bool array .*, found "):
        mask.of_bits(np.zeros(2, bool), wrong)


def test_what_a_config_declares() -> None:
    assert mask.declared({"kind": "fixed", "rate": 0.25}, seed=42) == FIXED
    assert mask.declared({"kind": "fixed", "rate": 0.25, "seed": 42, "schedule": None}, seed=7) == FIXED
    assert mask.declared({"kind": "none", "rate": 0.25}, seed=42) == Rule("none")
    with pytest.raises(UsageError, match="a mask has no 'ratio'"):
        mask.declared({"kind": "fixed", "ratio": 0.25}, seed=42)


# Schedules


@pytest.mark.parametrize(
    ("text", "seed"),
    [
        ("seed", 42), ("7", 7), (" seed + window ", 45), ("seed + epoch*10000 + window", 20045), ("(seed - 40) * (1 + epoch)", 6),
        ("seed - 2*3*epoch", 30), ("9223372036854775807", 2**63 - 1), ("((((epoch))))", 2),
    ],
)  # fmt: skip
def test_the_seed_of_a_draw(text: str, seed: int) -> None:
    assert schedule.value(text, seed=42, epoch=2, window=3) == seed


sums = st.recursive(
    st.sampled_from(["seed", "epoch", "window"]) | st.integers(0, 99).map(str),
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", " + "]), inner).map(lambda t: f"({''.join(t)})"),
    max_leaves=8,
)


@given(sums, st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_a_schedule_is_what_python_makes_of_it(text: str, seed: int, epoch: int, window: int) -> None:
    assume(len(text) <= schedule.LENGTH)
    expected = eval(text, {"seed": seed, "epoch": epoch, "window": window})  # noqa: S307
    if expected >= 0:
        try:
            assert schedule.value(text, seed=seed, epoch=epoch, window=window) == expected
        except UsageError as error:
            assert "leaves the range of 63 bits" in str(error)
    else:
        with pytest.raises(UsageError, match=f"gives {expected} for seed {seed}, epoch {epoch}, window {window}"):
            schedule.value(text, seed=seed, epoch=epoch, window=window)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed**9**9**9", "`seed ** 9 ** 9 ** 9` is nothing that it may hold"),
        ("9**9**9**9**9", "`9 ** 9 ** 9 ** 9 ** 9` is nothing that it may hold"),
        ("seed.real", "`.real` is nothing that it may hold"),
        ("__import__('os').system('id')", "`__import__('os').sys` is nothing that it may hold"),
        ("seed + rate", "`rate` is nothing that it may hold"),
        ("seedseed", "`seedseed` is nothing that it may hold"),
        ("seed(1)", "`seed(1)` is nothing that it may hold"),
        ("()", "`()` is nothing that it may hold"),
        ("-seed", "`-seed` is nothing that it may hold"),
        ("True", "`True` is nothing that it may hold"),
        ("seed + True", "`True` is nothing that it may hold"),
        ("1.5", "`.5` is nothing that it may hold"),
        ("1e9", "`e9` is nothing that it may hold"),
        ("0x10", "`x10` is nothing that it may hold"),
        ("1_000", "`_000` is nothing that it may hold"),
        ("seed + \u0663", "`\u0663` is nothing that it may hold"),
        ("\uff53eed", "`\uff53eed` is nothing that it may hold"),
        ("seed # window", "`# window` is nothing that it may hold"),
        ("seed\n+ 1", "`\n+ 1` is nothing that it may hold"),
        ("seed // 2", "`// 2` is nothing that it may hold"),
        ("007", "is no sum or product"),
        ("1 2", "is no sum or product"),
        ("seed +", "is no sum or product"),
        ("(" * 199, "is no sum or product"),
        ("", "expected 1 to 200 characters, found 0"),
        ("1" * 201, "expected 1 to 200 characters, found 201"),
        ("1" * 200, "leaves the range of 63 bits for seed 42, epoch 0, window 0"),
        ("*".join(["seed"] * 40), "leaves the range of 63 bits for seed 42, epoch 0, window 0"),
        ("9223372036854775807 + 1 - 2", "leaves the range of 63 bits for seed 42, epoch 0, window 0"),
        ("seed - 43", "gives -1 for seed 42, epoch 0, window 0"),
    ],
    ids=lambda value: value[:30],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        schedule.value(text, seed=42, epoch=0, window=0)
    assert error.value.message.endswith(f" of a mask: {says}")
    assert error.value.fix


@pytest.mark.parametrize("text", ["(" * 99 + "seed" + ")" * 97, "-" * 196 + "seed", "+".join(["1"] * 100)])
def test_depth_is_bounded_by_length(text: str) -> None:
    try:
        assert schedule.value(text, seed=42, epoch=0, window=0) in (42, 100)
    except UsageError:
        assert "-" in text or text.count("(") != text.count(")")


# Documents that lie


def drawn() -> dict[str, Any]:
    return copy.deepcopy(mask.document(DYNAMIC, [16, 9], epochs=[0, 1]))


def put(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.__setitem__(key, value)


def put_in_window(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Change a window, and the content with it: so that nothing but drawing it again tells."""

    def change(document: dict[str, Any]) -> None:
        document["windows"][2][key] = value
        document["content"] = mask.content(document["windows"])

    return change


@pytest.mark.parametrize(
    ("change", "place", "says"),
    [
        (put("seed", 43), ("rule",), "the rule is not that of its fields: one of the two was changed"),
        (put("rule", "sha256:" + "0" * 64), ("rule",), "the rule is not that of its fields"),
        (put("content", "sha256:" + "0" * 64), ("content",), "the content is not that of its windows"),
        (put("schedule", "seed"), ("kind",), "a dynamic mask by 'seed'"),
        (put_in_window("digest", "sha256:" + "0" * 64), ("windows", 2), "window 0 is not what its rule draws: digest sha256:"),
        (put_in_window("hidden", 7), ("windows", 2), "window 0 is not what its rule draws: hidden 8, found 7"),
        (put_in_window("hidden", 17), ("windows", 2, "hidden"), "window 0 hides more positions than it has"),
        (put_in_window("seed", 7), ("windows", 2), "window 0 is not what its rule draws: seed 10042, found 7"),
        (put_in_window("epoch", 2), ("windows", 2), "window 0 is not what its rule draws: seed 20042, found 10042"),
        (put_in_window("epoch", None), ("windows", 2), "its epoch is None, and the mask is dynamic"),
        (put_in_window("length", 17), ("windows", 2), "window 0 has 17 positions, its mask's rule says at most 16"),
        (put_in_window("window", 10**18), ("windows", 2), "window 1000000000000000000 is not what its rule draws"),
        (put_in_window("window", 2**63), ("windows", 2, "window"), "`window` is 2**63 or more"),
    ],
)  # fmt: skip
def test_a_document_that_lies_is_told(
    change: Callable[[dict[str, Any]], None], place: tuple[Any, ...], says: str
) -> None:
    document = drawn()
    assert list(mask.faults(document)) == []
    change(document)
    found = list(mask.faults(document))
    assert found[0][0] == place
    assert says in found[0][1]


numbers = st.sampled_from([None, 0, 1, 8.0, 16, 0.5, 10**18, 2**63, 2**70, 1e300, 10**400])


@given(st.data())
def test_no_valid_document_is_too_odd_to_be_judged(data: st.DataObject) -> None:
    document = drawn() if data.draw(st.booleans()) else mask.of_bits(np.eye(4, dtype=bool), np.ones(9, bool))
    for _ in range(data.draw(st.integers(1, 3))):
        part = data.draw(st.sampled_from([document, *document["windows"]]))
        fields = [key for key in part if not isinstance(part[key], list | str) and key != "schema"]
        part[data.draw(st.sampled_from([*fields, *(["rows"] if part is not document else [])]))] = data.draw(numbers)
    assume(BUILT_IN.contracts["mask/v1"].violations(document) == [])
    for place, message in mask.faults(document):
        assert place and message


def test_given_bits_have_the_rate_that_is_measured() -> None:
    document = mask.of_bits(np.array([[1, 0], [0, 0]], bool))
    assert document["rate"] == 0.25
    lie = {**document, "rate": 0.5, "rule": Rule("fixed", rate=0.5, window_length=2).digest}
    assert [place for place, _ in mask.faults(lie)] == [("rate",)]


@pytest.mark.parametrize("length", [mask.REDRAWN + 1, 10**18])
def test_a_huge_window_is_not_drawn_again(length: int) -> None:
    document = mask.document(FIXED, [8])
    document["windows"][0]["length"] = length
    assert list(mask.faults(document)) == []


@given(
    st.sampled_from([FIXED, DYNAMIC, replace(FIXED, schedule="seed + window"), Rule("none")]),
    st.lists(st.integers(0, 16), max_size=4),
)
def test_what_a_rule_makes_keeps_the_contract(rule: Rule, lengths: list[int]) -> None:
    document = mask.document(rule, lengths, epochs=[0, 2])
    assert BUILT_IN.contracts["mask/v1"].violations(json.loads(json.dumps(document))) == []
    assert list(mask.faults(document)) == []
    assert mask.document(rule, lengths, epochs=[0, 2]) == document


# Before the first stage


def planned(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Any:
    """What mask-fits-index says of a run of which there is the config alone."""
    shutil.copytree(BASE, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "stages")
    config = json.loads((tmp_path / "run" / "resolved_config.json").read_text("utf-8"))
    change(config["config"])
    (tmp_path / "run" / "resolved_config.json").write_text(json.dumps(config), "utf-8")
    run = open_run(tmp_path / "run", BUILT_IN.layout(), BUILT_IN.contracts, BUILT_IN.metric_keys)
    return judge(replace(run, ongoing=True), BUILT_IN.checks["mask-fits-index"])


def redraw(config: dict[str, Any]) -> None:
    for masked in (config["validation"]["mask"], config["stages"]["query_mask"]["with"]):
        masked |= {"seed": 43}


def test_the_config_alone_tells_before_the_first_stage(tmp_path: Path) -> None:
    outcome = planned(tmp_path, redraw)
    (finding,) = outcome.findings
    assert outcome.status is Status.FAILED
    assert finding.message == (
        "the index is built with a fixed mask (rate 0.25, seed 42), the queries are masked by another draw (rate 0.25, seed 43)"
    )
    assert finding.at.pointer == "/config/stages/query_mask/with"
    assert [str(line) for line in finding.also] == ["sources/masked.yaml:20", "sources/masked.yaml:13"]


def test_a_config_of_one_mask_passes_before_the_first_stage(tmp_path: Path) -> None:
    assert planned(tmp_path, lambda config: None).status is Status.PASSED


def test_a_mask_that_is_declared_invariant_passes_before_the_first_stage(tmp_path: Path) -> None:
    def declare(config: dict[str, Any]) -> None:
        redraw(config)
        config["stages"]["index"]["with"]["invariant"] = {"mask": "searched by vectors of unmasked sequences"}
        config["index"]["invariant"] = {"mask.seed": "searched by vectors of unmasked sequences"}

    assert planned(tmp_path, declare).status is Status.PASSED


def test_a_schedule_that_one_mask_leaves_out_and_the_other_has_is_told(tmp_path: Path) -> None:
    def leave_out(config: dict[str, Any]) -> None:
        for masked in (config["index"]["mask"], config["stages"]["mask"]["with"]):
            del masked["schedule"]

    (finding,) = planned(tmp_path, leave_out).findings
    assert finding.message == (
        "the index is built with a fixed mask (rate 0.25, seed 42, no schedule), the queries are masked by another draw "
        "(rate 0.25, seed 42, schedule seed + window)"
    )


def test_what_is_left_out_is_null(tmp_path: Path) -> None:
    def both(config: dict[str, Any]) -> None:
        del config["stages"]["mask"]["with"]["schedule"]
        config["stages"]["query_mask"]["with"] |= {"schedule": None, "generator": None, "rate": 0.250, "epochs": 3}

    assert planned(tmp_path, both).status is Status.PASSED


def test_what_makes_no_rule_is_compared_as_it_stands(tmp_path: Path) -> None:
    def contradict(config: dict[str, Any]) -> None:
        config["stages"]["query_mask"]["with"] |= {"kind": "dynamic", "rate": "all"}

    (finding,) = planned(tmp_path, contradict).findings
    assert finding.message.endswith("the queries are masked by a dynamic mask (rate all, seed 42)")


def test_two_stages_of_one_mask_are_each_told(tmp_path: Path) -> None:
    """Who signs for the validation has not signed for the training."""

    def train(config: dict[str, Any]) -> None:
        redraw(config)
        drawn = config["stages"]["query_mask"]["with"]
        config["stages"]["train"] = {"uses": "sequence.train", "in": {"index": "index.index"}, "with": {"mask": drawn}}

    outcome = planned(tmp_path, train)
    assert [finding.at.pointer for finding in outcome.findings] == [
        "/config/stages/query_mask/with", "/config/stages/train/with/mask",
    ]  # fmt: skip


def test_an_invariant_without_a_reason_is_none(tmp_path: Path) -> None:
    def declare(config: dict[str, Any]) -> None:
        redraw(config)
        config["stages"]["index"]["with"]["invariant"] = {"mask": ""}

    assert planned(tmp_path, declare).status is Status.FAILED


def test_a_mask_of_another_meaning_is_left_alone(tmp_path: Path) -> None:
    def attend(config: dict[str, Any]) -> None:
        config["model"]["mask"] = {"kind": "causal", "rate": "all"}
        config["stages"]["search"]["with"]["mask"] = "none"

    assert planned(tmp_path, attend).status is Status.PASSED


def test_a_stage_with_two_masks_is_told_of_each(tmp_path: Path) -> None:
    """One that somebody signed for must not hide another that nobody did."""
    run = tmp_path / "run"
    shutil.copytree(BASE, run)
    document = mask.document(Rule("fixed", GENERATOR, 0.25, 7, "seed + window", 4), [4])
    other = mask.document(Rule("fixed", GENERATOR, 0.25, 8, "seed + window", 4), [4])
    (run / "stages/other_mask").mkdir()
    (run / "stages/query_mask/mask.json").write_text(json.dumps(document), "utf-8")
    (run / "stages/other_mask/mask.json").write_text(json.dumps(other), "utf-8")
    config = json.loads((run / "resolved_config.json").read_text("utf-8"))
    config["config"]["stages"]["search"]["in"] = {}
    config["config"]["stages"]["train"] = {
        "uses": "sequence.train",
        "in": {"index": "index.index", "mask": "query_mask.mask", "validation_mask": "other_mask.mask"},
        "with": {},
    }
    promise = next(one for one in config["artifacts"] if one["stage"] == "query_mask")
    config["artifacts"].append({**promise, "stage": "other_mask", "path": "stages/other_mask/mask.json"})
    (run / "resolved_config.json").write_text(json.dumps(config), "utf-8")
    opened = open_run(run, BUILT_IN.layout(), BUILT_IN.contracts, BUILT_IN.metric_keys)
    found = judge(opened, BUILT_IN.checks["mask-fits-index"]).findings
    assert [finding.message.rpartition("(")[2] for finding in found] == ["rate 0.25, seed 8)", "rate 0.25, seed 7)"]


CONFIG = """\
schema: pipeline/v1
run: {name: toy}
stages:
  index_mask: {uses: toy.mask}
  train_mask: {uses: toy.mask}
  index: {uses: toy.tokens, in: {mask: index_mask.mask}}
  train: {uses: toy.train, in: {index: index.index, mask: train_mask.mask}}
"""
EVERY = ["index_mask", "train_mask", "index", "train"]


@pytest.mark.parametrize(
    ("override", "started", "says"),
    [
        ("seed=42", EVERY, None),
        ("seed=43", [], "the queries are masked by another draw (rate 0.25, seed 43)"),
        ("rate=0.5", [], "the queries are masked by another fixed mask (rate 0.5, seed 42)"),
        ("schedule=seed + window", [], "the queries are masked by another draw (rate 0.25, seed 42, schedule seed + window)"),
        ("kind=none", [], "the queries are not masked"),
        ("length=3", EVERY[:3], "the queries were masked by the same rule, in other positions (rate 0.25, seed 42)"),
    ],
)  # fmt: skip
def test_a_run_stops_as_soon_as_its_masks_are_known_to_differ(
    tmp_path: Path, override: str, started: list[str], says: str | None
) -> None:
    (tmp_path / "toy.yaml").write_text(CONFIG)
    events: list[Event] = []
    with contextlib.chdir(tmp_path):
        given = ["run.output_dir=outputs", f"stages.train_mask.with.{override}"]
        result = pipeline.run(Path("toy.yaml"), given, ["toolkit"], events.append, Pack(stage_package="tests.pack"))
    assert [event.stage for event in events if event.kind == "stage-started"] == started
    outcome = next(one for one in result.report.checks if one.id == "mask-fits-index")
    assert result.exit_code == (1 if says else 0)
    assert [finding.message.partition(", the ")[2] for finding in outcome.findings] == ([says[4:]] if says else [])


def test_digests_are_ours() -> None:
    assert mask.document(FIXED, [8])["windows"][0]["digest"] == digest.of_bytes(mask.packed(FIXED.draw(0, 8)))
