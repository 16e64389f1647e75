"""A teacher's rehearsal: each notebook in profile t4, three steps a training, from the first cell to the last, against the hub on loopback."""

import os
import re
import subprocess
import sys

import nbformat
import pytest
from hub import Hub
from nltk_index import Index
from standins import fill

from helpers.corpora import OFFLINE
from helpers.runs import Run
from helpers.runtime import REPOSITORY

NOTEBOOKS = [pytest.param(f, id=f.stem) for f in sorted((REPOSITORY / "notebooks").glob("*.ipynb"))]


@pytest.fixture(scope="module")
def hub():
    with Hub() as hub:
        fill(hub)
        yield hub


@pytest.fixture(scope="module")
def works():
    """NLTK's corpus of Machado, filled with the project's own works."""
    files = {f.relative_to(OFFLINE / "machado").as_posix(): f.read_bytes() for f in (OFFLINE / "machado").glob("*/*.txt")}
    with Index(files) as index:
        yield index


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_profile_t4_is_rehearsed_on_a_cpu(file, hub, works, tmp_path):
    cached = tmp_path / "cache" / "gpt-in-colab" / "nltk" / "corpora" / "machado.zip"  # NLTK 3.10 asks no loopback address: it finds this
    cached.parent.mkdir(parents=True)
    cached.write_bytes(works.content)
    environment = os.environ | {
        "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "cache"), "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "GPT_SERIES_NLTK_INDEX": works.address, "HF_UPDATE_DOWNLOAD_COUNTS": "0", "HF_HUB_DISABLE_TELEMETRY": "1",
        "GPT_SERIES_PROFILE": "t4", "GPT_SERIES_STEPS": "3", "GPT_SERIES_WORKSPACE": str(tmp_path / "workspace")}
    done = subprocess.run([sys.executable, "-m", "tools.notebook", file.name[:2]], cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]

    folder = tmp_path / "workspace-rehearsal" / file.name[:2]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("workspace")] == ["workspace-rehearsal"]
    cells = [c for c in nbformat.read(folder / file.name, as_version=4).cells if c.cell_type == "code"]
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert [c.source for c in cells if re.search(r"^print\(|_chart\(", c.source, re.MULTILINE) and not c.outputs] == []
    assert [o.text for c in cells for o in c.outputs if o.get("name") == "stderr" and "Warning" in o.text] == []
    setup = next(o.text for o in cells[0].outputs if "profile" in o.get("text", ""))
    assert "profile t4 (rehearsal: 3 steps), data hub" in setup

    runs = [Run(log) for log in folder.glob("*/log.jsonl")]
    assert runs and all(r.header["profile"] == "t4" and r.header["rehearsal"] == 3 and r.complete for r in runs)
    assert {r.end["step"] for r in runs} == {3}
    assert any("budget" == row["kind"] for r in runs for row in r.rows), "the card's figures are logged, for make check-gpu"
    assert any("resolve" in request.path for request in hub.requests)
