"""The one base of every failure that a user can act on: its text is one line that says what to do."""


class GradatimError(Exception):
    """Shown without a traceback; everything else is a defect of this program and shows one."""
