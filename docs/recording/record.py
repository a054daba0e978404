#!/usr/bin/env python3
"""Records the README's first command on a terminal of 104 columns and draws it as an SVG that plays once and then stands still.

    cargo build --release && docs/recording/record.py

Needs Python 3.9 or newer on a Unix, and nothing else. The program runs in a temporary directory with copies of plans/ and examples/,
so that nothing of this machine is in the picture. The picture loads nothing; its text can be selected; where animations are off, or
unknown, it shows the last screen.
"""

import argparse
import codecs
import fcntl
import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import struct
import sys
import tempfile
import termios
import time
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMAND = "certsweep run plans/key-compromise.yaml --simulate"
COLUMNS, ROWS = 104, 40
# Bars are redrawn more often than the eye needs: what a screen showed for less is left out.
FRAME = 0.25
TYPING = 0.03  # seconds a letter of the command
CELL_WIDTH, LINE_HEIGHT, FONT_SIZE, MARGIN = 8.4, 19, 14, 16
BACKGROUND, FOREGROUND, GREY = "#16181d", "#d7dae0", "#7f848e"
# The sixteen colours of a terminal, readable on that background.
PALETTE = ["#3f4451", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d7dae0",
           "#7f848e", "#ff7b86", "#a9dc76", "#ffd866", "#78c0ff", "#d99df0", "#6fd3de", "#ffffff"]
PLAIN = (None, False)  # colour, bold
CONTROL = re.compile(r"\x1b\[([?0-9;]*)([@-~])|\x1b[()][0-9A-B]|\x1b[=>78]|[\x00-\x1f\x7f]")


