"""The setup cell, for real: as it stands, on a machine like Colab's or Kaggle's, with and without all that can be missing."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest
from hosted import Host, Outcome, git, publish, wheel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from packaging.requirements import Requirement

from helpers.installs import behind, install
from helpers.runtime import HOMES, REPOSITORY
from tools.fork import address, version


def setup_cell(file):
    return next(c.source for c in nbformat.read(file, as_version=4).cells if c.source.startswith("# @title Setup"))


FILES = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
CELL = setup_cell(FILES[0])
TICKED = CELL.replace("USE_DRIVE = False", "USE_DRIVE = True")
WITH_EXTRAS = CELL.replace("use_drive=USE_DRIVE)", 'use_drive=USE_DRIVE, extras="peft bitsandbytes")')
UNSLOTH = WITH_EXTRAS.replace("peft bitsandbytes", "unsloth")
COLABS = dict(torchao="0.10.0", datasets="4.0.0", peft="0.20.0")  # of what Unsloth's set names; the next two are from a plain run before it
PLAIN = dict(bitsandbytes="0.50.2", trl="0.29.1")
LACKED = " ".join(r for r in behind("unsloth") if Requirement(r).name not in {"peft", *PLAIN})
EARLY = "import sys\nearly = {'transformers', 'trl', 'peft'} & sys.modules.keys()\n"
CLONE = f"git clone -q --depth=1 https://github.com/{address()} gpt-in-colab"
UNREACHABLE = "helpers not fetched: switch the internet on, delete any folder gpt-in-colab, run this again"
WHENCE = "import helpers.runtime; print(helpers.runtime.__file__)"
T4 = """
import torch
from types import SimpleNamespace
fractions = []
answers = dict(is_available=True, device_count={count}, get_device_name="Tesla T4", get_device_capability=(7, 5), mem_get_info=(15.6e9, 15.8e9),
               get_device_properties=SimpleNamespace(total_memory=15.8e9))
for name, answer in answers.items():
    setattr(torch.cuda, name, lambda device=None, answer=answer: answer)
torch.cuda.set_per_process_memory_fraction = lambda fraction, device=None: fractions.append(fraction)
"""

FULL = """
import errno, shutil
from pathlib import Path
written, usage = Path.write_text, shutil.disk_usage
def full(self, *args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
"""


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The repository as it would be published: the files of this checkout at the release's tag and on branch main."""
    return publish(REPOSITORY, tmp_path_factory.mktemp("release") / "repository.git", f"v{version()}")


@pytest.fixture
def colab(tmp_path, release):
    return Host(tmp_path, {address(): release})


def line(outcome, start):
    """The line of a cell's output that begins so."""
    assert not outcome.error
    return next(text for text in outcome.text.splitlines() if text.startswith(start))


def test_the_cell_is_the_same_in_every_notebook():
    cells = {re.sub(r', extras="[a-z ]+"', "", re.sub(r'setup\("\d\d"', 'setup("00"', setup_cell(f))) for f in FILES}
    assert len(cells) == 1
    assert max(map(len, CELL.splitlines())) <= 150


def test_the_homes_are_the_platforms():
    assert HOMES == {"Colab": Path("/content"), "Kaggle": Path("/kaggle/working")}


@pytest.mark.parametrize("file", [pytest.param(f, id=f.stem) for f in FILES])
def test_colab_fetches_the_release_once(colab, release, file):
    cell = setup_cell(file)
    colab.add_package("trl", PLAIN["trl"])  # the newest is beyond what Colab's other packages allow, so that it would be replaced
    first, whence, path = colab.kernel(cell, WHENCE, "print(sys.path[0])")
    commit, files = git("-C", release, "rev-parse", f"v{version()}"), colab.files()
    assert colab.calls() == [f"{CLONE} --branch=v{version()}"]  # no pip, no Drive
    assert ", Colab, " in line(first, "Python ") and "CPU cores" in line(first, "Python ")
    assert line(first, "profile ").startswith("profile cpu, data ") and line(first, "workspace ").endswith("tick USE_DRIVE to keep it")
    assert line(first, "helpers ") == f"helpers fetched: {commit}"
    assert whence.text.strip() == str(colab.home / "gpt-in-colab" / "helpers" / "runtime.py")
    assert path.text.strip() == str(colab.home / "gpt-in-colab")  # absolute: it outlives a %cd
    again, third = colab.kernel(cell, cell)  # the kernel was restarted
    assert (again, third) == (first, first)
    assert (colab.calls(), colab.files()) == ([], files)


def test_where_the_release_has_no_tag_the_default_branch_is_fetched(tmp_path):
    host = Host(tmp_path, {address(): publish(REPOSITORY, tmp_path / "untagged.git")})
    found, whence = host.kernel(CELL, WHENCE)
    assert line(found, "helpers ") == "helpers fetched: no release tag there, so branch main"
    assert host.calls() == [f"{CLONE} --branch=v{version()}", CLONE]
    assert whence.text.startswith(str(host.home))


def test_a_fork_fetches_from_itself(tmp_path, release):
    fork = tmp_path / "fork"
    git("clone", "-q", release, fork)
    here = dict(cwd=fork, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(fork)})
    made = subprocess.run(["make", "-o", ".venv/ready", f"BIN={os.path.dirname(sys.executable)}", "fork", "REPO=you/name"], **here)
    assert (made.returncode, made.stderr) == (0, "")
    gates = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "one_address",
                            "tests/test_notebooks.py", "tests/test_repository.py"], **here)
    assert f"{len(FILES) + 1} passed" in gates.stdout
    git("commit", "-q", "-a", "-m", "make fork", cwd=fork)
    assert address() not in git("grep", "-h", "github.com", "--", "notebooks", cwd=fork)
    host = Host(tmp_path, {"you/name": fork / ".git"})
    found, = host.kernel(setup_cell(fork / "notebooks" / FILES[0].name))
    assert line(found, "helpers ").startswith("helpers fetched: ")
    assert host.calls() == [f"{CLONE.replace(address(), 'you/name')} --branch=v{version()}"]


