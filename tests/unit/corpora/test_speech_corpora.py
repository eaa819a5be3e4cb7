"""Readers of commands, intents and slots, on small trees in the released layouts."""

import numpy as np
import pytest
import soundfile

from ossicle.data import load_utterance, open_data
from ossicle.errors import DataError, ManifestError
from ossicle.tasks import suggest_task

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")


def by_side(spec):
    return {
        side: sorted((one.key, one.label) for one in part)
        for side, part in open_data(spec).sides.items()
    }


# Speech Commands


def commands(tree):
    files = {
        f"{word}/{speaker}_nohash_{take}.wav": None
        for word in (*WORDS, "cat", "dog", "bed")
        for speaker in ("aa", "bb", "cc")
        for take in (0, 1)
    }
    lists = {
        name: "\n".join(key for key in files if f"/{speaker}_" in key)
        for name, speaker in (("validation_list.txt", "bb"), ("testing_list.txt", "cc"))
    }
    root = tree(files | lists)
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 60 * 8000)
    (root / "_background_noise_").mkdir()
    soundfile.write(root / "_background_noise_/rain.wav", noise, 8000)
    return root


def test_speech_commands_keeps_the_official_lists(tree):
    dataset = open_data(f"speechcommands:{commands(tree)}")
    assert len(dataset.labels) == 13
    assert [len(part) for part in dataset.sides.values()] == [26, 26, 26]
    assert [{one.speaker for one in part} for part in dataset.sides.values()] == [
        {"aa"},
        {"bb"},
        {"cc"},
    ]
    assert dataset.speaker_independent


def test_twelve_classes_have_unknown_words_and_silence_from_other_parts_for_each_side(tree):
    dataset = open_data(f"speechcommands:{commands(tree)}?classes=12")
    assert dataset.labels == tuple(sorted((*WORDS, "_silence_", "_unknown_")))
    for part, (first, last) in zip(
        dataset.sides.values(), ((0, 48), (48, 54), (54, 60)), strict=True
    ):
        silence = [one for one in part if one.label == "_silence_"]
        assert len(silence) == 2  # as many as of a command
        assert all(first <= one.start_s <= last - 1 and one.duration_s == 1 for one in silence)
        assert len(load_utterance(silence[0], 8000)) == 8000
        assert sum(one.label in WORDS for one in part) == 20
    unknown = [one.path.parent.name for one in dataset.utterances if one.label == "_unknown_"]
    assert 0 < len(unknown) < 18
    assert set(unknown) <= {"cat", "dog", "bed"}


def test_speech_commands_says_what_is_wrong(tree):
    root = commands(tree)
    (root / "testing_list.txt").write_text("yes/zz_nohash_0.wav")
    with pytest.raises(DataError, match=r"testing_list.txt: 1 of 1 recordings .*yes/zz_nohash_0"):
        open_data(f"speechcommands:{root}")
    (root / "yes/odd.wav").write_bytes((root / "yes/aa_nohash_0.wav").read_bytes())
    with pytest.raises(DataError, match=r"1 file names are not like cat/.* \(yes/odd.wav\)"):
        open_data(f"speechcommands:{root}")


# Fluent Speech Commands


def fsc(tree):
    head = ",path,speakerId,transcription,action,object,location\n"
    files = {}
    for side in ("train", "valid", "test"):
        rows = ""
        for number, (text, slots) in enumerate(
            (('"Lights on, please"', "activate,lights,none"), ("Louder", "increase,volume,none"))
        ):
            name = f"wavs/speakers/{side}/{number}.wav"
            files[name] = None
            rows += f"{number},{name},{side},{text},{slots}\n"
        files[f"data/{side}_data.csv"] = head + rows
    return tree(files)


def test_an_intent_has_three_slots_or_one_of_them_or_a_text(tree):
    root = fsc(tree)
    dataset = open_data(f"fsc:{root}")
    assert suggest_task(dataset.label_name).name == "intent"
    assert dataset.train[0].label == "action=activate,object=lights,location=none"
    assert (dataset.train[0].speaker, dataset.test[0].speaker) == ("train", "test")
    assert open_data(f"fsc:{root}?label=action").labels == ("activate", "increase")
    text = open_data(f"fsc:{root}?label=transcript")
    assert (suggest_task(text.label_name).name, text.train[0].label) == ("asr", "Lights on, please")
    (root / "wavs/speakers/valid/0.wav").unlink()
    with pytest.raises(DataError, match=r"valid_data.csv: 1 of 2 recordings are missing \(0.wav\)"):
        open_data(f"fsc:{root}")


# SNIPS

IOB = (
    "{v}-snips-{s}-0 BOS PLAY THE BEATLES NOW EOS\tO O B-artist I-artist O PlayMusic\n"
    "{v}-snips-{s}-1 BOS RAIN IN ROME EOS\tO O O B-city GetWeather\n"
)


def snips(tree):
    files, table = {}, ""
    for side, voices in (("train", ("Ivy", "Amy")), ("valid", ("Amy",)), ("test", ("Emma", "Ivy"))):
        for voice in voices:
            table += IOB.format(v=voice, s=side)
            files |= {f"{side}/{voice}-snips-{side}-{number}.wav": None for number in (0, 1)}
    return tree({**files, "all.iob.snips.txt": table})


def test_slots_are_marked_as_superb_does_and_its_voices_are_taken(tree):
    root = snips(tree)
    dataset = open_data(f"snips:{root}")
    assert suggest_task(dataset.label_name).name == "slots"
    assert sorted(one.label for one in dataset.train) == [
        "PLAY B-artist THE BEATLES E-artist NOW",
        "RAIN IN B-city ROME E-city",
    ]
    assert [{one.speaker for one in part} for part in dataset.sides.values()] == [
        {"Ivy"},  # Amy belongs to validation only, Ivy to training only
        {"Amy"},
        {"Emma"},
    ]
    assert open_data(f"snips:{root}?label=intent").labels == ("GetWeather", "PlayMusic")
    text = open_data(f"snips:{root}?label=transcript").train[0]
    assert text.label == "PLAY THE BEATLES NOW"


