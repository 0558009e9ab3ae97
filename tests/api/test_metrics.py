"""Figures for Prometheus: what is measured, and that clients cannot make it grow."""

from prometheus_client.parser import text_string_to_metric_families

from haizea.api.options import ApiOptions
from tests.api.calls import REQUEST, UNLIMITED, Caller, scenario


def samples(text: str) -> dict[str, float]:
    """Return the samples of a page by name and labels."""
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_daemon_is_measured() -> None:
    """Leases, queue, reservations, decisions, commands, capacity, lag, store and inbox are on the page."""

    async def play(call: Caller) -> None:
        await call("POST", "/v1/leases", json=REQUEST)
        answer = await call("GET", "/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        found = samples(answer.text)
        assert found["haizea_leases state=scheduled type=AR"] == 1
        assert found["haizea_queue_length"] == 2
        assert found["haizea_queue_oldest_seconds"] == 12.5
        assert found["haizea_reservations_total outcome=late"] == 1
        assert found["haizea_decision_seconds_bucket le=0.1"] == 5
        assert found["haizea_decision_seconds_bucket le=+Inf"] == found["haizea_decision_seconds_count"] == 6
        assert found["haizea_command_seconds_sum verb=start"] == 0.5
        assert found["haizea_command_failures_total verb=start"] == 1
        assert found["haizea_capacity held=free resource=CPU"] == 700
        assert found["haizea_loop_lag_seconds"] == 0.002
        assert found["haizea_store_transaction_seconds_count"] == 6
        assert found["haizea_inbox_length"] == 3
        assert found["haizea_active"] == 1

    scenario(play)


def test_requests_are_counted_by_route() -> None:
    """Requests count under the route's pattern; what clients make up does not add to the page."""

    async def play(call: Caller) -> None:
        for path in ("/v1/leases/1", "/v1/leases/2", "/v1/leases/x", "/made/up/1", "/made/up/2", "/healthz"):
            await call("GET", path)
        await call("BREW", "/v1/leases")
        found = samples((await call("GET", "/metrics")).text)
        assert found["haizea_http_requests_total method=GET route=/v1/leases/{lease} status=404"] == 2
        assert found["haizea_http_requests_total method=GET route= status=404"] == 2
        assert found["haizea_http_requests_total method=other route= status=405"] == 1
        assert found["haizea_http_request_seconds_count route=/healthz"] == 1
        assert not any("made" in name or "BREW" in name for name in found)

    scenario(play)


def test_figures_are_for_those_who_may_see_them() -> None:
    """On this machine figures need no name; from others they do."""

    async def inside(call: Caller) -> None:
        assert (await call("GET", "/metrics")).status_code == 200

    async def outside(call: Caller) -> None:
        assert (await call("GET", "/metrics")).status_code == 401
        token = {"authorization": "Bearer ada-token"}
        assert (await call("GET", "/metrics", headers=token)).status_code == 200

    scenario(inside, token=None)
    scenario(outside, token=None, address="192.0.2.7", options=ApiOptions(door=UNLIMITED))
