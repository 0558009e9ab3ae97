"""What leases cost under the built-in pricing policies, and what their users make of it."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.model.units import HOUR, MINUTE
from haizea.policy.money import money, money_text
from haizea.policy.pricing import AdaptiveRate, Pricing
from haizea.policy.protocols import PolicyContext, PolicyError, PricingPolicy, Quote
from haizea.policy.registry import resolve
from haizea.policy.views import LeaseView
from tests.policy.fakes import SeenLease, best_effort, vms

RANDOM = {"min-rate": 0.05, "max-rate": 0.20}


def priced(name: str, site: PolicyContext | None = None, /, **settings: object) -> PricingPolicy:
    """Make a built-in policy; settings are written with underscores."""
    given_settings = {key.replace("_", "-"): value for key, value in settings.items()}
    return resolve("pricing", name, (site or PolicyContext())._replace(settings=given_settings))


def lease_of(user: str = "ann", rate: str | None = None, *, count: int = 4, duration: int | None = HOUR) -> SeenLease:
    """A lease of four VMs for an hour, whose user would pay the given rate."""
    extra = {} if rate is None else {"simul_userrate": rate}
    return best_effort(count=count, duration=duration, user=user, extra=extra)


def texts(quote: Quote) -> tuple[str, str | None]:
    """Return a quote's price and limit as decimal numbers."""
    return money_text(quote.price), None if quote.user_limit is None else money_text(quote.user_limit)


def test_free_leases_cost_nothing_whatever_the_user_says() -> None:
    """Where nothing costs anything the user's rate is not even read."""
    assert priced("free").quote(lease_of(rate="nonsense"), [lease_of()]) == Quote(0, None, True)


def test_four_vms_for_an_hour_at_a_tenth() -> None:
    """The price is exact: 4 VMs × 1 h × 0.10 is 0.4, within what a user pays at 1.0."""
    quote = priced("constant", rate=0.10).quote(lease_of(rate="1.0"), [])
    assert (*texts(quote), quote.accepted) == ("0.4", "4", True)


def test_the_users_rate_is_enough_when_it_is_the_sites() -> None:
    """A price equal to the limit is accepted; a billionth less a VM and hour, and it is refused with both amounts."""
    policy = priced("constant", rate="0.10")
    assert policy.quote(lease_of(rate="0.1"), []).accepted
    refused = policy.quote(lease_of(rate="0.099999999"), [])
    assert not refused.accepted
    assert refused.reason == "priced at 0.4; its user pays at most 0.399999996"


def test_without_a_users_rate_every_price_is_accepted() -> None:
    """A lease that says nothing about what its user would pay is not refused for its price."""
    assert priced("constant", rate=1000).quote(lease_of(), []) == Quote(money(4000), None, True)


@pytest.mark.parametrize("name", ["constant", "random", "maximum", "adaptive"])
@pytest.mark.parametrize("rate", ["", "cheap", "-1", "nan", "1e99999999999"])
def test_a_users_rate_that_is_no_number_accepts_nothing(name: str, rate: str) -> None:
    """The lease is refused with a sentence that names the attribute; nothing breaks, and nothing is learnt."""
    policy = priced(name, rate=0.1, **RANDOM)
    quote = policy.quote(lease_of(rate=rate), [])
    policy.feedback(lease_of(rate=rate), False)
    assert not quote.accepted
    assert quote.reason is not None
    assert quote.reason.startswith("simul_userrate: expected a number")


