"""Which proxy a request goes through, as the environment says; for messages only."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["has_login", "proxy_of"]


def proxy_of(url: str) -> str:
    """Host and port of the proxy for `url`, without its login, or "" where there is none."""
    import urllib.request

    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    if not proxy or urllib.request.proxy_bypass(parts.netloc):
        return ""
    return proxy.rpartition("://")[2].rpartition("@")[2].rstrip("/")


def has_login() -> bool:
    """Whether a proxy's address, as the environment has it, may hold a password."""
    import urllib.request

    return any("@" in address for address in urllib.request.getproxies().values())
