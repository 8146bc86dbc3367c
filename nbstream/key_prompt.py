"""`%chat key`: asks for a key, or reads it from a file, so that it stands in no cell."""

from __future__ import annotations

import getpass
from collections.abc import Sequence

from .endpoints import LocalEndpoint, destination
from .env_file import read_key
from .errors import ConfigurationError, UsageError
from .keys import KeyName, Keys, kernel_keys
from .request import Options
from .secret import Secret, check_variable_name

__all__ = ["run_key_command"]

_HOW = (
    "type %chat key, %chat key --save, %chat key --forget or %chat key --env-file PATH; NAME after "
    "`key` is an environment variable, and the key itself is asked for"
)


def run_key_command(words: Sequence[str], options: Options, keys: Keys = kernel_keys) -> str:
    """Carry out `%chat key WORDS`; return what to say.

    Args:
        words: of `[NAME] [--env-file PATH] [--save | --forget]`. Without NAME the key is for
            the endpoint that `options` lead to, and goes nowhere else. With a file the key is
            read from it, under NAME or the name of the endpoint's variable.
        options: the settings as they stand.
        keys: what keeps them.

    Raises:
        UsageError: other words, nothing was typed, or the file has no such key.
        ConfigurationError: no prompt, no keyring, no library for the file, or a key that cannot
            be sent.
    """
    words, file = _without_file(words)
    flags = [word for word in words if word.startswith("-")]
    names = [word for word in words if not word.startswith("-")]
    is_known = {*flags} <= ({"--save"} if file else {"--save", "--forget"})
    if len(names) > 1 or len(flags) > 1 or not is_known:
        raise UsageError(_HOW)
    name, whom = _meant(names, options)
    if "--forget" in flags:
        return f"The key for {whom} is {'forgotten' if keys.forget(name) else 'not kept anyway'}."
    save = "--save" in flags
    key, ignored = (_asked(whom), "") if file is None else read_key(file, name.variable)
    keys.keep(name, _checked(key), save=save)
    kept = f"The key for {whom} is kept in {_place(save=save)}."
    return f"{kept} {ignored}" if ignored else kept


def _without_file(words: Sequence[str]) -> tuple[Sequence[str], str | None]:
    """The other words, and the path behind `--env-file`, where it is there."""
    for place, word in enumerate(words):
        flag, is_one, path = word.partition("=")
        if flag == "--env-file":
            rest = words[place + 1 :] if is_one else words[place + 2 :]
            path = path if is_one else "".join(words[place + 1 : place + 2])
            if not path or path.startswith("--"):
                raise UsageError("--env-file takes the path of a file, such as .env")
            return [*words[:place], *rest], path
    return words, None


def _meant(names: Sequence[str], options: Options) -> tuple[KeyName, str]:
    """What the key is for, and that in words."""
    if names:
        check_variable_name(names[0])
        return KeyName(names[0]), names[0]
    target = destination(options)
    if isinstance(target, LocalEndpoint):
        raise UsageError("the embedded model needs no key · set another model, or a base URL")
    return KeyName(target.variable, target.origin), target.origin


def _asked(whom: str) -> Secret:
    """The key that the user types."""
    try:
        # By its full name: in a kernel, ipykernel puts its own prompt there.
        key = Secret(getpass.getpass(f"Key for {whom}: "))
    except (NotImplementedError, EOFError):
        pass
    else:
        if not key:
            raise UsageError("no key was typed; nothing has changed")
        return key
    raise ConfigurationError("nobody can be asked for a key here · set OPENAI_API_KEY instead")


def _checked(key: Secret) -> Secret:
    if not key.is_key:
        raise ConfigurationError(
            "the key has a space or a character that an HTTP header cannot carry: copy it again"
        )
    return key


def _place(*, save: bool) -> str:
    return "the system's keyring" if save else "this kernel"
