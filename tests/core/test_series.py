"""The bundled series is the published one, any CSV column can replace it, bad files are told apart."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ode2rnn.core.series import Series, load_series


def write(folder: Path, text: str | bytes, name: str = "data.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def forecast_rmse(series: Series, lags: int, first_test_year: int = 1921) -> float:
    """One-step-ahead RMSE of AR(lags) on the test years.

    Conditional least squares with an intercept on the training years (each row one year, its columns the
    lags years before it); the test years are then forecast from the true values before each of them.
    Lags of 0 stands for persistence: the forecast is the value of the year before.
    """
    x = series.x[:, 0]
    test = series.t >= first_test_year
    if lags == 0:
        errors = np.diff(x)[test[1:]]
    else:
        past = [x[lags - k : len(x) - k] for k in range(1, lags + 1)]
        design = np.column_stack([np.ones(len(x) - lags), *past])
        target, held_out = x[lags:], test[lags:]
        weights = np.linalg.lstsq(design[~held_out], target[~held_out], rcond=None)[0]
        errors = target[held_out] - design[held_out] @ weights
    return float(np.sqrt(np.mean(errors**2)))


def test_the_sunspot_series_has_309_yearly_values() -> None:
    series = load_series("sunspots")
    assert series.name == "sunspots"
    assert series.unit_of_time == "year"
    assert series.t.dtype == series.x.dtype == np.float64
    np.testing.assert_array_equal(series.t, np.arange(1700, 2009))
    assert series.x.shape == (309, 1)
    assert series.x[0, 0] == 5.0
    assert series.x[-1, 0] == 2.9
    assert series.x.max() == series.x[series.t == 1957, 0] == 190.2


@pytest.mark.parametrize(("lags", "rmse"), [(0, 30.44), (1, 29.28), (2, 20.46), (9, 17.44)])
def test_the_sunspot_series_gives_the_reference_forecast_errors(lags: int, rmse: float) -> None:
    assert forecast_rmse(load_series("sunspots"), lags) == pytest.approx(rmse, abs=0.005)


def test_the_bundled_data_and_its_provenance_are_in_the_package() -> None:
    from importlib.resources import files

    data = files("ode2rnn.core").joinpath("data")
    assert "public domain" in data.joinpath("README.md").read_text("utf-8")
    assert len(data.joinpath("sunspots.csv").read_text("utf-8").splitlines()) == 310


def test_loading_a_series_imports_no_heavy_library() -> None:
    code = (
        "import sys; from ode2rnn.core.series import load_series; load_series('sunspots'); "
        "sys.exit(bool({'torch', 'numba', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_csv_column_becomes_a_series_in_samples(tmp_path: Path) -> None:
    file = write(tmp_path, "day,price, load \nmon,1,1e1\ntue,2,-20\nwed,3, 30 \nthu,4,40\n")
    series = load_series(f"{file}:load")
    assert series.name == "load"
    assert series.unit_of_time == "sample"
    np.testing.assert_array_equal(series.t, [0, 1, 2, 3])
    np.testing.assert_array_equal(series.x, [[10], [-20], [30], [40]])


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfx\r\n1\r\n2\r\n3\r\n4\r\n",  # byte-order mark, lines of Windows
        b"x\r1\r2\r3\r4",  # lines of the old Macintosh, no end of line
        b'"x"\n"1"\n"2"\n"3"\n"4"\n\n\n',  # quotes, blank lines at the end
    ],
)
def test_the_common_dialects_of_csv_are_read(tmp_path: Path, text: bytes) -> None:
    np.testing.assert_array_equal(load_series(write(tmp_path, text) + ":x").x[:, 0], [1, 2, 3, 4])


def test_the_last_colon_splits_file_and_column(tmp_path: Path) -> None:
    file = write(tmp_path, "x\n1\n2\n3\n4\n", name="12:30.csv")
    assert load_series(f"{file}:x").x.shape == (4, 1)


BAD_TEXTS: dict[str, tuple[str | bytes, str, str]] = {
    "empty file": ("", "x", "got an empty file"),
    "only blank lines": ("\n\n \n", "x", "got an empty file"),
    "blank header": ("\nx\n1\n2\n3\n4\n", "x", "line 1: expected column names, got an empty line"),
    "no header": ("1,2\n3,4\n5,6\n7,8\n9,10\n", "1", "line 1: .*header.*the numbers '1,2'; add.*'x0,x1'"),
    "missing column": ("year,sunspots\n1,2\n", "sunspot", "'sunspots', got 'sunspot'; did.* 'sunspots'"),
    "far column": ("year,sunspots\n1,2\n", "zzz", "got 'zzz'; choose one of these columns"),
    "column twice": ("x,x\n1,2\n1,2\n1,2\n1,2\n", "x", "expected one column 'x', got 2"),
    "other separator": ("a;b\n1;2\n", "a", "separated by ';'"),
    "too short": ("x\n1\n2\n3\n", "x", "at least 4 rows below the header, got 3"),
    "header only": ("x\n", "x", "at least 4 rows below the header, got 0"),
    "empty column": ("x,y\n,1\n,2\n,3\n,4\n", "x", "numbers in column 'x', got an empty column"),
    "empty cell": ("x,y\n1,1\n2,2\n,3\n4,4\n", "x", "line 4: .* column 'x', got an empty cell; fill the gap"),
    "blank line": ("x\n1\n2\n\n3\n4\n", "x", "line 4: expected a number.*empty cell"),
    "word": ("x\n1\n2\nthree\n4\n", "x", "line 4: expected a number.*got 'three'; write it as in"),
    "decimal comma": ('x\n1\n2\n"3,5"\n4\n', "x", "line 4: expected a number in column 'x', got '3,5'"),
    "digit groups": ("x\n1\n2\n1_000\n4\n", "x", "line 4: expected a number in column 'x', got '1_000'"),
    "NaN": ("x\n1\nnan\n3\n4\n", "x", "line 3: expected a finite number in column 'x', got 'nan'"),
    "infinity": ("x\n1\n-inf\n3\n4\n", "x", "line 3: expected a finite number in column 'x', got '-inf'"),
    "overflow": ("x\n1\n1e999\n3\n4\n", "x", "line 3: expected a finite number in column 'x', got '1e999'"),
    "ragged, short": ("x,y\n1,1\n2\n3,3\n4,4\n", "x", "line 3: expected 2 cells as in the header, got 1"),
    "ragged, long": ("x,y\n1,1\n2,2,2\n3,3\n4,4\n", "x", "line 3: expected 2 cells as in the header, got 3"),
    "open quote": ('x\n1\n"2\n3\n4\n', "x", "line 5: expected comma-separated values.*check its quotes"),
    "huge cell": ("x\n1\n2\n3\n" + "9" * 200_000 + "\n", "x", "line 5: expected comma-separated values"),
    "not UTF-8": (b"x\n1\n2\n\xff\n4\n", "x", "in UTF-8.*byte 0xff at position 6; save it as CSV in UTF-8"),
    "UTF-16": ("x\n1\n2\n3\n4\n".encode("utf-16"), "x", "in UTF-8.*save it as CSV in UTF-8"),
    "binary": (b"x\n1\n2\n\x00\n4\n", "x", "got the binary file"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TEXTS)
def test_a_bad_file_is_refused_with_its_line_and_a_remedy(tmp_path: Path, case: str) -> None:
    text, column, message = BAD_TEXTS[case]
    with pytest.raises(ValueError, match=message) as caught:
        load_series(f"{write(tmp_path, text)}:{column}")
    assert str(caught.value).startswith("spec: ")
    assert "data.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sunspot", "expected 'sunspots' or 'FILE.csv:COLUMN', got 'sunspot'; did you mean 'sunspots'"),
        ("", "expected 'sunspots' or 'FILE.csv:COLUMN', got ''"),
        (":x", "expected a file name before the last colon"),
        ("a.csv:", "expected a column name after the last colon"),
        ("a.csv: ", "expected a column name after the last colon"),
        ("no/such/folder/a.csv:x", "'no/such/folder/a.csv', which does not exist; check the path"),
        ("a\0b:x", "does not exist"),
        ("\ud800:x", "does not exist"),
        ("x" * 5000 + ":x", "does not exist"),
        (".:x", "which is not a file"),
        (os.devnull + ":x", "which is not a file"),
        (None, "got None"),
        (3, "got 3"),
        (Path("a:b"), "expected 'sunspots' or 'FILE.csv:COLUMN'"),
    ],
)
def test_a_bad_spec_is_refused(spec: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_series(spec)  # type: ignore[arg-type]


def test_a_missing_file_names_its_nearest_neighbour(tmp_path: Path) -> None:
    write(tmp_path, "x\n1\n2\n3\n4\n", name="rainfall.csv")
    with pytest.raises(ValueError, match=r"does not exist; did you mean 'rainfall.csv'"):
        load_series(f"{tmp_path / 'rainfal.csv'}:x")


def test_a_file_without_a_column_asks_for_one(tmp_path: Path) -> None:
    file = write(tmp_path, "x\n1\n2\n3\n4\n")
    with pytest.raises(ValueError, match="add a colon and the name of a column"):
        load_series(file)


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    file = write(tmp_path, "x\n1\n2\n3\n4\n")
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(ValueError, match=r"expected a readable CSV file.*Permission denied.*check"):
        load_series(f"{file}:x")


def test_standardized_has_mean_0_and_deviation_1() -> None:
    raw = load_series("sunspots")
    series = raw.standardized()
    assert (series.name, series.unit_of_time) == ("sunspots", "year")
    assert abs(series.x.mean()) < 1e-14
    assert series.x.std() == pytest.approx(1, abs=1e-14)
    np.testing.assert_allclose(series.x * raw.x.std() + raw.x.mean(), raw.x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300, 1.7e308])
def test_standardized_neither_overflows_nor_underflows(scale: float) -> None:
    x = scale * np.array([[-1.0], [0.5], [1.0], [0.25]])
    values = Series("x", np.arange(4.0), x, "sample").standardized().x
    assert abs(values.mean()) < 1e-14
    assert values.std() == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("level", [0.0, 3.0, -1e300, 5e-324])
def test_a_constant_series_cannot_be_standardized(level: float) -> None:
    series = Series("flat", np.arange(5.0), np.full((5, 1), level), "sample")
    with pytest.raises(ValueError, match="expected values that vary, got the constant series 'flat'"):
        series.standardized()


@pytest.mark.parametrize(
    ("t", "x", "message"),
    [
        ([0, 1, 2], [[1], [2], [3]], "t: expected an increasing vector of at least 4 times"),
        ([0, 1, 1, 2], [[1], [2], [3], [4]], "t: expected strictly increasing"),
        ([0, 1, 2, 3], [1, 2, 3, 4], r"x: expected shape \(4, 1\), got \(4,\)"),
        ([0, 1, 2, 3], [[1], [2], [np.nan], [4]], "x: expected finite numbers.*NaN"),
    ],
)
def test_a_series_checks_its_arrays(t: list[float], x: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Series("x", t, x, "sample")  # type: ignore[arg-type]


CELLS = st.one_of(
    st.floats().map(repr),
    st.integers(-1000, 1000).map(str),
    st.sampled_from(["", " ", '"', '""', "nan", "1,5", "'", "\ufeff", "1e5", "x", "y", "\t", ";"]),
    st.text(max_size=4),
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.lists(CELLS, min_size=1, max_size=3).map(",".join), max_size=8).map("\n".join),
    st.lists(CELLS, max_size=8).map(lambda cells: "\n".join(["x", *cells])),
    st.lists(st.floats(allow_nan=False, allow_infinity=False).map(repr), min_size=4).map(
        lambda cells: "\n".join(["x", *cells])
    ),
)


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=40)))
def test_any_file_gives_a_valid_series_or_a_value_error(tmp_path: Path, text: bytes) -> None:
    try:
        series = load_series(f"{write(tmp_path, text)}:x")
    except ValueError as error:
        assert type(error) is ValueError  # and not one of its kin, such as UnicodeDecodeError
        assert str(error).startswith("spec: ")
        return
    assert series.x.shape == (series.t.size, 1)
    assert series.t.size >= 4
    assert np.isfinite(series.x).all()


@settings(max_examples=300, deadline=None)
@given(spec=st.one_of(st.text(max_size=30), st.tuples(st.text(), st.text()).map(":".join)))
def test_any_spec_gives_a_valid_series_or_a_value_error(spec: str) -> None:
    try:
        series = load_series(spec)
    except ValueError as error:
        assert type(error) is ValueError
        assert str(error).startswith("spec: ")
        return
    assert np.isfinite(series.x).all()


@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=12))
def test_standardizing_any_series_works_or_calls_it_constant(values: list[float]) -> None:
    try:
        scaled = Series("x", np.arange(float(len(values))), np.array(values)[:, None], "s").standardized().x
    except ValueError as error:
        assert "constant" in str(error)
        return
    assert abs(scaled.mean()) < 1e-12
    assert scaled.std() == pytest.approx(1, abs=1e-12)
