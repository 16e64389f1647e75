"""The gates of every notebook: valid, honest, short, and equal to the helpers where it shows their code."""

import ast
import contextlib
import io
import math
import re
import statistics
import tempfile
from pathlib import Path

import nbformat
import pytest
from conftest import make_runtime

from helpers.exercises import check as check_exercise
from helpers.runtime import REPOSITORY
from tools.fork import address, version
from tools.results import CITED, PAGES, as_cited, results

FILES = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
NOTEBOOKS = [pytest.param(f, id=f.stem) for f in FILES]


def read(file):
    return nbformat.read(file, as_version=nbformat.NO_CONVERT)


def code_cells(file):
    return [c for c in read(file).cells if c.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def lines_of(cell):
    return [line for line in cell.source.splitlines() if line.strip() and not line.strip().startswith("#")]


def text_of(cell):
    """All text of a cell's outputs."""
    return "".join(o.get("text", "") + str(o.get("data", {}).get("text/plain", "")) + str(o.get("data", {}).get("text/html", ""))
                   for o in cell.outputs)


def test_there_are_notebooks():
    assert FILES and all(re.fullmatch(r"0\d_\w+", f.stem) for f in FILES)


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_is_valid_and_small(file):
    notebook = read(file)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert "widgets" not in notebook.metadata
    assert file.stat().st_size < 2_000_000


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_outputs_are_of_one_run_from_top_to_bottom(file):
    cells = code_cells(file)
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert not [o for c in cells for o in c.outputs if o.output_type == "error"]
    silent = [c.source for c in cells if re.search(r"^print\(|_chart\(", c.source, re.MULTILINE) and not c.outputs]
    assert silent == []
    assert any("image/png" in o.get("data", {}) for c in cells for o in c.outputs)


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_outputs_have_no_warning(file):
    assert [o.text for c in code_cells(file) for o in c.outputs if o.get("name") == "stderr" and "Warning" in o.text] == []


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_outputs_name_no_path_of_a_machine(file):
    found = [m[0] for c in code_cells(file) for m in re.finditer(r"/(?:home|root|tmp|work|Users|content|usr)/\S*", text_of(c))]
    assert found == []


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_outputs_are_of_profile_cpu(file):
    text = "".join(map(text_of, code_cells(file)))
    assert "profile cpu, data offline" in text and "rehearsal" not in text


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_a_cell_is_a_thought(file):
    cells = code_cells(file)
    sizes = [len(lines_of(c)) for c in cells]
    assert statistics.median(sizes) <= 8
    too_long = [(c.source.splitlines()[0], n) for c, n in zip(cells, sizes) if n > (40 if any(t.startswith("helpers/") for t in tags(c)) else 25)]
    assert too_long == []


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_checked_cells_have_something_to_check(file):
    checked = [c for c in code_cells(file) if "nbval-check-output" in tags(c)]
    assert len(checked) >= 5
    assert all(c.outputs and c.execution_count and text_of(c).strip() for c in checked)


def without_docstrings(node):
    """The syntax tree as text, docstrings removed."""
    for part in ast.walk(node):
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(part, clean=False) is not None:
            part.body = part.body[1:]
    return ast.dump(node)


def definitions(source):
    """{name: tree} of functions, methods as Class.method, and constants with a name in capitals."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = without_docstrings(node)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{m.name}": without_docstrings(m) for m in node.body if isinstance(m, ast.FunctionDef)}
            found[f"{node.name}(bases)"] = str([ast.dump(b) for b in node.bases])
        if isinstance(node, ast.Assign) and node.targets[0].id.isupper():
            found[node.targets[0].id] = ast.dump(node.value)
    return found


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_shown_code_is_the_helpers_code(file):
    shown = [(t, c) for c in code_cells(file) for t in tags(c) if t.startswith("helpers/")]
    assert shown
    for tag, cell in shown:
        helper, here = definitions((REPOSITORY / tag).read_text(encoding="utf-8")), definitions(cell.source)
        assert here, f"a cell tagged {tag} shows nothing of it"
        assert {k: v for k, v in here.items() if helper.get(k) != v} == {}


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_setup_cell_and_badges_have_the_one_address(file):
    cells, setup = read(file).cells, code_cells(file)[0].source
    assert f"https://github.com/{address()}" in setup and f"--branch=v{version()}" in setup
    assert f'setup("{file.name[:2]}"' in setup and len(setup.splitlines()) <= 12
    place = f"{address()}/blob/v{version()}/notebooks/{file.name}"
    assert f"colab.research.google.com/github/{place}" in cells[0].source
    assert f"kaggle.com/kernels/welcome?src=https://github.com/{place}" in cells[0].source
    assert not [c.source for c in code_cells(file)[1:] if re.search(r"pip install|git clone|filterwarnings", c.source)]


@pytest.mark.parametrize("file", [*NOTEBOOKS, *(pytest.param(REPOSITORY / name, id=name) for name in PAGES)])
def test_numbers_in_prose_are_the_recorded_ones(file):
    prose = file.read_text(encoding="utf-8") if file.suffix == ".md" else "\n".join(c.source for c in read(file).cells if c.cell_type == "markdown")
    recorded, cited = results(), CITED.findall(prose)
    assert cited, "no number here cites a recorded run"
    for number, _, key in cited:
        assert number == as_cited(number, recorded[key]), f"{key} is {recorded[key]}, the text says {number}"


def glossary():
    """The terms of GLOSSARY.md: the first column of its table."""
    lines = (REPOSITORY / "GLOSSARY.md").read_text(encoding="utf-8").splitlines()
    return [line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ") and not line.startswith(("| term", "| ---"))]


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_a_term_in_italics_is_in_the_glossary(file):
    prose = "\n".join(c.source for c in read(file).cells if c.cell_type == "markdown")
    for other in (r"```.*?```", r"`.*?`", r"\$.*?\$", r"\*\*.*?\*\*"):  # code, formulas, bold
        prose = re.sub(other, "", prose, flags=re.DOTALL)
    terms, known = re.findall(r"(?<!\w)\*([^*\n]{2,40})\*(?!\w)", prose), " ".join(glossary()).lower()
    assert len(terms) >= 8 and [term for term in terms if re.sub("e?s$", "", term.lower()) not in known and term != "italics"] == []
    assert f"https://github.com/{address()}/blob/v{version()}/GLOSSARY.md" in read(file).cells[0].source


def test_the_glossary_has_each_term_once_in_order():
    terms = [re.sub(r"[^a-z0-9]", "", term.lower()) for term in glossary()]
    assert len(terms) > 100 and terms == sorted(set(terms))


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_goals_stand_in_portuguese_and_the_notebook_before_is_named(file):
    head = read(file).cells[0].source
    goals = re.search(r"\*\*Em portugu\u00eas\.\*\*(.*?)\n\n", head, re.DOTALL)
    assert goals and all(f"({n})" in goals[1] for n in (1, 2, 3)) and "Neste caderno" in goals[1]
    before = int(file.name[:2]) - 1
    assert before == 0 or f"otebook 0{before}" in head or "notebook before" in head.lower()


def solutions(file):
    """[(number, solution code, stub code, check code)] of a notebook's exercises."""
    folded = [m for c in read(file).cells if c.cell_type == "markdown"
              for m in re.findall(r"<summary>Solution</summary>\s*```python\n(.*?)```", c.source, re.DOTALL)]
    by_tag = {t: c.source for c in code_cells(file) for t in tags(c)}
    return [(n, code, by_tag[f"exercise-{n}"], by_tag[f"check-{n}"]) for n, code in enumerate(folded, start=1)]


def answer(file, code, check):
    """What an exercise's check prints after ``code``, in a kernel that ran the cells it may rely on."""
    import numpy as np
    import torch
    out, folder = io.StringIO(), tempfile.mkdtemp()
    space = {"math": math, "np": np, "torch": torch, "check": check_exercise, "runtime": make_runtime(Path(folder) / file.name[:2], notebook=file.name[:2])}
    for needed in (c.source for c in code_cells(file) if c.source.startswith("import math\n\nq = ")):
        with contextlib.redirect_stdout(io.StringIO()):
            exec(needed, space)
    with contextlib.redirect_stdout(out):
        exec(code, space)
        exec(check, space)
    return out.getvalue().strip()


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_solutions_are_right_and_stubs_are_not(file):
    found = solutions(file)
    assert len(found) == 3
    for _, solution, stub, check in found:
        assert answer(file, solution, check) == "right"
        assert answer(file, stub, check) == "not tried yet"


@pytest.mark.parametrize(("notebook", "number", "wrong", "diagnosis"), [
    ("01", 1, "my_answer = 163_037_184", "tied"),
    ("01", 1, "my_answer = 124_439_808 - 1024 * 768", "position embedding"),
    ("01", 1, "my_answer = 124_439_808 - 12 * 9 * 768", "biases"),
    ("01", 1, "my_answer = 124_439_808 - (12 * 4 + 2) * 768", "layer norms"),
    ("01", 1, "my_answer = 124_439_808 - 2 * 768", "last norm"),
    ("01", 1, "my_answer = 7", "not yet"),
    ("01", 2, "def my_top_k(logits, k): return logits * (logits >= logits.topk(k).values[-1])", "-inf"),
    ("01", 2, "def my_top_k(logits, k): return logits.masked_fill(logits < logits.topk(k + 1).values[-1], -math.inf)", "3 tokens are left"),
    ("01", 2, "def my_top_k(logits, k): return logits.oops", "AttributeError"),
    ("01", 3, "def my_window_attention(q, k, w): return (q @ k.T / math.sqrt(2)).softmax(-1)", "future"),
    ("01", 3, "def my_window_attention(q, k, w): return (q @ k.T).masked_fill(torch.ones(3, 3).triu(1).bool(), -math.inf).softmax(-1)", "too far back"),
    ("01", 3, "def my_window_attention(q, k, w): return torch.eye(3)", "one too short"),
    ("01", 1, "my_answer = 124_475_904", "padded"),
    ("01", 1, "my_answer = 124_439_808 - 50_257 * 768", "token embedding is missing"),
    ("01", 1, "my_answer = 124_439_808 - 12 * 13 * 768 - 2 * 768", "only the matrices"),
    ("01", 1, "my_answer = 96_119_040", "the original's MLP"),
    ("01", 1, "my_answer = 46_473_216", "one layer of the 12"),
    ("01", 2, "def my_top_k(logits, k): return logits.masked_fill(logits < logits.topk(k).values[-1], -math.inf).softmax(-1)", "these are probabilities"),
    ("01", 2, "def my_top_k(logits, k): return logits.masked_fill(logits < logits.topk(k).values[-1], -math.inf) * 2", "their values changed"),
    ("01", 2, "def my_top_k(logits, k): return logits.masked_fill(logits <= logits.topk(k).values[-1], -math.inf)", "only 1 token is left"),
    ("01", 2, "def my_top_k(logits, k): return logits.masked_fill(logits >= logits.topk(k).values[-1], -math.inf)", "not the two largest"),
    ("01", 2, "def my_top_k(logits, k): return logits.topk(k).values", "all 4 logits"),
    ("01", 3, "def my_window_attention(q, k, w): return (q @ k.T / math.sqrt(2)).softmax(-1).tril() * torch.ones(3, 3).triu(1 - w)", "mask before the softmax"),
    ("01", 3, "def my_window_attention(q, k, w): return (q @ k.T).masked_fill(torch.ones(3, 3).tril().triu(1 - w) == 0, -math.inf).softmax(-1)", "the scale is missing"),
    ("01", 3, "def my_window_attention(q, k, w): return (q @ k.T / 2).masked_fill(torch.ones(3, 3).tril().triu(1 - w) == 0, -math.inf).softmax(-1)", "take its root"),
    ("01", 3, "def my_window_attention(q, k, w): return (q @ k.T / 3**0.5).masked_fill(torch.ones(3, 3).tril().triu(1 - w) == 0, -math.inf).softmax(-1)", "root of T"),
    ("01", 3, "def my_window_attention(q, k, w): return (q @ k.T / 128**0.5).masked_fill(torch.ones(3, 3).tril().triu(1 - w) == 0, -math.inf).softmax(-1)", "you divided by 11.31"),
    ("01", 3, "def my_window_attention(q, k, w): return (q @ k.T / 2**0.5).masked_fill(torch.ones(3, 3).tril(-1).triu(-w) == 0, -math.inf).softmax(-1)", "must see itself"),
    ("01", 3, "def my_window_attention(q, k, w): return (q @ k.T / 2**0.5).masked_fill(torch.ones(3, 3).tril(w - 1).triu() == 0, -math.inf).softmax(-1)", "the wrong way round"),
    ("01", 3, "def my_window_attention(q, k, w): return (q @ q.T / 2**0.5).masked_fill(torch.ones(3, 3).tril().triu(1 - w) == 0, -math.inf).softmax(-1)", "the scores are not"),
    ("01", 3, "def my_window_attention(q, k, w): return (q @ k.T / 2**0.5).masked_fill(torch.ones(3, 3).tril(1).triu(1 - w) == 0, -math.inf).softmax(-1)", "one token of the future"),
    ("01", 3, "def my_window_attention(q, k, w): return (q @ k.T / 2**0.5).masked_fill(torch.ones(3, 3).tril().triu(-w) == 0, -math.inf).softmax(-1)", "too far back"),
    ("01", 3, "def my_window_attention(q, k, w): return (q @ k.T / 2**0.5).masked_fill(torch.ones(3, 3).tril().triu(1 - w) == 0, -math.inf).softmax(0)", "softmax(-1)"),
    ("01", 3, "def my_window_attention(q, k, w): return (k @ q.T / 2**0.5).masked_fill(torch.ones(3, 3).tril().triu(1 - w) == 0, -math.inf).softmax(-1)", "the scores are not"),
    ("01", 3, "def my_window_attention(q, k, w): return (q @ k.T / 2**0.5).masked_fill(torch.ones(3, 3).tril().triu(1 - w) == 0, -math.inf).softmax(-1) @ q", "return the weights (T, T)"),
    ("01", 3, "def my_window_attention(q, k, w): return q.oops", "AttributeError"),
    ("02", 1, "my_answer = 24_576", "12"),
    ("02", 1, "my_answer = 14_155_776", "product"),
    ("02", 1, "my_answer = 21_233_664", "frozen"),
    ("02", 1, "my_answer = 73_728", "B is missing"),
    ("02", 1, "my_answer = 7", "not yet"),
    ("02", 2, "def my_labels(ids, length):\n    labels = ids.clone()\n    labels[:length] = -100\n    return labels", "the wrong way round"),
    ("02", 2, "def my_labels(ids, length): return ids.masked_fill(ids == 0, -100)", "position, not by value"),
    ("02", 2, "def my_labels(ids, length): return torch.tensor([-100, *ids[1:]])", "still counted"),
    ("02", 2, "def my_labels(ids, length): return torch.where(torch.arange(6) < length, ids, -100)", "nobody can predict it"),
    ("02", 2, "def my_labels(ids, length): return ids.oops", "AttributeError"),
    ("02", 3, "def my_mask(documents): return documents[:, None] == documents[None]", "future"),
    ("02", 3, "def my_mask(documents): return torch.ones(6, 6, dtype=torch.bool).tril()", "other documents"),
    ("02", 3, "def my_mask(documents): return (documents[:, None] == documents[None]).tril(-1)", "see itself"),
    ("02", 3, "def my_mask(documents): return torch.eye(6, dtype=torch.bool)", "too little"),
    ("02", 1, "my_answer = 169_869_312", "no product"),
    ("02", 1, "my_answer = 1_769_472", "a frozen matrix"),
    ("02", 1, "my_answer = 589_824", "rank 16"),
    ("02", 1, "my_answer = 221_184", "A is missing"),
    ("02", 1, "my_answer = 36_864", "the rank is missing"),
    ("02", 1, "my_answer = 101_376", "B is missing its rank"),
    ("02", 1, "my_answer = 230_400", "A is missing its rank"),
    ("02", 1, "my_answer = 442_368", "one matrix"),
    ("02", 2, "def my_labels(ids, length): return torch.tensor([*ids[1:length], *[-100] * (7 - length)])", "shifted twice"),
    ("02", 2, "def my_labels(ids, length): return torch.tensor([-100, -100, *ids[1 : length - 1], *[-100] * (6 - length)])", "shifted twice"),
    ("02", 2, "def my_labels(ids, length): return ids.roll(-1)", "shifted twice"),
    ("02", 2, "def my_labels(ids, length): return ids[1:]", "5 labels for 6 ids"),
    ("02", 2, "def my_labels(ids, length): return ids.clone()", "still counted"),
    ("02", 2, "def my_labels(ids, length): return torch.tensor([0, *ids[1:length], *[0] * (6 - length)])", "only a label of -100"),
    ("02", 2, "def my_labels(ids, length): return torch.tensor([-100, *ids[1:4], -100, -100])", "length - 1"),
    ("02", 2, "def my_labels(ids, length): return torch.tensor([-100, *ids[1 : length - 1], *[-100] * (7 - length)])", "length - 1"),
    ("02", 2, "def my_labels(ids, length): return torch.tensor([-100, -100, *ids[2:length], *[-100] * (6 - length)])", "a word has left"),
    ("02", 2, "def my_labels(ids, length): return torch.arange(6) < length", "not true and false"),
    ("02", 2, "def my_labels(ids, length):\n    ids[length:], ids[0] = -100, -100\n    return ids", "ids.clone()"),
    ("02", 3, "def my_mask(documents): return (documents[:, None] == documents[None]).triu()", "transposed"),
    ("02", 3, "def my_mask(documents): return torch.ones(6, 6, dtype=torch.bool).triu()", "transposed"),
    ("02", 3, "def my_mask(documents): return ~(documents[:, None] == documents[None]).tril()", "exchanged"),
    ("02", 3, "def my_mask(documents): return (documents[:, None] == documents[None]).tril().float()", "torch.float32"),
    ("02", 3, "def my_mask(documents): return documents == documents", "6 x 6 booleans"),
    ("02", 3, "def my_mask(documents): return torch.ones(6, 6, dtype=torch.bool)", "future"),
    ("02", 3, "def my_mask(documents): return documents.oops", "AttributeError"),
    ("03", 1, "my_answer = math.exp(3.2)", "per token"),
    ("03", 1, "my_answer = math.exp(3.2 / 1.3)", "you divided"),
    ("03", 1, "my_answer = math.exp(3.2) * 1.3", "multiply the loss"),
    ("03", 1, "my_answer = 3.2 * 1.3", "exponential"),
    ("03", 1, "my_answer = 7", "not yet"),
    ("03", 2, "def my_contexts(n, b, s): return [1, 2, 3, 4] + [2, 3, 4] * 2 + [2]", "moves by less"),
    ("03", 2, "def my_contexts(n, b, s): return [1, 2, 3, 4] + [1, 2, 3] * 2 + [1]", "keeps block_size - stride"),
    ("03", 2, "def my_contexts(n, b, s): return [min(i, b) for i in range(1, n)]", "stride 1"),
    ("03", 2, "def my_contexts(n, b, s): return [min(i, b) for i in range(n)]", "11 are scored"),
    ("03", 2, "def my_contexts(n, b, s): return list(range(1, n))", "at most block_size"),
    ("03", 2, "def my_contexts(n, b, s): return [1, 2, 3, 4, 3, 3, 3, 3, 3, 3, 3]", "not yet"),
    ("03", 2, "def my_contexts(n, b, s): return n.oops", "AttributeError"),
    ("03", 3, "def my_blocks(s, b): return [(s[i : i + b], s[i + 1 : i + 1 + b]) for i in range(0, len(s), b)]", "leave the rest out"),
    ("03", 3, "def my_blocks(s, b): return [(s[i : i + b], s[i + 1 : i + 1 + b]) for i in range(0, len(s) - b, 2)]", "twice"),
    ("03", 3, "def my_blocks(s, b): return [(s[i : i + b], s[i + 1 : i + 1 + b]) for i in range(0, len(s) - b, b + 1)]", "is no target"),
    ("03", 3, "def my_blocks(s, b): return s.oops", "AttributeError"),
    ("03", 1, "my_answer = math.exp(3.2) ** (1 / 1.3)", "you divided"),
    ("03", 1, "my_answer = math.exp(3.2) / 1.3", "multiply the loss"),
    ("03", 1, "my_answer = 3.2 / 1.3", "then take the exponential"),
    ("03", 1, "my_answer = 0.7 * math.exp(3.2) + 0.3 * math.exp(2 * 3.2)", "mean of perplexities"),
    ("03", 1, "my_answer = math.exp(3.2 + 1.3)", "you added"),
    ("03", 1, "my_answer = 2 ** (3.2 * 1.3)", "its base is e, not 2"),
    ("03", 1, "my_answer = 2 ** 3.2", "that is per token, and the loss is in nats"),
    ("03", 1, "my_answer = 2 ** (3.2 / 1.3)", "not in bits; and multiply"),
    ("03", 1, "my_answer = 3.2 * 1.3 / math.log(2)", "bits per word"),
    ("03", 1, "my_answer = '64'", "TypeError"),
    ("03", 2, "def my_contexts(n, b, s): return [i % b + 1 for i in range(n - 1)]", "blocks side by side"),
    ("03", 2, "def my_contexts(n, b, s): return [b] * (n - 1)", "token 1 has one token"),
    ("03", 2, "def my_contexts(n, b, s): return [i % s + 1 for i in range(n - 1)]", "the longest context is block_size"),
    ("03", 2, "def my_contexts(n, b, s): return [i % b for i in range(n - 1)]", "at least one"),
    ("03", 3, "def my_blocks(s, b): return [(s[i : i + b], s[i : i + b]) for i in range(0, len(s) - b, b)]", "learn to copy"),
    ("03", 3, "def my_blocks(s, b): return [(s[i : i + b], s[i + 2 : i + 2 + b]) for i in range(0, len(s) - b - 1, b)]", "shifted twice"),
    ("03", 3, "def my_blocks(s, b): return [(s[i : i + b], s[i + 2 : i + 2 + b]) for i in range(0, len(s) - b, b)]", "shifted twice"),
    ("03", 3, "def my_blocks(s, b): return [(s[i + 1 : i + 1 + b], s[i : i + b]) for i in range(0, len(s) - b, b)]", "the wrong way"),
    ("03", 3, "def my_blocks(s, b): return [(s[i : i + b], s[i + 1 : i + 1 + b]) for i in range(0, len(s) - b, b - 1)]", "overlap by one too many"),
    ("03", 3, "def my_blocks(s, b): return [(s[i : i + b], s[i + 1 : i + 1 + b]) for i in range(len(s) - b)]", "twice: move by block_size"),
    ("03", 3, "def my_blocks(s, b): return [(s[i : i + b], s[i + 1 : i + 1 + b]) for i in [*range(0, len(s) - b, b), len(s) - b - 1]]", "goes back to fill up"),
    ("03", 3, "def my_blocks(s, b): return [(s[i : i + b], s[i + 1 : i + 1 + b]) for i in range(0, len(s) - 1, b)]", "leave the rest out"),
    ("03", 3, "def my_blocks(s, b): return [((s[i:] + [0] * b)[:b], (s[i + 1 :] + [0] * b)[:b]) for i in range(0, len(s) - 1, b)]", "was filled up"),
    ("03", 3, "def my_blocks(s, b): return [(s[i : i + b - 1], s[i + 1 : i + b]) for i in range(0, len(s) - b + 1, b)]", "cut block_size + 1 tokens"),
    ("03", 3, "def my_blocks(s, b): return [(s[i : i + b], s[i + 1 : i + 1 + b]) for i in range(0, len(s) // b * b, b)]", "of 9 tokens"),
    ("03", 3, "def my_blocks(s, b): return [(s[i : i + b], s[i + 1 : i + 1 + b]) for i in range(0, len(s) - b - 1, b)]", "of 10 tokens a block is missing"),
    ("04", 1, "my_answer = 4", "without the scales"),
    ("04", 1, "my_answer = 4 + 32 / 64", "32 bits"),
    ("04", 1, "my_answer = 4 + 8", "shared by 64"),
    ("04", 1, "my_answer = 8 / 64", "the scales alone"),
    ("04", 1, "my_answer = 7", "not yet"),
    ("04", 2, "def my_example(prompt, answer, end): return prompt + answer + [end], [-100] * 3 + answer", "one number a token"),
    ("04", 2, "def my_example(prompt, answer, end): return prompt + answer, [-100] * 3 + answer", "never stops"),
    ("04", 2, "def my_example(prompt, answer, end): return prompt + answer + [end], prompt + answer + [end]", "prompt is in the loss"),
    ("04", 2, "def my_example(prompt, answer, end): return prompt + answer + [end], [-100] * 3 + answer + [-100]", "must be a label too"),
    ("04", 2, "def my_example(prompt, answer, end): return prompt + answer + [end], [-100] * 4 + answer[1:] + [end]", "not shifted"),
    ("04", 2, "def my_example(prompt, answer, end): return prompt.oops", "AttributeError"),
    ("04", 3, "def my_quantise(w, levels): return levels[(w[:, None] / w.abs().max() - levels).abs().argmin(1)]", "multiply by the scale"),
    ("04", 3, "def my_quantise(w, levels): return levels[(w[:, None] - levels).abs().argmin(1)] * 3", "divide by the largest"),
    ("04", 3, "def my_quantise(w, levels): return (w / 2).floor() * 2", "take the nearest level"),
    ("04", 3, "def my_quantise(w, levels): return w.oops", "AttributeError"),
    ("04", 1, "my_answer = 4 + 16 / 64", "16 bits"),
    ("04", 1, "my_answer = 4 + 8 / 64 + 32 / 64 / 256", "scales' own scales"),
    ("04", 1, "my_answer = (4 + 8 / 64) / 8", "that is bytes"),
    ("04", 1, "my_answer = 4096 * 14336 * (4 + 8 / 64)", "the whole matrix"),
    ("04", 2, "def my_example(prompt, answer, end): return prompt + answer + [end], [-100] * 2 + answer + [end, -100]", "shifted twice"),
    ("04", 2, "def my_example(prompt, answer, end): return (prompt + answer + [end])[:-1], [-100] * 2 + answer + [end]", "shifted twice"),
    ("04", 2, "def my_example(prompt, answer, end): return prompt + answer + [end], [*prompt[1:], *answer, end, -100]", "shifted twice"),
    ("04", 2, "def my_example(prompt, answer, end): return prompt + answer + [end], [0] * 3 + answer + [end]", "a token like any other"),
    ("04", 2, "def my_example(prompt, answer, end): return prompt + [end] + answer, [-100] * 3 + [end] + answer", "then the end"),
    ("04", 2, "def my_example(prompt, answer, end): return prompt + answer, prompt + answer", "never stops"),
    ("04", 2, "def my_example(prompt, answer, end): return torch.tensor(prompt + answer + [end]), torch.tensor([-100] * 3 + answer + [-100])", "must be a label too"),
    ("04", 3, "def my_quantise(w, levels): return levels[(w[:, None] - levels).abs().argmin(1)] * w.abs().max()", "divide by the largest"),
    ("04", 3, "def my_quantise(w, levels): return levels[torch.searchsorted(levels, w / w.abs().max(), right=True) - 1] * w.abs().max()", "take the nearest level"),
    ("04", 3, "def my_quantise(w, levels): return (w / w.abs().max() * 2).trunc() / 2 * w.abs().max()", "towards zero"),
    ("04", 3, "def my_quantise(w, levels): return levels[(w[:, None] / w.abs()[:, None] - levels).abs().argmin(1)] * w.abs()", "a scale of its own"),
    ("04", 3, "def my_quantise(w, levels): return w", "nothing was rounded"),
    ("04", 3, "def my_quantise(w, levels): return levels[(w[:, None] / w.max() - levels).abs().argmin(1)] * w.max()", "of -2.0"),
    ("04", 3, "def my_quantise(w, levels): return (w[:, None] / w.abs().max() - levels).abs().argmin(1)", "levels' numbers"),
    ("04", 3, "def my_quantise(w, levels): return w * 5", "not yet"),
    ("04", 3, "def my_quantise(w, levels): w /= w.abs().max(); return levels[(w[:, None] - levels).abs().argmin(1)]", "multiply by the scale"),
    ("05", 1, "my_answer = 1.10", "still nats"),
    ("05", 1, "my_answer = 1.10 / math.log(2)", "per character"),
    ("05", 1, "my_answer = 1.10 / math.log(2) * 1.04", "do not multiply"),
    ("05", 1, "my_answer = 1.10 * math.log(2) / 1.04", "a nat is more than a bit"),
    ("05", 1, "my_answer = 1.10 / 1.04", "nats per byte"),
    ("05", 1, "my_answer = 7", "not yet"),
    ("05", 2, "def my_prune(losses, others): return losses[-1] > np.median([other[-1] for other in others])", "at the same evaluation"),
    ("05", 2, "def my_prune(losses, others): return losses[-1] > max(other[len(losses) - 1] for other in others)", "not the worst"),
    ("05", 2, "def my_prune(losses, others): return losses[-1] >= np.median([other[len(losses) - 1] for other in others])", "is not above it"),
    ("05", 2, "def my_prune(losses, others): return losses.oops", "AttributeError"),
    ("05", 3, "def my_is_real(a, b): return abs(np.mean(a) - np.mean(b)) > 2 * np.std(a)", "divide the variance"),
    ("05", 3, "def my_is_real(a, b): return abs(np.mean(a) - np.mean(b)) > 2 * np.std(a, ddof=1) / len(a) ** 0.5", "both means are uncertain"),
    ("05", 3, "def my_is_real(a, b): return abs(np.mean(a) - np.mean(b)) > 5", "must be real"),
    ("05", 3, "def my_is_real(a, b): return a.oops", "AttributeError"),
    ("05", 1, "my_answer = 1.10 * 1.04", "still nats, and multiplied"),
    ("05", 1, "my_answer = 1.10 * math.log(2)", "a nat is more than a bit"),
    ("05", 1, "my_answer = 1.10 * math.log(2) * 1.04", "the other way round"),
    ("05", 1, "my_answer = math.exp(1.10)", "perplexity"),
    ("05", 1, "my_answer = 1.10 / math.log10(2) / 1.04", "base 10"),
    ("05", 1, "my_answer = 1.52", "round"),
    ("05", 2, "def my_prune(losses, others): return losses[-1] > min(other[len(losses) - 1] for other in others)", "not with the best"),
    ("05", 2, "def my_prune(losses, others): return losses[-1] > np.mean([other[len(losses) - 1] for other in others])", "not with the mean"),
    ("05", 2, "def my_prune(losses, others): return losses[-1] > np.median([other[0] for other in others])", "first losses"),
    ("05", 2, "def my_prune(losses, others): return losses[-1] > np.median([other[len(losses) - 2] for other in others])", "one too early"),
    ("05", 2, "def my_prune(losses, others): return losses[-1] > np.median(others)", "over all of them"),
    ("05", 2, "def my_prune(losses, others): return losses[-1] < np.median([other[len(losses) - 1] for other in others])", "a low loss is good"),
    ("05", 2, "def my_prune(losses, others): return losses[0] > np.median([other[len(losses) - 1] for other in others])", "not its first"),
    ("05", 2, "def my_prune(losses, others): return min(losses) > np.median([other[len(losses) - 1] for other in others])", "not its lowest so far"),
    ("05", 2, "def my_prune(losses, others): return False", "is not pruned"),
    ("05", 2, "def my_prune(losses, others): return True", "better than all others"),
    ("05", 3, "def my_is_real(a, b): return np.mean(a) != np.mean(b)", "these overlap"),
    ("05", 3, "def my_is_real(a, b): return abs(np.mean(a) - np.mean(b)) > 2 * np.sqrt(np.var(a, ddof=1) + np.var(b, ddof=1))", "divide the variance"),
    ("05", 3, "def my_is_real(a, b): return abs(np.mean(a) - np.mean(b)) > 2 * np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / len(a))", "its own number"),
    ("05", 3, "def my_is_real(a, b): return abs(np.mean(a) - np.mean(b)) > 2 * np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / len(b))", "its own number"),
    ("05", 3, "def my_is_real(a, b): return abs(np.mean(a) - np.mean(b)) > 2 * np.sqrt(np.var(a) / len(a) + np.var(b) / len(b))", "ddof=1"),
    ("05", 3, "def my_is_real(a, b): return abs(np.mean(a) - np.mean(b)) > 2 * np.std(b, ddof=1) / len(b) ** 0.5", "both means are uncertain"),
    ("05", 3, "def my_is_real(a, b): return abs(np.mean(a) - np.mean(b)) > np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))", "not one"),
    ("05", 3, "def my_is_real(a, b): return abs(np.mean(a) - np.mean(b)) > 2 * (np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))", "square root"),
    ("05", 3, "def my_is_real(a, b): return abs(np.mean(a) - np.mean(b)) > 2 * (np.std(a, ddof=1) / 4**0.5 + np.std(b, ddof=1) / 6**0.5)", "not the standard errors"),
    ("05", 3, "def my_is_real(a, b): return np.mean(b) - np.mean(a) > 2 * np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))", "b may be lower"),
    ("05", 3, "def my_is_real(a, b): return np.mean(a) - np.mean(b) > 2 * np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))", "b may be higher"),
    ("06", 1, "my_answer = 2 * 16_102_912 * 4 / 1e6", "keeps its own share"),
    ("06", 1, "my_answer = 7 / 8 * 16_102_912 * 4 / 1e6", "two passes"),
    ("06", 1, "my_answer = 2 * 7 / 8 * 16_102_912 / 1e6", "4 bytes"),
    ("06", 1, "my_answer = 2 * 7 * 16_102_912 * 4 / 1e6", "all eight"),
    ("06", 1, "my_answer = 2 * 7 / 8 * 16_102_912 * 4 / 2**20", "mebibytes"),
    ("06", 1, "my_answer = 16_102_912 * 4 / 1e6", "size of the gradients"),
    ("06", 1, "my_answer = 7", "not yet"),
    ("06", 2, "def my_warm_down(step, steps, part=0.4): return (steps - step) / (part * steps)", "never above"),
    ("06", 2, "def my_warm_down(step, steps, part=0.4): return min(1, (steps - step) / ((1 - part) * steps))", "too early"),
    ("06", 2, "def my_warm_down(step, steps, part=0.4): return 1 if step < 60 else 0.5", "end at zero"),
    ("06", 2, "def my_warm_down(step, steps, part=0.4): return 1 if step < 60 else ((steps - step) / 40) ** 2", "half of the last part"),
    ("06", 2, "def my_warm_down(step, steps, part=0.4): return step.oops", "AttributeError"),
    ("06", 3, "def my_chunked_loss(x, w, y, n): return torch.nn.functional.cross_entropy(x @ w.T, y, reduction='sum')", "that is the sum"),
    ("06", 3, "def my_chunked_loss(x, w, y, n): return torch.nn.functional.cross_entropy(x @ w.T, y, reduction='none').mean()", "not by all 7"),
    ("06", 3, "def my_chunked_loss(x, w, y, n): return sum(torch.nn.functional.cross_entropy(a @ w.T, b) for a, b in zip(x.split(n), y.split(n))) / 3",
     "mean of means"),
    ("06", 3, "def my_chunked_loss(x, w, y, n): return torch.nn.functional.cross_entropy(x @ w.T, y)", "7 rows of logits"),
    ("06", 3, "def my_chunked_loss(x, w, y, n): return x.oops", "AttributeError"),
    ("06", 1, "my_answer = 2 * 7 / 8 * 16_102_912 * 8 / 1e6", "not 8"),
    ("06", 3, "def my_chunked_loss(x, w, y, n): return sum(torch.nn.functional.cross_entropy(x[i:i+3] @ w.T, y[i:i+3], reduction='sum') for i in (0, 3)) / 4", "is missing"),
    ("06", 3, "def my_chunked_loss(x, w, y, n): return torch.nn.functional.cross_entropy(x[:-1] @ w.T, y[1:])", "at its own row"),
])
def test_checks_name_the_usual_mistake(notebook, number, wrong, diagnosis):
    file = next(f for f in FILES if f.name.startswith(notebook))
    assert diagnosis in answer(file, wrong, solutions(file)[number - 1][3])
