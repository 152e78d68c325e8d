"""What an interpreter needs to run a job of a script it was not started with: a payload, `sys.argv` and `__main__`."""

from __future__ import annotations

import functools
import io
import logging
import operator
import pickle
import sys
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec
from types import CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import setup_globals

from hyperherd.errors import SweepError
from hyperherd.launch.frozen import absolute, frozen_path, run_from
from hyperherd.launch.script import Script, has_lasting_threads, running_script
from hyperherd.records.snapshot import Snapshot, in_use
from hyperherd.trial.ending import in_words

_RESOLVERS = "omegaconf_resolvers"
"""Where OmegaConf's resolvers are in Hydra's state."""

_MOST_WRAPPED = 20
"""How many decorators of one function are unwrapped; for a function that wraps itself there is no end."""

log = logging.getLogger("hyperherd")

_replaced: list[ModuleType] = []
"""The earlier modules ``__main__``; code that runs in one still needs its globals."""


@dataclass(frozen=True)
class Payload:
    """Something pickled in the script's process, with what has to be known before it can be unpickled in another.

    Jobs in a queue were packed by earlier versions: its fields keep their names, new ones have defaults, and the path
    of that time leads here (:mod:`hyperherd.launch.luggage`).

    Attributes:
        path: `sys.path`.
        argv: `sys.argv`.
        file: the script's; None if it has none.
        module: its name, if it was started with ``python -m``.
        content: pickled with what the script defines; empty if that cannot be pickled.
        script: whose text is known.
        by_name: `content` pickled with references into the script, which is run before it is unpickled;
            None if it cannot be imported.
        snapshot: of the project, which the other process runs from; every path of the project leads there.
    """

    path: list[str]
    argv: list[str]
    file: str | None
    module: str | None
    content: bytes
    script: Script | None = None
    by_name: bytes | None = None
    snapshot: Snapshot | None = None

    @classmethod
    def pack(cls, content: Any, snapshot: Snapshot | None = None) -> Payload:
        """Pack `content` together with Hydra's state; an error in pickling it is raised on."""
        if snapshot is not None:
            with _file_of_main(snapshot):
                return _moved(cls.pack(content), snapshot)
        main = sys.modules["__main__"]
        spec = getattr(main, "__spec__", None)
        file = getattr(main, "__file__", None)
        script = running_script(main)
        # Hydra's config store and OmegaConf's resolvers: a config composed in the job refers to both.
        singletons = Singleton.get_state()
        is_importable = script is not None and script.before is not None and not has_lasting_threads()
        by_name = _pickled_by_name(content, singletons, main) if is_importable else None
        try:
            by_value = _pickled((content, singletons))
        except Exception:  # user code: pickling runs methods of their classes
            if by_name is None:
                raise
            by_value = b""
        return cls(list(sys.path), list(sys.argv), file, spec and spec.name, by_value, script, by_name)

    def unpack(self) -> Any:
        """Make this process look like the script's from here on, and return the content.

        Libraries that start the script again (Lightning, for further ranks) read sys.argv and ``__main__``.
        """
        sys.path[:], sys.argv[:] = self.path, self.argv
        if self.snapshot is not None:
            run_from(self.snapshot)
        if self.script is not None:
            # Before anything is imported: a traceback of the import itself must show the submitted text.
            self.script.show()
        setup_globals()
        content, singletons = self._load()
        Singleton.set_state(singletons)
        return content

    def _load(self) -> Any:
        if self.by_name is not None and self.script is not None:
            try:
                self.script.run(self._new_main())
                return _with_own_resolvers(*pickle.loads(self.by_name))
            except (Exception, SystemExit) as error:  # user code: whatever the script does when it is imported
                if not self.content:
                    raise
                log.warning(
                    "%s cannot be imported, so its functions and classes are unpickled instead: %s",
                    self.file,
                    in_words(error),
                )
        # A fresh module: a failed import has left half of the script's names in the one before.
        self._new_main()
        return pickle.loads(self.content)

    def _new_main(self) -> ModuleType:
        """Replace ``__main__`` by an empty module with the script's attributes, and return it."""
        main = _empty_main(self.file)
        if self.module:
            main.__spec__ = ModuleSpec(self.module, None)
            main.__package__ = main.__spec__.parent  # relative imports in functions use it
        return main


class PortableFunction:
    """A function that keeps the names and the text of its files, whichever library pickles it.

    The launchers of others pickle with cloudpickle, which leaves these out since 3.1.3. Their processes run jobs of
    other programs too, so the script is not imported there: what it defines is pickled, as they would do it.
    """

    def __init__(self, function: Callable[..., Any], script: Script | None = None) -> None:
        self.function = function
        self._script = script  # found here: joblib pickles in a thread, whose stack does not lead to the script

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        return self.function(*arguments)

    def __reduce__(self) -> Any:
        """See :meth:`object.__reduce__`; the picklers of this module do not use it."""
        return _carried, (_pickled(self.function), self._script)


class _Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]
    """Pickles code with the name of its file, which cloudpickle leaves out since 3.1.3."""

    def reducer_override(self, obj: Any) -> Any:
        """See :meth:`pickle.Pickler.reducer_override`."""
        if isinstance(obj, PortableFunction):
            return PortableFunction, (obj.function,)
        if isinstance(obj, CodeType):
            return _code, (obj.co_filename, *self.dispatch_table[CodeType](obj))
        return super().reducer_override(obj)


