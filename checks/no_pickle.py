"""No file of the run runs code when it is loaded: pickles are found by content, and told by what they would import."""

from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, Location, Severity, View

# What tensors and arrays are built of. Everything else may do anything when it is called.
HARMLESS = {
    "_codecs.encode", "collections.OrderedDict", "numpy.dtype", "numpy.ndarray", "torch.Size",
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    *(f"torch.{kind}Storage" for kind in ("BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short")),
}  # fmt: skip
SHOWN = 5


def find(run: View) -> Iterator[Finding]:
    unread: list[str] = []
    for name in run.files:
        for pickle in run.pickles(name):
            inside = f" in its member {pickle.member}" if pickle.member else ""
            strange = [imported for imported in pickle.names if imported not in HARMLESS]
            if strange:
                more = f" and {len(strange) - SHOWN} more" if len(strange) > SHOWN else ""
                message = f"holds a pickle{inside} that imports {', '.join(strange[:SHOWN])}{more} when it is loaded"
                yield Finding(message, Location(name))
            elif pickle.unread:
                unread.append(f"{name}{inside}: {pickle.unread}")
            else:
                message = f"holds a pickle{inside}; it builds arrays and plain values alone, as far as names tell"
                yield Finding(message, Location(name), severity=Severity.WARNING)
    if unread:
        more = f", and {len(unread) - 1} more" if len(unread) > 1 else ""
        raise Blocked(f"{unread[0]}{more}", "leave out of the run what nobody can read without loading it")


CHECK = Check(
    since="0.1.0",
    title="Nothing runs when it is loaded",
    why="An index's pickled companion ran code when it was loaded (langchain-community#92), the digest beside it was that of "
    "the other file (local-deep-research#4632), and scanners by name or by deny-list were passed (modelscan#338, #263).",
    fix="keep weights as safetensors, arrays as .npy of numbers and the rest as JSON; keep the pickle out of the run",
    reads={"summary": 1},
    find=find,
)
