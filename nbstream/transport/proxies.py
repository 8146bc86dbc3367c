"""Which proxy a request goes through, as the environment says."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..endpoints import Endpoint

__all__ = ["has_login", "mounts_for", "proxy_of"]


def mounts_for(endpoint: Endpoint) -> dict[str, None] | None:
    """httpx's `mounts` by which no proxy stands before a server of this machine."""
    if not endpoint.is_on_this_machine:
        return None
    hostname = urlsplit(endpoint.base_url).hostname or ""
    return {f"all://[{hostname}]" if ":" in hostname else f"all://{hostname}": None}


def proxy_of(url: str) -> str:
    """Host and port of the proxy for `url`, without its login, or ""; for messages."""
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
