"""Every error raised on purpose.

Tree::

    CimError
      ConfigError
        ToolMissingError
      SourceError
        UnsupportedFormatError
        SourceSyntaxError
        MissingCrsError
        EncodingError
        MappingError
        GeometryError
      StoreError
        StoreUnavailableError
          TileStoreUnavailableError
        ClusterError
        MigrationError
        NotFoundError
        ConflictError
          IncompleteNetworkError
        StorageFullError
      CodeError
      RemoteError
        RemoteUnavailableError
      TileError
        InvalidTilesetError
      RequestError
        InvalidParameterError
        UnknownCollectionError
        UnsupportedCrsError
        UnauthenticatedError
        ForbiddenError
        PreconditionError
        MediaTypeError
        InvalidBodyError
        MethodError
        LimitExceededError

A message says where, what was found and what was expected; `hint` is the next thing to do. `code` is stable and unique per class.
"""

from pathlib import Path
from typing import Any, ClassVar


class CimError(Exception):
    """Root of all errors raised on purpose.

    Parameters
    ----------
    message
        Where, what was found, what was expected.
    hint
        The next command or action, empty where there is none.
    """

    code: ClassVar[str] = "cim"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def as_dict(self) -> dict[str, Any]:
        """Return the error for ``--json`` output and HTTP problem bodies."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "retryable": self.retryable}


class ConfigError(CimError):
    """A setting, profile or environment that the operator must correct."""

    code = "config"


class ToolMissingError(ConfigError):
    """A program the platform starts (PostgreSQL, Chromium, …) is not on this machine."""

    code = "config.tool_missing"


class SourceError(CimError):
    """The file handed in is at fault.

    Parameters
    ----------
    path
        The file.
    message
        What was found and what was expected.
    where
        Place inside the file (layer, row, entity), empty for the whole file.
    """

    code = "source"

    def __init__(self, path: Path | str, message: str, *, where: str = "", hint: str = "") -> None:
        place = f"{path}, {where}" if where else f"{path}"
        super().__init__(f"{place}: {message}", hint=hint)
        self.path = Path(path)
        self.where = where


class UnsupportedFormatError(SourceError):
    """No reader takes this file."""

    code = "source.unsupported_format"


class SourceSyntaxError(SourceError):
    """The file is damaged, cut off, empty or not what its name says."""

    code = "source.syntax"


class MissingCrsError(SourceError):
    """The file names no coordinate reference system and none was given."""

    code = "source.missing_crs"


class EncodingError(SourceError):
    """The text is not in the declared or any detectable encoding."""

    code = "source.encoding"


class MappingError(SourceError):
    """The mapping profile does not fit the file."""

    code = "source.mapping"


class GeometryError(SourceError):
    """Geometry that cannot be used: empty, NaN, wrong kind, outside the CRS's area of use."""

    code = "source.geometry"


class StoreError(CimError):
    """The database refused."""

    code = "store"


class StoreUnavailableError(StoreError):
    """The database does not answer; trying again later may succeed."""

    code = "store.unavailable"
    retryable = True


class TileStoreUnavailableError(StoreUnavailableError):
    """The bucket of the tiles does not answer or refuses; trying again later may succeed."""

    code = "store.tiles_unavailable"


class ClusterError(StoreError):
    """The private cluster cannot be made, started or stopped."""

    code = "store.cluster"


class MigrationError(StoreError):
    """The schema version of the store does not fit this program."""

    code = "store.migration"


class NotFoundError(StoreError):
    """No row has this code."""

    code = "store.not_found"


class ConflictError(StoreError):
    """The write contradicts what is in the store."""

    code = "store.conflict"


class IncompleteNetworkError(ConflictError):
    """A network lacks what a hydraulic model needs; the message names the parts."""

    code = "store.incomplete_network"


class StorageFullError(StoreError):
    """No space is left for the data folder."""

    code = "store.full"
    retryable = True


class CodeError(CimError):
    """A building, unit or component code that its scheme refuses."""

    code = "code"


class RemoteError(CimError):
    """Another server refused, or its job failed.

    Parameters
    ----------
    remote_code
        Code of the error over there, which then is the code of this one.
    """

    code = "remote"

    def __init__(self, message: str, *, hint: str = "", remote_code: str = "") -> None:
        super().__init__(message, hint=hint)
        if remote_code:
            self.__dict__["code"] = remote_code


class RemoteUnavailableError(RemoteError):
    """Another server does not answer; trying again later may succeed."""

    code = "remote.unavailable"
    retryable = True


class TileError(CimError):
    """Tiles cannot be built or read."""

    code = "tile"


class InvalidTilesetError(TileError):
    """A tileset breaks a rule of 3D Tiles."""

    code = "tile.invalid"


class RequestError(CimError):
    """The client is at fault."""

    code = "request"


class InvalidParameterError(RequestError):
    """A parameter whose value is not allowed.

    Parameters
    ----------
    name
        Parameter as the client spells it.
    value
        What was sent.
    expected
        What would have been accepted.
    """

    code = "request.invalid_parameter"

    def __init__(self, name: str, value: object, expected: str, *, hint: str = "") -> None:
        super().__init__(f"parameter {name}: found {value!r}, expected {expected}", hint=hint)
        self.name = name
        self.value = value
        self.expected = expected


class UnknownCollectionError(RequestError):
    """No collection has this id."""

    code = "request.unknown_collection"


class UnsupportedCrsError(RequestError):
    """The CRS is not offered for this collection."""

    code = "request.unsupported_crs"


class UnauthenticatedError(RequestError):
    """The request needs a valid token."""

    code = "request.unauthenticated"


class ForbiddenError(RequestError):
    """The token does not allow this."""

    code = "request.forbidden"


class PreconditionError(RequestError):
    """The feature was changed since the client has read it."""

    code = "request.precondition"


class MediaTypeError(RequestError):
    """The body is of a media type that is not read."""

    code = "request.media_type"


class InvalidBodyError(RequestError):
    """The body is not what the collection takes."""

    code = "request.invalid_body"


class MethodError(RequestError):
    """The collection does not take this method."""

    code = "request.method"


class LimitExceededError(RequestError):
    """Too many requests, or a body, address or answer that is too large.

    Parameters
    ----------
    kind
        What is limited: rate, address or body.
    retry_after_s
        When a further request will be taken [s]; 0 = never in this size.
    """

    code = "request.limit_exceeded"

    def __init__(self, message: str, *, kind: str, hint: str = "", retry_after_s: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.retry_after_s = retry_after_s
