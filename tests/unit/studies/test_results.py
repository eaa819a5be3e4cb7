"""What every report shows: claims that its recipes can test, and ranks over data sets."""

from outcomes import study

from ossicle.reports.parts import Figure, Table
from ossicle.studies.results import results


def test_claims_follow_the_verdict_and_ranks_are_a_section():
    names = ("ast/lora-q", "ast/lora-qk", "ast/lora-qv", "ast/lora-qkvo")
    right = {name: 0.5 + 0.1 * number for number, name in enumerate(names)}
    outcomes = [one for data in ("a", "b") for one in study(right, seeds=2, data=data)]
    said, sections = results(outcomes)
    assert sum(one.startswith("Claim of Cappellazzo et al. 2023, table IV") for one in said) == 4
    (over,) = [one for one in sections if one.title == "Over several data sets"]
    by_data, table, figure = over.parts
    assert isinstance(by_data, Figure)
    assert by_data.traces[0]["y"] == [*names]
    assert by_data.traces[0]["x"] == ["a", "b"]
    assert isinstance(table, Table)
    assert isinstance(figure, Figure)
    assert {row[0].text for row in table.rows} == {*names}
    assert all(row[1].value >= 1 for row in table.rows)
    _, alone = results(outcomes[: len(outcomes) // 2])
    assert "Over several data sets" not in [one.title for one in alone]
