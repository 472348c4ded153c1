"""Every byte we write: whole or not at all, by one and not by two."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit import write
from sealkit.finding import UsageError
from sealkit.read import json as read_json
from sealkit.read import jsonl
from tests.within import within

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


def in_a_process(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], stdout=subprocess.PIPE, text=True
    )


# Texts


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [1.5, None, True]}, '{"a":[1.5,null,true],"b":1}'),
        ({"é": "東\u2028"}, '{"é":"東\u2028"}'),
        ({"z": {"y": 1, "x": 2}}, '{"z":{"x":2,"y":1}}'),
        ('a"\n', '"a\\"\\n"'),
    ],
)
def test_canonical_text_is_short_and_sorted(value: Any, expected: str) -> None:
    assert write.canonical(value) == expected


@given(st.dictionaries(st.text(), values))
def test_the_order_of_keys_does_not_change_the_canonical_text(value: dict[str, Any]) -> None:
    assert write.canonical(dict(reversed(value.items()))) == write.canonical(value)


@given(values)
def test_canonical_text_holds_the_value(value: Any) -> None:
    assert repr(json.loads(write.canonical(value))) == repr(json.loads(json.dumps(value, sort_keys=True)))


@pytest.mark.parametrize("text", [write.canonical, write.dumps])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_have_is_never_written(text: Any, number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        text({"a": [number]})


def test_documents_are_written_to_be_read() -> None:
    assert write.dumps({"b": 1, "a": ["é", {}]}) == '{\n  "b": 1,\n  "a": [\n    "é",\n    {}\n  ]\n}\n'


@given(values)
def test_what_is_written_is_read_by_our_reader(value: Any) -> None:
    assert repr(read_json.parse(write.dumps(value), "f")) == repr(value)
    assert repr(read_json.parse(write.canonical(value), "f")) == repr(json.loads(write.canonical(value)))


def test_the_time_is_in_utc_to_the_second() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", write.now())


# Whole files


@pytest.mark.parametrize(("content", "expected"), [("é\r\n", "é\r\n".encode()), (b"\0\xff", b"\0\xff"), ("", b"")])
def test_a_file_is_written_as_it_was_given(content: str | bytes, expected: bytes, tmp_path: Path) -> None:
    write.atomic(tmp_path / "f", content)
    assert (tmp_path / "f").read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a much longer text that was here before")
    write.atomic(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "new"


@posix
def test_who_reads_while_it_is_replaced_reads_the_old_content_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    with (tmp_path / "f").open() as reader:
        write.atomic(tmp_path / "f", "new")
        assert reader.read() == "old"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_where_writing_fails_the_old_content_stays_and_nothing_else(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "f").write_text("old")
    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        write.atomic(tmp_path / "f", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("f", "old")]


def test_an_interrupt_leaves_the_old_content_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: Any) -> None:
        raise KeyboardInterrupt

    (tmp_path / "f").write_text("old")
    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write.atomic(tmp_path / "f", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("f", "old")]


def test_the_content_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def noted(step: str, call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: seen.append(step) or call(*given)  # type: ignore[func-returns-value]

    monkeypatch.setattr(os, "fsync", noted("fsync", os.fsync))
    monkeypatch.setattr(os, "replace", noted("replace", os.replace))
    write.atomic(tmp_path / "f", "new")
    assert seen[:2] == ["fsync", "replace"]


def test_text_that_is_none_touches_nothing(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write.atomic(tmp_path / "f", "\ud800")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("f", "old")]


@posix
def test_a_link_is_replaced_and_what_it_leads_to_is_not(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("target")
    (tmp_path / "link").symlink_to("target")
    write.atomic(tmp_path / "link", "new")
    assert (tmp_path / "target").read_text() == "target"
    assert ((tmp_path / "link").read_text(), (tmp_path / "link").is_symlink()) == ("new", False)


def test_of_many_who_write_at_once_one_has_the_last_word_and_no_word_is_mixed(tmp_path: Path) -> None:
    texts = [letter * 100_000 for letter in "abcdefgh"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write.atomic(tmp_path / "f", text), texts))
    assert (tmp_path / "f").read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


# Folders


def test_every_file_of_a_folder_is_made_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_text("c")
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    write.sync_tree(tmp_path)
    assert {path.stat().st_ino for path in [tmp_path / "a", tmp_path / "b", tmp_path / "b" / "c", tmp_path]} <= set(
        synced
    )


@posix
def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to("gone")
    with within(5):
        write.sync_tree(tmp_path)


# Claims


def test_a_claim_makes_the_folder_and_those_above(tmp_path: Path) -> None:
    write.claim(tmp_path / "outputs" / "deep" / "run")
    assert (tmp_path / "outputs" / "deep" / "run").is_dir()


def test_what_is_there_is_not_claimed_again(tmp_path: Path) -> None:
    write.claim(tmp_path / "run")
    (tmp_path / "run" / "kept").write_text("kept")
    with pytest.raises(UsageError) as caught:
        write.claim(tmp_path / "run")
    assert str(caught.value) == (
        f"{tmp_path / 'run'}: the run directory exists already\n"
        "  fix: choose another run.name or --out, or move the old run away; runs are never overwritten"
    )
    assert caught.value.exit_code == 2
    assert (tmp_path / "run" / "kept").read_text() == "kept"


def test_a_file_of_that_name_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(UsageError, match="the run directory exists already"):
        write.claim(tmp_path / "run")


@posix
@pytest.mark.parametrize(
    ("inner", "reason"),
    [("run", "File exists"), ("deep/run", "Not a directory"), ("deep/deeper/run", "Not a directory")],
)
def test_a_file_in_the_place_of_the_folder_above_is_told_as_such(inner: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("x")
    with pytest.raises(UsageError) as caught:
        write.claim(tmp_path / "outputs" / inner)
    assert str(caught.value) == (
        f"{tmp_path / 'outputs' / inner}: cannot make the run directory: {reason}\n"
        "  fix: choose a folder you can write to with --out"
    )


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir(mode=0o500)
    with pytest.raises(UsageError, match="cannot make the run directory: Permission denied"):
        write.claim(tmp_path / "outputs" / "run")


def test_of_two_processes_that_claim_at_once_exactly_one_wins(tmp_path: Path) -> None:
    code = """
        import pathlib, sys, time
        from sealkit.finding import UsageError
        from sealkit.write import claim
        folder = pathlib.Path(sys.argv[1])
        print("ready", flush=True)
        while not (folder / "go").exists():
            pass
        won = []
        for i in range(50):
            try:
                claim(folder / "runs" / str(i))
            except UsageError:
                won.append("0")
            else:
                won.append("1")
        print("".join(won))
    """
    processes = [in_a_process(code, str(tmp_path)) for _ in range(2)]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    first, second = (process.communicate(timeout=60)[0].strip() for process in processes)
    assert len(first) == 50
    assert [int(a) + int(b) for a, b in zip(first, second, strict=True)] == [1] * 50


# Logs


def test_rows_are_appended(tmp_path: Path) -> None:
    write.append(tmp_path / "log.jsonl", {"event": "start", "é": "\u2028\n"})
    write.append(tmp_path / "log.jsonl", {"event": "end"})
    assert [row for _, row in jsonl.rows(tmp_path / "log.jsonl")] == [
        {"event": "start", "é": "\u2028\n"},
        {"event": "end"},
    ]
    assert (tmp_path / "log.jsonl").read_bytes().endswith(b'{"event": "end"}\n')


def test_a_row_that_json_does_not_have_is_not_begun(tmp_path: Path) -> None:
    write.append(tmp_path / "log.jsonl", {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write.append(tmp_path / "log.jsonl", {"a": math.nan})
    assert (tmp_path / "log.jsonl").read_text() == '{"a": 1}\n'


def test_rows_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    code = """
        import pathlib, sys
        from sealkit.write import append
        for i in range(100):
            append(pathlib.Path(sys.argv[1]), {"who": sys.argv[2], "i": i, "filling": "x" * 2000})
    """
    processes = [in_a_process(code, str(tmp_path / "log.jsonl"), who) for who in "abc"]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    rows = [row for _, row in jsonl.rows(tmp_path / "log.jsonl")]
    assert {who: [row["i"] for row in rows if row["who"] == who] for who in "abc"} == {
        w: list(range(100)) for w in "abc"
    }


@posix
def test_a_row_that_did_not_fit_is_an_error_and_not_a_torn_line_without_a_word(tmp_path: Path) -> None:
    code = """
        import pathlib, resource, signal, sys
        from sealkit.write import append
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
        log = pathlib.Path(sys.argv[1])
        append(log, {"a": "x" * 30})
        try:
            append(log, {"a": "y" * 30})
        except OSError:
            print("told")
    """
    process = in_a_process(code, str(tmp_path / "log.jsonl"))
    assert process.communicate(timeout=60)[0] == "told\n"
    assert (tmp_path / "log.jsonl").read_text().startswith('{"a": "' + "x" * 30 + '"}\n')


# Reserve


def test_a_reserve_takes_space_and_gives_it_back(tmp_path: Path) -> None:
    reserve = write.Reserve(tmp_path)
    reserve.take()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 256 * 1024
    reserve.release()
    reserve.release()
    assert list(tmp_path.iterdir()) == []


@given(rows=st.lists(st.binary(max_size=300)), torn=st.binary(max_size=300), long=st.booleans())
def test_the_torn_end_of_a_log_is_what_follows_its_last_line(
    tmp_path_factory: pytest.TempPathFactory, rows: list[bytes], torn: bytes, long: bool
) -> None:
    path = tmp_path_factory.mktemp("log") / "logging.jsonl"
    torn = torn.replace(b"\n", b"") * (400 if long else 1)  # longer than what is read at once
    whole = b"".join(row.replace(b"\n", b"") + b"\n" for row in rows)
    path.write_bytes(whole + torn)
    assert write.torn_end(path) == (len(whole), torn)


def test_where_there_is_no_log_nothing_is_torn(tmp_path: Path) -> None:
    assert write.torn_end(tmp_path / "logging.jsonl") == (0, b"")
