"""What the process is set to, seen from a process of its own."""

import subprocess
import sys

HEAPS = """
import ctypes, tempfile, threading
from chunkvault.cli.process import keep_freed_memory

library = ctypes.CDLL(None)
library.malloc.restype = library.fopen.restype = ctypes.c_void_p
at_once = threading.Barrier(4)

def use():
    at_once.wait()
    library.malloc(ctypes.c_size_t(1 << 20))
    at_once.wait()

{call}
threads = [threading.Thread(target=use) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(library.fopen(file.name.encode(), b"w"))
    library.malloc_info(0, stream)
    library.fclose(stream)
    print(file.read().count(b"<heap nr="))
"""


def count_heaps(call: str) -> int:
    """How many heaps four threads use that are there at once."""
    words = [sys.executable, "-c", HEAPS.format(call=call)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return int(done.stdout)


def test_what_one_thread_has_freed_is_there_for_all():
    assert count_heaps("keep_freed_memory()") == 1
    assert count_heaps("") > 1
