"""`python -m collima.app.job JOB …`: run-job as the service starts it, by its own interpreter."""

import sys

from collima.app.cli import run_job

if __name__ == "__main__":
    sys.exit(run_job())
