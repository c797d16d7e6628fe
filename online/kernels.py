"""The one numba decorator, and the reasons for its flags.

- ``nogil``: a kernel touches arrays only, so other threads (Kafka's, Streamlit's) may run beside it.
- ``error_model="numpy"``: a division by zero gives inf or NaN as in numpy, without a branch per division.
- ``cache``: the first call of a process costs milliseconds instead of seconds. It is safe here because no
  kernel runs in parallel mode and none closes over a global that changes.
- ``fastmath`` stays off: NaN means "missing", and fast maths deletes the test for it.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["kernel"]

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile a loop over arrays; it updates its state arrays in place and says so in its first line."""
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
