"""What the files of a tree say: each field of `says`, each media, the places and quotes, and files that are hostile."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealkit.pack import BUILT_IN
from sealkit.redact import Redactor
from sealkit.trees import gather, statement
from tests.trees import gathered, said


def source(media: str, says: str, path: str = "a") -> str:
    return f"  - path: '{path}'\n    media: {media}\n    says:\n      - {{{says}}}\n"


def brief(statements: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (one["id"], one["key"], one["value"], one["step"], one["at"]["line"], one["at"]["quote"]) for one in statements
    ]


def test_a_statement_has_every_field_and_its_place(tmp_path: Path) -> None:
    files = source(
        "yaml", "of: config, what: old_key, by: config, at: $.a.mode, key: {join: .}, instead: retriever.mode"
    )
    (one,) = said(tmp_path, files, {"a": "# first\na:\n  mode: dense\n"})
    digest = one["at"].pop("digest")
    assert digest.startswith("sha256:")
    assert one == {
        "of": "config", "id": "a", "what": "old_key", "by": "config", "key": "a.mode", "value": "dense", "step": None, "instead": "retriever.mode",
        "at": {"path": "a", "line": 3, "end": None, "pointer": "/a/mode", "quote": "mode: dense"},
    }  # fmt: skip


def test_what_is_said_of_each_thing_of_a_document(tmp_path: Path) -> None:
    files = source("json", "of: run, id: [$.dir, $.name], each: '$.runs[*]', what: label, at: $.label")
    tree = {"a": '{"runs": [\n{"dir": "out/runs/r1/", "name": "x", "label": "pre"},\n{"dir": "", "name": "r2", "label": "post"},\n{"label": "nameless"},\n"text", {"dir": "..\\\\..\\\\etc", "label": "win"}]}'}  # fmt: skip
    assert [(one["id"], one["value"], one["at"]["line"]) for one in said(tmp_path, files, tree)] == [
        ("r1", "pre", 2),
        ("r2", "post", 3),
        ("etc", "win", 5),
    ]


def test_a_name_leads_nowhere_it_is_a_name(tmp_path: Path) -> None:
    """A record that names ../../etc as the folder of its run: nothing is opened by it."""
    files = source("json", "of: run, id: $.run_dir, what: folder, at: $.run_dir")
    assert brief(said(tmp_path, files, {"a": '{"run_dir": "../../etc"}'}))[0][:3] == ("etc", None, "../../etc")


def test_keys_are_the_names_on_the_way_to_a_value(tmp_path: Path) -> None:
    files = source(
        "json",
        "of: run, id: r, what: metric, at: '$.metrics..*', key: {from: 1, join: /}, number: true, but: 'n_.*|.*_ms'",
    )
    tree = {
        "a": '{"metrics": {"full": {"recall@10": 0.5, "mrr": "0.25", "n_queries": 7, "took_ms": 1, "name": "x", "ok": true, "none": null}}}'
    }
    assert [one[1:3] for one in brief(said(tmp_path, files, tree))] == [("full/recall@10", 0.5), ("full/mrr", 0.25)]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1.0", 1.0), ("-2", -2), ('" 3 "', 3), ('"1e3"', 1000.0), ('".5"', 0.5), ('"1_000"', None), ('"٣"', None), ('"nan"', None), ('"inf"', None), ('"1e999"', None), ("true", None),
     ("null", None), ('""', None), ('"1%"', None), ("[]", None), ('"' + "9" * 5000 + '"', None)],
)  # fmt: skip
def test_what_is_a_number(tmp_path: Path, text: str, value: Any) -> None:
    found = said(
        tmp_path, source("json", "of: run, id: r, what: metric, at: $.a, number: true"), {"a": f'{{"a": {text}}}'}
    )
    assert [one["value"] for one in found] == ([] if value is None else [value])
    assert [type(one["value"]) for one in found] == ([] if value is None else [type(value)])


def test_a_match_takes_a_text_apart(tmp_path: Path) -> None:
    files = source("json", "of: run, id: r, what: override, at: '$[*]', match: '(?P<key>[^=]+)=(?P<value>.*)'")
    assert [one[1:3] for one in brief(said(tmp_path, files, {"a": '["a.b=c=d", "plain", 7]'}))] == [("a.b", "c=d")]


def test_steps_are_the_first_count_that_is_there(tmp_path: Path) -> None:
    files = source(
        "json", "of: training, id: t, what: metric, at: $.m, step: ['{s}', $.global_step, $.step]", "e{s}.json"
    )
    tree = {
        "e5.json": '{"m": 1}',
        "e-1.json": '{"m": 2, "global_step": -1, "step": 7.0}',
        "ex.json": '{"m": 3, "step": [1]}',
    }
    assert sorted((one["value"], one["step"]) for one in said(tmp_path, files, tree)) == [(1, 5), (2, 7), (3, None)]


def test_captured_names_are_ids_and_values(tmp_path: Path) -> None:
    files = source("text", "of: run, id: '{run}', what: per_query, value: '{path}'", "{run}/rows.txt")
    assert brief(said(tmp_path, files, {"r1/rows.txt": "x"})) == [("r1", None, "r1/rows.txt", None, None, None)]


def test_a_document_may_say_something_by_being_there(tmp_path: Path) -> None:
    assert brief(said(tmp_path, source("json", "of: run, id: r, what: ended, value: true"), {"a": "{}"}))[0][:3] == (
        "r",
        None,
        True,
    )


def test_rows_of_csv_say_things_with_their_lines(tmp_path: Path) -> None:
    files = source("csv", "of: run, id: r, what: metric, at: \"$['  loss']\", number: true, step: $.step, key: loss")
    tree = {"a": "\ufeffstep,  loss\r\n10,0.5\r\n20,\r\n30,0.25\r\n"}
    assert brief(said(tmp_path, files, tree)) == [
        ("r", "loss", 0.5, 10, 2, "10,0.5"),
        ("r", "loss", 0.25, 30, 4, "30,0.25"),
    ]


def test_rows_of_jsonl_say_things_with_their_lines(tmp_path: Path) -> None:
    files = source("jsonl", "of: run, id: r, what: metric, at: $.loss, step: $.step")
    assert brief(said(tmp_path, files, {"a": '{"step": 1, "loss": 2}\n{"step": 2, "loss": 1}\n'}))[1] == (
        "r",
        None,
        1,
        2,
        2,
        '{"step": 2, "loss": 1}',
    )


def test_lines_of_a_text_say_things(tmp_path: Path) -> None:
    files = source(
        "text",
        "of: training, id: t, what: metric, line: ['^(?P<key>\\w+) = (?P<value>\\S+) @ (?P<step>\\d+)$', '^(?P<value>\\d+)$'], number: true",
    )
    tree = {"a": "start\nloss = 0.5 @ 10\n7\nloss = no @ 3\n"}
    assert brief(said(tmp_path, files, tree)) == [
        ("t", "loss", 0.5, 10, 2, "loss = 0.5 @ 10"),
        ("t", None, 7, None, 3, "7"),
    ]


def test_a_line_may_name_what_it_speaks_of(tmp_path: Path) -> None:
    files = source("text", "of: run, id: '{run}', what: seed, line: '(?P<run>\\w+): seed (?P<value>\\d+)'")
    assert [one[0] for one in brief(said(tmp_path, files, {"a": "r1: seed 1\nr2: seed 2\n"}))] == ["r1", "r2"]


def test_a_place_goes_on_through_other_lines_and_is_told_once(tmp_path: Path) -> None:
    files = source("text", "of: code, what: moves_pointer, line: 'rmtree|copy', through: 'copy', value: true")
    tree = {"a": "import x\n  rmtree(latest)\n  y = 1\n  copy(a, latest)\n" + "\n" * 30 + "rmtree(b)\n"}
    found = said(tmp_path, files, tree)
    assert [(one["at"]["line"], one["at"]["end"], one["at"]["quote"]) for one in found] == [
        (2, 4, "rmtree(latest)\ny = 1\ncopy(a, latest)"),
        (35, None, "rmtree(b)"),
    ]


def test_a_place_may_have_to_go_on(tmp_path: Path) -> None:
    """To a line that holds what the first one calls by a name."""
    files = source(
        "text",
        "of: code, what: moves_pointer, line: '(?P<name>\\w+) = .*latest', then: 'unlink\\({name}\\)', value: true",
    )
    tree = {
        "a": "link = x/latest\nunlink(other)\nunlink(link)\nb = y/latest\nunlink(link)\n" + "\n" * 30 + "unlink(b)\n"
    }
    assert [(one["at"]["line"], one["at"]["end"]) for one in said(tmp_path, files, tree)] == [(1, 5)]


def test_a_name_in_a_line_is_no_pattern(tmp_path: Path) -> None:
    files = source("text", "of: code, what: moves_pointer, line: '(?P<name>\\S+) =', then: 'rm {name}$', value: true")
    assert said(tmp_path, files, {"a": "a.*( =\nrm abc(\n"}) == []
    assert len(said(tmp_path, files, {"a": "a.*( =\nrm a.*(\n"})) == 1


def test_lines_that_are_left_out(tmp_path: Path) -> None:
    files = source(
        "text", "of: run, id: r, what: model, line: ['load (?P<value>\\S+)', 'use (?P<value>\\S+)'], but: '(?i)rerank'"
    )
    tree = {"a": "load x\nReranker: load y\rload z\nload rerank/a\nuse b\n"}
    assert [one[2] for one in brief(said(tmp_path, files, tree))] == ["x", "z", "b"]


def test_values_of_a_dotted_key_of_a_pattern(tmp_path: Path) -> None:
    files = source(
        "yaml", "of: run, id: r, what: model, at: '$..*', key: {join: .}, named: '(?:(?!rerank).*\\.)?model'"
    )
    tree = {"a": "model: 1\nrerank:\n  model: 2\nmodels: 3\ndeep:\n  er:\n  - model: 4\n"}
    assert [one[1:3] for one in brief(said(tmp_path, files, tree))] == [("model", 1), ("deep.er.0.model", 4)]


def test_a_file_that_two_paths_find_is_read_once(tmp_path: Path) -> None:
    files = "  - path: ['{outputs}/{name}.txt', 'b.txt', 'sub/*.txt']\n    media: text\n    says: [{of: run, id: r, what: seed, line: '.*'}]\n"
    found = said(tmp_path, files, {"a.txt": "1", "b.txt": "1", "sub/c.txt": "1"})
    assert [one["at"]["path"] for one in found] == ["a.txt", "b.txt", "sub/c.txt"]


def test_a_line_is_read_as_a_terminal_shows_it(tmp_path: Path) -> None:
    """Without colours, titles and single codes; bytes that are not UTF-8 are marked. The numbers of lines stay."""
    files = source("text", "of: run, id: r, what: model, line: '^load (?P<value>.*)$'")
    (tmp_path / "a").write_bytes(
        b"\xff gr\xf6\xdfer\n\x1b[1;32mload \x1b]0;title\x07\x1b[0mmy/model\x1b[0m\nload gr\xf6\xdfer\nload \x1b[31"
    )
    assert [one[2:] for one in brief(said(tmp_path, files, {}))] == [
        ("my/model", None, 2, "load my/model"),
        ("gr\ufffd\ufffder", None, 3, "load gr\ufffd\ufffder"),
        ("\x1b[31", None, 4, "load \x1b[31"),
    ]


@pytest.mark.parametrize("piece", [b"\x1b[", b"\x1b]", b"\x1b[0;", b"\x1b", b"\xff"])
def test_codes_that_do_not_end_keep_nothing_busy(tmp_path: Path, piece: bytes) -> None:
    import time

    (tmp_path / "a").write_bytes(piece * 500_000 + b"0" * 500_000)
    began = time.process_time()
    said(tmp_path, source("text", "of: run, id: r, what: model, line: '^load (?P<value>.*)$'"), {})
    assert time.process_time() - began < 3


# Quotes


def test_a_long_line_is_quoted_around_what_was_found(tmp_path: Path) -> None:
    files = source("text", "of: run, id: r, what: model, line: 'loading (?P<value>\\S+)'")
    (one,) = said(tmp_path, files, {"a": "x" * 400 + " loading my/model " + "y" * 400})
    quote = one["at"]["quote"]
    assert "loading my/model" in quote and quote[0] == quote[-1] == "…" and len(quote) == 200


def test_a_value_on_a_long_line_of_json_is_quoted_where_it_stands(tmp_path: Path) -> None:
    document = json.dumps({f"k{i}": i for i in range(500)} | {"deep": {"model": "m1"}, "last": 1})
    (one,) = said(tmp_path, source("json", "of: run, id: r, what: model, at: $.deep.model"), {"a": document})
    assert '"model": "m1"' in one["at"]["quote"] and len(one["at"]["quote"]) <= 200


def test_a_short_line_is_quoted_whole(tmp_path: Path) -> None:
    (one,) = said(
        tmp_path, source("text", "of: run, id: r, what: seed, line: '(?P<value>1)'"), {"a": "  " + "z" * 150 + "1  \n"}
    )
    assert one["at"]["quote"] == "z" * 150 + "1"


def test_no_secret_is_quoted_or_said(tmp_path: Path) -> None:
    token = "hf_" + "aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3c"
    files = source("yaml", "of: run, id: r, what: setting, at: '$..*', key: {join: .}")
    tree = {"a": f"db:\n  password: correct-horse-battery\nurl: https://me:s3cretpw99@host/x\nnote: {token}\n"}
    shown = json.dumps(said(tmp_path, files, tree))
    assert "[redacted:" in shown
    assert [hidden for hidden in ("correct-horse", "s3cretpw99", token) if hidden in shown] == []
    log = source("text", "of: run, id: r, what: model, line: 'token (?P<value>\\S+)'")
    assert token not in json.dumps(said(tmp_path, log, {"a": f"{'x' * 900} token {token}\n"}))


# What cannot be read


def unread(root: Path, files: str, tree: dict[str, str]) -> list[str]:
    found = gathered(root, files, tree)
    assert found.statements == []
    return [f"{error.at}: {error.message}" for error in found.unread]


@pytest.mark.parametrize(
    ("media", "text", "says"),
    [
        ("json", '{"a": NaN}', "a:1: holds NaN at /a, which JSON does not have"),
        ("json", "[" * 100_000, "a:1: is nested deeper than 64 levels"),
        ("json", '{"a": 1, "a": 2}', 'a:1: has the key "a" twice in one object'),
        ("jsonl", '{"a": 1}\n{"a": ', "a:2: is not JSON: expecting value, column 7, found the end of the text (was it cut off?)"),
        ("yaml", "a: .nan\n", "a:1: holds .nan, which is no finite number"),
        ("yaml", "a: &x [*x]\n", "a:1: has the alias `x` before its anchor, or in it"),
        ("yaml", "a: !!python/object/apply:os.system [ls]\n", "a:1: uses the tag `!!python/object/apply:os.system`"),
        ("csv", "a,a\n1,2\n", "a:1: has the column `a` twice"),
        ("csv", 'a\n"1\n', "a:2: is not CSV: unexpected end of data"),
        ("text", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a: is a Git LFS pointer, the content is not here"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_nothing_and_is_told(tmp_path: Path, media: str, text: str, says: str) -> None:
    where = "line: '.*'" if media == "text" else "at: '$..*'"
    assert unread(tmp_path, source(media, f"of: run, id: r, what: setting, {where}"), {"a": text}) == [says]


def test_a_file_that_is_to_say_nothing_is_read_all_the_same(tmp_path: Path) -> None:
    assert unread(tmp_path, "  - {path: a, media: yaml}\n", {"a": "a: 1\na: 2\n"}) == [
        "a:2: has the key `a` twice in one mapping"
    ]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    for media in ("text", "json", "jsonl", "csv", "yaml"):
        assert unread(tmp_path, f"  - {{path: a, media: {media}}}\n", {}) == ["a: is not a regular file"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/etc/passwd")
    assert unread(tmp_path, source("text", "of: run, id: r, what: seed, line: '.*'"), {}) == [
        "a: is a symbolic link, and readers stay inside the run"
    ]


def test_a_huge_file_is_not_read_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(2 * 1024**3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for media, says in (
        ("text", "a:1: has a line of over 8,388,608 bytes"),
        ("json", "a: is 2,147,483,648 bytes; at most 67,108,864 are read"),
    ):
        assert unread(tmp_path, f"  - {{path: a, media: {media}}}\n", {}) == [says]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_nothing_that_was_read_is_kept(tmp_path: Path) -> None:
    found = gathered(tmp_path, source("json", "of: run, id: r, what: seed, at: $.a"), {"a": '{"a": 1}'})
    assert [set(vars(file)) for _, files in found.files for file in files] == [{"root", "path", "names"}]


def test_a_file_that_says_too_much_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "SAID", 2)
    assert unread(tmp_path, source("text", "of: run, id: r, what: seed, line: '.'"), {"a": "1\n2\n3\n"}) == [
        "a: says over 2 things"
    ]


def test_what_a_progress_bar_wrote_over_is_read_in_its_parts(tmp_path: Path) -> None:
    files = source("text", "of: run, id: r, what: seed, line: '^seed (?P<value>\\d+)$'")
    found = said(
        tmp_path, files, {"a": "".join(f"\r{i}%|###" for i in range(1000)) + "\rseed 7\n" + "x" * 2000 + "seed 8\n"}
    )
    assert brief(found) == [("r", None, "7", None, 1, "seed 7")]


def test_a_text_in_the_place_of_a_document_says_nothing(tmp_path: Path) -> None:
    """The library would read it as JSON once more."""
    files = source("json", "of: run, id: $.a, what: seed, at: '$..*', step: $.s")
    assert said(tmp_path, files, {"a": '"{\\"a\\": 1}"'}) == []


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents, st.sampled_from(["json", "yaml"]), st.integers(0, 3))
def test_whatever_a_document_holds_is_said_under_the_contract(
    tmp_path: Path, document: Any, media: str, indent: int
) -> None:
    files = source(media, "of: run, id: r, what: setting, at: '$..*', key: {join: .}, step: '$..*'")
    found = gathered(tmp_path, files, {"a": json.dumps(document, indent=indent or None)})
    shape = BUILT_IN.contracts["evidence/v1"].schema["properties"]["statements"]
    import jsonschema_rs

    assert jsonschema_rs.Draft202012Validator(dict(shape)).is_valid(json.loads(json.dumps(found.statements)))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=500), st.integers(0, 2000))
def test_a_quote_is_never_longer_than_its_bound(tmp_path: Path, text: str, column: int) -> None:
    quote = statement.quote(text * 5, column, Redactor())
    assert len(quote) <= statement.QUOTE
