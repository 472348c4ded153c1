"""REF and ALT of one line of a VCF: well formed, and one alternate allele, or what is wrong with them."""

from __future__ import annotations

import re

from sealkit.read.faults import Faults

MULTIALLELIC, NO_ALTERNATE = "multiallelic", "no_alternate"
_BASES = re.compile(r"[ACGTNacgtn]+")
# `<ID>`, `*` (deleted by a variant before it), and the two forms of breakends.
_NAMED = re.compile(
    r"<[^\s<>,]+>|\*|[ACGTNacgtn.]*[\[\]][^\s\[\]]+[\[\]][ACGTNacgtn.]*|\.[ACGTNacgtn]+|[ACGTNacgtn]+\."
)
_ANY = ("<*>", "<NON_REF>")  # of gVCF: whatever else there may be, and so no allele


def judge(ref: str, alt: str, line: int, at: str, faults: Faults) -> int:
    """The number of alternate alleles that are named; what is wrong is noted. `at` is what messages call the place."""
    if not _BASES.fullmatch(ref):
        message = f"{at}: expected bases (A, C, G, T, N) as REF, found {ref[:40]!r}"
        faults.add("REF", line, message, "correct it after the reference: bcftools norm --check-ref")
    found = [] if alt == "." else alt.split(",")
    wrong = next((one for one in found if not (_BASES.fullmatch(one) or _NAMED.fullmatch(one))), None)
    if wrong is not None:
        message = f"{at}: expected bases, <ID>, * or a breakend as ALT, found {wrong[:40]!r}"
        faults.add("ALT", line, message, "write alternate alleles as VCF has them")
    elif len({ref.upper(), *map(str.upper, found)}) <= len(found):
        message = f"{at}: REF {ref[:40]} and ALT {alt[:40]} name an allele twice"
        faults.add("ALT again", line, message, "fetch or write the file again: alleles of the line are wrong")
    named = len(found) if len(found) > 1 else sum(one not in _ANY for one in found)
    if named > 1:
        message = f"{at}: has {named} alternate alleles, {alt[:40]}; expected one"
        fix = "bcftools norm -m- -O z, or leave such variants out (`multiallelic: leave_out`)"
        faults.add(MULTIALLELIC, line, message, fix)
    elif not named:
        message = f"{at}: names no alternate allele, but {alt}; expected one"
        fix = "bcftools view -m2 -M2 -O z, or leave such variants out (`multiallelic: leave_out`)"
        faults.add(NO_ALTERNATE, line, message, fix)
    return named
