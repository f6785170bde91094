"""Every way in which the cloud does not answer, in words [I/O]."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from planner.refresh.answers import ClosedError, CloudError, DeniedError

_DENIED: Final = {
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "NotAuthorized",
    "AuthorizationError",
}
_EXPIRED: Final = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
_SKEWED: Final = {"RequestTimeTooSkewed", "RequestInTheFuture", "RequestExpired"}
_UNKNOWN_KEY: Final = {
    "AuthFailure",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
}
_BAD_SIGNATURE: Final = {"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"}
_THROTTLED: Final = {
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "SlowDown",
    "EC2ThrottledException",
}
_CLOSED: Final = {"OptInRequired", "SubscriptionRequiredException"}

_SKEW_S: Final = 240.0
"""A clock that is off by so much is the likelier reason; AWS refuses at five minutes."""

_SIGN_IN: Final = "sign in again (aws sso login), or renew the keys"


@contextmanager
def in_words(action: str, region: str) -> Iterator[None]:
    """Raise what botocore raises as :class:`CloudError`: what ``action`` met in ``region``."""
    try:
        yield
    except boto.ClientError as fault:
        raise _of_answer(fault.response, action, region) from None
    except (boto.BotoCoreError, ResponseParserError, HTTPError, ValueError) as fault:
        # A plain ValueError is botocore's for an endpoint or a number in the configuration that is none.
        raise CloudError(_of_path(fault, action, region)) from None


def _of_answer(response: Any, action: str, region: str) -> CloudError:
    """What the service itself said."""
    error, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, said = str(error.get("Code", "")), str(error.get("Message", ""))
    what, tries = f"{action} in {region}", meta.get("RetryAttempts", 0) + 1
    if code in _DENIED:
        return DeniedError(f"no permission for {what}: an administrator has to allow {action} ({said})")
    if code in _CLOSED:
        return ClosedError(f"{what}: the account has not opted in ({code}: {said})")
    off = _clock_is_off_by_s(meta)
    if code in _SKEWED | _BAD_SIGNATURE | _EXPIRED and abs(off) > _SKEW_S:
        side = "behind" if off > 0 else "ahead"
        return CloudError(
            f"{what}: this machine's clock is {abs(off) / 60:.0f} minutes {side}, so no signature is"
            " accepted; set the clock"
        )
    if code in _EXPIRED or code == "RequestExpired":
        return CloudError(f"{what}: the credentials have expired; {_SIGN_IN}")
    if code in _SKEWED:
        return CloudError(f"{what}: the time of the request was refused; set this machine's clock ({said})")
    if code in _UNKNOWN_KEY | _BAD_SIGNATURE:
        return CloudError(f"{what}: the credentials were not accepted ({code}: {said})")
    if code in _THROTTLED:
        return CloudError(f"{what}: throttled, after {tries} tries; wait a minute and run it again")
    return CloudError(f"{what}: failed after {tries} tries ({code}: {said})")


def _clock_is_off_by_s(meta: Any) -> float:
    """The service's clock less our own, from the date of its answer; 0 where it gave none."""
    try:
        theirs = parsedate_to_datetime(meta.get("HTTPHeaders", {})["date"])
    except (KeyError, TypeError, ValueError):
        return 0.0
    return (theirs - datetime.now(UTC)).total_seconds()


def _of_path(fault: Exception, action: str, region: str) -> str:
    """What stood between us and the service."""
    what = f"{action} in {region}"
    match fault:
        case boto.NoCredentialsError() | boto.NoAuthTokenError():
            return (
                "no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and"
                " AWS_SECRET_ACCESS_KEY, or run aws configure"
            )
        case boto.PartialCredentialsError():
            return f"the AWS credentials are incomplete: {fault}"
        case boto.ProfileNotFound():
            return f"{fault}; AWS_PROFILE names one of those in ~/.aws/config"
        case boto.SSOError() | boto.TokenRetrievalError():
            return f"the sign-in to AWS is not valid any more: {fault}; {_SIGN_IN}"
        case boto.CredentialRetrievalError() | boto.MetadataRetrievalError():
            return f"the AWS credentials could not be fetched: {fault}"
        case boto.SSLError():
            return f"{what}: the certificate was not accepted: {fault}; AWS_CA_BUNDLE names another authority"
        case boto.EndpointConnectionError() | boto.ConnectTimeoutError() | boto.ProxyConnectionError():
            return f"{what}: no network path: {fault}"
        case boto.HTTPClientError() | HTTPError():
            return f"{what}: the connection broke, or nobody answered in time: {fault}"
        case ResponseParserError() | boto.IncompleteReadError():
            return f"{what}: the answer could not be read: {fault}"
        case _:
            return f"{what}: {fault}"
