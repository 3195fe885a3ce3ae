"""What requests cost, where that is known: one table, each price with its source.

Prices change and differ by region, so what comes out is an estimate: of requests
alone, without storage, without transfer out of the store, without what is free each
day or month. A price nobody could vouch for is left out, and so named.
"""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

__all__ = ["Estimate", "PriceList", "estimate_cost", "find_prices"]


class PriceList(NamedTuple):
    """Prices of one store.

    Attributes:
        store: its name, region and class.
        as_of: when the source was retrieved, or what is known of that.
        source: where the prices stood.
        per_million: US dollars for a million requests of a kind (see `Traffic`).
    """

    store: str
    as_of: str
    source: str
    per_million: Mapping[str, float]


class Estimate(NamedTuple):
    """What some requests cost.

    Attributes:
        usd: US dollars.
        prices: by which list.
        unpriced: kinds of requests that were made and whose price is not known.
    """

    usd: float
    prices: PriceList
    unpriced: tuple[str, ...]


_AWS = PriceList(
    store="Amazon S3 Standard, us-east-1",
    as_of="2025-10-28",
    source="AWS Price List API, offer AmazonS3, as retrieved on that day",
    per_million={"put": 5.00, "list": 5.00, "get": 0.40},
)
_B2 = PriceList(
    store="Backblaze B2",
    as_of="2026-11, when a page without a date was read",
    source="backblaze.com/b2/b2-transactions-price.html: class A, B and C",
    per_million={"put": 0.0, "delete": 0.0, "get": 0.40, "head": 0.40, "list": 4.00},
)
_R2 = PriceList(
    store="Cloudflare R2 Standard",
    as_of="2026-11, when a page without a date was read",
    source="developers.cloudflare.com/r2/pricing: class A and B operations",
    per_million={"put": 4.50, "list": 4.50, "get": 0.36, "head": 0.36},
)
_S3_DOMAINS = {".r2.cloudflarestorage.com": _R2, ".backblazeb2.com": _B2}
_AWS_REGION = "us-east-1"
_STANDARD = "STANDARD"


def find_prices(location: str, environment: Mapping[str, str]) -> PriceList | None:
    """The prices of the store at a location; None where they are not known.

    Args:
        location: as the user wrote it.
        environment: may name the region.
    """
    scheme, _, rest = location.partition(":")
    if scheme.lower() != "s3":
        return _B2 if scheme.lower() == "b2" else None
    options = parse_qs(urlsplit(rest).query)
    if options.get("storage-class", [_STANDARD])[-1].upper() != _STANDARD:
        return None
    host = _host(rest, environment)
    for domain, prices in _S3_DOMAINS.items():
        if host.endswith(domain):
            return prices
    is_aws = host in ("", "s3.amazonaws.com", f"s3.{_AWS_REGION}.amazonaws.com")
    is_known = is_aws and _region(host, options, environment) == _AWS_REGION
    return _AWS if is_known else None


def estimate_cost(requests: Mapping[str, int], prices: PriceList) -> Estimate:
    """What these requests cost, by kind."""
    made = {kind: number for kind, number in requests.items() if number}
    known = prices.per_million
    usd = sum(made[kind] * known[kind] for kind in made if kind in known) / 1e6
    unpriced = tuple(sorted(kind for kind in made if kind not in known))
    return Estimate(usd, prices, unpriced)


def _host(rest: str, environment: Mapping[str, str]) -> str:
    """The endpoint's host; empty for the SDK's default, which is AWS."""
    if rest.startswith(("http://", "https://")):
        given = rest
    else:
        given = environment.get("AWS_ENDPOINT_URL_S3", "") or environment.get(
            "AWS_ENDPOINT_URL", ""
        )
    return (urlsplit(given).hostname or "").lower()


def _region(
    host: str, options: Mapping[str, list[str]], environment: Mapping[str, str]
) -> str:
    """The region, as far as location and environment tell."""
    if _AWS_REGION in host:
        return _AWS_REGION
    return (
        options.get("region", [""])[-1]
        or environment.get("AWS_REGION", "")
        or environment.get("AWS_DEFAULT_REGION", "")
    )
