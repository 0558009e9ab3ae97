"""Users, groups, tokens, quotas and webhooks."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi import Path as InPath

from haizea.api.facade import Accounts, Webhooks
from haizea.api.routing import NUMBER_MAX, Asked, Endpoint, Lanes, NameInPath, NameQuery, Reply, router
from haizea.service.models import (
    Answer,
    GroupIn,
    GroupOut,
    QuotaIn,
    QuotaOut,
    TokenIn,
    TokenOut,
    UserIn,
    UserOut,
    WebhookIn,
    WebhookOut,
)

QuotaKind = Literal["user", "group"]
WebhookNumber = Annotated[int, InPath(ge=1, le=NUMBER_MAX, description="The webhook's number.")]


class UsersOut(Answer):
    """Users."""

    items: list[UserOut]


class GroupsOut(Answer):
    """Groups."""

    items: list[GroupOut]


class TokensOut(Answer):
    """Tokens, without their secrets."""

    items: list[TokenOut]


class QuotasOut(Answer):
    """Quotas."""

    items: list[QuotaOut]


class WebhooksOut(Answer):
    """Webhooks, without their secrets."""

    items: list[WebhookOut]


class PeopleRoutes:
    """Answers requests about users and groups. ``changed`` is called when somebody may have become somebody else."""

    def __init__(self, accounts: Accounts, changed: Callable[[], None]) -> None:
        self._accounts = accounts
        self._changed = changed

    def list_users(self, asked: Asked) -> UsersOut:
        """Those that the caller may see."""
        return UsersOut(items=self._accounts.users(asked.who))

    def show_user(self, asked: Asked, user: NameInPath) -> UserOut:
        """By name."""
        return self._accounts.user(asked.who, user)

    def put_user(self, asked: Asked, user: NameInPath, body: UserIn) -> UserOut:
        """Makes the user, or changes all that is said about it."""
        answer = self._accounts.put_user(asked.who, user, body)
        self._changed()
        return answer

    def delete_user(self, asked: Asked, user: NameInPath) -> None:
        """Its tokens and its quota go with it."""
        self._accounts.delete_user(asked.who, user)
        self._changed()

    def list_groups(self, asked: Asked) -> GroupsOut:
        """With their members."""
        return GroupsOut(items=self._accounts.groups(asked.who))

    def put_group(self, asked: Asked, group: NameInPath, body: GroupIn) -> GroupOut:
        """Makes the group, or changes what is said about it. Who is in it is said of each user."""
        return self._accounts.put_group(asked.who, group, body)

    def delete_group(self, asked: Asked, group: NameInPath) -> None:
        """Its quota goes with it, its members stay."""
        self._accounts.delete_group(asked.who, group)
        self._changed()


class RightRoutes:
    """Answers requests about tokens, quotas and webhooks."""

    def __init__(self, accounts: Accounts, webhooks: Webhooks, changed: Callable[[], None]) -> None:
        self._accounts = accounts
        self._webhooks = webhooks
        self._changed = changed

    def list_tokens(self, asked: Asked, user: NameQuery = None) -> TokensOut:
        """Of one user, or all that the caller may see. Secrets are not shown."""
        return TokensOut(items=self._accounts.tokens(asked.who, user))

    def make_token(self, asked: Asked, body: TokenIn) -> Reply:
        """The `secret` is in this answer, and nowhere else ever."""
        return Reply(self._accounts.make_token(asked.who, body), {})

    def revoke_token(self, asked: Asked, token: NameInPath) -> None:
        """It is refused from now on."""
        self._accounts.revoke_token(asked.who, token)
        self._changed()

    def list_quotas(self, asked: Asked) -> QuotasOut:
        """With what is used of them."""
        return QuotasOut(items=self._accounts.quotas(asked.who))

    def put_quota(self, asked: Asked, kind: QuotaKind, subject: NameInPath, body: QuotaIn) -> QuotaOut:
        """What is not named in it is not limited."""
        return self._accounts.put_quota(asked.who, kind, subject, body)

    def delete_quota(self, asked: Asked, kind: QuotaKind, subject: NameInPath) -> None:
        """The default applies again."""
        self._accounts.delete_quota(asked.who, kind, subject)

    def put_default_quota(self, asked: Asked, body: QuotaIn) -> QuotaOut:
        """It holds for every user without one of its own."""
        return self._accounts.put_quota(asked.who, "default", "", body)

    def delete_default_quota(self, asked: Asked) -> None:
        """Users without a quota of their own are not limited any more."""
        self._accounts.delete_quota(asked.who, "default", "")

    def list_webhooks(self, asked: Asked) -> WebhooksOut:
        """With how far each has got, and how often it failed in a row."""
        return WebhooksOut(items=self._webhooks.list(asked.who))

    def add_webhook(self, asked: Asked, body: WebhookIn) -> WebhookOut:
        """Journal entries are sent there from now on. The `secret` to check them with is in this answer only."""
        return self._webhooks.add(asked.who, body)

    def remove_webhook(self, asked: Asked, webhook: WebhookNumber) -> None:
        """Nothing is sent there any more."""
        self._webhooks.remove(asked.who, webhook)


def account_routes(accounts: Accounts, webhooks: Webhooks, lanes: Lanes, changed: Callable[[], None]) -> APIRouter:
    """Return the routes of accounts."""
    people, rights = PeopleRoutes(accounts, changed), RightRoutes(accounts, webhooks, changed)
    quota = "/v1/quotas/{kind}/{subject}"
    return router(
        "accounts",
        lanes,
        [
            Endpoint("GET", "/v1/users", people.list_users, UsersOut, "List users"),
            Endpoint("GET", "/v1/users/{user}", people.show_user, UserOut, "Show a user"),
            Endpoint("PUT", "/v1/users/{user}", people.put_user, UserOut, "Make or change a user"),
            Endpoint("DELETE", "/v1/users/{user}", people.delete_user, None, "Delete a user"),
            Endpoint("GET", "/v1/groups", people.list_groups, GroupsOut, "List groups"),
            Endpoint("PUT", "/v1/groups/{group}", people.put_group, GroupOut, "Make or change a group"),
            Endpoint("DELETE", "/v1/groups/{group}", people.delete_group, None, "Delete a group"),
            Endpoint("GET", "/v1/tokens", rights.list_tokens, TokensOut, "List tokens"),
            Endpoint("POST", "/v1/tokens", rights.make_token, TokenOut, "Make a token", None, 201),
            Endpoint("DELETE", "/v1/tokens/{token}", rights.revoke_token, None, "Revoke a token"),
            Endpoint("GET", "/v1/quotas", rights.list_quotas, QuotasOut, "List quotas"),
            Endpoint("PUT", "/v1/quotas/default", rights.put_default_quota, QuotaOut, "Set the default quota"),
            Endpoint("DELETE", "/v1/quotas/default", rights.delete_default_quota, None, "Remove the default quota"),
            Endpoint("PUT", quota, rights.put_quota, QuotaOut, "Set a quota"),
            Endpoint("DELETE", quota, rights.delete_quota, None, "Remove a quota"),
            Endpoint("GET", "/v1/webhooks", rights.list_webhooks, WebhooksOut, "List webhooks"),
            Endpoint("POST", "/v1/webhooks", rights.add_webhook, WebhookOut, "Add a webhook", None, 201),
            Endpoint("DELETE", "/v1/webhooks/{webhook}", rights.remove_webhook, None, "Remove a webhook"),
        ],
    )
