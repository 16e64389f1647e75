"""QLoRA on the CPU, really in 4 bits: loading, what is a label, training under TRL, adapters that come back, answers, memory by term."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from conftest import make_runtime
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from test_training import PowerCut, cut_power, flip_a_byte, on_call, without_clock
from tokenizers import processors
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM
from trl import SFTTrainer

from helpers import qlora
from helpers.blocks import collate
from helpers.finetuning import FineTuneConfig, Recorder, fine_tune, prepare
from helpers.products import format_example, format_prompt
from helpers.qlora import LLAMA, answer, ask, check_room, choose_backend, encode_qa, load_4bit, load_adapter, qlora_memory
from helpers.runtime import ReaderError, shown
from helpers.sft import SFTTuner
from helpers.tokens import IGNORE, train_bpe

pytestmark = [pytest.mark.filterwarnings(f"error::{kind}") for kind in ("DeprecationWarning", "FutureWarning", "UserWarning")]
PAIRS = [(f"The {thing} is {'big and ' * n}{colour}.", f"What colour is the {thing}?", colour)
         for n, thing in enumerate(["lamp", "boat", "cup", "red hat"]) for colour in ("red", "blue", "green")]
PROMPTS = [format_prompt(*pair[:2]) for pair in PAIRS]
TOKENIZER = train_bpe(PROMPTS, 290)
ROWS = [encode_qa(*pair, TOKENIZER) for pair in PAIRS]  # of 4 lengths; 12 steps; of rank 32, the larger matrices have an 8-bit optimizer
CONFIG = dict(way="qlora", batch_size=4, micro_batch_size=2, epochs=4, learning_rate=0.02, warmup_steps=2, eval_every=3, lora_rank=32)
lora = lambda model: {name: p.detach() for name, p in model.named_parameters() if "lora_" in name}
TOKENIZERS = {kind: train_bpe(PROMPTS, 290) for kind in ("plain", "begins", "ends")}
TOKENIZERS["begins"].backend_tokenizer.post_processor = processors.TemplateProcessing("!:0 $A", special_tokens=[("!", 1)])  # each text, with "!"
TOKENIZERS["ends"].eos_token = "#"  # which may stand in a text
TEXT = st.lists(st.sampled_from(["Response:", "red", "12", " ", "\n", "#", "<|", "\u2028", "\r\t", "'s"]) | st.text(max_size=3)).map("".join)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The folder of a tiny random Llama, on a processor with the trap: bitsandbytes repacks a layer at its first pass without gradients."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "base"
    LlamaForCausalLM(LlamaConfig(vocab_size=290, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, bos_token_id=0,
                                 eos_token_id=0, max_position_embeddings=128, initializer_range=0.1)).half().save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: True)
        yield folder


@pytest.fixture
def model(base):
    return load_4bit(make_runtime(base), base)[0]


def sentence(function, *arguments):
    with pytest.raises(ReaderError) as error:
        function(*arguments)
    return str(error.value)


def tune(workspace, base, *, model=None, dtype=torch.float32, **changes):
    """The run of 12 steps, what trained, LoRA's first weights and its gradients at each step; changes replace settings of `CONFIG`."""
    runtime, seen = make_runtime(workspace, dtype), SimpleNamespace(gradients=[])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "on_train_begin", lambda *_, **named: vars(seen).update(
            named, args=_[1], first={name: p.clone() for name, p in lora(named["model"]).items()}))
        patch.setattr(Recorder, "on_pre_optimizer_step", lambda *_, model, **__: seen.gradients.append(
            {name: p.grad.clone() for name, p in model.named_parameters() if "lora_" in name and p.grad is not None}))
        seen.run = fine_tune(model or load_4bit(runtime, base)[0], ROWS, ROWS[::3], config=FineTuneConfig(**CONFIG | changes), runtime=runtime,
                             tokenizer=TOKENIZER, card="# Tiny\n", trainer=SFTTuner)
    seen.adapter = seen.run.file.parent / "adapter"
    return seen


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory):
    return tune(tmp_path_factory.mktemp("whole"), base)


def assert_same(seen, other):
    torch.testing.assert_close(*(load_file(s.adapter / "adapter_model.safetensors") for s in (seen, other)), atol=0, rtol=0)
    logs = [[without_clock(row) for row in s.run.rows if row["kind"] != "system"] for s in (seen, other)]
    assert logs[0] == logs[1] and seen.run.file.parent.name == other.run.file.parent.name


