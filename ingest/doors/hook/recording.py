"""`record()`: from here on every Hugging Face call of this process is kept."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterable, Mapping
from types import ModuleType

from hf_ledger.ingest.doors.hook import clients
from hf_ledger.ingest.doors.hook.hook import Hook, restart_after_fork
from hf_ledger.ingest.doors.hook.hosts import environment as variables
from hf_ledger.ingest.doors.hook.hosts import named_hosts, settings_of
from hf_ledger.ingest.doors.hook.labels import Labels, given
from hf_ledger.ingest.doors.hook.later import now_or_later
from hf_ledger.ingest.doors.hook.threads import carry_labels, leave_threads_alone
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.process import this_process
from hf_ledger.ingest.spool.segments import Segments

logger = logging.getLogger("hf_ledger")

#: Label → variable that gives it where `record()` is not told, as `hf-ledger record --` does.
LABEL_VARIABLES = {
    "app": "HF_LEDGER_APP",
    "team": "HF_LEDGER_TEAM",
    "environment": "HF_LEDGER_ENVIRONMENT",
    "project": "HF_LEDGER_PROJECT",
    "user": "HF_LEDGER_USER",
}
TAGS_VARIABLE = "HF_LEDGER_TAGS"
HOSTS_VARIABLE = "HF_LEDGER_HOSTS"

Hosts = str | Iterable[str] | Mapping[str, str]


class Recording:
    """What one process has switched on; there is one of these."""

    def __init__(self) -> None:
        self.hook: Hook | None = None
        self.places: Places | None = None
        self.hooked: dict[str, str] = {}  # library → method wrapped

    def library(self, library: ModuleType) -> None:
        """Hook a client library that is here now."""
        if self.hook is None:
            return
        method = clients.hook_library(library, clients.Door(self.hook.begin, self.hook.shield))
        if method is None:
            logger.warning("hf-ledger does not know this %s; its calls go unseen", library.__name__)
        else:
            self.hooked[library.__name__] = method

    def names(self) -> list[str]:
        return sorted(self.hooked)


active = Recording()


def record(
    app: str | None = None,
    team: str | None = None,
    *,
    environment: str | None = None,
    project: str | None = None,
    user: str | None = None,
    tags: Mapping[str, object] | None = None,
    hosts: Hosts = (),
    threads: bool = True,
    places: Places | None = None,
) -> None:
    """Keep every Hugging Face call this process makes from now on, by whichever client.

    The labels go on every call, below those of `attribute`; what is not given comes from
    `HF_LEDGER_APP`, `_TEAM`, `_ENVIRONMENT`, `_PROJECT`, `_USER` and `_TAGS` ("k=v,k=v"). `hosts`
    (and `HF_LEDGER_HOSTS`) name further servers: "host:port", or "host:port=router" for one that
    speaks as Hugging Face's router does. `threads=False` leaves thread starts alone. Calling it
    again changes labels and hosts and adds nothing twice. Raises Usage for an unknown host kind.
    """
    where = places or Places.default()
    settings = settings_of(hosts, where, variables())
    labels = given(
        app=app, team=team, environment=environment, project=project, user=user, tags=tags
    )
    labels = labels.over(labels_of(variables()))
    if active.hook is None:
        _start(Hook(_segments(where, labels), settings, labels, where.keys))
    else:
        active.hook.use(settings, labels)
        if where != active.places:
            active.hook.move(_segments(where, labels), where.keys)
    active.places = where
    if threads:
        carry_labels()
    else:
        leave_threads_alone()


def watch(hosts: Hosts) -> None:
    """Look at these hosts too; without a recording under way nothing happens."""
    if active.hook is not None:
        active.hook.watch_also(named_hosts(hosts))


def labels_of(environment: Mapping[str, str]) -> Labels:
    """Labels a parent process gave in the environment."""
    named = {label: environment.get(variable) for label, variable in LABEL_VARIABLES.items()}
    return given(**named, tags=tags_of(environment.get(TAGS_VARIABLE, "")))  # type: ignore[arg-type]


def tags_of(text: str) -> dict[str, object]:
    """`k=v,k=v` as a mapping; a word without "=" is a tag with an empty value."""
    pairs = (entry.partition("=") for entry in text.split(",") if entry.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _segments(places: Places, labels: Labels) -> Segments:
    return Segments(places.spool, lambda: this_process(labels.app, active.names()))


def _start(hook: Hook) -> None:
    active.hook = hook
    now_or_later(clients.LIBRARIES, active.library)
    restart_after_fork(hook.restart)
    atexit.register(hook.finish)


def stop() -> None:
    """Switch recording off and put every patched function back; what is under way is written."""
    hook = active.hook
    if hook is None:
        return
    clients.unhook_all()
    leave_threads_alone()
    atexit.unregister(hook.finish)
    hook.stop()
    active.hook, active.places, active.hooked = None, None, {}