def test_snips_says_what_is_wrong(tree):
    root = snips(tree)
    (root / "test/Emma-snips-test-9.wav").write_bytes(
        (root / "test/Emma-snips-test-0.wav").read_bytes()
    )
    with pytest.raises(DataError, match=r"1 recordings are not in all.iob.snips.txt: test/Emma-s"):
        open_data(f"snips:{root}")
    (root / "all.iob.snips.txt").write_text("Ivy-snips-train-0 BOS PLAY EOS\tO O\n")
    with pytest.raises(
        ManifestError, match=r"row 1: expected BOS, words, EOS, a tab and as many tags"
    ):
        open_data(f"snips:{root}")


# TIMIT


def timit(tree):
    phones = "0 10 h#\n10 20 sh\n20 30 ix\n30 40 dcl\n40 50 d\n50 60 q\n60 70 ax-h\n70 80 zh\n"
    files = {}
    for side, speakers in (("TRAIN", ("FCJF0",)), ("TEST", ("MDAB0", "FAKS0"))):
        for speaker in speakers:
            for name in ("SA1", "SX7"):
                stem = f"{side}/DR1/{speaker}/{name}"
                files |= {f"{stem}.WAV": None, f"{stem}.PHN": phones, f"{stem}.TXT": "0 9 A Sea."}
    return tree(files)


def test_phones_are_folded_and_the_core_test_set_is_test(tree):
    root = timit(tree)
    dataset = open_data(f"timit:{root}")
    assert suggest_task(dataset.label_name).name == "phones"
    assert dataset.train[0].label == "sil sh ih sil d ah sh"  # q is left out
    assert [[one.speaker for one in part] for part in dataset.sides.values()] == [
        ["FCJF0"],
        ["FAKS0"],
        ["MDAB0"],
    ]
    all_phones = open_data(f"timit:{root}?phones=61").train[0].label
    assert all_phones == "h# sh ix dcl d q ax-h zh"
    assert open_data(f"timit:{root}?label=transcript").train[0].label == "a sea."
    (root / "TEST/DR1/MDAB0/SX7.PHN").unlink()
    with pytest.raises(DataError, match=r"SX7.WAV has no .PHN file next to it"):
        open_data(f"timit:{root}")


# LibriSpeech and Libri-Light


def books(tree, prefix="", subsets=("train-clean-100", "dev-clean", "test-clean"), first=100):
    files = {}
    for speaker, subset in enumerate(subsets, start=first):
        chapter = f"{prefix}{subset}/{speaker}/7"
        files |= {f"{chapter}/{speaker}-7-000{n}.flac": None for n in (0, 1)}
        files[f"{chapter}/{speaker}-7.trans.txt"] = (
            f"{speaker}-7-0000 A B\n{speaker}-7-0001 C'S D\n"
        )
    return tree(files)


def test_librispeech_joins_transcripts_and_recordings(tree):
    root = books(tree, "LibriSpeech/")
    dataset = open_data(f"librispeech:{root}")
    assert by_side(f"librispeech:{root}/LibriSpeech")["test"] == [
        ("test-clean/102/7/102-7-0000.flac", "A B"),
        ("test-clean/102/7/102-7-0001.flac", "C'S D"),
    ]
    assert (suggest_task(dataset.label_name).name, dataset.train[0].speaker) == ("asr", "100")
    (root / "LibriSpeech/dev-clean/101/7/101-7-0001.flac").unlink()
    with pytest.raises(DataError, match=r"dev-clean: 1 of 2 recordings are missing .101-7-0001"):
        open_data(f"librispeech:{root}")


def test_libri_light_trains_on_ten_hours_or_less(tree):
    books(tree, "librispeech_finetuning/", ("1h/0/clean", "1h/1/other", "9h/clean"), 200)
    root = books(tree, "LibriSpeech/", ("dev-clean", "test-clean"))
    sizes = {
        part: len(open_data(f"librilight:{root}?train={part}").train)
        for part in ("10h", "1h", "10min")
    }
    assert sizes == {"10h": 6, "1h": 4, "10min": 2}
    (root / "LibriSpeech").rename(root / "Books")
    with pytest.raises(DataError, match=r"LibriSpeech does not exist. Give the folder"):
        open_data(f"librilight:{root}")
    assert len(open_data(f"librilight:{root}?librispeech={root}/Books").test) == 2


# Common Voice


def test_common_voice_reads_tabs_and_quotes_as_they_are(tree):
    files = {}
    for side in ("train", "dev", "test"):
        rows = ["client_id\tpath\tsentence\tage\tgender"]
        rows += [
            f'{side}-id\t{side}{n}.wav\tSay "{n}, no\t{age}\t' for n, age in enumerate(("x", ""))
        ]
        files |= {f"clips/{side}{n}.wav": None for n in (0, 1)}
        files[f"{side}.tsv"] = "\n".join(rows)
    root = tree(files)
    dataset = open_data(f"commonvoice:{root}")
    assert suggest_task(dataset.label_name).name == "asr"
    assert [one.label for one in dataset.test] == ['Say "0, no', 'Say "1, no']
    assert {one.speaker for one in dataset.valid} == {"dev-id"}
    ages = open_data(f"commonvoice:{root}?label=age")
    assert [len(part) for part in ages.sides.values()] == [1, 1, 1]
    assert "3 recordings without age were skipped" in ages.note
