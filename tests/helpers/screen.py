"""A program in a pseudo-terminal, and what is on its screen in the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence

_CODE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b.")


def run_in_terminal(
    command: Sequence[str], width: int, height: int, environment: Mapping[str, str]
) -> str:
    """Run a command in a terminal of this size; everything that it has written there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    program = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(environment)
    )
    os.close(theirs)
    written = bytearray()
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that nobody has the other end any more
            break
        if not part:
            break
        written += part
    os.close(ours)
    assert program.wait(60) == 0, written.decode(errors="replace")
    return written.decode()


def screen_of(written: str, width: int) -> list[str]:
    """The lines of the screen after what was written, those that scrolled away among them.

    It knows what rich uses: moving up, to the line's beginning, and erasing a line.
    """
    lines, row, column, at = [""], 0, 0, 0
    while at < len(written):
        code = _CODE.match(written, at)
        if code is not None:
            at = code.end()
            if code.group(2) == "A":
                row = max(0, row - int(code.group(1) or 1))
            elif code.group(2) == "K":
                lines[row] = ""
            continue
        character = written[at]
        at += 1
        if character == "\r":
            column = 0
        elif character == "\n":
            row += 1
        else:
            if column == width:  # a terminal goes on in the next line
                row, column = row + 1, 0
                lines += [""] * (row + 1 - len(lines))
            lines[row] = f"{lines[row]:{column}}"[:column] + character + lines[row][column + 1 :]
            column += 1
        while row >= len(lines):
            lines.append("")
    return [line.rstrip() for line in lines]
