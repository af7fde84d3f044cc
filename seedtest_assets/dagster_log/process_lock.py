"""How a run says which process runs it, and whether that process holds the run's lock."""

# Marks a run whose process holds its lock, and says which process it is. Runs without it are not judged: those of other code
# locations, or of earlier versions.
PROCESS_TAG = "seedtest/process"
# Its value where there is no lock. Not left out: a run that is started again inherits the tags of the one before it.
NO_LOCK = "holds no lock"
# For one moment the lock is taken, which the run's process holds as long as it lives.
LOCK_IS_FREE = "SELECT pg_try_advisory_xact_lock(hashtextextended('seedtest run ' || :run_id, 0))"
