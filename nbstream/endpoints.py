"""Where a request goes: a remote endpoint or the embedded model, and with which key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .errors import ConfigurationError, UsageError
from .keys import Keys, kernel_keys
from .request import Options
from .secret import Headers, Query, Secret, split_address, variable

__all__ = ["OPENAI_URL", "Destination", "Endpoint", "LocalEndpoint", "destination", "resolve"]

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "none"  # the SDK wants a key; servers without keys ignore this one

# With `eu.` and other regions: https://developers.openai.com/api/docs/guides/your-data
_OPENAI_HOST = re.compile(r"(?:[a-z0-9-]+\.)?api\.openai\.com\.?")
# A gateway before Azure keeps this path under a host of its own.
_AZURE_DEPLOYMENT = re.compile(r"/openai/deployments/(?P<name>[^/]+)/?")
_AZURE_HOST = re.compile(r".+\.(?:openai|cognitiveservices|services\.ai)\.azure\.(?:com|us|cn)\.?")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that speaks the API.

    Attributes:
        base_url: its address, up to and with `/v1`.
        key: what authenticates.
        key_name: where the key came from, such as an environment variable, for messages.
        headers: further HTTP headers.
        query: the parameters that every request carries in its address.
        name: what to call it in messages, instead of its host and port.
    """

    base_url: str
    key: Secret
    key_name: str = "OPENAI_API_KEY"
    headers: Headers = ()
    name: str = ""
    query: Query = field(default_factory=Query)

    @property
    def host(self) -> str:
        return self.name or urlsplit(self.base_url).netloc or self.base_url

    @property
    def origin(self) -> str:
        return _origin(self.base_url)

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI's own host, whatever the endpoint is called."""
        parts = urlsplit(self.base_url)
        is_theirs = _OPENAI_HOST.fullmatch(parts.hostname or "") is not None
        return is_theirs and parts.port in (None, 80, 443)

    @property
    def address(self) -> str:
        """The base URL with its query, for messages: a key in that shows as `…`."""
        return self.base_url + self.query.shown

    @property
    def deployment(self) -> str:
        """The deployment that an address of Azure's classic API names, or ""."""
        match = _AZURE_DEPLOYMENT.search(urlsplit(self.base_url).path)
        return "" if match is None else unquote(match["name"])

    @property
    def wants_api_key_header(self) -> bool:
        """Whether the key goes in `api-key`: in Azure's APIs with an `api-version`.

        In `Authorization` those take tokens of Entra ID alone, and nothing beside `api-key`.
        https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference#authentication
        """
        parts = urlsplit(self.base_url)
        is_azure = _AZURE_HOST.fullmatch(parts.hostname or "") is not None
        is_versioned = "api-version=" in self.query.reveal() and "/v1" not in parts.path
        return bool(self.deployment) or (is_azure and is_versioned)

    @property
    def is_on_this_machine(self) -> bool:
        return urlsplit(self.base_url).hostname in ("127.0.0.1", "localhost", "::1")

    def redact(self, text: str) -> str:
        """`text` without the key and what headers and query carry, should a server echo them."""
        for secret in (self.key, self.query, *(value for _, value in self.headers)):
            text = secret.redact(text)
        return text


@dataclass(frozen=True, slots=True)
class LocalEndpoint:
    """The embedded model: the built-in one, or any GGUF file."""

    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """A remote endpoint before its key is looked for.

    Attributes:
        base_url: its address.
        variable: the environment variable that would hold the key.
        headers: further HTTP headers.
        query: the parameters of every request.
        is_named: whether an address was set at all.
    """

    base_url: str
    variable: str
    headers: Headers
    query: Query
    is_named: bool

    @property
    def origin(self) -> str:
        """Scheme, host and port: what a key is bound to."""
        return _origin(self.base_url)


def destination(
    options: Options, environ: Mapping[str, str] | None = None
) -> Destination | LocalEndpoint:
    """Where these options lead if there is a key.

    Args:
        options: how to ask.
        environ: stands in for the process's environment.

    Raises:
        UsageError: a base URL that is none.
    """
    model = options.model or ""
    if model == "local" or model.startswith("local:"):
        path = model.partition(":")[2]
        return LocalEndpoint(Path(path).expanduser() if path else None)
    named, headers, query = options.base_url, options.headers, options.query
    if not named:
        named, login, query = split_address(variable("OPENAI_BASE_URL", environ))
        headers = (("Authorization", login), *headers) if login else headers
    url = _checked_url(named or OPENAI_URL)
    return Destination(url, options.api_key_env or "OPENAI_API_KEY", headers, query, bool(named))


def resolve(
    options: Options, environ: Mapping[str, str] | None = None, keys: Keys = kernel_keys
) -> Endpoint | LocalEndpoint:
    """Where a request with these options goes, and with which key.

    The embedded model answers where it is named, and where nothing says otherwise: no
    model, no base URL, no key. May wait for the system's keyring, if a key was saved there.

    Args:
        options: how to ask.
        environ: stands in for the process's environment.
        keys: the keys that were typed or saved.

    Raises:
        ConfigurationError: a remote model without a key, or a key that cannot be sent.
        UsageError: a base URL that is none.
    """
    target = destination(options, environ)
    if isinstance(target, LocalEndpoint):
        return target
    key, source = keys.find(target.variable, target.origin, environ)
    if not key:
        if not (target.is_named or options.model or options.api_key_env):
            return LocalEndpoint()
        if options.api_key_env or not target.is_named:
            raise ConfigurationError(f"no API key: {_how_to_set(target.variable)}")
        key = Secret(NO_KEY)
    if not key.is_key:
        raise ConfigurationError(
            f"the key in {source} has a space or a character that an HTTP header cannot carry: "
            "copy it again"
        )
    return Endpoint(target.base_url, key, source, target.headers, query=target.query)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _how_to_set(name: str) -> str:
    if name == "OPENAI_API_KEY":
        return (
            "type it into %chat key, set OPENAI_API_KEY, pass --api-key-env NAME, or use -m local"
        )
    # What does not look like a name may be a key after all.
    shown = name if name.isupper() else "that --api-key-env names"
    return f"type it into %chat key, or set the environment variable {shown}"


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # a port that is no number raises
    except ValueError:
        is_address = False
    if not is_address or not url.isprintable() or " " in url:
        # What is left of a login that could not be read is not shown.
        shown = "" if "@" in url else f": {url!r}"
        raise UsageError(
            f"not a base URL{shown}; it looks like https://api.example.com/v1 or "
            "http://localhost:8000/v1 (in a login, / and @ are %2F and %40)"
        )
    if "?" in url or "#" in url:
        raise UsageError(
            "a base URL ends before #: leave that out, and send a key that stood there "
            "by %chat key or --header NAME VALUE"
        )
    return url.rstrip("/")
