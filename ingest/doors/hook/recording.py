"""`record()`: from here on every Hugging Face call of this process is kept."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING

from hf_ledger.ingest.doors.hook import clients
from hf_ledger.ingest.doors.hook.hook import Hook, restart_after_fork
from hf_ledger.ingest.doors.hook.hosts import environment as variables
from hf_ledger.ingest.doors.hook.hosts import named_hosts, settings_of
from hf_ledger.ingest.doors.hook.labels import Labels, given
from hf_ledger.ingest.doors.hook.later import now_or_later
from hf_ledger.ingest.doors.hook.threads import carry_labels, leave_threads_alone
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.process import this_process
from hf_ledger.ingest.spool.segments import Segments

if TYPE_CHECKING:
    from hf_ledger.ingest.spool.sender import Sender

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
SERVER_VARIABLE = "HF_LEDGER_SERVER"

Hosts = str | Iterable[str] | Mapping[str, str]


class Recording:
    """What one process has switched on; there is one of these."""

    def __init__(self) -> None:
        self.hook: Hook | None = None
        self.places: Places | None = None
        self.hooked: dict[str, str] = {}  # library → method wrapped
        self.sender: Sender | None = None

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

    def send(self, hook: Hook, places: Places) -> None:
        """Send what is recorded to the server that the environment names, if it names one."""
        if self.sender:
            self.sender.finish(0)
        self.sender = _sender(hook, places) if variables().get(SERVER_VARIABLE) else None
        hook.sending = self.sender.nudge if self.sender else None

    def finish_sending(self) -> None:
        if self.hook and self.sender:
            self.hook.shield(self.sender.finish)

    def restart_sending(self) -> None:
        if self.sender:
            self.sender.restart()


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
    assert active.hook is not None
    if where != active.places:
        active.send(active.hook, where)
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


def _sender(hook: Hook, places: Places) -> Sender | None:
    """None, and a line in the log, where the settings can't be."""
    from hf_ledger.ingest.spool.posting import target_of
    from hf_ledger.ingest.spool.sender import Sender

    try:
        target = target_of(variables())
    except Usage as error:
        logger.warning("hf-ledger records, but sends nothing: %s", error)
        return None
    return Sender(places, target, hook.shield, hook.forget_key) if target else None


def _start(hook: Hook) -> None:
    active.hook = hook
    now_or_later(clients.LIBRARIES, active.library)
    restart_after_fork(hook.restart)
    restart_after_fork(active.restart_sending)
    # The last to be registered runs first: what `finish` writes can still be sent.
    atexit.register(active.finish_sending)
    atexit.register(hook.finish)


def stop() -> None:
    """Switch recording off and put every patched function back; what is under way is written."""
    hook = active.hook
    if hook is None:
        return
    clients.unhook_all()
    leave_threads_alone()
    atexit.unregister(hook.finish)
    atexit.unregister(active.finish_sending)
    hook.stop()
    active.finish_sending()
    active.hook, active.places, active.hooked, active.sender = None, None, {}, None