def test_linear_layers_but_the_head_are_in_4_bits_and_compute_as_the_runtime_says(base, tmp_path, capsys):
    load_4bit(make_runtime(base, torch.bfloat16), base)[0].save_pretrained(tmp_path / "quantised")
    TOKENIZER.save_pretrained(tmp_path / "quantised")
    assert json.loads((tmp_path / "quantised" / "config.json").read_text())["quantization_config"]["bnb_4bit_compute_dtype"] == "bfloat16"
    for folder, dtype in [(f, d) for f in (base, tmp_path / "quantised") for d in (torch.float32, torch.float16)]:
        model, _ = load_4bit(make_runtime(base, dtype), folder)
        linear, states, names = zip(*((m, m.weight.quant_state, n.split(".")[-1]) for n, m in model.named_modules() if isinstance(m, Linear4bit)))
        assert set(names) == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
        assert len(linear) == 14 and {(s.quant_type, s.nested, s.blocksize, s.absmax.dtype) for s in states} == {("nf4", True, 64, torch.uint8)}
        assert {layer.compute_dtype for layer in linear} == {model(torch.arange(9)[None]).logits.dtype} == {dtype}
        assert {p.dtype for p in model.parameters()} == {dtype, torch.uint8} and model.lm_head.weight.shape == (290, 64)
    assert capsys.readouterr().out.endswith(f"base model: {shown(folder)}, in 4 bits by transformers\n")


def test_what_is_lacking_is_one_sentence(base, monkeypatch):
    cpu, gpu = make_runtime(base), make_runtime(base, device=torch.device("cuda"))
    monkeypatch.setattr(qlora, "available_memory", lambda runtime: 2 * 2**30)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    llama = LlamaConfig(vocab_size=128_256, hidden_size=4096, intermediate_size=14_336, num_hidden_layers=32, num_key_value_heads=8)
    said = [sentence(check_room, make_runtime(base, torch.float16), llama), sentence(load_4bit, cpu, base)]
    assert check_room(gpu, AutoConfig.from_pretrained(base)) is None and said == [
        "8.0B weights take 5.3 GiB in 4 bits (embeddings and head in 16), 2.0 GiB are free: take a model of 2.0B weights or fewer, or a larger card",
        'a model in 4 bits needs bitsandbytes: run the first cell (Colab, Kaggle), or pip install "bitsandbytes>=0.50"']


def test_the_first_cell_chooses_the_backend(monkeypatch):
    cpu, gpu = make_runtime("."), make_runtime(".", device=torch.device("cuda"))
    assert choose_backend(gpu) == choose_backend(cpu) == ("transformers", 'for Unsloth write extras="unsloth" in the first cell')
    absent = 'Unsloth was not imported: write extras="unsloth" in the first cell, restart the session, then Run all'
    assert sentence(choose_backend, gpu, "unsloth") == absent
    assert sentence(choose_backend, gpu, "vllm") == "unknown backend 'vllm': choose auto, unsloth or transformers"
    monkeypatch.setitem(sys.modules, "unsloth", SimpleNamespace())
    assert choose_backend(gpu) == choose_backend(cpu) == ("unsloth", "the first cell imported it")
    assert [choose_backend(gpu, wish) for wish in ("unsloth", "transformers")] == [("unsloth", "asked for"), ("transformers", "asked for")]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_backend(gpu)[0] == "unsloth"
    assert choose_backend(cpu) == ("transformers", "Unsloth computes on the GPU, this profile on the CPU")
    assert sentence(choose_backend, cpu, "unsloth") == (
        "Unsloth computes on this machine's GPU, profile cpu does not: choose another profile or the backend transformers")


def test_a_base_that_does_not_fit_is_refused_before_it_is_read(base, monkeypatch):
    monkeypatch.setattr(qlora, "available_memory", lambda runtime: 1000)
    assert "weights take 0.0 GiB in 4 bits (embeddings and head in 32)" in sentence(load_4bit, make_runtime(base), base)


def test_a_llama_in_the_readers_folder_takes_the_hubs_place(base, tmp_path, capsys):
    (tmp_path / "llama-3-8b").symlink_to(base)
    load_4bit(replace(make_runtime(base), data=str(tmp_path)), LLAMA)
    assert capsys.readouterr().out.endswith("llama-3-8b, in 4 bits by transformers\n")


