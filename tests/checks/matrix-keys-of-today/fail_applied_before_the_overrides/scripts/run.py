from app import apply_overrides, read


def load(path, overrides):
    cfg = read(path)
    if "mode" in cfg:
        cfg["retriever"]["mode"] = cfg["mode"]
    apply_overrides(cfg, overrides)
    return cfg
