"""How long sixteen bars take to become sound, and what each instrument measures."""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from benchmarks.report import Row, keep, options, shown, spread, table
from labkit.music.note import Music, Note
from labkit.music.ranges import INSTRUMENTS, KIT, RANGES
from labkit.music.recording import record


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(__doc__ or "", arguments)
    times, step = (2, 24) if chosen.quick else (15, 1)
    rows = [
        took("an orchestra's 16 bars", times, lambda: record(orchestra()).samples),
        took("a band's 16 bars", times, lambda: record(band()).samples),
        took("an orchestra's first 16 bars in a process", times, first_bars),
        took("import of the synthesiser, with NumPy", times, imported),
    ]
    cases = [(row["case"], shown(row["seconds"], ".3f")) for row in rows]
    print(table(("case", "seconds"), cases))
    instruments = [measured(name, step) for name in INSTRUMENTS]
    print()
    print(in_words(instruments))
    keep(chosen.json, {"times": times, "every": step}, [*rows, *instruments])


def took(case: str, times: int, work: Callable[[], object]) -> Row:
    """The seconds of each time; or those that the work itself tells, where it does."""
    work()  # waves and noises are made once in a process
    samples = []
    for _ in range(times):
        began = time.perf_counter()
        told = work()
        samples.append(told if isinstance(told, float) else time.perf_counter() - began)
    return {"case": case, "seconds": spread(samples)}


def first_bars() -> float:
    """With all waves and noises yet to be made."""
    return timed_apart(
        "from benchmarks.sound import orchestra, record; import labkit.music.synth",
        "record(orchestra()).samples",
    )


def imported() -> float:
    """NumPy included; nothing of it is loaded before something is heard."""
    return timed_apart("import labkit", "import labkit.music.synth")


def timed_apart(before: str, code: str) -> float:
    """How long a line takes in a process of its own, after another line."""
    clock = "import time; began = time.perf_counter()"
    lines = "\n".join([before, clock, code, "print(time.perf_counter() - began)"])
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    return float(done.stdout)


def orchestra() -> Music:
    """Sixteen bars at 84: four of timpani, eight of strings in four parts, four of brass."""
    roll = [Note(4 * bar, 4, 38, "timpani", 0.5 + bar / 10) for bar in range(4)]
    strings = [
        Note(16 + 2 * at, 2, pitch + (at % 3), "violins", 0.7)
        for at in range(16)
        for pitch in (50, 57, 62, 74)
    ]
    brass = [
        Note(48 + at / 2, 0.5, pitch + (at % 5), "brass", 0.9)
        for at in range(32)
        for pitch in (50, 57, 62, 66)
    ]
    return Music(tuple([*roll, *strings, *brass]), 84, 64)


def band() -> Music:
    """Sixteen bars at 140: a walking bass, a swinging kit, chords and a solo."""
    line = [Note(at, 0.95, 36 + at * 5 % 12, "bass", 0.8) for at in range(64)]
    ride = [Note(at, 0.5, 51, "drums", 0.6) for at in range(64)]
    hat = [Note(at, 0.2, 44, "drums", 0.6) for at in range(1, 64, 2)]
    chords = [Note(2 * at, 0.8, p, "keys", 0.5) for at in range(32) for p in (51, 55, 58, 62)]
    solo = [Note(at / 2, 0.45, 60 + at * 7 % 17, "saxophone", 0.8) for at in range(128)]
    return Music(tuple([*line, *ride, *hat, *chords, *solo]), 140, 64)


# -- what each instrument measures ----------------------------------------------------------------


def measured(instrument: str, step: int) -> Row:
    """Over its range, note by note: how far out of tune, how bright, how loud."""
    # Imported here, so that the benchmark's own process is as light as a learner's until then.
    import numpy as np

    low, high = RANGES.get(instrument, (min(KIT), max(KIT)))
    pitches = [p for p in range(low, high + 1, step) if instrument != "drums" or p in KIT]
    cents, bright, loud, peak = [], [], [], 0.0
    for pitch in pitches:
        taken = record(Music((Note(0, 1.4, pitch, instrument, 0.7),), 60, 1.4))
        sound, rate = taken.samples, taken.rate
        spectrum, hertz = np.abs(np.fft.rfft(sound)), np.fft.rfftfreq(len(sound), 1 / rate)
        bright.append(float((spectrum * hertz).sum() / spectrum.sum()))
        loud.append(float(20 * np.log10(np.std(sound[: rate // 2]))))
        hard = record(Music((Note(0, 1.4, pitch, instrument, 1.0),), 60, 1.4))
        peak = max(peak, float(np.abs(hard.samples).max()))
        if instrument != "drums":
            cents.append(out_of_tune(sound[rate // 5 : rate * 13 // 10], pitch, rate))
    return {
        "case": instrument,
        "range": [low, high],
        "cents": [round(min(cents), 1), round(max(cents), 1)] if cents else None,
        "peak_dbfs": round(20 * float(np.log10(peak)), 1),
        "loud_dbfs": round(statistics.median(loud), 1),
        "centroid_hertz": round(statistics.median(bright)),
    }


def out_of_tune(sound, pitch: int, rate: int) -> float:  # type: ignore[no-untyped-def]
    """Cents from the pitch to the strongest tone within half a semitone."""
    import numpy as np

    wanted, size = 440 * 2 ** ((pitch - 69) / 12), 1 << 19
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), size))
    hertz = np.fft.rfftfreq(size, 1 / rate)
    spectrum[np.abs(np.log2(np.maximum(hertz, 1) / wanted)) > 1 / 24] = 0
    return float(1200 * np.log2(hertz[np.argmax(spectrum)] / wanted))


def in_words(rows: Sequence[Row]) -> str:
    head = ("instrument", "range", "cents", "peak dBFS", "loud dBFS", "centroid Hz")
    lines = [
        (
            row["case"],
            "–".join(map(str, row["range"])),
            "{:+.1f} to {:+.1f}".format(*row["cents"]) if row["cents"] else "",
            f"{row['peak_dbfs']:.1f}",
            f"{row['loud_dbfs']:.1f}",
            f"{row['centroid_hertz']:,}",
        )
        for row in rows
    ]
    least, one, other = min(
        (abs(a["centroid_hertz"] / b["centroid_hertz"] - 1), a["case"], b["case"])
        for a, b in itertools.permutations(rows, 2)
    )
    closest = f"The two that are nearest in brightness, {one} and {other}, differ by {least:.0%}."
    return f"{table(head, lines)}\n{closest}"


if __name__ == "__main__":
    main()
