"""Who sends a request, by a token, an API key or a guest's link: found out without asking another region."""

from collections.abc import Callable, Sequence
from typing import Protocol

from contracts import problems
from contracts.api_keys import API_KEY_HEADER
from contracts.token_claims import Identity
from mini_auth.api_keys import ApiKeyRefusedError, ApiKeys, ApiKeysUnavailableError
from mini_auth.guest_links import GUEST_LINK_HEADER, GuestLinkVerifier
from mini_auth.verifier import KeysUnavailableError, TokenRefusedError, TokenVerifier
from service_kit.problem_responses import Problem

MAX_KNOWLEDGE_AGE_SECONDS = 30.0
KNOWLEDGE_RETRY_SECONDS = 5


class SentHeaders(Protocol):
    """The headers of a request; Starlette's are."""

    def getlist(self, key: str) -> list[str]:
        """What was sent under a name, in any case of its letters, once for each time."""


class KnowledgeAge(Protocol):
    """How old what this process knows of keys and revocations is; a KnowledgeFeed, outside of tests."""

    @property
    def age_ms(self) -> int | None:
        """How long ago the reader last told; None before it ever did."""

    @property
    def confirmed_age_ms(self) -> int | None:
        """How long ago a quorum confirmed the last heartbeat that the reader told of; None before any."""


class Callers:
    """Tells who sends a request, and whether what that stands on is fresh enough for what they want."""

    def __init__(
        self,
        tokens: TokenVerifier,
        api_keys: ApiKeys,
        guest_links: GuestLinkVerifier | None,
        knowledge: KnowledgeAge,
        *,
        max_knowledge_age_seconds: float = MAX_KNOWLEDGE_AGE_SECONDS,
    ) -> None:
        self.tokens = tokens
        self.api_keys = api_keys
        self._guest_links = guest_links
        self._knowledge = knowledge
        self._max_knowledge_age_ms = max_knowledge_age_seconds * 1000

    async def identity(self, headers: SentHeaders) -> Identity | None:
        """Who asks; None without token, key and link.

        Raises Problem TOKEN_INVALID or API_KEY_INVALID, also where several are sent, as it would have
        to be guessed who is meant; and TEMPORARILY_UNAVAILABLE where none can be judged now.
        """
        tokens, keys = headers.getlist("authorization"), headers.getlist(API_KEY_HEADER)
        links = headers.getlist(GUEST_LINK_HEADER)
        if sum(map(bool, (tokens, keys, links))) > 1:
            raise _invalid_token(
                f"Send an access token, {API_KEY_HEADER} or {GUEST_LINK_HEADER}: one of them."
            )
        if keys:
            return await self._identity_of_key(keys)
        if links:
            return self._identity_of_guest(links)
        return self._identity_of_token(tokens) if tokens else None

    def require_fresh_knowledge(self) -> None:
        """Raises Problem TEMPORARILY_UNAVAILABLE where a revocation may be older than is bearable.

        An age that is not known is none that could be borne.
        """
        ages = (self._knowledge.age_ms, self._knowledge.confirmed_age_ms)
        if any(age is None or age > self._max_knowledge_age_ms for age in ages):
            raise Problem(
                problems.TEMPORARILY_UNAVAILABLE,
                "This region can't tell now whether your rights are still those of a while ago.",
                headers={"Retry-After": str(KNOWLEDGE_RETRY_SECONDS)},
            )

    def _identity_of_guest(self, headers: Sequence[str]) -> Identity:
        if len(headers) > 1:
            raise _invalid_token(f"Send one {GUEST_LINK_HEADER} header.")
        if self._guest_links is None:
            raise _invalid_token("No guest's link is taken here.")
        return _verified(self._guest_links.verify, headers[0])

    def _identity_of_token(self, headers: Sequence[str]) -> Identity:
        scheme, _separator, token = headers[0].partition(" ")
        if len(headers) > 1 or scheme.lower() != "bearer" or not token:
            raise _invalid_token("Send one Authorization header, as 'Bearer <access_token>'.")
        return _verified(self.tokens.verify, token)

    async def _identity_of_key(self, headers: Sequence[str]) -> Identity:
        if len(headers) > 1:
            raise Problem(problems.API_KEY_INVALID, f"Send one {API_KEY_HEADER} header.")
        try:
            return await self.api_keys.verify(headers[0])
        except ApiKeyRefusedError as error:
            raise Problem(problems.API_KEY_INVALID, str(error)) from None
        except ApiKeysUnavailableError:
            raise Problem(
                problems.TEMPORARILY_UNAVAILABLE, "The API key can't be checked now; try again shortly."
            ) from None


def _verified(verify: Callable[[str], Identity], text: str) -> Identity:
    try:
        return verify(text)
    except TokenRefusedError as error:
        raise _invalid_token(str(error)) from None
    except KeysUnavailableError:
        raise Problem(problems.TEMPORARILY_UNAVAILABLE, "No key is known yet to check the token.") from None


def _invalid_token(detail: str) -> Problem:
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}  # RFC 6750, section 3
    return Problem(problems.TOKEN_INVALID, detail, headers=headers)
