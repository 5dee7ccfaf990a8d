"""Caches: a property that takes no lock, and a function whose arguments may be texts of any length.

Before Python 3.12, `functools.cached_property` holds one lock for all objects: while one thread decodes a column, no
other thread could decode another.
"""

from __future__ import annotations

from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["cached_if_short", "cached_property"]

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")

MAX_LENGTH = 256
"""Characters of the longest text whose result is kept."""


def cached_if_short(most: int) -> Callable[[F], F]:
    """Return a decorator that keeps the last `most` results of a function whose first argument is a text, if short.

    Texts come from files: thousands of long ones would fill the memory.
    """

    def decorate(function: F) -> F:
        kept = lru_cache(maxsize=most)(function)

        @wraps(function)
        def call(text: str, *rest: Any) -> Any:
            return (kept if len(text) <= MAX_LENGTH else function)(text, *rest)

        return cast("F", call)

    return decorate


class cached_property(Generic[T]):
    """A property cached in the object's ``__dict__`` when first read; two threads may both compute it."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> cached_property[T]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...

    def __get__(self, instance: object | None, owner: type | None = None) -> cached_property[T] | T:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._function(instance)
        return value
