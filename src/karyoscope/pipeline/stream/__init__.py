"""Windows read, run and assembled to blocks of nuclei, in threads beside the network."""

from karyoscope.pipeline.stream.blocks import run_blocks, stream_nuclei
from karyoscope.pipeline.stream.parallel import Threads, threads_for

__all__ = ["Threads", "run_blocks", "stream_nuclei", "threads_for"]
