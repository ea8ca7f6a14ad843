"""What a refusal of an S3 store means: try again, nothing there, or a sentence for the user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raycl.errors import InputError

_TRANSIENT_CODES = {
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "InternalError",
    "ServiceUnavailable",
    "ConditionalRequestConflict",
    "OperationAborted",
    "BadDigest",
}
_KEY_REMEDY = (
    "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role of this machine"
)
_PERMANENT = {
    "NoSuchBucket": (
        "there is no such bucket",
        "Create the bucket, or correct its name or AWS_ENDPOINT_URL",
    ),
    "SignatureDoesNotMatch": ("the secret key is wrong", _KEY_REMEDY),
    "InvalidAccessKeyId": ("the access key is not known there", _KEY_REMEDY),
    "ExpiredToken": ("the credentials have expired", "Log in again"),
    "InvalidToken": ("the session token is not valid", _KEY_REMEDY),
    "AccessDenied": (
        "access is denied",
        f"{_KEY_REMEDY}, and the bucket's name; raycl lists, gets, puts and deletes",
    ),
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "Set the clock (NTP)"),
    "PermanentRedirect": ("the bucket is in another region", "Set AWS_REGION to the bucket's"),
    "AuthorizationHeaderMalformed": (
        "the bucket is in another region",
        "Set AWS_REGION to the bucket's",
    ),
    "IllegalLocationConstraintException": (
        "the bucket is in another region",
        "Set AWS_REGION to the bucket's",
    ),
}
_STATUS_CODES = {301: "PermanentRedirect", 401: "AccessDenied", 403: "AccessDenied"}


class CutShortError(Exception):
    """An answer lacks something that every whole answer holds: the rest was lost on its way."""


def whole(answer: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    """The answer, if it has all of these fields. Raises CutShortError, which is transient.

    When a connection ends in the middle of the headers, boto3 returns an answer without the
    remaining ones and raises no error.
    """
    if missing := [field for field in fields if field not in answer]:
        raise CutShortError(f"the answer was cut short, it lacks {', '.join(missing)}")
    return dict(answer)


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed a little later."""
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    if isinstance(error, boto.ClientError):
        return (
            _status(error) in (408, 429)
            or _status(error) >= 500
            or (_code(error) in _TRANSIENT_CODES)
        )
    return isinstance(
        error,
        (
            boto.HTTPClientError,
            boto.ConnectionError,
            boto.IncompleteReadError,
            boto.ResponseStreamingError,
            ResponseParserError,
            CutShortError,
        ),
    )


def is_status(error: Exception, *statuses: int) -> bool:
    """Whether the store answered with one of these HTTP statuses."""
    from botocore.exceptions import ClientError

    return isinstance(error, ClientError) and _status(error) in statuses


def is_code(error: BaseException | None, code: str) -> bool:
    """Whether the store named this error."""
    from botocore.exceptions import ClientError

    return isinstance(error, ClientError) and _code(error) == code


def explained(error: Exception, url: str, address: str) -> Exception:
    """The error as raycl raises it: InputError, FileNotFoundError, or the error itself."""
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        code = _code(error)
        if code not in _PERMANENT:  # the answer to a HEAD has no body that could name the error
            code = _STATUS_CODES.get(_status(error), code)
        if code in _PERMANENT:
            return InputError(f"storage {url!r}", *_PERMANENT[code])
        if _status(error) == 404:
            return FileNotFoundError(address)
        return OSError(f"{address}: {error}")
    if isinstance(
        error,
        (
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.CredentialRetrievalError,
            boto.ProfileNotFound,
        ),
    ):
        return InputError(f"storage {url!r}", f"no usable credentials ({error})", _KEY_REMEDY)
    return error


def _status(error: Exception) -> int:
    response = getattr(error, "response", {})
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: BaseException) -> str:
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
