"""A recording says in words what its sound is, and its sound is what the words say."""

import subprocess
import sys
import wave
from importlib import metadata
from pathlib import Path

import mido
import nbformat
import pytest

from labkit import LabError, doctor
from labkit.music.note import Music, Note
from labkit.music.recording import record
from tools import build_course

ROOT = Path(__file__).parent.parent.parent
TONE = Note(0, 1, 60, "keys")


def album(gap_beats: float = 0.0, title: str = "") -> Music:
    """A roll, strings after a gap, and a fanfare; 60 beats a minute."""
    later = 8 + gap_beats
    notes = (
        Note(0, 8, 38, "timpani", 0.8),
        *(Note(later, 8, pitch, "violins", 0.7) for pitch in (62, 65, 69)),
        *(Note(later + 8, 4, pitch, "brass", 0.9) for pitch in (50, 62, 66)),
    )
    return Music(notes, 60, later + 12, title=title)


def in_the_middle(silences, seconds):
    return [(begin, end) for begin, end in silences if begin > 0 and end < seconds]


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# What it says


def test_it_says_who_plays_how_long_and_that_there_is_no_silence():
    assert repr(record(album())) == "Recording: timpani, violins, brass; 0:20; no silence"


def test_it_says_where_nothing_sounds():
    said = repr(record(album(gap_beats=4, title="The Studio Album")))
    assert said == (
        "Recording of The Studio Album: timpani, violins, brass; 0:24; "
        "silent from 0:08.0 to 0:12.0 (bar 3)"
    )


def test_a_silence_over_several_bars_names_the_first_and_the_last():
    assert repr(record(album(gap_beats=4.5))).endswith("silent from 0:08.0 to 0:12.5 (bars 3–4)")


def test_a_silence_before_the_first_note_and_one_after_the_last_are_told():
    music = Music((Note(4, 4, 60, "keys"),), 120, 128)
    assert repr(record(music)).endswith(
        "keys; 1:04; silent from 0:00.0 to 0:02.0 (bar 1), from 0:04.0 to 1:04.0 (bars 3–32)"
    )


def test_a_rest_of_less_than_a_second_is_no_silence():
    music = Music((TONE, Note(1.9, 1, 60, "keys")), 60, 2.9)
    assert repr(record(music)).endswith("no silence")


def test_many_silences_are_counted():
    music = Music(tuple(Note(4 * bar, 1, 60, "keys") for bar in range(9)), 60, 33)
    assert repr(record(music)).count("from") == 4
    assert repr(record(music)).endswith("4 times more")


def test_what_a_listener_should_know_stands_below():
    assert repr(record(album(), "you: side stick")).splitlines()[1:] == ["you: side stick"]


# What it sounds like


def test_four_silent_seconds_are_measured_on_the_samples():
    taken = record(album(gap_beats=4))
    [(begin, end)] = in_the_middle(taken.silences(), taken.seconds)
    assert end - begin >= 3
    assert 8 <= begin < end <= 12.1


def test_the_same_without_the_gap_is_not_silent_in_the_middle():
    taken = record(album())
    assert in_the_middle(taken.silences(at_least_seconds=0.1), taken.seconds) == []


def test_what_counts_as_silent_can_be_said():
    taken = record(album(gap_beats=4))
    assert in_the_middle(taken.silences(at_least_seconds=5), taken.seconds) == []
    [(later, _)] = in_the_middle(taken.silences(below_db=-70), taken.seconds)
    [(sooner, _)] = in_the_middle(taken.silences(below_db=-30), taken.seconds)
    assert sooner < later


def test_nothing_is_computed_before_it_is_heard():
    code = (
        "import sys; from labkit.music.note import Music, Note; "
        "from labkit.music.recording import record; "
        "print(record(Music((Note(0, 1, 60, 'keys'),), 60, 1)), 'numpy' in sys.modules)"
    )
    assert run(code).split("; ")[-1] == "no silence False\n"


# What can be kept


