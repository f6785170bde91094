"""TLS without a socket: bytes in, bytes out, and the time that cryptography took.

Certificates are verified and names checked, no session is resumed, and at least TLS 1.2 is asked for. Trusted
is what the system trusts (or certifi's list where the system has none) and what the configuration adds.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from probes.record import Failure

if TYPE_CHECKING:
    import ssl

_DAY_S: Final = 86_400
_LARGEST_RECORD: Final = 1 << 15


class TlsError(Exception):
    """The peer's TLS is not acceptable: failure class and, in a few words, why."""

    def __init__(self, failure: Failure, reason: str) -> None:
        super().__init__(reason)
        self.failure, self.reason = failure, reason


@functools.cache
def client_context(alpn: tuple[str, ...], authorities: Path | None) -> ssl.SSLContext:
    """The settings all sessions share; made once, since reading what the system trusts takes a while.

    ``authorities`` is a PEM file of certificates trusted in addition. Raises OSError where it cannot be read;
    ssl.SSLError, where it holds none, is one.
    """
    import ssl

    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not (paths.cafile or paths.capath):
        import certifi

        context.load_verify_locations(certifi.where())
    if authorities is not None:
        context.load_verify_locations(authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET
    # From Python 3.13 on the default also refuses what browsers accept, such as many a private authority.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class TlsSession:
    """One session as a client. ``crypto_ns`` is what its calls have taken so far (CLOCK_MONOTONIC)."""

    __slots__ = ("_incoming", "_outgoing", "_session", "crypto_ns", "done")

    def __init__(self, server_name: str, alpn: Sequence[str] = (), authorities: Path | None = None) -> None:
        import ssl

        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._session = client_context(tuple(alpn), authorities).wrap_bio(
            self._incoming, self._outgoing, server_hostname=server_name.removesuffix(".")
        )
        self.done = False
        self.crypto_ns = 0

    def feed(self, data: bytes) -> None:
        """What the peer sent; nothing is done with it yet."""
        self._incoming.write(data)

    def handshake(self) -> bytes:
        """Take the handshake as far as it goes (``done`` when it is over); what to send. Raises TlsError."""
        import ssl

        begun_ns = time.monotonic_ns()
        try:
            self._session.do_handshake()
            self.done = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as fault:
            raise _tls_error(fault) from None
        finally:
            self.crypto_ns += time.monotonic_ns() - begun_ns
        return self._outgoing.read()

    def farewell(self) -> bytes:
        """What is still to be sent after a TlsError: the alert that tells the peer."""
        return self._outgoing.read()

    def write(self, data: bytes) -> bytes:
        """``data`` encrypted, ready to be sent."""
        begun_ns = time.monotonic_ns()
        self._session.write(data)
        self.crypto_ns += time.monotonic_ns() - begun_ns
        return self._outgoing.read()

    def read(self, size: int = _LARGEST_RECORD) -> bytes | None:
        """At most ``size`` bytes that the peer's records hold; none where the peer said it is done, None
        where there are none yet. Raises TlsError."""
        import ssl

        begun_ns = time.monotonic_ns()
        try:
            return self._session.read(size)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLError as fault:
            raise _tls_error(fault) from None
        finally:
            self.crypto_ns += time.monotonic_ns() - begun_ns

    @property
    def version(self) -> str | None:
        """Such as "TLSv1.3"."""
        return self._session.version()

    @property
    def cipher(self) -> str | None:
        """The cipher suite's name."""
        found = self._session.cipher()
        return None if found is None else found[0]

    @property
    def alpn(self) -> str | None:
        """The protocol agreed on within TLS."""
        return self._session.selected_alpn_protocol()

    def certificate_days(self, now_s: float) -> float | None:
        """How many days from ``now_s`` (seconds of the epoch) the peer's certificate is still valid."""
        import ssl

        certificate: dict[str, Any] | None = self._session.getpeercert()
        if not certificate or "notAfter" not in certificate:
            return None
        return round((ssl.cert_time_to_seconds(str(certificate["notAfter"])) - now_s) / _DAY_S, 3)


def _tls_error(fault: ssl.SSLError) -> TlsError:
    import ssl

    if isinstance(fault, ssl.SSLCertVerificationError):
        return TlsError("tls_certificate", fault.verify_message.rstrip("."))
    if fault.reason:
        return TlsError("tls_protocol", fault.reason.replace("_", " ").lower())
    return TlsError("tls_protocol", str(fault))
