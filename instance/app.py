"""The HTTP entry: route, token, features, media type, body, parameters, ids, and then the handler."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from instance import access, lifecycle, listing, services, validation
from instance.calls import Call, Refusal, Reply
from instance.contract import Operation
from instance.entities import NOT_RECORDS
from instance.handlers import HANDLERS, Handler
from instance.routing import Router
from instance.store import Store

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BYTES = 64 * 1024 * 1024
JSON = (b"content-type", b"application/json")
# Clients of the Audience API look at the status in the body.
AUDIENCE = b"/wbs"
GENERIC: dict[str, Handler] = {
    "list": listing.list_records,
    "trash": listing.list_records,
    "create": lifecycle.create,
    "read": lifecycle.read,
    "update": lifecycle.update,
    "delete": lifecycle.delete,
    "restore": lifecycle.restore,
}


class Disconnected(Exception):
    """The client went away before its request was complete."""


def create_app(store: Store) -> Application:
    """The ASGI application over a store. Raises `LookupError` if an operation of the contract has no handler."""
    services.register()
    router = Router(store.contract.operations.values())
    handlers = {operation.id: handler_of(operation) for operation in store.contract.operations.values()}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            reply = await _answer(store, router, handlers, scope, receive)
        except Disconnected:
            return
        except Refusal as refusal:
            reply = error(refusal.status, refusal.message, refusal.detail, refusal.headers)
            if scope["raw_path"].startswith(AUDIENCE) and isinstance(reply.body, dict):
                reply.body["status"] = "error"
        except Exception:
            traceback.print_exc(file=sys.stderr)
            reply = error(500, "Internal error", "The instance failed to answer this request.")
        await _send(reply, send)

    return app


def handler_of(operation: Operation) -> Handler:
    """The special handler of an operation, or the generic one for its action."""
    handler = HANDLERS.get(operation.id)
    if handler is None and operation.entity is not None and operation.entity not in NOT_RECORDS:
        handler = GENERIC.get(operation.action or "")
    if handler is None:
        raise LookupError(f"operation {operation.id} has no handler")
    return handler


def error(status: int, message: str, detail: str | None, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Reply:
    """An error answer in the one form that all of them have."""
    return Reply(status, {"message": message, "detail": detail or message}, headers)


async def _answer(store: Store, router: Router, handlers: dict[str, Handler], scope: Scope, receive: Receive) -> Reply:
    found = router.find(scope["raw_path"])
    if found is None:
        raise Refusal(404, "There is nothing at this path.", "No such path.")
    methods, values = found
    operation: Operation | None = methods.get(scope["method"])
    if operation is None:
        allowed = ", ".join(sorted(methods))
        raise Refusal(
            405, "The path does not take this method.", f"Allowed: {allowed}", ((b"allow", allowed.encode()),)
        )
    path = dict(zip((parameter.name for parameter in operation.path_parameters), values, strict=True))
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    caller = None
    if operation.auth == "token":
        caller = access.authenticate(store, headers)
        access.authorize(store, operation, caller, path)
    body = await _body(operation, headers, receive) if operation.body_media is not None else None
    query, given = validation.parse_query(operation, scope["query_string"])
    client = scope.get("client")
    call = Call(operation, path, query, body, caller, store, client[0] if client else "127.0.0.1", given, dict(headers))
    lifecycle.check_ids(call)
    if operation.body_schema is not None:
        _check_body(call)
    return handlers[operation.id](call)


def _check_body(call: Call) -> None:
    operation = call.operation
    if operation.body_media == "multipart/form-data":
        call.body = validation.check_form(operation, call.body)
    elif operation.body_media == "application/json" and (call.body is not None or operation.body_required):
        validation.check_body(operation, call.body)


async def _body(operation: Operation, headers: list[tuple[bytes, bytes]], receive: Receive) -> Any:
    """The decoded body; None if there is none and none is required. Raises `Refusal` 400, 413 or 415."""
    media = operation.body_media
    types = [value for name, value in headers if name == b"content-type"]
    for name, value in headers:
        if name == b"content-encoding" and media != "application/octet-stream" and value.strip().lower() != b"identity":
            raise Refusal(415, "Encoded bodies are not taken here.", "Content-Encoding")
        if name == b"content-length" and int(value) > MOST_BYTES:
            raise _too_large()
    if len(types) > 1 or (types and not _fits(types[0], media or "")):
        raise _wrong_media(media)
    raw = await _read(receive)
    if not raw and media != "application/octet-stream":
        if operation.body_required:
            raise Refusal(400, "The body is missing.", f"A body of type {media} is required.")
        return None
    if not types:
        raise _wrong_media(media)
    if media == "application/json":
        return validation.parse_json(raw)
    if media == "multipart/form-data":
        return validation.parse_form(types[0], raw)
    return raw


def _fits(value: bytes, media: str) -> bool:
    base, *parameters = value.decode("latin-1").lower().split(";")
    if base.strip() != media:
        return False
    if media != "application/json":
        return True
    charsets = [part.split("=", 1)[1].strip(' "') for part in parameters if part.strip().startswith("charset=")]
    return all(charset in ("utf-8", "utf8", "us-ascii") for charset in charsets)


def _wrong_media(media: str | None) -> Refusal:
    return Refusal(415, "The body has a media type that is not taken here.", f"Content-Type must be {media}.")


def _too_large() -> Refusal:
    return Refusal(
        413, "The body is too large.", f"At most {MOST_BYTES} bytes are taken.", ((b"connection", b"close"),)
    )


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        if part:
            parts.append(part)
            size += len(part)
            if size > MOST_BYTES:
                raise _too_large()
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _send(reply: Reply, send: Send) -> None:
    body = reply.body
    if body is None:
        encoded = b""
        headers = [(b"content-length", b"0"), *reply.headers]
    else:
        encoded = body if isinstance(body, bytes) else orjson.dumps(body)
        headers = [JSON, (b"content-length", str(len(encoded)).encode()), *reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": encoded})
