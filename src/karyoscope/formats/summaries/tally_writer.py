"""What writers of numbers share: nuclei are counted, and one text is written at the end."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from karyoscope.core.nuclei import Nuclei
from karyoscope.formats.base import Writer
from karyoscope.formats.summaries.tally import Tally


class TallyWriter(Writer):
    """Writes a text that is made from the summary of a slide."""

    reports_run = True

    def _open(self) -> None:
        self._tally = Tally(self.context)
        self.partial.touch()

    def _write(self, nuclei: Nuclei) -> None:
        self._tally.add(nuclei)

    def _finish(self) -> None:
        text = self._text(self._tally.summary(self.run))
        self.partial.write_bytes(text.encode(errors="backslashreplace"))

    @abstractmethod
    def _text(self, summary: dict[str, Any]) -> str:
        """Return the content of the file."""
