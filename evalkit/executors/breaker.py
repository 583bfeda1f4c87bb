"""When a whole run stops: going on would only repeat the same error for every sample."""

from __future__ import annotations

from collections.abc import Callable

from evalkit.errors import RequestError, RunStopped

REFUSALS = 5  # attempts in a row that find no server
GONE = 60.0  # seconds for which a server that has answered may be away: it restarts


class Breaker:
    """Opens at the first error that every request would meet, and when there is no server."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard = False
        self._refusals = 0
        self._since = 0.0
        self.open = False

    def heard(self) -> None:
        """Something answered, be it an error: the server is there."""
        self._heard = True
        self._refusals = 0

    def failed(self, error: RequestError, sample_id: str) -> None:
        """Count an error; raises RunStopped when no further request is worth sending."""
        if error.fatal:
            self.open = True
            raise RunStopped(f"the run stopped at sample {sample_id}: {error}")
        if error.reached:
            self.heard()
            return
        if not self._refusals:
            self._since = self._clock()
        self._refusals += 1
        away = self._clock() - self._since
        if self._refusals >= REFUSALS and (not self._heard or away >= GONE):
            self.open = True
            how_long = f" over {away:.0f} s" if self._heard else ""
            raise RunStopped(
                f"the run stopped: {self._refusals} attempts in a row{how_long} reached no server: {error}; "
                "what was answered is kept, run again to go on"
            )
