"""TLS over bytes in memory, so that the socket stays a plain non-blocking one. Certificates are always checked."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import certifi

from load.wire.origin import WireError

_PROTOCOL = "http/1.1"


def make_context(ca_file: str = "", client_cert: str = "", client_key: str = "") -> ssl.SSLContext:
    """A context that checks certificate and host name, with the authorities of `ca_file` or else those that the
    contract runs use. Raises WireError when a file cannot be used."""
    try:
        context = ssl.create_default_context(cafile=ca_file or certifi.where())
    except (OSError, ValueError) as error:
        raise WireError(f"ca_file {ca_file}: {_reason(error)}") from None
    context.set_alpn_protocols([_PROTOCOL])
    if client_cert:
        try:
            context.load_cert_chain(client_cert, client_key or None, password=lambda: b"")
        except (OSError, ValueError) as error:
            raise WireError(f"client_cert {client_cert}: {_reason(error)}") from None
    return context


def check_context(context: ssl.SSLContext) -> None:
    """Raises WireError when a context would take any certificate."""
    if context.verify_mode != ssl.CERT_REQUIRED or not context.check_hostname:
        raise WireError("the TLS context must check certificate and host name (CERT_REQUIRED, check_hostname)")


class TlsLayer:
    """One side of a TLS connection. Bytes for the socket come out of `outgoing`; bytes from it go into `decrypt`."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._read: Callable[[int], bytes] = self._object.read
        self.established = False
        self.ended = False  # the other side said that nothing follows (close_notify)

    def outgoing(self) -> bytes:
        """What has to go to the socket now; may be empty."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def shake(self, data: bytes = b"") -> bool:
        """Go on with the handshake; True when it is done. Raises ssl.SSLError."""
        self._incoming.write(data)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        if self._object.selected_alpn_protocol() not in (None, _PROTOCOL):
            raise ssl.SSLError("the server chose a protocol that was not offered")
        self.established = True
        return True

    def encrypt(self, data: bytes) -> bytes:
        """What has to go to the socket for these bytes."""
        self._object.write(data)
        return self._outgoing.read()

    def decrypt(self, data: bytes = b"") -> bytes:
        """All that can be read now; may be empty. Raises ssl.SSLError."""
        self._incoming.write(data)
        pieces: list[bytes] = []
        try:
            while piece := self._read(65536):
                pieces.append(piece)
                if not self._incoming.pending and not self._object.pending():
                    break  # one more try would cost an exception
            else:
                self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def tls_detail(error: ssl.SSLError) -> str:
    """Why TLS failed, without any value that changes from connection to connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {error.verify_message.rstrip('.')}"
    return (error.reason or str(error.args[-1])).replace("_", " ").lower()


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "holds no certificate and key that fit"
    return getattr(error, "strerror", None) or str(error)
