"""Layouts of trees: what is refused, with its line, and the patterns of their paths."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit.finding import UsageError
from sealkit.trees.layout import Mark, Promise, Says, fill
from tests.trees import layout

ONE = "  - {path: runs.json, media: json}\n"


def refused(files: str, **head: str) -> str:
    with pytest.raises(UsageError) as caught:
        layout(files, **head)
    return str(caught.value).split("\n")[0]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ("  - {path: a, media: jsno}\n", '6: expected one of "json", "yaml", "jsonl", "csv", "text", "rankings", "model", "run"; found "jsno"; did you mean `json`?'),
        (ONE + "  - path: a\n    media: text\n    says:\n      - {of: run, what: seed, line: '(?P<value>'}\n",
         "10: `(?P<value>` is no regular expression: missing ), unterminated subpattern at position 0"),
        (ONE + "  - path: a\n    media: text\n    says:\n      - of: run\n        what: seed\n        line: x\n        through: '*'\n",
         "13: `*` is no regular expression: nothing to repeat at position 0"),
        (ONE + "  - path: a\n    media: json\n    says:\n      - of: run\n        what: seed\n        at: $.a\n        but: ')'\n",
         "13: `)` is no regular expression: unbalanced parenthesis at position 0"),
        ("  - path: a\n    media: json\n    says:\n      - of: run\n        what: seed\n        at: '$.['\n", "11: `$.[` is no JSONPath: expected a shorthand selector"),
        ("  - path: a\n    media: json\n    says:\n      - of: run\n        what: seed\n        at: $.a\n        id: '$['\n", "12: `$[` is no JSONPath"),
        ("  - path: a\n    media: json\n    says:\n      - of: run\n        what: seed\n        at: $.a\n        step: ['{s}', '$[']\n", "12: `$[` is no JSONPath"),
        ("  - path: '{run}_{run}'\n    media: json\n", "6: `{run}_{run}` is no pattern: redefinition of group name 'run'"),
        ("  - path: '{1}'\n    media: json\n", "6: `{1}` is no pattern: bad character in group name '1'"),
        ("  - path: 'runs/**'\n    media: json\n", "6: `runs/**` ends with `**`, which stands for folders"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(files: str, says: str) -> None:
    assert refused(files).startswith(f"my.yaml:{says}")


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("recognised_by:\n  - file: a\n    at: '$['\n", "5: `$[` is no JSONPath"),
        ("recognised_by:\n  - {file: a}\nunless:\n  - file: a\n    at: $.a\n    matches: '('\n", "8: `(` is no regular expression"),
        ("recognised_by:\n  - {file: a}\nnames:\n  run: '['\n", "6: `[` is no regular expression"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_marks_and_names_is_told_with_its_line(head: str, says: str) -> None:
    assert refused(ONE, head=f"layout: my-tool/v1\ntitle: T\n{head}").startswith(f"my.yaml:{says}")


def test_a_layout_without_a_title_is_refused() -> None:
    assert refused(ONE, head="layout: a/v1\nrecognised_by: [{file: a}]\n") == "my.yaml:1: `title` is missing"


def test_every_field_has_its_place() -> None:
    found = layout(
        "  - path: '{run}/a.csv'\n    media: csv\n    contract: metrics/v1\n    promised: {of: run, what: mode, values: [a, 1]}\n    says:\n"
        "      - {of: run, id: '{run}', what: metric, by: summary, at: $.a, key: {from: 1, join: /}, number: true, but: b, step: $.s, x-note: mine}\n"
    )
    (source,) = found.sources
    assert (source.path, source.media, source.contract) == ("{run}/a.csv", "csv", "metrics/v1")
    assert source.promised == Promise("run", "mode", ("a", 1))
    assert source.says == (
        Says("run", "metric", ("{run}",), "summary", at=("$.a",), key={"from": 1, "join": "/"}, number=True, but="b", step=("$.s",)),
    )  # fmt: skip
    assert (found.name, set(found.kinds)) == ("my-tool", {"metrics", "evidence"})
    assert found.recognised_by == (Mark("runs.json"),)


def test_the_slots_of_a_mark_hold_anything() -> None:
    found = layout(ONE, head="layout: a/v1\ntitle: T\nrecognised_by: [{file: a, x-why: b}]\n")
    assert found.recognised_by == (Mark("a"),)


def parts(path: str, **known: str) -> list[str | None]:
    return [one.pattern if one else None for one in layout(ONE).pattern(path, known)]


def test_the_parts_of_a_path_are_patterns() -> None:
    assert parts("a.b/{run}/**/x*.json") == [r"a\.b", "(?P<run>[^/]+)", None, r"x[^/]*\.json"]


def test_a_known_name_is_no_pattern_whatever_it_holds() -> None:
    assert parts("{matrix}/a", matrix="out*/{run}/**") == [r"out\*", r"\{run\}", r"\*\*", "a"]
    assert parts("{matrix}_{run}", matrix="[a]") == [r"\[a\]_(?P<run>[^/]+)"]


def test_a_tree_may_be_its_own_root() -> None:
    assert parts("{matrix}/a", matrix=".") == ["a"]


folders = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda n: n != "."
)


@given(st.lists(folders, min_size=1, max_size=3))
def test_a_known_folder_finds_itself_and_nothing_else(names: list[str]) -> None:
    found = layout(ONE).pattern("{matrix}/a", {"matrix": "/".join(names)})
    assert all(one is not None and one.fullmatch(name) for one, name in zip(found, [*names, "a"], strict=True))
    assert not any(one.fullmatch(f"{name}x") for one, name in zip(found, names, strict=False) if one)


def test_a_text_is_filled_with_the_names_that_are_known() -> None:
    assert fill("{a}/{b}.{a}", {"a": "1"}) == "1/{b}.1"


def test_no_expression_of_ours_is_kept_busy_by_a_line() -> None:
    """Each part of a line is cut; on what is left no pattern may go back and forth for long."""
    import time

    from sealkit.pack import BUILT_IN
    from sealkit.trees.statement import LINE

    says = [one for tree in BUILT_IN.tree_layouts.values() for source in tree.sources for one in source.says]
    patterns = {
        pattern
        for one in says
        for pattern in (*one.line, *filter(None, (one.through, one.then, one.match, one.named, one.but)))
    }
    pieces = [
        "load ",
        "load(",
        "loading model ",
        "retriever.load ",
        "hard negatives   ",
        "best step ",
        "best\t",
        "rmtree(",
        "_",
        "\t  ",
        "a.",
        "model_name ",
        "aA-",
        "legacy_compat",
        "n_a_",
        '{"event": "load_model", ',
        '"path": "',
        "model_a_b_",
        "re_rank.",
        "a-b-",
        "index with ",
        "for x in (",
        "if x.get('mode') ",
        "apply(overrides ",
        "x = 'latest'",
        "rm latest ",
        "/",
        "=",
        "'",
    ]
    assert len(patterns) > 10
    for pattern in map(re.compile, patterns):
        for line in ((piece * LINE)[:LINE] for piece in pieces):
            began = time.process_time()
            pattern.search(line)
            pattern.fullmatch(line)
            assert time.process_time() - began < 0.1, (pattern.pattern, line[:20])