def test_a_half_made_clone_is_one_sentence(colab):
    for part in (".git", "helpers"):
        (colab.home / "gpt-in-colab" / part).mkdir(parents=True)
    failed, = colab.kernel(CELL)
    assert (failed.text, failed.error) == ("", f"UsageError: {UNREACHABLE}")


@pytest.mark.parametrize(("cell", "remote", "variables", "shown"), [
    pytest.param(CELL, None, {}, f"UsageError: {UNREACHABLE}\n", id="no network"),
    pytest.param(TICKED, "release", {"REFUSED": "1"}, "ReaderError: Google Drive was not mounted (Error: credential propagation was unsuccessful): "
                 "run this cell again and allow it, or untick USE_DRIVE", id="Drive refused"),
])
def test_a_failure_shows_one_sentence_and_stops_run_all(tmp_path, release, cell, remote, variables, shown):
    host = Host(tmp_path, {address(): remote and release}, **variables)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in (cell, "print('not stopped')")])
    client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(host.home)}},
                            extra_arguments=["--IPKernelApp.log_level=50"])
    with pytest.raises(CellExecutionError):
        client.execute(env=host.env)
    first, second = notebook.cells
    assert [o.get("text") or "\n".join(o["traceback"]) for o in first.outputs] == [shown]
    assert (second.execution_count, second.outputs) == (None, [])


def test_a_t4_gets_what_it_lacks_and_loses_the_old_torchao(colab):
    for name, old in dict(torchao="0.10.0", peft="0.20.0", bitsandbytes="0.44.0", datasets="4.0.0").items():
        colab.add_package(name, old)
    _, found, fractions = colab.kernel(T4.format(count=1), WITH_EXTRAS.replace("peft ", ""), "print(fractions)")
    assert ", Colab, Tesla T4 (14.7 GiB, 14.5 GiB free)" in line(found, "Python ")
    assert line(found, "dtype ").startswith("dtype float16: ") and line(found, "profile ").startswith("profile t4, data hub")
    assert fractions.text == f"{[14.5 * 2**30 / 15.8e9]}\n"
    assert colab.calls() == [f"{CLONE} --branch=v{version()}", "pip install -q bitsandbytes>=0.50,<0.51"]  # without PEFT torchao stays
    _, *both = colab.kernel(T4.format(count=1), WITH_EXTRAS, WITH_EXTRAS)
    assert both == [found, found]
    assert colab.calls() == ["pip uninstall -y -q torchao"]


def test_a_package_replaced_in_use_asks_for_a_restart_until_there_is_one(colab):
    colab.add_package("torchao", "0.10.0")
    colab.add_package("bitsandbytes", "0.44.0")
    colab.add_package("peft", "0.20.0")
    _, *stopped = colab.kernel("import bitsandbytes, torchao", WITH_EXTRAS, WITH_EXTRAS)
    sentence = "ReaderError: bitsandbytes, torchao was replaced while in use: restart the session, then Run all"
    assert [(o.text, o.error) for o in stopped] == [("", sentence)] * 2
    assert not colab.kernel(WITH_EXTRAS)[0].error


