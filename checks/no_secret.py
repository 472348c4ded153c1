"""No text of the run holds a password, a key or a token; values of the environment stand as `${ENV:NAME}`."""

import re
from collections.abc import Iterator

from sealkit import Check, Finding, Location, ReadError, Severity, View

SEAL = re.compile(r"(seal|\.seal\.[0-9a-f]{8}\.tmp)/")  # also while it is being written


def find(run: View) -> Iterator[Finding]:
    content = {artifact.path for kind in ("corpus", "queries") for artifact in run.all(kind)}
    for name in run.files:
        if SEAL.match(name):
            continue  # made from the rest, and quoting no secret of it
        try:
            for line, kind, certain in run.secrets(name):
                # What a collection says of passwords is its text; a token that was issued is one anywhere.
                if certain or name not in content:
                    yield Finding(f"holds a secret: {kind}", Location(name, line=line))
        except ReadError as error:
            yield Finding(f"was not searched to its end: it {error.message}", error.at, Severity.WARNING, fix=error.fix)


CHECK = Check(
    since="0.1.0",
    title="No secret in what was written",
    why="A run uploaded its whole config with the keys in it (rslearn#687), half a key pair was masked (terraform-aws-wandb#258).",
    fix="revoke it, remove it from the file, and name the variable that holds it: ${ENV:NAME}",
    reads={"summary": 1, "corpus?": 1, "queries?": 1},
    find=find,
)
