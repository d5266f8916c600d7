"""What tokenizers, the library of Hugging Face, makes of texts in many languages, and llama.cpp.

Each vocabulary of llama.cpp is set up as the `tokenizer.json` of its model sets it
up: normalizer, cut, merges. Beside the answers the `tokenizer.json` itself is
written, so that ours can be held with the GGUF file and with the folder.

    python hf_tokenizers.py FOLDER_WITH_GGML_VOCAB_FILES OUT

OUT/NAME has `tokenizer.json` and `expected.json`: a list of {"text", "tokens"}, with
"llama_cpp" where the two judges disagree: llama.cpp does not compose letters for Qwen and
loses some of decomposed Korean and Devanagari for BERT,
and tokenizers maps whole graphemes for Unigram where SentencePiece maps prefixes.
"""

import argparse
import json
import os
import random
from pathlib import Path

import gguf
import llama_cpp
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from models import quiet

CONTROL = 3
SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
END = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + END
QWEN2 = SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + END
QWEN35 = SHORT + (r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+"
                  r"|\s+(?!\S)|\s+")

TEXTS = [
    "The quick brown fox jumps over the lazy dog. It's 3.14159, isn't it? WE'LL SEE!",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "Dès Noël, où un zéphyr haï me vêt de glaçons würmiens…",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia; ¿quién? ¡él!",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "いろはにほへと ちりぬるを。カタカナ、ひらがな、漢字。",
    "敏捷的棕色狐狸跳过了懒狗。二〇二六年十一月",
    "다람쥐 헌 쳇바퀴에 타고파. 각",
    "نص حكيم له سر قاطع وذو شأن عظيم",
    "דג סקרן שט בים מאוכזב",
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า",
    "Chào thế giới, tôi tên là Nguyễn Thị Hồng.",
    "cafe\u0301 nai\u0308ve A\u030angstro\u0308m \u1100\u1161\u11a8 \u0915\u093c",
    "ﬁne ½ ² Ⅷ ｆｕｌｌ ｗｉｄｔｈ ﷺ ㍿ ① ℌ",
    "👩‍👩‍👧‍👦 🦀🦀 🇩🇪🇫🇷 👍🏽 ❤️ 𝔘𝔫𝔦 𐍈 \U0001f9ff",
    "a\tb\t\tc   d    e\n\n\nf\r\ng \n h\u00a0i\u2003j\u3000k\u200bl\u200dm",
    "fn main() { let x: u32 = 0xFF_00; println!(\"{x:>8}\"); } // 1,234,567.89",
    "    indented\n        more\n\tand tabs  \n",
    "1 22 333 4444 55555 ١٢٣ ४५६ 一二三",
    " leading", "trailing ", "  both  ", "\n", " ", "\t\n ", "a", "é", "漢", "🦀",
]
PIECES = [
    "the", "The", "THE", "ing", "'s", "'LL", "don't", "caf\u00e9", "e\u0301", "ß", "ĳ", "Δ", "ж", "Ёж", "ا", "ل", "ש", "क्ष", "ก็",
    "漢", "字", "かな", "カ", "한", "글", "1", "12", "345", "٣", "½", ".", ",", "...", "!?", "(", ")", "{}", "->", "__", "#", "%",
    "€", "🦀", "👍🏽", "\u200d", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2028", "x", "Q", "zz",
]
MIXTURES = 400


def texts(folder):
    """Texts of ours, those beside the vocabularies, and mixtures of all that is hard."""
    beside = (folder / "ggml-vocab-gpt-2.gguf.inp").read_text().split("\n__ggml_vocab_test__\n")
    chance = random.Random(0)
    mixed = ["".join(chance.choices(PIECES, k=chance.randint(1, 24))) for _ in range(MIXTURES)]
    return list(dict.fromkeys(text for text in TEXTS + beside + mixed if text))


