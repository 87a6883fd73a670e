"""Renews what this process drew from randomness when its guest goes on as another one.

A guest that was copied has a new kernel generator before any process runs on, but what a process drew earlier is in
every copy. Importing this module registers the process with init, which then sends it a signal (docs/uniqueness.md).
The handler runs in the main thread before its next byte code and renews:

  random       the module's own generator, from the kernel
  ssl          OpenSSL's generators of all threads, where ssl is loaded
  uuid         node and clock sequence of uuid1()
  tempfile     the generator of names

and then calls what on_resume() was given. Other threads may run a moment before the handler does; generation() tells
them. Not renewed: random.Random objects, NumPy's generators and secrets that the application made: they are its own.

Import it before the application draws anything: PYTHONPATH=/usr/lib/anchorhold/python does that for every interpreter.
Outside of such a guest it does nothing.
"""
import atexit
import os
import random
import signal
import sys
import threading

_FOLDER = os.environ.get("ANCHORHOLD_RUN", "/run/anchorhold")
_SIGNAL = 40  # a real-time one that nobody else is known to use

_hooks = []


def generation():
    """The guest's generation: another number than before means another guest. 0 outside of one."""
    try:
        with open(_FOLDER + "/generation", "rb", buffering=0) as file:
            return int(file.read(21))
    except (OSError, ValueError):
        return 0


def on_resume(hook):
    """Has `hook` called after each resume, in the main thread, in order of registration. Usable as a decorator."""
    _hooks.append(hook)
    return hook


def renew():
    """What the signal does; harmless at any other time."""
    random.seed()
    ssl = sys.modules.get("ssl")
    if hasattr(ssl, "RAND_add"):
        ssl.RAND_add(os.urandom(32), 32.0)  # reseeds the first generator, which those of all threads notice
    uuid = sys.modules.get("uuid")
    if uuid is not None:
        uuid._generate_time_safe = None  # libuuid's, whose node and clock sequence nobody can renew
        uuid._node = uuid._random_getnode()
        uuid._last_timestamp = None
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile._name_sequence = None
    for hook in list(_hooks):
        try:
            hook()
        except Exception:  # the other hooks are still to be called
            sys.excepthook(*sys.exc_info())


def _path():
    return f"{_FOLDER}/resume/{os.getpid()}"


def _register():
    # Whole or not at all: the guest may stop between any two instructions.
    new = f"{_path()}.new"
    try:
        with open(new, "w", encoding="ascii") as file:
            file.write(f"{_SIGNAL}\n")
        os.replace(new, _path())
    except OSError:
        pass


def _unregister(pid):
    if pid == os.getpid():
        try:
            os.unlink(_path())
        except OSError:
            pass


def _in_child():
    _register()
    atexit.register(_unregister, os.getpid())


def _start():
    before = generation()
    if before == 0 or threading.current_thread() is not threading.main_thread():
        return
    signal.signal(_SIGNAL, lambda number, frame: renew())
    os.register_at_fork(after_in_child=_in_child)
    _in_child()
    if generation() != before:  # while it was being registered
        renew()


_start()
