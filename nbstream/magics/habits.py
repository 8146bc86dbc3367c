"""The flags of other tools that are none here, and what does the nearest to it.

Those that mean the same are aliases in `flags.py`. The tools are simonw/llm
(https://llm.datasette.io/en/stable/help.html) and the magics of jupyter-ai
(https://jupyter-ai.readthedocs.io/en/latest/users/index.html).
"""

from __future__ import annotations

__all__ = ["NEAR_COMMANDS", "near_flag"]

_CODE = "%chat code puts the answer's first code block into the cell"
_KEY = "%chat key asks for a key, and --api-key-env NAME names its variable"
_ATTACH = "--attach PATH sends a file along, and {{ expression }} puts a value into the prompt"
_ALONE = "--no-history asks alone; what is saved is the notebook's output"
_PARAM = "--param KEY VALUE sends a parameter"

_NEAR_FLAGS = {
    **dict.fromkeys(("-x", "--extract", "--xl", "--extract-last"), _CODE),
    **dict.fromkeys(("--key", "--api-key"), _KEY),
    **dict.fromkeys(("-f", "--fragment", "--at", "--attachment-type"), _ATTACH),
    **dict.fromkeys(("--sf", "--system-fragment"), "--system TEXT is the system message"),
    **dict.fromkeys(("-n", "--no-log", "--log", "-d", "--database"), _ALONE),
    **dict.fromkeys(("--model-parameters", "--parameters", "--options"), _PARAM),
    "--format": "--schema NAME gives the answer a form, and %chat code takes code out of it",
    "-p": "the parameters of a template stand behind its name: --template NAME KEY=VALUE",
    "--save": "a template is a variable or a file: --template NAME",
    "--functions": "--tool NAME offers a function of the notebook",
    "--schema-multi": "--schema list[NAME] wants several",
    "--async": "--bg returns at once",
    "--td": "calls and their results stand in folds above the answer",
    "--tools-debug": "calls and their results stand in folds above the answer",
    "-R": "reasoning stands in a fold of its own",
    "--hide-reasoning": "reasoning stands in a fold of its own",
    "-q": "-m and Tab lists the models",
    "--query": "-m and Tab lists the models",
}

#: Commands of other tools, by what is the same here.
NEAR_COMMANDS = {
    "list": "models",
    "logs": "history",
    "keys": "key",
    "error": "help",
    "register": "help",
    "version": "status",
}


def near_flag(word: str) -> str:
    """What does the nearest to a flag of another tool; "" where it is none that is known.

    Args:
        word: of the line, with a value behind its `=`, perhaps, which may be a key.
    """
    return _NEAR_FLAGS.get(word.partition("=")[0], "")
