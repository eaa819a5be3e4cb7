"""The application does what its `/openapi.json` says: schemathesis, with valid and invalid data.

Schemathesis makes requests from the schema. What a schema cannot say is put in here: recordings
that are sound, and adapters that are there.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from served_adapters import ADAPTERS, text_of, wav

from ossicle.serving.app import create_app
from ossicle.serving.engine import Engine
from ossicle.serving.settings import ServeSettings

pytestmark = pytest.mark.thorough

load_all_checks()
SOUND = wav(seconds=0.1)
SOUNDS = {"file": SOUND, "first": SOUND, "second": SOUND, "audio": text_of(SOUND)}
OPERATIONS = (
    "POST /v1/predict",
    "POST /v1/audio/transcriptions",
    "POST /v1/embeddings",
    "POST /v1/verify",
    "POST /v1/adapters",
    "GET /v1/adapters",
    "DELETE /v1/adapters/{name}",
    "GET /v1/models",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /examples",
    "GET /examples/{name}",
)
WITH_BODY = [one for one in OPERATIONS if one.startswith("POST")]


@pytest.fixture(scope="module")
def operations(adapters):
    """All operations of an application that may load adapters, by method and path."""
    root = next(iter(adapters.values())).parent
    engine = Engine(ServeSettings(device="cpu", root=root, allow_loading=True))
    engine.open(adapters)
    made = schemathesis.openapi.from_asgi("/openapi.json", create_app(engine))
    yield {one.ok().label: one.ok() for one in made.get_all_operations()}
    engine.close()


def ask(operation, mode: GenerationMode, check: Callable[..., None], examples: int = 20) -> None:
    """Call a function with requests that schemathesis makes."""
    health = list(HealthCheck)
    how = settings(
        max_examples=examples, database=None, derandomize=True, suppress_health_check=health
    )
    how(
        given(operation.as_strategy(generation_mode=mode), st.sampled_from(sorted(ADAPTERS)))(check)
    )()


def with_real(body: Mapping[str, Any], adapter: str, name: str, *, is_form: bool) -> dict[str, Any]:
    """Return a body with real recordings, for an adapter."""
    others = {key: value for key, value in body.items() if key not in ("input", "adapter")}
    sounds = {key: sound for key, sound in SOUNDS.items() if key in body}
    if not is_form and name == "POST /v1/verify":
        sounds = {key: text_of(SOUND) for key in sounds}
    if "input" in body:
        sounds["audio"] = SOUNDS["audio"]
    if name != "POST /v1/predict":
        return others | sounds | {"model": adapter}
    return others | sounds | ({"adapter": [adapter]} if "file" in body else {"adapters": [adapter]})


def test_every_operation_is_asked(operations):
    assert {*operations} == {*OPERATIONS}


@pytest.mark.parametrize("name", OPERATIONS)
def test_responses_to_valid_data_are_as_documented(operations, name):
    def check(case: Case, _: str) -> None:
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    ask(operations[name], GenerationMode.POSITIVE, check)


@pytest.mark.parametrize("name", WITH_BODY)
def test_invalid_data_are_refused_as_documented(operations, name):
    def check(case: Case, _: str) -> None:
        case.call_and_validate()

    ask(operations[name], GenerationMode.NEGATIVE, check)


@pytest.mark.parametrize("name", WITH_BODY[:4])
def test_real_recordings_with_any_options_are_answered_or_refused(operations, name):
    seen: Counter[int] = Counter()

    def check(case: Case, adapter: str) -> None:
        if isinstance(case.body, bytes):
            case.body, case.query = SOUND, {"adapter": adapter}
        elif isinstance(case.body, Mapping):
            case.body = with_real(
                case.body, adapter, name, is_form=case.media_type == "multipart/form-data"
            )
        response = case.call_and_validate(
            excluded_checks=[positive_data_acceptance, negative_data_rejection]
        )
        seen[response.status_code] += 1

    ask(operations[name], GenerationMode.POSITIVE, check, examples=40)
    assert seen[200] >= 3
    assert {*seen} <= {200, 422}
