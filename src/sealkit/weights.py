"""The weights of a model in memory: the same digest that its files have once it is saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from sealkit import digest

_DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
}  # fmt: skip


def of(parts: Mapping[str, Any]) -> str | None:
    """The digest of the tensors of modules, by the folder that each is saved to (the model's own folder is empty).

    It is that of `sealkit.digest.weights` for the saved model. None where the tensors cannot be known: quantised,
    on no device, or under adapters that are not merged.
    """
    tensors = {}
    for folder, module in parts.items():
        state = _saved(module)
        if state is None:
            return None
        for name, tensor in state.items():
            dtype = _DTYPES.get(str(getattr(tensor, "dtype", "")).removeprefix("torch."))
            if dtype is None or tensor.device.type == "meta":
                return None
            full = f"{folder}/{name}" if folder else name
            tensors[full] = digest.Tensor(dtype, tuple(tensor.shape), partial(_bytes, tensor))
    found = digest.of_tensors(tensors)
    return found.digest if found.tensors else None


def parts(model: Any) -> dict[str, Any]:
    """The modules of a SentenceTransformer with tensors, by the folder that `save` writes each to."""
    found: dict[str, Any] = {}
    for i, (_, module) in enumerate(model.named_children()):
        root = i == 0 and getattr(module, "save_in_root", False)
        found |= dict(_parts("" if root else f"{i}_{type(module).__name__}", module))
    return found


def route(router: Any, task: str) -> list[Any]:
    """The modules of a Router that inputs of a task go through: what follows from its mappings, as for texts."""
    return list(router.sub_modules[router._resolve_route(task=task, modality="text")])


def adapted(module: Any) -> bool:
    """Whether adapters (PEFT) that are not merged are part of a model."""
    return any(
        getattr(inner, "_hf_peft_config_loaded", False) or type(inner).__module__.startswith("peft.")
        for inner in module.modules()
    )


def _parts(folder: str, module: Any) -> Iterator[tuple[str, Any]]:
    if type(module).__name__ != "Router":
        yield folder, module
        return
    seen = set()
    for name, modules in module.sub_modules.items():
        for i, inner in enumerate(modules):
            if id(inner) not in seen:
                seen.add(id(inner))
                below = f"{name}_{i}_{type(inner).__name__}"
                yield from _parts(f"{folder}/{below}" if folder else below, inner)


def _saved(module: Any) -> Mapping[str, Any] | None:
    """The tensors of a module as they are saved: of tied ones one, and under the names of files."""
    from transformers import PreTrainedModel

    inner = getattr(module, "model", None)
    wrapped = not isinstance(module, PreTrainedModel) and isinstance(inner, PreTrainedModel)
    model = inner if wrapped else module
    if adapted(model) or getattr(model, "hf_quantizer", None) is not None:
        return None
    if not isinstance(model, PreTrainedModel):
        return module.state_dict() if hasattr(module, "state_dict") else None
    from transformers.core_model_loading import revert_weight_conversion
    from transformers.modeling_utils import remove_tied_weights_from_state_dict

    left_out = model._keys_to_ignore_on_save or ()
    state = {name: tensor for name, tensor in model.state_dict().items() if name not in left_out}
    found: Mapping[str, Any] = revert_weight_conversion(model, remove_tied_weights_from_state_dict(state, model))
    return found


def _bytes(tensor: Any) -> Iterable[memoryview]:
    """A tensor's bytes, where it lies in main memory without a copy."""
    import torch

    yield memoryview(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
