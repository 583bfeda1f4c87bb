"""The floors: loops that only collect answers, over the rows of a file.

    python benchmarks/speed/bare_client.py aiohttp|httpx2|raw URL DATA CONCURRENCY

`aiohttp` and `httpx2` are the official client over either transport (httpx2 is its default); `raw` is aiohttp
alone.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from workload import MODEL, SYSTEM

Ask = Callable[[dict[str, Any]], Awaitable[str | None]]


def bodies(data: Path) -> Iterator[dict[str, Any]]:
    """Yield what evalkit sends for each row of the file."""
    with data.open(encoding="utf-8") as file:
        for line in file:
            yield {
                "model": MODEL,
                "messages": [
                    {"role": "system", "content": SYSTEM},
                    {"role": "user", "content": json.loads(line)["question"]},
                ],
                "temperature": 0.0,
            }


@asynccontextmanager
async def official(base_url: str, kind: str) -> AsyncIterator[Ask]:
    import openai

    http_client = openai.DefaultAioHttpClient() if kind == "aiohttp" else None
    async with openai.AsyncOpenAI(
        base_url=base_url, api_key="none", max_retries=0, http_client=http_client
    ) as client:

        async def ask(body: dict[str, Any]) -> str | None:
            done = await client.chat.completions.create(**body)
            content: str | None = done.choices[0].message.content
            return content

        yield ask


@asynccontextmanager
async def raw(base_url: str, concurrency: int) -> AsyncIterator[Ask]:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask(body: dict[str, Any]) -> str | None:
            async with session.post(f"{base_url}/chat/completions", json=body) as response:
                content: str | None = json.loads(await response.read())["choices"][0]["message"]["content"]
                return content

        yield ask


async def main(kind: str, base_url: str, data: Path, concurrency: int) -> None:
    """Ask for every row and keep the answers."""
    asked = bodies(data)
    answers: list[str | None] = []
    async with raw(base_url, concurrency) if kind == "raw" else official(base_url, kind) as ask:

        async def work() -> None:
            for body in asked:
                content = await ask(body)
                answers.append(content)

        await asyncio.gather(*(work() for _ in range(concurrency)))
    assert answers
    assert all(answers)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
