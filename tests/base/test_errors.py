import signal

from segpipe.base import errors


def test_each_kind_of_error_has_an_exit_code_of_its_own() -> None:
    kinds = [errors.SegpipeError, *errors.SegpipeError.__subclasses__()]
    own = [kind for kind in kinds if kind.__module__ == errors.__name__]
    codes = {kind.__name__: kind.exit_code for kind in own} | {"partly": errors.PUT_ASIDE}
    assert codes == {
        "SegpipeError": 1, "UsageError": 2, "CorpusError": 3, "partly": 4, "MachineError": 5, "LockedError": 6
    }  # fmt: skip


def test_a_signal_is_told_as_shells_do_and_is_no_ordinary_exception() -> None:
    assert errors.Stopped(signal.SIGINT).exit_code == 130
    assert errors.Stopped(signal.SIGTERM).exit_code == 143
    assert not issubclass(errors.Stopped, Exception)
