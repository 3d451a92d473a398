"""The smallest valid copy of every corpus: its text files, which are fuzzed, and the names of its media files."""

from dataclasses import dataclass, field

VOTES = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
XML = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<nite:root xmlns:nite="http://nite.sourceforge.net/">{}</nite:root>'


@dataclass(frozen=True)
class Copy:
    """A copy of a corpus: text by path, paths of its media, and options of the reader."""

    texts: dict[str, str]
    media: tuple[str, ...]
    options: dict = field(default_factory=dict)


COPIES = {
    "ami": Copy(
        {
            "corpusResources/meetings.xml": XML.format(
                '<meeting observation="ES2002a"><speaker nxt_agent="A" channel="0" camera="1" global_name="FEE005"/>'
                '<speaker nxt_agent="B" channel="1" camera="Closeup2" global_name="MEE006"/></meeting>'
            ),
            "words/ES2002a.A.words.xml": XML.format(
                "".join(
                    f'<w nite:id="w{n}" starttime="{n * 0.03}" endtime="{n * 0.03 + 0.02}">word</w>\n'
                    for n in range(1, 9)
                )
            ),
        },
        ("ES2002a/audio/ES2002a.Headset-0.wav", "ES2002a/audio/ES2002a.Headset-1.wav"),
        {"crop_s": 0.1},
    ),
    "casia": Copy({"texts.txt": "201. 今天天气好\n202. 你好\n"}, ("liu/angry/201.wav", "liu/sad/202.wav")),
    "ch_sims": Copy(
        {
            "label.csv": "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n"
            "video_0001,0001,你好,0.4,-0.2,0.6,1,Positive,train\nvideo_0001,2,好的,-1,0,0,0,Negative,test\n"
        },
        ("Raw/video_0001/0001.mp4", "Raw/video_0001/0002.mp4"),
    ),
    "crema_d": Copy(
        {"VideoDemographics.csv": "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n"},
        ("AudioWAV/1001_DFA_ANG_XX.wav",),
    ),
    "emodb": Copy({}, ("wav/03a01Fa.wav", "wav/03a01Wa.wav")),
    "emovoxceleb": Copy(
        {
            "predictions.csv": "wav,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt\n"
            "id10001/1zcIwhmdeo4/00001.wav,2.1,0.3,-0.5,0.9,0.1,-1.2,-0.7,-0.9\n"
            "id10001/1zcIwhmdeo4/00001.wav,1.8,0.2,-0.4,1.1,0.0,-1.1,-0.6,-0.8\n"
            "A.J._Buckley/test/Y8hIVOBuels_0000001.wav,1,0,0,0,0,0,0,0\n",
            "vox1_meta.csv": "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n"
            "id10001\tA.J._Buckley\tm\tIreland\tdev\n",
        },
        ("wav/id10001/1zcIwhmdeo4/00001.wav", "wav/id10001/Y8hIVOBuels/00001.wav"),
    ),
    "esd": Copy(
        {
            "0011/0011.txt": "0011_000351\tThe nine the eggs, I keep.\tAngry\n0011_000352\tHello\tAngry\n",
            "0001/0001.txt": "0001_000351 打远一看 生气\n",
        },
        ("0011/Angry/0011_000351.wav", "0011/Angry/train/0011_000352.wav", "0001/生气/0001_000351.wav"),
    ),
    "iemocap": Copy(
        {
            "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt": "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t"
            "[2.5000, 2.5000, 2.5000]\nC-E2:\tNeutral;\t()\nC-E3:\tNeutral state; Sadness;\t()\n"
            "A-E3:\tval 3; act 2; dom  2;\t()\n",
            "Session1/dialog/transcriptions/Ses01F_impro01.txt": "Ses01F_impro01_F000 [006.2901-008.2357]: Hello.\n",
        },
        (
            "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
            "Session1/dialog/avi/DivX/Ses01F_impro01.avi",
        ),
    ),
    "librispeech": Copy(
        {
            "SPEAKERS.TXT": "; comment\n84 | F | dev-clean | 8.02 | Christie Nowak\n",
            "dev-clean/84/121123/84-121123.trans.txt": "84-121123-0000 GO DO YOU HEAR\n84-121123-0001 BUT\n",
        },
        ("dev-clean/84/121123/84-121123-0000.wav", "dev-clean/84/121123/84-121123-0001.wav"),
    ),
    "nnime": Copy(
        {
            "utterances.csv": "utterance,audio,dialogue,speaker,start,end,gender,transcript,emotion,video\n"
            "01_A_001,wav/01_A_001.wav,01,A,0,2,F,你好,happy,v.mp4\n01_A_002,wav/01_A_002.wav,01,A,2,3,F,好,sad,\n",
            "traces/01/rater1.csv": "time,arousal,valence\n0,0.5,-0.5\n1,1,0\n2.5,0.1,0.1\n",
            "traces/01/rater2.csv": "time,arousal,valence\n0,0,0\n",
        },
        ("wav/01_A_001.wav", "wav/01_A_002.wav"),
    ),
    "audformat": Copy(
        {
            "db.yaml": "name: x\nsource: ''\nusage: unrestricted\nlanguages: [deu]\nschemes:\n  emotion:\n"
            "    dtype: str\n    labels: [anger, joy]\nsplits:\n  train: {type: train}\ntables:\n  emo:\n"
            "    type: filewise\n    split_id: train\n    columns:\n      emotion: {scheme_id: emotion}\n",
            "db.emo.csv": "file,emotion\na.wav,joy\nb.wav,anger\n",
        },
        ("a.wav", "b.wav"),
    ),
    "ch_sims_v2": Copy(
        {
            "ch-simsv2s/meta.csv": "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n"
            "v1,0001,你好,0.4,-0.2,0.6,1,Positive,train\n",
        },
        ("ch-simsv2s/Raw/v1/0001.mp4", "ch-simsv2u/Raw/v2/0001.mp4"),
    ),
    "cmu_mosei": Copy(
        {
            "Labels/1.csv": "Input.VIDEO_ID,Input.CLIP,Answer.sentiment,Answer.happiness,Answer.sadness,Answer.anger,"
            "Answer.surprise,Answer.disgust,Answer.fear\nv,0,1,2,0,0,0,0,0\nv,0,-1,0,1,,0,0,0\n",
            "Transcript/Segmented/Combined/v.txt": "v___0___0.0___0.25___Well.\n",
            "std.py": "standard_train_fold = ['v']\nstandard_test_fold = ['w']\n",
        },
        ("Audio/Full/WAV_16000/v.wav",),
        {"folds": "std.py"},
    ),
    "emobox": Copy(
        {
            "data/x/fold_1/x_train_fold_1.jsonl": '{"key": "k1", "wav": "a.wav", "type": "raw", "emo": "ang"}\n',
            "data/x/fold_1/x_test_fold_1.jsonl": '{"key": "k2", "wav": "b.wav", "emo": "exc", "start_time": 0, '
            '"end_time": 0.25}\n',
            "data/x/label_map.json": '{"ang": "Angry", "exc": "Happy"}',
            "data/x/data.seg.wrd.stm": "k1 1 s1 0 1 <> x\nk2 1 s2 0 1 <> x\n",
        },
        ("a.wav", "b.wav"),
    ),
    "kaldi": Copy(
        {
            "wav.scp": "r1 a.wav\nr2 b.wav\n",
            "segments": "u1 r1 0.0 0.25\nu2 r2 0 -1\n",
            "utt2spk": "u1 s1\nu2 s2\n",
            "spk2gender": "s1 f\ns2 m\n",
            "text": "u1 hello you\n",
            "utt2emo": "u1 happy\nu2 sad\n",
        },
        ("a.wav", "b.wav"),
    ),
    "lhotse": Copy(
        {
            "x_recordings_dev.jsonl": '{"id": "r1", "sources": [{"type": "file", "channels": [0], "source": "a.wav"}], '
            '"sampling_rate": 16000, "num_samples": 8000, "duration": 0.5}\n',
            "x_supervisions_dev.jsonl": '{"id": "u1", "recording_id": "r1", "start": 0.0, "duration": 0.25, '
            '"channel": 0, "text": "hi", "speaker": "s", "gender": "F", "custom": {"emotion": "sad"}, '
            '"alignment": {"word": [["hi", 0.0, 0.1]]}}\n',
        },
        ("a.wav",),
    ),
    "meld": Copy(
        {
            "train_sent_emo.csv": "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode\n"
            '1,"Oh, no",Joey,sadness,negative,0,1,4,7\n',
        },
        ("train_splits/dia0_utt1.wav",),
    ),
    "mer": Copy(
        {
            "train-label.csv": "name,discrete,valence\nn1,worried,-2.5\n",
            "subtitle_chieng.csv": "name,chinese,english\nn1,哦,Oh\n",
        },
        ("train/n1.wav",),
    ),
    "msp_podcast": Copy(
        {
            "Labels/labels_consensus.csv": "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
            "a.wav,A,4.2,2,5,127,Female,Train\n",
            "Transcripts/a.txt": "So it goes.",
        },
        ("Audios/a.wav",),
    ),
    "omg": Copy(
        {
            "omg_TrainVideos.csv": "link,start,end,video,utterance,arousal,valence,EmotionMaxVote\n"
            "https://example.org,0,1,05f6b3a3f_1,utterance_1.mp4,0.5,-0.2,3\n,1,2,05f6b3a3f_1,utterance_2.mp4,0,0,6.0\n",
            "omg_TrainTranscripts.csv": "video,utterance,transcript\n05f6b3a3f_1,utterance_1.mp4,hello\n",
        },
        ("05f6b3a3f_1/utterance_1.wav", "05f6b3a3f_1/utterance_2.wav"),
    ),
    "ravdess": Copy({}, ("Actor_12/03-01-06-01-02-01-12.wav",)),
    "savee": Copy({}, ("AudioData/DC/a01.wav", "KL_sa02.wav")),
}

