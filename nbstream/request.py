"""What is asked: options of a request, and the request as the API's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .messages import Message
from .request_messages import Recipient, request_messages
from .schema import Schema
from .schema_forms import SCHEMA_FORMS, SchemaForm, ask_for
from .secret import Headers, Query, Secret, check_variable_name, split_address
from .tools.names import function_name
from .tools.tool import Tool, ToolSource
from .wire.json_values import without_surrogates

__all__ = ["Compatibility", "Deadlines", "Options", "Request"]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """When to give up, in seconds; None is never.

    Attributes:
        connect: until the connection stands.
        first_token: until the first text, reasoning or tool call of an answer.
        idle: between two pieces of an answer; keep-alive comments do not count.
        total: for the whole answer, waiting for retries and running tools included.
        tool: for one call of a tool that does not say itself.
    """

    connect: float = 15.0
    first_token: float | None = 600.0
    idle: float | None = 120.0
    total: float | None = None
    tool: float | None = 300.0


@dataclass(frozen=True, slots=True)
class Options:
    """How to ask: what `%%chat`'s flags, `%config` and `Chat(...)` say.

    Attributes:
        model: the model's name; `local` or `local:/path/to.gguf` is the embedded one;
            None is the endpoint's only model, or the embedded one without an endpoint.
        base_url: the endpoint, up to and with `/v1`; None is `OPENAI_BASE_URL`, then OpenAI's.
            A login in it (`https://user:password@host`) moves into `headers`, and what
            follows its `?` into `query`.
        api_key_env: the *name* of the environment variable that holds the key.
        headers: further HTTP headers, as pairs; see `secret.secret_headers`.
        query: the parameters that every request carries in its address.
        temperature, max_tokens: as the API has them; None is the server's default.
        params: any further parameters of the API, by name.
        deadlines: when to give up.
        max_retries: how often a request that failed before any output is sent again.
        tools: what the model may call.
        approve: whether the user is asked before every call.
        max_rounds: how many requests one turn may take, where the model calls tools.
        schema: what the answer must look like, or None.
        stream: whether the answer is to come piece by piece, or in one.
    """

    model: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    headers: Headers = ()
    query: Query = field(default_factory=Query)
    temperature: float | None = None
    max_tokens: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    deadlines: Deadlines = field(default_factory=Deadlines)
    max_retries: int = 2
    tools: tuple[Tool | ToolSource, ...] = ()
    approve: bool = False
    max_rounds: int = 8
    schema: Schema | None = None
    stream: bool = True

    def __post_init__(self) -> None:
        """Keep no key in what is shown.

        Raises:
            UsageError: `api_key_env` is no name.
        """
        if self.api_key_env:
            check_variable_name(self.api_key_env)
        if self.base_url:
            url, login, query = split_address(Secret(self.base_url))
            object.__setattr__(self, "base_url", url or None)
            if login is not None:
                object.__setattr__(self, "headers", (("Authorization", login), *self.headers))
            if query:
                object.__setattr__(self, "query", query)


@dataclass(frozen=True, slots=True)
class Compatibility:
    """What an endpoint and model take of a request, as far as they have said.

    The default is the API's own form. `transport/compatibility.py` learns the rest from what
    they refuse.

    Attributes:
        stream_options: whether usage may be asked for at the end of the stream.
        past_tools: whether a request that offers no tools may carry those of its history.
        tool_choice_none: whether it may say that none of them is to be called.
        schema_form, schema_form_beside_tools: how it may be asked to answer by a schema.
        forced_calls: whether it may be told that it must call a tool.
        reasoning_field, refused_fields, wants_signatures: as a `Recipient` has them.
    """

    stream_options: bool = True
    past_tools: bool = True
    tool_choice_none: bool = True
    schema_form: SchemaForm = "json_schema"
    schema_form_beside_tools: SchemaForm = "json_schema"
    forced_calls: bool = True
    reasoning_field: str | None = None
    refused_fields: frozenset[str] = frozenset()
    wants_signatures: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request for a chat completion.

    Attributes:
        messages: the conversation, system message first.
        options: how to ask.
        model: the model's name as the endpoint knows it.
        tools: what the model may call, as it stands for this turn.
        past_tools: what earlier turns offered, in the API's form, where they called some of it.
        takes: what the endpoint and model are known to take.
    """

    messages: tuple[Message, ...]
    options: Options
    model: str
    tools: tuple[Tool, ...] = ()
    past_tools: tuple[Mapping[str, Any], ...] = ()
    takes: Compatibility = Compatibility()  # frozen

    def to_api(
        self, *, to: str | None = None, max_tokens_name: str = "max_tokens"
    ) -> dict[str, Any]:
        """The keyword arguments of `chat.completions.create`.

        Args:
            to: the origin that is asked.
            max_tokens_name: what it calls that parameter.

        What the user set goes into `extra_body`, which the SDK merges into the request
        as it is: parameters that it does not know must reach the server too.
        """
        options = self.options
        body: dict[str, Any] = {}
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if options.max_tokens is not None:
            body[max_tokens_name] = options.max_tokens
        body.update(options.params)
        arguments: dict[str, Any] = {
            "model": self.model,
            "messages": request_messages(self.messages, self._recipient(to)),
        }
        if options.stream:
            arguments["stream"] = True
            if self.takes.stream_options:
                arguments["stream_options"] = {"include_usage": True}
        arguments |= self._tools()
        if options.schema is not None and self.schema_form is not None:
            ask_for(
                options.schema,
                self.schema_form,
                arguments,
                answer_tool=self.answer_tool,
                has_tools=bool(self.tools),
                forced=self.takes.forced_calls,
            )
        if body:
            arguments["extra_body"] = body
        # Half characters stand in file names that are no UTF-8, and in what is cut inside an
        # emoji. The SDK cannot encode them; in the history they would fail all later requests.
        sendable: dict[str, Any] = without_surrogates(arguments)
        return sendable

    @property
    def carries_past_tools(self) -> bool:
        """Whether the tools that go with it are those of earlier turns, which nothing may call."""
        return bool(self.past_tools) and self.takes.past_tools and not self.tools

    def _recipient(self, origin: str | None) -> Recipient:
        takes = self.takes
        return Recipient(
            origin,
            self.model,
            takes.reasoning_field,
            takes.refused_fields,
            takes.wants_signatures,
        )

    def _tools(self) -> dict[str, Any]:
        """What may be called; where nothing may and the history has calls, what they called.

        LiteLLM and Bedrock refuse a history with calls and without tools.
        """
        if self.tools:
            return {"tools": [tool.to_api() for tool in self.tools]}
        if not self.carries_past_tools:
            return {}
        choice = {"tool_choice": "none"} if self.takes.tool_choice_none else {}
        return {"tools": [dict(tool) for tool in self.past_tools], **choice}

    @property
    def schema_form(self) -> SchemaForm | None:
        """How it asks to answer by the schema, or None where there is none."""
        if self.options.schema is None:
            return None
        forms = [self.takes.schema_form]
        if self.tools:
            forms.append(self.takes.schema_form_beside_tools)
        return max(forms, key=SCHEMA_FORMS.index)

    @property
    def answer_tool(self) -> str | None:
        """The name of the tool whose call is the answer, or None where the answer is text."""
        if self.options.schema is None or self.schema_form != "tool":
            return None
        name = function_name(self.options.schema.name)
        taken = {tool.name for tool in self.tools}
        while name in taken:
            name = function_name(f"answer_{name}")
        return name
