"""Numbers that are valid and belong to nobody, texts without any, and requests that hold them."""

from __future__ import annotations

import json
import random
import uuid
from typing import Any

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking
from hf_ledger.ingest.doors.gateway.compliance.findings import Kind
from hf_ledger.ingest.doors.gateway.state import Key, Screening, State

#: Issuers' test numbers, the examples of standards, and what python-stdnum's documentation shows.
VALID: list[tuple[Kind, str]] = [
    ("card", "4111 1111 1111 1111"),
    ("card", "5555555555554444"),
    ("card", "3782-822463-10005"),
    ("card", "6011111111111117"),
    ("card", "30569309025904"),
    ("card", "2223003122003222"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB29NWBK60161331926819"),
    ("iban", "FR14 2004 1010 0505 0001 3M02 606"),
    ("iban", "GR16 0110 1050 0000 1054 7023 795"),
    ("national_id", "36 574 261 809"),
    ("national_id", "2 95 10 99 126 111 93"),
    ("national_id", "RCCMNL83S18D969H"),
    ("national_id", "756.9217.0769.85"),
    ("national_id", "85.07.30-033.28"),
    ("national_id", "311280-888Y"),
    ("national_id", "15108695088"),
    ("national_id", "390.533.447-05"),
    ("email", "grete.muster+news@mail.example.org"),
    ("phone", "+49 30 901820"),
    ("phone", "+1 (650) 253-0000"),
    ("phone", "+33 1 42 68 53 00"),
    ("token", "hf_" + "Ab1" * 11),
    ("token", "hfl_0123abcd_" + "x" * 43),
    ("token", "sk-proj-" + "a1B2" * 8),
    ("token", "ghp_" + "a1B2" * 9),
    ("token", "github_pat_" + "a1B2" * 12),
    ("token", "AKIA" + "Q2" * 8),
    ("token", "xoxb-" + "123456789012-abcdef"),
    ("token", "AIza" + "a1B2c" * 7),
    ("token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN"),
    ("private_key", "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----"),
]

#: These count only where a word says what they are.
WORDED: list[tuple[str, str]] = [
    ("SSN", "536-90-4399"),
    ("BSN", "111222333"),
    ("PESEL", "44051401359"),
    ("personnummer", "811218-9876"),
    ("DNI", "54362315K"),
    ("NIE", "X2482300W"),
    ("NHS number", "943 476 5870"),
    ("National Insurance", "AB 12 34 56 C"),
    ("CPF", "39053344705"),
    ("social insurance", "123-456-782"),
    ("NIF", "501964843"),
    ("SVNR", "1237 010180"),
    ("CPR", "211062-5629"),
    ("CNP", "1630615123457"),
    ("rodné číslo", "710319/2745"),
    ("T.C. kimlik", "17291716060"),
    ("Aadhaar", "2341 2341 2346"),
    ("TFN", "123 456 782"),
]


def near_miss(value: str) -> str:
    """The same with its last digit one off."""
    place = max(i for i, char in enumerate(value) if char.isdigit())
    return value[:place] + str((int(value[place]) + 1) % 10) + value[place + 1 :]


PROSE = """
On 12 March 2024 the committee met for the 3rd time; 1,204 members (87.3 %) had voted by 18:30.
Chapter 4.2.1 lists 16 measures. Between 1990 and 2024 the price rose from $1.99 to $24,500.00,
and the town counted 1 234 567 inhabitants. Flight LH 1234 leaves at 07:05 from gate B42; seat 21C.
The ISBN is 978-3-16-148410-0, the DOI 10.1000/182, the RFC 9110. ISO 8601 writes 2024-03-12T07:05Z.
Invoice no. 2024-000123 over € 1.299,95 is due within 30 days; order 4500012345, article 0815-4711.
@dataclass; @app.get("/items/{item_id}"); print(f"{x:>10.3f}") # user@ is no address, nor is @home
The image logo@2x.png, the package left-pad@1.3.0 and git@github.com:octocat/Hello-World.git.
Version 2.31.0-rc.1+build.20240312 of hf_hub_download and sk-learn: see hf_token, sk-spin-spinner.
IP 192.168.100.200, MAC 00:1B:44:11:3A:B7, port 8501, coordinates 52.520008, 13.404954, +3.5 %.
"""


def plain_text(seed: int, lines: int) -> str:
    """Prose, tables, identifiers, times and hashes as logs and code hold them, of a fixed seed."""
    rng = random.Random(seed)
    makers = (
        lambda: str(uuid.UUID(int=rng.getrandbits(128))),
        lambda: f"{rng.getrandbits(256):064x}",
        lambda: f"{rng.getrandbits(160):040x}",
        lambda: str(1_600_000_000_000 + rng.randrange(10**11)),
        lambda: str(1_600_000_000 + rng.randrange(10**8)),
        lambda: str((1_600_000_000 + rng.randrange(10**8)) * 10**9),
        lambda: f"{rng.random():.17f}",
        lambda: f"{rng.uniform(-1e6, 1e6):,.2f} | {rng.randrange(10**6):,} | {rng.random():.4f}",
        lambda: " ".join(str(rng.randrange(10**4)) for _ in range(6)),
        lambda: (
            f"2024-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02} 12:{rng.randrange(60):02}"
        ),
        lambda: f"order {rng.randrange(10**9, 10**10)} qty {rng.randrange(100)}",
        lambda: f"x{rng.randrange(10**5)} = {rng.randrange(10**7)} + {rng.randrange(10**7)}",
        lambda: rng.choice(PROSE.strip().splitlines()),
    )
    return "\n".join(rng.choice(makers)() for _ in range(lines))


def asked_of(*texts: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text} for text in texts]
    return {"model": "org/model", "messages": messages, **more}


def asking(asked: Any = None, body: bytes | None = None, **given: Any) -> Asking:
    """A chat request on its way to the router, with a key as `screening` says."""
    screening = given.pop("screening", Screening(on=True))
    call = given.pop("call", Call(call_id="c", ts=0, host_kind="router", requested_model="org/m"))
    return Asking(
        request_id="r",
        ts=0,
        method="POST",
        path="/v1/chat/completions",
        address="127.0.0.1",
        headers={"content-type": "application/json", **given.pop("headers", {})},
        body=json.dumps(asked).encode() if body is None else body,
        state=State(),
        asked=asked,
        key=Key(key_id="k", key_hash="0", name="n", screening=screening),
        call=call,
        upstream=given.pop("upstream", "https://router.huggingface.co"),
        **given,
    )
