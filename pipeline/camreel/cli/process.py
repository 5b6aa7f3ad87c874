"""`camreel process`: the annotated video and the records of every input; `camreel demo`: those of a sample video."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camreel.cli.batch import StopRequest, exit_code, run_jobs, stop_signals
from camreel.cli.flags import Debug, Overwrite, Quiet, Verbose, resolve_settings, takes_settings
from camreel.cli.outputs import Job, name_paths, plan_outputs, refuse_existing, select_jobs
from camreel.cli.progress import MODES, open_reporter, short_name, summary_lines
from camreel.cli.terminal import Terminal
from camreel.config.resolution import resolve
from camreel.errors import ConfigError, InputError, nearest
from camreel.runtime.files import STDOUT, make_folder, shipped

if TYPE_CHECKING:
    from camreel.config.schema import Config
    from camreel.flow import Progress
    from camreel.interfaces import Recognizer
    from camreel.structures import Summary

DEMO_VIDEO = "pair-0012.mp4"
"""Sample video that `camreel demo` processes."""

OUTPUT_HELP = "the annotated video, or with / at the end a folder, which is created if missing"
RECORDS_HELP = "the records: FILE.jsonl, FILE.json for one document, a folder, or - for standard output"


@takes_settings
def process(
    context: typer.Context,
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="videos, or folders of videos", show_default=False)
    ],
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="PATH", help=OUTPUT_HELP)] = None,
    json_path: Annotated[str | None, typer.Option("--json", "--records", metavar="PATH", help=RECORDS_HELP)] = None,
    no_video: Annotated[bool, typer.Option("--no-video", help="write no video")] = False,
    no_json: Annotated[bool, typer.Option("--no-json", help="write no records")] = False,
    overwrite: Overwrite = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="leave out inputs that have all their outputs")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print what would be done, and do nothing")] = False,
    progress: Annotated[
        str, typer.Option(metavar="MODE", help=", ".join(MODES), autocompletion=lambda: list(MODES))
    ] = "auto",
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
    **settings: Any,
) -> None:
    """Write the annotated video and the records of every INPUT.

    The outputs of clip.mp4 are clip.camreel.mp4 and clip.camreel.jsonl, beside
    it or in the folder of -o. If two inputs would share a name there, the later
    one gets -2, -3 and so on.

    Ctrl-C stops and keeps the result so far; a second Ctrl-C ends at once.
    """
    terminal: Terminal = context.obj
    if progress not in MODES:
        why = f"it is one of {', '.join(MODES)}"
        raise ConfigError(f"--progress {progress} is not possible", why, nearest(progress, MODES))
    config = resolve_settings(settings).config
    jobs = plan_outputs(_expand(inputs), output, json_path, video=not no_video, json=not no_json)
    jobs, done = select_jobs(jobs, overwrite=overwrite, skip_existing=skip_existing)
    for job in done:
        terminal.note(f"{job.uri}: skipped, {name_paths(job.paths)} exist{'s' if len(job.paths) == 1 else ''}")
    if dry_run:
        raise typer.Exit(run_jobs(jobs, lambda job: _show_plan(job, config), terminal))
    if jobs:
        raise typer.Exit(_process_jobs(jobs, config, progress, terminal))


def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="where the outputs go")] = Path("demo"),
    overwrite: Overwrite = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Process a sample video with the bundled network; needs no network connection.

    The video shows two drawn people at the same time: one does a jumping jack,
    one throws.
    """
    terminal: Terminal = context.obj
    config = resolve([str(shipped("configs") / "demo.yaml")]).config
    jobs = plan_outputs([str(shipped("sample_videos") / DEMO_VIDEO)], f"{folder}/", None)
    if not overwrite:
        refuse_existing(jobs[0].files, alternative=", or name another folder")
    code = _process_jobs(jobs, config, "auto", terminal)
    if code == 0:
        terminal.note(
            f"now open {jobs[0].video} in a video player; the records of every frame are in {jobs[0].records}"
        )
    raise typer.Exit(code)


def _expand(inputs: Sequence[str]) -> list[str]:
    """Return single inputs without duplicates. A missing one among several stays, to fail later without them."""
    from camreel.sources.inputs import expand

    try:
        return expand(inputs)
    except InputError:
        if len(inputs) == 1:
            raise
    found: list[str] = []
    for text in inputs:
        try:
            found += expand([text])
        except InputError:
            found.append(text)
    return list(dict.fromkeys(found))


def _show_plan(job: Job, config: Config) -> None:
    from camreel.run_plan import describe_run
    from camreel.sources import open_source

    with open_source(job.uri, start=config.start, end=config.end, audio=config.video.audio) as source:
        lines = describe_run(source.info, source.notes, config)
    for line in (*lines, f"  writes {name_paths(job.paths)}"):
        typer.echo(line)


def _process_jobs(jobs: Sequence[Job], config: Config, mode: str, terminal: Terminal) -> int:
    """Process the inputs with one network, and return the exit code."""
    try:
        with stop_signals() as stop:
            for folder in dict.fromkeys(path.parent for job in jobs for path in job.files):
                make_folder(folder)
            terminal.note(f"loading {config.model.name}")
            from camreel.flow import load_recognizer

            recognizer = load_recognizer(config)
            mode = "none" if terminal.quiet else mode
            return run_jobs(jobs, lambda job: _Run(job, config, recognizer, terminal, stop).process(mode), terminal)
    except KeyboardInterrupt as error:
        return exit_code(error)


@dataclass(slots=True)
class _Run:
    """The run over one input, with its messages."""

    job: Job
    config: Config
    recognizer: Recognizer
    terminal: Terminal
    stop: StopRequest
    seconds: float = field(default=0.0, init=False)
    """Seconds of the source that are done."""

    def process(self, mode: str) -> None:
        """Process the input, and report the result.

        Raises:
            KeyboardInterrupt: a signal arrived; the outputs are finished.
        """
        from camreel.flow import process

        job = self.job
        if mode == "auto" and job.records == STDOUT and sys.stdout.isatty():
            mode = "none"  # the records and the bar would share the terminal
        reporter = open_reporter(mode, sys.stderr)

        def on_progress(progress: Progress) -> None:
            self.seconds = progress.time
            reporter.update(progress)
            self.stop.check()

        begin = time.monotonic()
        try:
            with self.stop.between_frames():
                summary = process(
                    job.uri,
                    self.config,
                    video=job.video,
                    records=job.records,
                    recognizer=self.recognizer,
                    on_progress=on_progress,
                )
        except KeyboardInterrupt:
            reporter.close()
            self._report_stop()
            raise
        finally:
            reporter.close()
        self._report(summary, time.monotonic() - begin)

    def _report(self, summary: Summary, elapsed: float) -> None:
        self.terminal.note(f"{short_name(self.job.uri)} -> {name_paths(self.job.paths)}")
        for line in summary_lines(summary, self.seconds, elapsed, verbose=self.terminal.verbose > 0):
            self.terminal.note(f"  {line}")

    def _report_stop(self) -> None:
        kept = name_paths([path for path in self.job.files if path.exists()])
        result = f"the result so far is in {kept}" if kept else "nothing is written"
        self.terminal.note(f"stopped at {(self.config.start or 0.0) + self.seconds:.1f} s; {result}")
