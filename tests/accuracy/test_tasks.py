"""Zero-shot tasks, run by the lm-eval harness, an optional package."""

import json

import pytest
import torch

from halfbyte.accuracy import find_model
from halfbyte.accuracy.models.loading import open_subject
from halfbyte.accuracy.models.tasks import _filters, _hits, _leaves
from halfbyte.base import UserError

TASK = """task: {name}
dataset_path: json
dataset_kwargs:
  data_files: {{test: {data}}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{answer}}}}"
metric_list:
  - metric: acc
metadata: {{version: 1}}
"""


@pytest.fixture
def task_folder(tmp_path, monkeypatch):
    """A folder with a multiple-choice task of twelve documents."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    documents = [
        {"question": f"{first} and", "choices": [" one", " two"], "answer": first % 2}
        for first in range(12)
    ]
    data = tmp_path / "documents.jsonl"
    data.write_text("\n".join(json.dumps(document) for document in documents))
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "counting.yaml").write_text(TASK.format(name="counting", data=data))
    return folder


def test_without_the_harness_the_error_names_the_package_to_install(small_llama, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lm_eval.models.huggingface", None)
    with pytest.raises(UserError, match=r'pip install "halfbyte\[tasks\]"'):
        open_subject(find_model(str(small_llama), tasks=("counting",)))


@pytest.mark.filterwarnings("ignore")  # warnings of the harness and its many dependencies
def test_a_local_task_is_measured_by_document(small_llama, task_folder):
    pytest.importorskip("lm_eval", reason="lm-eval is an optional extra")
    reference = find_model(str(small_llama), tasks=("counting",), task_folder=task_folder)
    subject = open_subject(reference)
    outputs = subject.observe()
    assert outputs["counting"].shape == (12,)
    assert set(outputs["counting"].tolist()) <= {0.0, 1.0}
    for matrix in subject.matrices().values():  # quantization replaces weights in this way
        matrix.write(torch.zeros_like(matrix.read()))
    with pytest.raises(UserError, match="knows no task 'no_such_task'"):
        open_subject(find_model(str(small_llama), tasks=("no_such_task",)))


def test_a_document_counts_once_even_if_the_task_has_several_filters():
    samples = [
        {"doc_id": document, "filter": name, "exact_match": float(name == "strict" and document)}
        for document in (1, 0)
        for name in ("strict", "loose")
    ]
    assert _filters(samples) == ["strict", "loose"]
    assert _hits("task", samples).tolist() == [0.0, 1.0]
    with pytest.raises(UserError, match="has none of the metrics"):
        _hits("task", [])


def test_groups_stand_for_their_tasks():
    assert list(_leaves({"group": {"inner": {"b": 1}, "a": 2}, "c": 3})) == ["b", "a", "c"]
