"""What a visitor sees and can do on the page of a server, in Chromium."""

import io
import re
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import uvicorn
from selenium.webdriver.common.keys import Keys

from browser import TEXTS, Browser, chromium
from colours import contrast, rgb
from kinds import shake
from ossicle import Trained
from ossicle.adapters.check import attach
from ossicle.adapters.saving import save
from ossicle.backbones import load_backbone
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe
from ossicle.serving.app import create_app
from ossicle.serving.engine import Engine
from ossicle.serving.settings import ServeSettings
from ossicle.tasks import TASKS, Task
from served import task_of
from tones import PITCH_HZ, tone

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.thorough]

HOSTILE = "<img src=x onerror=document.title='hit'>"
SPOKEN_HZ = 700  # what the fake microphone plays
READY = "'ready' in document.documentElement.dataset"


CLASSES: dict[str, Any] = {"name": "classification", "label_smoothing": 0.0}
SOUND = {"labels": ["high", "low"]}
KINDS: dict[str, tuple[str, Task]] = {
    "pitch": ("lora", TASKS["classification"].from_dict(CLASSES | SOUND)),
    "other": ("bottleneck", TASKS["classification"].from_dict(CLASSES | SOUND)),
    HOSTILE: ("linear", TASKS["classification"].from_dict(CLASSES | {"labels": [HOSTILE, "a|b"]})),
    "sounds": ("lora", task_of("events")),
    "numbers": ("lora", task_of("regression")),
    "voice": ("lora", task_of("verification")),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, backbone: str) -> dict[str, Path]:
    """Adapter folders with random weights, by the name that they are served under."""
    root = tmp_path_factory.mktemp("page")
    found = {}
    for seed, (name, (recipe, task)) in enumerate(KINDS.items()):
        torch.manual_seed(seed)
        loaded = load_backbone(backbone, device="cpu")
        if "frame_rate" in task.to_dict():
            task = type(task).from_dict(task.to_dict() | {"frame_rate": loaded.frame_rate})
        parsed = Recipe.parse(recipe)
        head = build_head(task.heads[0], parsed.seen_by_head(loaded.anatomy), task.num_outputs)
        task.configure(head)
        model = attach(loaded, parsed, head)
        shake(model, by=0.2)
        found[name] = root / str(seed)
        save(model, found[name], task=task.to_dict() | {"max_seconds": 5.0})
    return found