def test_preemption_is_surcharged_where_leases_are_suspended() -> None:
    """Two preempted VMs, a minute in all to suspend and resume each, cost two minutes at the rate more."""
    victim = best_effort(count=2, suspend_time=MINUTE // 2, resume_time=MINUTE // 2)
    settings = {"rate": 0.6}
    assert texts(priced("constant", **settings).quote(lease_of(), [victim]))[0] == "2.42"
    rigid = PolicyContext(suspension=False)
    assert texts(priced("constant", rigid, **settings).quote(lease_of(), [victim]))[0] == "2.4"
    serial = PolicyContext(serial_only=True)
    single = victim._replace(terms=victim.terms._replace(nodes=vms(1)))
    assert texts(priced("constant", serial, **settings).quote(lease_of(), [victim, single]))[0] == "2.41"


def test_the_surcharge_can_cost_the_user() -> None:
    """A lease within its user's limit by itself is refused where what it preempts takes it above."""
    policy = priced("constant", rate=0.6)
    assert policy.quote(lease_of(rate="0.6"), []).accepted
    assert not policy.quote(lease_of(rate="0.6"), [best_effort()]).accepted


def test_a_lease_without_end_is_priced_by_the_hour() -> None:
    """Price and limit of an unlimited lease are for an hour, and the refusal says so."""
    refused = priced("constant", rate=0.5).quote(lease_of(rate="0.25", duration=None), [])
    assert (*texts(refused), refused.reason) == ("2", "1", "priced at 2 an hour; its user pays at most 1 an hour")


def test_the_maximum_is_what_the_user_would_pay() -> None:
    """Each lease costs its user's limit, surcharges left out; the site's rate counts where there is none."""
    policy = priced("maximum", rate=0.1)
    assert texts(policy.quote(lease_of(rate="0.75"), [lease_of()])) == ("3", "3")
    assert texts(policy.quote(lease_of(), [])) == ("0.4", None)
    assert texts(priced("maximum").quote(lease_of(), [])) == ("0", None)


@given(
    seed=st.integers(0, 2**63 - 1), lease_id=st.integers(0, 2**40), low=st.integers(0, 100), span=st.integers(0, 100)
)
def test_random_rates_stay_in_their_range(seed: int, lease_id: int, low: int, span: int) -> None:
    """A price for a VM and hour is within the two rates, whatever is drawn."""
    policy = priced("random", min_rate=low, max_rate=low + span, seed=seed)
    assert money(low) <= policy.quote(best_effort(lease_id), []).price <= money(low + span)


def test_random_rates_follow_from_seed_and_lease() -> None:
    """Asking again or in another order changes nothing; another seed or lease does; the range is used evenly."""
    leases = [best_effort(number) for number in range(1, 1001)]
    prices = [priced("random", seed=7, **RANDOM).quote(lease, []).price for lease in leases]
    policy = priced("random", PolicyContext(seed=7), **RANDOM)
    assert [policy.quote(lease, []).price for lease in reversed(leases)] == prices[::-1]
    assert len(set(prices)) == 1000
    assert priced("random", seed=8, **RANDOM).quote(leases[0], []).price != prices[0]
    assert sum(prices) / 1000 == pytest.approx(money(0.125), rel=0.03)


def answers(policy: PricingPolicy, *leases: SeenLease) -> list[tuple[str, bool]]:
    """Have users answer one after the other; return each price of a VM and hour, and the answer."""
    given_answers = []
    for lease in leases:
        quote = policy.quote(lease, [])
        policy.feedback(lease, quote.accepted)
        given_answers.append((money_text(quote.price), quote.accepted))
    return given_answers


def one_vm(user: str, rate: str) -> SeenLease:
    """A VM for an hour, for a user who would pay the rate."""
    return lease_of(user, rate, count=1)


def test_the_rate_adapts_to_what_a_user_pays() -> None:
    """It rises by half while it is accepted, then goes to the middle until a price there is accepted, and stays."""
    assert answers(priced("adaptive", rate=0.4), *[one_vm("ann", "1.0")] * 7) == [
        ("0.4", True),
        ("0.6", True),
        ("0.9", True),
        ("1.35", False),
        ("1.125", False),
        ("1.0125", False),
        ("0.95625", True),
    ]
    settled = priced("adaptive", rate=0.4)
    assert answers(settled, *[one_vm("ann", "1.0")] * 9)[-2:] == [("0.95625", True), ("0.95625", True)]


def test_the_rate_falls_by_half_while_it_is_refused() -> None:
    """A rate that is far too high comes down to what the user pays."""
    assert answers(priced("adaptive", rate=8), *[one_vm("ann", "1.5")] * 4) == [
        ("8", False),
        ("4", False),
        ("2", False),
        ("1", True),
    ]


def test_the_rate_is_the_median_over_users() -> None:
    """Three users are estimated at 1.5, 0.75 and 1.125 times the first rate; the middle one sets the rate."""
    policy = priced("adaptive", rate=1)
    assert answers(policy, one_vm("ann", "9"), one_vm("bob", "1"), one_vm("cid", "9")) == [
        ("1", True),
        ("1.5", False),
        ("1.5", True),
    ]
    assert isinstance(policy, AdaptiveRate)
    assert money_text(policy.rate) == "1.5"
    policy.feedback(one_vm("cid", "1.4"), False)
    # ann 1.5, bob 0.75, cid between 1.5 accepted and 1.5 rejected.
    assert money_text(policy.rate) == "1.5"
    policy.feedback(one_vm("ann", "1.4"), False)
    # ann between 1 accepted and 1.5 rejected is now the middle one.
    assert money_text(policy.rate) == "1.25"


def rate_after(begin: int, *told: tuple[str, bool]) -> str:
    """Return the adaptive rate after users, one after the other, have taken the present price or not."""
    policy = AdaptiveRate(PolicyContext(settings={"rate": begin}))
    for user, accepted in told:
        policy.feedback(one_vm(user, "1"), accepted)
    return money_text(policy.rate)


def test_a_rate_that_was_found_stays() -> None:
    """Once a user has accepted between what it accepted and refused before, a later refusal does not move it."""
    found = [("ann", True), ("ann", False), ("ann", True)]
    assert rate_after(1, *found) == rate_after(1, *found, ("ann", False)) == "1.25"


def test_only_the_tightest_answers_of_a_user_count() -> None:
    """Refusing a rate above one refused before says nothing new, nor does accepting one below one accepted before."""
    refused_more = [("ann", False), ("bob", True), ("bob", True), ("ann", False), ("bob", False), ("cid", False)]
    # ann refused 1 and then 1.125, so its estimate is 0.5: the middle of the three.
    assert rate_after(1, *refused_more) == "0.5"
    accepted_less = [("ann", True), ("bob", False), ("cid", False), ("ann", True), ("bob", True), ("cid", True)]
    # ann accepted 1 and then 0.75, so its estimate stays at 1.5, above that of cid, which is the middle.
    assert rate_after(1, *accepted_less) == "1.3125"


def test_the_rate_never_grows_beyond_what_can_be_read() -> None:
    """However often a price is taken, the rate ends at the largest amount."""
    assert rate_after(10**12, ("ann", True), ("ann", True)) == "1000000000000"


def test_asking_teaches_nothing_and_neither_does_silence() -> None:
    """A quote alone leaves the rate; so does a lease that accepts any price."""
    policy = priced("adaptive", rate=1)
    assert [policy.quote(one_vm("ann", "9"), []).price for _ in range(3)] == [money(1)] * 3
    policy.feedback(lease_of(), True)
    assert policy.quote(one_vm("ann", "9"), []).price == money(1)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefg"), st.sampled_from(["0", "0.01", "0.3", "1", "50", "1e12"])), max_size=80
    )
)
def test_the_adaptive_rate_stays_bounded(asked: list[tuple[str, str]]) -> None:
    """Whatever users answer, the rate is an amount that one of them could be asked for."""
    policy = priced("adaptive", rate=1)
    answers(policy, *[one_vm(user, rate) for user, rate in asked])
    assert 0 <= policy.quote(one_vm("x", "1"), []).price <= money(10**12)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("constant", {}, "rate is missing: give the price of a VM for an hour, such as 0.10"),
        ("constant", {"rate": None}, "rate is missing"),
        ("constant", {"rate": "dear"}, "rate: expected a number from 0 to 1000000000000, such as 0.25, not 'dear'"),
        ("adaptive", {"rate": 0}, "rate: the rate that adapts must begin above 0"),
        ("random", {"min_rate": 1}, "max-rate is missing"),
        ("random", {"min_rate": 2, "max_rate": 1}, "min-rate 2 is above max-rate 1"),
        ("random", {**RANDOM, "seed": "x"}, "seed: expected a whole number, not a str"),
        ("maximum", {"rate": -1}, "rate: expected a number"),
    ],
)
def test_missing_and_wrong_settings_are_named(name: str, settings: dict[str, object], message: str) -> None:
    """A policy that lacks a setting says which one, and for which policy, before anything is scheduled."""
    with pytest.raises(PolicyError) as raised:
        priced(name, **settings)
    assert str(raised.value).startswith(f"pricing policy '{name}': ")
    assert message in str(raised.value)


