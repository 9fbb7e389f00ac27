"""Taking parts by leases: which part a worker does next, when many take from the same folder."""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import cache

from segpipe.store.leases import Leases, has_ended
from segpipe.store.part_folder import PartFolder, part_name


class PartTaker:
    """The parts that are not done yet, as one worker sees them."""

    def __init__(self, folder: PartFolder, leases: Leases, parts: int) -> None:
        """Begin at a part by chance, so that workers that begin together do not meet at every part.

        Args:
            folder: with the records of what is done.
            leases: of this worker, in the same folder.
            parts: how many there are.
        """
        self._folder, self._leases = folder, leases
        first = random.Random(leases.owner).randrange(parts)
        self._left = dict.fromkeys((first + place) % parts + 1 for place in range(parts))

    @property
    def left(self) -> list[int]:
        """Parts that were not done when this worker last looked."""
        return list(self._left)

    def take(self) -> int | None:
        """A part that nobody has, with its lease; None where others have all that are left, or none is."""
        now = cache(self._leases.now)  # asked once, if at all
        for number in self.left:
            if self._folder.has(number):
                self.drop(number)
            elif self._leases.take(part_name(number), now=now):
                if not self._folder.has(number):  # not before either: it was given back a moment ago
                    return number
                self._leases.give_back(part_name(number))
                self.drop(number)
        return None

    def drop(self, number: int) -> None:
        """Look at a part no more."""
        self._left.pop(number, None)


def told_running(leases: Iterable[tuple[str, Leases]]) -> str:
    """What is being done at the first of some places where anybody works; empty where nobody does.

    Args:
        leases: of the parts of a stage at a key each, and the stage's name.
    """
    for stage, held in leases:
        for name, who in held.running().items():
            if has_ended(who):
                continue
            what = f"part {int(name)}" if name.isdecimal() else "a round"
            return f"{what} of {stage} is being done by {who}"
    return ""