class _PicklerByName(_Pickler):
    """Pickles the names of what the script defines. All or nothing: an object would otherwise exist twice in the job.

    Raises:
        PicklingError: something that the script made has no name in it.
    """

    def __init__(self, file: io.BytesIO, main: ModuleType) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._main = main

    def reducer_override(self, obj: Any) -> Any:
        """See :meth:`pickle.Pickler.reducer_override`."""
        if isinstance(obj, FunctionType | type):
            is_of_script = self._is_of_script(obj)
            # What another module's decorator has made belongs to the script if it is found there.
            found = self._find(obj) if is_of_script or "<locals>" in obj.__qualname__ else None
            if found is not None:
                return _named, found
            if is_of_script:
                raise pickle.PicklingError(f"{obj!r} cannot be found in the script")
        return super().reducer_override(obj)

    def _is_of_script(self, obj: Any) -> bool:
        return obj.__module__ == "__main__" or getattr(obj, "__globals__", None) is vars(self._main)

    def _find(self, obj: Any) -> tuple[str, int] | None:
        """Return under which name it is found, and how often that has to be unwrapped: Hydra decorates what we run."""
        for name in (obj.__qualname__, *vars(self._main)):
            for depth, found in enumerate(_unwrapped(self._main, name)):
                if found is obj:
                    return name, depth
        return None


def _pickled(content: Any) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, pickle.HIGHEST_PROTOCOL).dump(content)
    return stream.getvalue()


def _pickled_by_name(content: Any, singletons: dict[str, Any], main: ModuleType) -> bytes | None:
    """Return what :func:`_with_own_resolvers` takes, or None if it cannot be pickled so.

    Resolvers that the script registers are mostly lambdas, which have no name: an import registers them again.
    """
    dumped = functools.partial(_dumped_by_name, main=main)
    resolvers = {name: resolver for name, resolver in singletons[_RESOLVERS].items() if dumped(resolver) is not None}
    own = set(singletons[_RESOLVERS]) - set(resolvers)
    return dumped((content, {**singletons, _RESOLVERS: resolvers}, own))


def _dumped_by_name(content: Any, main: ModuleType) -> bytes | None:
    stream = io.BytesIO()
    try:
        _PicklerByName(stream, main).dump(content)
    except Exception:  # noqa: BLE001 - user code: pickling runs methods of their classes. By value it may work, or raise the reason
        return None
    return stream.getvalue()


def _with_own_resolvers(content: Any, singletons: dict[str, Any], own: Set[str]) -> tuple[Any, dict[str, Any]]:
    """Return `content` and Hydra's state with the resolvers that the script has registered when it was imported.

    Raises:
        SweepError: it has not registered some that it had registered in the process of the sweep.
    """
    registered = Singleton.get_state()[_RESOLVERS]
    if missing := own - registered.keys():
        raise SweepError(f"importing the script does not register the resolver {', '.join(sorted(missing))}")
    return content, {**singletons, _RESOLVERS: {**singletons[_RESOLVERS], **registered}}


def _empty_main(file: str | None) -> ModuleType:
    main = ModuleType("__main__")
    main.__file__ = file
    _replaced.append(sys.modules["__main__"])
    sys.modules["__main__"] = main
    return main


def _carried(content: bytes, script: Script | None) -> PortableFunction:
    """Return what a :class:`PortableFunction` was pickled as, and make the process look like the script's."""
    if script is not None and getattr(sys.modules["__main__"], "__file__", None) != script.file:
        script.show()
        _empty_main(script.file)  # a class has its source where its module has its file
    return PortableFunction(pickle.loads(content), script)


def _moved(payload: Payload, snapshot: Snapshot) -> Payload:
    """Return a payload whose paths lead to the snapshot; those in pickles follow when they are loaded."""
    file, script = payload.file, payload.script
    return replace(
        payload,
        path=frozen_path(payload.path, snapshot),
        argv=[snapshot.inside(absolute(payload.argv[0])), *payload.argv[1:]],
        file=None if file is None else snapshot.inside(absolute(file)),
        script=None if script is None else replace(script, file=snapshot.inside(absolute(script.file))),
        snapshot=snapshot,
    )


@contextmanager
def _file_of_main(snapshot: Snapshot) -> Iterator[None]:
    """Let the script's functions be pickled with the path that it has in the snapshot as their ``__file__``."""
    main = vars(sys.modules["__main__"])
    file = main.get("__file__")
    if file is None:
        yield
        return
    main["__file__"] = snapshot.inside(absolute(file))
    try:
        yield
    finally:
        main["__file__"] = file


def _code(file: str, make: Any, arguments: Any) -> CodeType:
    code: CodeType = make(*arguments)
    frozen = in_use()
    file = file if frozen is None else frozen.inside(file)
    return code.replace(co_filename=file)


def _named(name: str, depth: int) -> Any:
    return list(_unwrapped(sys.modules["__main__"], name))[depth]


def _unwrapped(main: ModuleType, name: str) -> Iterator[Any]:
    """Yield what has this name in the script, and what that wraps."""
    try:
        found = operator.attrgetter(name)(main)
    except AttributeError:
        return
    for _ in range(_MOST_WRAPPED):
        yield found
        found = getattr(found, "__wrapped__", None) if isinstance(found, FunctionType) else None
