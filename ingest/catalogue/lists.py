"""What public price lists say: the router's models, the Hub's mappings, endpoint hardware.

Pure readers. A list that is no list raises `Unusable`; a single entry that can't be a price is
counted and left out, and its pair is neither closed nor changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec

from hf_ledger.ingest.errors import Unusable

NINE_PLACES = Decimal("1e-9")
#: USD per million tokens; a figure above is no price of tokens.
HIGHEST = Decimal(1_000_000)


class Listed(msgspec.Struct, frozen=True, order=True):
    """A pair as the list shows it; USD per million tokens, None where it states no price."""

    model: str
    provider: str
    input_usd: Decimal | None
    output_usd: Decimal | None
    is_free: bool = False

    @property
    def prices(self) -> tuple[Decimal, Decimal] | None:
        """Input and output; 0 and 0 is free only where the list says so, else a placeholder."""
        if self.input_usd is None or self.output_usd is None:
            return None
        prices = (self.input_usd, self.output_usd)
        return prices if self.is_free or any(prices) else None


class PriceList(msgspec.Struct, frozen=True):
    """One reply of the router: every pair it lists, and pairs whose figures are no prices."""

    captured_at: datetime
    source: str
    snapshot: str
    pairs: list[Listed]
    unreadable: list[tuple[str, str]] = []


class Route(msgspec.Struct, frozen=True):
    """A provider's own id for a model; USD per million tokens where the mapping states both."""

    model: str
    provider: str
    provider_model: str
    task: str | None
    input_usd: Decimal | None = None
    output_usd: Decimal | None = None


class Hardware(msgspec.Struct, frozen=True):
    """What one replica of a machine costs an hour."""

    vendor: str
    accelerator: str | None
    instance_type: str
    instance_size: str
    usd_per_hour: Decimal


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def decoded(body: bytes, source: str) -> Any:
    """JSON with exact decimals; NaN and Infinity are no JSON."""
    try:
        return json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=refused)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Unusable(f"{source} answered with no JSON: no price was changed.") from error


def refused(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def price_list(body: bytes, source: str, captured_at: datetime) -> PriceList:
    """Read `GET /v1/models`. Raises `Unusable` where it lists no model with a provider."""
    answer = decoded(body, source)
    pairs: dict[tuple[str, str], Listed] = {}
    unreadable: set[tuple[str, str]] = set()
    for model, provider, entry in entries(answer):
        listed = pair_of(model, provider, entry)
        if listed is None:
            unreadable.add((model, provider))
        else:
            pairs[model.lower(), provider] = listed
    if not pairs:
        raise Unusable(f"{source} lists no model with a provider: no price was changed.")
    return PriceList(captured_at, source, digest(body), sorted(pairs.values()), sorted(unreadable))


def entries(answer: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Model, provider and what stands there, wherever both have a name."""
    models = answer.get("data") if isinstance(answer, dict) else None
    for model in dicts(models):
        for entry in dicts(model.get("providers")):
            if named(model.get("id")) and named(entry.get("provider")):
                yield model["id"], entry["provider"], entry


def dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def named(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 300 and value.isprintable()


def pair_of(model: str, provider: str, entry: dict[str, Any]) -> Listed | None:
    """The pair with its prices; None where something stands there that is no price."""
    pricing = entry.get("pricing")
    if pricing is None:
        return Listed(model, provider, None, None)
    if not isinstance(pricing, dict):
        return None
    usd = [per_mtok(pricing.get(name)) for name in ("input", "output")]
    if None in usd:
        return None
    return Listed(model, provider, usd[0], usd[1], entry.get("is_free") is True)


def per_mtok(value: Any) -> Decimal | None:
    """USD at nine places; None for what is no price."""
    if not isinstance(value, Decimal) or not 0 <= value <= HIGHEST:
        return None
    return value.quantize(NINE_PLACES, ROUND_HALF_EVEN)


def routes_of(body: bytes, source: str) -> list[Route]:
    """Read one page of `GET /api/models?expand[]=inferenceProviderMapping`."""
    routes = set()
    for model in dicts(decoded(body, source)):
        for entry in dicts(model.get("inferenceProviderMapping")):
            told = (model.get("id"), entry.get("provider"), entry.get("providerId"))
            if all(named(each) for each in told):
                model_id, provider, provider_model = map(str, told)
                task = task_of(entry.get("task"))
                usd = stated(entry) if task == "chat-completion" else (None, None)
                routes.add(Route(model_id, provider, provider_model, task, *usd))
    return sorted(routes, key=str)


def stated(entry: dict[str, Any]) -> tuple[Decimal | None, Decimal | None]:
    """What a mapping says of the price; neither where one is missing, or both are 0."""
    details = entry.get("providerDetails")
    pricing = details.get("pricing") if isinstance(details, dict) else None
    if not isinstance(pricing, dict):
        return None, None
    entered, output = per_mtok(pricing.get("input")), per_mtok(pricing.get("output"))
    known = entered is not None and output is not None and (entered or output)
    return (entered, output) if known else (None, None)


def task_of(name: Any) -> str | None:
    if not named(name):
        return None
    return "chat-completion" if name == "conversational" else str(name)


def hardware_of(body: bytes, source: str) -> list[Hardware]:
    """Read `GET /v2/provider`: a flat list of machines, or vendors that hold regions and these.

    Of one machine at several prices (by region) the highest counts. Raises `Unusable` where the
    reply names no machine with a price.
    """
    found: dict[tuple[str, str, str], Hardware] = {}
    for machine in machines(decoded(body, source), {}):
        hardware = hardware_in(machine)
        if hardware:
            key = (hardware.vendor, hardware.instance_type, hardware.instance_size)
            if key not in found or found[key].usd_per_hour < hardware.usd_per_hour:
                found[key] = hardware
    if not found:
        raise Unusable(f"{source} names no machine with a price: no price was changed.")
    return [found[key] for key in sorted(found)]


def machines(value: Any, above: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Objects with a price, each with what stands above it."""
    if isinstance(value, list):
        for each in value:
            yield from machines(each, above)
    elif isinstance(value, dict):
        told = {**above, **{key: each for key, each in value.items() if isinstance(each, str)}}
        if first(value, "price_per_hour", "pricePerHour") is not None:
            yield {**told, **value}
        else:
            for key, each in value.items():
                inner = {**told, "vendor": value["name"]} if key == "regions" else told
                yield from machines(each, inner)


def hardware_in(machine: dict[str, Any]) -> Hardware | None:
    usd = first(machine, "price_per_hour", "pricePerHour")
    told = (
        first(machine, "vendor"),
        first(machine, "instance_type", "instanceType"),
        first(machine, "instance_size", "instanceSize"),
    )
    if not isinstance(usd, Decimal) or not 0 < usd < 10_000 or not all(map(named, told)):
        return None
    accelerator = first(machine, "accelerator")
    return Hardware(
        vendor=told[0],
        accelerator=accelerator if named(accelerator) else None,
        instance_type=told[1].lower().removeprefix("nvidia-"),
        instance_size=told[2],
        usd_per_hour=usd.quantize(NINE_PLACES, ROUND_HALF_EVEN),
    )


def first(found: dict[str, Any], *names: str) -> Any:
    return next((found[name] for name in names if found.get(name) is not None), None)
