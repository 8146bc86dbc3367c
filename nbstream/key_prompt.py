"""`%chat key`: asks for a key, so that it stands in no cell."""

from __future__ import annotations

import getpass
from collections.abc import Sequence

from .endpoints import LocalEndpoint, destination
from .errors import ConfigurationError, UsageError
from .keys import KeyName, Keys, kernel_keys
from .request import Options
from .secret import Secret, check_variable_name

__all__ = ["run_key_command"]


def run_key_command(words: Sequence[str], options: Options, keys: Keys = kernel_keys) -> str:
    """Carry out `%chat key WORDS`; return what to say.

    Args:
        words: of `[NAME] [--save | --forget]`. Without NAME the key is for the endpoint
            that `options` lead to, and goes nowhere else.
        options: the settings as they stand.
        keys: what keeps them.

    Raises:
        UsageError: other words, or nothing was typed.
        ConfigurationError: no prompt, no keyring, or a key that cannot be sent.
    """
    flags = [word for word in words if word.startswith("-")]
    names = [word for word in words if not word.startswith("-")]
    if len(names) > 1 or len(flags) > 1 or not {*flags} <= {"--save", "--forget"}:
        raise UsageError(
            "type %chat key, %chat key --save or %chat key --forget; NAME after `key` is an "
            "environment variable, and the key itself is asked for"
        )
    name, whom = _meant(names, options)
    if "--forget" in flags:
        return f"The key for {whom} is {'forgotten' if keys.forget(name) else 'not kept anyway'}."
    save = "--save" in flags
    keys.keep(name, _asked(whom), save=save)
    return f"The key for {whom} is kept in {_place(save=save)}."


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
        if not key.is_key:
            raise ConfigurationError(
                "the key has a space or a character that an HTTP header cannot carry: copy it again"
            )
        return key
    raise ConfigurationError("nobody can be asked for a key here · set OPENAI_API_KEY instead")


def _place(*, save: bool) -> str:
    return "the system's keyring" if save else "this kernel"
