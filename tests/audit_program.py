"""A gateway's process as far as the audit goes, to be killed, forked or run beside another.

audit_program.py write N       N requests, then a clean end
audit_program.py forever       a request a millisecond; says "under way" after 100
audit_program.py fork          a child by fork writes too
audit_program.py full BYTES    files may not grow past BYTES; says how the checks decided
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time

from hf_ledger.ingest.doors.gateway.audit.trail import Trail
from hf_ledger.ingest.doors.gateway.checks.audit import Audit
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.places import Places
from tests.factories_audit import asking, outcome, write


def forever(trail: Trail) -> None:
    for number in range(60_000):
        write(trail, 1, number)
        if number == 100:
            print("under way", flush=True)
        time.sleep(0.001)


def fork(trail: Trail) -> None:
    write(trail, 5)
    child = os.fork()
    if child == 0:
        write(trail, 7, 100)
        trail.close()
        os._exit(0)
    write(trail, 5, 5)
    os.waitpid(child, 0)


def full(trail: Trail, most: int, lost: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    audit = Audit(trail, "go_on" if lost == "go_on" else "refuse")
    said = [decided(audit, number) for number in range(50)]
    print(*said, audit.lost)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(decided(audit, 50))


def decided(audit: Audit, number: int) -> str:
    request = asking(number)
    try:
        audit.check(request)
    except Refused as refused:
        return f"{refused.status}:{refused.code}"
    audit.finish(request, outcome(number))
    return request.verdicts["audit"]


def main(what: str, *arguments: str) -> None:
    trail = Trail(Places.default())
    if what == "write":
        write(trail, int(arguments[0]))
    elif what == "forever":
        forever(trail)
    elif what == "fork":
        fork(trail)
    else:
        full(trail, int(arguments[0]), arguments[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
