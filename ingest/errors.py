"""Errors with one sentence for the person who can do something about them.

LedgerError
├── Usage        the command was called wrongly            exit 2
├── Unusable     a file, port, token or lock is in the way  exit 2
│   └── Owned    another process holds the ledger
└── Incomplete   done, but something was left out           exit 1
"""

from __future__ import annotations


class LedgerError(Exception):
    """Base of all errors that a person is shown as one sentence, without a traceback."""

    exit_code = 2


class Usage(LedgerError):  # noqa: N818 - named for what the reader did, as click names them
    """The command was called with arguments that make no sense together."""


class Unusable(LedgerError):  # noqa: N818
    """Something outside the program is in the way; the sentence says what to do."""


class Owned(Unusable):
    """The ledger file is held by another process."""


class Incomplete(LedgerError):  # noqa: N818
    """The work was done for what was good; the rest is listed."""

    exit_code = 1