def test_a_question_longer_than_the_context_is_one_sentence(base):
    model, tokenizer = load_4bit(make_runtime(base), base)
    room = 128 - len(tokenizer(PROMPTS[0])["input_ids"])
    assert answer(model, tokenizer, PROMPTS[:1], max_new_tokens=room) != []
    assert f"an answer of {room + 1} are more than the 128 that this model reads" in sentence(
        lambda: answer(model, tokenizer, PROMPTS[:1], max_new_tokens=room + 1))


def test_the_bases_own_way_of_sampling_is_left_behind(base, tmp_path):
    for file in base.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "generation_config.json").write_text('{"do_sample": true, "temperature": 0.6, "max_length": 4096}')
    model, tokenizer = load_4bit(make_runtime(base), tmp_path)
    assert not model.generation_config.do_sample and model.generation_config.temperature != 0.6 and model.generation_config.max_length != 4096
    assert answer(model, tokenizer, PROMPTS[:3], max_new_tokens=5) == answer(*load_4bit(make_runtime(base), base), PROMPTS[:3], max_new_tokens=5)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_answer_and_end_are_labels_by_their_position(kind):
    tokenizer, case = TOKENIZERS[kind], ("The # lamp is red.", "Is it red # ?", "red")
    prompt, said = tokenizer(format_prompt(*case[:2]))["input_ids"], tokenizer(" red", add_special_tokens=False)["input_ids"]
    assert set(said) < set(prompt) and (kind == "ends") == (tokenizer.eos_token_id in prompt) and (kind == "begins") == (prompt[0] == 1)
    ids, row = [*prompt, *said, tokenizer.eos_token_id], [IGNORE] * len(prompt) + said
    encoded = [encode_qa(*case, tokenizer, **variant) for variant in ({}, dict(prompt_too=True), dict(end=False))]
    assert [e["input_ids"].tolist() for e in encoded] == [ids, ids, ids[:-1]]
    assert [e["labels"].tolist() for e in encoded] == [[*row, tokenizer.eos_token_id], [IGNORE, *ids[1:]], row]


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(TEXT, TEXT, TEXT)
@settings(max_examples=60, deadline=None)
def test_what_is_asked_is_what_was_trained(kind, context, question, reply):
    tokenizer, asked = TOKENIZERS[kind], []
    stub = SimpleNamespace(generate=lambda input_ids, **_: (asked.extend(input_ids.tolist()), input_ids)[1], training=False, eval=lambda: None,
                           train=lambda was: None, parameters=lambda: iter([torch.ones(1)]), config=SimpleNamespace(max_position_embeddings=9_999))
    ask(stub, tokenizer, [{"question": question, "answer": reply}], [context])
    row, example = encode_qa(context, question, reply, tokenizer), format_example(context, question, reply, "")
    assert row["input_ids"][: row["labels"].tolist().count(IGNORE)].tolist() == asked[0]
    assert row["input_ids"].tolist() == [*tokenizer(example["prompt"] + example["completion"])["input_ids"], tokenizer.eos_token_id]


def test_it_learns_by_every_lora_weight_and_leaves_an_adapter_and_the_base_as_it_was(whole, model):
    losses, end = whole.run.curve("val_loss")[1], whole.run.end
    assert len(losses) == 5 and losses[-1] < 0.5 * losses[0] and (end["step"], end["status"]) == (12, "complete")
    assert end["trainable"] == 2 * 32 * (4 * (64 + 64) + 3 * (64 + 128)) and len(whole.gradients) == 12 and len(whole.first) == 28
    for step, found in enumerate(whole.gradients, start=1):  # evaluated before step 1 and after steps 3, 6, 9
        still = {name.split(".")[-3] for name, gradient in found.items() if not gradient.any()}
        assert len(found) == 28 and still == ({"lora_A"} if step < 3 else set())  # B is 0, and the warm-up begins at 0
    assert not any(torch.equal(p, whole.first[name]) for name, p in lora(whole.model).items())
    assert {p.name for p in whole.run.file.parent.iterdir()} == {"log.jsonl", "adapter"} and (whole.adapter / "README.md").read_text() == "# Tiny\n"
    after = {name.removeprefix("base_model.model.").replace("base_layer.", ""): v for name, v in whole.model.state_dict().items()}
    assert any("absmax" in name for name in after)  # the scales too
    torch.testing.assert_close({k: v for k, v in after.items() if "lora_" not in k}, dict(model.state_dict()), atol=0, rtol=0)


