"""Does our perplexity agree with the published one? GPT-2 small on the test split of WikiText-2, stride 1,024.

The recipe is that of Transformers' documentation: rows of the raw version joined by a blank line, 287,644 tokens; public reproductions give
about 29.9 per token. It takes the hub's GPT-2, so that elsewhere the check is not run, which is never called passed.
"""

import contextlib
import io

from transformers import AutoModelForCausalLM, AutoTokenizer

from helpers.evaluation import perplexity
from helpers.hub import asking_hub, answers, load_rows
from helpers.runtime import ReaderError
from helpers.tokens import GPT2
from helpers.wikitext import WIKITEXT

TOKENS, PERPLEXITY, STRIDE = 287_644, 29.9, 1_024
TOLERANCE = 0.1  # "about 29.9": rounding, and a window that scores one token more than theirs


def published_text():
    """The test split as the recipe joins it: blank rows are empty, the others keep their line ends."""
    rows = load_rows([(WIKITEXT, {"name": "wikitext-2-raw-v1"}, ["text"])], "test")
    return "\n\n".join(rows["text"])


def check_published(runtime):
    """(True, False or None where it was not run, the finding in words)."""
    if runtime.data != "hub" or not answers():
        return None, "no hub"
    if runtime.steps:
        return None, "a rehearsal"
    try:
        with contextlib.redirect_stdout(io.StringIO()), asking_hub(GPT2):
            text = published_text()
            tokenizer, model = AutoTokenizer.from_pretrained(GPT2), AutoModelForCausalLM.from_pretrained(GPT2).to(runtime.device)
    except ReaderError as error:
        return None, str(error)
    tokens = tokenizer(text, return_tensors="pt", verbose=False)["input_ids"][0]
    found = perplexity(model, tokens, block_size=STRIDE, stride=STRIDE)
    return (len(tokens) == TOKENS and abs(found - PERPLEXITY) <= TOLERANCE,
            f"{len(tokens):,} tokens, perplexity {found:.2f} at stride {STRIDE:,}; published: {TOKENS:,} tokens, about {PERPLEXITY}")
