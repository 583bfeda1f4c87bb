"""The floor of a start: compose a Hydra config, import openai, and send one request where a URL is given.

    python benchmarks/speed/bare_start.py CONFIGS OVERRIDES... [--url URL]

Prints the monotonic time at which the client was imported.
"""

import sys
import time

from hydra import compose, initialize_config_dir


def main(configs: str, overrides: list[str], url: str | None) -> None:
    with initialize_config_dir(configs, version_base="1.3"):
        config = compose("evalkit", overrides=overrides)
    import openai

    print(time.monotonic())
    if url is not None:
        with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
            client.chat.completions.create(
                model=config.model.name, messages=[{"role": "user", "content": "first"}]
            )


if __name__ == "__main__":
    words = sys.argv[2:]
    address = words.pop() if "--url" in words else None
    main(sys.argv[1], [word for word in words if word != "--url"], address)
