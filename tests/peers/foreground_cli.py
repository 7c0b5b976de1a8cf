"""Runs a released CLI without the processes that it starts in the background.

    foreground_cli.py ARGUMENTS...

A dashboard and a machine-wide daemon would outlive the test, and other releases look for daemons on the
whole machine. Queues and files are made as ever.
"""

import sys


def stay_in_the_foreground():
    """Replaces what starts a process that outlives this one; older releases have fewer of them."""

    def nothing(*_arguments, **_options):
        raise RuntimeError("nothing is started in the background here")

    for module, name in [
        ("specify_cli.sync.daemon", "ensure_sync_daemon_running"),
        ("specify_cli.sync.events", "ensure_sync_daemon_running"),
        ("specify_cli.dashboard.lifecycle", "ensure_dashboard_running"),
        ("specify_cli.dashboard", "ensure_dashboard_running"),
        ("specify_cli.cli.commands.init", "ensure_dashboard_running"),
    ]:
        try:
            found = __import__(module, fromlist=[name])
        except ImportError:
            continue
        if hasattr(found, name):
            setattr(found, name, nothing)


if __name__ == "__main__":
    stay_in_the_foreground()
    from specify_cli import main

    sys.exit(main())
