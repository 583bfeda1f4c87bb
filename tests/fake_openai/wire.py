"""How a payload goes onto the socket: whole, or in the ways that real networks break it."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from fake_openai.faults import WIRE, Fault
from fake_openai.payloads import Payload

_PIECES = 16
# The first bytes of a TLS handshake: what a plain client meets on the wrong port.
_NO_HTTP = b"\x16\x03\x01\x00\xff no http here \x00\r\n\r\n"

Finished = Callable[[int | None], None]


async def send(
    request: web.BaseRequest,
    payload: Payload,
    headers: dict[str, str],
    fault: Fault | None,
    finished: Finished,
) -> web.StreamResponse:
    """Put the payload on the wire; `finished` hears its status (None: not whole) before the last byte."""
    headers = {**headers, **payload.headers, "content-type": payload.content_type}
    if fault is None or fault.kind not in WIRE:
        finished(payload.status)
        return web.Response(body=payload.body, status=payload.status, headers=headers)
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client went away")
    if fault.kind in ("drop_before", "garbage_wire"):
        finished(None)
        if fault.kind == "garbage_wire":
            transport.write(_NO_HTTP)
        transport.close()
        # aiohttp wants a response, finds the transport closed and drops it.
        return web.Response()
    response = web.StreamResponse(status=payload.status, headers=headers)
    response.content_length = len(payload.body)
    await response.prepare(request)
    if fault.kind == "drop_in_body":
        finished(None)
        await response.write(payload.body[: len(payload.body) // 2])
        transport.close()
        return response
    step = max(1, -(-len(payload.body) // _PIECES))
    for start in range(0, len(payload.body), step):
        await asyncio.sleep(fault.seconds / _PIECES)
        if start + step >= len(payload.body):
            finished(payload.status)
        await response.write(payload.body[start : start + step])
    return response