class File:
    """A vocabulary in a GGUF file."""

    def __init__(self, path):
        self.fields = gguf.GGUFReader(path).fields
        self.tokens = self.get("tokens")
        self.ids = {token: at for at, token in enumerate(self.tokens)}
        self.marks = [token for token, kind in zip(self.tokens, self.get("token_type")) if kind == CONTROL]

    def get(self, name):
        return self.fields[f"tokenizer.ggml.{name}"].contents()

    def merges(self):
        return [tuple(merge.split(" ")) for merge in self.get("merges")]

    def merges_by_score(self):
        """Every way to put a token together from two others, the likelier tokens first."""
        scores, found = self.get("scores"), []
        for token, at in self.ids.items():
            for cut in range(1, len(token)):
                left, right = self.ids.get(token[:cut]), self.ids.get(token[cut:])
                if left is not None and right is not None:
                    found.append((-scores[at], left, right))
        return [(self.tokens[left], self.tokens[right]) for _, left, right in sorted(found)]


def byte_level(file, cuts, normalizer=None, whole=False):
    """Merges of bytes, in words that are cut like this; cut in the way of GPT-2 where nothing else does it."""
    made = Tokenizer(models.BPE(file.ids, file.merges(), ignore_merges=whole))
    own = not any(isinstance(cut, pre_tokenizers.Split) for cut in cuts)
    made.pre_tokenizer = pre_tokenizers.Sequence(
        cuts + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=own)])
    made.decoder = decoders.ByteLevel()
    if normalizer:
        made.normalizer = normalizer
    return made


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def sentence_piece(file):
    """Merges of characters by their scores, bytes for what is unknown, a space before all."""
    made = Tokenizer(models.BPE(file.ids, file.merges_by_score(), unk_token="<unk>", fuse_unk=True,
                                byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                      decoders.Strip(" ", 1, 0)])
    return made


def word_piece(file):
    """Words and their parts, which GGUF files mark the other way round."""
    def name(token):
        if token in file.marks or token.startswith("[unused"):
            return token
        return token[1:] if token.startswith("▁") else f"##{token}"
    made = Tokenizer(models.WordPiece({name(token): at for token, at in file.ids.items()}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    return made


def unigram(file):
    """The likeliest pieces, of a text that a table of characters made plain."""
    scored = list(zip(file.tokens, file.get("scores")))
    made = Tokenizer(models.Unigram(scored, unk_id=file.get("unknown_token_id"), byte_fallback=False))
    made.normalizer = normalizers.Precompiled(bytes(file.get("precompiled_charsmap")))
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    made.decoder = decoders.Metaspace()
    return made


DIGITS = pre_tokenizers.Digits(individual_digits=True)
FAMILIES = {
    "gpt-2": lambda file: byte_level(file, []),
    "starcoder": lambda file: byte_level(file, [DIGITS]),
    "llama-bpe": lambda file: byte_level(file, [split(LLAMA3)], whole=True),
    "qwen2": lambda file: byte_level(file, [split(QWEN2)], normalizers.NFC()),
    "qwen35": lambda file: byte_level(file, [split(QWEN35)], normalizers.NFC()),
    "llama-spm": sentence_piece,
    "phi-3": sentence_piece,
    "bert-bge": word_piece,
    "nomic-bert-moe": unigram,
}


class LlamaCpp:
    """A vocabulary opened by llama.cpp."""

    def __init__(self, path):
        quiet(llama_cpp)
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = True
        self.model = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.model)

    def encode(self, text):
        data = text.encode()
        room = (llama_cpp.llama_token * (2 * len(data) + 16))()
        count = llama_cpp.llama_tokenize(self.vocabulary, data, len(data), room, len(room), False, False)
        return list(room[:count])


def answer(text, tokenizer, other):
    tokens, others = tokenizer.encode(text, add_special_tokens=False).ids, other.encode(text)
    return {"text": text, "tokens": tokens} | ({} if others == tokens else {"llama_cpp": others})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    for name, family in FAMILIES.items():
        path = args.folder / f"ggml-vocab-{name}.gguf"
        file, other = File(path), LlamaCpp(path)
        tokenizer = family(file)
        # Marks in a text are told apart from their names elsewhere.
        asked = [text for text in texts(args.folder) if not any(mark in text for mark in file.marks)]
        answers = [answer(text, tokenizer, other) for text in asked]
        folder = args.out / name
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        (folder / "expected.json").write_text(json.dumps(answers, ensure_ascii=False) + "\n")
        print(f"{name}: {len(answers)} texts, disputed {sum('llama_cpp' in one for one in answers)}", flush=True)


if __name__ == "__main__":
    main()