def test_a_step_reads_examples_of_like_length_and_adam_forgets_the_first_ones(whole):
    sampler = whole.train_dataloader.batch_sampler.sampler
    while not hasattr(sampler, "lengths"):
        sampler = sampler.sampler
    assert sampler.lengths == [len(row["input_ids"]) for row in ROWS] and sampler.batch_size == CONFIG["batch_size"]
    assert {group["betas"] for group in whole.optimizer.param_groups} == {(0.9, 0.98)}


def test_the_gradient_after_an_evaluation_is_that_by_hand_in_float32(whole, base, model, tmp_path):
    seen = tune(tmp_path, base, batch_size=12, micro_batch_size=4, epochs=1, grad_clip=1e9)  # rows of different lengths in each pass
    by_hand = prepare(model, FineTuneConfig(**CONFIG)).train()
    by_hand.load_state_dict(seen.first, strict=False)
    (loss := by_hand(**collate(ROWS)).loss).backward()
    torch.testing.assert_close(seen.gradients[0], {n: p.grad for n, p in by_hand.named_parameters() if "lora_" in n}, atol=1e-6, rtol=1e-4)
    assert seen.run.curve("loss")[1] == pytest.approx([loss.item()], rel=1e-5)
    half = tune(tmp_path, base, dtype=torch.float16, epochs=1, eval_every=2)
    assert {p.dtype for seen in (whole, half) for p in seen.first.values()} == {torch.float32} and half.model.dtype == torch.float16
    assert half.run.end["val_loss"] < half.run.end["first_val_loss"]
    SFTTrainer(by_hand, half.args, train_dataset=(data := half.train_dataloader.dataset), eval_dataset=data, data_collator=collate)
    assert {p.dtype for p in lora(by_hand).values()} == {torch.bfloat16}  # by TRL alone


@pytest.mark.parametrize("step", [2, 5, 12])
def test_cut_and_run_again(step, whole, base, tmp_path, capsys):
    with pytest.MonkeyPatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(Recorder, "on_step_begin", on_call(step, cut_power, Recorder.on_step_begin))
        tune(tmp_path, base)
    assert_same(tune(tmp_path, base), whole)
    assert ("resuming at step" in capsys.readouterr().out) == (step > 3)


def test_checkpointing_and_small_passes_change_nothing(whole, base, tmp_path):
    again, *others = (tune(tmp_path / str(s), base, **s) for s in (dict(checkpointing=True), dict(micro_batch_size=1), dict(micro_batch_size=None)))
    assert again.args.gradient_checkpointing and not whole.args.gradient_checkpointing
    torch.testing.assert_close(again.gradients, whole.gradients, atol=1e-6, rtol=0)
    for seen in (again, *others):
        assert seen.run.file.parent.name == whole.run.file.parent.name
        assert seen.run.curve("loss")[1] == pytest.approx(whole.run.curve("loss")[1], abs=1e-4)


def test_an_adapter_answers_elsewhere_as_it_did_or_says_why_not(whole, base, model, tmp_path):
    code = """if True:
        import json, pathlib, sys, warnings
        sys.path[:0] = json.load(sys.stdin)
        from test_qlora import PROMPTS, answer, load_4bit, load_adapter, make_runtime
        warnings.simplefilter("error")
        model, tokenizer = load_4bit(make_runtime("."), "base")
        print(json.dumps(answer(load_adapter(model, pathlib.Path("moved")), tokenizer, PROMPTS, max_new_tokens=6)))"""
    shutil.copytree(base, tmp_path / "base"), shutil.copytree(whole.adapter, tmp_path / "moved")
    loaded = load_adapter(model, tmp_path / "moved").eval()
    torch.testing.assert_close(loaded(torch.arange(40)[None]).logits, whole.model.eval()(torch.arange(40)[None]).logits, atol=0, rtol=0)
    child = subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, input=json.dumps(sys.path),
                           capture_output=True, text=True, timeout=120)
    assert json.loads(child.stdout.splitlines()[-1]) == answer(whole.model, TOKENIZER, PROMPTS, max_new_tokens=6)
    folder, place = tmp_path / "moved", shown(tmp_path / "moved", 2)
    model = load_4bit(make_runtime(base), shutil.copytree(base, tmp_path / "other"))[0]
    assert sentence(load_adapter, model, folder) == f"the adapter in {place} was trained on base, not on other: load that base"
    (folder / "adapter_model.safetensors").write_bytes(flip_a_byte((folder / "adapter_model.safetensors").read_bytes()))
    assert sentence(load_adapter, model, folder) == (
        f"the adapter in {place} cannot be used (the checksum of adapter_model.safetensors does not fit): delete that folder to train anew")


