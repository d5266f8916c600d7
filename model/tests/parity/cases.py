"""The prompts on which models are judged, the same for every judge.

Ids come from the stream that also makes the weights, so no list has to be kept.
The long prompt goes past every sliding window and every original rope context of
the judged models.
"""

from models import stream

# "Once upon a time" for the vocabulary of 512 tokens.
STORY = [1, 403, 407, 261, 378]
TEXTS = ["Once upon a time", "The little dog", "One day, Lily saw a caf\u00e9 and said: \"Hi!\""]


def made_up(name, count, vocab):
    """A prompt of `count` ids that begins with the start token and has no special or byte ids."""
    low = 259 if vocab >= 300 else 3
    high = min(vocab, 512)
    data = stream(name, 2 * count).view("<u2").astype(int)
    return [1] + [int(low + value % (high - low)) for value in data[: count - 1]]


def cases(vocab):
    """Name, prompt and number of greedy steps of each case."""
    return [
        ("short", STORY if vocab >= 512 else made_up("prompt.short", 5, vocab), 24),
        ("middle", made_up("prompt.middle", 40, vocab), 8),
        ("long", made_up("prompt.long", 300, vocab), 8),
    ]
