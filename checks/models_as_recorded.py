"""Every model that the run names or exported has the weights that the run recorded of it."""

from collections.abc import Iterator

from sealkit import Check, Finding, View


def find(run: View) -> Iterator[Finding]:
    observed = run.one("observed")
    for i, model in enumerate(observed.document["models"]):
        # One that is not here says nothing; one that is here with other weights is not the one that the run speaks of.
        if model["state"] == "changed":
            message = f"the {model['role']} model {model['name']} has the weights {model['weights']}"
            yield Finding(f"{message}, recorded were {model['recorded']}", observed.at("models", i, "weights"))


CHECK = Check(
    since="0.1.0",
    title="Models are the ones that the run recorded",
    why="`latest` was made again by the next training, and sealed runs read another model (wandb/docs#523, mlflow#17146).",
    fix="put back the model that the run recorded, or run again under another name",
    reads={"observed": 1},
    find=find,
)
