"""The examples run as they stand."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:UserWarning", "ignore:.*:ResourceWarning")
def test_the_quickstart_notebook_runs(tmp_path):
    """Every cell in order in a fresh folder, inside the event loop of a kernel."""
    notebook = nbformat.read(EXAMPLES / "quickstart.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [str(cell.get("outputs")) for cell in notebook.cells if cell.cell_type == "code"]
    assert "200 tasks" in outputs[0]
    assert any("rouge" in output for output in outputs)
    assert any("'True'" in output or "True" in output for output in outputs)
    assert (tmp_path / "runs" / "quickstart.json").exists()
