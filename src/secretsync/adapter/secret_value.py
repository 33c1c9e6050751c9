"""The type that carries a secret value without ever showing it."""

import hmac
from typing import Any, NoReturn

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MASK = "**********"


class SecretValue:
    """A string that only `reveal()` gives out: repr, str, format, pickle and dumps show nothing.

    Wrap a value as soon as it enters the process, and call `reveal()` at the last moment, where
    the value is sent or encrypted. The mask has a fixed length, so that not even the length leaks.

    Args:
        value: the secret text, any unicode, possibly empty.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret text itself."""
        return self._value

    @property
    def is_empty(self) -> bool:
        """Whether the value is the empty string."""
        return not self._value

    def __repr__(self) -> str:
        return f"SecretValue({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, format_spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretValue):
            return NotImplemented
        return hmac.compare_digest(_as_bytes(self._value), _as_bytes(other._value))

    # A hash of a secret would let it be guessed offline, and dict keys get printed.
    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> "SecretValue":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "SecretValue":
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SecretValue cannot be pickled: encrypt what reveal() returns instead")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Let pydantic models declare fields of this type; dumping such a model yields the mask."""
        return core_schema.no_info_plain_validator_function(
            cls._wrap,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: MASK),
        )

    @classmethod
    def _wrap(cls, value: object) -> "SecretValue":
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls(value)
        raise PydanticCustomError("string_type", "Input should be a valid string")

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the field as a write-only password, so that forms mask it."""
        return {"type": "string", "format": "password", "writeOnly": True}


def _as_bytes(value: str) -> bytes:
    # Half of a surrogate pair is no valid unicode; the error that it makes would quote it.
    return value.encode("utf-8", "surrogatepass")
