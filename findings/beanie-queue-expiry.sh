#!/usr/bin/env bash
# The expiry of tasks of beanie-batteries-queue, which its README describes: after 24 hours by default, by an index with `expireAfterSeconds`.
# MONGODB_URI names a server, of which the database `finding` is used and dropped. Needs Python with venv.
#
# Guess: a task is deleted a day after it was pushed, finished or not.
# Seen: with beanie-batteries-queue 0.4.0 (Beanie 2.2.0) it stays for ever. The default, and the form that the README shows, make an ordinary index
# over two fields, `created_at` and one named `expireAfterSeconds`; none of the collection's indexes is a TTL index.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check beanie==2.2.0 beanie-batteries-queue==0.4.0

found=$(python/bin/python -W ignore - <<'PROGRAM'
import asyncio, os
from pymongo import ASCENDING, AsyncMongoClient
from beanie import init_beanie
from beanie_batteries_queue import Task


class ByDefault(Task):
    pass


class AsDescribed(Task):
    class Settings:
        indexes = [[("created_at", ASCENDING), ("expireAfterSeconds", 300)]]


async def main():
    client = AsyncMongoClient(os.environ["MONGODB_URI"])
    await client.drop_database("finding")
    await init_beanie(client["finding"], document_models=[ByDefault, AsDescribed])
    for model in [ByDefault, AsDescribed]:
        indexes = (await client["finding"][model.__name__].index_information()).values()
        keys = [dict(index["key"]) for index in indexes if "created_at" == index["key"][0][0]]
        print(model.__name__, keys, "TTL indexes:", sum("expireAfterSeconds" in index for index in indexes))
    await client.drop_database("finding")
    await client.close()


asyncio.run(main())
PROGRAM
)
echo "$found"

diff <(echo "$found") - <<'SEEN'
ByDefault [{'created_at': 1, 'expireAfterSeconds': 86400}] TTL indexes: 0
AsDescribed [{'created_at': 1, 'expireAfterSeconds': 300}] TTL indexes: 0
SEEN
