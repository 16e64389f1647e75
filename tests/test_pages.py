"""The pages beside the notebooks: a lesson for each, one record, links that lead somewhere, and the same commands in both languages."""

import re

import pytest

from helpers.runtime import REPOSITORY
from tools.fork import address, version

PAGES = ("README.md", "README.pt-BR.md", "RESULTS.md", "TEACHING.md", "GLOSSARY.md", "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md",
         "helpers/README.md")
NUMBERS = ("01", "02", "03", "04", "05", "06")


def page(name):
    return (REPOSITORY / name).read_text(encoding="utf-8")


def anchors(text):
    """GitHub's names of a page's headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"(?m)^#+ (.*)$", text)}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    found = re.findall(r"\]\(([^)\s]+)\)", page(name))
    for link in (link for link in found if not link.startswith("http")):
        file, _, anchor = link.partition("#")
        target = (REPOSITORY / name).parent / file if file else REPOSITORY / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link
    own = [link for link in found if "/gpt-in-colab/blob/" in link]
    assert [link for link in own if f"{address()}/blob/v{version()}/" not in link] == []


def test_each_notebook_has_its_lesson():
    lessons = re.split(r"(?m)^## (?=0\d )", page("TEACHING.md"))[1:]
    assert [lesson[:2] for lesson in lessons] == list(NUMBERS)
    for lesson in lessons:
        for part in ("The lesson in three sentences", "A plan of 50 minutes", "Before class", "Where students get stuck", "Questions for the room",
                     "No GPU today", "Only 30 minutes"):
            assert f"**{part}" in lesson, (lesson[:2], part)
        assert f"make notebook N={lesson[:2]}" in lesson and lesson.count("\n| ") >= 9
        minutes = [int(m) for m in re.findall(r"(?m)^\| \d+\s*(?:-|\u2013|to)\s*(\d+) \|", lesson)]
        assert minutes == sorted(minutes) and minutes[-1] == 50


def test_the_record_has_a_row_a_notebook_and_says_what_was_never_run():
    record = page("README.md").partition("## The record")[2].partition("### Speed")[0]
    assert re.findall(r"(?m)^\| (0\d) ", record) == list(NUMBERS)
    never = record.partition("**Never run for this release**")[2]
    assert all(word in never for word in ("T4", "Colab", "Drive", "hub", "API", "two GPUs"))


def test_both_readmes_name_the_same_notebooks_and_commands():
    english, portuguese = page("README.md"), page("README.pt-BR.md")
    for text in (english, portuguese):
        assert all(re.search(rf"notebooks/{number}_\w+\.ipynb", text) for number in NUMBERS)
        assert all(command in text for command in ("make run", "make test", "make setup", "python -m venv .venv", "helpers.pretrain --corpus path/to/texts"))
    assert portuguese.startswith("> ") == english.startswith("> "), "the notice of `make fork` stands in both or in none"


def test_the_changelog_begins_with_this_release_and_names_each_notebook():
    newest = re.split(r"(?m)^## ", page("CHANGELOG.md"))[1]
    assert newest.startswith(f"{version()}\n") and all(f"- **{number} " in newest for number in NUMBERS)


def test_every_helper_has_its_place_in_the_order_of_reading():
    """And the group that a reader begins with fits into one sitting."""
    text = page("helpers/README.md")
    files = re.findall(r"\]\((\w+\.py)\)", text)
    assert sorted(files) == sorted(f.name for f in (REPOSITORY / "helpers").glob("*.py") if f.name != "__init__.py")
    first = re.findall(r"\]\((\w+\.py)\)", text.partition("## One sitting")[2].partition("\n## ")[0])
    assert len(first) > 10 and sum(len(page(f"helpers/{name}").splitlines()) for name in first) < 2500
