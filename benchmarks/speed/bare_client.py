"""The floor: the official client in a loop that only collects answers.

bare_client.py URL N CONCURRENCY aiohttp|httpx2
"""

import asyncio
import sys


async def main(base_url: str, n: int, concurrency: int, kind: str) -> None:
    import openai

    http_client = openai.DefaultAioHttpClient() if kind == "aiohttp" else None
    async with openai.AsyncOpenAI(
        base_url=base_url, api_key="none", max_retries=0, http_client=http_client
    ) as client:
        numbers = iter(range(n))
        answers: list[str | None] = []

        async def work() -> None:
            for number in numbers:
                done = await client.chat.completions.create(
                    model="bench",
                    temperature=0,
                    messages=[{"role": "user", "content": f"Question {number}: what is the answer?"}],
                )
                answers.append(done.choices[0].message.content)

        await asyncio.gather(*(work() for _ in range(concurrency)))
        assert len(answers) == n


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
