"""`tools.notebook`: a notebook's form fields take values from outside."""

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools.notebook import fill_in

SOURCE = 'RERUN = "none"  # @param ["none", "all"]\nRATE = 2e-3   # @param {type:"number"}\nON = False # @param {type:"boolean"}\nplain = "RERUN"'


def filled(*fields):
    notebook = new_notebook(cells=[new_code_cell("print('RERUN = 1')"), new_code_cell(SOURCE)])
    fill_in(notebook, fields)
    space = {}
    exec(notebook.cells[1].source, space)
    assert notebook.cells[0].source == "print('RERUN = 1')" and notebook.cells[1].source.count("# @param") == 3
    return space["RERUN"], space["RATE"], space["ON"], space["plain"]


def test_fields_take_words_numbers_and_truth():
    assert filled() == ("none", 2e-3, False, "RERUN")
    assert filled("RERUN=all", "RATE=5e-5", "ON=True") == ("all", 5e-5, True, "RERUN")
    assert filled("RERUN=it's = all") == ("it's = all", 2e-3, False, "RERUN")


def test_an_unknown_field_is_one_sentence():
    with pytest.raises(SystemExit, match="^no cell has a field plain: lines such as RERUN = ...  # @param are fields$"):
        filled("plain=x")
