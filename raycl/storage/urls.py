"""What a user's words may become part of: folders in storage, and URLs that results repeat."""

from __future__ import annotations

from raycl.errors import InputError

CORPUS_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""What a corpus may be called: it becomes a folder in storage."""

_SECRETS = ("secret", "password", "token", "access_key")


def refuse_secret(url: str, where: str) -> None:
    """Raise InputError where a URL holds credentials; the error does not repeat them.

    `s3://KEY:SECRET@bucket` is Arrow's notation, and a name alone may be a key as well;
    `gs://anonymous@bucket` holds no secret and stays.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "file":
        return
    before, _, query = rest.partition("?")
    user = before.rpartition("@")[0]
    # A secret may hold a slash; a bucket never holds a colon. An "@" after a slash is in a key.
    names_somebody = ":" in user or ("/" not in user and user not in ("", "anonymous"))
    if names_somebody or any(word in query.lower() for word in _SECRETS):
        raise InputError(
            f"{where} '{scheme}://…'",
            "the URL holds credentials, which would be written into results and jobs",
            "Leave them out: use the machine's own role, or AWS_ACCESS_KEY_ID and its secret in "
            "the environment",
        )
