"""One run on several machines through Ray; the results are those of one machine.

The machine that the command is given on plans, collects and writes. Regions of a slide, which are
runs of neighbouring blocks, are tasks: whoever takes one opens the slide by its path, so slides
(and models given by path) must be on storage that all machines see under one name. What is lost
with a machine is run again on another.

Ray is imported when a :class:`Cluster` loads a model, and not before.
"""

from karyoscope.cluster.cluster import Cluster

__all__ = ["Cluster"]
