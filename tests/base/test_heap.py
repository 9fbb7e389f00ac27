import subprocess
import sys

import pytest

from segpipe.base.heap import stay_small


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc's heap is told")
def test_a_process_gives_back_what_threads_have_freed() -> None:
    assert stay_small.__doc__
    code = """
import threading
from segpipe.base.heap import stay_small
def held(): return int(open('/proc/self/statm').read().split()[1]) * 4096
assert stay_small()
def work():
    for size in range(1, 31): bytearray(size << 20)
before = held()
threads = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
assert held() - before < 20 << 20, held() - before
"""
    subprocess.run([sys.executable, "-c", code], check=True)
