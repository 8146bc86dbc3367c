"""The demo: the quickstart notebook with the embedded model, whatever else is set up.

Without options it opens JupyterLab. With `--check` it runs the notebook in a real kernel
instead, prints what each cell shows with its speed, and exits with 1 if a cell failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

QUICKSTART = Path(__file__).parents[1] / "notebooks" / "quickstart.ipynb"
RECORD = "application/vnd.nbstream.response+json"
CELL_SECONDS = 300  # a small machine may take its time over a long answer


def use_embedded_model(profile: str) -> None:
    """Hide keys, endpoints and configured models: the kernels inherit this environment."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "NBSTREAM_")):
            del os.environ[name]
    os.environ["IPYTHONDIR"] = profile
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this environment's kernel before the user's


def open_lab(notebook: Path) -> int:
    """Run JupyterLab on the notebook until it is stopped; return its exit code."""
    options = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    options.append(f"--ServerApp.root_dir={notebook.parent}")
    options.append(f"--LabApp.default_url=/lab/tree/{notebook.name}")  # in the printed address too
    sys.argv = ["jupyter-lab", *options]
    from jupyterlab.labapp import main as lab

    return int(lab() or 0)


def check(notebook: Path) -> int:
    """Run the notebook and print each cell with what it shows; return the exit code."""
    document = nbformat.read(notebook, as_version=4)
    place = {"metadata": {"path": str(notebook.parent)}}
    client = NotebookClient(document, timeout=CELL_SECONDS, kernel_name="python3", resources=place)
    client.extra_arguments = ["--IPKernelApp.log_level=ERROR"]  # it warns of loopback TCP
    with client.setup_kernel():
        for number, cell in enumerate(document.cells):
            if cell.cell_type != "code":
                continue
            print(indent(cell.source, f"In [{number}]: "), flush=True)
            try:
                client.execute_cell(cell, number)
            except CellExecutionError:
                show(cell.outputs)
                print(f"\ncell {number} of {notebook.name} failed", file=sys.stderr)
                return 1
            show(cell.outputs)
    print(f"\nall cells of {notebook.name} ran")
    return 0


def show(outputs: list[Any]) -> None:
    """Print the outputs of a cell as text."""
    for output in outputs:
        match output.output_type:
            case "stream":
                text = output.text
            case "error":
                text = f"{output.ename}: {output.evalue}"
            case _:
                data = output.data
                text = data.get("text/markdown") or data.get("text/plain") or ""
                text += speed(data.get(RECORD))
        print(indent(text.rstrip(), "    "), flush=True)
    print(flush=True)


def speed(record: dict[str, Any] | None) -> str:
    """The figures of an answer as a line of their own, or "" where there are none."""
    timing = (record or {}).get("timing", {})
    parts = []
    if timing.get("first_token") is not None:
        parts.append(f"first token after {timing['first_token']:.2f} s")
    if timing.get("tokens_per_second") is not None:
        parts.append(f"{timing['tokens_per_second']:.0f} tokens/s")
    return f"\n=> {', '.join(parts)}" if parts else ""


def indent(text: str, first: str) -> str:
    return first + text.replace("\n", "\n" + " " * len(first))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notebook", nargs="?", type=Path, default=QUICKSTART)
    parser.add_argument("--check", action="store_true", help="run it here and print the answers")
    options = parser.parse_args()
    profile = tempfile.mkdtemp(prefix="nbstream-demo-")
    use_embedded_model(profile)
    try:
        return (check if options.check else open_lab)(options.notebook.resolve())
    finally:
        shutil.rmtree(profile, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
