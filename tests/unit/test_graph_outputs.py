"""Outputs of exported graphs, by hand."""

import torch

from ossicle.tasks import Classification, Regression, Verification


def test_values_of_a_regression_are_in_the_unit_of_the_labels() -> None:
    task = Regression({"age": 40.0, "mood": -1.0}, {"age": 10.0, "mood": 0.5})
    output = torch.tensor([[0.5, 2.0], [-1.0, 0.0]])
    values = task.to_graph(output)
    assert (task.graph_output, values.tolist()) == ("values", [[45.0, 0.0], [30.0, -1.0]])
    assert task.decode(output[0])["values"] == {"age": 45.0, "mood": 0.0}
    torch.testing.assert_close(task.from_graph(values), output)


def test_a_verification_returns_its_embedding_alone() -> None:
    task = Verification(["anna", "ben"])
    output = torch.tensor([[0.5, 2.0, 3.0, 9.0, 9.0, 9.0, 9.0]])  # E = 3, and two scores by speaker
    embedding = task.to_graph(output)
    assert (task.graph_output, embedding.tolist()) == ("embedding", [[0.5, 2.0, 3.0]])
    assert task.decode(task.from_graph(embedding)[0])["embedding"] == [0.5, 2.0, 3.0]


def test_logits_stay_as_they_are() -> None:
    task, output = Classification(["a", "b"]), torch.randn(3, 2)
    assert task.graph_output == "logits"
    assert task.to_graph(output) is output
    assert task.from_graph(output) is output
