"""What Colab has installed stays as it is: requirements and setup cells against Colab's own list, and code that its Python accepts."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import warnings

import nbformat
import pytest
from packaging.requirements import Requirement

from helpers.installs import EXTRAS
from helpers.runtime import REPOSITORY
from tools import colab

SOURCES = colab.sources()
GONE = set("aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap msilib nis nntplib ossaudiodev pipes "
           "smtpd sndhdr spwd sunau telnetlib uu xdrlib".split())  # modules that Python 3.12 or 3.13 removed
FILES = [f for folder in ("helpers", "tools", "tests", "benchmarks", "data/offline") for f in sorted((REPOSITORY / folder).rglob("*.py"))]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


def replaced(*lines, colab_has=None):
    return colab.compare([Requirement(line) for line in lines], colab_has or colab.colab_versions(), "requirements.txt")[0]


def test_the_copy_is_colabs_list():
    found = colab.colab_versions()
    assert len(found) > 500 and {"torch", "numpy", "pandas", "pyarrow", "transformers", "datasets", "torchao"} <= found.keys()


@pytest.mark.parametrize("name", [n for n in SOURCES if n != "requirements-llama.txt"])
def test_nothing_preinstalled_is_replaced(name):
    assert colab.compare(SOURCES[name], colab.colab_versions(), name)[0] == []


def test_what_the_llama_set_replaces_is_listed_in_it():
    text = (REPOSITORY / "requirements-llama.txt").read_text(encoding="utf-8")
    sentences = colab.compare(SOURCES["requirements-llama.txt"], colab.colab_versions(), "requirements-llama.txt")[0]
    assert len(sentences) >= 2 and [s for s in sentences if s.rpartition("Colab has ")[2] not in text] == [] and "restart" in text
    kept = {"torch", "numpy", "transformers", "peft", "pyarrow", "accelerate"}
    assert [s for s in sentences if s.rpartition("Colab has ")[2].split()[0] in kept] == []


def test_colab_has_all_that_the_first_group_names():
    first_group = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").partition("# What runs and tests")[0]
    names = [line.partition("#")[0] for line in first_group.splitlines() if line.partition("#")[0].strip()]
    assert colab.compare([Requirement(n) for n in names], colab.colab_versions(), "requirements.txt")[1] == []


def test_a_replacement_is_named_with_both_versions():
    assert replaced("pandas>=3", "numpy>=2.1,<3") == ["requirements.txt asks for pandas>=3; Colab has pandas 2.2.3"]
    assert replaced("torch>=2.6", "torch>=2.12") == ["requirements.txt asks for torch>=2.12; Colab has torch 2.11.0+cu128"]


def test_what_a_new_package_brings_is_followed(monkeypatch):
    known = {"newcomer": ["helper-of-it>=1", "windows-only; sys_platform == 'win32'", "pyarrow>=99; extra == 'all'"],
             "helper-of-it": ["pyarrow>=21", "numpy"]}

    def requires(name):
        if name not in known:
            raise importlib.metadata.PackageNotFoundError(name)
        return known[name]

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    found = colab.compare([Requirement("newcomer"), Requirement("stranger")], colab.colab_versions(), "setup cell")
    assert found == (["helper-of-it asks for pyarrow>=21; Colab has pyarrow 18.1.0"], ["newcomer", "stranger", "helper-of-it"], ["stranger"])


def test_the_extras_of_all_setup_cells_bring_nothing_that_replaces():
    """Where the extras are installed (`make test-colab`), what they bring is followed to the end."""
    wanted = [Requirement(r) for group in EXTRAS.values() for r in group]
    found, new, unknown = colab.compare(wanted, colab.colab_versions(), "extras")
    assert found == []
    absent = {n for n in new if not colab.is_known(n)}
    assert set(unknown) == absent and (absent == set() or not colab.is_known("trl")), "make test-colab installs all extras"


def test_a_setup_cell_asks_for_what_its_word_stands_for(tmp_path):
    file = tmp_path / "x.ipynb"
    llama_set = [r.name for r in SOURCES["requirements-llama.txt"]]
    for extras, wanted in (("", []), (', extras="peft bitsandbytes"', ["peft", "bitsandbytes"]), (', extras="unsloth"', llama_set)):
        source = f"# @title Setup\nfrom helpers.runtime import setup\nruntime = setup('02'{extras})"
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), file)
        assert [r.name for r in colab.setup_requirements(file)] == wanted


def test_refreshing_names_what_changed_and_keeps_the_copy_when_it_cannot(tmp_path, monkeypatch, capsys):
    copy = tmp_path / "copy.txt"
    copy.write_text("torch==2.11.0\nnumpy==2.1.3\ntrl==1.0\n")
    monkeypatch.setattr(colab, "LIST", copy)
    new = tmp_path / "new.txt"
    new.write_text("# made by pip\ntorch==2.12.0+cu130\nnumpy==2.1.3\nfoo @ file:///x\nzlib-ng==1\n")
    colab.refresh(str(new))
    assert "torch: 2.11.0 -> 2.12.0+cu130\n" in capsys.readouterr().out
    assert copy.read_text() == "torch==2.12.0+cu130\nnumpy==2.1.3\nzlib-ng==1\n"
    (tmp_path / "page.html").write_text("<html>moved</html>")
    for source, sentence in ((tmp_path / "page.html", "is not Colab's list"), ("http://127.0.0.1:9/list.txt", "could not be read")):
        with pytest.raises(SystemExit, match=sentence):
            colab.refresh(str(source))
    assert "torch==2.12.0+cu130" in copy.read_text()


def test_constraints_are_colabs_but_for_its_gpu_builds():
    found = colab.constraints()
    assert found["transformers"] == colab.colab_versions()["transformers"]
    assert "torchao" not in found and "triton" not in found and not any(n.endswith("cu12") for n in found)
    assert "+" not in found["torch"] and colab.constraints(torch="2.11.0")["torch"] == "2.11.0"


def test_the_environment_like_colabs_has_all_extras(tmp_path):
    colab.write(tmp_path, None)
    assert f"transformers=={colab.colab_versions()['transformers']}" in (tmp_path / "constraints.txt").read_text().split()
    names = {Requirement(line).name for line in (tmp_path / "requirements.txt").read_text().splitlines()}
    assert names >= {"torch", "nbval", "pytest", *EXTRAS} and not names & {"jupyterlab", "unsloth"}


def code(file):
    """Python source of a file or of a notebook's code cells."""
    if file.suffix == ".py":
        return file.read_text(encoding="utf-8")
    return "\n".join(c.source for c in nbformat.read(file, as_version=4).cells if c.cell_type == "code")


@pytest.mark.parametrize("file", FILES + NOTEBOOKS, ids=lambda f: f.name)
def test_colabs_python_accepts_the_code(file):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what a newer Python refuses is a warning in this one
        tree = compile(code(file), file.name, "exec", ast.PyCF_ONLY_AST)
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert {n.partition(".")[0] for n in names} & GONE == set()


def test_warnings_of_deprecation_in_helpers_are_errors(tmp_path):
    """pyproject.toml turns them into failures: what PyTorch or Python announce to remove is found before Colab has it."""
    settings = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    for kind in ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning"):
        assert re.search(rf'"error::{kind}:helpers', settings)
    test = tmp_path / "test_it.py"
    test.write_text("import warnings\n\ndef test_it():\n    warnings.warn_explicit('soon gone', FutureWarning, 'x.py', 1, module='helpers.model')\n")
    run = subprocess.run([sys.executable, "-m", "pytest", "-q", "-c", str(REPOSITORY / "pyproject.toml"), "--rootdir", str(tmp_path), str(test)],
                         capture_output=True, text=True)
    assert run.returncode == 1 and "soon gone" in run.stdout
