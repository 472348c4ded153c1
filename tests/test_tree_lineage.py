"""Which training made which model and which run loaded it; how runs, steps and measures are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit.finding import Location
from sealkit.trees import selection
from sealkit.trees.contrasts import contrasts
from sealkit.trees.evidence import Evidence, same_name
from sealkit.trees.lineage import Lines, differ
from sealkit.trees.pointers import trained_after
from sealkit.trees.switches import changed, settings
from sealkit.trees.words import SHOWN, called, few, lower_is_better, measure, names, step_of, switched
from tests.sound_tree import evidence, model, said


def labelled(*labels: str) -> Evidence:
    return evidence(*(said("run", f"id{i}", "label", label) for i, label in enumerate(labels)))


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (["a"], "a"),
        (["m1", "m2"], "m1 and m2"),
        (["m1", "m2", "m3"], "m1–m3"),
        (["m09", "m10", "m11", "bm25"], "m09–m11 and bm25"),
        (["m01", "m03", "m04"], "m01, m03 and m04"),
        (["dense", "hybrid", "rerank"], "dense, hybrid and rerank"),
        (["post", "post"], "post (id0) and post (id1)"),
        ([f"r{2 * i}" for i in range(20)], "r0, r2, r4, r6, r8, r10, r12 and 13 more"),
    ],
)
def test_runs_are_named_as_one_reads_them(labels: list[str], shown: str) -> None:
    tree = labelled(*labels)
    assert names(tree.ids("run"), tree) == shown


def test_runs_are_named_in_the_order_of_the_matrix_and_once() -> None:
    tree = labelled("a", "b")
    assert names(["id1", "id0", "id1"], tree) == "a and b"


@given(st.lists(st.text("ab1-– ", min_size=1, max_size=4), min_size=2, max_size=6))
def test_no_two_runs_are_called_the_same(labels: list[str]) -> None:
    tree = labelled(*labels)
    assert len({called(run, tree) for run in tree.ids("run")}) == len(labels)


HUB = "sentence-transformers/all-MiniLM-L6-v2"
SNAPSHOT = "models--sentence-transformers--all-MiniLM-L6-v2/snapshots/8b3219a92973c328a8e22fadcfa821b5dc75636a"


@pytest.mark.parametrize(
    "spelling",
    [
        "all-MiniLM-L6-v2",
        "all-minilm-l6-v2",
        f"/home/ada/.cache/huggingface/hub/{SNAPSHOT}",
        f"C:\\Users\\ada\\hub\\{SNAPSHOT}".replace("/", "\\"),
        f"https://huggingface.co/{HUB}",
        f"{HUB}/",
    ],
)
def test_a_model_of_the_hub_has_several_spellings(spelling: str) -> None:
    assert same_name(HUB, spelling)
    assert same_name(spelling, HUB)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("models/ft/a", "./models/ft/a/", True),
        ("models/ft/a", "models\\ft\\a", True),
        ("models/ft/a", "/home/ada/models/ft/a", True),
        ("models/ft/a", "C:\\work\\models\\ft\\a", True),
        ("models/ft/a", "models/ft/A", False),
        ("models/ft/a", "other/models/ft/a", False),
        ("ft/a", "/home/ada/shift/a", False),
        (HUB, "intfloat/all-MiniLM-L6-v2", False),
        (HUB, "sentence-transformers/all-MiniLM-L12-v2", False),
    ],
)
def test_names_of_models(one: str, other: str, same: bool) -> None:
    assert same_name(one, other) is same


@given(st.text(max_size=20), st.text(max_size=20))
def test_whether_two_names_are_one_models_has_no_order(one: str, other: str) -> None:
    assert same_name(one, other) == same_name(other, one)
    assert same_name(one, one)


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("recall@5", "recall@5"),
        ("dev/recall@5", "recall@5"),
        ("metrics.retrieval_full.Recall@10", "recall@10"),
        ("eval_recall_at_10", "recall@10"),
        ("eval_loss", "loss"),
        ("train.loss", "train.loss"),
    ],
)
def test_measures(key: str, shown: str) -> None:
    assert measure(key) == shown


@given(st.sampled_from(["recall@10", "ndcg@5", "loss"]), st.sampled_from(["", "dev/", "eval_", "a/b/test_"]))
def test_a_measure_is_the_same_in_every_subset(name: str, before: str) -> None:
    assert measure(before + name) == name


@pytest.mark.parametrize(
    ("name", "lower"),
    [("loss", True), ("contrastive_loss", True), ("wer", True), ("recall@10", False), ("power", False), ("glossary@1", False)],
)  # fmt: skip
def test_what_is_the_better_the_smaller_it_is(name: str, lower: bool) -> None:
    assert lower_is_better(name) is lower


@given(st.integers(0, 10**9), st.sampled_from(["step_{}", "checkpoint-{}", "global_step{}", "ckpt_00{}", "Step-{}"]))
def test_the_step_in_the_name_of_a_folder(step: int, name: str) -> None:
    assert step_of(name.format(step)) == step


@pytest.mark.parametrize("name", ["best_model", "final", "step", "step_5_merged", "epoch_3", "step_²"])
def test_folders_without_a_step(name: str) -> None:
    assert step_of(name) is None


def test_many_places_are_counted() -> None:
    places = [Location("a.txt", line=line) for line in range(1, SHOWN + 4)]
    assert few(places) == (tuple(places[:SHOWN]), " (and 3 more places)")
    assert few([*places[:2], places[0]]) == (tuple(places[:2]), "")
    assert few(places[: SHOWN + 1])[1] == " (and 1 more place)"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (model("a", "1"), model("b", "1"), False),
        (model("a", "1"), model("b", "2"), True),
        (model("a", None), model("b", "2"), None),
        (model("a", "1"), model("b", "2", "pytorch_model.bin"), None),
        (model("a", "1", "pytorch_model.bin"), model("b", "2", "pytorch_model.bin"), True),
    ],
)
def test_weights_in_two_formats_are_not_said_to_differ(one: dict, other: dict, expected: bool | None) -> None:  # type: ignore[type-arg]
    tree = evidence(models=(one, other))
    assert differ(tree.models["a"], tree.models["b"]) is expected


def history(*values: float, key: str = "recall@5", **record: object) -> Lines:
    steps = [said("training", "t", "metric", value, key=key, step=10 * i) for i, value in enumerate(values, 1)]
    return Lines(evidence(*(said("training", "t", what, value, by="record") for what, value in record.items()), *steps))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.sampled_from(["recall@5", "eval_loss"]))
def test_the_best_step_has_the_best_value_of_the_history(values: list[int], key: str) -> None:
    best = selection.best(history(*map(float, values), key=key, selected_by=key), "t")
    wanted = min(values) if "loss" in key else max(values)
    assert (best.value, best.step) == (wanted, 10 * (1 + values.index(wanted)))


def test_of_equal_values_the_best_is_the_one_that_the_record_names() -> None:
    assert selection.best(history(1, 2, 2, selected_by="recall@5"), "t").step == 20
    assert selection.best(history(1, 2, 2, selected_by="recall@5", best_step=30), "t").step == 30
    assert selection.best(history(1, 3, 2, selected_by="recall@5", best_step=30), "t").step == 20


def test_a_log_that_tells_of_every_new_best_means_the_last() -> None:
    lines = [said("training", "t", "best_step", step, by="log") for step in (10, 20)]
    assert selection.best(Lines(evidence(*lines)), "t").step == 20
    assert selection.best(Lines(evidence(*lines, said("training", "t", "best_step", 5, by="record"))), "t").step == 5


def test_a_model_that_two_trainings_made_alike_is_of_the_one_whose_name_it_bears() -> None:
    lines = Lines(
        evidence(
            *(said("training", one, "run_id", one) for one in ("first", "second")),
            said("run", "m", "model", "models/ft/second", by="loaded"),
            models=(model("models/ft/first", "same"), model("models/ft/second", "same")),
        )
    )
    assert lines.maker("m") == "second"
    assert lines.behind == {"second": ["m"]}


def test_a_run_without_a_summary_stands_on_nothing_where_summaries_are_told() -> None:
    told = (said("training", "t", "run_id", "t"), said("run", "m", "model", "models/ft/t", by="loaded"))
    weights = (model("models/ft/t", "1"),)
    looked = [{"for": "run ended", "in": ["runs/*/summary.json"]}]
    assert Lines(evidence(*told, models=weights)).behind == {"t": ["m"]}
    assert Lines(evidence(*told, models=weights, looked=looked)).behind == {}
    ended = said("run", "m", "ended", True)
    assert Lines(evidence(*told, ended, models=weights, looked=looked)).behind == {"t": ["m"]}


def test_a_local_model_that_nobody_made_is_no_base() -> None:
    local = said("run", "m", "model", "models/other/v1", by="loaded")
    contrast = contrasts(Lines(evidence(local, contrasts={"pre_post": True})))["pre_post"]
    assert (contrast.before, contrast.missing) == ((), "no run loaded a base model")
    hub = said("run", "m", "model", HUB, by="loaded")
    assert contrasts(Lines(evidence(hub, contrasts={"pre_post": True})))["pre_post"].before == ("m",)


@pytest.mark.parametrize(
    ("value", "on"), [("True", True), ("ENABLED", True), (1, True), (False, False), ("none", False), ("maybe", None)]
)
def test_switches(value: object, on: bool | None) -> None:
    assert switched(value) is on


def set_to(overrides: dict[str, object] | None = None, run: str = "m", **values: object) -> Evidence:
    told = [said("run", run, "setting", value, key=key.replace("__", ".")) for key, value in values.items()]
    return evidence(*told, *(said("run", run, "override", v, key=k) for k, v in (overrides or {}).items()))


def difference(one: Evidence, other: Evidence, run: str = "m") -> list[str]:
    return list(changed(settings("m", one), settings(run, other)).values())


def test_what_two_runs_are_set_to() -> None:
    one = set_to(rerank__enabled=False, run_id="m", model__name="a", run__name="x", retriever__index="flat", lr=1e-5)
    assert difference(one, set_to(rerank__enabled="false", run_id="n", model__name="a", run__name="y", retriever__index="flat", lr="1e-5")) == []  # fmt: skip
    assert difference(one, set_to(rerank__enabled=False, model__name="b", retriever__index="hnsw", lr=1e-5)) == [
        "model.name a → b",
        "retriever.index flat → hnsw",
    ]
    assert difference(one, set_to({"+rerank.enabled": "true"}, rerank__enabled=False, model__name="a", retriever__index="flat", lr=1e-5)) == ["rerank.enabled false → true"]  # fmt: skip


def test_a_folder_that_is_named_after_the_run_is_no_difference() -> None:
    one, other = set_to(index__place="outputs/m/index"), set_to(run="n2", index__place="outputs/n2/index")
    assert difference(one, other, "n2") == []
    assert settings("m", set_to({"a": "1"})) == {}, "overrides alone are not what was set"


@pytest.mark.parametrize(
    ("matrix", "training", "moved"),
    [
        ("sweep", "20260110_100000_aa", False),  # an hour later, or in another time zone
        ("sweep", "20260112_100000_aa", True),
        ("sweep", "ft-mnr-3", False),
        ("20260110_090000_ef34ab", "20260110_100000_aa", True),  # by the same clock
        ("20260110_090000_ef34ab", "20260110_080000_aa", False),
        ("20261340_090000_ef34ab", "20260112_100000_aa", True),  # which is no date
    ],
)
def test_a_pointer_has_moved_where_no_clock_explains_it(matrix: str, training: str, moved: bool) -> None:
    tree = evidence(
        said("matrix", matrix, "created_at", "2026-01-10T09:00:00+00:00"),
        said("training", training, "run_id", training),
        models=(model(f"models/ft/{training}", "1"), model("models/ft/latest", "1", pointer=True)),
        matrix=f"outputs/{matrix}",
    )
    later = trained_after(tree.models["models/ft/latest"], Lines(tree))
    assert later == (training if moved else None)
