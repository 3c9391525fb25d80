"""Serving the page from this machine, to it alone unless told, until Ctrl-C."""

import os
import signal
import socket
import threading

from local.errors import RecipeError


def free_port(host: str, port: int) -> int:
    """The port, or a free one in the place of 0.

    Raises
    ------
    RecipeError
        It is in use, or there is no such address on this machine.
    """
    try:
        (family, kind, _, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with socket.socket(family, kind) as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(address)
            return taken.getsockname()[1]
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecipeError(
            f"port {port} of {host} cannot be taken ({reason}): end what uses it, or give another "
            "--port, or --host"
        ) from None


def keep_to_itself(folder: str) -> None:
    """Before Gradio is imported: let it tell nobody of its use, and leave uploads in a folder."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = folder
    for name in ("NO_PROXY", "no_proxy"):  # it asks itself whether it is there
        hosts = [*filter(None, [os.environ.get(name)]), "127.0.0.1", "localhost"]
        os.environ[name] = ",".join(hosts)


def serve(page, host: str, port: int, **options) -> None:
    """Serve the page until Ctrl-C; the options are those of `launch`.

    Raises
    ------
    RecipeError
        Somebody else has taken the port meanwhile.
    """
    try:
        page.launch(
            server_name=host,
            server_port=port,
            share=False,
            inbrowser=False,
            quiet=True,
            prevent_thread_lock=True,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            **options,
        )
    except OSError:
        raise RecipeError(f"port {port} of {host} has just been taken: give another") from None
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{port} (Ctrl-C ends it)", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print(flush=True)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of who presses it twice
        page.close(verbose=False)
