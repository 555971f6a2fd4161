"""The practice server: Hugging Face's wire format on loopback, answered without a model.

It lets the console, the tests and the benchmarks run without a token and without a network.
Whatever it says is titled `TITLE`; calls to it are kept with origin "practice".
"""

from hf_ledger.practice.answers import TITLE
from hf_ledger.practice.app import practice_app

__all__ = ["TITLE", "practice_app"]
