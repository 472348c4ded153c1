"""One seed is recorded, and every stage and every training drew from it; where a mask has its own, that is recorded with the mask."""

from collections.abc import Iterator
from typing import Any

from sealkit import Check, Finding, Severity, View

Path = tuple[str | int, ...]  # of a setting, from the top of the config


def find(run: View) -> Iterator[Finding]:
    metadata, config = run.one("run_metadata"), run.one("resolved_config")
    seed = metadata.document["seed"]
    told = list(seeds(config.document["config"], ()))
    if seed is None:
        known = next((value for _, value in told if value is not None), None)
        fix = None if known is None else f"tell the run the seed that its config names: {known}"
        message = "no seed is recorded: what was drawn cannot be drawn again"
        yield Finding(message, metadata.at("seed"), also=tuple(config.at("config", *at) for at, _ in told[:1]), fix=fix)
        return
    for path, value in told:
        if of_mask(run, path) and (value is None or value == seed or recorded(run, path, value)):
            continue  # a mask's null is the run's seed
        name, place = ".".join(map(str, path)), config.at("config", *path)
        if value is None:
            message = f"{name} is null: whatever draws from it draws something else each time"
            yield Finding(message, place, also=(metadata.at("seed"),), fix=f"{path[-1]}: {seed}")
        elif path != ("run", "seed") and value != seed:
            message = f"{name} is {value}, the run is recorded with the seed {seed}"
            yield Finding(message, place, also=(metadata.at("seed"),), fix=f"{path[-1]}: {seed}")
    for manifest in run.all("model_manifest"):
        training = manifest.document["training"] or {}
        own = training.get("run_id") == metadata.document["run_id"] and "seed" in training
        if own and training["seed"] != seed:
            message = f"was trained with the seed {training['seed']}, the run is recorded with {seed}"
            yield Finding(message, manifest.at("training", "seed"), also=(metadata.at("seed"),))


def of_mask(run: View, path: Path) -> bool:
    """Whether a seed is that of a mask: in a section or among settings called `mask`, or of a stage that makes one."""
    promised = run.one("resolved_config").document["artifacts"]
    makers = {one["stage"] for one in promised if one["contract"].startswith("mask/")}
    own = path[:1] == ("stages",) and path[2:] == ("with", "seed") and path[1] in makers
    return own or path[-2:] == ("mask", "seed")


def recorded(run: View, path: Path, value: int) -> bool:
    """Whether a mask of the run was drawn with this seed, by the stage that has the setting; one that hides nothing draws nothing."""
    settings = run.one("resolved_config").document["config"]
    for key in path[:-1]:
        settings = settings[key]
    maker = path[1] if path[0] == "stages" and path[-2] == "with" else None
    drawn = {one.document["seed"] for one in run.all("mask") if maker in (None, run.maker(one))}
    return settings.get("kind") == "none" or value in drawn


def seeds(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """(path, value) of every setting that is called a seed."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            called = isinstance(key, str) and (key == "seed" or key.endswith("_seed"))
            # A trainer's `data_seed: null` beside its `seed` says: the same.
            follows = inner is None and key != "seed" and isinstance(value, dict) and type(value.get("seed")) is int
            if called and not follows and (inner is None or type(inner) is int):
                yield (*path, key), inner
            else:
                yield from seeds(inner, (*path, key))


CHECK = Check(
    since="0.1.0",
    title="The seed is recorded",
    why="The same seed gave other results because one part drew from its own (sentence-transformers#617, #3248, setfit#432), "
    "and another seed gave the same because it was not the one that counted (private-transformers#10).",
    fix="set run.seed, and let every stage draw from it",
    reads={"run_metadata": 1, "resolved_config": 1, "model_manifest?": 1, "mask?": 1},
    find=find,
    severity=Severity.WARNING,
)
