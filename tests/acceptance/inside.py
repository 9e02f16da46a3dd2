"""A site whose commands run in this process: as a person types them, without the second that a new process takes.

They log nothing, and what is for signals and for the programs' own outputs is not in force: a `Site` has that.
"""

import io
from contextlib import chdir, redirect_stderr, redirect_stdout
from importlib import import_module

import pytest

from collima.app import cli, parser
from collima.core.errors import CollimaError
from tests.acceptance.site import Done, Site


class Inside(Site):
    def _run(self, function: str, *arguments: str) -> Done:
        words = parser.run_job() if function == "run_job" else parser.main()
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as here, chdir(self.folder), redirect_stdout(out), redirect_stderr(err):
            for name, value in self.env.items():
                here.setenv(name, value)
            try:
                given = words.parse_args(arguments)
                module, _, name = given.call.partition(":")
                code = int(getattr(import_module(module), name)(given))
            except SystemExit as left:
                code = int(left.code or 0)
            except CollimaError as error:
                err.write(f"{error}\n")
                code = cli._exit_code(error)
        return Done(code, out.getvalue(), err.getvalue())
