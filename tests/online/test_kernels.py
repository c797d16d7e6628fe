"""What the one decorator promises: NaN is a value, a division by zero is a number, and others may run beside it."""

import threading
import time

import numpy as np

from headwater.online import kernel


@kernel
def nans(x):
    """Count what is missing."""
    n = 0
    for value in x:
        if np.isnan(value):
            n += 1
    return n


@kernel
def ratio(a, b):
    """Divide without a branch."""
    return a / b


@kernel
def spin(x, turns):
    """Work on `x` in place for a while."""
    for _ in range(turns):
        for i in range(len(x)):
            x[i] = x[i] * 0.999 + 1.0
    return x.sum()


def test_nan_survives_compilation():
    assert nans(np.array([1.0, np.nan, np.nan, np.inf])) == 2


def test_a_division_by_zero_is_as_in_numpy():
    assert ratio(1.0, 0.0) == np.inf
    assert np.isnan(ratio(0.0, 0.0))


def test_arrays_are_worked_on_in_place_and_sums_keep_their_order():
    x = np.array([1e16, 1.0, -1e16, 1.0])
    assert spin(x.copy(), 0) == ((1e16 + 1.0) - 1e16) + 1.0  # fast maths may reorder it
    spin(x, 1)
    np.testing.assert_allclose(x, np.array([1e16, 1.0, -1e16, 1.0]) * 0.999 + 1.0)


def test_other_threads_run_while_a_kernel_does():
    spin(np.ones(1), 1)
    started, ended, seen = threading.Event(), threading.Event(), []

    def work():
        started.set()
        spin(np.ones(1000), 400_000)
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    while not ended.is_set():
        seen.append(time.monotonic())
        time.sleep(0.002)
    thread.join()
    assert len(seen) >= 2  # if it held the lock, there would be one


def test_flags():
    options = nans.targetoptions
    assert (options["nogil"], options["error_model"], options.get("fastmath", False)) == (True, "numpy", False)
    assert not options.get("parallel", False)
