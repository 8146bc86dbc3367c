"""An endpoint that was not reached: the real cause, in one line, with what to type next."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

from ..endpoints import Endpoint
from ..errors import APIConnectionError, causes
from .proxies import proxy_of

__all__ = ["cause_of", "connection_error", "proxy_wants_login"]


def connection_error(cause: BaseException, endpoint: Endpoint) -> APIConnectionError:
    """The error for an endpoint that was not reached, with the real cause in words."""
    root = _root(cause)
    text, permanent = _words(root, endpoint)
    error = APIConnectionError(endpoint.redact(text))
    error.permanent = permanent
    if isinstance(root, OSError):  # others may lead to the request, and so to the key
        root.__context__ = root.__cause__ = None
        error.__cause__ = root.with_traceback(None)
    return error


def cause_of(error: BaseException) -> str:
    """What broke a connection, in the words of the innermost error that has some."""
    root = _root(error)
    return str(error) or str(root) or type(root).__name__


def proxy_wants_login(endpoint: Endpoint) -> str:
    scheme = urlsplit(endpoint.base_url).scheme.upper()
    return (
        f"the proxy {proxy_of(endpoint.base_url)} wants a login (407) · "
        f"set {scheme}_PROXY to http://USER:PASSWORD@HOST:PORT"
    )


def _words(root: BaseException, endpoint: Endpoint) -> tuple[str, bool]:
    """What happened and what to do, and whether another try would only fail again."""
    host = endpoint.host
    proxy = "" if endpoint.is_on_this_machine else proxy_of(endpoint.base_url)
    asked = f"the proxy {proxy}" if proxy else host
    name = urlsplit(endpoint.base_url).hostname
    hint = f"check HTTPS_PROXY and HTTP_PROXY, or add {name} to NO_PROXY" if proxy else ""
    permanent = True
    if type(root).__name__ == "ProxyError":
        if str(root).startswith("407"):
            return proxy_wants_login(endpoint), True
        text = f"the proxy {proxy} does not let {host} be reached: {root} · {hint}"
    elif isinstance(root, socket.gaierror):
        hint = hint or f"check the base URL {endpoint.base_url}"
        text = f"there is no host {proxy or host!r} (DNS) · {hint}"
    elif isinstance(root, ConnectionRefusedError) or "refused" in str(root).lower():
        hint = hint or "is the server running?"
        text = f"No server at {asked} (connection refused) · {hint}"
    elif isinstance(root, ssl.SSLError) or "ssl" in str(root).lower():
        text = _tls_words(root, endpoint)
    elif _is_timeout(root):
        hint = hint or "is the address right, is it up?"
        text = f"{asked} did not take the connection in time · {hint}"
    elif str(root).startswith("illegal "):  # h11's words for what is no HTTP
        hint = hint or f"check the base URL {endpoint.base_url}: is it https?"
        text = f"{asked} does not answer in HTTP · {hint}"
    else:
        text = f"the connection to {asked} failed: {root or type(root).__name__} · try again"
        permanent = False
    return text, permanent


def _tls_words(root: BaseException, endpoint: Endpoint) -> str:
    host = endpoint.host
    if isinstance(root, ssl.SSLCertVerificationError):
        if root.verify_code in _WRONG_NAME:
            return (
                f"the certificate of {host} is another host's: {root.verify_message} · "
                f"check the base URL {endpoint.base_url}"
            )
        hint = "if the CA is your own, set SSL_CERT_FILE to its certificates"
        return f"the certificate of {host} is not trusted: {root.verify_message} · {hint}"
    reason = getattr(root, "reason", None) or str(root)
    hint = "is it http? Or is the CA your own? Then set SSL_CERT_FILE"
    return f"no safe connection to {host}: {reason.replace('_', ' ').lower()} · {hint}"


_WRONG_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


def _is_timeout(error: BaseException) -> bool:
    """What lies below one is the cancellation by which it came about."""
    return isinstance(error, TimeoutError) or type(error).__name__.endswith("Timeout")


def _root(error: BaseException) -> BaseException:
    """The innermost cause that says something."""
    seen = {id(error)}
    while True:
        inner = error.__cause__ or error.__context__
        if isinstance(error, BaseExceptionGroup):
            inner = causes(error)[0]
        if inner is None or id(inner) in seen or _is_timeout(error):
            return error
        seen.add(id(inner))
        error = inner
