"""The one exception that users are meant to read."""


class StudyError(ValueError):
    """Something in a study that its owner can mend.

    The message is one or a few plain sentences: the patient (pseudonym) or file (as the study file
    names it), what is wrong, and what to do about it.
    """
