"""Every setting of the embedded server that can change an answer; light to import, so that it can be hashed.

The names are the attribute paths of xllamacpp's `CommonParams`.
"""

from __future__ import annotations

from typing import Final

FLAGS: Final[dict[str, bool | int | float]] = {
    # One slot, nothing reused between requests, one thread: the only combination that gave the same bytes
    # when repeated, restarted, queued behind others, and sampled with a seed.
    "n_parallel": 1,
    "cache_prompt": False,
    "cache_ram_mib": 0,
    "cache_idle_slots": False,
    "cpuparams.n_threads": 1,
    "cpuparams_batch.n_threads": 1,
    # On the CPU, also where the build has a GPU backend (Metal, CUDA): other kernels, other roundings.
    "n_gpu_layers": 0,
    "no_op_offload": True,
    "no_kv_offload": True,
    # What "auto" chooses on a CPU, said aloud; off gives other texts.
    "flash_attn_type": 1,
    # The context stays as asked, whatever memory happens to be free (and start-up takes half the time).
    "fit_params": False,
    # OpenAI's defaults for sampling, where llama.cpp has its own (0.8, 40, 0.95, 0.05).
    "sampling.temp": 1.0,
    "sampling.top_k": 0,
    "sampling.top_p": 1.0,
    "sampling.min_p": 0.0,
}
