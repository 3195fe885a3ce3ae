"""What a command asked of a store: requests by kind, bytes, and an estimate of cost."""

import json
import sys

from chunkvault.backends.prices import Estimate, estimate_cost, find_prices
from chunkvault.cli.context import Context
from chunkvault.cli.output import human_size

__all__ = ["request_fields", "request_lines", "tell_requests"]

_KINDS = ("put", "get", "head", "list", "delete", "other")


def request_fields(context: Context) -> dict[str, object]:
    """The requests so far as a JSON object; all 0 where the storage is a folder."""
    context.has_told_requests = True
    traffic = context.storage.traffic
    estimate = _estimate(context)
    return {
        **{kind: traffic.requests[kind] for kind in _KINDS},
        "sent_bytes": traffic.sent_bytes,
        "received_bytes": traffic.received_bytes,
        "estimate": None if estimate is None else _estimate_fields(estimate),
    }


def request_lines(context: Context) -> list[str]:
    """The requests so far in a line, for people; no line where none were counted."""
    traffic = context.storage.traffic
    if not traffic.requests:
        return []
    counts = [f"{traffic.requests[kind]:,} {kind}" for kind in _KINDS]
    made = [text for text in counts if not text.startswith("0 ")]
    line = (
        f"requests  {', '.join(made)};"
        f" {human_size(traffic.sent_bytes)} sent,"
        f" {human_size(traffic.received_bytes)} received"
    )
    estimate = _estimate(context)
    return [line if estimate is None else f"{line}; {_estimate_text(estimate)}"]


def tell_requests(context: Context) -> None:
    """With ``--json`` a line on standard error, for commands without a summary.

    Their document is a list, or what they write is a file. Nothing is written where
    no store was asked, or where a summary has told it.
    """
    settings = context.settings
    is_wanted = settings.is_json and not context.has_told_requests
    if is_wanted and context.storage.traffic.requests:
        fields = {"message_type": "requests", "requests": request_fields(context)}
        print(json.dumps(fields), file=sys.stderr)


def _estimate(context: Context) -> Estimate | None:
    settings = context.settings
    places = context.stores or {settings.repository or ""}
    prices, *others = (find_prices(one, settings.environment) for one in places)
    if prices is None or any(one != prices for one in others):
        return None  # requests to stores of different prices are counted together
    return estimate_cost(context.storage.traffic.requests, prices)


def _estimate_fields(estimate: Estimate) -> dict[str, object]:
    return {
        "usd": round(estimate.usd, 8),
        "store": estimate.prices.store,
        "as_of": estimate.prices.as_of,
        "source": estimate.prices.source,
        "unpriced": list(estimate.unpriced),
    }


def _estimate_text(estimate: Estimate) -> str:
    without = f" without {', '.join(estimate.unpriced)}" if estimate.unpriced else ""
    return (
        f"{estimate.usd:.4f} USD for requests{without}"
        f" (estimate, prices of {estimate.prices.store} as of {estimate.prices.as_of})"
    )
