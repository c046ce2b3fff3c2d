"""What goes wrong in the lab."""


class LabError(Exception):
    """A capture could not be made, or does not show what its name says."""
