"""`python -m hf_ledger.cli` is `hf-ledger`."""

import sys

from hf_ledger.cli import main

sys.exit(main())