def test_a_wav_file_holds_the_samples(tmp_path):
    taken = record(album())
    assert taken.save(tmp_path / "take.wav") == tmp_path / "take.wav"
    with wave.open(str(tmp_path / "take.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        assert file.getframerate() == taken.rate
        assert file.getnframes() == len(taken.samples)


def test_a_midi_file_holds_the_notes_under_their_tempo(tmp_path):
    kit = (Note(0, 0.5, 36, "drums"), Note(0.5, 0.5, 38, "drums"))
    tones = (Note(0, 1, 60, "keys", 1.0), Note(1, 2, 64, "saxophone", 0.5))
    record(Music((*kit, *tones), 120, 8, title="Blue in 4 – take 1")).save(
        str(tmp_path / "take.mid")
    )
    file = mido.MidiFile(tmp_path / "take.mid")
    assert file.length == pytest.approx(4.0)
    now, begun = 0.0, []
    for message in file:
        now += message.time
        if message.type == "note_on":
            begun.append((round(now, 3), message.note, message.channel, message.velocity))
    assert sorted(begun) == [(0, 36, 9, 89), (0, 60, 4, 127), (0.25, 38, 9, 89), (0.5, 64, 5, 64)]
    programs = {m.channel: m.program for m in file if m.type == "program_change"}
    assert programs == {4: 4, 5: 66}


@pytest.mark.parametrize("name", ["take.mp3", "take", ".wav"])
def test_another_kind_of_file_is_refused(tmp_path, name):
    with pytest.raises(LabError, match=r"(?s)can't be saved.*\.wav.*\.mid"):
        record(album()).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(LabError, match=r"no folder .*nowhere"):
        record(album()).save(tmp_path / "nowhere" / "take.wav")


# Where something is missing


def without(package: str, code: str) -> str:
    return run(
        f"import sys; sys.modules[{package!r}] = None\n"
        "from labkit import LabError\n"
        "from labkit.music.note import Music, Note\n"
        "from labkit.music.recording import record\n"
        "taken = record(Music((Note(0, 1, 60, 'keys'),), 60, 1))\n"
        f"{code}"
    )


def test_without_numpy_it_shows_its_words_and_how_to_hear_it():
    assert without("numpy", "print(taken._repr_mimebundle_())") == repr(
        {
            "text/plain": "Recording: keys; 0:01; no silence\n"
            'To hear it: pip install "orchestration-or-choreography[sound]"'
        }
    ) + ("\n")


@pytest.mark.parametrize(
    ("package", "asked"),
    [
        ("numpy", "taken.samples"),
        ("numpy", "taken.silences()"),
        ("numpy", "taken.save('never-written.wav')"),
        ("mido", "taken.save('never-written.mid')"),
    ],
)
def test_without_a_package_one_is_told_how_to_install_it(package, asked):
    told = without(package, f"try: {asked}\nexcept LabError as error: print(error)")
    assert "which is not installed" in told
    assert 'pip install "orchestration-or-choreography[sound]"' in told
    assert not Path("never-written.wav").exists()
    assert not Path("never-written.mid").exists()


def test_the_doctor_says_how_to_hear_recordings(monkeypatch):
    assert str(doctor.sound()).startswith("ok  sound: NumPy ")

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert str(doctor.sound()).startswith("--  sound: NumPy is not installed; to hear recordings: ")
    assert '"orchestration-or-choreography[sound]"' in str(doctor.sound())


# In a notebook


def test_it_is_a_player_with_its_words_as_its_name():
    taken = record(album(title="A & B"), "you: side stick")
    shown = taken._repr_mimebundle_()
    assert shown["text/plain"] == repr(taken)
    assert set(shown) == {"text/plain", build_course.WIDGET_VIEW}
    player = taken.player()
    assert 'aria-label="Recording of A &amp; B: timpani, ' in player
    assert 'src="data:audio/wav;base64,' in player
    assert "<figcaption" in player
    assert "autoplay" not in player


def built(tmp_path: Path, last_line: str) -> Path:
    (tmp_path / "course").mkdir()
    (tmp_path / "lessons").mkdir()
    (tmp_path / "course" / "00-heard.md").write_text(
        "```{code-cell} ipython3\n:id: heard\n"
        "from labkit.music.note import Music, Note\n"
        "from labkit.music.recording import record\n\n"
        'taken = record(Music((Note(0, 4, 60, "keys"),), 60, 4))\n'
        f"{last_line}\n```\n"
    )
    notebook = build_course.written(tmp_path / "course" / "00-heard.md")
    build_course.run(notebook, "00-heard", tmp_path / "lessons")
    path = tmp_path / "lessons" / "00-heard.ipynb"
    path.write_text(build_course.as_text(notebook), encoding="utf-8")
    return path


def test_a_notebook_stores_the_words_and_nbval_agrees(tmp_path):
    path = built(tmp_path, "taken")
    [cell] = nbformat.read(path, as_version=4).cells
    [output] = cell.outputs
    assert output.data == {"text/plain": "Recording: keys; 0:04; no silence"}
    assert "data:audio" not in path.read_text(encoding="utf-8")
    nbval = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env"]
    done = subprocess.run([sys.executable, *nbval, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_a_lesson_that_would_store_sound_is_not_built(tmp_path):
    with pytest.raises(build_course.Stopped, match="would store its sound"):
        built(tmp_path, "from IPython.display import HTML\nHTML(taken.player())")


def test_no_notebook_of_the_course_stores_sound():
    notebooks = [path for name in build_course.FOLDERS for path in ROOT.glob(f"{name}/*.ipynb")]
    assert notebooks
    loud = [path.name for path in notebooks if "data:audio" in path.read_text(encoding="utf-8")]
    assert loud == []


# What can't be played


@pytest.mark.parametrize(
    ("music", "told"),
    [
        (Music((), 60, 16), "no notes"),
        (Music((TONE,), 0, 1), "tempo is 0 beats a minute; it can be from 20 to 400"),
        (Music((TONE,), 1000, 1), "tempo is 1,000 beats a minute"),
        (Music((TONE,), float("nan"), 1), "tempo is nan"),
        (Music((TONE,), 60, 1, beats_per_bar=0), "from 1 to 16 beats"),
        (Music((TONE,), 60, 100_000), "lasts 1,667 minutes; 10 can be"),
        (Music((Note(0, 1, 60, "kazoo"),), 60, 1), "no such instrument. There are: timpani"),
        (Music((Note(2, 1, 109, "violins"),), 60, 3), r"violins at beat 2: C#8 \(109\) is out of"),
        (Music((Note(0, 1, 200, "keys"),), 60, 1), "whole number from 0 to 127"),
        (Music((Note(0, 1, 60.5, "keys"),), 60, 1), "whole number from 0 to 127"),
        (Music((Note(0, 1, 99, "drums"),), 60, 1), "kit has no piece 99. It has: 35 kick"),
        (Music((Note(-1, 1, 60, "keys"),), 60, 1), "starts at beat 0 or later"),
        (Music((Note(0, 0, 60, "keys"),), 60, 1), "lasts more than 0 beats"),
        (Music((Note(0, 1, 60, "keys", 0),), 60, 1), "velocity is above 0 and up to 1"),
        (Music((Note(0, 1, 60, "keys", 1.5),), 60, 1), "velocity is above 0 and up to 1"),
        ([TONE], "needs a Music"),
    ],
)
def test_what_cannot_be_played_is_told(music, told):
    with pytest.raises(LabError, match=told):
        record(music)
