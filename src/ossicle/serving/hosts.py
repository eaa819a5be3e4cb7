"""Backbones in memory, each with a model, a thread that runs it, and the adapters in it."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError

import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import check_backbone, load, needs_decoder
from ossicle.backbones import Backbone, load_backbone
from ossicle.compute.device import pick_device
from ossicle.frozen.cut import Row
from ossicle.frozen.part import BatchRow, FrozenPart
from ossicle.heads import Outputs
from ossicle.inference import AdapterBank, SingleModel
from ossicle.inference.adapter_group import Request
from ossicle.inference.saved_adapter import read_adapter
from ossicle.paths import HERE
from ossicle.serving.batcher import Asked, Batcher, Reads
from ossicle.serving.catalogue import Entry, Unit
from ossicle.serving.client import client
from ossicle.serving.refusal import Refusal, unavailable
from ossicle.serving.residents import Residents
from ossicle.serving.settings import ServeSettings
from ossicle.tasks import Task
from ossicle.training.folder import places_of
from ossicle.writing import Text

Observe = Callable[[Sequence[Asked]], None]


class Host:
    """A backbone with a bank of adapters, or with the only one that it can have.

    Attributes:
        backbone: The backbone.
        reload: Loads the same backbone once more.
        batcher: The thread that runs the model.
        residents: The adapters that are in the model.
    """

    def __init__(
        self,
        backbone: Backbone,
        reload: Callable[[], Backbone],
        settings: ServeSettings,
        alone: Unit | None = None,
        observe: Observe | None = None,
    ) -> None:
        """Prepare a backbone.

        Args:
            backbone: The backbone.
            reload: Loads the same backbone once more.
            settings: The limits.
            alone: The only adapter, which changes the backbone itself; None: there is a bank.
            observe: Called after each batch, with its rows.
        """
        self.backbone, self.reload = backbone, reload
        self._bank = AdapterBank(backbone) if alone is None else None
        self._single = None if alone is None else SingleModel(_loaded(alone, backbone))
        self._max_rows = settings.max_rows
        most = settings.max_resident if alone is None else 1
        self.residents = Residents(most, self._load, self._unload)
        self.batcher = Batcher(
            backbone.name,
            self._run,
            max_rows=settings.max_rows,
            max_wait_s=settings.max_wait_ms / 1000,
            observe=observe,
        )

    def close(self) -> None:
        """Finish what waits, and end the thread."""
        self.batcher.close()

    def _load(self, key: str, unit: Unit) -> None:
        if self._bank is not None:
            unit.check_unchanged()
            bank, saved = self._bank, read_adapter(unit.source.folder, self.backbone)
            self.batcher.call(lambda: bank.put(key, saved))

    def _unload(self, key: str) -> None:
        if self._bank is not None:
            bank = self._bank
            self.batcher.call(lambda: bank.remove(key))

    def _run(
        self, rows: Sequence[Row], requests: Sequence[Request], texts: Sequence[Text]
    ) -> list[Tensor]:
        if self._bank is not None:
            return self._bank.run(rows, requests, max_rows=self._max_rows, texts=texts)
        assert self._single is not None, "a host has a bank or a single model"
        found: list[Tensor | None] = [None] * len(requests)
        for reads in ("output", "embedding"):
            own = [number for number, one in enumerate(requests) if one.reads == reads]
            if own:
                given = [
                    BatchRow.of(rows[requests[n].row], text=texts[requests[n].row]) for n in own
                ]
                made = _read(self._single, given, reads)
                for number, one in zip(own, made, strict=True):
                    found[number] = one
        return [one for one in found if one is not None]


def _read(single: SingleModel, rows: Sequence[BatchRow], reads: Reads) -> list[Tensor]:
    if reads == "embedding":
        return list(single.embeddings(rows)[0])
    return single.outputs(rows)[0].rows()


def _loaded(unit: Unit, backbone: Backbone) -> AdaptedModel:
    model = load(unit.source.folder, backbone).eval()
    if model.head is not None:
        unit.task.with_tokens(backbone.tokens).configure(model.head)
    return model


class SharedModel:
    """Adapters of a host, as the source of outputs of one recording: see `predictor.Model`.

    Attributes:
        frozen: None: nothing is cached.
        asked: The rows that it has given to the host.
    """

    def __init__(self, host: Host, names: Sequence[str], max_wait_s: float) -> None:
        self._host, self._names, self._max_wait_s = host, tuple(names), max_wait_s
        self.frozen: FrozenPart | None = None
        self.asked: list[Asked] = []

    @property
    def backbone(self) -> Backbone:
        """The backbone of the host."""
        return self._host.backbone

    @property
    def num_members(self) -> int:
        """The number of adapters."""
        return len(self._names)

    def outputs(self, rows: Sequence[BatchRow]) -> list[Outputs]:
        """Return the outputs for a batch, of every adapter."""
        return [Outputs.of(list(of_one)) for of_one in self._read(rows, "output")]

    def embeddings(self, rows: Sequence[BatchRow]) -> list[Float[Tensor, "B E"]]:
        """Return the embeddings of a batch, of every adapter."""
        return [torch.stack(of_one) for of_one in self._read(rows, "embedding")]

    def _read(self, rows: Sequence[BatchRow], reads: Reads) -> list[tuple[Tensor, ...]]:
        asked = [
            self._host.batcher.submit(row.model_input, self._names, row.text, reads)
            for row in rows
            if row.model_input is not None
        ]
        self.asked += asked
        client().waits_for([one.found for one in asked])
        try:
            found = [one.found.result(self._max_wait_s) for one in asked]
        except TimeoutError as error:
            for one in asked:
                one.found.cancel()  # it leaves the queue, if its batch has not begun
            raise unavailable(
                f"the model gave no answer within {self._max_wait_s:g} s; try again later"
            ) from error
        except CancelledError as error:
            raise Refusal(408, "the client left before its recording was answered") from error
        return list(zip(*found, strict=True))


class Hosts:
    """All backbones in memory."""

    def __init__(self, settings: ServeSettings, observe: Observe | None = None) -> None:
        """Begin with none.

        Args:
            settings: The limits.
            observe: Called after each batch, with its rows.
        """
        self._settings, self._observe = settings, observe
        self._shared: dict[str, Host] = {}
        self._own: dict[Unit, Host] = {}
        self._lock = threading.Lock()

    def all(self) -> list[Host]:
        """Return all hosts."""
        return [*self._shared.values(), *self._own.values()]

    def of(self, unit: Unit) -> Host:
        """Return the host of an adapter that was placed.

        Raises:
            Refusal: it has left with its backbone.
        """
        host = self._own.get(unit) if unit.in_place else self._shared[unit.source.fingerprint]
        if host is None:
            raise unavailable(f"adapter '{unit.source.name}' was removed")
        return host

    def has(self, unit: Unit) -> bool:
        """Return whether an adapter is in memory."""
        shared = self._shared.get(unit.source.fingerprint)
        return unit in self._own or (shared is not None and unit in shared.residents)

    def task(self, entry: Entry) -> Task:
        """Return the task of an adapter, with the tokens of its backbone."""
        return entry.task.with_tokens(self.of(entry.units[0]).backbone.tokens)

    def place(self, unit: Unit, *, trusted: bool) -> Host:
        """Return the host of a new adapter; its backbone is loaded if it is not in memory.

        Args:
            unit: The adapter.
            trusted: Whether a backbone may be loaded from where its folder says.

        Raises:
            Refusal: there are as many backbones as allowed, or it may not be loaded.
            OssicleError: it cannot be loaded.
        """
        with self._lock:
            known = self._shared.get(unit.source.fingerprint)
            if known is not None and not unit.in_place:
                return known
            if known is None and not trusted:
                self._refuse(unit)
            if len(self.all()) >= self._settings.max_backbones:
                raise Refusal(
                    409,
                    f"{len(self.all())} backbones are in memory, which is the limit of this "
                    f"server, and '{unit.source.name}' needs one more; remove an adapter with a "
                    "backbone of its own, or serve with a higher --max-backbones",
                    "too_many_backbones",
                )
            reload = known.reload if known is not None else self._loader(unit)
            alone = unit if unit.in_place else None
            backbone = reload()
            check_backbone(unit.source.folder, unit.source.facts["backbone"], backbone)
            host = Host(backbone, reload, self._settings, alone, self._observe)
            if unit.in_place:
                self._own[unit] = host
            else:
                self._shared[unit.source.fingerprint] = host
            return host

    def forget(self, unit: Unit) -> None:
        """Let an adapter leave; a backbone of its own leaves with it."""
        with self._lock:
            own = self._own.pop(unit, None)
            shared = self._shared.get(unit.source.fingerprint)
        if own is not None:
            own.close()
        elif shared is not None:
            shared.residents.forget(unit)

    def _loader(self, unit: Unit) -> Callable[[], Backbone]:
        """Return what loads the backbone of an adapter."""
        source, moved = unit.source, self._settings.backbone
        device = pick_device(self._settings.device)

        def load_it() -> Backbone:
            return load_backbone(
                moved or source.facts["backbone"]["name"],
                decoder=needs_decoder(source.facts),
                device=device,
                places=HERE if moved else places_of(source.folder),
            )

        return load_it

    def _refuse(self, unit: Unit) -> None:
        shown = ", ".join(host.backbone.name for host in self._shared.values())
        raise Refusal(
            422,
            f"'{unit.source.name}' was trained on '{unit.source.facts['backbone']['name']}', and "
            f"this server has: {shown}. Adapters that are loaded over HTTP run on these; start the "
            "server with a run on that backbone",
            "other_backbone",
        )
