"""Tests bytelm, a small language model that reads bytes: its corpus, training and checkpoint."""

import re

import pytest
import torch
from transformers import AutoModelForCausalLM

from halfbyte.accuracy.bytelm import held_out_text, read_corpus
from halfbyte.accuracy.bytelm.corpus import HELD_OUT, Corpus
from halfbyte.accuracy.bytelm.release import save_release
from halfbyte.accuracy.bytelm.training import Plan, bits_per_byte, build_model, train
from halfbyte.base import UserError

SMALL = Corpus(b"\0def half(byte):\n    return byte >> 4\n" * 40, 1)


@pytest.fixture(scope="module")
def corpus():
    return read_corpus()


def test_held_out_modules_are_not_in_the_corpus(corpus):
    assert corpus.files > 500
    held_out = held_out_text()
    assert held_out.files > 0.8 * len(HELD_OUT)
    for text in held_out.data.split(b"\0")[1:]:
        assert text[:400] not in corpus.data


def test_corpus_has_training_modules_but_no_held_out_ones(corpus):
    assert b"class Thread:" in corpus.data
    assert b"class ArgumentParser(" not in corpus.data
    assert read_corpus().sha256 == corpus.sha256


def test_interrupted_training_gives_the_weights_of_an_uninterrupted_one(tmp_path, monkeypatch):
    monkeypatch.setattr("halfbyte.accuracy.bytelm.training.SAVE_EVERY", 2)
    plan = Plan(steps=4, batch=2, warm_up=2)
    whole = train(SMALL, plan, tmp_path / "whole.safetensors")

    def interrupt(step, steps, label):
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(SMALL, plan, tmp_path / "cut.safetensors", interrupt)
    continued = train(SMALL, plan, tmp_path / "cut.safetensors")
    for one, other in zip(whole.parameters(), continued.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(UserError, match="holds a run of 4 steps, more than the 3"):
        train(SMALL, Plan(steps=3), tmp_path / "cut.safetensors")


def test_learning_rate_rises_stays_and_falls_to_zero():
    plan = Plan(steps=1000)
    assert plan.rate_at(0) == pytest.approx(plan.rate / plan.warm_up)
    assert plan.rate_at(500) == plan.rate
    assert plan.rate_at(850) == pytest.approx(plan.rate / 2)
    assert plan.rate_at(999) < 0.01 * plan.rate


def test_release_is_an_ordinary_checkpoint_with_a_model_card(tmp_path):
    plan = Plan(steps=1, batch=1)
    facts = save_release(build_model(), SMALL, SMALL, plan, tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    assert facts.bits == pytest.approx(bits_per_byte(model, SMALL), abs=1e-4)
    card = (tmp_path / "out" / "README.md").read_text()
    assert re.search(rf"bits per byte, held out \| {facts.bits:.4f}", card)
    assert (tmp_path / "out" / "model.safetensors").stat().st_size < 12e6


def test_damaged_state_and_empty_plans_are_refused(tmp_path):
    state = tmp_path / "state.safetensors"
    state.write_bytes(b"nonsense")
    with pytest.raises(UserError, match=r"holds no training state of bytelm \(.*\): delete it"):
        train(SMALL, Plan(steps=1), state)
    with pytest.raises(UserError, match="at least 1, not 0 and 32"):
        Plan(steps=0)
    with pytest.raises(UserError, match="longer than 256 bytes, not"):
        train(Corpus(b"short", 1), Plan(steps=1), tmp_path / "none")
