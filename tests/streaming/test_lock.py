import multiprocessing
import os
import signal
import threading
import time

import pytest

from headwater.streaming.errors import StoreError, StoreLocked
from headwater.streaming.store.lock import sole_worker, worker_running, writing


def hold(path, ready):
    with sole_worker(path):
        ready.set()
        time.sleep(60)


def test_the_lock_ends_with_its_process_however_that_ends(tmp_path):
    path, context = tmp_path / "store.db", multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=hold, args=(path, ready))
    other.start()
    try:
        assert ready.wait(30)
        assert worker_running(path)
        with pytest.raises(StoreLocked, match=f"process {other.pid}"), sole_worker(path):
            pass
    finally:
        os.kill(other.pid, signal.SIGKILL)
        other.join()
    assert not worker_running(path)
    with sole_worker(path):
        assert worker_running(path)


def test_looking_does_not_keep_a_worker_out(tmp_path):
    path, done = tmp_path / "store.db", threading.Event()

    def look():
        while not done.is_set():
            worker_running(path)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(50):
            with sole_worker(path):
                pass
    finally:
        done.set()
        thread.join()


def test_one_writes_at_a_time_and_the_next_one_waits(tmp_path):
    path, order = tmp_path / "store.db", []

    def write():
        with writing(path, wait=10.0):
            order.append("second")

    with writing(path, wait=0.0):
        thread = threading.Thread(target=write)
        thread.start()
        time.sleep(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_folder_that_cannot_be_written_is_explained(tmp_path):
    with pytest.raises(StoreError, match="choose a folder"), writing(tmp_path / "missing" / "store.db", wait=0.0):
        pass
