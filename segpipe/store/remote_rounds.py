"""Rounds of a stage of a run on an object store: who does one fetches what it reads, who closes it tells others."""

from __future__ import annotations

from collections.abc import Sequence

from segpipe.store.remote_parts import RemoteParts
from segpipe.store.shared_work import Round, RoundsOfWork, UnitsOfWork, in_rounds


class StoredRounds:
    """Work in rounds on an artefact, of whose files this machine has those that it reads and writes."""

    def __init__(self, work: RoundsOfWork, remote: RemoteParts) -> None:
        """Give others the rounds that this machine has closed before it could say so.

        Args:
            work: the stage's, on what was begun on this machine.
            remote: its parts on the store.
        """
        self._work, self._remote = work, remote
        earlier = range(1, work.round.number)
        said = remote.agreement.closed() if earlier else []
        for number in earlier:
            if number not in said:
                remote.agreement.close(number, work.closed(number))

    @property
    def round(self) -> Round:
        """The round that is this object's."""
        return self._work.round

    @property
    def units(self) -> int:
        """How many there are."""
        return self._work.units

    def lay_out(self) -> None:
        """Write into an empty folder what all parts have to agree on."""
        self._work.lay_out()

    def write(self, units: range) -> None:
        """Do these units, but for those that are done here; what they read of earlier rounds is fetched."""
        self._remote.pull(self._work.needs(units))
        self._work.write(units)

    def names(self, units: range) -> Sequence[str]:
        """The files that these units are written to."""
        return self._work.names(units)

    def needs(self, units: range) -> Sequence[str]:
        """The files that `write` reads for these units, of what units wrote in earlier rounds."""
        return self._work.needs(units)

    def joins(self) -> Sequence[str]:
        """The files of units that are read by who closes the round."""
        return self._work.joins()

    def close_round(self) -> None:
        """Fetch what all units of the round have written, join it, and open the next round to all machines."""
        number = self.round.number
        self._remote.pull(self._work.joins())
        self._work.close_round()
        self._remote.agreement.close(number, self._work.closed(number))

    def closed(self, number: int) -> Sequence[str]:
        """The files that closing a round wrote."""
        return self._work.closed(number)


def stored_work(work: UnitsOfWork, remote: RemoteParts | None) -> UnitsOfWork:
    """A stage's work as processes do it that may share nothing but a store; itself where they share a folder."""
    rounds = in_rounds(work)
    return work if rounds is None or remote is None else StoredRounds(rounds, remote)


def pull_to_verify(work: UnitsOfWork, remote: RemoteParts) -> None:
    """Fetch what parts have written in this round, whose every byte is to be read."""
    remote.pull(None if in_rounds(work) is None else work.names(range(work.units)))


def pull_for_stage(work: UnitsOfWork, remote: RemoteParts) -> None:
    """Fetch what parts have written as far as the stage itself reads it, which goes on from there."""
    rounds = in_rounds(work)
    if rounds is None or not rounds.round.last:
        remote.pull()
        return
    names = rounds.names(range(rounds.units))
    done = len(remote.sizes(names)) == len(names)
    remote.pull([*names, *rounds.joins()] if done else None)
