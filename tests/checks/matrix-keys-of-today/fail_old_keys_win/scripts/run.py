"""How a run reads its config."""

from typing import Any

OLD = {"mode": "retriever.mode", "alpha": "retriever.hybrid.alpha"}


def load(config: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    config.update(overrides)
    apply_legacy_keys(config)
    return config


def apply_legacy_keys(config: dict[str, Any]) -> None:
    for old, new in OLD.items():
        if old in config:
            config[new] = config.pop(old)
