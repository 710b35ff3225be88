"""The one exception for everything a user can mend."""

from __future__ import annotations

import re
from typing import Literal

spoken_to: Literal["Python", "command line"] = "Python"
"""Who reads the messages: whoever called a function, or the command line, which sets it."""

#: Options that functions know by another name, or as a value.
_ARGUMENTS = {
    "workers": "threads",
    "overwrite": "overwrite=True",
    "retry-failed": "retry_failed=True",
    "resume": "resume=True",
    "format": "formats",
}
_OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*[a-z])")


class KaryoscopeError(Exception):
    """Bad input or a job that cannot be done; the message is one line and says what to do.

    The command line prints the message without a traceback. Anything else that is raised is a
    defect of ours and keeps its traceback. Messages name options as the command line does; where a
    function was called they are the names of its arguments.

    Examples
    --------
    >>> print(KaryoscopeError("give the pixel size with --mpp"))
    give the pixel size with mpp
    """

    def __str__(self) -> str:
        """Return the message, in the words of the interface that was called."""
        return in_words_of_caller(super().__str__())


def in_words_of_caller(text: str) -> str:
    """Return a message that names options, such as ``--mpp``, as its reader knows them."""
    return text if spoken_to == "command line" else _OPTION.sub(_argument, text)


def _argument(option: re.Match[str]) -> str:
    return _ARGUMENTS.get(option[1], option[1].replace("-", "_"))