def test_pip_without_a_network_is_one_sentence(tmp_path, release):
    host = Host(tmp_path, {address(): release}, NO_NETWORK="1")
    for name, there in dict(torchao="0.17.0", peft="0.20.0", bitsandbytes="0.44.0").items():
        host.add_package(name, there)
    failed, _, found = host.kernel(WITH_EXTRAS, "del os.environ['NO_NETWORK']", WITH_EXTRAS)
    sentence = "ReaderError: pip install bitsandbytes>=0.50,<0.51 failed: check the network, then run this cell again"
    assert (failed.text, failed.error) == ("", sentence)
    assert not found.error
    assert host.calls() == [f"{CLONE} --branch=v{version()}"] + ["pip install -q bitsandbytes>=0.50,<0.51"] * 2  # a torchao that PEFT accepts stays


def test_a_computer_of_ones_own_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("no command is run"))
    install("peft bitsandbytes trl optuna")
    install("unsloth")


def test_unsloth_gets_what_its_set_lacks_and_comes_before_what_it_changes(colab):
    for name, there in (COLABS | PLAIN).items():
        colab.add_package(name, there)
    colab.add("unsloth/__init__.py", EARLY)
    look = "import os; print(sys.modules['unsloth'].early, os.environ['UNSLOTH_DISABLE_STATISTICS'])"
    found, seen = colab.kernel(UNSLOTH, look)
    assert not found.error and line(found, "profile ") and seen == Outcome("set() 1\n", "")
    assert colab.calls() == [f"{CLONE} --branch=v{version()}", f"pip install --no-deps -q {LACKED}"]
    assert LACKED.split()[:2] == ["unsloth==2026.10.9", "unsloth_zoo==2026.10.9"] and LACKED.endswith("datasets>=3.6,<4 torchao>=0.16,<0.19")
    again, plain, _ = colab.kernel(UNSLOTH, WITH_EXTRAS, UNSLOTH)
    assert (again, plain.error, colab.calls()) == (found, "", [])
    assert colab.kernel(WITH_EXTRAS, "print('unsloth' in sys.modules)")[1].text == "False\n"  # only where it is asked for


def test_what_unsloths_set_replaces_in_use_is_named_until_a_restart(colab):
    for name, there in (COLABS | PLAIN).items():
        colab.add_package(name, there)
    colab.add("unsloth/__init__.py", EARLY)
    _, *stopped, seen = colab.kernel("import datasets, torchao", UNSLOTH, UNSLOTH, "print('unsloth' in sys.modules)")
    sentence = "ReaderError: datasets, torchao was replaced while in use: restart the session, then Run all"
    assert [(o.text, o.error) for o in stopped] == [("", sentence)] * 2 and seen.text == "False\n"
    assert colab.calls() == [f"{CLONE} --branch=v{version()}", f"pip install --no-deps -q {LACKED}"]
    assert colab.kernel(UNSLOTH)[0].error == "" and colab.calls() == []


@pytest.mark.parametrize(("module", "reason"), [
    ("raise NotImplementedError('Unsloth: no accelerator\\nand more')", "Unsloth: no accelerator"),
    ("raise RuntimeError", "RuntimeError"), ("import transformers.nowhere.to_be_found", "No module named 'transformers.nowhere'"),
    ("import os\nos.nowhere", "module 'os' has no attribute 'nowhere'")])
def test_where_unsloth_cannot_be_imported_one_line_says_so(colab, module, reason):
    shutil.rmtree(colab.site / "google")  # a computer of one's own
    colab.add("transformers/__init__.py", "")
    colab.add("unsloth/__init__.py", module)
    found, seen, again = colab.kernel(UNSLOTH, "print('unsloth' in sys.modules)", UNSLOTH)
    sentence = "the plain stack is used, for Unsloth cannot be imported: "
    assert line(found, "the plain ") == sentence + reason and line(found, "workspace ") and seen.text == "False\n"
    assert line(again, "the plain ").startswith(sentence) and [c for c in colab.calls() if c.startswith("pip")] == []


def test_unsloth_after_what_it_changes_is_not_used(colab):
    for name, there in (COLABS | PLAIN).items():
        colab.add_package(name, there)
    colab.add("unsloth/__init__.py", EARLY)
    _, found, seen = colab.kernel("import peft, trl", UNSLOTH, "print('unsloth' in sys.modules)")
    assert line(found, "the plain ").endswith(": peft, trl came first: restart the session, then Run all") and seen.text == "False\n"


def test_an_unknown_word_of_extras_is_one_sentence(colab):
    failed, = colab.kernel(UNSLOTH.replace('"unsloth"', '"unslot peft"'))
    assert failed.error == "ReaderError: unknown extras 'unslot': choose among peft, bitsandbytes, trl, optuna, or unsloth alone"
    assert [c for c in colab.calls() if c.startswith("pip")] == []


