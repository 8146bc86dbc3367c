"""Where the keys are kept that the user typed: in this kernel, and in the system's keyring."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ConfigurationError
from .secret import Secret, variable

__all__ = ["KeyName", "Keyring", "Keys", "kernel_keys"]

_SERVICE = "nbstream"  # under which the keyring lists the keys
_EXTRA = "pip install 'nbstream[keyring]'"


@dataclass(frozen=True, slots=True)
class KeyName:
    """What a key is for.

    Attributes:
        variable: the environment variable that it stands in for.
        origin: the scheme, host and port that alone may get it; "" is any.
    """

    variable: str
    origin: str = ""

    def __str__(self) -> str:
        return f"{self.variable}@{self.origin}" if self.origin else self.variable


class Keyring:
    """The system's keyring, by the library of that name.

    A file lists the names of what was saved, so that nothing is asked, or even imported,
    where nothing was. The library may wait until the user has unlocked the keyring: it is
    called on threads of its own, and waited for `patience` seconds.

    Args:
        listing: the file; by default one in the user's configuration folder.
        patience: in seconds.
    """

    def __init__(self, listing: Path | None = None, patience: float = 10.0) -> None:
        self._listing = listing
        self._patience = patience
        self._reading: dict[str, Future[Secret]] = {}

    def read(self, name: KeyName) -> Secret | None:
        """The key saved under this name, or None.

        A keyring that is unlocked too late is not asked again: the next call has the key.

        Raises:
            ConfigurationError: the keyring cannot be read, or does not answer in time.
        """
        entry = str(name)
        if entry not in self._listed():
            return None
        reading = self._reading.get(entry)
        if reading is None or (reading.done() and reading.exception() is not None):
            library = _library()
            reading = _in_thread(lambda: Secret(library.get_password(_SERVICE, entry) or ""))
            self._reading[entry] = reading
        return self._result(reading) or None

    def save(self, name: KeyName, key: Secret) -> None:
        """Keep a key until it is deleted.

        Raises:
            ConfigurationError: there is no keyring, or it does not take the key.
        """
        library, entry = _library(), str(name)
        self._result(_in_thread(lambda: library.set_password(_SERVICE, entry, key.reveal())))
        self._reading.pop(entry, None)
        self._list({*self._listed(), entry})

    def delete(self, name: KeyName) -> bool:
        """Delete a key; return whether there was one.

        Raises:
            ConfigurationError: the keyring does not answer, or refuses.
        """
        entry = str(name)
        listed = self._listed()
        if entry not in listed:
            return False
        library = _library()
        self._result(_in_thread(lambda: library.delete_password(_SERVICE, entry)))
        self._reading.pop(entry, None)
        self._list(listed - {entry})
        return True

    def _result(self, call: Future[Any]) -> Any:
        try:
            return call.result(self._patience)
        except TimeoutError:
            pass  # its traceback would lead to the library's variables
        raise ConfigurationError(
            f"the system's keyring did not answer within {self._patience:g} s: unlock it and "
            "ask again, or type the key into %chat key"
        )

    def _listed(self) -> set[str]:
        path = self._path()
        try:
            return set() if path is None else set(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return set()  # not there, or not ours

    def _list(self, entries: set[str]) -> None:
        path = self._path()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(sorted(entries)), encoding="utf-8")

    def _path(self) -> Path | None:
        """None where the extra is not installed."""
        if self._listing is None:
            try:
                import platformdirs
            except ImportError:
                return None
            self._listing = platformdirs.user_config_path("nbstream") / "saved_keys.json"
        return self._listing


def _library() -> Any:
    try:
        import keyring
        import platformdirs  # noqa: F401  # for the list of what was saved
    except ImportError:
        pass
    else:
        return keyring
    raise ConfigurationError(f"the system's keyring needs a library more: {_EXTRA}")


def _in_thread(call: Callable[[], Any]) -> Future[Any]:
    """Call on a thread that ends with the process; an error is one line, without a past."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            result = call()
        except Exception as error:  # noqa: BLE001  # every system's keyring has its own
            failure = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        else:
            future.set_result(result)
            return
        future.set_exception(
            ConfigurationError(
                f"the system's keyring failed ({failure}) · %chat key keeps a key in this kernel"
            )
        )

    threading.Thread(target=run, name="nbstream-keyring", daemon=True).start()
    return future


class Keys:
    """The keys of a kernel.

    Args:
        keyring: where keys are kept that outlive it.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._typed: dict[KeyName, Secret] = {}

    def find(
        self, name: str, origin: str, environ: Mapping[str, str] | None = None
    ) -> tuple[Secret, str]:
        """The key for a request: what was typed, else the variable's, else a saved one.

        Args:
            name: the variable.
            origin: where the request goes.
            environ: stands in for the process's own.

        Returns:
            The key, empty where there is none, and where it is from, in words.

        Raises:
            ConfigurationError: a key is saved, and the keyring does not give it.
        """
        names = (KeyName(name, origin), KeyName(name))
        for each in names:
            if each in self._typed:
                return self._typed[each], "%chat key"
        if key := variable(name, environ):
            return key, name
        for each in names:
            if saved := self._keyring.read(each):
                return saved, "the keyring"
        return Secret(""), name

    def keep(self, name: KeyName, key: Secret, *, save: bool = False) -> None:
        """Keep a key in this kernel and, if `save`, in the system's keyring.

        Raises:
            ConfigurationError: it could not be saved; this kernel has it all the same.
        """
        self._typed[name] = key
        if save:
            self._keyring.save(name, key)

    def forget(self, name: KeyName) -> bool:
        """Forget a key, here and in the keyring; return whether there was one.

        Raises:
            ConfigurationError: the keyring does not answer, or refuses.
        """
        was_typed = self._typed.pop(name, None) is not None
        return self._keyring.delete(name) or was_typed


kernel_keys = Keys(Keyring())
