"""Short stop lists of function words.

English: articles, pronouns, auxiliaries, prepositions, conjunctions and adverbs of the Snowball project's
English list (snowballstem.org/algorithms/english/stop.txt, BSD). Chinese: particles, pronouns, prepositions
and conjunctions, the single characters from stopwords-iso (github.com/stopwords-iso/stopwords-zh, MIT), the
longer ones of our own. Negations (not, no, 不, 没) are in neither: without them a text can say the opposite.
"""

from __future__ import annotations

_ENGLISH = """
a an the
i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers
herself it its itself they them their theirs themselves
what which who whom this that these those
am is are was were be been being have has had having do does did doing would should could ought
i'm you're he's she's it's we're they're i've you've we've they've i'd you'd he'd she'd we'd they'd
i'll you'll he'll she'll we'll they'll that's who's what's here's there's
and but if or because as until while of at by for with about against between into through during before
after above below to from up down in out on off over under
again further then once here there when where why how
all any both each few more most other some such only own same so than too very
"""
_CHINESE = """
的 了 着 地 得 之 也 又 还 就 都 而 且 并 与 和 及 跟 或 但 却 则 即 若 虽 因 所 以 于 在 从 向 往
由 被 把 给 让 对 为 是 有 这 那 其 此 该 某 各 每 些 个 们 我 你 您 他 她 它 咱 谁 哪 何 怎 吧 吗
呢 啊 呀 哇 哟 啦 嘛 么 很 最 再 我们 你们 他们 她们 它们 咱们 自己 这个 那个 这些 那些 这里 那里
这样 那样 什么 怎么 怎样 哪里 哪些 因为 所以 但是 而且 并且 或者 如果 虽然 然而 因此 于是 以及
还是 只是 就是 关于 对于 由于 为了 一个 一些 一种 已经 正在
"""
LISTS = {"english": frozenset(_ENGLISH.split()), "chinese": frozenset(_CHINESE.split())}
