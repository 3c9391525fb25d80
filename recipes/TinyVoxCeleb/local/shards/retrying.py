"""Reading over a network that fails now and then: try again, a little later each time."""

import io
import logging
import random
import re
import time

from local.errors import RecipeError

FIRST_DELAY = 0.5  # seconds before the second attempt; each further one waits twice as long
ATTEMPTS = 6  # in vain one after the other: 15 s of waiting in all

logger = logging.getLogger(__name__)


class Retries:
    """Counts the attempts that have failed since something last went well.

    Arguments
    ---------
    url : str
        For the messages.
    """

    def __init__(self, url):
        self.url = url
        self.failed = 0
        # Of its own: the seeded generators of a training are left as they are. Waiting times
        # differ, so that many readers do not come back in the same moment.
        self.rng = random.SystemRandom()

    def succeeded(self):
        """Begin to count anew."""
        self.failed = 0

    def wait(self, error):
        """Wait before the next attempt.

        Arguments
        ---------
        error : OSError
            What the last one ended with.

        Raises
        ------
        RecipeError
            It was the last one.
        """
        self.failed += 1
        what = " ".join(str(error).split()) or type(error).__name__
        if self.failed == ATTEMPTS:
            raise RecipeError(
                f"{public(self.url)}: cannot be read, after {ATTEMPTS} attempts: {what}; check the "
                "address and the server, then run the same command again"
            ) from None
        delay = FIRST_DELAY * 2 ** (self.failed - 1)
        logger.warning(
            f"{public(self.url)}: {what}; attempt {self.failed + 1} of {ATTEMPTS} in {delay:g} s"
        )
        time.sleep(delay * self.rng.uniform(0.75, 1))


def with_retries(url, action):
    """Do something until it goes well.

    Arguments
    ---------
    url : str
        What it is about.
    action : callable
        Without arguments. An OSError is taken for a trouble that may pass.

    Returns
    -------
    object
        What `action` returned.

    Raises
    ------
    RecipeError
        Raised by `action`, or after the last attempt.
    """
    retries = Retries(url)
    while True:
        try:
            return action()
        except OSError as error:
            retries.wait(error)


class RetryingStream(io.RawIOBase):
    """A file that is read from its start to its end over connections that may drop.

    Arguments
    ---------
    url : str
    connect : callable
        Gets a byte offset; returns an object with `readinto` and `close` that reads from there.
        All raise OSError where another attempt may help, RecipeError where it will not.
    """

    def __init__(self, url, connect):
        self.url = url
        self.connect = connect
        self.offset = 0
        self.body = None
        self.retries = Retries(url)

    def readable(self):
        """It can be read, but neither written nor moved in."""
        return True

    def readinto(self, buffer):
        """Read on where the last read ended, over a new connection where need be."""
        while True:
            try:
                if self.body is None:
                    self.body = self.connect(self.offset)
                count = self.body.readinto(buffer)
            except OSError as error:
                self._disconnect()
                self.retries.wait(error)
            else:
                self.offset += count
                self.retries.succeeded()
                return count

    def close(self):
        """Give the connection back."""
        self._disconnect()
        super().close()

    def _disconnect(self):
        body, self.body = self.body, None
        if body is not None:
            body.close()


def public(url):
    """A URL for messages: without the password, and without the query, as it may be a signature.

    Example
    -------
    >>> public("https://me:secret@host/shard-000000.tar?signature=secret")
    'https://host/shard-000000.tar'
    """
    if url.startswith("pipe:"):
        return url
    return re.sub(r"(?<=://)[^/@]*@|\?.*", "", url)
