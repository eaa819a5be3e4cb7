"""The options `map` and `where`, which every reader has."""

from pathlib import Path

import pytest

from ossicle.data import open_data, read_data
from ossicle.data.pairs import read_pairs, write_pairs
from ossicle.errors import DataError, LabelError, SplitError

ROWS = (  # path, label, speaker, style
    *(
        (f"{who}/{n}.wav", "ab"[n % 2], who, ("read", "free")[n // 2])
        for who in "wxyz"
        for n in range(4)
    ),
)


@pytest.fixture
def table(tree) -> Path:
    """Four recordings of each of four speakers, two in each style, one of each label in a style."""
    lines = ["path,label,speaker,style", *(",".join(row) for row in ROWS)]
    return tree({row[0]: None for row in ROWS} | {"list.csv": "\n".join(lines)}) / "list.csv"


def keys(dataset) -> list[str]:
    return sorted(one.key for one in dataset.utterances)


def test_values_of_one_column_are_alternatives_and_columns_are_combined(table):
    found = read_data(f"{table}?where=speaker=w,style=free,speaker=x")
    assert keys(found) == ["w/2.wav", "w/3.wav", "x/2.wav", "x/3.wav"]
    assert found.note.endswith("where=speaker=w,speaker=x,style=free keeps 4 of 16 recordings.")
    assert all(one.columns == () for one in found.utterances)


def test_a_column_that_is_chosen_by_and_a_column_domain_are_not_reported_as_unused(tree):
    rows = ["a.wav,x,natural,1,p", "b.wav,y,acted,2,p", "c.wav,y,natural,2,p"]
    root = tree({"list.csv": "\n".join(["path,label,Domain,take,place", *rows])})
    tree({f"{name}.wav": None for name in "abc"})
    found = read_data(f"{root}/list.csv?where=Domain=natural,take=2")
    assert keys(found) == ["c.wav"]
    assert found.notices == ("list.csv: columns not used: place.",)
    assert read_data(f"{root}/list.csv").notices == ("list.csv: columns not used: take, place.",)


def test_labels_are_renamed_before_they_are_chosen_by(table):
    found = read_data(f"{table}?where=label=B&map=b=B")
    assert keys(found) == sorted(row[0] for row in ROWS if row[1] == "b")
    assert {one.label for one in found.utterances} == {"B"}
    assert {one.label for one in read_data(f"{table}?map=a=both,b=both").utterances} == {"both"}
    swapped = {one.key: one.label for one in read_data(f"{table}?map=a=b,b=a").utterances}
    assert swapped == {row[0]: {"a": "b", "b": "a"}[row[1]] for row in ROWS}


def test_a_split_is_drawn_from_what_is_kept(table):
    """Three speakers remain for three splits; a draw from all four could lose a split."""
    for seed in range(4):
        dataset = open_data(f"{table}?where=speaker=w,speaker=x,speaker=z&split_seed={seed}")
        assert sorted(len(side) for side in dataset.sides.values()) == [4, 4, 4]


def test_a_given_split_is_kept_and_never_drawn_again(tree):
    lines = ["path,label,split,style"]
    for side, style in (("train", "read"), ("train", "free"), ("valid", "free"), ("test", "read")):
        lines += [f"{side}-{style}-{label}.wav,{label},{side},{style}" for label in "ab"]
    root = tree({"list.csv": "\n".join(lines)} | {row.split(",")[0]: None for row in lines[1:]})
    with pytest.raises(SplitError, match=r"no valid recordings\. .*where=style=read keeps 4 of 8"):
        open_data(f"{root}/list.csv?where=style=read")
    with pytest.raises(SplitError, match=r"no test recordings\. .*where=style=free keeps 4 of 8"):
        open_data(f"{root}/list.csv?where=style=free")
    assert len(read_data(f"{root}/list.csv?where=style=free").valid) == 2


def test_validation_that_where_empties_is_not_drawn_from_training(tree):
    people = ("03", "08", "09", "10", "11", "13")  # 03 and 08 are test, 10 and 09 validation
    root = tree({f"wav/{who}a01{emotion}a.wav": None for who in people for emotion in "WN"})
    kept = ",".join(f"speaker={who}" for who in ("03", "08", "11", "13"))
    with pytest.raises(SplitError, match="no valid recordings"):
        open_data(f"emodb:{root}?where={kept}")


def test_missing_validation_is_drawn_from_what_is_kept(tree):
    """The release has no dev set, and a tenth of training is drawn after `where`."""
    head, files = "client_id\tpath\tsentence\tgender", {}
    for side, people in (("train", "abcd"), ("test", "e")):
        rows = [f"{who}\t{who}{n}.wav\tHi.\t{'fm'[n]}" for who in people for n in range(2)]
        files |= {f"clips/{who}{n}.wav": None for who in people for n in range(2)}
        files[f"{side}.tsv"] = "\n".join([head, *rows])
    dataset = open_data(f"commonvoice:{tree(files)}?where=speaker=a,speaker=d,speaker=e")
    assert {one.speaker for one in (*dataset.train, *dataset.valid)} == {"a", "d"}
    assert len(dataset.valid) == 2
    with pytest.raises(SplitError, match="no test recordings"):
        open_data(f"commonvoice:{tree(files)}?where=speaker=a,speaker=d")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "where=stile=read",
            "no column 'stile' for where. It has: label, speaker, .*style.*'style'",
        ),
        ("where=style=reed", "no recording has style=reed. It has: free, read. .*'read'"),
        ("where=label=a,label=c", "no recording has label=c. It has: a, b."),
        ("where=speaker=W", "no recording has speaker=W. It has: w, x, y, z."),
        ("where=speaker=w,path=x/0.wav", "no recording has all values of where=speaker=w,path"),
        ("where=style", "where=style: 'style' is not NAME=VALUE"),
        ("where=style=read=free", "'style=read=free' is not NAME=VALUE"),
        ("where=style=%ff", "'%ff' is not percent-encoded UTF-8"),
        ("map=a=x,a=y", "map renames 'a' to 'x' and to 'y'"),
        ("wher=style=read", "has no option 'wher'.* Did you mean 'where'"),
    ],
)
def test_a_wrong_option_is_refused(table, options, message):
    with pytest.raises(DataError, match=message):
        read_data(f"{table}?{options}")


