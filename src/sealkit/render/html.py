"""SEAL.html: the seal as one page that loads nothing and runs nothing, made from what SEAL.md is made from."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from sealkit import digest
from sealkit.render import plot
from sealkit.render import seal as words
from sealkit.render.text import clean

TONES = {"PASS": "good", "PASS (with warnings)": "warn", "FAIL": "bad", "INCONCLUSIVE": "open"}
STATUS_TONES = {
    "passed": "good", "warned": "warn", "failed": "bad", "skipped": "quiet", "blocked": "open", "crashed": "open",
}  # fmt: skip
MEANINGS = {
    "PASS": "Every check that could run has passed.",
    "PASS (with warnings)": "No check has failed; some say what to be careful about.",
    "FAIL": "At least one check has failed.",
    "INCONCLUSIVE": "Something could not be judged, and only what was judged is a pass.",
}


def render(predicate: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """The page of a seal. Every text in it is escaped, and shown without characters that could reorder or hide others."""
    template, style, policy = page("seal.html.jinja", "seal.css")
    outcomes = [*report["artifacts"], *report["checks"]]
    deltas = predicate["deltas"]
    return template.render(
        seal=predicate,
        report=report,
        style=style,
        policy=policy,
        tone=TONES[predicate["verdict"]],
        meaning=MEANINGS[predicate["verdict"]],
        broken=[o for o in outcomes if o["status"] in ("failed", "blocked", "crashed")],
        warned=[o for o in outcomes if o["status"] == "warned"],
        passed=[o for o in outcomes if o["status"] == "passed"],
        skipped=[o for o in outcomes if o["status"] == "skipped"],
        metrics=[(key, predicate["metrics"][key]) for key in sorted(predicate["metrics"], key=words.weight)],
        drawn=plot.intervals(deltas["rows"]) if deltas else None,
        curves=[plot.curve(key, points) for key, points in predicate.get("history", {}).items()],
        commands=words.commands(predicate),
    )


@cache
def page(name: str, *styles: str) -> tuple[Template, Markup, str]:
    """A template, its style sheets as one, and the policy that lets a browser apply them and nothing else."""
    style = "".join(map(_text, styles))
    hashed = base64.b64encode(bytes.fromhex(digest.of_bytes(style.encode()).removeprefix(digest.PREFIX))).decode()
    policy = f"default-src 'none'; style-src 'sha256-{hashed}'; img-src data:; base-uri 'none'; form-action 'none'"
    return _environment().get_template(name), Markup(style), policy


def _text(name: str) -> str:
    return resources.files("sealkit.render").joinpath(name).read_text("utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {"short": _short, "cut": _cut, "number": words.number, "prose": _prose}
    environment.globals |= {
        "MARKS": words.MARKS, "TONES": STATUS_TONES, "judgement": words.judgement, "items": words.items, "SMOKE": words.SMOKE,
        "NOT_COMPARED": words.NOT_COMPARED, "NOTHING_PROMISED": words.NOTHING_PROMISED,
        "NOTHING_STANDS_OUT": words.NOTHING_STANDS_OUT, "plot": plot,
    }  # fmt: skip
    return environment


def _shown(value: Any) -> Any:
    return value if isinstance(value, Markup) else clean(str(value))


def _short(value: str) -> str:
    """A digest or a commit as people compare it by eye."""
    prefix, colon, digits = value.rpartition(":")
    return f"{prefix}{colon}{digits[:12]}…" if len(digits) > 12 else value


def _cut(value: str, length: int) -> str:
    """What fits into a box, with the end kept: names differ there."""
    return value if len(value) <= length else "…" + value[1 - length :]


def _prose(value: str) -> Markup:
    """A sentence of our own, with what stands between backticks in code style."""
    pieces = (escape(piece) for piece in value.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else p for i, p in enumerate(pieces))