def test_a_users_policy_that_returns_no_money_is_told_so() -> None:
    """A price of 0.4 as a float is refused with the name of the policy and the function that helps."""

    class Careless(Pricing):
        """Forgets the unit."""

        def price(self, lease: LeaseView, preempted: Sequence[LeaseView], /) -> int:
            """Return a float."""
            return 0.4  # type: ignore[return-value]

    with pytest.raises(PolicyError, match=r"price\(\) of the policy Careless returned float; .*money\.money\(\)"):
        Careless(PolicyContext()).quote(lease_of(), [])


@pytest.mark.parametrize("name", ["constant", "random", "maximum", "adaptive"])
@given(count=st.integers(1, 500), duration=st.integers(1, 1000 * HOUR), rate=st.integers(0, 300))
def test_a_user_never_pays_more_than_said(name: str, count: int, duration: int, rate: int) -> None:
    """An accepted quote is within the limit, a refused one above it, and only a refused one has a reason."""
    policy = priced(name, rate=1, min_rate=0, max_rate=2)
    quote = policy.quote(lease_of(rate=f"{rate / 100}", count=count, duration=duration), [best_effort()])
    assert quote.user_limit is not None
    assert quote.accepted == (quote.price <= quote.user_limit)
    assert (quote.reason is None) == quote.accepted