def test_a_label_that_no_recording_has_is_refused(table):
    with pytest.raises(LabelError, match=r"the label c, A, which map renames. Labels: a, b"):
        open_data(f"{table}?map=a=b,c=d,A=b")


def test_marks_in_names_are_percent_encoded():
    pairs = [("a,b", "c=d"), ("50% & more", "é + ?"), (" x", "y\t")]
    text = write_pairs(pairs)
    assert text == "a%2Cb=c%3Dd,50%25 %26 more=é %2B %3F,%20x=y%09"
    assert read_pairs("map", text) == pairs


def test_each_tag_of_a_label_is_renamed(tree):
    table = "\n".join(
        ["path,tags", *(f"{n}.wav,{tags}" for n, tags in enumerate(("a|b", "b|c", "-")))]
    )
    root = tree({"list.csv": table} | {f"{n}.wav": None for n in range(3)})
    found = read_data(f"{root}/list.csv?map=b=a")
    assert [one.label for one in found.utterances] == ["a", "a|c", "-"]
    assert keys(read_data(f"{root}/list.csv?where=label=b")) == ["0.wav", "1.wav"]
    for new in ("a|x", "-"):
        with pytest.raises(LabelError, match=r"Expected a tag, without '\|'"):
            read_data(f"{root}/list.csv?map=b={new}")


def test_each_slot_of_a_label_is_renamed_within_its_slot(tree):
    rows = ["0.wav,on,lamp", "1.wav,off,lamp"]
    root = tree(
        {"list.csv": "\n".join(["path,action,object", *rows]), "0.wav": None, "1.wav": None}
    )
    found = read_data(f"{root}/list.csv?map=action%3Don=action%3Doff")
    assert [one.label for one in found.utterances] == ["action=off,object=lamp"] * 2
    assert keys(read_data(f"{root}/list.csv?where=label=action%3Don")) == ["0.wav"]
    with pytest.raises(LabelError, match="Expected a value of the same slot"):
        read_data(f"{root}/list.csv?map=action%3Don=object%3Doff")


def test_labels_that_are_no_classes_are_not_renamed(tree):
    root = tree({"list.csv": "path,transcript\n0.wav,hi", "0.wav": None})
    with pytest.raises(
        LabelError, match="label of these data is 'transcript', which is not a class"
    ):
        read_data(f"{root}/list.csv?map=hi=ho")
    assert keys(read_data(f"{root}/list.csv?where=label=hi")) == ["0.wav"]


def test_only_trials_between_recordings_that_are_kept_remain(table, tmp_path):
    (tmp_path / "pairs.txt").write_text("1 w/0.wav w/1.wav\n0 w/0.wav x/0.wav\n1 x/0.wav x/1.wav\n")
    data = f"{table}?trials={tmp_path}/pairs.txt&split=no"
    found = read_data(f"{data}&where=speaker=w,speaker=y")
    assert [tuple(one) for one in found.trials["test"]] == [("w/0.wav", "w/1.wav", True)]
    with pytest.raises(
        DataError, match="where=speaker=y,speaker=z keeps no pair of the list of trials"
    ):
        read_data(f"{data}&where=speaker=y,speaker=z")


def test_folds_that_lose_all_their_recordings_are_not_folds(tree):
    from ossicle.data.folds import folds_of

    men, women = ("03", "10", "11", "12", "15"), ("08", "09", "13", "14", "16")
    root = tree({f"wav/{who}a01{e}a.wav": None for who in (*men, *women) for e in "WN"})
    kept = ",".join(f"speaker={who}" for who in ("03", "08", "10", "09", "11"))
    names = [name for name, _ in folds_of(f"emodb:{root}?where={kept}")]
    assert names == ["03,08", "10,09", "11,13"]
