"""How a run reads its config."""

OLD = {"mode": "retriever.mode", "alpha": "retriever.hybrid.alpha"}


def load(config, overrides):
    config.update(overrides)
    apply_legacy_keys(config)
    return config


def apply_legacy_keys(config):
    for old, new in OLD.items():
        if old in config:
            config[new] = config.pop(old)
