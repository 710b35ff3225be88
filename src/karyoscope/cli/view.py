"""``karyoscope view``: results in a browser."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.terminal import complain, counting_bar
from karyoscope.core.optional import require

app = typer.Typer()


@app.command()
def view(
    paths: Annotated[
        list[Path], typer.Argument(help="Folders of results, GeoParquet files, slides.")
    ],
    slides: Annotated[
        list[Path] | None,
        typer.Option(help="A slide, or a folder of the slides that results belong to; repeatable."),
    ] = None,
    mpp: Annotated[
        float | None,
        typer.Option(help="Micrometres per pixel, where the files do not state it."),
    ] = None,
    edit: Annotated[
        bool,
        typer.Option(
            "--edit", help="Allow corrections and regions, which are written beside the results."
        ),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(help="With --edit: a model that outlines the nucleus that is clicked."),
    ] = None,
    queue: Annotated[
        Path | None,
        typer.Option(help="CSV file of regions to review: slide,x,y,width,height,score."),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(help="Write the viewer as a folder for any web server instead of serving it."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option(help="With --export: replace a folder written before.")
    ] = False,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; any other than 127.0.0.1 allows access from other machines."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for a free one.", min=0, max=65535)] = 0,
    cors: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Origin that may read from this server; repeatable."),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the browser.")
    ] = True,
) -> None:
    """Show slides and nuclei in a browser: inspect, measure regions, compare, correct.

    Prints a link that works once. Files are not copied or converted, no data leave this
    machine, and nothing is written without --edit. Ctrl-C stops the server.
    """
    if model is not None and not edit:
        raise typer.BadParameter("--model goes with --edit")
    require("view", "starlette", "uvicorn", purpose="`karyoscope view`")
    from karyoscope.view import open_browser, serve_results, share_results

    if export is not None:
        with counting_bar("writing") as bar:
            count = share_results(
                paths,
                export,
                slides or (),
                mpp=mpp,
                overwrite=overwrite,
                begin=bar.begin,
                watch=bar.advance,
            )
        print(f"{count} files written to {export}; show it with any web server")
        return
    server = serve_results(
        paths,
        slides or (),
        mpp=mpp,
        edit=edit,
        model=model,
        queue=queue,
        host=host,
        port=port,
        origins=cors or (),
        new_link=lambda link: print(f"for another browser: {link}", file=sys.stderr),
    )
    print(server.link, flush=True)
    complain("Ctrl-C stops the server")
    if browser and not open_browser(server.link):
        complain("no browser could be opened; open the link above")
    server.run()