MANIFESTS = {
    "utterances.csv": "utterance_id,audio_path,speaker_id,gender,language,start_s,end_s,transcript,emotion,arousal,"
    "arousal_votes,emotion_votes,words,video_path,video_side,visual_probabilities\n"
    'q7,clips/1.wav,u1,F,de,0,0.1,"hello, ""you""",Happy,4,"[3, 5]",happy;sad,'
    '"[{""word"": ""a"", ""start_s"": 0, ""end_s"": 0.1}]",clips/1.mp4,LEFT,0.5;0.5;0;0;0;0;0;0\n'
    "q8,clips\\2.wav,u2,,,,,,,,,,,,,\n",
    "utterances.tsv": "audio_path\ttranscript\temotion\nclips/1.wav\ta, b\tsad\nclips/2.wav\t\t\n",
    "utterances.jsonl": '{"audio_path": "clips/1.wav", "speaker_id": 3, "arousal_votes": [1, 2.5], "emotion": null}\n'
    '{"audio_path": "clips/2.wav", "valence": "2", "start_s": 0, "end_s": 0.1, "words": [{"word": "a", "start_s": 0, '
    '"end_s": 1}]}\n',
}

FACE_COPIES = {
    "ferplus": Copy(
        {
            "fer2013new.csv": VOTES + "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0\nTraining,,0,0,0,0,0,0,0,0,0,10\n"
            "PublicTest,fer0028638.png,0,5,5,0,0,0,0,0,0,0\n"
        },
        ("FER2013Train/fer0000000.png", "FER2013Valid/fer0028638.png"),
    ),
    "ferplus_pixels": Copy(
        {
            "fer2013new.csv": VOTES + "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0\n",
            "fer2013.csv": "emotion,pixels,Usage\n0," + " ".join(["7"] * 48 * 48) + ",Training\n",
        },
        (),
    ),
    "rafdb": Copy(
        {"basic/EmoLabel/list_patition_label.txt": "train_00001.jpg 5\ntest_0001.jpg 1\n"},
        ("basic/Image/aligned/train_00001_aligned.jpg", "basic/Image/aligned/test_0001_aligned.jpg"),
    ),
    "face_folder": Copy({}, ("train/happy/1.png", "sad/2.png")),
}
