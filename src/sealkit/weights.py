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


def of(parts: Mapping[str, Any]) -> dict[str, str | None]:
    """The field `weights`: the digest of the tensors of modules, by the folder that each is saved to (the model's own is empty).

    It is that of `sealkit.digest.weights` for the saved model; under an adapter, for the model without it. None where
    there are no tensors. Empty, for unknown, where they are quantised, on no device, or under several adapters.
    """
    tensors: dict[str, digest.Tensor] = {}
    for folder, module in parts.items():
        state = _saved(module)
        found = None if state is None else _tensors({f"{folder}/{k}" if folder else k: v for k, v in state.items()})
        if found is None:
            return {}
        tensors |= found
    return {"weights": digest.of_tensors(tensors).digest if tensors else None}


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


def adapters(model: Any) -> dict[str, str | None]:
    """The field `adapters`: the digest that the files of the one active adapter (PEFT) have, None where there is none.

    Empty, for unknown, where there are several, where one is switched off, and where PEFT is wrapped around the model.
    """
    found = [inner for inner in model.modules() if _adapted(inner)]
    if not found:
        return {"adapters": None}
    if len(found) > 1 or _active(found[0]) is None:
        return {}
    state = found[0].get_adapter_state_dict(_active(found[0]))
    tensors = _tensors({f"base_model.model.{name}": tensor for name, tensor in state.items()})
    return {} if tensors is None else {"adapters": digest.of_tensors(tensors).digest}


def adapter_settings(model: Any) -> list[Any]:
    """What an adapter's tensors are applied with (scaling, places); what only a version or a place wrote is left out."""
    left_out = ("base_model_name_or_path", "peft_version", "revision", "inference_mode")
    found = []
    for inner in model.modules():
        if _adapted(inner):
            for config in getattr(inner, "peft_config", {}).values():
                settings = {k: v for k, v in config.to_dict().items() if k not in left_out}
                found.append({k: sorted(v) if isinstance(v, set) else v for k, v in settings.items()})
    return found


def _adapted(module: Any) -> bool:
    return getattr(module, "_hf_peft_config_loaded", False) or type(module).__name__.startswith("PeftModel")


def _active(model: Any) -> str | None:
    """The name of the one adapter that is there and applied."""
    if not getattr(model, "_hf_peft_config_loaded", False) or len(model.peft_config) != 1:
        return None
    # On a layer it is a flag; on a model, a method of that name.
    if any(getattr(layer, "disable_adapters", False) is True for layer in model.modules()):
        return None
    active: list[str] = model.active_adapters()
    return active[0] if len(active) == 1 else None


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
    """The tensors of a module as they are saved: of tied ones one, under the names of files, and without an adapter's."""
    from transformers import PreTrainedModel

    if any(_adapted(inner) and _active(inner) is None for inner in module.modules()):
        return None
    model = module if isinstance(module, PreTrainedModel) else getattr(module, "model", None)
    if getattr(model, "hf_quantizer", None) is not None:
        return None
    if not isinstance(model, PreTrainedModel):
        state: Mapping[str, Any] = module.state_dict()
        return state
    from transformers.core_model_loading import revert_weight_conversion
    from transformers.modeling_utils import remove_tied_weights_from_state_dict

    left_out = model._keys_to_ignore_on_save or ()
    kept = {name: tensor for name, tensor in model.state_dict().items() if name not in left_out}
    kept = remove_tied_weights_from_state_dict(kept, model)
    if _adapted(model):
        name = _active(model)
        kept = {_below(key): tensor for key, tensor in kept.items() if name not in key.split(".")}
    found: Mapping[str, Any] = revert_weight_conversion(model, kept)
    return found


def _below(key: str) -> str:
    """The name of a weight of the model that an adapter was put around."""
    return ".".join(part for part in key.split(".") if part not in ("base_layer", "original_module"))


def _tensors(state: Mapping[str, Any]) -> dict[str, digest.Tensor] | None:
    """The tensors to digest; None where one is on no device, or of a type that safetensors does not have."""
    found = {}
    for name, tensor in state.items():
        dtype = _DTYPES.get(str(getattr(tensor, "dtype", "")).removeprefix("torch."))
        if dtype is None or tensor.device.type == "meta":
            return None
        found[name] = digest.Tensor(dtype, tuple(tensor.shape), partial(_bytes, tensor))
    return found


def _bytes(tensor: Any) -> Iterable[memoryview]:
    """A tensor's bytes, where it lies in main memory without a copy."""
    import torch

    yield memoryview(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
