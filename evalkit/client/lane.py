"""The fast lane: a request like one that the official client has made, without what it does for each anew.

The client makes the first request: address, authentication, every header are its own. What it sends is then
sent again and again with other bodies, over the same kind of connection (aiohttp), from the moment that it
is on its way. Its work for one request (options, copies, URL, headers, response objects) costs several times
what the request itself does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

from evalkit.client.content import Pieces

if TYPE_CHECKING:
    import aiohttp
    import httpx2

OK = 200
# Said anew for each body, or by aiohttp itself.
OWN = {"content-length", "content-type", "transfer-encoding", "host"}
UNDERSTOOD = "gzip, deflate"  # what aiohttp unpacks without further packages


class Lane:
    """Sends bodies to where `first`, a request of the official client's, goes, and as it does.

    It has at most `connections` of its own, beside that request's.
    """

    def __init__(self, first: httpx2.Request, *, connections: int, connect: float) -> None:
        import aiohttp
        import httpx2

        kept = [(name, value) for name, value in first.headers.items() if name.lower() not in OWN]
        self._url, self._first = str(first.url), first
        self.left = False
        """Whether every request is the client's again."""
        # Which certificates are trusted is the official client's choice; reading them takes a while.
        trusted: Any = httpx2.create_ssl_context() if first.url.scheme == "https" else True
        self._session = aiohttp.ClientSession(
            headers={**dict(kept), "accept-encoding": UNDERSTOOD},
            connector=aiohttp.TCPConnector(limit=connections, ssl=trusted),
            # The model's time limit is for the whole of a request: one for each read would never be reached.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def post(
        self, content: bytes | Pieces, headers: Mapping[str, str]
    ) -> tuple[bytes, Mapping[str, str]] | None:
        """Return the body of an answer and its headers; None where the client is to ask, as for a redirect.

        Raises what the client would for an error status; aiohttp's and the system's errors as they come.
        """
        if self.left:
            return None
        async with self._session.post(
            self._url, data=content, headers=headers, allow_redirects=False
        ) as response:
            body = await response.read()
        if response.status == OK:
            return body, {name.lower(): value for name, value in response.headers.items()}
        if response.status < 400:  # noqa: PLR2004 - where errors begin
            return None
        raise self._error(response, body)

    def _error(self, response: aiohttp.ClientResponse, body: bytes) -> Exception:
        """Return the status error that the client makes of such a response."""
        import httpx2
        import openai

        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = body.decode("utf-8", "replace")
        shown = data.get("error", data) if isinstance(data, dict) else data
        # What was packed has been unpacked.
        headers = [one for one in response.headers.items() if one[0].lower() != "content-encoding"]
        found = httpx2.Response(response.status, headers=headers, content=body, request=self._first)
        return openai.APIStatusError(f"Error code: {response.status} - {data}", response=found, body=shown)

    def heard(self, response: httpx2.Response) -> None:
        """Send nothing more where the request that opened it is led elsewhere: the client goes there."""
        if response.request is self._first and response.has_redirect_location:
            self.left = True

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


def proxied() -> bool:
    """Whether the environment names a proxy: the official client knows which requests go through it."""
    return any(name in {"http", "https", "all"} for name in getproxies())


def watched() -> bool:
    """Whether somebody reads the official client's log: what does not pass through it is not in it."""
    import logging

    return logging.getLogger("openai").isEnabledFor(logging.INFO) or logging.getLogger("httpx2").isEnabledFor(
        logging.INFO
    )


def lane_for(request: httpx2.Request, *, direct: bool, connections: int, connect: float) -> Lane | None:
    """Return the lane that a request on its way opens; None where every request is the client's.

    `direct` says that no proxy leads to the server, whatever the environment names.
    """
    if watched() or not (direct or not proxied()):
        return None
    return Lane(request, connections=connections, connect=connect)
