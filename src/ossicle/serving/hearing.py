"""What several adapters answer to one recording: as few passes of their models as possible.

Adapters on one backbone with the same windows hear a recording as one row each window, so that the
frozen part runs once however many they are.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from ossicle.data.audio import shortage_ms
from ossicle.data.decode import Wave
from ossicle.inference.embeddings import embed_wave
from ossicle.inference.predictor import decide, longest_piece, outputs_of_members
from ossicle.serving.batcher import Asked
from ossicle.serving.catalogue import Entry, Unit
from ossicle.serving.hosts import Host, Hosts, SharedModel
from ossicle.serving.refusal import Refusal, bad_audio
from ossicle.tasks import Task
from ossicle.votes import Decision
from ossicle.writing import Text

Part = tuple[Unit, int]  # an adapter, and its longest window in samples


@dataclass
class Hearing:
    """A recording, and what was computed of it.

    Attributes:
        hosts: All backbones.
        waves: The recording by sample rate.
        text: What is written about it.
        max_wait_s: Longest time to wait for a model.
        count_rows: Called with the name of an adapter and how many rows it has heard.
        outputs: The output of each adapter, windows combined.
        asked: The rows that the models were given.
        rows: How many of them each adapter has heard.
    """

    hosts: Hosts
    waves: Mapping[int, Wave]
    text: Text
    max_wait_s: float
    count_rows: Callable[[str, int], None] = lambda _name, _rows: None
    outputs: dict[Part, Tensor] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    rows: Counter[Unit] = field(default_factory=Counter)

    def hear(self, entries: Sequence[Entry]) -> None:
        """Compute the outputs of all members of some adapters.

        Raises:
            Refusal: the recording is too short or too long for one of them, or a model did not
                answer in time.
        """
        together: dict[tuple[Host, int, Unit | None], list[Part]] = {}
        for entry in entries:
            for unit, limit in self.parts(entry.units):
                host, size = self.hosts.of(unit), self._check(entry, unit, limit)
                alone = unit if unit.task.goes_on and size > limit else None
                parts = together.setdefault((host, min(size, limit), alone), [])
                parts += [(unit, limit)] if (unit, limit) not in parts else []
        for (host, limit, _), parts in together.items():
            most = host.residents.most
            for start in range(0, len(parts), most):
                self._run(host, limit, parts[start : start + most])
        for entry in entries:
            self._count(entry)

    def decide(self, entry: Entry) -> Decision:
        """Return the decision of an adapter whose members were heard."""
        outputs = [self.outputs[part] for part in self.parts(entry.units)]
        return decide(self.task(entry), outputs, entry.vote, entry.temperature)

    def member_answers(self, entry: Entry) -> dict[str, Any]:
        """Return the label that each member of an ensemble gives."""
        task = self.task(entry)
        parts = self.parts(entry.units)
        return {part[0].source.name: task.decode(self.outputs[part])["label"] for part in parts}

    def task(self, entry: Entry) -> Task:
        """Return the task of an adapter as it decodes: with tokens, and with times if asked."""
        task = self.hosts.task(entry)
        return task.with_times() if self.text.times else task

    def parts(self, units: Sequence[Unit]) -> list[Part]:
        """Return the members of an ensemble with their windows, which those of a host share."""
        limits = [
            longest_piece(self.hosts.of(unit).backbone, unit.source.seconds) for unit in units
        ]
        shared: dict[Host, int] = {}
        for unit, limit in zip(units, limits, strict=True):
            host = self.hosts.of(unit)
            shared[host] = min(limit, shared.get(host, limit))
        return [(unit, shared[self.hosts.of(unit)]) for unit in units]

    def embed(self, entry: Entry) -> Float[Tensor, " E"]:
        """Return the embedding of the recording: the mean of those of its windows.

        Of an ensemble, the embeddings of its members at length 1, one after the other: the cosine
        of two such embeddings is the mean of the members' cosines.

        Raises:
            Refusal: the recording is too short, or a model did not answer in time.
        """
        found = [self._embedding(entry, unit, limit) for unit, limit in self.parts(entry.units)]
        self._count(entry)
        return torch.cat([normalize(one, dim=0) for one in found]) if len(found) > 1 else found[0]

    def _count(self, entry: Entry) -> None:
        self.count_rows(entry.name, sum(self.rows[unit] for unit in set(entry.units)))

    def _embedding(self, entry: Entry, unit: Unit, limit: int) -> Float[Tensor, " E"]:
        host = self.hosts.of(unit)
        self._size(entry, host)
        with self._model(host, [unit]) as model:
            (found,) = embed_wave(model, limit, self.waves[host.backbone.sample_rate])
        return found

    def _size(self, entry: Entry, host: Host) -> int:
        """Return the number of samples of the recording for a backbone.

        Raises:
            Refusal: it is too short.
        """
        size, rate = len(self.waves[host.backbone.sample_rate]), host.backbone.sample_rate
        if size < host.backbone.min_samples:
            long, needed = shortage_ms(size, host.backbone.min_samples, rate)
            raise bad_audio(
                f"the recording is {long} ms long, and adapter '{entry.name}' needs {needed} ms; "
                "send a longer one"
            )
        return size

    def _check(self, entry: Entry, unit: Unit, limit: int) -> int:
        """Return the number of samples of the recording for a member.

        Raises:
            Refusal: it is too short, or too long to be read whole.
        """
        host = self.hosts.of(unit)
        size, rate = self._size(entry, host), host.backbone.sample_rate
        length_s = math.ceil(10 * size / rate) / 10  # up: never as short as the limit
        if size > limit and unit.task.by_frame and not unit.task.goes_on:
            raise Refusal(
                413,
                f"the recording is {length_s:.1f} s long, and adapter '{entry.name}' takes at "
                f"most {limit / rate:g} s: the task {unit.task.name} cannot combine windows. Cut "
                "the recording",
                "too_long",
            )
        if size > limit and unit.task.goes_on and len(entry.units) > 1:
            raise Refusal(
                413,
                f"the recording is {length_s:.1f} s long, longer than the window of "
                f"{limit / rate:g} s, and each member of '{entry.name}' would continue at another "
                "time; name a single adapter, or cut the recording",
                "too_long",
            )
        return size

    def _run(self, host: Host, limit: int, parts: Sequence[Part]) -> None:
        units = [unit for unit, _ in parts]
        tasks = [unit.task.with_tokens(host.backbone.tokens) for unit in units]
        wave = self.waves[host.backbone.sample_rate]
        with self._model(host, units) as model:
            found = outputs_of_members(model, limit, tasks, wave, self.text)
        self.outputs |= zip(parts, found, strict=True)

    @contextmanager
    def _model(self, host: Host, units: Sequence[Unit]) -> Iterator[SharedModel]:
        """Hold adapters of a host, and give the model that runs them.

        Raises:
            Refusal: there was no room for them, or no answer, in time.
        """
        with host.residents.holding(units, self.max_wait_s) as keys:
            model = SharedModel(host, keys, self.max_wait_s)
            try:
                yield model
            finally:
                self.asked += model.asked
                self.rows.update(dict.fromkeys(units, len(model.asked)))
