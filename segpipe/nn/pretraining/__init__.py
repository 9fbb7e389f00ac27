"""Formulas of pretraining by self-distillation: tensors in, tensors out; no disk, no network."""
