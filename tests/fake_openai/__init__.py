"""A fake of the OpenAI API on loopback: real HTTP, scripted answers, faults, limits and latency.

    with FakeOpenAI(answer="Paris") as server:
        client = OpenAI(base_url=server.base_url, api_key="sk-test")

The layers, each importing only from those above it:

    payloads   what goes back over HTTP, and the API's error objects
    tokens     the one token count and the one log-probability that all endpoints use
    schemas    the smallest JSON value that fits a JSON schema
    replies    what the "model" says
    wording    what the API says with each error status
    faults     what can go wrong; fault_plans: when it does; broken: what it makes of a body
    streams    a good answer as server-sent events
    limits     token buckets and their headers
    records    what was received
    endpoints/ one file per family: a new family (files, batches, …) is a file and its routes
    dispatch   one request from arrival to the last byte; wire: how it is put on the socket
    server     the thread, the port and the public class
"""

from fake_openai.fault_plans import FaultPlan, Occasion
from fake_openai.faults import Fault
from fake_openai.limits import RateLimits
from fake_openai.payloads import ApiError, Payload
from fake_openai.records import Received
from fake_openai.replies import Reply, ToolCall
from fake_openai.server import FakeOpenAI

__all__ = [
    "ApiError",
    "FakeOpenAI",
    "Fault",
    "FaultPlan",
    "Occasion",
    "Payload",
    "RateLimits",
    "Received",
    "Reply",
    "ToolCall",
]
