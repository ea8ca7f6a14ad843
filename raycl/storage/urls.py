"""Checks of names and URLs that a user writes: they become folders, and results repeat them."""

from __future__ import annotations

from raycl.errors import InputError

CORPUS_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""A regular expression of the names that a corpus may have: the name becomes a folder."""

_SECRETS = ("secret", "password", "token", "access_key")


def refuse_secret(url: str, where: str) -> None:
    """Raise InputError where a URL holds credentials; the error does not repeat them.

    `s3://KEY:SECRET@bucket` is Arrow's notation for credentials. A name without a colon before the
    "@" may be a key as well. `gs://anonymous@bucket` holds no secret and is accepted.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "file":
        return
    before, _, query = rest.partition("?")
    user = before.rpartition("@")[0]
    # A colon always means credentials: a secret may hold a slash, and a bucket never holds a colon.
    # Without a colon, an "@" after a slash belongs to the key of an object.
    names_somebody = ":" in user or ("/" not in user and user not in ("", "anonymous"))
    if names_somebody or any(word in query.lower() for word in _SECRETS):
        raise InputError(
            f"{where} '{scheme}://…'",
            "the URL holds credentials, which would be written into results and jobs",
            "Leave them out: use the machine's own role, or AWS_ACCESS_KEY_ID and its secret in "
            "the environment",
        )