@contextmanager
def serving(engine: Engine, key: str | None = None) -> Iterator[str]:
    """Serve an engine on a port of this machine; yield its address."""
    config = uvicorn.Config(create_app(engine, key=key), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def engine(runs: dict[str, Path]) -> Iterator[Engine]:
    made = Engine(ServeSettings(device="cpu"))
    made.open(runs)
    yield made
    made.close()


@pytest.fixture(scope="module")
def address(engine: Engine) -> Iterator[str]:
    with serving(engine) as found:
        yield found


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    spoken = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    soundfile.write(spoken, tone(SPOKEN_HZ, 2.0, 0, 48_000), 48_000, subtype="PCM_16")
    with chromium(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={spoken}",
        "--autoplay-policy=no-user-gesture-required",
    ) as found:
        yield found


@pytest.fixture
def page(started: Browser, address: str) -> Browser:
    """The page as it opens, on a wide screen in light colours."""
    started.width(1440)
    started.scheme("light")
    started.messages()
    started.requests()
    started.driver.get(address)
    started.until(READY)
    return started


def choose(page: Browser, *names: str) -> None:
    script = "for (const b of document.querySelectorAll('.choices input')) "
    page.run(script + "if (b.checked !== arguments[0].includes(b.value)) b.click()", list(names))


def upload(page: Browser, file: Path, which: str = "first") -> None:
    page.driver.find_element("id", f"{which}-file").send_keys(str(file))
    page.until(f"document.querySelector('#{which}-sound .file')?.textContent === '{file.name}'")


def ask(page: Browser) -> None:
    page.run("document.getElementById('run').click()")
    page.until("document.querySelector('.card, #problem:not([hidden])')")


@pytest.fixture(scope="module")
def high(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("heard") / "high.wav"
    soundfile.write(file, tone(PITCH_HZ["high"], 0.8, 9), 16_000)
    return file


def shown_shares(page: Browser) -> dict[str, float]:
    """The probabilities on the page, in percent."""
    rows: list[list[str]] = page.run(
        "return [...document.querySelectorAll('.bars dl > div')].map((one) => "
        "[one.querySelector('dt').textContent, one.querySelector('.share').textContent])"
    )
    return {label: float(re.sub(r"[<>% ]", "", share)) for label, share in rows}


def test_what_is_spoken_gets_the_answer_that_predict_gives(
    page: Browser, runs: dict[str, Path], tmp_path: Path
) -> None:
    page.run(
        "window.sent = []; const real = window.fetch; window.fetch = (path, options) => { "
        "if (options?.body) sent.push(options.body.get('file')); return real(path, options); };"
    )
    choose(page, "pitch")
    page.run("document.querySelector('.record').click()")
    page.until("/^Stop 1/.test(document.querySelector('.record').textContent)")
    assert page.run("return document.querySelector('.level span').style.width") != "0"
    page.run("document.querySelector('.record').click()")
    page.until("document.querySelector('#first-sound .seek')")
    ask(page)
    sent = page.driver.execute_async_script(
        "const done = arguments[0], reader = new FileReader(); "
        "reader.onload = () => done(reader.result); reader.readAsDataURL(sent[0]);"
    )
    file = tmp_path / "sent.wav"
    file.write_bytes(b64decode(sent.partition(",")[2]))
    wave, rate = soundfile.read(file)
    loudest = np.abs(np.fft.rfft(wave)).argmax() * rate / len(wave)
    assert (soundfile.info(file).subtype, wave.ndim) == ("PCM_16", 1)
    assert loudest == pytest.approx(SPOKEN_HZ, abs=5)
    assert 0.2 < np.abs(wave).max() < 0.4  # as loud as it was played: 0.3
    (expected,) = Trained.open(runs["pitch"]).predict([file])
    found = {label: share / 100 for label, share in shown_shares(page).items()}
    assert found == pytest.approx(expected["probs"], abs=0.0006)
    assert page.run("return document.querySelector('.headline').textContent") == expected["label"]
    assert page.messages() == []


def test_all_can_be_done_with_the_keyboard_and_the_focus_is_seen(page: Browser) -> None:
    reached: list[str] = []

    def tab_to(what: str) -> None:
        for _ in range(40):
            page.press(Keys.TAB)
            now = page.run(
                "const e = document.activeElement, s = getComputedStyle("
                "e.matches('.unseen') ? e.nextElementSibling : e); return [e.id || e.className "
                "|| e.tagName, s.outlineStyle, parseFloat(s.outlineWidth), "
                "e.matches(arguments[0])]",
                what,
            )
            reached.append(now[0])
            if now[0] != "BODY":
                assert (now[1], now[2]) == ("solid", 2), now
            if now[3]:
                return
        raise AssertionError(f"{what} was never reached, but {reached}")

    tab_to(".skip")
    tab_to(".record")
    tab_to("#first-file")
    tab_to("#first-example")
    page.press("stop")
    page.until("document.querySelector('#first-sound .play')")
    name = page.run("return document.querySelector('#first-sound .file').textContent")
    assert name.startswith("stop-")
    tab_to(".seek")
    page.press(Keys.END)
    end, top = page.run(
        "const e = document.querySelector('.seek'); return [Number(e.value), Number(e.max)]"
    )
    assert end == pytest.approx(top, abs=0.02)
    tab_to(".play")
    tab_to(".choices input")
    page.press(Keys.SPACE)
    tab_to("#run")
    page.press(Keys.ENTER)
    page.until("document.querySelector('.card')")
    said = page.run("return document.getElementById('status').textContent")
    assert re.fullmatch(r"pitch: (high|low), [<>\d. ]+ %", said)
    tab_to("a[href='docs'], .skip")  # and round to the beginning: no trap


def test_nothing_leaves_this_machine_or_fails_or_scrolls_sideways_and_all_texts_can_be_read(
    page: Browser, address: str, high: Path
) -> None:
    upload(page, high)
    page.run("document.querySelector('#options').open = true")
    choose(page, "pitch", "other")
    page.run("document.querySelector('#vote').value = 'soft'")
    ask(page)
    faint, wide = [], []
    for names in ([], ["pitch", "other", HOSTILE, "sounds", "numbers"]):
        if names:
            choose(page, *names)
            page.run("document.querySelector('#cards').replaceChildren()")
            ask(page)
        for width in (390, 1440):
            page.width(width)
            wide += [width] if page.run("return document.body.scrollWidth") > width else []
            for scheme in ("light", "dark"):
                page.scheme(scheme)
                page.run("getComputedStyle(document.body).color")
                time.sleep(0.1)
                texts = page.run(TEXTS)
                assert len(texts) > 30
                faint += [
                    (scheme, text)
                    for text, ink, ground in texts
                    if contrast(rgb(ink), rgb(ground)) < 4.5
                ]
    assert (faint, wide) == ([], [])
    assert page.messages() == []
    assert {one.split("/")[2] for one in page.requests()} == {address.split("/")[2]}


def test_names_and_labels_from_the_server_are_text(page: Browser, high: Path) -> None:
    upload(page, high)
    choose(page, HOSTILE)
    ask(page)
    assert HOSTILE in page.run("return document.querySelector('#cards h3').textContent")
    assert set(shown_shares(page)) == {HOSTILE, "a|b"}
    assert page.run("return document.querySelectorAll('main img').length") == 0
    assert page.run("return document.title") == "ossicle"


def test_a_vote_shows_what_each_member_says(
    page: Browser, runs: dict[str, Path], high: Path
) -> None:
    upload(page, high)
    choose(page, "pitch", "other")
    page.run("document.querySelector('#vote').value = 'soft'")
    ask(page)
    single = [next(Trained.open(runs[name]).predict([high])) for name in ("pitch", "other")]
    rows = page.run(
        "return [...document.querySelectorAll('.votes tbody tr')].map((row) => "
        "[...row.children].map((one) => one.textContent))"
    )
    assert [row[:2] for row in rows] == [
        ["pitch", single[0]["label"]],
        ["other", single[1]["label"]],
    ]
    mean = np.mean([one["probs"]["high"] for one in single])
    label = "high" if mean > 0.5 else "low"
    card = page.run("return document.querySelector('.card.wide').textContent")
    assert f"ensemblethe chosen adapters together{label}" in card
    assert [row[3] for row in rows] == [
        "agrees" if one["label"] == label else "differs" for one in single
    ]


def test_events_are_drawn_where_they_are(page: Browser, runs: dict[str, Path], high: Path) -> None:
    lanes = page.driver.execute_async_script(
        "const [label, done] = arguments; import('/page/spans.js').then(({ lanesOf }) => "
        "done(lanesOf({ adapter: 'x', frames: 9, label })));",
        "0-0.2:a b|0.1-1.25:c:d|0.5-0.6:a b",
    )
    assert [(one["title"], one["spans"]) for one in lanes] == [
        (
            "x: a b",
            [
                {"start_s": 0, "end_s": 0.2, "text": "a b"},
                {"start_s": 0.5, "end_s": 0.6, "text": "a b"},
            ],
        ),
        ("x: c:d", [{"start_s": 0.1, "end_s": 1.25, "text": "c:d"}]),
    ]
    upload(page, high)
    choose(page, "sounds")
    ask(page)
    (expected,) = Trained.open(runs["sounds"]).predict([high])
    events = [] if expected["label"] == "-" else expected["label"].split("|")
    drawn = page.run(
        "return [...document.querySelectorAll('.lanes .span')].map((one) => "
        "[parseFloat(one.style.left), parseFloat(one.style.width)])"
    )
    times = [[float(at) for at in one.partition(":")[0].split("-")] for one in events]
    assert sorted(drawn) == [
        pytest.approx([100 * start / 0.8, 100 * (min(end, 0.8) - start) / 0.8], abs=0.01)
        for start, end in sorted(times)
    ]


def test_two_recordings_are_compared(page: Browser, runs: dict[str, Path], high: Path) -> None:
    choose(page, "voice", "pitch")
    upload(page, high)
    assert page.run("return document.querySelector('#why').textContent") == (
        "Choose a second recording first."
    )
    low = high.with_name("low.wav")
    soundfile.write(low, tone(PITCH_HZ["low"], 0.8, 9), 16_000)
    upload(page, low, "second")
    ask(page)
    *_, last = Trained.open(runs["voice"]).predict([high, low])
    said = page.run("return document.querySelector('#status').textContent")
    score = float(said.partition("similarity ")[2].replace("\N{MINUS SIGN}", "-"))
    assert score == pytest.approx(last["score"], abs=0.001)
    assert page.run("return document.querySelectorAll('.card').length") == 2


def test_values_are_shown_with_their_names(
    page: Browser, runs: dict[str, Path], high: Path
) -> None:
    upload(page, high)
    choose(page, "numbers")
    ask(page)
    (expected,) = Trained.open(runs["numbers"]).predict([high])
    shown = page.run(
        "return [...document.querySelectorAll('.values div')].map((one) => "
        "[one.querySelector('dt').textContent, one.querySelector('dd').textContent])"
    )
    found = {name: float(text.replace("\N{MINUS SIGN}", "-")) for name, text in shown}
    assert found == pytest.approx(expected["values"], rel=0.005)


def test_refusals_are_shown_as_the_sentences_of_the_server(
    page: Browser, engine: Engine, tmp_path: Path, high: Path
) -> None:
    def problem() -> str:
        ask(page)
        return str(page.run("return document.querySelector('#problem').textContent"))

    text = tmp_path / "notes.wav"
    text.write_text("this is not sound")
    upload(page, text)
    assert "cannot read the format" in page.run(
        "return document.querySelector('#first-sound').textContent"
    )
    choose(page, "pitch")
    assert "recording" in problem()
    upload(page, high)
    with ExitStack() as stack:
        for _ in range(engine.settings.max_requests):
            stack.enter_context(engine.admitted())
        assert re.search(r"limit of this server.*Try again in \d+ seconds?\.$", problem())
    ask(page)
    assert page.run("return document.querySelector('#problem').hidden")
    page.messages()


def test_a_request_is_cancelled_by_its_button_and_by_another_recording(
    page: Browser, high: Path, tmp_path: Path
) -> None:
    def state() -> list[Any]:
        found: list[Any] = page.run(
            "const at = (id) => document.getElementById(id); return [at('run').textContent, "
            "at('status').textContent, at('problem').hidden, "
            "document.querySelectorAll('.card').length]"
        )
        return found

    other = tmp_path / "other.wav"
    other.write_bytes(high.read_bytes())
    choose(page, "pitch")
    upload(page, high)
    page.latency(2.0)
    try:
        for cancel in (lambda: page.run("document.getElementById('run').click()"), None):
            page.run("document.getElementById('run').click()")
            assert state() == ["Cancel", "Working.", True, 0]
            if cancel:
                cancel()
                page.until("document.getElementById('status').textContent === 'Cancelled.'")
            else:
                upload(page, other)
            page.until("document.getElementById('run').textContent === 'Run'")
            time.sleep(2.5)  # until the answer would be there
            assert (state()[0], *state()[2:]) == ("Run", True, 0)
    finally:
        page.latency(0)
    ask(page)
    assert state()[3] == 1
    page.messages()


def test_a_file_is_taken_where_it_is_dropped_and_not_beside(
    page: Browser, address: str, high: Path
) -> None:
    page.drop(high, "#answers")
    assert page.run("return document.querySelector('#first-sound .file')") is None
    assert page.driver.current_url.rstrip("/") == address
    assert len(page.driver.window_handles) == 1  # Chromium opens such a file in a tab of its own
    page.drop(high, "#first .source")
    page.until("document.querySelector('#first-sound .file')?.textContent === 'high.wav'")
    page.until("document.querySelector('#first-sound .seek')")
    assert page.run("return document.querySelector('.dropping')") is None


@pytest.mark.parametrize("wanted", ["reduce", "no-preference"])
def test_what_moves_rests_where_little_movement_is_asked_for(
    page: Browser, high: Path, wanted: str
) -> None:
    page.motion(wanted)
    try:
        upload(page, high)
        choose(page, "pitch")
        ask(page)
        moving = page.run(
            "return getComputedStyle(document.querySelector('.bar span')).animationName"
        )
        page.run(
            "window.frames_asked = 0; const real = requestAnimationFrame; "
            "window.requestAnimationFrame = (f) => { frames_asked += 1; return real(f); }; "
            "document.querySelector('#first-sound .play').click();"
        )
        page.until("document.querySelector('#first-sound .seek').value > 0")
        frames = page.run("return frames_asked")
    finally:
        page.motion("no-preference")
    assert (moving == "none", frames == 0) == (wanted == "reduce", wanted == "reduce")


def test_a_server_with_a_key_is_used_with_it_and_it_is_not_kept(
    started: Browser, engine: Engine, high: Path
) -> None:
    def give(key: str) -> None:
        started.until("document.querySelector('#key')?.open")
        started.driver.find_element("id", "key-field").send_keys(key, Keys.ENTER)

    with serving(engine, key="open sesame") as address:
        started.driver.get(address)
        started.until("document.querySelector('#key')?.open")
        for _ in range(3):
            started.press(Keys.ESCAPE)
        give("wrong")
        started.until("document.querySelector('#key-note')?.textContent")
        give("open sesame")
        started.until(READY)
        upload(started, high)
        choose(started, "pitch")
        ask(started)
        assert started.run("return document.querySelector('.headline').textContent")
        kept = "return [localStorage.length, sessionStorage.length, document.cookie]"
        assert started.run(kept) == [0, 0, ""]
        assert "sesame" not in started.run("return document.documentElement.outerHTML")
        started.driver.refresh()
        started.until("document.querySelector('#key')?.open")
        started.driver.get("about:blank")
    messages = started.messages()
    assert messages
    assert all("401" in one for one in messages)


def test_one_of_hundreds_of_adapters_is_found_by_its_name_task_or_label(page: Browser) -> None:
    names = [
        {
            "name": f"customer-{n:03}",
            "task": "classification",
            "recipe": "lora",
            "labels": ["yes", "no"],
            "backbone": "b",
            "members": None,
        }
        for n in range(300)
    ]
    names[217] |= {"name": "birds", "task": "events", "labels": ["song"]}
    page.driver.execute_async_script(
        "const [all, done] = arguments; import('/page/picker.js').then(({ Picker }) => { "
        "window.picker = new Picker(document.getElementById('picker'), () => {}); "
        "picker.show(all); done(); });",
        names,
    )
    assert page.run("return document.querySelectorAll('.choices input').length") == 40
    script = "const s = picker.search; s.value = arguments[0]; s.dispatchEvent(new Event('input'))"
    for words, expected in (("bir", 1), ("events song", 1), ("customer 29", 13), ("zebra", 0)):
        script = (
            "picker.search.value = arguments[0]; picker.search.dispatchEvent(new Event('input'))"
        )
        page.run(script, words)
        found = page.run("return picker.found.textContent")
        count = expected or "None"
        assert found.startswith(f"{count} of 300 adapters match"), (words, found)
    page.run(script, "birds")
    page.run("picker.search.focus()")
    page.press(Keys.ENTER)
    page.run(script, "")
    assert page.run("return picker.chosen.map((one) => one.name)") == ["birds"]
    assert (
        page.run("return document.querySelector('.chips').textContent")
        == "birds\N{MULTIPLICATION SIGN}"
    )


def test_the_spectrum_is_that_of_numpy(page: Browser) -> None:
    wave = np.random.default_rng(0).normal(size=512).astype(np.float32)
    real, imaginary = page.driver.execute_async_script(
        "const [wave, done] = arguments; import('/page/spectrum.js').then(({ transform }) => { "
        "const [x, y] = [Float32Array.from(wave), new Float32Array(512)]; transform(x, y); "
        "done([[...x], [...y]]); });",
        wave.tolist(),
    )
    found = np.array(real) + 1j * np.array(imaginary)
    assert found == pytest.approx(np.fft.fft(wave), abs=1e-3)


def test_a_wav_file_of_the_page_has_the_samples(page: Browser) -> None:
    wave = np.random.default_rng(1).uniform(-1.2, 1.2, size=101).astype(np.float32)
    content: list[int] = page.driver.execute_async_script(
        "const [wave, done] = arguments; import('/page/wav.js').then(({ encodeWav }) => "
        "encodeWav(Float32Array.from(wave), 44100).arrayBuffer().then((all) => "
        "done([...new Uint8Array(all)])));",
        wave.tolist(),
    )
    found, rate = soundfile.read(io.BytesIO(bytes(content)))
    assert rate == 44_100
    assert found == pytest.approx(np.clip(wave, -1, 1), abs=1 / 32_000)


def test_the_documentation_has_every_request(
    started: Browser, address: str, engine: Engine
) -> None:
    started.messages()
    started.requests()
    started.driver.get(f"{address}/docs")
    started.until(READY)
    paths = create_app(engine).openapi()["paths"]
    expected = [f"{method.upper()}{path}" for path, of in paths.items() for method in of]
    shown: Any = started.run(
        "return [...document.querySelectorAll('.operation h2')].map((one) => one.textContent)"
    )
    assert sorted(shown) == sorted(expected)
    started.width(390)
    assert started.run("return document.body.scrollWidth") <= 390
    for scheme in ("light", "dark"):
        started.scheme(scheme)
        texts = started.run(TEXTS)
        assert [one for one in texts if contrast(rgb(one[1]), rgb(one[2])) < 4.5] == []
    assert started.messages() == []
    assert {one.split("/")[2] for one in started.requests()} == {address.split("/")[2]}
