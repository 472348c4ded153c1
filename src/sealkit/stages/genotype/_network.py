"""The masked-genotype transformer: it encodes windows of tokens, and imputes hidden alleles with the haplotypes that were retrieved.

An encoder of self-attention reads a window; its states, projected position by position, are the window's vector. To impute,
each position attends to the retrieved haplotypes: to their alleles, and to how well each agrees with the query nearby.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from sealkit import fingerprint
from sealkit.finding import Finding, Location, Refused, Severity
from sealkit.read import json as documents
from sealkit.stage import Params
from sealkit.stages.genotype._haplotypes import Data, Vocabulary, Window

CONFIG, WEIGHTS = "config.json", "model.safetensors"
NAME, VERSION = "sealkit masked-genotype transformer", "1"
_LOCAL = 9  # variants on which the agreement with a retrieved haplotype is judged around each position
_PER_POSITION = 4  # numbers of each position that a window's vector is projected from


class Architecture(Params):
    """`dimension` of the states, `layers` and `heads` of the encoder, `embedding` the dimension of a window's vector,
    `neighbours` how many retrieved haplotypes it attends to."""

    dimension: int = Field(default=32, ge=4)
    layers: int = Field(default=1, ge=1)
    heads: int = Field(default=4, ge=1)
    embedding: int = Field(default=64, ge=1)
    neighbours: int = Field(default=8, ge=1)

    @model_validator(mode="after")
    def _heads_share_the_dimension(self) -> Architecture:
        if self.dimension % self.heads:
            raise ValueError(
                f"the {self.heads} heads cannot share the dimension {self.dimension}: give a multiple of it"
            )
        return self


def network(architecture: Mapping[str, Any]) -> Any:
    """A network with random weights of torch's stream. `architecture`: the fields of Architecture, `width`, `variants`, and the
    `tokens` by name."""
    import torch
    from torch import nn
    from torch.nn import functional

    said = architecture
    d, width, tokens = said["dimension"], said["width"], said["tokens"]

    class Network(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Embedding(len(tokens), d)
            self.position = nn.Parameter(torch.randn(width, d) * 0.02)
            self.variant = nn.Embedding(said["variants"] + 1, d)  # the last one stands behind the end of a window
            nn.init.normal_(self.variant.weight, std=0.02)
            self.frequency = nn.Linear(1, d)
            layer = nn.TransformerEncoderLayer(d, said["heads"], 2 * d, 0.0, batch_first=True, norm_first=True)
            self.encoder = nn.TransformerEncoder(layer, said["layers"], enable_nested_tensor=False)
            self.reduce = nn.Linear(d, _PER_POSITION)
            self.project = nn.Linear(width * _PER_POSITION, said["embedding"])
            self.local = nn.Conv1d(3, d // 2, _LOCAL, padding=_LOCAL // 2)
            self.rank = nn.Parameter(torch.zeros(said["neighbours"], d // 2))
            self.norm = nn.LayerNorm(d)
            self.query, self.key, self.value = nn.Linear(d, d), nn.Linear(d // 2, d), nn.Linear(d // 2 + 1, d)
            self.mix = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))
            self.out = nn.Linear(d, 1)

        def states(self, x: Any, variants: Any, frequencies: Any) -> Any:
            """(batch, width, dimension) of tokens, variant numbers and allele frequencies, each (batch, width)."""
            h = self.token(x) + self.position + self.variant(variants) + self.frequency(frequencies[..., None])
            return self.encoder(h, src_key_padding_mask=x == tokens["pad"])

        def vectors(self, states: Any, x: Any) -> Any:
            """Windows as unit vectors (batch, embedding)."""
            kept = self.reduce(states) * (x != tokens["pad"])[..., None]
            return functional.normalize(self.project(kept.flatten(1)), dim=-1)

        def impute(self, states: Any, x: Any, retrieved: Any) -> Any:
            """Logits (batch, width) of the alternate allele; `retrieved` are tokens (batch, neighbours, width)."""
            n, k = retrieved.shape[:2]
            alleles = (retrieved == tokens["alternate"]).float() * 2 - 1
            alleles = alleles * (retrieved != tokens["pad"])
            seen = ((x == tokens["reference"]) | (x == tokens["alternate"]))[:, None].float()
            agrees = ((retrieved == x[:, None]).float() * 2 - 1) * seen
            local = self.local(torch.stack([alleles, agrees, seen.expand_as(agrees)], 2).flatten(0, 1))
            near = functional.gelu(local).unflatten(0, (n, k)).permute(0, 3, 1, 2) + self.rank[:k]
            values = torch.cat([near, alleles.transpose(1, 2)[..., None]], -1)
            q = self.query(self.norm(states))[:, :, None]
            h = states + functional.scaled_dot_product_attention(q, self.key(near), self.value(values)).flatten(2)
            return self.out(h + self.mix(h))[..., 0]

    return Network()


def described(params: Architecture, data: Data) -> dict[str, Any]:
    """What a network for these windows is built by, and in `panel` a digest of what it is for: the tokens, with the frequencies of the
    reference part, and the windows."""
    numbers = {name: getattr(data.vocabulary, name) for name in ("reference", "alternate", "mask", "pad")}
    made_for = {"tokens": data.vocabulary.digest, "windows": [window.document() for window in data.windows]}
    return {
        **params.model_dump(include=set(Architecture.model_fields)),
        "width": data.width,
        "variants": len(data.vocabulary.frequencies),
        "tokens": numbers,
        "panel": fingerprint.of(made_for),
    }


def save(model: Any, architecture: Mapping[str, Any], folder: Path) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, str(folder / WEIGHTS))
    text = json.dumps({"model": NAME, "version": VERSION, **architecture}, indent=2)
    (folder / CONFIG).write_text(text + "\n", "utf-8", newline="\n")


def load(folder: Path, data: Data) -> Any:
    """A saved network. Raises Refused where it is none, or was made for another panel, split, windows or tokens; ReadError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    said: Any = documents.read(folder / CONFIG, CONFIG)
    if not isinstance(said, dict) or (said.get("model"), said.get("version")) != (NAME, VERSION):
        raise _refused(folder, f"is no {NAME} of version {VERSION}", "train it with genotype.train")
    try:
        params = Architecture.model_validate({name: said.get(name) for name in Architecture.model_fields})
    except ValidationError as error:
        raise _refused(folder, f"describes no network: {error.errors()[0]['msg']}", "train it again") from None
    for name, expected in described(params, data).items():
        if said.get(name) != expected:
            message = f"was made for another {name}: {said.get(name)}; this run has {expected}"
            raise _refused(folder, message, "give it the panel, split, windows and tokens that it was trained on")
    model = network(said)
    try:
        load_model(model, str(folder / WEIGHTS))
    except (RuntimeError, SafetensorError) as error:
        raise _refused(
            folder, f"its weights are not those of the network: {str(error).splitlines()[0]}", "train it again"
        ) from None
    return model.eval()


def _refused(folder: Path, message: str, fix: str) -> Refused:
    return Refused([Finding(message, Location(str(folder / CONFIG)), Severity.ERROR, fix=fix)])


def places(window: Window, vocabulary: Vocabulary, width: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Variant numbers and allele frequencies (width,) of a window; behind its end the number after the last variant, and 0."""
    numbers = np.full(width, len(vocabulary.frequencies), dtype=np.int64)
    numbers[: window.length] = np.arange(window.first, window.first + window.length)
    frequencies = np.zeros(width, dtype=np.float32)
    frequencies[: window.length] = vocabulary.frequencies[window.variants]
    return numbers, frequencies
