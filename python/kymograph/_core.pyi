from typing import Any, Protocol, final

__all__ = [
    "Cancelled",
    "Conflict",
    "Corrupt",
    "Database",
    "DatabaseLocked",
    "Detector",
    "Frame",
    "Internal",
    "InvalidArgument",
    "KymographError",
    "LimitExceeded",
    "NotFound",
    "StorageError",
    "Unfinished",
    "__version__",
    "analyses",
    "analyze",
    "check",
]

__version__: str

class KymographError(Exception): ...
class InvalidArgument(KymographError, ValueError): ...
class NotFound(KymographError, KeyError): ...
class Corrupt(KymographError, OSError): ...
class Conflict(KymographError, ValueError): ...
class LimitExceeded(KymographError, MemoryError): ...
class Cancelled(KymographError, TimeoutError): ...
class DatabaseLocked(KymographError, OSError): ...
class StorageError(KymographError, OSError): ...
class Internal(KymographError): ...

class _ArrowStream(Protocol):
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

_Filter = list[tuple[str, list[str | None]]]
_Bounds = tuple[int | None, int | None, float | None, int | None]
_Every = tuple[int, int, int | None, str | None, int | None]

@final
class Frame:
    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

_Parameter = tuple[str, Any]
_Condition = tuple[str, list[_Parameter] | None, list[tuple[str, _Parameter]] | None]

_Which = tuple[_Filter, _Condition | None, list[str] | None, _Every | None]
_Besides = tuple[list[str], tuple[str, str | None, int] | None, str | None]

@final
class Unfinished:
    @property
    def sql(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def explained(self) -> list[str] | None: ...
    @property
    def joins(self) -> list[dict[str, Any]]: ...
    def parts(self) -> list[tuple[str, Frame]]: ...

@final
class Database:
    @staticmethod
    def open(
        location: str | None,
        opening: dict[str, Any],
    ) -> Database: ...
    def repaired(self) -> dict[str, Any] | None: ...
    @property
    def location(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    @property
    def here(self) -> bool: ...
    @property
    def writable(self) -> bool: ...
    def ready(self) -> None: ...
    def let_go(self) -> None: ...
    def create_table(
        self,
        name: str,
        tags: list[str],
        fields: list[tuple[str, str]],
        duplicates: str,
        retention: int | None,
        codec: str | None,
        cold_after: int | None,
    ) -> None: ...
    def set_codec(self, table: str, codec: str | None, cold_after: int | None) -> None: ...
    def set_retention(self, table: str, retention: int | None) -> None: ...
    def policy(
        self, table: str
    ) -> tuple[tuple[int, str] | None, list[tuple[tuple[int, str], tuple[int, str]]]]: ...
    def set_policy(
        self, table: str, retention: int | None, levels: list[tuple[int, int]]
    ) -> None: ...
    def write(
        self,
        table: str,
        frame: _ArrowStream,
        time: str,
        tags: list[str] | None,
        event: tuple[str, str] | None,
        duplicates: str,
        on_error: str,
    ) -> dict[str, Any]: ...
    def delete(self, table: str, filter: _Filter, start: int | None, end: int | None) -> int: ...
    def flush(self) -> int: ...
    def compact(self) -> int: ...
    def close(self) -> None: ...
    def snapshot(self) -> Database: ...
    def tables(self) -> list[str]: ...
    def schema(self, table: str) -> dict[str, Any]: ...
    def stats(self) -> dict[str, Any]: ...
    def versions(self) -> list[tuple[int, int]]: ...
    def version(self) -> int: ...
    def check(self) -> dict[str, Any]: ...
    def aggregate(
        self,
        table: str,
        fields: list[tuple[str, list[str]]],
        every: _Every | None,
        by: list[str],
        filter: _Filter,
        condition: _Condition | None,
        fill: tuple[str, float | None] | None,
        having: str | None,
        limit: int | None,
        bounds: _Bounds,
    ) -> Frame: ...
    def read(
        self,
        table: str,
        fields: list[str] | None,
        filter: _Filter,
        condition: _Condition | None,
        limit: int | None,
        every_row: bool,
        bounds: _Bounds,
    ) -> Frame: ...
    def last(
        self,
        table: str,
        by: list[str] | None,
        fields: list[str] | None,
        filter: _Filter,
        condition: _Condition | None,
        bounds: _Bounds,
    ) -> Frame: ...
    def series(self, table: str, filter: _Filter, bounds: _Bounds) -> Frame: ...
    def sql(
        self,
        text: str,
        positional: list[_Parameter] | None,
        named: list[tuple[str, _Parameter]] | None,
        bounds: _Bounds,
    ) -> Frame | Unfinished: ...
    def sum(
        self, table: str, field: str, filter: _Filter, bounds: _Bounds
    ) -> float | int | None: ...
    def top_anomalies(
        self, table: str, field: str, k: int, by: list[str], filter: _Filter, bounds: _Bounds
    ) -> Frame: ...
    def analyze(
        self,
        table: str,
        function: str,
        fields: list[str],
        which: _Which,
        besides: _Besides,
        options: list[tuple[str, tuple[str, Any]]],
        bounds: _Bounds,
    ) -> Frame: ...
    def correlate(
        self,
        table: str,
        x: str,
        y: str,
        by: list[str],
        filter: _Filter,
        tolerance: int | None,
        bounds: _Bounds,
    ) -> Frame: ...

@final
class Detector:
    def __new__(cls, method: str, options: list[tuple[str, tuple[str, Any]]]) -> Detector: ...
    @staticmethod
    def load(state: bytes) -> Detector: ...
    @property
    def method(self) -> str: ...
    def save(self) -> bytes: ...
    def fit(self, points: _ArrowStream) -> None: ...
    def update(self, time: int, value: float) -> tuple[float, float, float, float]: ...
    def detect(self, points: _ArrowStream, threshold: float, bounds: _Bounds) -> Frame: ...

_Setting = tuple[str, Any]
_Settings = list[tuple[str, _Setting]]

def analyses() -> list[tuple[str, int, int]]: ...
def analyze(
    function: str,
    series: list[Any],
    fields: list[str],
    several: bool,
    options: _Settings,
    bounds: _Bounds,
) -> Frame: ...
def check(
    location: str, store: dict[str, str] | None, cold_store: dict[str, str] | None
) -> dict[str, Any]: ...