class Screen:
    """As much of a terminal as the bars and annotate-snippets use. Raises on what it does not know, so that no picture is wrong."""

    def __init__(self):
        self.lines = [[]]
        self.row = self.column = 0
        self.style = PLAIN
        self.rest = ""

    def feed(self, text):
        text = self.rest + text
        self.rest, at = "", 0
        for control in CONTROL.finditer(text):
            self.write(text[at:control.start()])
            if control.group() == "\x1b":  # The end of the sequence has not come yet.
                self.rest = text[control.start():]
                return
            self.control(control)
            at = control.end()
        self.write(text[at:])

    def write(self, text):
        for letter in text:
            if self.column == COLUMNS:
                self.move(self.row + 1, 0)
            line = self.lines[self.row]
            line.extend([(" ", PLAIN)] * (self.column + 1 - len(line)))
            line[self.column] = (letter, self.style)
            self.column += 1

    def move(self, row, column):
        self.row, self.column = max(row, 0), max(column, 0)
        while len(self.lines) <= self.row:
            self.lines.append([])

    def control(self, control):
        letters, kind = control.group(), control.group(2)
        numbers = [int(number or 0) for number in (control.group(1) or "").strip("?").split(";")]
        count = numbers[0] or 1
        if letters == "\r":
            self.column = 0
        elif letters == "\n":
            self.move(self.row + 1, self.column)
        elif letters == "\b":
            self.move(self.row, self.column - 1)
        elif kind == "A":
            self.move(self.row - count, self.column)
        elif kind == "B":
            self.move(self.row + count, self.column)
        elif kind == "C":
            self.move(self.row, self.column + count)
        elif kind == "D":
            self.move(self.row, self.column - count)
        elif kind == "G":
            self.move(self.row, count - 1)
        elif kind == "K":
            self.lines[self.row][0 if numbers[0] == 2 else self.column:] = []
        elif kind == "J" and numbers[0] == 0:
            self.lines[self.row][self.column:] = []
            del self.lines[self.row + 1:]
        elif kind == "m":
            self.colour(numbers)
        elif kind in ("h", "l"):
            pass  # The cursor is not drawn.
        else:
            raise ValueError(f"the recorder does not know {letters!r}")

    def colour(self, numbers):
        numbers = iter(numbers)
        for number in numbers:
            colour, bold = self.style
            if number == 0:
                self.style = PLAIN
            elif number == 1:
                self.style = (colour, True)
            elif number == 22:
                self.style = (colour, False)
            elif 30 <= number <= 37:
                self.style = (PALETTE[number - 30], bold)
            elif 90 <= number <= 97:
                self.style = (PALETTE[number - 82], bold)
            elif number == 39:
                self.style = (None, bold)
            elif number == 38 and next(numbers) == 5 and (index := next(numbers)) < 16:
                self.style = (PALETTE[index], bold)
            else:
                raise ValueError(f"the recorder does not know the colour {number}")

    def shown(self):
        """The lines as tuples of (text, style); empty ones at the end are left out."""
        lines = [runs(line) for line in self.lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines


def runs(line):
    """Letters of one style put together; blanks at the end are left out."""
    together = []
    for letter, style in line:
        if together and (together[-1][1] == style or letter == " "):
            together[-1][0] += letter
        else:
            together.append([letter, style])
    if together:
        together[-1][0] = together[-1][0].rstrip()
    return tuple((text, style) for text, style in together if text)


def record(program):
    """Runs the command; the screens as (seconds, lines), the first with the command alone."""
    screen, frames = Screen(), []
    screen.style = (GREY, False)
    screen.feed("$ ")
    screen.style = PLAIN
    at = 0.5
    for letter in COMMAND:
        frames.append((at, screen.shown()))
        screen.feed(letter)
        at += TYPING
    screen.feed("\r\n")
    frames.append((at, screen.shown()))
    at += 0.4
    with tempfile.TemporaryDirectory() as directory:
        for name in ("plans", "examples"):
            shutil.copytree(ROOT / name, pathlib.Path(directory, name))
        process, terminal = pty.fork()
        if process == 0:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.chdir(directory)
            environment = {"PATH": os.environ["PATH"], "HOME": directory, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
            os.execve(program, shlex.split(COMMAND), environment)
        began, last = time.monotonic(), 0.0
        decoder = codecs.getincrementaldecoder("utf-8")()
        while True:
            ready, _, _ = select.select([terminal], [], [], FRAME)
            now = time.monotonic() - began
            if now - last >= FRAME:
                frames.append((at + now, screen.shown()))
                last = now
            if not ready:
                continue
            try:
                output = os.read(terminal, 65536)
            except OSError:  # On Linux the end of a terminal is an error.
                output = b""
            if not output:
                break
            screen.feed(decoder.decode(output))
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if code != 0:
            sys.exit(f"{COMMAND}: exit code {code}")
        frames.append((at + time.monotonic() - began, screen.shown()))
    return frames


def spans(frames):
    """For each row what it shows from when until when (None: to the end), so that what stands still is written once."""
    rows = max(len(lines) for _, lines in frames)
    for row in range(rows):
        text, since = (), 0.0
        for at, lines in frames:
            now = lines[row] if row < len(lines) else ()
            if now != text:
                if text:
                    yield row, text, since, at
                text, since = now, at
        if text:
            yield row, text, since, None


def drawn(row, text, since, until):
    y = MARGIN + row * LINE_HEIGHT + FONT_SIZE
    parts = []
    for run, (colour, bold) in text:
        attributes = (f' fill="{colour}"' if colour else "") + (' class="b"' if bold else "")
        parts.append(f"<tspan{attributes}>{escape(run)}</tspan>" if attributes else escape(run))
    # What is hidden in the end is shown for a while; what is shown in the end is hidden until then.
    if until is None:
        style = f"animation:off {since:.2f}s" if since else ""
    else:
        style = f"visibility:hidden;animation:on {until - since:.2f}s {since:.2f}s"
    style = f' style="{style}"' if style else ""
    return f'<text x="{MARGIN}" y="{y}"{style}>{"".join(parts)}</text>'


def svg(frames):
    rows = max(len(lines) for _, lines in frames)
    width, height = round(COLUMNS * CELL_WIDTH + 2 * MARGIN), rows * LINE_HEIGHT + 2 * MARGIN
    last = "\n".join("".join(text for text, _ in line) for line in frames[-1][1])
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        f"<title>{escape(COMMAND)}</title>",
        f"<desc>{escape(last)}</desc>",
        "<style>",
        f"text{{font:{FONT_SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:{FOREGROUND};"
        "white-space:pre}",
        ".b{font-weight:bold}",
        "@keyframes on{from,to{visibility:visible}}@keyframes off{from,to{visibility:hidden}}",
        "@media (prefers-reduced-motion:reduce){text{animation:none!important}}",
        "</style>",
        f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>',
        *(drawn(*span) for span in spans(frames)),
        "</svg>",
    ]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "target/release/certsweep")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(__file__).with_name("first-run.svg"))
    parser.add_argument("--columns", type=int, default=COLUMNS, help="the terminal's width")
    arguments = parser.parse_args()
    globals()["COLUMNS"] = arguments.columns
    text = svg(record(arguments.program.resolve()))
    arguments.output.write_text(text, encoding="utf-8")
    print(f"{arguments.output}: {len(text.encode()):,} bytes")


if __name__ == "__main__":
    main()
