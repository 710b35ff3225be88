"""The one exception for everything a user can mend."""


class KaryoscopeError(Exception):
    """Bad input or a job that cannot be done; the message is one line and says what to do.

    The command line prints the message without a traceback. Anything else that is raised is a
    defect of ours and keeps its traceback.
    """
