"""The opcodes of a pickle, followed without running one: which names it would import, and how far it can be followed."""

from __future__ import annotations

import io
import pickletools
import re
from dataclasses import dataclass, field
from typing import Any

LIMIT = 1_000_000  # opcodes of one pickle
SHOWN = 200  # characters of a name

_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
_TEXTS = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"}
_LINES = {"INT", "LONG", "FLOAT", "STRING", "UNICODE", "PUT", "GET", "PERSID"}  # their argument ends with the line
_CALLS = {"REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"}
_MARK, _UNKNOWN = object(), object()
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")


@dataclass
class Trace:
    """One pickle, followed on a stack of which only texts are known.

    `end` is the byte behind it, or the one from which on it cannot be followed for the reason `broken`. `short`: the data ended before
    it did. `harmless`: whatever is broken would end the loading too.
    """

    end: int
    magic: bool
    names: set[str] = field(default_factory=set)
    opcodes: int = 0
    called: bool = False
    stopped: bool = False
    alone: bool = False
    harmless: bool = False
    short: bool = False
    broken: str | None = None
    marks: int = 0
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    @property
    def is_pickle(self) -> bool:
        """Whether loading would get as far as importing something; or, with nothing to import, to an object.

        Any text begins with some opcode: without the mark of protocol 2 it takes a call, or a whole object, to count.
        """
        if self.magic:
            return self.stopped or bool(self.names) or not self.harmless
        plausible = any(_DOTTED.match(name) or name.startswith("(") for name in self.names)
        if self.names:
            return (self.called and self.stopped) or (plausible and (self.called or self.stopped))
        return self.stopped and self.alone and self.opcodes > 3


class _End(Exception):
    """Loading would end here with an error."""


def trace(data: bytes, start: int = 0, limit: int | None = None) -> Trace:
    """Follow the pickle that begins at `start`, if one does, to its STOP or as far as loading could get. Raises nothing.

    Of `limit` opcodes at most (LIMIT where nothing is said).
    """
    limit = LIMIT if limit is None else limit
    file = io.BytesIO(data)
    file.seek(start)
    found = Trace(start, data[start : start + 2] in (b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5"))
    while not found.stopped:
        found.end = file.tell()
        opcode = _OPCODES.get(file.read(1))
        if opcode is None:
            found.short, found.harmless = found.end == len(data), found.end < len(data)
            found.broken = "the data ends" if found.short else "there is no such opcode"
            break
        try:
            argument = opcode.arg.reader(file) if opcode.arg else None
        except Exception as error:  # ValueError and its kin, and whatever a strange number makes
            found.short = file.tell() == len(data)
            if found.short or opcode.name not in _LINES:
                found.broken = "the data ends" if found.short else str(error)
                break
            argument = None  # loaders read numbers and texts that pickletools refuses: go on behind that line
        try:
            _step(found, opcode, argument)
        except _End as end:
            found.broken, found.harmless = str(end), True
            break
        found.opcodes += 1
        if found.opcodes == limit:
            found.broken = f"it has more than {limit:,} opcodes"
            break
    if found.stopped:
        found.end = file.tell()
        found.alone = found.end == len(data)
    return found


def _step(trace: Trace, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
    """What one opcode does to the stack and the memo, as `pickletools.dis` models it. Raises _End where loading would."""
    name, stack, memo = opcode.name, trace.stack, trace.memo
    if name == "PROTO" and argument > 5:
        raise _End(f"it is of protocol {argument}")
    if name in ("GET", "BINGET", "LONG_BINGET"):
        if argument is not None and argument not in memo:
            raise _End("it refers to what is not there")
        stack.append(memo.get(argument, _UNKNOWN))
    elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "DUP"):
        if not stack:
            raise _End("its stack is empty")
        if name == "DUP":
            stack.append(stack[-1])
        else:
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
    else:
        taken = _pop(trace, opcode)
        if name in ("GLOBAL", "INST"):
            trace.names.add(argument.replace(" ", ".")[:SHOWN])
        elif name == "STACK_GLOBAL":
            known = all(isinstance(part, str) for part in taken)
            trace.names.add(".".join(taken)[:SHOWN] if known else "(a name put together while loading)")
        elif name.startswith("EXT"):
            trace.names.add(f"(number {argument} of the copyreg extensions)")
        trace.called |= name in _CALLS
        trace.stopped = name == "STOP"
        if name == "MARK":
            stack.append(_MARK)
            trace.marks += 1
        else:
            text = argument if name in _TEXTS and isinstance(argument, str) else _UNKNOWN
            stack.extend(text for _ in opcode.stack_after)


def _pop(trace: Trace, opcode: pickletools.OpcodeInfo) -> list[Any]:
    """Take off the stack what an opcode takes; down to the last mark where it takes everything above that."""
    stack, count = trace.stack, len(opcode.stack_before)
    if pickletools.markobject in opcode.stack_before or (opcode.name == "POP" and stack[-1:] == [_MARK]):
        if not trace.marks:
            raise _End("its stack has no mark")
        trace.marks -= 1
        while stack.pop() is not _MARK:
            pass
        count = 0 if opcode.name == "POP" else opcode.stack_before.index(pickletools.markobject)
    taken = stack[len(stack) - count :] if count else []
    if len(taken) < count or _MARK in taken:
        raise _End("its stack is empty")
    del stack[len(stack) - count :]
    return taken
