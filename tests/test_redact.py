"""Secrets: which values are some, and that nothing of them is left in what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit import secret, secret_scan
from sealkit.redact import KEY_FILE, Redactor, mask, redactor
from tests import redaction_cases as cases


def redacted(value: Any) -> Any:
    return Redactor().text(value) if isinstance(value, str) else Redactor().value(value)


def test_there_are_sixty_cases() -> None:
    assert len(cases.SECRET) + len(cases.OPEN) == 60


@pytest.mark.parametrize(("what", "value", "secrets"), cases.SECRET, ids=[case[0] for case in cases.SECRET])
def test_a_secret_is_redacted(what: str, value: Any, secrets: list[str]) -> None:
    shown = json.dumps(redacted(value))
    assert "[redacted:" in shown
    assert [text for text in secrets if text in shown or json.dumps(text)[1:-1] in shown] == []


@pytest.mark.parametrize(("what", "value", "secrets"), cases.SECRET, ids=[case[0] for case in cases.SECRET])
def test_what_was_redacted_holds_no_secret(what: str, value: Any, secrets: list[str]) -> None:
    assert redacted(redacted(value)) == redacted(value)


@pytest.mark.parametrize(("what", "value"), cases.OPEN, ids=[case[0] for case in cases.OPEN])
def test_what_is_no_secret_stays(what: str, value: Any) -> None:
    assert redacted(value) == value
    assert mask(json.dumps(value)) == json.dumps(value)


@pytest.mark.parametrize(("what", "value", "secrets"), cases.SECRET, ids=[case[0] for case in cases.SECRET])
def test_a_known_secret_is_taken_out_of_any_text(what: str, value: Any, secrets: list[str]) -> None:
    known = redactor([value], [], None)
    for text in (text for text in known.known if len(text) >= 4):
        assert text not in known.text(f"ValueError: refused ({text}), really {text!r}")
        assert json.dumps(text)[1:-1] not in known.text(json.dumps({"message": text}))


def test_a_token_after_a_line_end_that_json_wrote() -> None:
    assert cases.GITHUB not in mask(json.dumps({"text": f"one\n{cases.GITHUB}"}))


def test_the_value_of_a_variable_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_HOST_PART", "quite-unlike-a-secret")
    assert redactor([], ["DB_HOST_PART"], None).text("no quite-unlike-a-secret") == "no [redacted:DB_HOST_PART]"


def test_a_short_known_secret_leaves_other_words_alone() -> None:
    assert Redactor({"pass": "password"}).text("it passed: pass, bypass") == "it passed: [redacted:password], bypass"
    assert Redactor({"a": "password"}).text("a cat") == "a cat"


def test_the_placeholder_tells_equal_secrets_and_no_more(tmp_path: Path) -> None:
    here = Redactor(workspace=tmp_path)
    first, again, other = (here.value({"password": text})["password"] for text in ("one", "one", "two"))
    assert first == again != other
    assert first.startswith("[redacted:password:")
    assert Redactor(workspace=tmp_path).value({"password": "one"})["password"] == first
    assert Redactor(workspace=tmp_path / "elsewhere").value({"password": "one"})["password"] != first


def test_the_key_is_nobodys_to_publish(tmp_path: Path) -> None:
    Redactor(workspace=tmp_path).value({"password": "one"})
    key = tmp_path / KEY_FILE
    assert (len(key.read_bytes()), oct(key.stat().st_mode & 0o777)) == (32, "0o600")
    assert (key.parent / ".gitignore").read_text() == "*\n"


def test_no_key_is_made_where_nothing_is_secret(tmp_path: Path) -> None:
    Redactor(workspace=tmp_path).value({"use_cls_token": "[CLS]"})
    assert list(tmp_path.iterdir()) == []


def test_lines_stay_where_they_were() -> None:
    text = f"a: 1\nkey: |\n  {cases.PEM.replace(chr(10), chr(10) + '  ')}\nb: 2\n"
    assert mask(text).count("\n") == text.count("\n")
    assert mask(text).endswith("\nb: 2\n")


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_can_be_masked_and_a_mask_is_left_alone(text: str) -> None:
    assert mask(mask(text)) == mask(text)
    assert [span for span in secret_scan.spans(mask(text)) if span.certain] == []


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["password", "token", "api_key", "secrets", "x"]) | st.text(max_size=5), inner, max_size=3), max_leaves=8)  # fmt: skip


@given(json_values)
def test_a_redacted_value_holds_no_secret_and_keeps_its_shape(value: Any) -> None:
    found = Redactor().value(value)
    assert list(secret.find(found)) == []
    assert Redactor().value(found) == found


@pytest.mark.parametrize(("what", "value", "secrets"), cases.SECRET, ids=[case[0] for case in cases.SECRET])
def test_a_line_with_a_secret_is_looked_at(what: str, value: Any, secrets: list[str]) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    if secret_scan.spans(text):
        assert secret_scan.lines(f"first\n{text}\nlast".encode()) == [(1, text.encode())]


def test_a_secret_of_several_lines_is_taken_out_line_by_line() -> None:
    lines = [
        "-----BEGIN OPAQUE-----",
        "MIIEvQIBADANBgkqhkiG9w0BAQEF",
        "AASCBKcwggSjAgEAAoIBAQC7VJTU",
        "-----END OPAQUE-----",
    ]
    known = Redactor({"\n".join(lines): "key"})
    shown = [known.text(f"  {line}") for line in lines]
    assert not [line for line in lines if line in "".join(shown)]
    assert shown[1] == "  [redacted:key]"