def test_drive_refused_then_full_then_used(tmp_path, release):
    host = Host(tmp_path, {address(): release}, REFUSED="1")
    refused, _, full, _, quota, _, found = host.kernel(
        TICKED, FULL + "del os.environ['REFUSED']; Path.write_text = full",
        TICKED, "Path.write_text, shutil.disk_usage = written, lambda path: usage(path)._replace(free=9e6)",
        TICKED, "shutil.disk_usage = usage", TICKED)
    assert refused.error == ("ReaderError: Google Drive was not mounted (Error: credential propagation was unsuccessful): "
                             "run this cell again and allow it, or untick USE_DRIVE")
    where = "ReaderError: the workspace drive/MyDrive/gpt-in-colab/01 cannot be written"
    assert full.error == f"{where} (No space left on device): make room there, or untick USE_DRIVE"
    assert quota.error == f"{where} (less than 100 MB free): make room there, or untick USE_DRIVE"
    assert line(found, "workspace ").startswith("workspace drive/MyDrive/gpt-in-colab/01: ") and "disconnect" not in found.text
    assert not list((host.drive / "gpt-in-colab" / "01").iterdir())


def test_what_is_on_drive_is_found_again_by_the_next_machine(tmp_path, release):
    first = Host(tmp_path / "monday", {address(): release}, drive=tmp_path / "drive")
    train = "from helpers.runs import Run, make_header\nlog = runtime.workspace / 'cpu-12345678' / 'log.jsonl'\n" \
            "log.parent.mkdir()\nlog.write_text(__import__('json').dumps(dict(kind='header', time=0, started='2026-01-01 00:00')) + '\\n')"
    empty, saved = first.kernel(TICKED, train)
    assert not saved.error and "nothing in it yet" in line(empty, "workspace ")
    second = Host(tmp_path / "tuesday", {address(): release}, drive=tmp_path / "drive")
    found, = second.kernel(TICKED)
    assert "cpu-12345678" in line(found, "workspace ")
    assert second.calls() == [f"{CLONE} --branch=v{version()}", "drive.mount drive"]


def test_kaggle_uses_one_of_two_cards_and_no_drive(tmp_path, release):
    host = Host(tmp_path, {address(): release}, KAGGLE_KERNEL_RUN_TYPE="Interactive")  # google.colab is there: Kaggle builds on Colab's image
    host.add_package("torchao", "0.10.0")
    host.add_package("peft", "0.20.0")
    host.add_package("bitsandbytes", "0.50.2")
    cell = WITH_EXTRAS.replace("USE_DRIVE = False", "USE_DRIVE = True")
    _, found, again = host.kernel(T4.format(count=2), cell, cell)
    assert line(found, "USE_DRIVE ") == "USE_DRIVE has no effect here: Google Drive is Colab's"
    assert ", Kaggle, 2 x Tesla T4, this process uses one (14.7 GiB, " in line(found, "Python ")
    assert line(found, "workspace ").startswith("workspace workspace/01: ")
    assert host.calls() == [f"{CLONE} --branch=v{version()}", "pip uninstall -y -q torchao"]
    assert again == found


def test_real_pip_in_a_real_environment(tmp_path, release):
    venv, offered = tmp_path / "venv", tmp_path / "wheels"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(venv), "platbase": str(venv)}))
    (site / "others.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")  # torch, numpy and pip, without what their .pth files add
    offered.mkdir()
    for name, old in dict(torchao="0.10.0", bitsandbytes="0.44.0", peft="0.19.0").items():
        subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel(tmp_path, name, old), site], check=True)
    for name, new in dict(peft="0.21.2", bitsandbytes="0.50.2").items():
        wheel(offered, name, new)
    host = Host(tmp_path, {address(): release}, python=venv / "bin" / "python", fake_pip=False, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(offered),
                PIP_CONFIG_FILE=os.devnull)
    shown = "import bitsandbytes, importlib.util; print(bitsandbytes.__file__, importlib.util.find_spec('torchao'))"
    found, modules = host.kernel(WITH_EXTRAS, shown)
    assert modules == Outcome(f"{site / 'bitsandbytes' / '__init__.py'} None\n", "") and not found.error
    assert sorted(p.stem for p in site.glob("*.dist-info")) == ["bitsandbytes-0.50.2", "peft-0.21.2"]
    assert [c for c in host.calls() if c.startswith("pip")] == [
        "pip install -q peft>=0.20 bitsandbytes>=0.50,<0.51", "pip uninstall -y -q torchao"]
    assert host.kernel(WITH_EXTRAS)[0] == found
    assert host.calls() == []
