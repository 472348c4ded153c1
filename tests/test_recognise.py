"""Which layout a folder is of, and why: every message word for word."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sealkit.cli import check
from sealkit.finding import UsageError
from sealkit.pack import BUILT_IN, Pack
from sealkit.trees.recognise import Recognised, recognise, sealed_root
from tests.trees import HEAD, layout, write

MATRIX = '{"matrix_id": "m", "experiments": [{"label": "a", "run_id": "r", "status": "ok"}]}\n'
MINE = HEAD + "files:\n  - {path: runs.json, media: json}\n"
TREE = {"models/m/x": "", "configs/a.yaml": "a: 1\n", "scripts/a.py": ""}


def refused(path: Path, named: str | None = None, pack: Pack = BUILT_IN) -> str:
    with pytest.raises(UsageError) as caught:
        recognise(path, pack, named)
    return str(caught.value).replace(str(path), "TREE")


def test_a_matrix_of_other_scripts_is_recognised_by_its_record(tmp_path: Path) -> None:
    folder = write(tmp_path, {"outputs/m/matrix.json": MATRIX}) / "outputs/m"
    found = recognise(folder, BUILT_IN)
    assert isinstance(found, Recognised)
    assert (found.layout.id, found.why) == ("seal-matrix/v1", ("matrix.json:1 holds $.experiments",))
    assert (found.root, found.matrix) == (tmp_path.resolve(), "outputs/m")
    assert found.names == {"matrix": "outputs/m", "outputs": "outputs"}


def test_a_run_of_ours_is_no_tree(tmp_path: Path) -> None:
    write(tmp_path, {"run_metadata.json": "{}", "matrix.json": MATRIX})
    assert recognise(tmp_path, BUILT_IN) is None
    assert recognise(tmp_path, BUILT_IN, "native") is None


def test_no_folder(tmp_path: Path) -> None:
    assert (
        refused(tmp_path / "none")
        == "TREE: no such run directory\n  fix: give the folder that `toolkit run` printed last"
    )


def test_no_layout_says_what_was_looked_for(tmp_path: Path) -> None:
    said = refused(tmp_path).split("\n")
    assert said[:2] == ["TREE: no layout recognises it; looked for", "  native: run_metadata.json"]
    assert "  seal-matrix: matrix.json with $.experiments, and not matrix.json with $.schema" in said
    assert said[-1] == "  fix: toolkit layout draft DIR    writes a layout to begin with; give it with --layout FILE"


def test_the_trees_inside_are_named(tmp_path: Path) -> None:
    write(
        tmp_path, {"outputs/m/matrix.json": MATRIX, "outputs/r/run_metadata.json": "{}", "outputs/x/other.json": "{}"}
    )
    assert refused(tmp_path).split("\n")[-1] == "  fix: name one of the trees in it: TREE/outputs/m, TREE/outputs/r"
    write(tmp_path, {f"outputs/r{i}/run_metadata.json": "{}" for i in range(9)})
    assert refused(tmp_path).split("\n")[-1].endswith("TREE/outputs/r2, …")


def test_several_layouts(tmp_path: Path) -> None:
    write(tmp_path, {"outputs/m/matrix.json": MATRIX, "outputs/m/runs.json": "{}"})
    pack = Pack()
    vars(pack)["tree_layouts"] = {**BUILT_IN.tree_layouts, "my-tool": layout("  - {path: runs.json, media: json}\n")}
    assert refused(tmp_path / "outputs/m", pack=pack) == (
        "TREE: several layouts recognise it: seal-matrix, my-tool\n  fix: name one of them with --layout"
    )
    found = recognise(tmp_path / "outputs/m", pack, "my-tool")
    assert found and found.layout.name == "my-tool"


def test_a_layout_from_a_file(tmp_path: Path) -> None:
    write(tmp_path, {"tree/runs.json": "{}", "my.yaml": MINE})
    found = recognise(tmp_path / "tree", BUILT_IN, str(tmp_path / "my.yaml"))
    assert found and (found.layout.id, found.why, found.matrix) == ("my-tool/v1", ("runs.json",), ".")


def test_a_named_layout_must_recognise_the_tree(tmp_path: Path) -> None:
    write(tmp_path, {"tree/other.json": "{}", "my.yaml": MINE})
    assert refused(tmp_path / "tree", str(tmp_path / "my.yaml")) == (
        "TREE: no layout recognises it; looked for\n  my-tool: runs.json\n"
        "  fix: toolkit layout draft DIR    writes a layout to begin with; give it with --layout FILE"
    )


def test_no_such_layout(tmp_path: Path) -> None:
    known = ", ".join(["native", *BUILT_IN.tree_layouts])
    assert refused(tmp_path, "sael-matrix") == (
        f"--layout sael-matrix: no such layout, and no such file\n  fix: known: {known}"
    )


def test_a_file_that_is_no_layout(tmp_path: Path) -> None:
    write(tmp_path, {"my.yaml": MINE.replace("media: json", "media: jsn"), "no.yaml": "a: 1\na: 2\n"})
    one, other = (refused(tmp_path, str(tmp_path / name)) for name in ("my.yaml", "no.yaml"))
    assert one.startswith('TREE/my.yaml:6: expected one of "json", "yaml", ') and other.startswith(
        "TREE/no.yaml:2: has the key `a` twice"
    )
    assert one.endswith("\n  fix: toolkit spec show tree_layout    tells what a layout holds")


@pytest.mark.parametrize("record", ['"experiments"', "null"])
def test_a_record_of_another_sort_is_no_mark(tmp_path: Path, record: str) -> None:
    write(tmp_path, {"matrix.json": record})
    assert "no layout recognises it" in refused(tmp_path)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ('{"matrix_id": "m",\n"experiments": [{"label": "a', "matrix.json:2: is not JSON: unterminated string"),
        ('{"experiments": NaN}', "matrix.json:1: holds NaN at /experiments"),
        ("[" * 5000, "matrix.json:1: is nested deeper than 64 levels"),
    ],
)
def test_a_record_that_cannot_be_read_is_told_with_its_line(tmp_path: Path, record: str, says: str) -> None:
    write(tmp_path, {"matrix.json": record})
    assert refused(tmp_path).startswith(f"TREE/{says}")


def test_a_pipe_is_no_mark_and_a_link_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "matrix.json")
    assert "no layout recognises it" in refused(tmp_path)
    write(tmp_path, {"away.json": MATRIX, "t/x": ""})
    (tmp_path / "t/matrix.json").symlink_to("../away.json")
    assert refused(tmp_path / "t").startswith("TREE/matrix.json: is a symbolic link")


# The root


@pytest.mark.parametrize("matrix", ["m", "outputs/m", "outputs/exp/m", "results/2026/feb/m", "a/b/c/d/m"])
def test_the_root_is_the_folder_above_that_holds_what_the_layout_names(tmp_path: Path, matrix: str) -> None:
    write(tmp_path / "w", {f"{matrix}/matrix.json": MATRIX, **TREE})
    found = recognise(tmp_path / "w" / matrix, BUILT_IN)
    assert found and (found.root, found.matrix) == (tmp_path.resolve() / "w", matrix)


def test_most_of_it_wins_and_a_folder_too_far_up_is_none(tmp_path: Path) -> None:
    write(tmp_path / "w", {"a/m/matrix.json": MATRIX, "a/models/x": "", **TREE})
    found = recognise(tmp_path / "w/a/m", BUILT_IN)
    assert found and found.root == tmp_path.resolve() / "w"
    write(tmp_path / "far", {"a/b/c/d/e/m/matrix.json": MATRIX, **TREE})
    found = recognise(tmp_path / "far/a/b/c/d/e/m", BUILT_IN)
    assert found and found.root == tmp_path.resolve() / "far/a/b/c/d"


def test_a_root_that_is_given(tmp_path: Path) -> None:
    write(tmp_path / "w", {"outputs/m/matrix.json": MATRIX, **TREE})
    found = recognise(tmp_path / "w/outputs/m", BUILT_IN, root=tmp_path)
    assert found and found.matrix == "w/outputs/m"
    for root, says in (
        (tmp_path / "w/models", "does not lie below"),
        (tmp_path / "w/outputs/m", "is no root of itself"),
    ):
        with pytest.raises(UsageError, match=says):
            recognise(tmp_path / "w/outputs/m", BUILT_IN, root=root)


@pytest.mark.parametrize(
    "document",
    ['{"matrix": "outputs/m"}', '{"matrix": "m"}', '{"matrix": "x/m"}', '{"matrix": ""}', '{"matrix": 1}', "[]", "{"],
)
def test_the_root_of_a_sealed_tree_is_that_of_its_evidence(tmp_path: Path, document: str) -> None:
    write(tmp_path, {"w/outputs/m/seal/evidence.json": document})
    folder = tmp_path.resolve() / "w/outputs/m"
    found = sealed_root(folder, folder / "seal/evidence.json")
    assert found == {'{"matrix": "outputs/m"}': folder.parents[1], '{"matrix": "m"}': folder.parent}.get(document)


def test_a_tree_at_the_top_of_the_disk_has_no_root(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(
        "layout: a/v1\ntitle: T\nrecognised_by: [{file: etc}]\nroot: ..\nfiles: [{path: a, media: json}]\n"
    )
    with pytest.raises(UsageError, match=r"^/: lies at the top of the disk"):
        recognise(Path("/"), BUILT_IN, str(tmp_path / "my.yaml"))


# The verb


def toolkit(*arguments: str) -> Result:
    return CliRunner().invoke(check.command, arguments, standalone_mode=False)


def test_check_tells_the_layout_and_why_and_judges_by_it(tmp_path: Path) -> None:
    write(tmp_path, {"tree/runs.json": "{}", "my.yaml": MINE})
    done = toolkit(str(tmp_path / "tree"), "--layout", str(tmp_path / "my.yaml"))
    assert done.stderr == "layout: my-tool/v1 (runs.json)\nread: 1 file; said: nothing\n"
    assert done.stdout.startswith("./: blocked: nothing to judge: no file says anything of a run\n  fix: ")
    assert "artifacts: 1 passed, 1 blocked\n" in done.stdout
    assert done.return_value == 3


def test_what_a_layout_promises_and_the_tree_has_not_is_no_pass(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"tree/runs.json": "{}", "my.yaml": MINE + "  - {path: 'sums/*.json', media: json, promised: always}\n"},
    )
    done = toolkit(str(tmp_path / "tree"), "--layout", str(tmp_path / "my.yaml"))
    assert "sums/*.json: blocked: promised by the layout my-tool/v1, and absent\n" in done.stdout
    assert done.return_value == 3
