"""Text with the position of every character in its file."""

from __future__ import annotations

from dataclasses import dataclass

from provision.core.errors import Position

Place = tuple[int, int]
"""Line and column, from 1."""


@dataclass(frozen=True)
class Text:
    """A text and the places of its characters; `end` is the place after the last character."""

    text: str
    places: tuple[Place, ...]
    end: Place
    file: str

    def at(self, index: int) -> Position:
        """The position of the character at `index`; after the last character, the end."""
        line, column = self.places[index] if index < len(self.places) else self.end
        return Position(self.file, line, column)

    @property
    def position(self) -> Position:
        """The position of the first character."""
        return self.at(0)

    def part(self, start: int, stop: int | None = None) -> Text:
        """The characters from `start` to before `stop`."""
        stop = len(self.text) if stop is None else stop
        end = self.places[stop] if stop < len(self.places) else self.end
        return Text(self.text[start:stop], self.places[start:stop], end, self.file)

    def trimmed(self) -> Text:
        """The text as `String.trim` leaves it: without characters up to U+0020 at both ends."""
        inner = [index for index, char in enumerate(self.text) if char > " "]
        return self.part(inner[0], inner[-1] + 1) if inner else self.part(0, 0)

    def __add__(self, other: Text) -> Text:
        return Text(self.text + other.text, self.places + other.places, other.end, self.file)


def of(text: str, file: str) -> Text:
    """The text of a whole file; lines end with LF, CR or CR LF, as in editors."""
    places, line, column = [], 1, 1
    for index, char in enumerate(text):
        places.append((line, column))
        if char == "\n" or (char == "\r" and text[index + 1 : index + 2] != "\n"):
            line, column = line + 1, 1
        else:
            column += 1
    return Text(text, tuple(places), (line, column), file)