def test_answers_are_those_of_one_by_one_and_stop_at_the_end(whole, model, monkeypatch):
    prompts, ids, end = [TOKENIZER.decode(range(20, 20 + n)) for n in (3, 17, 9, 1, 30)], [], TOKENIZER.eos_token_id
    alone = [answer(model.train(n > 2), TOKENIZER, [p], max_new_tokens=8)[0] for n, p in enumerate(prompts)]
    assert len(set(alone)) == 5
    for training in (True, False):
        assert answer(model.train(training), TOKENIZER, prompts, max_new_tokens=8, batch_size=3) == alone and model.training is training
    monkeypatch.setattr(whole.model, "generate", lambda generate=whole.model.generate, **named: (ids.append(generate(**named)), ids[-1])[1])
    said = [answer(whole.model, TOKENIZER, [p], max_new_tokens=20)[0] for p in PROMPTS]
    for prompt, text, found in zip(PROMPTS, said, ids, strict=True):
        new = found[0, len(TOKENIZER(prompt)["input_ids"]) :].tolist()
        assert len(new) < 20 and new.index(end) == len(new) - 1 and TOKENIZER.decode(new[:-1]) == text


def test_each_question_has_its_row(monkeypatch):
    raw, asked = [" Red.\nContext: b", " dark red\nContext: a"], []
    monkeypatch.setattr(qlora, "answer", lambda model, tokenizer, prompts, **named: (asked.append((prompts, named)), raw)[1])
    rows = ask(None, None, [{"question": q, "answer": "red"} for q in ("Which?", "What colour?")], ["It is red.", "It is blue."], batch_size=7)
    assert asked == [([format_prompt("It is red.", "Which?"), format_prompt("It is blue.", "What colour?")], {"batch_size": 7})]
    assert [list(row.values()) for row in rows] == [["Which?", "red", raw[0], "Red", True, 1.0, True],
                                                    ["What colour?", "red", raw[1], "dark red", False, pytest.approx(2 / 3), False]]


def test_memory_by_term_and_the_model_is_left_as_it_was(whole, base, model, tmp_path):
    look = lambda: (list(map(str, model.modules())), model.training, [p.requires_grad for p in model.parameters()],
                    model(inputs_embeds=torch.ones(1, 9, 64)).logits.tolist(), [len(m._forward_hooks) for m in model.modules()])
    before, batch = look(), collate(ROWS[:2])
    with_all, recomputed = (qlora_memory(model, FineTuneConfig(**CONFIG, checkpointing=c), batch, make_runtime(tmp_path)) for c in (False, True))
    assert look() == before
    weights, lora_weights, large = 2 * (4 * 64 * 64 + 3 * 64 * 128), 2 * 32 * (4 * 128 + 3 * 192), 2 * 3 * 32 * 128
    fixed = {"4-bit weights": weights / 2, "embeddings, head and norms": 4 * (2 * 290 * 64 + 5 * 64), "LoRA's weights": 4 * lora_weights,
             "LoRA's gradients": 4 * lora_weights, "optimizer": 8 * (lora_weights - large) + 2 * large + large / 32}
    assert {k: v for k, v in with_all.items() if k in fixed} == fixed
    assert 0 < with_all["their scales"] - (weights / 64 + 14 * (4 + 4 * 256 + 4 * 16)) < 14 * 250  # the rest are settings, as text
    states = {t.data_ptr(): t.nbytes for state in whole.optimizer.state.values() for t in state.values() if torch.is_tensor(t)}
    assert sum(states.values()) == pytest.approx(fixed["optimizer"], rel=0.02)
    assert recomputed["activations"] < 0.5 * with_all["activations"] and all(m["total"] * 2 == sum(m.values()) for m in (with_all, recomputed))
    assert_same(tune(tmp_path, base, model=model), whole)


def test_a_pass_that_does_not_fit_leaves_the_model_as_it_was(base, tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    model, runtime, config = load_4bit(make_runtime(base), base)[0], make_runtime(tmp_path), FineTuneConfig(**CONFIG)
    batch = collate(ROWS[:2])
    expected = qlora_memory(model, config, batch, runtime)
    with monkeypatch.context() as patch, pytest.raises(ReaderError, match="^out of memory with 2 examples a pass: take fewer a pass, or shorter ones$"):
        patch.setattr(qlora, "kept_bytes", full)
        qlora_memory(model, config, batch, runtime)
    assert qlora_memory(model, config, batch, runtime) == expected
