"""Every target that is known: those of the settings, and what was discovered of them and beside."""

from __future__ import annotations

import threading

from hf_ledger.ingest.doors.router.found import DECODER, Discovered, Source
from hf_ledger.ingest.doors.router.merging import Merged, merged
from hf_ledger.ingest.doors.router.stated import Stated, stated, wanted_of
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import Wanted
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.watched_file import WatchedFile

#: After so many seconds without a look, what servers say is asked for again.
REFRESH_S = 900.0

KEPT = "hf-ledger keeps to the targets that it knew: %s can't be understood (%s)"

_NOTHING = Stated()
_UNSEEN = Discovered()


class Registry:
    """The targets and routes of one installation, as its files have them now.

    Both files are looked at by their stamps with each use: what another process writes is there
    with the next. A file that can't be understood any more leaves things as they were.
    """

    def __init__(self, places: Places) -> None:
        self.places = places
        self._stated = WatchedFile(places.config, self._read, _NOTHING, KEPT)
        self._found = WatchedFile(places.discovered_targets, DECODER.decode, _UNSEEN, KEPT)
        self._looking = threading.Lock()  # else one thread sees what another is reading: nothing
        self.tried_at = float("-inf")  # when this process last began to ask
        self._from: tuple[Stated, Discovered] = (_NOTHING, _UNSEEN)
        self._merged = Merged()

    @classmethod
    def open(cls, places: Places | None = None) -> Registry:
        """The registry of these places. Raises `Unusable` for a settings file with a mistake."""
        where = places or Places.default()
        try:
            stated(where.config.read_bytes(), where.config)
        except FileNotFoundError:
            return cls(where)
        except OSError as error:
            raise Unusable(f"{where.config} cannot be read: {error.strerror}.") from error
        return cls(where)

    def _read(self, content: bytes) -> Stated:
        return stated(content, self.places.config)

    @property
    def stated(self) -> Stated:
        """What the settings say."""
        return self._now()[0]

    @property
    def sources(self) -> dict[str, Source]:
        """What was asked for, when, and what failed since."""
        return self._now()[1].sources

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every target, those of the settings first; the same object while nothing changed."""
        return self._now()[2].targets

    def named(self, name: str) -> Target:
        """The target of that name. Raises `Usage` with those there are."""
        found = self._now()[2].by_name.get(name)
        if found is None:
            known = ", ".join(sorted(self.stated.targets)) or "none"
            raise Usage(f"There is no target {name!r} in {self.places.config}; known: {known}.")
        return found

    def route(self, name: str) -> Wanted:
        """What `[routes.NAME]` asks for. Raises `Usage` with those there are."""
        found = self.stated.routes.get(name)
        if found is None:
            known = ", ".join(sorted(self.stated.routes)) or "none"
            raise Usage(f"There is no route {name!r} in {self.places.config}; known: {known}.")
        return wanted_of(found)

    def seen(self, name: str) -> float | None:
        """When what is discovered of this target was last told, in seconds since 1970."""
        return self._now()[2].seen.get(name)

    def is_stale(self, now: float, after_s: float = REFRESH_S) -> bool:
        """Whether nobody has asked servers for so many seconds; `now` is since 1970.

        What this process has tried counts as well, so that a folder that can't be written does not
        make every request ask anew.
        """
        asked = [self.tried_at, *(source.asked_at for source in self.sources.values())]
        return all(abs(now - moment) >= after_s for moment in asked)

    def _now(self) -> tuple[Stated, Discovered, Merged]:
        with self._looking:
            files = (self._stated.now(), self._found.now())
            if files[0] is not self._from[0] or files[1] is not self._from[1]:
                self._merged = merged(*files)
                self._from = files
            return *files, self._merged
