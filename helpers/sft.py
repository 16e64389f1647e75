"""TRL's SFTTrainer under `fine_tune`: the same log, evaluation, checkpoints and resume."""

import torch
from datasets import Dataset
from huggingface_hub import constants
from transformers import Trainer
from trl import SFTConfig, SFTTrainer

from .qlora import trainable_in_float32
from .tuner import Tuning

constants.HF_HUB_DISABLE_TELEMETRY = True  # TRL reports every trainer that is built; nothing leaves this machine unasked


class SFTTuner(Tuning, SFTTrainer):
    """TRL's trainer on examples that are tokens already ({"input_ids", "labels"}), so that one function makes them for training and asking."""

    def __init__(self, model, arguments, *, train_dataset, eval_dataset, data_collator, **settings):
        chosen = arguments.to_dict() | dict(max_length=None, dataset_kwargs={"skip_prepare_dataset": True}, hub_token=None,
                                               adam_beta2=0.98,  # 0.999 would remember the first steps' large gradients to the end of a short run
                                               train_sampling_strategy="group_by_length")  # less padding: a batch is as long as its longest
        config = SFTConfig(**chosen)
        config._n_gpu = arguments._n_gpu
        sets = [Dataset.from_list([{k: v.tolist() for k, v in row.items()} for row in (rows[i] for i in range(len(rows)))])
                for rows in (train_dataset, eval_dataset)]
        masked = lambda rows: {"attention_mask": torch.ones(len(rows), max(len(r["input_ids"]) for r in rows))} | data_collator(rows)  # TRL asks for one
        super().__init__(model, config, train_dataset=sets[0], eval_dataset=sets[1], data_collator=masked, **settings)
        self.eval_dataset = eval_dataset
        trainable_in_float32(self.model)

    def compute_loss(self, model, inputs, **settings):
        return Trainer.compute_loss(self, model, inputs, **settings)  # TRL's also takes the entropy of every position, a tenth of a step
