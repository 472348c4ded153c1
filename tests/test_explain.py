"""What the checks say of themselves, word for word, and the page that is made of it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from sealkit.cli import explain as verb
from sealkit.finding import UsageError
from sealkit.pack import BUILT_IN
from sealkit.render import explain
from tests.test_checks import README

FULL = """\
index-counts: The index holds every document once
The index holds one vector for each document: file, ids, manifest and corpus agree.

severity  error
reads     index_manifest/v2, corpus/v1 if there, haplotypes/v1 if there
since     0.1.0
why       Ids shifted after a delete on a flat index, docstores went out of step (haystack#6228, #3961, langchain#9019).
fix       build the index again from the corpus
"""


def toolkit(*arguments: str) -> Result:
    return CliRunner().invoke(verb.command, arguments, standalone_mode=False)


def test_a_check_is_told_in_full() -> None:
    done = toolkit("index-counts")
    assert (done.output, done.return_value) == (FULL, 0)


def test_all_checks_are_told_in_a_line_each() -> None:
    lines = [line.split(maxsplit=2) for line in toolkit().output.splitlines()]
    assert [line[0] for line in lines] == list(BUILT_IN.checks)
    assert ["index-fits-query", "error", "The index fits the queries"] in lines
    assert ["commit-bound", "warning", "Code is bound to a commit"] in lines


def test_the_page_of_all_checks_is_markdown() -> None:
    assert toolkit("--format", "markdown").output == README.read_text("utf-8")


def test_an_optional_kind_is_marked() -> None:
    optional = [check for check in BUILT_IN.checks.values() if any(kind.endswith("?") for kind in check.reads)]
    assert optional
    for check in optional:
        kind, version = next((kind.rstrip("?"), version) for kind, version in check.reads.items() if kind.endswith("?"))
        assert f"{kind}/v{version} if there" in explain.text(check)


def test_a_kind_that_is_not_waited_for_is_told_as_one_that_is_needed() -> None:
    told = toolkit("index-fits-query").output
    assert (
        "reads     resolved_config/v1, run_metadata/v1, index_manifest/v2, search_manifest/v2, model_manifest/v1 if there\n"
        in told
    )


def test_an_unknown_check_is_a_slip_of_the_hand() -> None:
    error = toolkit("indx-counts").exception
    assert isinstance(error, UsageError) and error.exit_code == 2
    assert str(error) == (
        "unknown check `indx-counts`; did you mean `index-counts`?\n  fix: toolkit explain    names every check"
    )


@pytest.mark.parametrize("check_id", BUILT_IN.checks)
def test_every_check_tells_why_and_the_way_out(check_id: str) -> None:
    check = BUILT_IN.checks[check_id]
    told = toolkit(check_id).output
    assert check.summary and all(says in told for says in (check.title, check.summary, check.why, check.fix))
