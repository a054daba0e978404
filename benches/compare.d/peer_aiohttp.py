# What people write for a day like this: 64 workers of aiohttp, a list in CSV in, a list in CSV out. No journal, no limits, no retries.
import asyncio
import csv
import sys

import aiohttp

URL, RECORDS, RESULTS, NUMBER = sys.argv[1:]
HEADERS = {"X-DC-DEVKEY": "bench"}
REASONS = {"keyCompromise": "key_compromise"}


async def worker(session, rows, results):
    for row in rows:
        body = {
            "comments": row["comments"],
            "revocation_reason": REASONS[row["reason"]],
            "skip_approval": row["skip_approval"] == "true",
        }
        url = f"{URL}/certificate/{row['certificate_id']}/revoke"
        async with session.put(url, json=body, headers=HEADERS) as answer:
            told = await answer.json()
            results.writerow([row["certificate_id"], answer.status, told["id"], told["status"]])


async def main():
    with open(RECORDS, newline="") as records, open(RESULTS, "w", newline="") as results:
        # One reader for all workers: each takes the next row.
        rows = (row for row, _ in zip(csv.DictReader(records), range(int(NUMBER))))
        writer = csv.writer(results)
        writer.writerow(["certificate_id", "status", "request", "state"])
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
            await asyncio.gather(*(worker(session, rows, writer) for _ in range(64)))


asyncio.run(main())
