"""Names of sequences: one form for each, and the sequence that the name of a file or folder means."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

_SEPARATORS = r"[\s._-]+"


def normal_form(name: str) -> str:
    """A name in Unicode's composed form (NFC): macOS writes ``é`` as two characters, other systems as one."""
    return unicodedata.normalize("NFC", name)


class NameIndex:
    """Finds the sequences that a name may mean, such as ``jogging.1`` for ``Jogging-1``.

    An exact name comes first. Other names may differ from the sequence's in case and in separators (``-``, ``_``,
    ``.``, spaces), except between two digits: ``car_1_1`` is not ``car-11``.

    Args:
        names: of the sequences.
        aliases: other names of sequences, such as their folders'; they come last.

    Example:
        >>> NameIndex(["Jogging-1", "car-11"]).find("jogging.1")
        ['Jogging-1']
    """

    def __init__(self, names: Iterable[str], aliases: Mapping[str, str] | None = None) -> None:
        self._exact = {normal_form(name): name for name in names}
        self._similar = _group((name, name) for name in self._exact.values())
        self._aliases = _group((alias, name) for alias, name in (aliases or {}).items())

    def find_exact(self, word: str) -> str | None:
        """The sequence of exactly this name, in either Unicode form."""
        return self._exact.get(normal_form(word))

    def find(self, word: str) -> list[str]:
        """The one sequence of this name, or else all whose names are similar; empty if there is none."""
        exact = self.find_exact(word)
        if exact is not None:
            return [exact]
        key = _simplify(word)
        return self._similar.get(key) or self._aliases.get(key) or []


def _group(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for alias, name in pairs:
        groups.setdefault(_simplify(alias), []).append(name)
    return groups


def _simplify(name: str) -> str:
    """A name without case and separators; those between two digits become a slash, which no name has."""
    folded = normal_form(normal_form(name).casefold())
    return re.sub(_SEPARATORS, "", re.sub(rf"(?<=\d){_SEPARATORS}(?=\d)", "/", folded))
